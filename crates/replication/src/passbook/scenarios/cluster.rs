//! Branches driven by hand: nothing is synced, delivered or repeated before a test says so.

use std::collections::HashMap;
use std::time::Duration;

use crate::passbook::{
    Corrupt, Effect, Input, Message, Mismatch, Note, Passbook, Priority, Record, Settings, Stop,
    Storage,
};
use crate::{Attempt, Instant, Receipt, Replication as _, Request, Ticket, Token};
use bank::{Ack, Read};
use bank::{
    BranchId, Entry, Member, Money, Operation, Outcome, Rejection, RequestId, Row, Seq, SessionId,
    Total, Version,
};

pub(super) const A: Member = Member(0);
pub(super) const B: Member = Member(1);
pub(super) const C: Member = Member(2);

pub(super) const INSUFFICIENT: Outcome = Outcome::Rejected(Rejection::InsufficientFunds);
pub(super) const UNAVAILABLE: Outcome = Outcome::Rejected(Rejection::RightsUnavailable);
pub(super) const OVERLOADED: Outcome = Outcome::Rejected(Rejection::Overloaded);

/// How long customers wait if a test does not say.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What a customer was told.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) outcome: Outcome,
    pub(super) balance: Option<i64>,
    pub(super) receipt: Option<Receipt>,
}

#[derive(Debug)]
struct Branch {
    settings: Settings,
    replica: Passbook,
    journal: Vec<Record>,
    stopped: Option<Stop>,
    refused: Vec<Mismatch>,
}

/// Branches, and what is on its way between them.
#[derive(Debug)]
pub(super) struct Cluster {
    branches: Vec<Branch>,
    wire: Vec<(Member, Member, Message)>,
    told: HashMap<Ticket, Told>,
    pub(super) notes: Vec<(Member, Note)>,
    now: Instant,
    last_ticket: u64,
}

/// A request of a customer without a name and a passbook, answered as soon as it is done here.
pub(super) fn request(operation: Operation) -> Request {
    Request::anonymous(operation, Ack::Local, Instant(PATIENCE))
}

/// The same with a name.
pub(super) fn named(number: u64, attempt: u32, operation: Operation) -> Request {
    let name = RequestId { session: SessionId(7), number };
    Request { attempt: Some(Attempt { request: name, attempt }), ..request(operation) }
}

pub(super) fn version(seqs: &[u64]) -> Version {
    seqs.iter().copied().map(Seq).collect()
}

/// A journal's entries of its own log.
pub(super) fn entries(journal: &[Record]) -> Vec<Entry> {
    let entry = |record: &Record| match record {
        Record::Own { entry, .. } => Some(*entry),
        _ => None,
    };
    journal.iter().filter_map(entry).collect()
}

impl Cluster {
    /// Branches with journals that have not heard of each other, and whose lives are not on disk.
    pub(super) fn unborn(branches: u16, opening: i64) -> Self {
        Self::told_to(branches, opening, |settings| settings.storage = Storage::Journal)
    }

    fn told_to(branches: u16, opening: i64, tell: impl Fn(&mut Settings)) -> Self {
        let ids: Vec<BranchId> = (1..=u32::from(branches)).map(BranchId).collect();
        let start = |id: &BranchId| {
            let mut settings = Settings::in_memory(*id, &ids, Money::new(opening), id.0.into());
            tell(&mut settings);
            let (replica, journal) = start(&settings, Vec::new()).expect("an empty journal");
            Branch { settings, replica, journal, stopped: None, refused: Vec::new() }
        };
        Self {
            branches: ids.iter().map(start).collect(),
            wire: Vec::new(),
            told: HashMap::new(),
            notes: Vec::new(),
            now: Instant::default(),
            last_ticket: 0,
        }
    }

    /// Branches with journals that know each other and serve.
    pub(super) fn met(branches: u16, opening: i64) -> Self {
        Self::unborn(branches, opening).meet()
    }

    /// Branches of which A is the relay if there are so many. With journals it proves and forwards nothing.
    pub(super) fn with_relay_from(
        relay_from: usize,
        storage: Storage,
        (branches, opening): (u16, i64),
    ) -> Self {
        let tell = |settings: &mut Settings| {
            (settings.relay_from, settings.storage) = (relay_from, storage);
        };
        Self::told_to(branches, opening, tell).meet()
    }

    fn meet(mut self) -> Self {
        for one in self.members() {
            self.sync(one);
            for other in (0..one.0).map(Member) {
                self.connect(one, other);
            }
        }
        self.flow();
        assert!(self.branches.iter().all(|branch| branch.replica.is_ready()));
        self
    }

    pub(super) fn at(&self, branch: Member) -> &Passbook {
        &self.branches[branch.index()].replica
    }

