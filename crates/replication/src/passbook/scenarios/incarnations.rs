//! Hello and amnesia: who somebody is comes before anything that they say.

use std::time::Duration;

use super::cluster::{A, B, C, Cluster, named, request, version};
use crate::passbook::{Incarnation, Message, Mismatch, Stop};
use crate::{Replication as _, Request};
use bank::{Ack, Read};
use bank::{BranchId, Chain, Money, Operation, Outcome, Rejection, Seq};

/// Known to others and not on disk, a life is lost by a crash: the branch would come back as another one,
/// and its cluster would have to do without it. It happened.
#[test]
fn branch_sends_nothing_before_its_incarnation_is_on_disk() {
    let mut cluster = Cluster::unborn(2, 100);
    cluster.sync(B);
    cluster.connect(A, B);
    assert!(cluster.take(A, B).is_empty(), "not even a hello");
    cluster.deliver(B, A);
    cluster.pass(Duration::from_secs(1));
    assert!(cluster.take(A, B).is_empty(), "nor an answer to one");
    cluster.sync(A);
    assert!(matches!(cluster.take(A, B)[..], [Message::Hello(_)]));
}

/// Told that it is not done, the customer would ask for it once more under another name: but an earlier
/// life may have carried it out. It happened.
#[test]
fn a_branch_that_does_not_serve_yet_rejects_no_write() {
    let mut cluster = Cluster::met(2, 100);
    cluster.ask(A, named(1, 1, Operation::withdraw(5)));
    let journal = cluster.journal(A).to_vec();
    cluster.restart(A, journal);
    let retry = cluster.ask(A, named(1, 2, Operation::withdraw(5)));
    assert_eq!(cluster.outcome(retry), Some(Outcome::Unknown));
    let query = cluster.query(A, Read::Session);
    assert_eq!(cluster.outcome(query), Some(Outcome::Rejected(Rejection::NotReady)));
    cluster.sync(A);
    let again = cluster.ask(A, named(1, 3, Operation::withdraw(5)));
    assert_eq!(cluster.outcome(again), Some(Outcome::Ok), "it was");
    assert_eq!(cluster.row(A, A).seq, Seq(1), "once");
}

/// In the time of another stream, or from somebody else, anything may have been said: taken for an answer, it
/// hides what was lost.
#[test]
fn nothing_is_processed_before_the_hello() {
    let mut cluster = Cluster::met(2, 100);
    let all = Request { ack: Ack::All, ..request(Operation::deposit(5)) };
    let written = cluster.ask(A, all);
    cluster.sync(A);
    let push = cluster.take(A, B).remove(0);
    let acknowledged =
        Message::Acknowledge { incarnation: Incarnation(2), durable: version(&[1, 0]) };
    cluster.connect(A, B);
    let (to_b, to_a) = (cluster.take(A, B), cluster.take(B, A));
    cluster.hand(A, B, push);
    cluster.hand(B, A, acknowledged);
    assert_eq!(cluster.row(A, B).seq, Seq::ZERO);
    assert_eq!(cluster.outcome(written), None);
    cluster.hand(A, B, to_b[0].clone());
    cluster.hand(B, A, to_a[0].clone());
    cluster.flow();
    assert_eq!(cluster.row(A, B).seq, Seq(1), "pushed anew on the new stream");
}

/// Taken for held, what a branch has lost would never be pushed to it again, and counted as durable there.
#[test]
fn a_hello_replaces_what_was_acknowledged() {
    let mut cluster = Cluster::met(2, 100);
    let old = cluster.journal(B).to_vec();
    cluster.deposit(A, 5);
    cluster.flow();
    assert_eq!(cluster.at(A).stats().outstanding, 0);
    cluster.restart(B, old);
    cluster.sync(B);
    cluster.connect(A, B);
    cluster.deliver(A, B);
    cluster.deliver(B, A);
    assert_eq!(cluster.at(A).stats().outstanding, 1);
    cluster.flow();
    assert_eq!(cluster.row(A, B).deposited.signed(), 5);
}

/// A hello may be lost on a network that loses: neither side would ever speak again.
#[test]
fn a_hello_that_was_not_heard_is_repeated() {
    let mut cluster = Cluster::unborn(2, 100);
    for branch in [A, B] {
        cluster.sync(branch);
    }
    cluster.connect(A, B);
    cluster.take(A, B);
    cluster.take(B, A);
    cluster.pass(Duration::from_millis(100));
    cluster.flow();
    assert!(cluster.at(A).is_ready() && cluster.at(B).is_ready());
}

