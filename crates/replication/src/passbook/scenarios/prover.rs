//! The prover: one collect for all that ask, and never one that began before their question.

use std::time::Duration;

use super::cluster::{A, B, C, Cluster, INSUFFICIENT, UNAVAILABLE, request, version};
use crate::passbook::{Input, Room};
use crate::passbook::{Message, Round, Storage};
use bank::Read;
use bank::{Member, Operation, Outcome, Seq};

const D: Member = Member(3);

/// Branches of which A proves for all; with journals, so that nothing is passed on by it.
fn proved_for(branches: u16, opening: i64) -> Cluster {
    Cluster::with_relay_from(0, Storage::Journal, (branches, opening))
}

/// A question and its proof travel among these, and nothing else.
fn prove(cluster: &mut Cluster, asker: Member, others: &[Member]) -> Vec<Message> {
    cluster.deliver(asker, A);
    for _ in [Round::First, Round::Second] {
        for other in others {
            cluster.deliver(A, *other);
            cluster.deliver(*other, A);
        }
    }
    cluster.take(A, asker)
}

/// A collect for each of many branches at once would be four messages a pair, while money moves.
#[test]
fn one_collect_serves_all_that_asked_before_it_began() {
    let mut cluster = proved_for(4, 40);
    let first = cluster.withdraw(B, 1_000);
    assert_eq!(cluster.ways(), [(B, A)], "nobody else is asked");
    cluster.deliver(B, A);
    assert_eq!(cluster.ways(), [(A, B), (A, C), (A, D)]);
    let next = [C, D].map(|branch| cluster.withdraw(branch, 1_000));
    for branch in [C, D] {
        cluster.deliver(branch, A);
    }
    let collect = 3 * 4;
    assert_eq!(cluster.flow(), 2 * collect + 3, "one for the first, one for both others");
    for ticket in next.into_iter().chain([first]) {
        assert_eq!(cluster.outcome(ticket), Some(INSUFFICIENT));
    }
    let own = cluster.withdraw(A, 1_000);
    assert_eq!(cluster.flow(), collect, "the prover asks for itself");
    assert_eq!(cluster.outcome(own), Some(INSUFFICIENT));
}

/// D has shown its ledger and goes on. Who asks after that must be shown it, and the collect on its way does not.
#[test]
fn asker_during_a_collect_waits_for_the_next() {
    let mut cluster = proved_for(4, 40);
    cluster.withdraw(B, 1_000);
    cluster.deliver(B, A);
    for branch in [B, C, D] {
        cluster.deliver(A, branch);
        cluster.deliver(branch, A);
    }
    cluster.deliver(A, D);
    cluster.deliver(D, A);
    let deposit = cluster.deposit(D, 5);
    cluster.sync(D);
    assert_eq!(cluster.outcome(deposit), Some(Outcome::Ok));
    for to in [A, B, C] {
        cluster.take(D, to);
    }
    let snapshot = cluster.query(C, Read::Snapshot);
    cluster.flow();
    assert_eq!(cluster.outcome(snapshot), Some(Outcome::Ok));
    assert_eq!(cluster.told(snapshot).and_then(|told| told.balance), Some(45));
}

/// Without it the customer could ask elsewhere, and be paid out from a balance from before the refusal.
#[test]
fn refusal_by_a_proof_shows_what_it_rests_on() {
    let mut cluster = proved_for(3, 30);
    cluster.withdraw(C, 10);
    cluster.sync(C);
    let late = [cluster.take(C, A), cluster.take(C, B)];
    assert!(late.iter().all(|pushes| pushes.len() == 1));
    let refused = cluster.withdraw(B, 31);
    let proof = prove(&mut cluster, B, &[B, C]);
    let [Message::Proved { first, second, .. }] = &proof[..] else {
        panic!("{proof:?}");
    };
    let origins: Vec<Member> = first.iter().map(|row| row.origin).collect();
    assert_eq!((&origins[..], &second[..]), (&[C][..], &[][..]), "what B does not see");
    for message in proof {
        cluster.hand(A, B, message);
    }
    assert_eq!(cluster.outcome(refused), Some(INSUFFICIENT));
    assert_eq!(cluster.shown(refused), version(&[0, 0, 1]));
    assert_eq!(cluster.told(refused).and_then(|told| told.balance), Some(20));
}

