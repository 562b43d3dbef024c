//! What branches logged, on its way to `ledger.jsonl`.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use passbook::bank::{BranchId, Entry, Member, Seq, Version};
use passbook::check::{FinalState, Logged as LoggedEntry};
use passbook::files::{Header, LedgerWriter};
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
    #[serde(with = "bytes")]
    entries: Vec<u8>,
}

/// Bytes as one, not as a list of numbers.
mod bytes {
    use std::fmt;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        from.deserialize_bytes(Bytes)
    }
}

/// What branches logged in a run. By default nothing was recorded.
#[derive(Debug, Default)]
pub struct Logged {
    /// By member.
    sources: Vec<Source>,
    spool: Option<Spool<Piece>>,
    base: Option<Version>,
    rights: Option<Vec<i64>>,
    /// All branches began at the same.
    at_rest: bool,
}

impl Logged {
    pub(super) fn new(sources: Vec<Source>, spool: Spool<Piece>) -> Self {
        let begun = || sources.iter().filter_map(|source| source.begun.as_ref());
        let mut versions = begun().map(|begun| &begun.version);
        let first = versions.next();
        let at_rest = versions.all(|version| Some(version) == first);
        // Nobody knows more of a log than the branch that writes it.
        let mut base = Version::zero(sources.len());
        begun().for_each(|begun| base.join(&begun.version));
        let base = Some(base).filter(|base| base.iter().any(|(_, seq)| seq > Seq::ZERO));
        let rights = sources.iter().map(|source| Some(source.begun.as_ref()?.rights));
        let rights = base.as_ref().and_then(|_| rights.collect());
        Self { base, rights, at_rest, sources, spool: Some(spool) }
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

    /// Writes `ledger.jsonl` at `path`, with what branches hold at the end. Memory does not grow with the length of the
    /// logs. Blocks; the same branches must be in `header`.
    ///
    /// # Errors
    /// The file cannot be written, or what was recorded cannot be read.
    pub fn write(self, header: &Header, finals: &[FinalState], path: &Path) -> io::Result<()> {
        let Self { sources, spool, base, at_rest, .. } = self;
        let members = sources.len();
        let base = base.unwrap_or_else(|| Version::zero(members));
        let file = BufWriter::with_capacity(1 << 16, File::create(path)?);
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
        for FinalState { state, version } in finals {
            let since =
                |version: &Version| version.iter().map(|(of, seq)| since(&base, of, seq)).collect();
            let version = version.as_ref().map(since);
            to.state(&FinalState { state: *state, version })?;
        }
        let whole = logs.iter().filter(|log| at_rest && log.is_whole());
        let whole: Vec<BranchId> = whole.map(|log| log.source.branch).collect();
        to.finish(&whole).map(drop)
    }
}

/// An entry's place counted from the run's start.
fn since(base: &Version, member: Member, seq: Seq) -> Seq {
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
mod tests {
    use std::io::BufReader;

    use passbook::bank::Money;
    use passbook::check::{BranchState, Customers, Extent, Ledgers, Server, Settings};
    use passbook::files::read_ledger;
    use passbook::replicate::{Ack, Read};
    use passbook::wire::LogEncoder;
    use tempfile::TempDir;

    use super::*;

    const BRANCHES: [BranchId; 2] = [BranchId(4), BranchId(7)];

    /// What two branches are taken to have sent.
    struct Taken {
        folder: TempDir,
        sources: Vec<Source>,
        spool: Spool<Piece>,
    }

    fn version(seqs: [u64; 2]) -> Version {
        seqs.map(Seq).into_iter().collect()
    }

    /// Deposits from `seq` on, the first of them upon so much of each log.
    fn deposits(seq: u64, count: u64, grown: &[(u16, u64)]) -> Vec<u8> {
        let (mut encoder, mut bytes) = (LogEncoder::default(), Vec::new());
        for place in 0..count {
            let entry = (Seq(seq + place), Entry::Deposit(Money::new(1)), None);
            let news = grown.iter().filter(|_| place == 0);
            let news = news.map(|(member, seq)| (Member(*member), Seq(*seq)));
            encoder.append(entry, news, &mut bytes).expect("room");
        }
        bytes
    }

    impl Taken {
        fn begun(versions: [[u64; 2]; 2]) -> Self {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let spool = Spool::begin(folder.path()).expect("begun");
            let sources = (0..).map(Member).zip(BRANCHES).zip(versions);
            let sources = sources.map(|((member, branch), seqs)| {
                let begun = LogBegun { log: 1, version: version(seqs), rights: 30 };
                Source::new(member, branch, Some(begun))
            });
            Self { folder, sources: sources.collect(), spool }
        }

        fn piece(&mut self, place: usize, count: u64, entries: Vec<u8>) {
            let piece = self.sources[place].piece(count, entries);
            self.spool.push(&piece);
        }

        fn read(mut self, lost: [bool; 2]) -> (Told, Ledgers, Vec<FinalState>) {
            for (source, lost) in self.sources.iter_mut().zip(lost) {
                source.ended(lost);
            }
            let logged = Logged::new(self.sources, self.spool);
            let told = (logged.base().cloned(), logged.rights().map(<[i64]>::to_vec));
            let header = Header {
                opening: Money::new(60),
                branches: BRANCHES.to_vec(),
                settings: Settings {
                    server: Server::Passbook,
                    ack: Ack::All,
                    read: Read::Session,
                    customers: Customers::Many,
                },
                rights: told.1.clone(),
                edition: None,
            };
            let state = BranchState {
                branch: BRANCHES[0],
                balance: Money::new(62),
                lowest_balance: None,
                settled: true,
            };
            let finals = [FinalState { state, version: Some(version([5, 5])) }];
            let path = self.folder.path().join("ledger.jsonl");
            logged.write(&header, &finals, &path).expect("written");
            let file = BufReader::new(File::open(&path).expect("a file"));
            let (read, ledgers, finals) = read_ledger(&path, file).expect("valid");
            assert_eq!(read, header);
            (told, ledgers, finals)
        }
    }

    /// The base and the rights.
    type Told = (Option<Version>, Option<Vec<i64>>);

    /// Place and version of each entry. What each has of its own log is that before it, and is read as 0.
    fn entries(ledgers: &Ledgers, place: usize) -> Vec<(u64, Vec<u64>)> {
        let entries = ledgers.logs()[place].entries();
        entries.map(|entry| (entry.seq.0, entry.version.expect("told").to_vec())).collect()
    }

    fn extents(ledgers: &Ledgers) -> Vec<Extent> {
        ledgers.logs().iter().map(passbook::check::Log::extent).collect()
    }

    #[test]
    fn a_fresh_clusters_logs_are_written_as_they_are() {
        let mut taken = Taken::begun([[0, 0], [0, 0]]);
        taken.piece(0, 2, deposits(1, 2, &[]));
        taken.piece(1, 1, deposits(1, 1, &[(0, 1)]));
        taken.piece(0, 1, deposits(3, 1, &[(1, 1)]));
        let (told, ledgers, finals) = taken.read([false, false]);
        assert_eq!(told, (None, None));
        let first = vec![(1, vec![0, 0]), (2, vec![0, 0]), (3, vec![0, 1])];
        assert_eq!([entries(&ledgers, 0), entries(&ledgers, 1)], [first, vec![(1, vec![1, 0])]]);
        assert_eq!(extents(&ledgers), [Extent::Whole, Extent::Whole]);
        assert_eq!(finals[0].version, Some(version([5, 5])));
    }

    #[test]
    fn what_was_there_before_is_subtracted() {
        let mut taken = Taken::begun([[3, 4], [3, 4]]);
        taken.piece(1, 2, deposits(5, 2, &[(0, 4)]));
        let (told, ledgers, finals) = taken.read([false, false]);
        assert_eq!(told, (Some(version([3, 4])), Some(vec![30, 30])));
        assert_eq!(entries(&ledgers, 1), [(1, vec![1, 0]), (2, vec![1, 0])]);
        assert_eq!(extents(&ledgers), [Extent::Whole, Extent::Whole]);
        assert_eq!(finals[0].version, Some(version([2, 1])));
    }

    #[test]
    fn of_branches_that_were_not_at_rest_no_log_is_whole() {
        let mut taken = Taken::begun([[3, 4], [3, 5]]);
        taken.piece(1, 1, deposits(6, 1, &[]));
        let (told, ledgers, _) = taken.read([false, false]);
        assert_eq!(told.0, Some(version([3, 5])));
        assert_eq!(entries(&ledgers, 1), [(1, vec![0, 0])]);
        assert_eq!(extents(&ledgers), [Extent::Missing, Extent::Cut]);
    }

    #[test]
    fn a_log_whose_end_was_lost_is_cut() {
        let mut taken = Taken::begun([[0, 0], [0, 0]]);
        taken.piece(0, 2, deposits(1, 2, &[]));
        taken.piece(1, 1, deposits(1, 1, &[]));
        let (_, ledgers, _) = taken.read([true, false]);
        assert_eq!(entries(&ledgers, 0).len(), 2);
        assert_eq!(extents(&ledgers), [Extent::Cut, Extent::Whole]);
    }

    #[test]
    fn what_the_spool_dropped_cuts_the_log() {
        let mut taken = Taken::begun([[0, 0], [0, 0]]);
        taken.piece(0, 1, deposits(1, 1, &[]));
        drop(taken.sources[0].piece(1, deposits(2, 1, &[])));
        taken.piece(0, 1, deposits(3, 1, &[]));
        drop(taken.sources[1].piece(1, deposits(1, 1, &[])));
        let (_, ledgers, _) = taken.read([false, false]);
        assert_eq!(entries(&ledgers, 0), [(1, vec![0, 0])], "what comes after the gap is left out");
        assert_eq!(extents(&ledgers), [Extent::Cut, Extent::Missing]);
    }

    #[test]
    fn what_no_branch_can_have_sent_cuts_the_log() {
        let mut taken = Taken::begun([[0, 0], [0, 0]]);
        taken.piece(0, 1, deposits(1, 1, &[]));
        taken.piece(0, 1, b"nonsense".to_vec());
        taken.piece(0, 1, deposits(2, 1, &[]));
        taken.piece(1, 1, deposits(1, 1, &[(2, 1)]));
        let (_, ledgers, _) = taken.read([false, false]);
        assert_eq!((entries(&ledgers, 0).len(), entries(&ledgers, 1).len()), (1, 0));
        assert_eq!(extents(&ledgers), [Extent::Cut, Extent::Missing]);
    }

    #[test]
    fn where_nothing_was_recorded_the_file_has_the_end_alone() {
        let taken = Taken::begun([[0, 0], [0, 0]]);
        let taken = Taken { sources: Vec::new(), ..taken };
        let (told, ledgers, finals) = taken.read([false, false]);
        assert_eq!((told, ledgers.is_missing(), finals.len()), ((None, None), true, 1));
    }
}
