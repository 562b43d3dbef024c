//! Who is to be answered when a write is held by enough branches.

use std::collections::VecDeque;

use crate::{Instant, Ticket};
use bank::Ack;
use bank::Seq;

/// A customer who waits for acknowledgements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awaiting {
    pub(super) seq: Seq,
    pub(super) ticket: Ticket,
    pub(super) deadline: Instant,
}

/// Those that wait for one level, by place in the log.
#[derive(Debug, Default)]
struct Level {
    in_order: VecDeque<Awaiting>,
    /// Those whose write was in the log already when they came: few, and in any order.
    repeated: Vec<Awaiting>,
    /// The log is held by enough branches up to here.
    reached: Seq,
}

/// All customers who wait for acknowledgements. A steady stream of writes needs no memory of its own.
#[derive(Debug, Default)]
pub(super) struct Answers {
    local: Level,
    majority: Level,
    all: Level,
}

impl Answers {
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

    /// At level `ack` the log is held up to `seq`.
    pub(super) fn reach(&mut self, ack: Ack, seq: Seq) {
        self.level(ack).reached = seq;
    }

    /// One of level `ack` whose write is held by enough branches.
    pub(super) fn pop(&mut self, ack: Ack) -> Option<Awaiting> {
        let level = self.level(ack);
        let reached = level.reached;
        let repeated = level.repeated.iter().position(|awaiting| awaiting.seq <= reached);
        repeated
            .map(|place| level.repeated.swap_remove(place))
            .or_else(|| level.in_order.pop_front_if(|awaiting| awaiting.seq <= reached))
    }

    /// Takes out all whose time has come.
    pub(super) fn expire(&mut self, now: Instant, mut expired: impl FnMut(Awaiting)) {
        for level in [&mut self.local, &mut self.majority, &mut self.all] {
            let mut keep = |awaiting: &Awaiting| {
                let keeps = awaiting.deadline > now;
                if !keeps {
                    expired(*awaiting);
                }
                keeps
            };
            level.in_order.retain(&mut keep);
            level.repeated.retain(&mut keep);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.levels().iter().map(|level| level.in_order.len() + level.repeated.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn awaiting(seq: u64, ticket: u64) -> Awaiting {
        let deadline = Instant(Duration::from_secs(ticket));
        Awaiting { seq: Seq(seq), ticket: Ticket(ticket), deadline }
    }

    fn answered(answers: &mut Answers, ack: Ack, seq: u64) -> Vec<u64> {
        answers.reach(ack, Seq(seq));
        std::iter::from_fn(|| answers.pop(ack)).map(|awaiting| awaiting.ticket.0).collect()
    }

    #[test]
    fn each_level_is_answered_up_to_what_it_reached() {
        let mut answers = Answers::default();
        for seq in 1..=4 {
            answers.wait(Ack::All, awaiting(seq, seq));
        }
        answers.wait(Ack::Local, awaiting(4, 9));
        assert_eq!(answered(&mut answers, Ack::All, 2), [1, 2]);
        answers.wait(Ack::All, awaiting(1, 5));
        answers.wait(Ack::All, awaiting(3, 6));
        assert_eq!(answered(&mut answers, Ack::All, 2), [5], "a repeated one, held already");
        assert_eq!(answered(&mut answers, Ack::All, 4), [6, 3, 4]);
        assert_eq!(answers.len(), 1);
    }

    #[test]
    fn those_whose_time_has_come_are_taken_out() {
        let mut answers = Answers::default();
        for seq in 1..=3 {
            answers.wait(Ack::All, awaiting(seq, seq));
        }
        let mut expired = Vec::new();
        answers.expire(Instant(Duration::from_secs(2)), |awaiting| expired.push(awaiting.ticket.0));
        assert_eq!(expired, [1, 2]);
        assert_eq!(answered(&mut answers, Ack::All, 3), [3]);
    }
}
