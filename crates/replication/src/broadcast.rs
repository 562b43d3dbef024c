//! The exercise's algorithm: apply a write here, propagate it to every peer, then answer.
//!
//! A withdrawal is refused if it exceeds the balance of the branch that was asked; a propagated one is
//! applied whatever the balance, as the exercise says. That is right while customers come one after
//! another. Two branches that pay out at the same moment both look at a balance that lacks the other's
//! withdrawal, so under concurrency the sum can go below zero. The scheme is kept as it is, so that the
//! checks have something to detect.
//!
//! Nothing here waits while holding anything: a fan-out in flight is an entry in a table.

use std::collections::{HashMap, VecDeque};

use super::{Fanout, Instant, Locking, ReplicaStats, Replication, Request, Ticket};
use bank::{Account, Answer, BranchId, Money, Operation, Outcome, Rejection, Write, WriteKind};

/// Names a write in the whole cluster: the branch that accepted it, and the ticket it had there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId {
    /// The branch that accepted it.
    pub origin: BranchId,
    /// Its ticket at that branch.
    pub ticket: Ticket,
}

/// A message between branches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Apply this write, whatever your balance.
    Propagate {
        /// Names the write in the response.
        id: WriteId,
        /// The write.
        write: Write,
        /// When the origin stops waiting for the response.
        deadline: Instant,
    },
    /// The response to [`Message::Propagate`].
    Propagated {
        /// The write of the request.
        id: WriteId,
        /// Whether it was applied; if not, the balance would have left its range.
        applied: bool,
    },
}

/// An event that the replica handles.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A customer sends a request.
    Submit {
        /// Names the request in [`Effect::Reply`].
        ticket: Ticket,
        /// The request.
        request: Request,
    },
    /// A peer's message has arrived.
    Peer {
        /// The sender.
        from: BranchId,
        /// The message.
        message: Message,
    },
    /// A propagation to a peer was not answered in time, or could not be sent. It may have arrived.
    Undelivered {
        /// The peer.
        to: BranchId,
        /// The write that was to be propagated.
        id: WriteId,
    },
}

/// An action for the driver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Send a message to a peer.
    Send {
        /// The recipient.
        to: BranchId,
        /// The message.
        message: Message,
    },
    /// Answer a customer. Exactly once for each ticket, unless the branch ends first.
    Reply {
        /// The request's ticket.
        ticket: Ticket,
        /// The answer.
        answer: Answer,
    },
}

/// One branch under the broadcast scheme.
#[derive(Debug)]
pub struct Broadcast {
    id: BranchId,
    peers: Vec<BranchId>,
    fanout: Fanout,
    account: Account,
    fanouts: HashMap<Ticket, InFlight>,
    locking: Locking,
    /// Requests that wait for the lock. Each is a customer's open call, of which there is a bounded number.
    waiting: VecDeque<(Ticket, Request)>,
    accepted: u64,
    applied: u64,
    undelivered: u64,
}

/// A write that some peer has not answered.
#[derive(Debug)]
struct InFlight {
    write: Write,
    deadline: Instant,
    /// How many branches must hold it before the customer is answered; none once that is done.
    awaits: Option<usize>,
    /// How many branches hold it, this one included.
    holders: usize,
    /// How many peers got it, and how many of those answered or were given up.
    sent: usize,
    ended: usize,
}

impl Broadcast {
    /// Branch `id` with its fellow branches and the balance that all of them start from.
    pub fn new(id: BranchId, peers: Vec<BranchId>, fanout: Fanout, opening: Money) -> Self {
        Self {
            id,
            peers,
            fanout,
            account: Account::new(opening),
            fanouts: HashMap::new(),
            locking: Locking::Unlocked,
            waiting: VecDeque::new(),
            accepted: 0,
            applied: 0,
            undelivered: 0,
        }
    }

    /// The same branch with or without the lock.
    #[must_use]
    pub fn with_locking(mut self, locking: Locking) -> Self {
        self.locking = locking;
        self
    }

    fn is_locked(&self) -> bool {
        self.locking == Locking::UntilPropagated && !self.fanouts.is_empty()
    }

