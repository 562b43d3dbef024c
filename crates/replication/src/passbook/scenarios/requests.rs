//! Writes: each is done once or not at all, and the customer can find out which.

use std::time::Duration;

use super::cluster::{A, B, C, Cluster, INSUFFICIENT, entries, named, request};
use crate::passbook::Input;
use crate::{Instant, Request};
use bank::{Ack, Read};
use bank::{Entry, Money, Operation, Outcome, Rejection};

/// The customer has gone on: an older request that is carried out afterwards is one they do not know of.
#[test]
fn a_higher_number_abandons_what_waits() {
    let mut cluster = Cluster::met(2, 20);
    let older = cluster.ask(A, named(1, 1, Operation::withdraw(15)));
    let newer = cluster.ask(A, named(2, 1, Operation::deposit(1)));
    assert_eq!(cluster.outcome(older), Some(Outcome::Unknown));
    cluster.flow();
    assert_eq!(cluster.outcome(newer), Some(Outcome::Ok));
    assert_eq!(entries(cluster.journal(A)), [Entry::Deposit(Money::new(1))]);
    let late = cluster.ask(A, named(1, 2, Operation::withdraw(15)));
    assert_eq!(cluster.outcome(late), Some(Outcome::Rejected(Rejection::Stale)));
}

/// Two answers to one request, and the customer takes only the last attempt's: the one it joins gets none.
#[test]
fn a_superseded_attempt_is_answered_unknown() {
    let mut cluster = Cluster::met(2, 20);
    let first = cluster.ask(A, named(1, 1, Operation::withdraw(15)));
    let second = cluster.ask(A, named(1, 2, Operation::withdraw(15)));
    assert_eq!((cluster.outcome(first), cluster.outcome(second)), (Some(Outcome::Unknown), None));
    cluster.flow();
    assert_eq!(cluster.outcome(second), Some(Outcome::Ok));
    assert_eq!(entries(cluster.journal(A)), [Entry::Withdraw(Money::new(15))]);
}

/// It is in the log of one branch, and if that is lost it was never made: the customer was promised more.
#[test]
fn a_retry_of_a_staged_write_waits_for_acknowledgements() {
    let mut cluster = Cluster::met(2, 20);
    let all = |attempt| Request { ack: Ack::All, ..named(1, attempt, Operation::deposit(5)) };
    cluster.ask(A, all(1));
    cluster.sync(A);
    let second = cluster.ask(A, all(2));
    assert_eq!(cluster.outcome(second), None, "B does not hold it");
    let journal = cluster.journal(A).to_vec();
    cluster.restart(A, journal);
    cluster.sync(A);
    let third = cluster.ask(A, all(3));
    assert_eq!(cluster.outcome(third), None, "nor after a restart");
    cluster.connect(A, B);
    cluster.flow();
    assert_eq!(cluster.outcome(third), Some(Outcome::Ok));
    let receipt = cluster.told(third).and_then(|told| told.receipt.clone());
    assert_eq!(receipt.map(|receipt| receipt.achieved), Some(2));
    assert_eq!(entries(cluster.journal(A)).len(), 1);
}

/// It could not be answered as asked, and would be in the log all the same.
#[test]
fn with_too_few_branches_connected_a_write_is_rejected_before_it_is_staged() {
    let mut cluster = Cluster::met(3, 30);
    let at = |ack| Request { ack, ..request(Operation::deposit(5)) };
    let rejected = Some(Outcome::Rejected(Rejection::TooFewBranches));
    cluster.disconnect(A, C);
    let all = cluster.ask(A, at(Ack::All));
    assert_eq!(cluster.outcome(all), rejected);
    cluster.disconnect(A, B);
    let majority = cluster.ask(A, at(Ack::Majority));
    assert_eq!(cluster.outcome(majority), rejected);
    assert!(entries(cluster.journal(A)).is_empty());
    let local = cluster.ask(A, at(Ack::Local));
    cluster.sync(A);
    assert_eq!(cluster.outcome(local), Some(Outcome::Ok));
}

