//! Collects: what a refusal and a snapshot rest on.

use std::time::Duration;

use super::cluster::{
    A, B, C, Cluster, INSUFFICIENT, UNAVAILABLE, entries, named, request, version,
};
use crate::passbook::{Message, Note, ROUNDS_MAX, Round};
use crate::{Instant, Request};
use bank::Read;
use bank::{Entry, Money, Operation, Outcome, Rejection, Seq};

/// Whoever holds the money cannot be asked: "insufficient funds" would be a lie as likely as not.
#[test]
fn a_collect_whose_peer_dies_ends_in_rights_unavailable() {
    let mut cluster = Cluster::met(3, 9);
    let withdrawal = cluster.withdraw(A, 100);
    let snapshot = cluster.query(A, Read::Snapshot);
    cluster.deliver(A, B);
    cluster.deliver(B, A);
    assert_eq!(cluster.outcome(withdrawal), None, "C has not shown its ledger");
    cluster.disconnect(A, C);
    assert_eq!(cluster.outcome(withdrawal), Some(UNAVAILABLE));
    cluster.pass(Duration::from_millis(10));
    assert_eq!(cluster.outcome(snapshot), Some(UNAVAILABLE));
    let next = cluster.withdraw(A, 100);
    assert_eq!(cluster.outcome(next), Some(UNAVAILABLE), "at once, while it is gone");
    cluster.connect(A, C);
    cluster.flow();
    let after = cluster.withdraw(A, 100);
    cluster.flow();
    assert_eq!(cluster.outcome(after), Some(INSUFFICIENT));
}

/// Whoever watches a branch learns from nothing else for whom a question is put to the others.
#[test]
fn it_is_noted_for_whom_a_branch_collects_and_whether_that_came_about() {
    let mut cluster = Cluster::met(2, 10);
    cluster.notes.clear();
    let withdrawal = cluster.withdraw(A, 100);
    // The collect for the withdrawal is on its way, so this one waits for the next.
    let snapshot = cluster.query(A, Read::Snapshot);
    cluster.flow();
    assert_eq!(cluster.outcome(withdrawal), Some(INSUFFICIENT));
    let last = cluster.query(A, Read::Snapshot);
    cluster.disconnect(A, B);
    assert_eq!(cluster.outcome(last), Some(UNAVAILABLE));
    let begins = |ticket| Note::CollectStarted { waiting: vec![ticket], prover: None };
    let complete = |complete| Note::CollectEnded { complete };
    let expected = [
        Note::ShortOfRights { ticket: withdrawal },
        begins(withdrawal),
        complete(true),
        begins(snapshot),
        complete(true),
        begins(last),
        complete(false),
    ];
    cluster.notes.retain(|(_, note)| !matches!(note, Note::StreamReset { .. }));
    assert_eq!(cluster.notes, expected.map(|note| (A, note)));
}

/// Without it the customer could ask elsewhere, and be paid out from a balance from before the refusal.
#[test]
fn a_refusal_carries_its_proof_in_its_version() {
    let mut cluster = Cluster::met(3, 30);
    cluster.withdraw(B, 10);
    cluster.sync(B);
    let late = [cluster.take(B, A), cluster.take(B, C)];
    let refused = cluster.withdraw(A, 25);
    let mut rounds = 0;
    while cluster.outcome(refused).is_none() {
        cluster.flow();
        rounds += 1;
        assert!(rounds < 5);
    }
    assert_eq!(cluster.outcome(refused), Some(INSUFFICIENT));
    assert!(cluster.shown(refused).of(B) >= Seq(1), "B's withdrawal is the reason");
    assert!(late.iter().all(|pushes| pushes.len() == 1));
    let told = cluster.told(refused).expect("an answer");
    assert_eq!(told.balance, Some(20));
    let receipt = told.receipt.as_ref().expect("what it was made from");
    assert_eq!(receipt.at_most.as_deref(), Some(&version(&[0, 1, 1])), "C's grant came after");
}

/// What was done here is part of the whole: without it the sum is of somebody else's money.
#[test]
fn a_collect_counts_the_branch_that_asks() {
    let mut cluster = Cluster::met(2, 100);
    cluster.deposit(A, 5);
    cluster.flow();
    let snapshot = cluster.query(A, Read::Snapshot);
    cluster.flow();
    assert_eq!(cluster.told(snapshot).and_then(|told| told.balance), Some(105));
}

