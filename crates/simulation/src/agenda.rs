//! What will happen when.

use std::collections::BTreeMap;
use std::time::Duration;

use super::customers::{Response, Sending, Wake};
use bank::Member;
use replication::passbook::{Message, Room};
use replication::{Instant, Ticket};

/// Something that will happen in the simulated world.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A process is started.
    Start(Member),
    /// A stream between two branches, the lower one first, may be there.
    Connected(Member, Member),
    /// Keepalives have gone unanswered on a stream, if it is cut still.
    Keepalive {
        /// The lower branch.
        low: Member,
        /// The higher one.
        high: Member,
        /// Which of their streams.
        epoch: u64,
    },
    /// Something comes to a process.
    Arrives {
        /// Which.
        to: Member,
        /// In which incarnation of it; in any if nothing is said.
        incarnation: Option<u32>,
        /// What.
        what: Arrival,
    },
    /// A sync has ended.
    Synced {
        /// Where.
        branch: Member,
        /// In which incarnation.
        incarnation: u32,
    },
    /// A busy process looks at what has come.
    Ready {
        /// Which.
        branch: Member,
        /// In which incarnation.
        incarnation: u32,
    },
    /// A customer does the next thing.
    Customer(usize, Wake),
    /// A customer is answered.
    Answered(Box<Answered>),
    /// A fault of the plan begins.
    Begins(usize),
    /// It is over.
    Ends(usize),
    /// Everything heals.
    Heals,
}

/// An answer on its way to a customer.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) customer: usize,
    pub(super) branch: Member,
    /// The connection ends with this incarnation of the branch.
    pub(super) incarnation: u32,
    pub(super) response: Response,
}

/// Something that comes to a process, and waits there if the process is busy.
#[derive(Clone, Debug)]
pub(super) enum Arrival {
    /// A new stream to a peer.
    Up {
        /// Which peer.
        peer: Member,
        /// The stream's number.
        epoch: u64,
    },
    /// A stream is broken.
    Down {
        /// Which peer.
        peer: Member,
        /// The stream's number.
        epoch: u64,
    },
    /// A message.
    Message {
        /// Who sent it.
        from: Member,
        /// On which stream.
        epoch: u64,
        /// What.
        message: Message,
    },
    /// A customer's request.
    Request(Box<Sending>),
    /// What was synced.
    Persisted {
        /// How many records.
        upto: u64,
    },
    /// Whether the disk has room.
    Room(Room),
    /// A customer has stopped waiting.
    GivenUp(Ticket),
    /// A timer.
    Tick,
}

/// All that will happen, by time; what was said first happens first.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    now: Instant,
    number: u64,
    entries: BTreeMap<(Instant, u64), Event>,
}

impl Agenda {
    /// The time.
    pub(super) const fn now(&self) -> Instant {
        self.now
    }

    /// Lets something happen so much later.
    pub(super) fn after(&mut self, wait: Duration, event: Event) {
        self.at(self.now.after(wait), event);
    }

    /// Lets something happen at an instant, or now if that is past.
    pub(super) fn at(&mut self, instant: Instant, event: Event) {
        self.entries.insert((instant.max(self.now), self.number), event);
        self.number += 1;
    }

    /// Lets something come to a process so much later, whichever incarnation then lives.
    pub(super) fn arrives_after(&mut self, wait: Duration, to: Member, what: Arrival) {
        self.arrives_at(self.now.after(wait), to, what);
    }

    /// Lets something come to a process at an instant, whichever incarnation then lives.
    pub(super) fn arrives_at(&mut self, instant: Instant, to: Member, what: Arrival) {
        self.at(instant, Event::Arrives { to, incarnation: None, what });
    }

    /// When the next thing happens.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.entries.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next thing that happens; the time is then the time of it.
    pub(super) fn next(&mut self) -> Option<Event> {
        let ((at, _), event) = self.entries.pop_first()?;
        self.now = at;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_first_happens_first_at_one_instant_and_nothing_happens_in_the_past() {
        let mut agenda = Agenda::default();
        agenda.after(Duration::from_millis(2), Event::Begins(2));
        agenda.after(Duration::from_millis(1), Event::Begins(0));
        agenda.after(Duration::from_millis(2), Event::Begins(3));
        let mut order = Vec::new();
        while let Some(event) = agenda.next() {
            if let Event::Begins(which) = event {
                order.push(which);
                if which == 0 {
                    agenda.at(Instant::default(), Event::Begins(1));
                }
            }
        }
        assert_eq!(order, [0, 1, 2, 3]);
        assert_eq!(agenda.now(), Instant(Duration::from_millis(2)));
    }
}
