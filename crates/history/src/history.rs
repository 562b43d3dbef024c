//! What customers saw of a whole run, in little memory.

use std::collections::HashMap;

use super::operation::{InvalidRecord, OperationRecord, Record};
use bank::{
    BranchId, CustomerId, Member, Money, Operation, Outcome, Seq, SessionId, StatusCode, Write,
    WriteKind,
};

/// The index that stands for none.
pub(crate) const NONE: u32 = u32::MAX;
/// The instant that stands for none.
const NEVER: u64 = u64::MAX;

#[derive(Clone, Copy, Debug)]
struct Session {
    id: SessionId,
    customer: CustomerId,
    last: u64,
}

/// A call in little memory.
#[derive(Clone, Copy, Debug)]
struct Compact {
    number: u64,
    position: u64,
    amount: Money,
    invoked: u64,
    completed: u64,
    seq: Seq,
    balance: Money,
    session: u32,
    version: u32,
    at_most: u32,
    attempt: u32,
    branch: Member,
    kind: Option<WriteKind>,
    outcome: Outcome,
    code: StatusCode,
    has_balance: bool,
    has_trace: bool,
    has_status: bool,
}

/// All calls of a run. Those of one session are in their order; sessions may be mixed in any way.
#[derive(Clone, Debug)]
pub struct History {
    branches: Vec<BranchId>,
    sessions: Vec<Session>,
    places: HashMap<SessionId, u32>,
    calls: Vec<Compact>,
    versions: Vec<u64>,
    /// By place of the call.
    traces: Vec<(u32, u128)>,
    /// Status words that are not understood, by place of the call.
    statuses: Vec<(u32, Box<str>)>,
    complete: bool,
}

impl History {
    /// An empty history of a run on `branches`.
    pub fn new(branches: impl IntoIterator<Item = BranchId>) -> Self {
        let mut branches: Vec<BranchId> = branches.into_iter().collect();
        branches.sort_unstable();
        branches.dedup();
        Self {
            branches,
            sessions: Vec::new(),
            places: HashMap::new(),
            calls: Vec::new(),
            versions: Vec::new(),
            traces: Vec::new(),
            statuses: Vec::new(),
            complete: true,
        }
    }

    /// Adds a call.
    pub fn push(
        &mut self,
        call: &Record<impl AsRef<[u64]>, impl AsRef<str>>,
    ) -> Result<(), InvalidRecord> {
        let branch = self.member(call.branch).ok_or(InvalidRecord::Branch(call.branch))?;
        let place = index(self.calls.len())?;
        if let Some(completed) = call.completed.filter(|completed| *completed < call.invoked) {
            return Err(InvalidRecord::Backwards { invoked: call.invoked, completed });
        }
        let [version, at_most] = [&call.version, &call.at_most]
            .map(|version| version.as_ref().map(AsRef::<[u64]>::as_ref));
        let mut versions = [version, at_most].into_iter().flatten();
        if let Some(version) = versions.find(|v| v.len() != self.branches.len()) {
            return Err(InvalidRecord::Version {
                found: version.len(),
                expected: self.branches.len(),
            });
        }
        let session = self.enter(call)?;
        let (version, at_most) = (self.keep(version)?, self.keep(at_most)?);
        if let Some(trace) = call.trace {
            self.traces.push((place, trace));
        }
        if let Some(status) = &call.status {
            self.statuses.push((place, status.as_ref().into()));
        }
        self.calls.push(Compact {
            number: call.number,
            position: call.position,
            amount: call.write().map_or(Money::ZERO, |write| write.amount),
            invoked: call.invoked,
            completed: call.completed.unwrap_or(NEVER),
            seq: call.seq.unwrap_or(Seq::ZERO),
            balance: call.balance.unwrap_or(Money::ZERO),
            session,
            version,
            at_most,
            attempt: call.attempt,
            branch,
            kind: call.write().map(|write| write.kind),
            outcome: call.outcome,
            code: call.code,
            has_balance: call.balance.is_some(),
            has_trace: call.trace.is_some(),
            has_status: call.status.is_some(),
        });
        Ok(())
    }

    fn keep(&mut self, version: Option<&[u64]>) -> Result<u32, InvalidRecord> {
        let Some(version) = version else { return Ok(NONE) };
        let slot = index(self.versions.len() / self.branches.len().max(1))?;
        self.versions.extend_from_slice(version);
        Ok(slot)
    }

    fn enter<V, S>(&mut self, call: &Record<V, S>) -> Result<u32, InvalidRecord> {
        let Record { session: id, customer, number, .. } = *call;
        let place = if let Some(place) = self.places.get(&id) {
            *place
        } else {
            let place = index(self.sessions.len())?;
            self.places.insert(id, place);
            self.sessions.push(Session { id, customer, last: 0 });
            place
        };
        let session = &mut self.sessions[at(place)];
        if session.customer != customer {
            return Err(InvalidRecord::Customer {
                session: id,
                customer,
                before: session.customer,
            });
        }
        if number <= session.last {
            return Err(InvalidRecord::Order { session: id, number, before: session.last });
        }
        session.last = number;
        Ok(place)
    }

    /// Marks it as incomplete: recording was bounded, or the file ends too early.
    pub const fn cut(&mut self) {
        self.complete = false;
    }

    /// Whether every operation of the run is in it.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The run's branches, in the order of members.
    pub fn branches(&self) -> &[BranchId] {
        &self.branches
    }

