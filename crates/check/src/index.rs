//! What several properties need to know of a run, computed once.

use std::fmt::Display;
use std::ops::Add;

use history::{
    Extent, FinalState, Header, History, Ledgers, Log, Logged, OperationRecord, Run, Server,
    Settings,
};

use bank::{Entry, Outcome, Seq, Write, WriteKind};

use crate::compact::CompactIndex;
use crate::{Named, Violation};

/// A run, with its calls and log entries joined by the names of requests.
#[derive(Debug)]
pub(crate) struct RunIndex<'a> {
    run: &'a Run,
    /// The number of branches.
    pub(crate) width: usize,
    /// See [`RunIndex::lacks_versions`].
    lacks_versions: bool,
    /// By call: the log entry that carries it out, counted over all logs.
    entry_of: Vec<CompactIndex>,
    /// By log entry, counted over all logs: the call that it carries out.
    call_of: Vec<CompactIndex>,
    /// Where each log begins in that count.
    offsets: Vec<usize>,
    /// Pairs of entries that carry out one request.
    pub(crate) duplicates: Vec<[Place; 2]>,
    /// By log: opening balance left out, the change of the balance by its first entries.
    sums: Vec<Vec<i128>>,
    /// By log: whether its entries are numbered 1, 2, 3, …
    numbered: Vec<bool>,
    /// By session: where its calls begin in `order`.
    starts: Vec<usize>,
    /// Calls by session.
    order: Vec<CompactIndex>,
}

/// An entry of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The branch whose log it is.
    pub(crate) member: usize,
    /// The index of the entry, from 0.
    pub(crate) entry: usize,
}

impl<'a> RunIndex<'a> {
    /// Joins calls and entries. Linear.
    pub(crate) fn of(run: &'a Run) -> Self {
        let logs = run.ledgers.logs();
        let mut offsets = vec![0];
        for log in logs {
            offsets.push(offsets.last().copied().unwrap_or_default() + log.len());
        }
        let entries = offsets.last().copied().unwrap_or_default();
        let (starts, order) = by_session(&run.history);
        let mut index = Self {
            run,
            width: run.history.branches().len(),
            lacks_versions: run.header.settings.server != Server::Passbook
                && run.ledgers.is_missing(),
            entry_of: vec![CompactIndex::NONE; run.history.len()],
            call_of: vec![CompactIndex::NONE; entries],
            offsets,
            duplicates: Vec::new(),
            sums: prefix_sums(logs, Entry::delta),
            numbered: logs
                .iter()
                .map(|log| (1..).zip(log.entries()).all(|(seq, entry)| entry.seq == Seq(seq)))
                .collect(),
            starts,
            order,
        };
        index.join_named();
        index.join_unnamed();
        index
    }

