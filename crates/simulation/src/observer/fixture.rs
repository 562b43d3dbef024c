//! For the observer's own tests: histories made by hand.

use std::sync::Arc;
use std::time::Duration;

use super::views::View;
use super::{Observer, Violation};
use crate::customers::CustomerRequest;
use crate::plan::Step;
use bank::{
    Ack, Answer, Entry, Ledger, Member, Money, Operation, Outcome, Read, RequestId, Row, Seq,
    SessionId, Version, WriteKind,
};
use check::Property;
use replication::passbook::{Message, Record, Storage};
use replication::{Attempt, ClusterId, Instant, Receipt, Ticket};

pub(crate) const fn request(session: u64, number: u64) -> RequestId {
    RequestId { session: SessionId(session), number }
}

/// An operation at a branch, to be answered by it alone.
pub(crate) const fn operation(
    request: RequestId,
    branch: u16,
    operation: Operation,
) -> CustomerRequest {
    let attempt = Attempt { request, attempt: 1 };
    let step = Step {
        branch: Member(branch),
        operation,
        ack: Ack::Local,
        read: Read::Session,
        think: Duration::ZERO,
        timeout: Duration::ZERO,
        attempts: 1,
        anew: 0,
    };
    CustomerRequest { attempt, step, token: None }
}

/// What a branch would show that does exactly what a test says.
#[derive(Clone, Debug)]
pub(crate) struct Double {
    pub(crate) visible: Ledger,
    pub(crate) staged: Row,
    pub(crate) durable: Version,
    pub(crate) is_ready: bool,
    pub(crate) open_requests: usize,
}

impl Double {
    pub(crate) fn new(me: u16, members: usize, opening: i64) -> Self {
        Self {
            visible: Ledger::new(Money::new(opening), members),
            staged: Row::empty(Member(me)),
            durable: Version::zero(members),
            is_ready: true,
            open_requests: 0,
        }
    }

    pub(crate) const fn own(&self) -> &Row {
        &self.staged
    }

    pub(crate) fn write(&mut self, entry: &Entry, request: Option<RequestId>) {
        self.staged.append(entry, request);
    }

    /// Shows everything that it has written down, and takes it for durable.
    pub(crate) fn publish(&mut self) {
        let own = self.staged.clone();
        self.take(&own);
    }

    pub(crate) fn take(&mut self, row: &Row) {
        self.visible.join(row).expect("one log");
        self.durable.raise(row.origin, row.seq);
    }

    pub(super) const fn view(&self) -> View<'_> {
        View {
            visible: &self.visible,
            staged: &self.staged,
            durable: &self.durable,
            is_ready: self.is_ready,
            open_requests: self.open_requests,
        }
    }
}

/// A cluster made by hand, and the observer that watches it.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) observer: Observer,
    pub(crate) branches: Vec<Double>,
    storage: Storage,
    tickets: u64,
}

pub(crate) const NOW: Instant = Instant(Duration::from_secs(1));
pub(crate) const DEADLINE: Instant = Instant(Duration::from_secs(2));

impl Fixture {
    /// Two branches that begin with 20.
    pub(crate) fn new(storage: Storage) -> Self {
        Self {
            observer: Observer::new(2, Money::new(20), storage),
            branches: vec![Double::new(0, 2, 20), Double::new(1, 2, 20)],
            storage,
            tickets: 0,
        }
    }

    /// A customer asks, and the question arrives.
    pub(crate) fn ask(&mut self, new: &CustomerRequest) -> Ticket {
        let attempt = new.attempt;
        self.observer.begins(new);
        self.tickets += 1;
        self.observer.submitted(Ticket(self.tickets), attempt, DEADLINE);
        Ticket(self.tickets)
    }

    pub(crate) fn try_write(
        &mut self,
        branch: u16,
        entry: Entry,
        request: Option<RequestId>,
    ) -> Result<(), Violation> {
        let double = &mut self.branches[usize::from(branch)];
        double.write(&entry, request);
        let (seq, chain) = (double.staged.seq, double.staged.chain);
        if self.storage == Storage::Memory {
            double.publish();
        }
        let record = Record::Own { seq, entry, request, chain };
        self.observer.recorded(NOW, Member(branch), &record)
    }

    /// A branch does what a customer asks, and stages it.
    pub(crate) fn write(&mut self, branch: u16, asked: RequestId, operation: Operation) -> Ticket {
        let ticket = self.ask(&self::operation(asked, branch, operation));
        let Operation::Write(write) = operation else {
            return ticket;
        };
        let entry = match write.kind {
            WriteKind::Deposit => Entry::Deposit(write.amount),
            WriteKind::Withdraw => Entry::Withdraw(write.amount),
        };
        self.try_write(branch, entry, Some(asked)).expect("as asked");
        ticket
    }

    /// A branch's disk has everything, and the branch knows it.
    pub(crate) fn sync(&mut self, branch: u16) {
        self.observer.synced(Member(branch), usize::MAX);
        self.branches[usize::from(branch)].publish();
    }

    /// A branch pushes a row to another, which writes it down and has it on disk.
    pub(crate) fn push(&mut self, from: u16, to: u16, origin: u16) -> Result<(), Violation> {
        let row = self.branches[usize::from(from)].visible.rows()[usize::from(origin)].clone();
        let rows = vec![row.clone()];
        let push = Message::Push { rows: rows.clone(), unreachable: Vec::new() };
        self.observer.sent(Member(from), Member(to), &push)?;
        self.observer.recorded(NOW, Member(to), &Record::Received { rows })?;
        self.observer.synced(Member(to), usize::MAX);
        self.branches[usize::from(to)].take(&row);
        Ok(())
    }

    pub(crate) fn look(&mut self, branch: u16) -> Result<(), Violation> {
        self.observer.look(Member(branch), &self.branches[usize::from(branch)].view())
    }

    /// What the branch would answer now.
    pub(crate) fn answer(&self, branch: u16, seq: Option<u64>, achieved: u32) -> (Answer, Receipt) {
        let visible = &self.branches[usize::from(branch)].visible;
        let answer = Answer { outcome: Outcome::Ok, balance: visible.balance() };
        let (cluster, version) = (ClusterId(1), Arc::clone(visible.version()));
        (answer, Receipt { cluster, version, at_most: None, seq: seq.map(Seq), achieved })
    }

    pub(crate) fn reply(
        &mut self,
        branch: u16,
        ticket: Ticket,
        (answer, receipt): &(Answer, Receipt),
    ) -> Result<(), Violation> {
        self.observer.replied(Member(branch), ticket, answer, Some(receipt))
    }

    pub(crate) fn finish(&mut self) -> Result<(), Violation> {
        let views = self.branches.iter().map(Double::view);
        self.observer.finish((0..).map(Member).zip(views))
    }
}

/// The property that does not hold; nothing if all do.
pub(crate) fn broken(result: Result<(), Violation>) -> Option<Property> {
    result.err().map(|violation| violation.property)
}
