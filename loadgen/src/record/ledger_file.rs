//! What branches logged, on its way to `ledger.jsonl`.

use std::io;

use bank::{BranchId, Entry, Member, Seq, Version};
use history::{FinalState, Logged as LoggedEntry};
use history::{Header, LedgerWriter};
use passbook::wire::{LogBegun, LogEntry, to_log_entries};
use serde::{Deserialize, Serialize};

use super::spool::Spool;

/// One branch, and how much was taken of its log.
#[derive(Debug)]
pub(super) struct Source {
    member: Member,
    branch: BranchId,
    /// Unless it keeps no log.
    begun: Option<LogBegun>,
    /// Entries so far.
    taken: u64,
    /// It was asked to the end and has kept all.
    whole: bool,
}

impl Source {
    pub(super) const fn new(member: Member, branch: BranchId, begun: Option<LogBegun>) -> Self {
        Self { member, branch, begun, taken: 0, whole: false }
    }

    /// What was taken next.
    pub(super) fn piece(&mut self, count: u64, entries: Vec<u8>) -> Piece {
        let first = self.taken;
        self.taken = self.taken.saturating_add(count);
        Piece { member: self.member.0, first, entries }
    }

    /// Nothing is left to take.
    pub(super) const fn ended(&mut self, lost: bool) {
        self.whole = !lost;
    }
}

/// Some entries of a log as the branch sent them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Piece {
    /// Whose, by member.
    member: u16,
    /// How many of its entries were recorded before these: the spool may have dropped some.
    first: u64,
    #[serde(with = "serde_bytes")]
    entries: Vec<u8>,
}

/// What branches logged in a run. By default nothing was recorded.
#[derive(Debug, Default)]
pub struct Logged {
    /// By member.
    sources: Vec<Source>,
    spool: Option<Spool>,
    base: Option<Version>,
    rights: Option<Vec<i64>>,
}

impl Logged {
    /// Whether all branches that keep a log knew the same when recording began.
    pub(super) fn are_at_rest(sources: &[Source]) -> bool {
        let mut begun = sources.iter().filter_map(|source| source.begun.as_ref());
        let first = begun.next();
        begun.all(|begun| Some(&begun.version) == first.map(|first| &first.version))
    }

    pub(super) fn new(sources: Vec<Source>, spool: Spool) -> Self {
        let begun = || sources.iter().filter_map(|source| source.begun.as_ref());
        // Nobody knows more of a log than the branch that writes it.
        let mut base = Version::zero(sources.len());
        begun().for_each(|begun| base.join(&begun.version));
        let base = Some(base).filter(|base| base.iter().any(|(_, seq)| seq > Seq::ZERO));
        let rights = sources.iter().map(|source| Some(source.begun.as_ref()?.rights));
        let rights = base.as_ref().and_then(|_| rights.collect());
        Self { base, rights, sources, spool: Some(spool) }
    }

    /// How long each log was when recording began: what answers and entries say of logs is counted from there.
    /// `None` if that is from nothing, or not known.
    pub const fn base(&self) -> Option<&Version> {
        self.base.as_ref()
    }

    /// What each branch had the rights to when recording began, by member in minor units, if the cluster was used
    /// before.
    pub fn rights(&self) -> Option<&[i64]> {
        self.rights.as_deref()
    }

    /// Writes `ledger.jsonl` to `file`, with what branches hold at the end. Memory does not grow with the length of the
    /// logs. Blocks; the same branches must be in `header`.
    ///
    /// # Errors
    /// The file cannot be written, or what was recorded cannot be read.
    pub fn write(
        self,
        file: impl io::Write,
        header: &Header,
        finals: &[FinalState],
    ) -> io::Result<()> {
        let Self { sources, spool, base, .. } = self;
        let members = sources.len();
        let base = base.unwrap_or_else(|| Version::zero(members));
        let mut to = LedgerWriter::new(file, header)?;
        let mut logs: Vec<Log<'_>> =
            sources.iter().map(|source| Log::of(source, members)).collect();
        if let Some(spool) = spool {
            for piece in spool.finish()? {
                let Piece { member, first, entries } = piece?;
                if let Some(log) = logs.get_mut(usize::from(member)) {
                    log.write((first, &entries), &base, &mut to)?;
                }
            }
        }
        for last in finals {
            let since =
                |version: &Version| version.iter().map(|(of, seq)| since(&base, of, seq)).collect();
            let version = last.version.as_ref().map(since);
            to.state(&FinalState { version, ..last.clone() })?;
        }
        let whole = logs.iter().filter(|log| log.is_whole());
        let whole: Vec<BranchId> = whole.map(|log| log.source.branch).collect();
        to.finish(&whole).map(drop)
    }
}

/// The position of an entry counted from the run's start.
pub(super) fn since(base: &Version, member: Member, seq: Seq) -> Seq {
    Seq(seq.0.saturating_sub(base.of(member).0))
}

/// A log as its pieces come back.
struct Log<'a> {
    source: &'a Source,
    /// What the branch's journal held before the next entry, of other branches' logs.
    version: Version,
    /// Room for the same from the run's start.
    since: Vec<u64>,
    written: u64,
    /// Something is missing: what comes after it is left out.
    cut: bool,
}

impl<'a> Log<'a> {
    fn of(source: &'a Source, members: usize) -> Self {
        let begun = source.begun.as_ref().map(|begun| begun.version.clone());
        let version = begun.unwrap_or_else(|| Version::zero(members));
        Self { source, version, since: Vec::with_capacity(members), written: 0, cut: false }
    }

    fn is_whole(&self) -> bool {
        self.source.whole && !self.cut && self.written == self.source.taken
    }

    /// Writes a piece. One that is none a branch can have sent cuts the log.
    fn write<W: io::Write>(
        &mut self,
        (first, entries): (u64, &[u8]),
        base: &Version,
        to: &mut LedgerWriter<W>,
    ) -> io::Result<()> {
        let entries = match to_log_entries(entries) {
            Ok(entries) if first == self.written && !self.cut => entries,
            _ => {
                self.cut = true;
                return Ok(());
            }
        };
        for entry in entries {
            let LogEntry { seq, entry, request, grown } = entry;
            let members = self.version.members();
            let strange = |member: Member| member.index() >= members;
            let to_nobody = matches!(entry, Entry::Grant { to, .. } if strange(to));
            if to_nobody || grown.iter().any(|(member, _)| strange(*member)) {
                self.cut = true;
                return Ok(());
            }
            for (member, known) in grown {
                self.version.set(member, known);
            }
            let seq = since(base, self.source.member, seq);
            self.since.clear();
            self.since.extend(self.version.iter().map(|(of, known)| since(base, of, known).0));
            if let Some(own) = self.since.get_mut(self.source.member.index()) {
                *own = seq.0.saturating_sub(1);
            }
            let version = Some(self.since.as_slice());
            to.write(self.source.branch, &LoggedEntry { seq, entry, request, version })?;
            self.written += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
