//! Acknowledgements: which customers get an answer once enough branches hold their writes.

use std::collections::VecDeque;

use super::requests::Awaiting;
use super::{Context, Mutant};
use crate::Ticket;
use bank::{Ack, Seq};

/// The customers that wait for one level, by position in the log.
#[derive(Debug, Default)]
struct Level {
    in_order: VecDeque<Awaiting>,
    /// Customers whose write was in the log before they asked: few, in any order.
    repeated: Vec<Awaiting>,
    /// Enough branches hold the log up to here.
    reached: Seq,
}

/// A write that enough branches hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    pub(super) ticket: Ticket,
    pub(super) seq: Seq,
    /// How many branches are known to hold it.
    pub(super) achieved: usize,
}

/// All customers that wait for acknowledgements. A steady stream of writes allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Acknowledgements {
    local: Level,
    majority: Level,
    all: Level,
    /// How much of the own log each branch holds, in descending order. Recomputed by each count.
    holders: Vec<Seq>,
}

impl Acknowledgements {
    fn level(&mut self, ack: Ack) -> &mut Level {
        match ack {
            Ack::Local => &mut self.local,
            Ack::Majority => &mut self.majority,
            Ack::All => &mut self.all,
        }
    }

    fn levels(&self) -> [&Level; 3] {
        [&self.local, &self.majority, &self.all]
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

    /// Removes one write of level `ack` that enough branches held at the last count. `connected` branches are
    /// up, this one included.
    pub(super) fn pop(
        &mut self,
        ctx: &Context,
        ack: Ack,
        connected: usize,
    ) -> Option<Acknowledged> {
        let level = self.level(ack);
        let reached = level.reached;
        let repeated = level.repeated.iter().position(|awaiting| awaiting.seq <= reached);
        let Awaiting { seq, ticket, .. } = repeated
            .map(|place| level.repeated.swap_remove(place))
            .or_else(|| level.in_order.pop_front_if(|awaiting| awaiting.seq <= reached))?;
        let achieved = if ctx.has(Mutant::CountConnected) {
            connected
        } else {
            self.holders.partition_point(|held| *held >= seq)
        };
        Some(Acknowledged { ticket, seq, achieved })
    }

    /// Answers "unknown" to all whose deadline has passed. A timeout never rejects: the write stays.
    pub(super) fn expire(&mut self, ctx: &mut Context) {
        for level in [&mut self.local, &mut self.majority, &mut self.all] {
            let mut keep = |awaiting: &Awaiting| {
                let keeps = awaiting.deadline > ctx.now;
                if !keeps {
                    ctx.reply_unknown(awaiting.ticket);
                }
                keeps
            };
            level.in_order.retain(&mut keep);
            level.repeated.retain(&mut keep);
        }
    }

    /// How many branches count as holders of an entry of the journal before any has acknowledged it: `None`,
    /// since a journaled entry is not an acknowledged one.
    pub(super) fn achieved_unseen(ctx: &Context, ack: Ack) -> Option<usize> {
        let needed = ack.needed(ctx.members());
        ctx.has(Mutant::JournaledIsAcknowledged).then_some(needed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.levels().iter().map(|level| level.in_order.len() + level.repeated.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Instant;
    use bank::Outcome;

    fn awaiting(seq: u64, ticket: u64) -> Awaiting {
        let deadline = Instant(Duration::from_secs(ticket));
        Awaiting { seq: Seq(seq), ticket: Ticket(ticket), deadline }
    }

    /// The tickets that are answered when this branch and two others hold so much.
    fn answered(acks: &mut Acknowledgements, ack: Ack, held: [u64; 3]) -> Vec<u64> {
        let mut ctx = Context::of_first(3, 0);
        let ctx = &mut ctx;
        acks.count(Seq(held[0]), held[1..].iter().copied().map(Seq));
        std::iter::from_fn(|| acks.pop(ctx, ack, 3)).map(|one| one.ticket.0).collect()
    }

    #[test]
    fn each_level_is_answered_up_to_what_it_reached() {
        let mut acks = Acknowledgements::default();
        for seq in 1..=4 {
            acks.wait(Ack::All, awaiting(seq, seq));
        }
        acks.wait(Ack::Local, awaiting(4, 9));
        assert_eq!(answered(&mut acks, Ack::All, [2, 2, 3]), [1, 2]);
        acks.wait(Ack::All, awaiting(1, 5));
        acks.wait(Ack::All, awaiting(3, 6));
        assert_eq!(answered(&mut acks, Ack::All, [2, 2, 3]), [5], "a repeated one, held already");
        assert_eq!(answered(&mut acks, Ack::All, [4, 4, 4]), [6, 3, 4]);
        assert_eq!(acks.len(), 1);
    }

    #[test]
    fn majority_needs_one_other_of_three_and_counts_all_holders() {
        let ctx = Context::of_first(3, 0);
        let mut acks = Acknowledgements::default();
        acks.wait(Ack::Majority, awaiting(2, 1));
        assert_eq!(acks.count(Seq(2), [1, 0].map(Seq).into_iter()), Seq(0));
        assert_eq!(acks.pop(&ctx, Ack::Majority, 3), None);
        acks.count(Seq(2), [0, 2].map(Seq).into_iter());
        let acknowledged = Acknowledged { ticket: Ticket(1), seq: Seq(2), achieved: 2 };
        assert_eq!(acks.pop(&ctx, Ack::Majority, 3), Some(acknowledged));
    }

    #[test]
    fn what_others_hold_is_not_answered_before_it_is_durable_here() {
        let mut acks = Acknowledgements::default();
        acks.wait(Ack::Majority, awaiting(2, 1));
        assert_eq!(answered(&mut acks, Ack::Majority, [1, 2, 2]), [0_u64; 0]);
        assert_eq!(answered(&mut acks, Ack::Majority, [2, 2, 2]), [1]);
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
        assert_eq!(answered(&mut acks, Ack::All, [3, 3, 3]), [3]);
    }
}
