//! Pushes and acknowledgements: as few as there can be, and none that is taken for more than it says.

use std::time::Duration;

use super::cluster::{A, B, C, Cluster, request};
use crate::Request;
use crate::passbook::{Message, Record};
use bank::{Ack, Read};
use bank::{Operation, Outcome, Seq};

fn everywhere(amount: i64) -> Request {
    Request { ack: Ack::All, ..request(Operation::deposit(amount)) }
}

/// The number of messages is the price of a write: if everybody passed on what a peer may not have, it
/// would grow with the square of the branches.
#[test]
fn while_all_are_connected_a_write_costs_one_push_and_one_answer_a_peer() {
    for branches in [1, 2, 3, 5, 10_u16] {
        let mut cluster = Cluster::met(branches, 100);
        for _ in 0..3 {
            let ticket = cluster.ask(A, everywhere(5));
            assert_eq!(cluster.flow(), 2 * usize::from(branches - 1), "{branches} branches");
            assert_eq!(cluster.outcome(ticket), Some(Outcome::Ok));
        }
    }
}

/// The other branches would never hear of what was done on the far side of a cut.
#[test]
fn rows_travel_through_others_where_their_branch_cannot_push_them() {
    let mut cluster = Cluster::met(3, 100);
    cluster.disconnect(A, C);
    cluster.flow();
    cluster.deposit(A, 5);
    cluster.flow();
    assert_eq!(cluster.row(A, C).seq, Seq(1), "through B");
    cluster.deposit(C, 7);
    cluster.flow();
    assert_eq!(cluster.row(C, A).seq, Seq(1), "and back");
    cluster.connect(A, C);
    cluster.flow();
    cluster.deposit(A, 1);
    assert_eq!(cluster.flow(), 4, "together again, nothing is passed on");
}

/// One that has no news itself must say so too: others do not know that what they have of it did not get there.
#[test]
fn a_branch_that_comes_apart_from_another_tells_the_rest() {
    let mut cluster = Cluster::met(3, 100);
    cluster.deposit(A, 5);
    cluster.sync(A);
    assert_eq!(cluster.take(A, C).len(), 1, "lost with the stream");
    cluster.flow_among(&[A, B]);
    cluster.disconnect(A, C);
    cluster.flow();
    assert_eq!(cluster.row(A, C).seq, Seq(1), "B passes it on");
}

/// What a branch has of another that is gone, others may lack: nobody else would bring it to them.
#[test]
fn what_a_lost_branch_had_told_one_is_passed_on_to_all() {
    let mut cluster = Cluster::met(3, 100);
    cluster.deposit(A, 5);
    cluster.sync(A);
    cluster.deliver(A, B);
    cluster.disconnect(A, C);
    cluster.disconnect(A, B);
    cluster.flow_among(&[B, C]);
    assert_eq!(cluster.row(A, C).seq, Seq(1));
}

/// One push for each write would be as many messages as writes: the load could not grow.
#[test]
fn writes_that_come_while_a_push_is_outstanding_share_the_next() {
    let mut cluster = Cluster::met(2, 100);
    let first = cluster.ask(A, everywhere(1));
    cluster.sync(A);
    let tickets: Vec<_> = (0..5).map(|_| cluster.ask(A, everywhere(1))).collect();
    cluster.sync(A);
    cluster.deliver(A, B);
    assert_eq!(cluster.row(A, B).seq, Seq(1), "the first push knew nothing of them");
    assert!(cluster.take(A, B).is_empty(), "and is the only one");
    assert_eq!(cluster.flow(), 3, "its acknowledgement, one push, one acknowledgement");
    for ticket in tickets.into_iter().chain([first]) {
        assert_eq!(cluster.outcome(ticket), Some(Outcome::Ok));
    }
}