/// It would give numbers to entries that others know as something else.
#[test]
fn a_branch_that_lost_entries_stops() {
    let mut cluster = Cluster::met(3, 100);
    let old = cluster.journal(A).to_vec();
    cluster.deposit(A, 5);
    cluster.flow();
    cluster.restart(A, old.clone());
    cluster.sync(A);
    cluster.connect(A, B);
    cluster.flow();
    let (peer, theirs, ours) = (BranchId(2), Seq(1), Seq::ZERO);
    assert_eq!(cluster.stopped(A), Some(Stop::LostEntries { peer, theirs, ours }));
    assert_eq!(cluster.stopped(B), None);
}

/// The same if it has written something else under those numbers by then.
#[test]
fn a_branch_whose_log_is_another_than_its_peers_know_stops() {
    let mut cluster = Cluster::met(2, 100);
    let old = cluster.journal(A).to_vec();
    cluster.deposit(A, 5);
    cluster.flow();
    cluster.restart(A, old);
    cluster.sync(A);
    cluster.deposit(A, 6);
    cluster.sync(A);
    cluster.connect(A, B);
    cluster.flow();
    let peer = BranchId(2);
    assert_eq!(cluster.stopped(A), Some(Stop::OtherLog { peer }));
}

/// The same if there was no number that anybody knows: rights it granted and rejections it gave are gone.
#[test]
fn a_branch_that_comes_back_with_another_life_stops() {
    let mut cluster = Cluster::met(3, 100);
    cluster.settings(A).incarnation = Incarnation(99);
    cluster.restart(A, Vec::new());
    cluster.sync(A);
    cluster.connect(A, B);
    cluster.flow();
    let peer = BranchId(2);
    assert_eq!(cluster.stopped(A), Some(Stop::OtherIncarnation { peer }));
    let ticket = cluster.ask(B, Request { ack: Ack::All, ..request(Operation::deposit(1)) });
    let rejected = Outcome::Rejected(Rejection::TooFewBranches);
    assert_eq!(cluster.outcome(ticket), Some(rejected), "the others go on without it");
}

/// Two logs of one branch: whichever is taken, somebody's acknowledged write is lost.
#[test]
fn two_logs_of_one_length_stop_who_sees_them() {
    let mut cluster = Cluster::met(3, 100);
    cluster.deposit(C, 5);
    cluster.flow();
    let mut other = cluster.row(C, A);
    other.chain = Chain(other.chain.0 ^ 1);
    cluster.hand(B, A, Message::Push { rows: vec![other], unreachable: Vec::new() });
    assert_eq!(cluster.stopped(A), Some(Stop::Fork { origin: BranchId(3) }));
}

/// With another opening balance its share would be another, and all rights together not the balance.
#[test]
fn a_branch_that_was_started_otherwise_is_never_met() {
    let mut cluster = Cluster::unborn(2, 100);
    cluster.settings(B).opening = Money::new(90);
    cluster.restart(B, Vec::new());
    for branch in [A, B] {
        cluster.sync(branch);
    }
    cluster.connect(A, B);
    for _ in 0..3 {
        cluster.flow();
        cluster.pass(Duration::from_secs(1));
    }
    assert!(!cluster.at(A).is_ready() && !cluster.at(B).is_ready());
    let (hundred, ninety) = (Money::new(100), Money::new(90));
    let differs = |theirs, ours| Mismatch::Opening { theirs, ours };
    assert_eq!(cluster.refused(A).first(), Some(&differs(ninety, hundred)));
    assert_eq!(cluster.refused(B).first(), Some(&differs(hundred, ninety)));
}

/// Members are named by their place among all: with others there every place would mean another.
#[test]
fn a_branch_of_another_set_of_branches_is_never_met() {
    let mut cluster = Cluster::unborn(2, 100);
    cluster.settings(B).branches.push(BranchId(7));
    cluster.restart(B, Vec::new());
    for branch in [A, B] {
        cluster.sync(branch);
    }
    cluster.connect(A, B);
    cluster.flow();
    assert!(!cluster.at(A).is_ready() && !cluster.at(B).is_ready());
    let said = cluster.refused(A).first().expect("it says so").to_string();
    assert!(said.contains("a cluster of branches 1, 2, 7, this one of 1, 2:"), "{said}");
    assert!(matches!(cluster.refused(B), [Mismatch::Branches { .. }, ..]));
}

/// An acknowledgement of a life before counts for nothing: what it speaks of may be gone.
#[test]
fn an_acknowledgement_belongs_to_a_life() {
    let mut cluster = Cluster::met(2, 100);
    let ticket = cluster.ask(A, Request { ack: Ack::All, ..request(Operation::deposit(1)) });
    cluster.sync(A);
    cluster.take(A, B);
    let durable = version(&[1, 0]);
    let message = |life| {
        let incarnation = Incarnation(life);
        Message::Acknowledge { incarnation, durable: durable.clone() }
    };
    cluster.hand(B, A, message(77));
    assert_eq!(cluster.outcome(ticket), None);
    cluster.hand(B, A, message(2));
    assert_eq!(cluster.outcome(ticket), Some(Outcome::Ok));
}
