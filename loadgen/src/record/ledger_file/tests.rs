use std::fs::File;
use std::io::BufReader;

use bank::Money;
use bank::{Ack, Read};
use history::read_ledger;
use history::{Customers, Extent, Ledgers, Server, Settings};
use passbook::wire::LogEncoder;
use tempfile::TempDir;

use super::*;
use crate::interrupt::Interrupt;

const BRANCHES: [BranchId; 2] = [BranchId(4), BranchId(7)];

/// What two branches are taken to have sent.
struct Taken {
    folder: TempDir,
    sources: Vec<Source>,
    spool: Spool,
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
        let spool = Spool::begin(folder.path(), &Interrupt::default()).expect("begun");
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
        let settings = Settings {
            server: Server::Passbook,
            ack: Ack::All,
            read: Read::Session,
            customers: Customers::Many,
        };
        let header =
            Header { rights: told.1.clone(), ..Header::new(settings, Money::new(60), BRANCHES) };
        let finals = [FinalState {
            branch: BRANCHES[0],
            balance: Money::new(62),
            lowest_balance: None,
            settled: true,
            version: Some(version([5, 5])),
        }];
        let path = self.folder.path().join("ledger.jsonl");
        let file = File::create(&path).expect("a file");
        logged.write(file, &header, &finals).expect("written");
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
    ledgers.logs().iter().map(history::Log::extent).collect()
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
fn branches_of_which_one_knows_more_are_not_at_rest() {
    assert!(Logged::are_at_rest(&Taken::begun([[3, 4], [3, 4]]).sources));
    assert!(!Logged::are_at_rest(&Taken::begun([[3, 4], [3, 5]]).sources));
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
