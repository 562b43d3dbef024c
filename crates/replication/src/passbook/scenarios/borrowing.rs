//! Borrowing: rights go where they are needed, and nobody takes them from who has waited longer.

use std::time::Duration;

use super::cluster::{A, B, C, Cluster, INSUFFICIENT, UNAVAILABLE, entries, request};
use crate::passbook::{Message, Priority};
use crate::{Instant, Request};
use bank::{Entry, Money, Operation, Outcome};

/// Two that each lack what the other has would take it from each other for ever.
#[test]
fn older_withdrawal_keeps_its_rights_from_a_younger() {
    let mut cluster = Cluster::met(2, 20);
    let older = cluster.withdraw(A, 15);
    let younger = cluster.withdraw(B, 15);
    cluster.deliver(B, A);
    let answer = cluster.take(A, B);
    assert!(
        matches!(answer[..], [Message::Borrow { .. }, Message::Decline { .. }]),
        "one who has waited longer keeps what is here: {answer:?}"
    );
    for message in answer {
        cluster.hand(A, B, message);
    }
    let granted = Entry::Grant { to: A, amount: Money::new(5) };
    assert_eq!(entries(cluster.journal(B)), [granted], "and gets what is there");
    cluster.flow();
    assert_eq!(cluster.outcome(older), Some(Outcome::Ok));
    assert_eq!(cluster.outcome(younger), Some(INSUFFICIENT), "5 are left");
}

/// With clocks that do not heed each other, a busy branch's withdrawals would always be the youngest.
#[test]
fn withdrawal_is_younger_than_all_its_branch_knows_of() {
    let mut cluster = Cluster::met(2, 20);
    cluster.at_clock(A, 40);
    cluster.withdraw(A, 15);
    cluster.deliver(A, B);
    cluster.withdraw(B, 15);
    let asked = cluster.take(B, A);
    let [Message::Borrow { priority, .. }] = asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!(priority, Priority { clock: 42, member: B });
}

/// A question may come twice or late: each time rights would leave who needs them.
#[test]
fn repeated_borrow_request_grants_nothing_more() {
    let mut cluster = Cluster::met(2, 20);
    cluster.withdraw(A, 15);
    let question = cluster.take(A, B).remove(0);
    for _ in 0..3 {
        cluster.hand(A, B, question.clone());
    }
    assert_eq!(entries(cluster.journal(B)), [Entry::Grant { to: A, amount: Money::new(5) }]);
    assert!(cluster.take(B, A).is_empty(), "the push is the answer, once it is durable");
    cluster.flow();
    cluster.hand(A, B, question);
    assert_eq!(entries(cluster.journal(B)).len(), 1, "nor a late one");
}

/// Declined at once, the asker can turn to somebody else instead of waiting for nothing.
#[test]
fn a_branch_without_rights_declines_and_the_next_is_asked() {
    let mut cluster = Cluster::met(3, 30);
    cluster.withdraw(B, 10);
    let ticket = cluster.withdraw(A, 12);
    assert_eq!(cluster.take(A, B).len(), 0, "one is enough, and C is as rich");
    cluster.deliver(A, C);
    cluster.flow();
    assert_eq!(cluster.outcome(ticket), Some(Outcome::Ok));
    let rest = cluster.withdraw(A, 9);
    cluster.flow();
    assert_eq!(cluster.outcome(rest), Some(INSUFFICIENT), "8 are left");
}

/// A large withdrawal would starve among small ones if those took each grant that comes for it.
#[test]
fn rights_that_arrive_go_to_the_oldest() {
    let mut cluster = Cluster::met(2, 20);
    let older = cluster.withdraw(A, 15);
    let younger = cluster.withdraw(A, 12);
    cluster.deliver(A, B);
    cluster.sync(B);
    cluster.deliver(B, A);
    assert_eq!(entries(cluster.journal(A)), [Entry::Withdraw(Money::new(15))]);
    cluster.flow();
    assert_eq!(cluster.outcome(older), Some(Outcome::Ok));
    assert_eq!(cluster.outcome(younger), Some(INSUFFICIENT));
}

/// In a queue behind one that waits for others, everybody would wait: that was tried, and was slower.
#[test]
fn a_withdrawal_that_is_covered_need_not_queue() {
    let mut cluster = Cluster::met(2, 20);
    let waits = cluster.withdraw(A, 15);
    let covered = cluster.withdraw(A, 3);
    cluster.sync(A);
    assert_eq!(cluster.outcome(covered), Some(Outcome::Ok));
    assert_eq!(cluster.outcome(waits), None);
    cluster.flow();
    assert_eq!(cluster.outcome(waits), Some(Outcome::Ok), "its turn comes");
}

/// A grant that is shown and then lost with the power would be spent at both ends.
#[test]
fn a_grant_counts_here_at_once_and_there_when_it_is_durable() {
    let mut cluster = Cluster::met(2, 20);
    let borrows = cluster.withdraw(A, 15);
    cluster.deliver(A, B);
    let here = cluster.withdraw(B, 6);
    assert_eq!(entries(cluster.journal(B)).len(), 1, "5 of 10 are granted, 6 are not there");
    cluster.take(B, A);
    assert_eq!(cluster.outcome(borrows), None);
    cluster.sync(B);
    cluster.deliver(B, A);
    cluster.sync(A);
    assert_eq!(cluster.outcome(borrows), Some(Outcome::Ok));
    cluster.pass(Duration::from_secs(1));
    cluster.flow();
    assert_eq!(cluster.outcome(here), Some(INSUFFICIENT));
}

/// A branch that does not answer would keep everybody waiting until their deadlines.
#[test]
fn who_does_not_answer_or_is_lost_is_passed_over() {
    let mut cluster = Cluster::met(3, 30);
    let ticket = cluster.withdraw(A, 12);
    assert_eq!(cluster.take(A, C).len(), 1, "lost on the way");
    cluster.pass(Duration::from_millis(250));
    cluster.flow();
    assert_eq!(cluster.outcome(ticket), Some(Outcome::Ok), "B had it too");
    let other = cluster.withdraw(A, 17);
    cluster.disconnect(A, C);
    cluster.disconnect(A, B);
    assert_eq!(
        cluster.outcome(other),
        Some(UNAVAILABLE),
        "there may be money where nobody answers"
    );
}

/// The customer was told that it is unknown and may have gone: done now, it would come out of nowhere.
#[test]
fn nothing_is_staged_after_the_deadline() {
    let mut cluster = Cluster::met(2, 20);
    let deadline = Instant(Duration::from_millis(100));
    let ticket = cluster.ask(A, Request { deadline, ..request(Operation::withdraw(15)) });
    cluster.deliver(A, B);
    cluster.sync(B);
    cluster.pass_unseen(Duration::from_millis(100));
    cluster.deliver(B, A);
    assert_eq!(cluster.outcome(ticket), Some(Outcome::Unknown));
    assert!(entries(cluster.journal(A)).is_empty(), "though the rights have come");
}
