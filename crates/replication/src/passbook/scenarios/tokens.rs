//! Tokens: nobody is shown less than they know, and a token that cannot be is said to be so.

use std::time::Duration;

use super::cluster::{A, B, Cluster, entries, request};
use crate::{ClusterId, Instant, Request, Token};
use bank::Read;
use bank::{Operation, Outcome, Rejection};

const FOREIGN: Outcome = Outcome::Rejected(Rejection::ForeignPassbook);

fn knowing(token: &Token, operation: Operation) -> Request {
    Request { token: Some(token.clone()), ..request(operation) }
}

/// The branch has lost what the customer was shown, or it is not the customer's bank: waiting does not help.
#[test]
fn a_future_entry_of_this_branch_or_another_cluster_is_an_error_at_once() {
    let mut cluster = Cluster::met(2, 100);
    let future = cluster.token(&[1, 0]);
    let elsewhere = Token { cluster: ClusterId(1), ..cluster.token(&[0, 0]) };
    let larger = cluster.token(&[0, 0, 0]);
    for token in [future, elsewhere, larger] {
        for operation in [Operation::Query, Operation::deposit(5), Operation::withdraw(5)] {
            let ticket = cluster.ask(A, knowing(&token, operation));
            assert_eq!(cluster.outcome(ticket), Some(FOREIGN), "{operation} with {token:?}");
        }
    }
    assert!(entries(cluster.journal(A)).is_empty());
}

/// Answered at once, a customer would miss what they did a moment ago at another branch, or write upon less.
#[test]
fn what_another_branch_has_done_is_waited_for() {
    let mut cluster = Cluster::met(2, 100);
    cluster.deposit(B, 5);
    cluster.sync(B);
    let token = cluster.token(&[0, 1]);
    let query = cluster.ask(A, knowing(&token, Operation::Query));
    let deposit = cluster.ask(A, knowing(&token, Operation::deposit(1)));
    let at_once = Request { read: Read::Local, ..knowing(&token, Operation::Query) };
    let at_once = cluster.ask(A, at_once);
    assert_eq!(cluster.outcome(query), None);
    assert!(entries(cluster.journal(A)).is_empty(), "it has to follow what the customer saw");
    assert_eq!(cluster.told(at_once).and_then(|told| told.balance), Some(100));
    cluster.flow();
    assert_eq!(cluster.told(query).and_then(|told| told.balance), Some(105));
    assert_eq!(cluster.outcome(deposit), Some(Outcome::Ok));
}

/// It may be forged, or its branch may have died with what it showed: there is an end to waiting.
#[test]
fn what_never_comes_is_unknown_in_the_end() {
    let mut cluster = Cluster::met(2, 100);
    let token = cluster.token(&[0, 9]);
    let tickets = [Operation::Query, Operation::deposit(5)].map(|operation| {
        let deadline = Instant(Duration::from_millis(200));
        cluster.ask(A, Request { deadline, ..knowing(&token, operation) })
    });
    cluster.pass(Duration::from_millis(199));
    assert_eq!(tickets.map(|ticket| cluster.outcome(ticket)), [None, None]);
    cluster.pass(Duration::from_millis(1));
    assert_eq!(tickets.map(|ticket| cluster.outcome(ticket)), [Some(Outcome::Unknown); 2]);
    assert!(entries(cluster.journal(A)).is_empty());
}

/// Each who waits takes room: without a bound, forged tokens would take all of it.
#[test]
fn only_so_many_wait() {
    let mut cluster = Cluster::unborn(2, 100);
    cluster.settings(A).limits.waiting = 2;
    cluster.restart(A, Vec::new());
    for branch in [A, B] {
        cluster.sync(branch);
    }
    cluster.connect(A, B);
    cluster.flow();
    let token = cluster.token(&[0, 9]);
    let ask = |cluster: &mut Cluster| {
        let ticket = cluster.ask(A, knowing(&token, Operation::Query));
        cluster.outcome(ticket)
    };
    assert_eq!([ask(&mut cluster), ask(&mut cluster)], [None, None]);
    assert_eq!(ask(&mut cluster), Some(super::cluster::OVERLOADED));
}