/// With one push outstanding at a time, a lost one would be the last.
#[test]
fn a_lost_push_is_repeated_more_and_more_patiently() {
    let mut cluster = Cluster::met(2, 100);
    let ticket = cluster.ask(A, everywhere(5));
    cluster.sync(A);
    assert_eq!(cluster.take(A, B).len(), 1);
    for patience in [250, 500, 1_000, 2_000, 2_000] {
        cluster.pass(Duration::from_millis(patience - 10));
        assert!(cluster.take(A, B).is_empty(), "not before {patience} ms");
        cluster.pass(Duration::from_millis(10));
        assert!(matches!(cluster.take(A, B)[..], [Message::Push { .. }]));
    }
    cluster.pass(Duration::from_secs(2));
    cluster.deliver(A, B);
    cluster.sync(B);
    let lost = cluster.take(B, A);
    cluster.pass(Duration::from_secs(2));
    cluster.flow();
    assert_eq!(lost.len(), 1, "an acknowledgement was lost");
    assert_eq!(cluster.outcome(ticket), Some(Outcome::Ok), "a push twice is acknowledged twice");
}

/// What is in memory there is gone after a crash: the customer was promised that it is not.
#[test]
fn a_push_is_acknowledged_when_it_is_durable_and_complete_when_that_covers_it() {
    let mut cluster = Cluster::met(2, 100);
    let one = cluster.ask(A, everywhere(5));
    cluster.sync(A);
    cluster.deliver(A, B);
    assert!(cluster.take(B, A).is_empty(), "it is not on disk there");
    cluster.sync(B);
    let acknowledgement = cluster.take(B, A).remove(0);
    cluster.hand(B, A, acknowledgement.clone());
    assert_eq!(cluster.outcome(one), Some(Outcome::Ok));
    let two = cluster.ask(A, everywhere(5));
    cluster.sync(A);
    cluster.take(A, B);
    let three = cluster.ask(A, everywhere(5));
    cluster.sync(A);
    cluster.hand(B, A, acknowledgement);
    assert_eq!((cluster.outcome(two), cluster.outcome(three)), (None, None));
    assert!(cluster.take(A, B).is_empty(), "an old one does not end the push that is on its way");
}

/// A write that is shown and then lost with the power was never made: whoever saw it was deceived.
#[test]
fn what_is_staged_is_neither_pushed_nor_shown_nor_collected_nor_answered() {
    let mut cluster = Cluster::met(2, 100);
    let deposit = cluster.deposit(A, 5);
    assert_eq!(cluster.outcome(deposit), None);
    assert!(cluster.take(A, B).is_empty());
    let query = cluster.query(A, Read::Session);
    assert_eq!(cluster.told(query).and_then(|told| told.balance), Some(100));
    cluster.query(B, Read::Snapshot);
    cluster.deliver(B, A);
    let collected = cluster.take(A, B);
    let [Message::Collected { rows, .. }] = &collected[..] else {
        panic!("{collected:?}");
    };
    assert_eq!(rows[..], []);
    cluster.sync(A);
    assert_eq!(cluster.told(deposit).and_then(|told| told.balance), Some(105));
}

/// A pays in 100 and grants it to B, and B pays it out. With B's row alone C would hold a negative balance.
#[test]
fn what_a_branch_does_not_know_of_others_comes_with_what_depends_on_it() {
    let mut cluster = Cluster::met(3, 0);
    cluster.deposit(A, 100);
    cluster.sync(A);
    cluster.deliver(A, B);
    let late = cluster.take(A, C);
    cluster.withdraw(B, 100);
    cluster.flow_among(&[A, B]);
    assert!(late.iter().all(|message| matches!(message, Message::Push { .. })));
    cluster.take(A, C);
    let before = cluster.journal(C).len();
    cluster.deliver(B, C);
    assert_eq!((cluster.row(A, C).seq, cluster.row(B, C).seq), (Seq(2), Seq(1)));
    let [Record::Received { rows }] = &cluster.journal(C)[before..] else {
        panic!("as one record, or a crash could take it apart: {:?}", cluster.journal(C));
    };
    assert_eq!(rows.len(), 2);
}
