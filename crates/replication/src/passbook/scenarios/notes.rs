//! Notes: what tracing and statistics learn of a write, in the order of the protocol.

use std::time::Duration;

use super::cluster::{A, B, C, Cluster, request};
use crate::passbook::{Note, Storage};
use crate::{Request, Ticket};
use bank::{Ack, BranchId, Member, Operation, Seq};

const WAIT: Duration = Duration::from_millis(3);

fn id(branch: Member) -> BranchId {
    BranchId(u32::from(branch.0) + 1)
}

fn deposit(cluster: &mut Cluster, at: Member, ack: Ack) -> Ticket {
    cluster.ask(at, Request { ack, ..request(Operation::deposit(5)) })
}

fn notes_of(cluster: &Cluster, at: Member) -> Vec<Note> {
    let its = cluster.notes.iter().filter(|(member, _)| *member == at);
    its.map(|(_, note)| note.clone()).collect()
}

fn pushed(to: Member, after: u64, upto: u64) -> Note {
    Note::Pushed { to: id(to), rows: 1, after: Seq(after), upto: Seq(upto) }
}

fn acknowledged(by: Member) -> Note {
    Note::PushAcknowledged { by: id(by), waited: WAIT }
}

fn held(peer: Member, after: u64, upto: u64) -> Note {
    let (after, upto) = (Seq(after), Seq(upto));
    Note::HeldBy { peer: id(peer), after, upto, pushed: upto, via: None }
}

#[test]
fn write_is_noted_from_log_to_last_acknowledgement() {
    let mut cluster = Cluster::met(3, 100);
    cluster.notes.clear();
    let ticket = deposit(&mut cluster, A, Ack::All);
    cluster.sync(A);
    cluster.pass_unseen(WAIT);
    cluster.flow_among(&[A, C]);
    cluster.flow_among(&[A, B]);
    let expected = [
        Note::Staged { ticket, seq: Seq(1), needed: 2 },
        pushed(B, 0, 1),
        pushed(C, 0, 1),
        acknowledged(C),
        held(C, 0, 1),
        acknowledged(B),
        held(B, 0, 1),
    ];
    assert_eq!(notes_of(&cluster, A), expected);
    assert_eq!(notes_of(&cluster, B), [], "nothing is news to a branch that only acknowledges");
}

#[test]
fn repeated_push_carries_nothing_for_the_first_time() {
    let mut cluster = Cluster::met(2, 100);
    cluster.notes.clear();
    deposit(&mut cluster, A, Ack::Local);
    cluster.sync(A);
    cluster.take(A, B);
    deposit(&mut cluster, A, Ack::Local);
    cluster.sync(A);
    cluster.pass(Duration::from_secs(1));
    cluster.take(A, B);
    cluster.pass(Duration::from_secs(2));
    let mut notes = notes_of(&cluster, A);
    notes.retain(|note| matches!(note, Note::Pushed { .. }));
    assert_eq!(notes, [pushed(B, 0, 1), pushed(B, 1, 2), pushed(B, 2, 2)]);
}

#[test]
fn push_after_a_stream_reset_counts_anew() {
    let mut cluster = Cluster::met(2, 100);
    cluster.notes.clear();
    deposit(&mut cluster, A, Ack::Local);
    cluster.sync(A);
    cluster.disconnect(A, B);
    cluster.connect(A, B);
    cluster.flow();
    let mut notes = notes_of(&cluster, A);
    notes.retain(|note| !matches!(note, Note::Staged { .. } | Note::PushAcknowledged { .. }));
    let reset = || Note::StreamReset { peer: id(B) };
    assert_eq!(notes, [pushed(B, 0, 1), reset(), reset(), pushed(B, 0, 1), held(B, 0, 1)]);
}

#[test]
fn hello_that_replaces_a_lost_acknowledgement_is_noted() {
    let mut cluster = Cluster::met(2, 100);
    deposit(&mut cluster, A, Ack::Local);
    cluster.sync(A);
    cluster.deliver(A, B);
    cluster.sync(B);
    cluster.notes.clear();
    cluster.disconnect(A, B);
    cluster.connect(A, B);
    cluster.flow();
    let reset = || Note::StreamReset { peer: id(B) };
    assert_eq!(notes_of(&cluster, A), [reset(), reset(), held(B, 0, 1)]);
}

#[test]
fn relay_report_is_noted_for_each_branch_it_reached() {
    let members = 10;
    let mut cluster = Cluster::with_relay_from(0, Storage::Memory, (members, 1_000));
    cluster.notes.clear();
    let ticket = deposit(&mut cluster, B, Ack::All);
    cluster.pass_unseen(WAIT);
    cluster.flow();
    let notes = notes_of(&cluster, B);
    let needed = usize::from(members) - 1;
    let staged = Note::Staged { ticket, seq: Seq(1), needed };
    assert_eq!(notes[..4], [staged, pushed(A, 0, 1), acknowledged(A), held(A, 0, 1)]);
    let reported = (2..members).map(Member).map(|peer| Note::HeldBy {
        peer: id(peer),
        after: Seq(0),
        upto: Seq(1),
        pushed: Seq(0),
        via: Some(id(A)),
    });
    let mut rest = notes[4..].to_vec();
    rest.sort_unstable_by_key(|note| match note {
        Note::HeldBy { peer, .. } => *peer,
        other => panic!("{other:?}"),
    });
    assert_eq!(rest, reported.collect::<Vec<_>>());
}

#[test]
fn borrow_is_noted_until_rights_cover_the_withdrawal() {
    let mut cluster = Cluster::met(2, 20);
    cluster.notes.clear();
    let ticket = cluster.withdraw(A, 15);
    cluster.flow();
    let mut notes = notes_of(&cluster, A);
    notes.truncate(3);
    let expected = [
        Note::ShortOfRights { ticket },
        Note::BorrowRequested { of: id(B) },
        Note::Staged { ticket, seq: Seq(1), needed: 0 },
    ];
    assert_eq!(notes, expected);
    assert_eq!(notes_of(&cluster, B)[0], pushed(A, 0, 1), "the grant");
}

#[test]
fn collect_through_the_prover_names_it() {
    let mut cluster = Cluster::with_relay_from(0, Storage::Journal, (3, 30));
    cluster.notes.clear();
    let ticket = cluster.withdraw(B, 100);
    cluster.flow();
    let mut notes = notes_of(&cluster, B);
    notes.retain(|note| matches!(note, Note::CollectStarted { .. } | Note::CollectEnded { .. }));
    let started = Note::CollectStarted { waiting: vec![ticket], prover: Some(id(A)) };
    assert_eq!(notes, [started, Note::CollectEnded { complete: true }]);
    let proves = Note::CollectStarted { waiting: Vec::new(), prover: None };
    assert_eq!(notes_of(&cluster, A)[0], proves, "the prover serves no request of its own");
}