/// Fifty rows a reply would be most of what a collect says, and known already.
#[test]
fn replies_leave_out_what_the_asker_sees() {
    let mut cluster = Cluster::met(3, 30);
    cluster.deposit(B, 5);
    cluster.flow();
    cluster.deposit(C, 7);
    cluster.sync(C);
    cluster.take(C, A);
    cluster.deliver(C, B);
    let snapshot = cluster.query(A, Read::Snapshot);
    // Both are asked before either has replied; in the second round nothing is left to be shown.
    for (from, shown) in [(B, &[C][..]), (C, &[C]), (B, &[]), (C, &[])] {
        cluster.deliver(A, from);
        let reply = cluster.take(from, A).pop().expect("a reply");
        let Message::Collected { rows, .. } = &reply else {
            panic!("{reply:?}");
        };
        let origins: Vec<_> = rows.iter().map(|row| row.origin).collect();
        assert_eq!(origins, shown, "{from:?}");
        cluster.hand(from, A, reply);
    }
    assert_eq!(cluster.told(snapshot).and_then(|told| told.balance), Some(42));
}

/// C's reply is from before it grants to B, B's from after it has paid that out. The two own rows together
/// would show the customer a withdrawal without what it was paid from.
#[test]
fn what_a_refusal_shows_is_closed() {
    let mut cluster = Cluster::met(3, 30);
    let refused = cluster.withdraw(A, 1_000);
    for round in [Round::First, Round::Second] {
        cluster.deliver(A, C);
        if round == Round::First {
            cluster.deliver(A, B);
            cluster.deliver(B, A);
            cluster.deliver(C, A);
        }
    }
    cluster.withdraw(B, 15);
    cluster.deliver(B, C);
    cluster.sync(C);
    cluster.deliver(C, B);
    cluster.sync(B);
    cluster.deliver(A, B);
    for from in [B, C] {
        for message in cluster.take(from, A) {
            // The pushes are late.
            if matches!(message, Message::Collected { .. }) {
                cluster.hand(from, A, message);
            }
        }
    }
    assert_eq!(cluster.outcome(refused), Some(INSUFFICIENT));
    assert_eq!(cluster.shown(refused), version(&[0, 0, 0]));
}

/// Taken for all branches' at one instant, ledgers from different instants show a balance that never was.
#[test]
fn a_snapshot_is_taken_again_while_money_moves_and_given_up_after_many_rounds() {
    let mut cluster = Cluster::met(2, 100);
    let snapshot = cluster.query(A, Read::Snapshot);
    let mut firsts = 0;
    while cluster.outcome(snapshot).is_none() {
        let asked = cluster.take(A, B);
        let is_first = |m: &Message| matches!(m, Message::Collect { round: Round::First, .. });
        firsts += u32::from(asked.iter().any(is_first));
        for message in asked {
            cluster.hand(A, B, message);
        }
        cluster.deposit(B, 1);
        for branch in [A, B] {
            cluster.sync(branch);
        }
        cluster.deliver(B, A);
        cluster.pass(Duration::from_millis(50));
        assert!(firsts <= ROUNDS_MAX, "there is an end");
    }
    assert_eq!(firsts, ROUNDS_MAX);
    assert_eq!(cluster.outcome(snapshot), Some(Outcome::Rejected(Rejection::Contended)));
    let calm = cluster.query(A, Read::Snapshot);
    cluster.flow();
    assert_eq!(cluster.outcome(calm), Some(Outcome::Ok));
    assert_eq!(cluster.shown(calm), *cluster.at(B).visible().version().as_ref());
}

/// A withdrawal whose proof does not come about asks for rights again: they are somewhere.
#[test]
fn a_withdrawal_goes_on_while_money_moves() {
    let mut cluster = Cluster::met(2, 20);
    cluster.withdraw(B, 10);
    cluster.flow();
    let ticket = cluster.withdraw(A, 15);
    let first = cluster.take(A, B);
    assert!(matches!(first[..], [Message::Collect { round: Round::First, .. }]), "{first:?}");
    cluster.deposit(B, 50);
    cluster.sync(B);
    cluster.take(B, A);
    for message in first {
        cluster.hand(A, B, message);
    }
    cluster.flow();
    let granted = entries(cluster.journal(B)).pop();
    let expected = Entry::Grant { to: A, amount: Money::new(5) };
    assert_eq!(granted, Some(expected), "the collect brought the news");
    cluster.pass(Duration::from_millis(250));
    cluster.flow();
    assert_eq!(cluster.outcome(ticket), Some(Outcome::Ok));
}