/// The same instant for all is what a snapshot is: what the prover saw is added to what the asker sees.
#[test]
fn snapshot_by_a_proof_is_of_one_instant() {
    let mut cluster = proved_for(3, 30);
    for (branch, amount) in [(B, 1), (C, 2)] {
        cluster.deposit(branch, amount);
        cluster.sync(branch);
        cluster.take(branch, A);
    }
    cluster.take(C, B);
    let snapshot = cluster.query(B, Read::Snapshot);
    cluster.flow();
    assert_eq!(cluster.shown(snapshot), version(&[0, 1, 1]));
    assert_eq!(cluster.told(snapshot).and_then(|told| told.balance), Some(33));
    let moved = cluster.query(B, Read::Snapshot);
    cluster.deliver(B, A);
    for branch in [B, C] {
        cluster.deliver(A, branch);
        cluster.deliver(branch, A);
    }
    cluster.deposit(C, 4);
    cluster.sync(C);
    for branch in [B, C] {
        cluster.deliver(A, branch);
        cluster.deliver(branch, A);
    }
    cluster.deliver(A, B);
    assert_eq!(cluster.outcome(moved), None, "the rounds differ");
    cluster.pass(Duration::from_millis(250));
    cluster.flow();
    assert_eq!(cluster.told(moved).and_then(|told| told.balance), Some(37), "taken again");
}

/// C's reply is from before it grants to D, D's from after it has paid that out: the second round alone is not
/// closed. It proves, and is not shown.
#[test]
fn ledger_that_a_proof_shows_is_closed() {
    let mut cluster = proved_for(4, 40);
    let refused = cluster.withdraw(B, 1_000);
    cluster.deliver(B, A);
    for branch in [B, C, D] {
        cluster.deliver(A, branch);
    }
    for branch in [B, C, D] {
        cluster.deliver(branch, A);
    }
    cluster.deliver(A, C);
    cluster.withdraw(D, 15);
    cluster.deliver(D, C);
    cluster.sync(C);
    cluster.deliver(C, D);
    cluster.sync(D);
    for branch in [B, D] {
        cluster.deliver(A, branch);
    }
    for from in [C, B, D] {
        for message in cluster.take(from, A) {
            // The pushes are late.
            if matches!(message, Message::Collected { .. }) {
                cluster.hand(from, A, message);
            }
        }
    }
    let proof = cluster.take(A, B);
    let [Message::Proved { first, second, .. }] = &proof[..] else {
        panic!("{proof:?}");
    };
    assert_eq!(first[..], []);
    let origins: Vec<Member> = second.iter().map(|row| row.origin).collect();
    assert_eq!(origins, [D], "with what C granted it, and C had not shown");
    for message in proof {
        cluster.hand(A, B, message);
    }
    assert_eq!(cluster.outcome(refused), Some(INSUFFICIENT));
    assert_eq!(cluster.shown(refused), version(&[0, 0, 0, 0]));
}

/// The money may be with the one that cannot be reached, from wherever the question is put.
#[test]
fn prover_that_cannot_reach_all_fails_its_askers_at_once() {
    let mut cluster = proved_for(3, 30);
    let begun = cluster.withdraw(B, 1_000);
    cluster.deliver(B, A);
    cluster.disconnect(A, C);
    cluster.deliver(A, B);
    assert_eq!(cluster.outcome(begun), Some(UNAVAILABLE), "lost on the way");
    let withdrawal = cluster.withdraw(B, 1_000);
    let snapshot = cluster.query(B, Read::Snapshot);
    cluster.deliver(B, A);
    cluster.deliver(A, B);
    assert_eq!(cluster.outcome(withdrawal), Some(UNAVAILABLE));
    cluster.pass(Duration::from_millis(10));
    cluster.deliver(B, A);
    cluster.deliver(A, B);
    assert_eq!(cluster.outcome(snapshot), Some(UNAVAILABLE));
}

/// Otherwise it would wait until it asks again.
#[test]
fn asker_that_waits_learns_that_there_is_no_collect() {
    let mut cluster = proved_for(4, 40);
    let first = cluster.withdraw(B, 1_000);
    cluster.deliver(B, A);
    let next = cluster.withdraw(C, 1_000);
    cluster.deliver(C, A);
    cluster.disconnect(A, D);
    for branch in [B, C] {
        cluster.deliver(A, branch);
    }
    assert_eq!([first, next].map(|ticket| cluster.outcome(ticket)), [Some(UNAVAILABLE); 2]);
}

/// Its rights are on their way: it asked for no proof.
#[test]
fn borrowing_withdrawal_survives_a_failed_snapshot() {
    let mut cluster = proved_for(3, 30);
    let withdrawal = cluster.withdraw(B, 15);
    assert_eq!(cluster.ways(), [(B, C)], "asked for rights");
    cluster.disconnect(A, C);
    let snapshot = cluster.query(B, Read::Snapshot);
    cluster.deliver(B, A);
    cluster.deliver(A, B);
    assert_eq!(cluster.outcome(snapshot), Some(UNAVAILABLE));
    assert_eq!(cluster.outcome(withdrawal), None);
    cluster.flow();
    assert_eq!(cluster.outcome(withdrawal), Some(Outcome::Ok));
}

