//! Journals: what a branch may believe of its own, and what it does when there is no room in it.

use super::cluster::{A, B, Cluster, OVERLOADED, entries};
use crate::Replication as _;
use crate::passbook::{Corrupt, Input, Message, Record, Room};
use bank::Read;
use bank::{Entry, Member, Money, Outcome, Seq};

/// What was read may be in the page cache and nowhere else: shown to others, it would be lost with the power.
#[test]
fn what_was_replayed_is_durable_only_after_the_sync() {
    let mut cluster = Cluster::met(2, 100);
    cluster.deposit(A, 5);
    let journal = cluster.journal(A).to_vec();
    cluster.restart(A, journal);
    assert_eq!(cluster.at(A).durable().of(A), Seq::ZERO);
    assert!(!cluster.at(A).is_ready());
    cluster.connect(A, B);
    cluster.deliver(B, A);
    assert!(cluster.take(A, B).is_empty(), "it says nothing of it");
    cluster.sync(A);
    assert_eq!(cluster.at(A).durable().of(A), Seq(1));
    assert!(cluster.at(A).is_ready());
    cluster.flow();
    assert_eq!(cluster.at(B).visible().total(), 105);
}

/// Rights are what was granted and received too: without them a branch would pay out what is another's.
#[test]
fn a_restart_brings_back_rows_and_rights() {
    let mut cluster = Cluster::met(2, 20);
    cluster.withdraw(A, 12);
    cluster.flow();
    let (mine, theirs) = (cluster.row(A, A), cluster.row(B, A));
    for branch in [A, B] {
        let journal = cluster.journal(branch).to_vec();
        cluster.restart(branch, journal);
        cluster.sync(branch);
    }
    assert_eq!((cluster.row(A, A), cluster.row(B, A)), (mine, theirs));
    let rights = |branch| cluster.at(branch).log_status().map(|status| status.rights);
    assert_eq!([A, B].map(rights), [Some(0), Some(8)]);
}

/// Read over, a missing entry would be there once more under the next one's number.
#[test]
fn a_journal_with_a_hole_is_refused() {
    let mut cluster = Cluster::met(1, 100);
    for amount in 1..=3 {
        cluster.deposit(A, amount);
    }
    let whole = cluster.journal(A).to_vec();
    assert_eq!(entries(&whole).len(), 3);
    let second = whole.len() - 2;
    let mut hole = whole.clone();
    hole.remove(second);
    let record = u64::try_from(second).expect("few") + 1;
    assert_eq!(cluster.try_restart(A, hole), Err(Corrupt::Broken { record }));
    let mut changed = whole.clone();
    if let Record::Own { entry, .. } = &mut changed[second] {
        *entry = Entry::Deposit(Money::new(1_000));
    }
    assert_eq!(cluster.try_restart(A, changed), Err(Corrupt::Broken { record }));
    let headless = whole[1..].to_vec();
    assert_eq!(cluster.try_restart(A, headless), Err(Corrupt::Misplaced { record: 1 }));
    let twice = [&whole[..1], &whole[..]].concat();
    assert_eq!(cluster.try_restart(A, twice), Err(Corrupt::Misplaced { record: 2 }));
    assert_eq!(cluster.try_restart(A, whole), Ok(()));
}

/// Rows of branches that there are not, or of this one, are of no journal that was written here.
#[test]
fn a_journal_that_speaks_of_others_is_refused() {
    let mut cluster = Cluster::met(2, 100);
    cluster.deposit(A, 5);
    cluster.sync(A);
    let own = cluster.row(A, A);
    let mut strange = own.clone();
    strange.origin = Member(7);
    for row in [own, strange] {
        let mut journal = cluster.journal(A).to_vec();
        journal.push(Record::Received { rows: vec![row] });
        let record = u64::try_from(journal.len()).expect("few");
        assert_eq!(cluster.try_restart(A, journal), Err(Corrupt::Broken { record }));
    }
}

/// With another opening balance the same entries are other rights.
#[test]
fn a_journal_of_another_cluster_is_refused() {
    let mut cluster = Cluster::met(2, 100);
    let journal = cluster.journal(A).to_vec();
    cluster.settings(A).opening = Money::new(200);
    assert_eq!(cluster.try_restart(A, journal), Err(Corrupt::OtherConfiguration));
}

/// The ledgers that prove a refusal cannot be taken in: the customer would carry less than what it rests on.
#[test]
fn without_room_for_the_proof_nothing_is_refused_for_lack_of_money() {
    let mut cluster = Cluster::met(2, 20);
    let ticket = cluster.withdraw(A, 100);
    cluster.on(A, Input::Room(Room::Full));
    cluster.flow();
    assert_eq!(cluster.outcome(ticket), Some(OVERLOADED));
}

/// A record that does not fit ends the branch: what can be refused is refused before.
#[test]
fn a_full_journal_refuses_writes_and_donations_while_reads_go_on() {
    let mut cluster = Cluster::met(2, 20);
    cluster.deposit(B, 5);
    cluster.sync(B);
    cluster.on(A, Input::Room(Room::Full));
    let before = cluster.journal(A).len();
    let deposit = cluster.deposit(A, 5);
    let withdrawal = cluster.withdraw(A, 5);
    assert_eq!([deposit, withdrawal].map(|ticket| cluster.outcome(ticket)), [Some(OVERLOADED); 2]);
    cluster.deliver(B, A);
    assert!(cluster.take(A, B).is_empty(), "a push is not taken in, so not acknowledged");
    cluster.withdraw(B, 20);
    cluster.deliver(B, A);
    assert!(matches!(cluster.take(A, B)[..], [Message::Decline { .. }]));
    let query = cluster.query(A, Read::Session);
    assert_eq!(cluster.told(query).and_then(|told| told.balance), Some(20));
    assert_eq!(cluster.journal(A).len(), before);
    cluster.on(A, Input::Room(Room::Enough));
    let again = cluster.deposit(A, 5);
    cluster.sync(A);
    assert_eq!(cluster.outcome(again), Some(Outcome::Ok));
}