/// A branch that is there may not have it, or not on disk: counted, it would be promised to the customer.
#[test]
fn who_is_connected_does_not_hold_it_yet() {
    let mut cluster = Cluster::met(3, 30);
    let ticket = cluster.ask(A, Request { ack: Ack::Majority, ..request(Operation::deposit(5)) });
    cluster.sync(A);
    cluster.deliver(A, B);
    assert_eq!(cluster.outcome(ticket), None);
    cluster.sync(B);
    cluster.deliver(B, A);
    assert_eq!(cluster.outcome(ticket), Some(Outcome::Ok));
    let receipt = cluster.told(ticket).and_then(|told| told.receipt.clone());
    assert_eq!(receipt.map(|receipt| receipt.achieved), Some(2));
}

/// A timeout says nothing of a write that is in the log: told "rejected", the customer would do it twice.
#[test]
fn a_timeout_is_unknown_and_the_write_stays() {
    let mut cluster = Cluster::met(2, 20);
    let deadline = Instant(Duration::from_millis(100));
    let ticket =
        cluster.ask(A, Request { deadline, ack: Ack::All, ..named(1, 1, Operation::deposit(5)) });
    cluster.sync(A);
    cluster.take(A, B);
    cluster.pass(Duration::from_millis(100));
    assert_eq!(cluster.outcome(ticket), Some(Outcome::Unknown));
    cluster.pass(Duration::from_secs(1));
    cluster.flow();
    assert_eq!(cluster.at(B).visible().total(), 25);
}

/// Whatever a customer waits for may never come.
#[test]
fn nobody_is_kept_waiting_beyond_the_deadline() {
    let mut cluster = Cluster::met(2, 20);
    let deadline = Instant(Duration::from_millis(100));
    let ask = |cluster: &mut Cluster, operation, read| {
        cluster.ask(A, Request { read, deadline, ..request(operation) })
    };
    let rights = ask(&mut cluster, Operation::withdraw(15), Read::Session);
    let snapshot = ask(&mut cluster, Operation::Query, Read::Snapshot);
    cluster.take(A, B);
    cluster.pass(Duration::from_millis(99));
    assert_eq!([rights, snapshot].map(|ticket| cluster.outcome(ticket)), [None; 2]);
    cluster.pass(Duration::from_millis(1));
    let unknown = Some(Outcome::Unknown);
    assert_eq!([rights, snapshot].map(|ticket| cluster.outcome(ticket)), [unknown; 2]);
    assert_eq!(cluster.at(A).open_requests(), 0);
}

/// The customer has hung up: what waits is given up, what is in the log stays.
#[test]
fn a_request_that_is_abandoned_is_not_begun() {
    let mut cluster = Cluster::met(2, 20);
    let ticket = cluster.withdraw(A, 15);
    cluster.on(A, Input::Abandon { ticket });
    assert_eq!(cluster.outcome(ticket), Some(Outcome::Unknown));
    cluster.flow();
    assert!(entries(cluster.journal(A)).is_empty());
    let staged = cluster.deposit(A, 5);
    cluster.on(A, Input::Abandon { ticket: staged });
    cluster.flow();
    assert_eq!(cluster.at(B).visible().total(), 25);
}

/// A sum beyond 64 bits could be told to nobody. What is staged counts, or two at once would get there.
#[test]
fn a_deposit_beyond_64_bits_is_refused() {
    let mut cluster = Cluster::met(2, i64::MAX - 10);
    let fits = cluster.deposit(A, 6);
    let beyond = cluster.deposit(A, 5);
    cluster.sync(A);
    assert_eq!(cluster.outcome(fits), Some(Outcome::Ok));
    assert_eq!(cluster.outcome(beyond), Some(Outcome::Rejected(Rejection::OutOfRange)));
}

/// A negative withdrawal would be a deposit that nobody counts.
#[test]
fn a_negative_amount_is_no_request() {
    let mut cluster = Cluster::met(1, 20);
    for operation in [Operation::deposit(-1), Operation::withdraw(-1)] {
        let ticket = cluster.ask(A, request(operation));
        assert_eq!(cluster.outcome(ticket), Some(Outcome::Rejected(Rejection::BadRequest)));
    }
    let nothing = cluster.withdraw(A, 0);
    cluster.sync(A);
    assert_eq!(cluster.outcome(nothing), Some(Outcome::Ok));
    let too_much = cluster.withdraw(A, 21);
    assert_eq!(cluster.outcome(too_much), Some(INSUFFICIENT), "alone it needs no proof of others");
}