    /// The position of a branch among all.
    pub fn member(&self, branch: BranchId) -> Option<Member> {
        let place = self.branches.binary_search(&branch).ok()?;
        u16::try_from(place).ok().map(Member)
    }

    /// The number of calls.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there is no call.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The number of sessions.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// The index of the session of this name.
    pub fn session_named(&self, session: SessionId) -> Option<usize> {
        self.places.get(&session).copied().map(at)
    }

    /// The index of the session of the call at `place`.
    pub fn session_of(&self, place: usize) -> usize {
        at(self.calls[place].session)
    }

    /// The number of the call at `place` in its session.
    pub fn number_of(&self, place: usize) -> u64 {
        self.calls[place].number
    }

    /// The customer of the call at `place`, and its position among the operations of that customer.
    pub fn asked_as(&self, place: usize) -> (CustomerId, u64) {
        let kept = &self.calls[place];
        (self.sessions[at(kept.session)].customer, kept.position)
    }

    /// The position of the branch that was asked among all.
    pub fn member_of(&self, place: usize) -> usize {
        self.calls[place].branch.index()
    }

    /// The call at `place`, which is less than [`History::len`].
    pub fn call(&self, place: usize) -> OperationRecord<'_> {
        let kept = &self.calls[place];
        let session = &self.sessions[at(kept.session)];
        let operation = match kept.kind {
            None => Operation::Query,
            Some(kind) => Operation::Write(Write { kind, amount: kept.amount }),
        };
        OperationRecord {
            session: session.id,
            customer: session.customer,
            number: kept.number,
            position: kept.position,
            attempt: kept.attempt,
            operation,
            branch: self.branches[kept.branch.index()],
            invoked: kept.invoked,
            completed: (kept.completed != NEVER).then_some(kept.completed),
            outcome: kept.outcome,
            code: kept.code,
            status: if kept.has_status { self.status(place) } else { None },
            seq: (kept.seq != Seq::ZERO).then_some(kept.seq),
            version: self.slot(kept.version),
            at_most: self.slot(kept.at_most),
            balance: kept.has_balance.then_some(kept.balance),
            trace: if kept.has_trace { self.trace(place) } else { None },
        }
    }

    /// All calls, in the order in which they came.
    pub fn calls(&self) -> impl Iterator<Item = OperationRecord<'_>> {
        (0..self.calls.len()).map(|place| self.call(place))
    }

    fn slot(&self, slot: u32) -> Option<&[u64]> {
        let width = self.branches.len();
        (slot != NONE).then(|| &self.versions[at(slot) * width..][..width])
    }

    fn status(&self, place: usize) -> Option<&str> {
        let found = self.statuses.binary_search_by_key(&place, |(place, _)| at(*place)).ok()?;
        Some(&self.statuses[found].1)
    }

    fn trace(&self, place: usize) -> Option<u128> {
        let found = self.traces.binary_search_by_key(&place, |(place, _)| at(*place)).ok()?;
        Some(self.traces[found].1)
    }
}

/// An index in four bytes.
pub(crate) fn index(value: usize) -> Result<u32, InvalidRecord> {
    u32::try_from(value).ok().filter(|value| *value != NONE).ok_or(InvalidRecord::TooMany)
}

/// An index from four bytes. No supported platform has less than 32 bits.
pub(crate) fn at(kept: u32) -> usize {
    usize::try_from(kept).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: u64) -> OperationRecord<'static> {
        OperationRecord {
            session: SessionId(7),
            customer: CustomerId(1),
            number,
            position: number + 40,
            attempt: 2,
            operation: Operation::withdraw(30),
            branch: BranchId(9),
            invoked: 10,
            completed: Some(20),
            outcome: Outcome::Ok,
            code: StatusCode::Ok,
            status: None,
            seq: Some(Seq(3)),
            version: Some(&[1, 3]),
            at_most: Some(&[2, 3]),
            balance: Some(Money::new(-4)),
            trace: Some(77),
        }
    }

    #[test]
    fn what_goes_in_comes_out() {
        let mut history = History::new([9, 4].map(BranchId));
        let bare = OperationRecord {
            operation: Operation::Query,
            completed: None,
            outcome: Outcome::Unknown,
            code: StatusCode::Unavailable,
            status: Some("busy"),
            seq: None,
            version: None,
            at_most: None,
            balance: None,
            trace: None,
            ..call(2)
        };
        for call in [call(1), bare, call(5)] {
            assert_eq!(history.push(&call), Ok(()));
        }
        let kept: Vec<OperationRecord<'_>> = history.calls().collect();
        assert_eq!(kept, [call(1), bare, call(5)]);
        assert_eq!(history.member(BranchId(9)), Some(Member(1)));
    }

    #[test]
    fn what_does_not_fit_is_named_and_not_taken() {
        let mut history = History::new([4, 9].map(BranchId));
        assert_eq!(history.push(&call(2)), Ok(()));
        let wrong = [
            OperationRecord { branch: BranchId(5), ..call(3) },
            OperationRecord { version: Some(&[1]), ..call(3) },
            OperationRecord { at_most: Some(&[1]), ..call(3) },
            OperationRecord { completed: Some(9), ..call(3) },
            OperationRecord { customer: CustomerId(2), ..call(3) },
            call(2),
        ];
        for call in wrong {
            assert!(history.push(&call).is_err(), "{call:?}");
        }
        assert_eq!(history.len(), 1);
    }
}
