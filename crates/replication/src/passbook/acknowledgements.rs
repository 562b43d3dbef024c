//! Acknowledgements: which customers get an answer once enough branches hold their writes.

use std::collections::VecDeque;

use super::requests::Awaiting;
use super::{Context, Mutant};
use bank::{Ack, Ledger, Seq};

/// The customers that wait for one level, by position in the log.
#[derive(Debug, Default)]
struct Level {
    in_order: VecDeque<Awaiting>,
    /// Customers whose write was in the log before they asked: few, in any order.
    repeated: Vec<Awaiting>,
    /// Enough branches hold the log up to here.
    reached: Seq,
}

impl Level {
    /// Removes one write that enough branches hold.
    fn pop(&mut self) -> Option<Awaiting> {
        let is_held = |awaiting: &Awaiting| awaiting.seq <= self.reached;
        match self.repeated.iter().position(is_held) {
            Some(place) => Some(self.repeated.swap_remove(place)),
            None => self.in_order.pop_front_if(|awaiting| awaiting.seq <= self.reached),
        }
    }
}

/// All customers that wait for acknowledgements. A steady stream of writes allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Acknowledgements {
    /// In the order of [`Ack`].
    levels: [Level; 3],
    /// How much of the own log each branch holds, in descending order. Recomputed by each count.
    holders: Vec<Seq>,
}

impl Acknowledgements {
    fn level(&mut self, ack: Ack) -> &mut Level {
        let [local, majority, all] = &mut self.levels;
        match ack {
            Ack::Local => local,
            Ack::Majority => majority,
            Ack::All => all,
        }
    }

    pub(super) fn wait(&mut self, ack: Ack, awaiting: Awaiting) {
        let level = self.level(ack);
        if level.in_order.back().is_none_or(|last| last.seq <= awaiting.seq)
            && level.reached < awaiting.seq
        {
            level.in_order.push_back(awaiting);
        } else {
            level.repeated.push(awaiting);
        }
    }

    /// Counts who holds how much of the own log: this branch `own`, the others `held`. Returns how much of it
    /// all branches hold.
    pub(super) fn count(&mut self, own: Seq, held: impl Iterator<Item = Seq>) -> Seq {
        self.holders.clear();
        self.holders.push(own);
        self.holders.extend(held);
        // Descending: what the last branch that a level needs holds, all that it needs hold.
        self.holders.sort_unstable_by(|a, b| b.cmp(a));
        for ack in Ack::ALL.iter().copied() {
            let last = ack.needed(self.holders.len()) - 1;
            let reached = self.holders[last].min(own);
            self.level(ack).reached = reached;
        }
        self.holders.last().copied().unwrap_or_default()
    }

    /// Answers the writes that enough branches held at the last count. `connected` branches are up, this one
    /// included.
    pub(super) fn answer(&mut self, ctx: &mut Context, shown: &Ledger, connected: usize) {
        for level in &mut self.levels {
            while let Some(awaiting) = level.pop() {
                let achieved = if ctx.has(Mutant::CountConnected) {
                    connected
                } else {
                    self.holders.partition_point(|held| *held >= awaiting.seq)
                };
                awaiting.reply(ctx, shown, achieved);
            }
        }
    }

    /// Answers "unknown" to all whose deadline has passed. A timeout never rejects: the write stays.
    pub(super) fn expire(&mut self, ctx: &mut Context) {
        for level in &mut self.levels {
            let mut keep = |awaiting: &Awaiting| ctx.awaits(awaiting.ticket, awaiting.deadline);
            level.in_order.retain(&mut keep);
            level.repeated.retain(&mut keep);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.levels.iter().map(|level| level.in_order.len() + level.repeated.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Effect;
    use super::*;
    use crate::{ClusterId, Instant, Ticket};
    use bank::{Money, Outcome};

    fn awaiting(seq: u64, ticket: u64) -> Awaiting {
        let deadline = Instant(Duration::from_secs(ticket));
        Awaiting { seq: Seq(seq), ticket: Ticket(ticket), deadline }
    }

    /// The tickets that are answered when this branch and two others hold so much.
    fn answered(acks: &mut Acknowledgements, held: [u64; 3]) -> Vec<u64> {
        let mut ctx = Context::of_first(3, 0);
        acks.count(Seq(held[0]), held[1..].iter().copied().map(Seq));
        acks.answer(&mut ctx, &Ledger::new(Money::ZERO, 3), 3);
        ctx.replies().iter().map(|(ticket, _)| ticket.0).collect()
    }

    #[test]
    fn each_level_is_answered_up_to_what_it_reached() {
        let mut acks = Acknowledgements::default();
        for seq in 1..=4 {
            acks.wait(Ack::All, awaiting(seq, seq));
        }
        acks.wait(Ack::Local, awaiting(4, 9));
        assert_eq!(answered(&mut acks, [2, 2, 3]), [1, 2]);
        acks.wait(Ack::All, awaiting(1, 5));
        acks.wait(Ack::All, awaiting(3, 6));
        assert_eq!(answered(&mut acks, [2, 2, 3]), [5], "a repeated one, held already");
        assert_eq!(answered(&mut acks, [4, 4, 4]), [9, 6, 3, 4]);
        assert_eq!(acks.len(), 0);
    }

    #[test]
    fn majority_needs_one_other_of_three_and_counts_all_holders() {
        let mut ctx = Context::of_first(3, 0);
        ctx.cluster = Some(ClusterId(9));
        let shown = Ledger::new(Money::ZERO, 3);
        let mut acks = Acknowledgements::default();
        acks.wait(Ack::Majority, awaiting(2, 1));
        assert_eq!(acks.count(Seq(2), [1, 0].map(Seq).into_iter()), Seq(0));
        acks.answer(&mut ctx, &shown, 3);
        assert_eq!(ctx.effects, []);
        acks.count(Seq(2), [0, 2].map(Seq).into_iter());
        acks.answer(&mut ctx, &shown, 3);
        let [Effect::Reply { receipt: Some(receipt), .. }] = &ctx.effects[..] else {
            panic!("{:?}", ctx.effects);
        };
        assert_eq!((receipt.seq, receipt.achieved), (Some(Seq(2)), 2));
    }

    #[test]
    fn what_others_hold_is_not_answered_before_it_is_durable_here() {
        let mut acks = Acknowledgements::default();
        acks.wait(Ack::Majority, awaiting(2, 1));
        assert_eq!(answered(&mut acks, [1, 2, 2]), [0_u64; 0]);
        assert_eq!(answered(&mut acks, [2, 2, 2]), [1]);
    }

    #[test]
    fn customer_whose_deadline_has_passed_gets_unknown() {
        let mut ctx = Context::of_first(3, 0);
        let mut acks = Acknowledgements::default();
        for seq in 1..=3 {
            acks.wait(Ack::All, awaiting(seq, seq));
        }
        ctx.pass(Duration::from_secs(2));
        acks.expire(&mut ctx);
        assert_eq!(ctx.replies(), [1, 2].map(|ticket| (Ticket(ticket), Outcome::Unknown)));
        assert_eq!(answered(&mut acks, [3, 3, 3]), [3]);
    }
}