    fn submit(&mut self, ticket: Ticket, request: Request, effects: &mut Vec<Effect>) {
        if self.is_locked() {
            self.waiting.push_back((ticket, request));
            return;
        }
        let outcome = match request.operation {
            Operation::Query => Outcome::Ok,
            Operation::Write(write) => {
                if let Err(rejection) = self.accept(write) {
                    Outcome::Rejected(rejection)
                } else {
                    let awaits = Some(request.ack.needed(1 + self.peers.len())).filter(|n| *n > 1);
                    self.start_fanout(ticket, write, awaits, request.deadline, effects);
                    if awaits.is_some() {
                        return;
                    }
                    Outcome::Ok
                }
            }
        };
        effects.push(self.reply(ticket, outcome));
    }

    fn accept(&mut self, write: Write) -> Result<(), Rejection> {
        if write.kind == WriteKind::Withdraw && write.amount > self.account.balance() {
            return Err(Rejection::InsufficientFunds);
        }
        self.account.apply(write).map_err(|_| Rejection::OutOfRange)?;
        self.accepted += 1;
        Ok(())
    }

    fn start_fanout(
        &mut self,
        ticket: Ticket,
        write: Write,
        awaits: Option<usize>,
        deadline: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if self.peers.is_empty() {
            return;
        }
        let sent = match self.fanout {
            Fanout::Sequential => 1,
            Fanout::Parallel => self.peers.len(),
        };
        let flight = InFlight { write, deadline, awaits, holders: 1, sent, ended: 0 };
        effects
            .extend(self.peers[..sent].iter().map(|peer| self.propagate(*peer, ticket, &flight)));
        self.fanouts.insert(ticket, flight);
    }

    fn propagate(&self, to: BranchId, ticket: Ticket, flight: &InFlight) -> Effect {
        let id = WriteId { origin: self.id, ticket };
        Effect::Send {
            to,
            message: Message::Propagate { id, write: flight.write, deadline: flight.deadline },
        }
    }

    /// One peer answered, or was given up.
    fn end_propagation(&mut self, id: WriteId, applied: bool, effects: &mut Vec<Effect>) {
        self.undelivered += u64::from(!applied);
        let Some(flight) = self.fanouts.get_mut(&id.ticket) else {
            return;
        };
        flight.ended += 1;
        flight.holders += usize::from(applied);
        let over = flight.ended == self.peers.len();
        let outcome = match flight.awaits {
            Some(needed) if flight.holders >= needed => Some(Outcome::Ok),
            Some(_) if over => Some(Outcome::Unknown),
            _ => None,
        };
        flight.awaits.take_if(|_| outcome.is_some());
        let next = self.peers.get(flight.sent).filter(|_| flight.ended == flight.sent);
        flight.sent += usize::from(next.is_some());
        effects.extend(outcome.map(|outcome| self.reply(id.ticket, outcome)));
        if let Some(next) = next {
            effects.push(self.propagate(*next, id.ticket, &self.fanouts[&id.ticket]));
        }
        if !over {
            return;
        }
        self.fanouts.remove(&id.ticket);
        while !self.is_locked()
            && let Some((ticket, request)) = self.waiting.pop_front()
        {
            self.submit(ticket, request, effects);
        }
    }

    fn reply(&self, ticket: Ticket, outcome: Outcome) -> Effect {
        let answer = Answer { outcome, balance: Some(self.account.balance()) };
        Effect::Reply { ticket, answer }
    }
}

impl Replication for Broadcast {
    type Input = Input;
    type Effect = Effect;