    pub(super) fn journal(&self, branch: Member) -> &[Record] {
        &self.branches[branch.index()].journal
    }

    pub(super) fn row(&self, of: Member, at: Member) -> Row {
        self.at(at).visible().row(of).expect("a member").clone()
    }

    /// The cluster's name and this version, as customers carry them.
    pub(super) fn token(&self, seqs: &[u64]) -> Token {
        let cluster = self.at(A).cluster().expect("all have met");
        Token { cluster, version: version(seqs) }
    }

    pub(super) fn stopped(&self, branch: Member) -> Option<Stop> {
        self.branches[branch.index()].stopped
    }

    /// For what reasons it has refused others.
    pub(super) fn refused(&self, branch: Member) -> &[Mismatch] {
        &self.branches[branch.index()].refused
    }

    pub(super) fn members(&self) -> impl Iterator<Item = Member> + use<> {
        (0..).map(Member).take(self.branches.len())
    }

    fn id(&self, branch: Member) -> BranchId {
        self.branches[branch.index()].settings.me
    }

    /// Something happens at a branch.
    pub(super) fn on(&mut self, at: Member, input: Input) {
        self.batch(at, [input]);
    }

    /// Things happen at a branch before it looks at what to say to whom.
    fn batch(&mut self, at: Member, inputs: impl IntoIterator<Item = Input>) {
        let mut effects = Vec::new();
        let replica = &mut self.branches[at.index()].replica;
        for input in inputs {
            replica.on(self.now, input, &mut effects);
        }
        replica.settle(self.now, &mut effects);
        for effect in effects {
            self.perform(at, effect);
        }
    }

    fn perform(&mut self, at: Member, effect: Effect) {
        let branch = &mut self.branches[at.index()];
        match effect {
            Effect::Persist { record, .. } => branch.journal.push(record),
            Effect::Send { to, message } => {
                let to = branch.settings.member(to).expect("a branch");
                self.wire.push((at, to, message));
            }
            Effect::Reply { ticket, answer, receipt } => {
                let balance = answer.balance.map(Money::minor_units);
                let told = Told { outcome: answer.outcome, balance, receipt };
                assert!(self.told.insert(ticket, told).is_none(), "{ticket:?} is answered twice");
            }
            Effect::Refuse { why, .. } => branch.refused.push(why),
            Effect::Stop(reason) => branch.stopped = Some(reason),
            Effect::Note(note) => self.notes.push((at, note)),
            Effect::WakeAt(_) => {}
        }
    }

    /// A customer asks.
    pub(super) fn ask(&mut self, at: Member, request: Request) -> Ticket {
        self.ask_beside(at, request, Vec::new())
    }