    pub(crate) const fn header(&self) -> &'a Header {
        &self.run.header
    }

    pub(crate) const fn settings(&self) -> Settings {
        self.run.header.settings
    }

    pub(crate) const fn history(&self) -> &'a History {
        &self.run.history
    }

    pub(crate) const fn ledgers(&self) -> &'a Ledgers {
        &self.run.ledgers
    }

    pub(crate) fn logs(&self) -> &'a [Log] {
        self.run.ledgers.logs()
    }

    pub(crate) fn finals(&self) -> &'a [FinalState] {
        &self.run.finals
    }

    fn join_named(&mut self) {
        for (member, log) in self.run.ledgers.logs().iter().enumerate() {
            for (entry, logged) in log.entries().enumerate() {
                let Some(request) = logged.request else { continue };
                let Some(session) = self.run.history.session_named(request.session) else {
                    continue;
                };
                let call = self.in_session(session, request.number);
                let Some(call) = call.filter(|call| self.call(*call).write().is_some()) else {
                    continue;
                };
                let place = Place { member, entry };
                if let Some(first) = self.entry_of(call) {
                    self.duplicates.push([first, place]);
                    let counted = self.counted(place);
                    self.call_of[counted] = CompactIndex::of(call);
                } else {
                    self.link(call, place);
                }
            }
        }
    }

    /// An entry without a name is known by its number in the answer.
    fn join_unnamed(&mut self) {
        let history = &self.run.history;
        for (call, seen) in history.calls().enumerate() {
            let (Some(write), Some(seq)) = (seen.write(), seen.seq) else { continue };
            if self.entry_of(call).is_some() || seen.outcome != Outcome::Ok {
                continue;
            }
            let member = history.member_of(call);
            let Some(place) = self.entry_at(member, seq.0) else { continue };
            let logged = self.logged(place);
            if logged.request.is_none()
                && is_entry_of(write, logged.entry)
                && self.call_of(place).is_none()
            {
                self.link(call, place);
            }
        }
    }

    fn link(&mut self, call: usize, place: Place) {
        let counted = self.counted(place);
        self.entry_of[call] = CompactIndex::of(counted);
        self.call_of[counted] = CompactIndex::of(call);
    }

    fn counted(&self, place: Place) -> usize {
        self.offsets[place.member] + place.entry
    }

    fn place(&self, counted: usize) -> Place {
        let member = self.offsets.partition_point(|offset| *offset <= counted) - 1;
        Place { member, entry: counted - self.offsets[member] }
    }

    /// The entry that carries out a call.
    pub(crate) fn entry_of(&self, call: usize) -> Option<Place> {
        self.entry_of[call].get().map(|counted| self.place(counted))
    }

    /// The call that an entry carries out.
    pub(crate) fn call_of(&self, place: Place) -> Option<usize> {
        self.call_of[self.counted(place)].get()
    }

    pub(crate) fn call(&self, place: usize) -> OperationRecord<'a> {
        without_unresolvable(self.run.history.call(place), self.lacks_versions)
    }

    /// All calls with their places.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (usize, OperationRecord<'a>)> + use<'a> {
        let lacks_versions = self.lacks_versions;
        let calls = self.run.history.calls();
        calls.map(move |call| without_unresolvable(call, lacks_versions)).enumerate()
    }

    pub(crate) fn logged(&self, place: Place) -> Logged<'a> {
        self.run.ledgers.logs()[place.member].entry(place.entry)
    }

    /// The calls of a session in their order.
    pub(crate) fn session(&self, session: usize) -> impl Iterator<Item = usize> {
        let calls = &self.order[self.starts[session]..self.starts[session + 1]];
        calls.iter().filter_map(|call| call.get())
    }

    fn in_session(&self, session: usize, number: u64) -> Option<usize> {
        let calls = &self.order[self.starts[session]..self.starts[session + 1]];
        let number_of = |call: &CompactIndex| call.get().map(|c| self.run.history.number_of(c));
        // Mostly the k-th call has number k.
        let guess = usize::try_from(number.saturating_sub(1)).ok().and_then(|k| calls.get(k));
        if let Some(call) = guess.filter(|call| number_of(call) == Some(number)) {
            return call.get();
        }
        let found = calls.binary_search_by_key(&Some(number), number_of).ok()?;
        calls[found].get()
    }

    /// The entry with this number, where entries are numbered as they should be.
    pub(crate) fn entry_at(&self, member: usize, seq: u64) -> Option<Place> {
        let entry = usize::try_from(seq.checked_sub(1)?).ok()?;
        let there = self.numbered[member] && entry < self.run.ledgers.logs()[member].len();
        there.then_some(Place { member, entry })
    }

    /// The change of the balance by the first `seq` entries of a log, if they are there.
    pub(crate) fn sum(&self, member: usize, seq: u64) -> Option<i128> {
        let sums = self.sums[member].get(usize::try_from(seq).ok()?)?;
        self.numbered[member].then_some(*sums)
    }

    /// The change of the balance by all entries that are there.
    pub(crate) fn net(&self) -> i128 {
        self.sums.iter().filter_map(|sums| sums.last()).sum()
    }

    /// Whether the entries of a log are numbered 1, 2, 3, …
    pub(crate) fn is_numbered(&self, member: usize) -> bool {
        self.numbered[member]
    }

    /// Whether all of a log is there, and in order.
    pub(crate) fn is_whole(&self, member: usize) -> bool {
        self.extent(member) == Extent::Whole && self.numbered[member]
    }

    pub(crate) fn extent(&self, member: usize) -> Extent {
        self.run.ledgers.logs()[member].extent()
    }

    /// The number of a branch in words.
    pub(crate) fn branch(&self, member: usize) -> String {
        self.run.history.branches().get(member).map_or_else(String::new, ToString::to_string)
    }

    pub(crate) fn opening(&self) -> i128 {
        self.run.header.opening.minor_units().into()
    }

    /// Whether the bank keeps no ledger in which a version could be resolved; an answer may carry one all the same.
    /// Under the passbook scheme there are ledgers: where they are missing, the record has a hole.
    pub(crate) const fn lacks_versions(&self) -> bool {
        self.lacks_versions
    }

    /// Whether it is certain that no write changed a balance: each was rejected, and the history is whole.
    pub(crate) fn is_unchanged(&self) -> bool {
        let may_apply = |call: &OperationRecord<'_>| {
            call.write().is_some() && !matches!(call.outcome, Outcome::Rejected(_))
        };
        self.run.history.is_complete() && !self.calls().any(|(_, call)| may_apply(&call))
    }

    /// What is missing of the logs, if anything.
    pub(crate) fn missing_entries(&self) -> Option<String> {
        if self.run.ledgers.is_missing() {
            return Some("there is no ledger".to_owned());
        }
        let lacks = |member: &usize| !self.is_whole(*member);
        let (member, log) = (0..self.width).find(lacks).map(|m| (m, self.extent(m)))?;
        let how = match log {
            Extent::Whole => "is not in order",
            Extent::Cut => "may lack its end",
            Extent::Missing => "is missing",
        };
        Some(format!("the ledger of branch {} {how}", self.branch(member)))
    }

    /// Why it is not known what `count` answers or entries rest on, if there are any.
    pub(crate) fn missing_context(&self, count: u64, things: &str) -> Option<String> {
        (count > 0).then(|| {
            let why = self.missing_entries();
            let why = why.as_deref().unwrap_or("logs and answers do not say it");
            format!("what {count} {things} rest on is not known: {why}")
        })
    }

    /// The branches whose final states are missing, if any.
    pub(crate) fn missing_finals(&self) -> Option<String> {
        let missing = self.width.saturating_sub(self.run.finals.len());
        let is_missing = missing > 0 || self.run.finals.is_empty();
        is_missing.then(|| {
            format!("{missing} of {} branches could not be asked what they hold", self.width)
        })
    }

    /// A violation that the calls at `places` show.
    pub(crate) fn violation(
        &self,
        places: impl IntoIterator<Item = usize>,
        description: String,
    ) -> Violation {
        let named = places.into_iter().map(|place| Named::of(&self.call(place), place));
        Violation { operations: named.collect(), description }
    }

    /// A violation by one call: what it was or did, after the words for it.
    pub(crate) fn violation_by(&self, place: usize, what: impl Display) -> Violation {
        self.violation([place], format!("{} {what}", self.words(place)))
    }

    /// A call in a few words.
    pub(crate) fn words(&self, place: usize) -> String {
        self.call(place).to_string()
    }
}

