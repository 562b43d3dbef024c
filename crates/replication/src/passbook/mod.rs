//! Rows, escrow and session tokens: right under any concurrency and fault.
//!
//! Each branch writes down what it does in a log of its own and tells the others the totals of that log: its
//! *row*. The balance is the opening balance plus what all rows say. A branch pays out only what it has the
//! *rights* to, and rights move by grants, so no two branches pay out the same money. Customers carry a
//! *token*, the version that they were shown, and no branch shows them less or lets them write upon less.
//!
//! | rule | where |
//! |---|---|
//! | staged, durable, visible | `journal` |
//! | exactly once | `sessions` |
//! | tokens | `waiting` |
//! | the steps of a write | `writes`, `answers` |
//! | queries | `queries` |
//! | hello | `hello` |
//! | push and acknowledgement | `push`, `peers` |
//! | to whom | `overlay` |
//! | passing on where there are many | `hub` |
//! | borrowing by priority | `borrow` |
//! | two-round collect | `collect` |
//! | one collect for many | `prover` |
//! | restart | `restart` |
//! | repetition and deadlines | `timers` |
//! | a customer's side | `session` |

mod answers;
mod borrow;
mod collect;
mod events;
mod hello;
mod hub;
mod journal;
mod message;
mod mutant;
mod overlay;
mod peers;
mod prover;
mod push;
mod queries;
mod restart;
#[cfg(test)]
mod scenarios;
mod session;
mod sessions;
mod settings;
mod timers;
mod waiting;
mod writes;

use std::fmt;
use std::sync::Arc;

use rand_pcg::Pcg64Mcg;

pub use events::{Effect, Input, Room};
pub use message::{
    Branches, Configuration, Corrupt, Hello, Incarnation, Message, Mismatch, Note, Priority,
    Record, Round, Stop,
};
pub use mutant::Mutant;
pub use session::Session;
pub use settings::{Limits, ROUNDS_MAX, Settings, Storage, Timing};

use super::{ClusterId, Instant, LogStatus, ReplicaStats, Replication, Request, Ticket};
use answers::Answers;
use bank::{Answer, BranchId, Ledger, Member, Money, Operation, Outcome, Row, Seq, Version};
use borrow::{Errand, Withdrawals};
use collect::Collect;
use hub::Hub;
use journal::{Chains, Journal};
use peers::Peer;
use prover::Asker;
use queries::Snapshot;
use sessions::Sessions;
use waiting::Waiter;

/// One branch under the passbook scheme.
pub struct Passbook {
    settings: Settings,
    me: Member,
    /// What customers and peers may be shown.
    visible: Ledger,
    /// The own row with everything that is staged.
    own: Row,
    /// What may be paid out here: share + deposits − withdrawals − granted + received, all of it staged.
    rights: i128,
    journal: Journal,
    chains: Chains,
    /// Known as soon as all lives of the cluster are.
    cluster: Option<ClusterId>,
    /// By member. The own place is there and never up.
    peers: Vec<Peer>,
    sessions: Sessions,
    waiters: Vec<Waiter>,
    answers: Answers,
    /// How much of the own log each branch holds, the most first. Made anew whenever it is needed.
    holders: Vec<Seq>,
    /// Room for tickets whose time has come.
    expired: Vec<Ticket>,
    withdrawals: Withdrawals,
    errand: Errand,
    /// Who was asked for rights in this pass.
    asked: Vec<bool>,
    /// Room for those that may be asked.
    richest: Vec<(i128, Member)>,
    collect: Option<Collect>,
    /// Branches that wait for the next collect.
    askers: Vec<Asker>,
    snapshots: Vec<Snapshot>,
    /// Lamport's clock.
    clock: u64,
    last_id: u64,
    random: Pcg64Mcg,
    hub: Hub,
    /// There may be others' rows to pass on.
    relays: bool,
    /// Something has become visible that nobody who waits was asked about.
    news: bool,
    /// A tick was asked for.
    armed: bool,
    /// Why it must not go on.
    stopped: Option<Stop>,
    accepted: u64,
    applied: u64,
    lowest: i128,
}

impl fmt::Debug for Passbook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passbook")
            .field("me", &self.settings.me)
            .field("visible", self.visible.version())
            .field("staged", &self.own.seq)
            .field("rights", &self.rights)
            .finish_non_exhaustive()
    }
}

/// One input at work.
struct Step<'a> {
    now: Instant,
    effects: &'a mut Vec<Effect>,
}

impl Step<'_> {
    /// It may have happened.
    fn reply_unknown(&mut self, ticket: Ticket) {
        let answer = Answer { outcome: Outcome::Unknown, balance: None };
        self.effects.push(Effect::Reply { ticket, answer, receipt: None });
    }
}

impl Passbook {
    /// What customers and peers may be shown: the own durable row, and the rows received.
    pub const fn visible(&self) -> &Ledger {
        &self.visible
    }

    /// The own row with everything that is written down, durable or not.
    pub const fn staged(&self) -> &Row {
        &self.own
    }

    /// What is durable here.
    pub const fn durable(&self) -> &Version {
        self.journal.durable()
    }

    /// Whether it serves customers: every life of the cluster is known, and what is known is durable.
    pub const fn is_ready(&self) -> bool {
        self.cluster.is_some() && self.journal.is_settled()
    }