    /// A customer asks while these messages arrive: a branch is as busy as it may be.
    pub(super) fn ask_beside(
        &mut self,
        at: Member,
        request: Request,
        arriving: Vec<(Member, Message)>,
    ) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        let said = arriving.into_iter().map(|(from, message)| self.said(from, message));
        let inputs: Vec<Input> = said.chain([Input::Submit { ticket, request }]).collect();
        self.batch(at, inputs);
        ticket
    }

    pub(super) fn deposit(&mut self, at: Member, amount: i64) -> Ticket {
        self.ask(at, request(Operation::deposit(amount)))
    }

    pub(super) fn withdraw(&mut self, at: Member, amount: i64) -> Ticket {
        self.ask(at, request(Operation::withdraw(amount)))
    }

    pub(super) fn query(&mut self, at: Member, read: Read) -> Ticket {
        self.ask(at, Request { read, ..request(Operation::Query) })
    }

    /// What a customer was told, if anything.
    pub(super) fn told(&self, ticket: Ticket) -> Option<&Told> {
        self.told.get(&ticket)
    }

    pub(super) fn outcome(&self, ticket: Ticket) -> Option<Outcome> {
        self.told(ticket).map(|told| told.outcome)
    }

    /// What an answer was made from.
    pub(super) fn shown(&self, ticket: Ticket) -> Version {
        let receipt = self.told(ticket).and_then(|told| told.receipt.as_ref());
        receipt.expect("an answer with a receipt").version.as_ref().clone()
    }

    /// Everything in the journal gets on disk.
    pub(super) fn sync(&mut self, at: Member) {
        let records = self.journal(at).len();
        self.on(at, Input::Persisted { upto: u64::try_from(records).expect("few") });
    }

    /// A new stream between two branches.
    pub(super) fn connect(&mut self, one: Member, other: Member) {
        self.cut_wire(one, other);
        for (at, peer) in [(one, other), (other, one)] {
            let peer = self.id(peer);
            self.on(at, Input::PeerUp { peer });
        }
    }

    pub(super) fn disconnect(&mut self, one: Member, other: Member) {
        self.cut_wire(one, other);
        for (at, peer) in [(one, other), (other, one)] {
            let peer = self.id(peer);
            self.on(at, Input::PeerDown { peer });
        }
    }

    fn cut_wire(&mut self, one: Member, other: Member) {
        self.take(one, other);
        self.take(other, one);
    }

    /// Takes what is on its way off the wire: to be lost, or handed over later.
    pub(super) fn take(&mut self, from: Member, to: Member) -> Vec<Message> {
        let is_it = |(a, b, _): &mut (Member, Member, Message)| (*a, *b) == (from, to);
        self.wire.extract_if(.., is_it).map(|(_, _, message)| message).collect()
    }

    /// Takes everything that is on its way to a branch.
    pub(super) fn take_all(&mut self, to: Member) -> Vec<(Member, Message)> {
        let arriving = self.wire.extract_if(.., |(_, at, _)| *at == to);
        arriving.map(|(from, _, message)| (from, message)).collect()
    }

    /// Between whom messages are on their way.
    pub(super) fn ways(&self) -> Vec<(Member, Member)> {
        self.wire.iter().map(|(from, to, _)| (*from, *to)).collect()
    }

    fn said(&self, from: Member, message: Message) -> Input {
        Input::Peer { from: self.id(from), message: message }
    }

    /// A message arrives.
    pub(super) fn hand(&mut self, from: Member, to: Member, message: Message) {
        let input = self.said(from, message);
        self.on(to, input);
    }

    /// Messages arrive together.
    pub(super) fn hand_all(&mut self, to: Member, arriving: Vec<(Member, Message)>) {
        let inputs: Vec<Input> =
            arriving.into_iter().map(|(from, message)| self.said(from, message)).collect();
        self.batch(to, inputs);
    }

    /// What is on its way arrives; what is said to that is on its way then.
    pub(super) fn deliver(&mut self, from: Member, to: Member) {
        for message in self.take(from, to) {
            self.hand(from, to, message);
        }
    }

    /// Syncs and delivers among these until there is nothing more; how many messages that took.
    pub(super) fn flow_among(&mut self, members: &[Member]) -> usize {
        let mut messages = 0;
        loop {
            for member in members {
                self.sync(*member);
            }
            let inside = |(from, to, _): &mut (Member, Member, Message)| {
                members.contains(from) && members.contains(to)
            };
            let arriving: Vec<_> = self.wire.extract_if(.., inside).collect();
            if arriving.is_empty() {
                return messages;
            }
            messages += arriving.len();
            for (from, to, message) in arriving {
                self.hand(from, to, message);
            }
        }
    }

    /// Syncs and delivers until there is nothing more; how many messages that took.
    pub(super) fn flow(&mut self) -> usize {
        let all: Vec<Member> = self.members().collect();
        self.flow_among(&all)
    }

    /// Time goes by, and all look at it.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        for member in self.members() {
            self.on(member, Input::Tick);
        }
    }

    /// Time goes by, and nobody looks at it.
    pub(super) fn pass_unseen(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }

    /// A branch ends, loses its streams and starts from this journal, which is not synced.
    pub(super) fn try_restart(&mut self, at: Member, journal: Vec<Record>) -> Result<(), Corrupt> {
        for other in self.members().filter(|other| *other != at) {
            self.cut_wire(at, other);
            let peer = self.id(at);
            self.on(other, Input::PeerDown { peer });
        }
        let branch = &mut self.branches[at.index()];
        (branch.replica, branch.journal) = start(&branch.settings, journal)?;
        branch.stopped = None;
        Ok(())
    }

    pub(super) fn restart(&mut self, at: Member, journal: Vec<Record>) {
        self.try_restart(at, journal).expect("a journal of this branch");
    }

    /// A branch has received a borrow request with this clock, which it had granted before.
    pub(super) fn at_clock(&mut self, branch: Member, clock: u64) {
        let from = self.members().find(|member| *member != branch).expect("another branch");
        let priority = Priority { clock, member: from };
        self.hand(from, branch, Message::Borrow { id: 0, priority, target: Total::ZERO });
    }

    /// What a branch is told at its next start.
    pub(super) fn settings(&mut self, at: Member) -> &mut Settings {
        &mut self.branches[at.index()].settings
    }
}

/// A branch, and its journal with what the start adds to it.
fn start(settings: &Settings, journal: Vec<Record>) -> Result<(Passbook, Vec<Record>), Corrupt> {
    let mut effects = Vec::new();
    let replica = Passbook::start(settings.clone(), journal.clone(), &mut effects)?;
    let added = effects.into_iter().filter_map(|effect| match effect {
        Effect::Persist { record, .. } => Some(record),
        _ => None,
    });
    Ok((replica, journal.into_iter().chain(added).collect()))
}