/// Whether an entry does what a write asks for.
pub(crate) fn is_entry_of(write: Write, entry: Entry) -> bool {
    match (entry, write.kind) {
        (Entry::Deposit(amount), WriteKind::Deposit)
        | (Entry::Withdraw(amount), WriteKind::Withdraw) => amount == write.amount,
        _ => false,
    }
}

/// A version as text, such as `[3 0 5]`.
pub(crate) fn describe_version(version: &[u64]) -> String {
    let seqs: Vec<String> = version.iter().map(ToString::to_string).collect();
    format!("[{}]", seqs.join(" "))
}

/// A call without its positions in logs, where there are no logs to resolve them in: its balance counts as one without
/// a version, which is held to bounds.
const fn without_unresolvable(
    mut call: OperationRecord<'_>,
    lacks_versions: bool,
) -> OperationRecord<'_> {
    if lacks_versions {
        (call.seq, call.version, call.at_most) = (None, None, None);
    }
    call
}

/// By log, the sums of its first entries: of none, of one, of two, …
pub(crate) fn prefix_sums<T: Copy + Default + Add<Output = T>>(
    logs: &[Log],
    value: impl Fn(Entry) -> T,
) -> Vec<Vec<T>> {
    let sums = |log: &Log| {
        let mut sum = T::default();
        let sums = log.entries().map(|logged| {
            sum = sum + value(logged.entry);
            sum
        });
        std::iter::once(T::default()).chain(sums).collect()
    };
    logs.iter().map(sums).collect()
}

/// Sorts calls by session, each session's in order, by counting.
fn by_session(history: &History) -> (Vec<usize>, Vec<CompactIndex>) {
    let mut starts = vec![0; history.sessions() + 1];
    for call in 0..history.len() {
        starts[history.session_of(call) + 1] += 1;
    }
    for session in 1..starts.len() {
        starts[session] += starts[session - 1];
    }
    let mut next = starts.clone();
    let mut order = vec![CompactIndex::NONE; history.len()];
    for call in 0..history.len() {
        let place = &mut next[history.session_of(call)];
        order[*place] = CompactIndex::of(call);
        *place += 1;
    }
    (starts, order)
}