/// Money that is always elsewhere would keep a withdrawal trying for ever, and everybody answering it.
#[test]
fn a_withdrawal_whose_money_keeps_moving_is_contended_after_many_rounds() {
    let mut cluster = Cluster::met(2, 20);
    cluster.withdraw(B, 10);
    cluster.flow();
    let ticket = cluster.withdraw(A, 15);
    let mut firsts = 0;
    while cluster.outcome(ticket).is_none() {
        for message in cluster.take(A, B) {
            let passes_by = matches!(message, Message::Collect { round: Round::Second, .. });
            firsts += u32::from(matches!(message, Message::Collect { round: Round::First, .. }));
            if passes_by {
                cluster.deposit(B, 50);
                cluster.sync(B);
            }
            cluster.hand(A, B, message);
            if passes_by {
                cluster.withdraw(B, 50);
            }
        }
        for branch in [A, B] {
            cluster.sync(branch);
        }
        cluster.deliver(B, A);
        cluster.pass(Duration::from_millis(10));
        assert!(firsts <= ROUNDS_MAX, "there is an end");
    }
    assert_eq!(cluster.outcome(ticket), Some(Outcome::Rejected(Rejection::Contended)));
    assert_eq!(firsts, ROUNDS_MAX);
}

/// A reply of the first round tells of a time before the instant that the second is to speak of.
#[test]
fn a_stale_reply_of_the_first_round_is_not_taken_for_one_of_the_second() {
    let mut cluster = Cluster::met(2, 100);
    let snapshot = cluster.query(A, Read::Snapshot);
    cluster.deliver(A, B);
    let stale = cluster.take(B, A).remove(0);
    cluster.hand(B, A, stale.clone());
    let second = cluster.take(A, B);
    assert!(matches!(second[..], [Message::Collect { round: Round::Second, .. }]));
    cluster.hand(B, A, stale);
    assert_eq!(cluster.outcome(snapshot), None, "it was doubled on its way");
    for message in second {
        cluster.hand(A, B, message);
    }
    cluster.deliver(B, A);
    assert_eq!(cluster.outcome(snapshot), Some(Outcome::Ok));
}

/// The same for a reply to an earlier question that was answered without it.
#[test]
fn a_reply_to_another_collect_is_not_taken_for_one_of_this() {
    let mut cluster = Cluster::met(2, 100);
    let early = Request {
        deadline: Instant(Duration::from_millis(100)),
        read: Read::Snapshot,
        ..request(Operation::Query)
    };
    cluster.ask(A, early);
    cluster.deliver(A, B);
    let stale = cluster.take(B, A).remove(0);
    cluster.disconnect(A, B);
    cluster.connect(A, B);
    cluster.flow();
    let snapshot = cluster.query(A, Read::Snapshot);
    cluster.take(A, B);
    cluster.hand(B, A, stale);
    assert!(cluster.take(A, B).is_empty(), "no second round");
    assert_eq!(cluster.outcome(snapshot), None);
}

/// A lost question or reply would leave everybody who waits for the collect waiting.
#[test]
fn a_question_of_a_collect_is_repeated_to_those_who_have_not_replied() {
    let mut cluster = Cluster::met(3, 100);
    let snapshot = cluster.query(A, Read::Snapshot);
    cluster.deliver(A, B);
    cluster.deliver(B, A);
    assert_eq!(cluster.take(A, C).len(), 1, "lost");
    cluster.pass(Duration::from_millis(250));
    assert!(cluster.take(A, B).is_empty());
    cluster.flow();
    assert_eq!(cluster.outcome(snapshot), Some(Outcome::Ok));
}

/// One collect a customer would be as many messages as customers who are refused.
#[test]
fn one_collect_serves_all_that_wait_when_it_starts() {
    let mut cluster = Cluster::met(3, 9);
    let first = cluster.withdraw(A, 100);
    let waiting: Vec<_> = (0..20).map(|n| cluster.withdraw(A, 100 + n)).collect();
    assert_eq!(cluster.flow(), 2 * (4 + 4), "a collect for the first, and one for the others");
    for ticket in waiting.into_iter().chain([first]) {
        assert_eq!(cluster.outcome(ticket), Some(INSUFFICIENT));
    }
}

/// An attempt of before may be on its way still: carried out now that there is money, it would have been
/// done after the customer was told that it was not.
#[test]
fn rejected_stays_rejected() {
    let mut cluster = Cluster::met(2, 10);
    let first = cluster.ask(A, named(1, 1, Operation::withdraw(50)));
    cluster.flow();
    assert_eq!(cluster.outcome(first), Some(INSUFFICIENT));
    cluster.deposit(A, 100);
    cluster.flow();
    let again = cluster.ask(A, named(1, 2, Operation::withdraw(50)));
    assert_eq!(cluster.outcome(again), Some(INSUFFICIENT));
    let anew = cluster.ask(A, named(2, 1, Operation::withdraw(50)));
    cluster.flow();
    assert_eq!(cluster.outcome(anew), Some(Outcome::Ok), "under another number it is another");
    assert_eq!(cluster.shown(anew), version(&[2, 0]));
}