    fn on(&mut self, _now: Instant, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Submit { ticket, request } => self.submit(ticket, request, effects),
            Input::Peer { from, message: Message::Propagate { id, write, .. } } => {
                let applied = self.account.apply(write).is_ok();
                self.applied += u64::from(applied);
                effects
                    .push(Effect::Send { to: from, message: Message::Propagated { id, applied } });
            }
            Input::Peer { message: Message::Propagated { id, applied }, .. } => {
                self.end_propagation(id, applied, effects);
            }
            Input::Undelivered { id, .. } => self.end_propagation(id, false, effects),
        }
    }

    fn settle(&mut self, _now: Instant, _effects: &mut Vec<Effect>) {}

    fn stats(&self) -> ReplicaStats {
        ReplicaStats {
            balance: self.account.balance(),
            lowest_balance: self.account.lowest(),
            accepted: self.accepted,
            applied: self.applied,
            outstanding: self.fanouts.len().try_into().unwrap_or(u64::MAX),
            undelivered: self.undelivered,
        }
    }

    fn name(&self) -> &'static str {
        "broadcast"
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use bank::Ack;

    const LATER: Instant = Instant(Duration::from_secs(10));

    fn branch_1(fanout: Fanout) -> Broadcast {
        Broadcast::new(BranchId(1), vec![BranchId(2), BranchId(3)], fanout, Money::new(100))
    }

    fn step(branch: &mut Broadcast, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        branch.on(Instant::default(), input, &mut effects);
        effects
    }

    fn submit(branch: &mut Broadcast, operation: Operation, ack: Ack) -> Vec<Effect> {
        let request = Request::anonymous(operation, ack, LATER);
        step(branch, Input::Submit { ticket: Ticket(7), request })
    }

    fn answered_by(peer: u32, applied: bool) -> Input {
        let id = WriteId { origin: BranchId(1), ticket: Ticket(7) };
        Input::Peer { from: BranchId(peer), message: Message::Propagated { id, applied } }
    }

    fn receivers(effects: &[Effect]) -> Vec<u32> {
        effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Send { to, message: Message::Propagate { .. } } => Some(to.0),
                _ => None,
            })
            .collect()
    }

    fn answer(effects: &[Effect]) -> Option<(Outcome, i64)> {
        effects.iter().find_map(|effect| match effect {
            Effect::Reply { answer, .. } => {
                Some((answer.outcome, answer.balance.expect("carried").minor_units()))
            }
            Effect::Send { .. } => None,
        })
    }

    #[test]
    fn parallel_tells_everybody_at_once_and_answers_after_the_last() {
        let mut branch = branch_1(Fanout::Parallel);
        let effects = submit(&mut branch, Operation::deposit(10), Ack::All);
        assert_eq!(receivers(&effects), [2, 3]);
        assert_eq!(answer(&effects), None);
        assert_eq!(answer(&step(&mut branch, answered_by(3, true))), None);
        let last = step(&mut branch, answered_by(2, true));
        assert_eq!(answer(&last), Some((Outcome::Ok, 110)));
        assert_eq!(branch.stats().outstanding, 0);
    }

    #[test]
    fn sequential_tells_the_next_only_after_the_one_before() {
        let mut branch = branch_1(Fanout::Sequential);
        assert_eq!(receivers(&submit(&mut branch, Operation::deposit(10), Ack::All)), [2]);
        assert_eq!(receivers(&step(&mut branch, answered_by(2, true))), [3]);
        let last = step(&mut branch, answered_by(3, true));
        assert_eq!(answer(&last), Some((Outcome::Ok, 110)));
    }

    #[test]
    fn ack_local_answers_at_once_and_never_again() {
        let mut branch = branch_1(Fanout::Parallel);
        let effects = submit(&mut branch, Operation::withdraw(10), Ack::Local);
        assert_eq!(receivers(&effects), [2, 3]);
        assert_eq!(answer(&effects), Some((Outcome::Ok, 90)));
        assert_eq!(branch.stats().outstanding, 1);
        step(&mut branch, answered_by(2, true));
        assert_eq!(step(&mut branch, answered_by(3, true)), []);
        assert_eq!(branch.stats().outstanding, 0);
    }

    #[test]
    fn ack_majority_answers_when_half_of_the_peers_hold_it() {
        for fanout in Fanout::ALL.iter().copied() {
            let peers = (2..=5).map(BranchId).collect();
            let mut branch = Broadcast::new(BranchId(1), peers, fanout, Money::new(100));
            let first = receivers(&submit(&mut branch, Operation::deposit(10), Ack::Majority));
            assert_eq!(first.len(), if fanout == Fanout::Parallel { 4 } else { 1 });
            assert_eq!(answer(&step(&mut branch, answered_by(2, true))), None);
            assert_eq!(answer(&step(&mut branch, answered_by(3, false))), None);
            let third = step(&mut branch, answered_by(4, true));
            assert_eq!(answer(&third), Some((Outcome::Ok, 110)));
            assert_eq!(branch.stats().outstanding, 1, "the last peer has not answered");
            assert_eq!(step(&mut branch, answered_by(5, true)), []);
            assert_eq!(branch.stats().outstanding, 0);
        }
    }

    #[test]
    fn a_withdrawal_beyond_the_balance_is_refused_and_not_propagated() {
        let mut branch = branch_1(Fanout::Parallel);
        let effects = submit(&mut branch, Operation::withdraw(101), Ack::All);
        assert_eq!(receivers(&effects), [0_u32; 0]);
        let refused = Outcome::Rejected(Rejection::InsufficientFunds);
        assert_eq!(answer(&effects), Some((refused, 100)));
    }

    #[test]
    fn a_propagated_withdrawal_is_applied_below_zero() {
        let mut branch = branch_1(Fanout::Parallel);
        let Operation::Write(write) = Operation::withdraw(150) else { unreachable!() };
        let id = WriteId { origin: BranchId(2), ticket: Ticket(1) };
        let message = Message::Propagate { id, write, deadline: LATER };
        let effects = step(&mut branch, Input::Peer { from: BranchId(2), message });
        let answer = Message::Propagated { id, applied: true };
        assert_eq!(effects, [Effect::Send { to: BranchId(2), message: answer }]);
        assert_eq!(branch.stats().lowest_balance, Money::new(-50));
    }

    #[test]
    fn peers_that_did_not_answer_make_the_outcome_unknown() {
        let id = WriteId { origin: BranchId(1), ticket: Ticket(7) };
        for (ack, others_applied) in [(Ack::All, true), (Ack::Majority, false)] {
            for lost in [answered_by(3, false), Input::Undelivered { to: BranchId(3), id }] {
                let mut branch = branch_1(Fanout::Parallel);
                submit(&mut branch, Operation::deposit(10), ack);
                assert_eq!(answer(&step(&mut branch, answered_by(2, others_applied))), None);
                assert_eq!(answer(&step(&mut branch, lost)), Some((Outcome::Unknown, 110)));
                assert_eq!(branch.stats().undelivered, 1 + u64::from(!others_applied));
            }
        }
    }

    #[test]
    fn money_beyond_64_bits_is_rejected_and_nothing_changes() {
        let mut branch = branch_1(Fanout::Parallel);
        let effects = submit(&mut branch, Operation::deposit(i64::MAX), Ack::All);
        assert_eq!(answer(&effects), Some((Outcome::Rejected(Rejection::OutOfRange), 100)));
        assert_eq!(branch.stats().accepted, 0);
    }

    #[test]
    fn behind_the_lock_customers_wait_in_order_and_peers_do_not() {
        let mut branch = branch_1(Fanout::Parallel).with_locking(Locking::UntilPropagated);
        submit(&mut branch, Operation::deposit(10), Ack::Local);
        let ask = |ticket, operation| {
            let request = Request::anonymous(operation, Ack::All, LATER);
            Input::Submit { ticket: Ticket(ticket), request }
        };
        assert_eq!(step(&mut branch, ask(8, Operation::Query)), []);
        assert_eq!(step(&mut branch, ask(9, Operation::withdraw(5))), []);
        assert_eq!(step(&mut branch, ask(10, Operation::Query)), []);
        let Operation::Write(write) = Operation::deposit(1) else { unreachable!() };
        let id = WriteId { origin: BranchId(2), ticket: Ticket(1) };
        let message = Message::Propagate { id, write, deadline: LATER };
        let applied = step(&mut branch, Input::Peer { from: BranchId(2), message });
        assert_eq!(applied.len(), 1, "a peer's write needs no lock");

        step(&mut branch, answered_by(2, true));
        let unlocked = step(&mut branch, answered_by(3, true));
        assert_eq!(answer(&unlocked), Some((Outcome::Ok, 111)), "the query that waited first");
        assert_eq!(receivers(&unlocked), [2, 3], "then the withdrawal takes the lock");
        assert_eq!(unlocked.len(), 3, "and the second query waits for it");
    }

    #[test]
    fn alone_it_answers_at_once() {
        let mut branch = Broadcast::new(BranchId(1), vec![], Fanout::Parallel, Money::ZERO);
        let effects = submit(&mut branch, Operation::deposit(5), Ack::All);
        assert_eq!(answer(&effects), Some((Outcome::Ok, 5)));
        assert_eq!(branch.stats().outstanding, 0);
    }
}