/// Nobody else would prove it: waiting would be for nothing.
#[test]
fn without_the_prover_rights_are_unavailable() {
    let mut cluster = proved_for(3, 30);
    let begun = cluster.withdraw(B, 1_000);
    cluster.deliver(B, A);
    cluster.disconnect(A, B);
    assert_eq!(cluster.outcome(begun), Some(UNAVAILABLE));
    let next = cluster.withdraw(B, 1_000);
    assert_eq!(cluster.outcome(next), Some(UNAVAILABLE), "at once, while it is gone");
    cluster.flow();
    cluster.connect(A, B);
    cluster.flow();
    let after = cluster.withdraw(B, 1_000);
    cluster.flow();
    assert_eq!(cluster.outcome(after), Some(INSUFFICIENT));
}

/// A question may be lost or come twice: the one must not leave its asker waiting, nor the other cost a collect.
#[test]
fn question_is_repeated_and_answered_once() {
    let mut cluster = proved_for(3, 30);
    let withdrawal = cluster.withdraw(B, 1_000);
    assert_eq!(cluster.take(B, A).len(), 1, "lost");
    cluster.pass(Duration::from_millis(250));
    let question = cluster.take(B, A).remove(0);
    for _ in 0..3 {
        cluster.hand(B, A, question.clone());
    }
    assert_eq!(cluster.flow(), 2 * 4 + 1, "one collect and one proof");
    assert_eq!(cluster.outcome(withdrawal), Some(INSUFFICIENT));
    // While it waits for the next collect.
    let own = cluster.query(A, Read::Snapshot);
    cluster.withdraw(B, 1_000);
    let question = cluster.take(B, A).remove(0);
    for _ in 0..3 {
        cluster.hand(B, A, question.clone());
    }
    assert_eq!(cluster.flow(), 2 * (2 * 4) + 1, "the prover's own, and one for B");
    assert_eq!(cluster.outcome(own), Some(Outcome::Ok));
}

/// A proof speaks of an instant after its own question, and may be from before this one.
#[test]
fn foreign_or_stale_proof_proves_nothing() {
    let mut cluster = proved_for(3, 30);
    let first = cluster.withdraw(B, 1_000);
    let stale = prove(&mut cluster, B, &[B, C]).remove(0);
    cluster.disconnect(A, B);
    assert_eq!(cluster.outcome(first), Some(UNAVAILABLE));
    cluster.connect(A, B);
    cluster.flow();
    let second = cluster.withdraw(B, 2_000);
    let question = cluster.take(B, A).remove(0);
    let Message::Prove { id, .. } = question else {
        panic!("{question:?}");
    };
    cluster.hand(A, B, stale);
    let forged = Message::Proved { id, first: Vec::new(), second: Vec::new() };
    cluster.hand(C, B, forged);
    cluster.hand(C, B, Message::Unproved { id });
    cluster.hand(A, B, Message::Unproved { id: id - 1 });
    assert_eq!(cluster.outcome(second), None);
    cluster.hand(B, A, question);
    cluster.flow();
    assert_eq!(cluster.outcome(second), Some(INSUFFICIENT));
}

/// It shows what it was shown and could not write down. Taken to hold that, it would get B's row without C's.
#[test]
fn prover_with_a_full_disk_proves_and_holds_nothing_new() {
    let mut cluster = proved_for(3, 30);
    cluster.on(A, Input::Room(Room::Full));
    cluster.deposit(C, 5);
    cluster.sync(C);
    cluster.take(C, A);
    cluster.take(C, B);
    let snapshot = cluster.query(B, Read::Snapshot);
    for message in prove(&mut cluster, B, &[B, C]) {
        cluster.hand(A, B, message);
    }
    assert_eq!(cluster.told(snapshot).and_then(|told| told.balance), Some(35));
    assert_eq!(cluster.row(C, A).seq, Seq::ZERO, "there is no room for it");
    cluster.on(A, Input::Room(Room::Enough));
    cluster.ask(B, request(Operation::deposit(1)));
    cluster.sync(B);
    let pushed = cluster.take(B, A);
    let [Message::Push { rows, .. }] = &pushed[..] else {
        panic!("{pushed:?}");
    };
    let origins: Vec<Member> = rows.iter().map(|row| row.origin).collect();
    assert_eq!(origins, [B, C]);
}