    /// How many requests have not been answered.
    pub fn open_requests(&self) -> usize {
        let collecting = self.collect.as_ref().map_or(0, Collect::waiting);
        self.waiters.len()
            + self.withdrawals.len()
            + self.snapshots.len()
            + collecting
            + self.answers.len()
    }

    fn has(&self, mutant: Mutant) -> bool {
        self.settings.has(mutant)
    }

    fn others(&self) -> impl Iterator<Item = Member> + use<> {
        let me = self.me;
        (0..).map(Member).take(self.peers.len()).filter(move |member| *member != me)
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn send(&self, step: &mut Step<'_>, to: Member, message: Message) {
        let to = self.peers[to.index()].id;
        step.effects.push(Effect::Send { to, message });
    }

    fn stop(&mut self, step: &mut Step<'_>, reason: Stop) {
        self.stopped = Some(reason);
        step.effects.push(Effect::Stop(reason));
    }

    fn submit(&mut self, step: &mut Step<'_>, ticket: Ticket, mut request: Request) {
        request.deadline = request.deadline.min(step.now.after(self.settings.timing.horizon));
        match request.operation {
            Operation::Query => self.submit_query(step, ticket, request),
            Operation::Write(write) => self.submit_write(step, ticket, write, request),
        }
    }

    /// The customer has stopped waiting: what is not in the log need not get there.
    fn abandon(&mut self, step: &mut Step<'_>, ticket: Ticket) {
        if let Some(pending) = self.take_out(ticket) {
            self.lapse(step, &pending);
        } else if let Some(place) =
            self.waiters.iter().position(|waiter| waiter.wanted.ticket() == ticket)
        {
            self.waiters.swap_remove(place);
            step.reply_unknown(ticket);
        }
    }

    fn hear(&mut self, step: &mut Step<'_>, from: BranchId, message: Message) {
        let Some(from) = self.settings.member(from).filter(|from| *from != self.me) else {
            return;
        };
        match message {
            Message::Hello(hello) => self.hello(step, from, hello),
            // Nothing else is processed before the hello.
            _ if !self.peers[from.index()].is_up() => {}
            Message::Push { rows, apart } => self.pushed(step, from, rows, apart),
            Message::Acknowledge { incarnation, durable } => {
                self.acknowledged(from, incarnation, &durable);
            }
            Message::Borrow { id, priority, target } => {
                self.lend(step, from, (id, priority, target));
            }
            Message::Decline { id } => self.declined(step, from, id),
            Message::Collect { id, round, known } => {
                self.show_ledger(step, from, (id, round), &known);
            }
            Message::Held { cluster, held } => self.held(cluster, &held),
            Message::Prove { id, known } => self.asked_for_proof(step, from, (id, known)),
            Message::Proved { id, first, second } => {
                self.proved(step, from, (id, first, &second));
            }
            Message::Unproved { id } => self.unproved(step, from, id),
            Message::Collected { id, round, rows } => {
                self.collected(step, from, (id, round), rows);
            }
        }
    }
}

impl Replication for Passbook {
    type Input = Input;
    type Effect = Effect;

    fn on(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) {
        if self.stopped.is_some() {
            return;
        }
        let step = &mut Step { now, effects };
        match input {
            Input::Submit { ticket, request } => self.submit(step, ticket, request),
            Input::Abandon { ticket } => self.abandon(step, ticket),
            Input::PeerUp { peer } => {
                if let Some(peer) = self.settings.member(peer).filter(|peer| *peer != self.me) {
                    self.peer_up(step, peer);
                }
            }
            Input::PeerDown { peer } => {
                if let Some(peer) = self.settings.member(peer) {
                    self.peer_down(step, peer);
                }
            }
            Input::Peer { from, message } => self.hear(step, from, message),
            Input::Persisted { upto } => self.persisted(step, upto),
            Input::Room(room) => self.journal.room = room,
            Input::Tick => self.tick(step),
        }
    }

    fn settle(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.stopped.is_some() {
            return;
        }
        let step = &mut Step { now, effects };
        self.persist_in_memory();
        if self.has(Mutant::VisibleBeforeDurable) {
            self.publish_staged();
        }
        if std::mem::take(&mut self.news) {
            self.release_waiters(step);
            self.persist_in_memory();
        }
        self.answer_held(step);
        self.acknowledge_all(step);
        self.tell_holders(step);
        self.push_all(step);
        self.arm(step);
    }

    fn stats(&self) -> ReplicaStats {
        let money = |total: i128| Money::new(i64::try_from(total).unwrap_or(i64::MAX));
        let connected = self.others().map(|peer| &self.peers[peer.index()]);
        let connected = connected.filter(|peer| peer.is_up());
        let held = connected.map(|peer| peer.acknowledged.of(self.me));
        let least = held.min().unwrap_or(self.own.seq);
        ReplicaStats {
            balance: money(self.visible.total()),
            lowest_balance: money(self.lowest),
            accepted: self.accepted,
            applied: self.applied,
            outstanding: self.own.seq.0.saturating_sub(least.0),
            undelivered: 0,
        }
    }

    fn log_status(&self) -> Option<LogStatus> {
        let shown = Arc::clone(self.visible.version());
        let mut written = Version::clone(&shown);
        written.raise(self.me, self.own.seq);
        Some(LogStatus { shown, written, rights: self.rights })
    }

    fn name(&self) -> &'static str {
        "passbook"
    }

    fn is_ready(&self) -> bool {
        Self::is_ready(self)
    }
}
