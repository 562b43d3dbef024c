//! What branches write down, hold and say to each other.

use std::sync::Arc;
use std::time::Duration;

use super::paid_in;
use crate::observer::fixture::{DEADLINE, Double, Fixture, NOW, broken, operation, request};
use bank::{BranchId, Chain, Entry, Member, Money, Operation, Row, Seq, Version};
use check::Property;
use replication::passbook::{Configuration, Hello, Incarnation, Message, Record, Round, Storage};
use replication::{ClusterId, Instant};

#[test]
fn a_record_that_comes_too_late_or_that_nobody_asked_for_is_found() {
    let mut scene = Fixture::new(Storage::Journal);
    let asked = request(1, 1);
    scene.ask(&operation(asked, 0, Operation::deposit(5)));
    let entry = Entry::Deposit(Money::new(5));
    let chain = Chain::default().after(Seq(1), &entry, Some(asked));
    let record = Record::Own { seq: Seq(1), entry, request: Some(asked), chain };
    let late = Instant(DEADLINE.0 + Duration::from_nanos(1));
    let found = scene.observer.recorded(late, Member(0), &record);
    assert_eq!(broken(found), Some(Property::Deadline));
    let mut scene = Fixture::new(Storage::Journal);
    let found = scene.observer.recorded(NOW, Member(0), &record);
    assert_eq!(broken(found), Some(Property::Deadline));
}

#[test]
fn grant_of_negative_amount_is_found() {
    let mut scene = Fixture::new(Storage::Journal);
    let grant = Entry::Grant { to: Member(1), amount: Money::new(-5) };
    assert_eq!(broken(scene.try_write(0, grant, None)), Some(Property::Rights));
}

#[test]
fn an_own_entry_that_does_not_continue_the_log_is_found() {
    let mut scene = paid_in(Storage::Journal);
    scene.branches[0].staged = Row::empty(Member(0));
    let grant = Entry::Grant { to: Member(1), amount: Money::new(1) };
    assert_eq!(broken(scene.try_write(0, grant, None)), Some(Property::OneWriter));
}

#[test]
fn rows_without_what_they_depend_on_and_own_rows_are_not_taken_in() {
    let mut scene = paid_in(Storage::Journal);
    scene.write(1, request(2, 1), Operation::deposit(1));
    scene.sync(1);
    let row = scene.branches[1].own().clone();
    let own = Record::Received { rows: vec![row.clone()] };
    assert_eq!(broken(scene.observer.recorded(NOW, Member(1), &own)), Some(Property::OneWriter));

    // Branch 1 wrote its entry where entry 1 of branch 0 was known: branch 0 has forgotten that.
    scene.observer.forgot(Member(0), 0);
    scene.observer.truth.cut(Member(0), Seq::ZERO);
    let news = Record::Received { rows: vec![row] };
    assert_eq!(broken(scene.observer.recorded(NOW, Member(0), &news)), Some(Property::Causal));
}

#[test]
fn what_is_not_durable_is_neither_shown_nor_pushed() {
    let mut scene = Fixture::new(Storage::Journal);
    scene.write(0, request(1, 1), Operation::deposit(5));
    scene.look(0).expect("staged and not shown");
    scene.branches[0].publish();
    assert_eq!(broken(scene.push(0, 1, 0)), Some(Property::DurableBeforeVisible));
    assert_eq!(broken(scene.look(0)), Some(Property::DurableBeforeVisible));
    let rows = scene.branches[0].visible.rows().to_vec();
    let collected = Message::Collected { id: 1, round: Round::First, rows: rows.clone() };
    let found = scene.observer.sent(Member(0), Member(1), &collected);
    assert_eq!(broken(found), Some(Property::DurableBeforeVisible));
    scene.sync(0);
    scene.observer.sent(Member(0), Member(1), &collected).expect("durable");
    scene.push(0, 1, 0).expect("durable");
    scene.write(1, request(2, 1), Operation::deposit(7));
    scene.sync(1);
    scene.branches[1].publish();
    let (id, round, rows) = (2, Round::First, vec![scene.branches[1].own().clone()]);
    let part = Message::Collected { id, round, rows };
    let found = scene.observer.sent(Member(1), Member(0), &part);
    assert_eq!(broken(found), Some(Property::Causal), "it was paid in upon what branch 0 had");
    let known = [1, 0].map(Seq).into_iter().collect();
    let asked = Message::Collect { id, round, known };
    scene.observer.sent(Member(0), Member(1), &asked).expect("a question");
    scene.observer.sent(Member(1), Member(0), &part).expect("the rest is there");
}

#[test]
fn a_branch_that_shows_another_row_or_less_than_before_is_found() {
    let mut scene = paid_in(Storage::Journal);
    let right = scene.branches[1].clone();
    scene.branches[1].visible = Double::new(1, 2, 20).visible;
    assert_eq!(broken(scene.look(1)), Some(Property::OneWriter), "less");
    let mut other = Row::empty(Member(0));
    other.append(&Entry::Deposit(Money::new(6)), Some(request(1, 1)));
    scene.branches[1].take(&other);
    scene.observer.seen[1] = None;
    assert_eq!(broken(scene.look(1)), Some(Property::OneWriter), "another");
    scene.branches[1] = right;
    scene.look(1).expect("as before");
    scene.branches[1].is_ready = false;
    scene.branches[1].visible = Double::new(1, 2, 20).visible;
    scene.look(1).expect("it shows nothing to anybody");
}

#[test]
fn paying_out_more_than_the_own_rights_is_found_as_soon_as_it_is_staged() {
    let mut scene = Fixture::new(Storage::Journal);
    scene.write(0, request(1, 1), Operation::withdraw(10));
    scene.look(0).expect("it is its share");
    scene.write(0, request(1, 2), Operation::withdraw(1));
    assert_eq!(broken(scene.look(0)), Some(Property::Rights));
}

#[test]
fn a_crash_takes_what_was_staged_and_nothing_that_was_seen() {
    let mut scene = paid_in(Storage::Journal);
    scene.write(0, request(1, 2), Operation::deposit(7));
    scene.observer.crashed(Member(0), 1).expect("nobody has seen the second");
    scene.branches[0].staged = scene.branches[0].visible.rows()[0].clone();
    scene.look(0).expect("the first is still there");
    let entry = Entry::Deposit(Money::new(7));
    scene.try_write(0, entry, Some(request(1, 2))).expect("its first entry is gone");
    let found = scene.observer.crashed(Member(0), 0);
    assert_eq!(broken(found), Some(Property::DurableBeforeVisible), "the first was seen");
}

#[test]
fn what_survived_unsynced_is_not_durable_until_it_is_synced() {
    let mut scene = Fixture::new(Storage::Journal);
    scene.write(0, request(1, 1), Operation::deposit(5));
    scene.observer.crashed(Member(0), 1).expect("nothing is lost");
    scene.branches[0].publish();
    assert_eq!(broken(scene.look(0)), Some(Property::DurableBeforeVisible));
    scene.sync(0);
    scene.look(0).expect("now it is");
}

#[test]
fn acknowledgements_and_hellos_that_claim_too_much_are_found() {
    let mut scene = paid_in(Storage::Journal);
    let incarnation = Incarnation(1);
    let mut sent = |said| broken(scene.observer.sent(Member(1), Member(0), &said));
    let seqs = |seqs: [u64; 2]| seqs.map(Seq).into_iter().collect::<Version>();
    let acknowledge = |durable| Message::Acknowledge { incarnation, durable };
    assert_eq!(sent(acknowledge(seqs([1, 0]))), None);
    assert_eq!(sent(acknowledge(seqs([2, 0]))), Some(Property::Acknowledged));
    let held = |held| Message::Held { cluster: ClusterId(1), held };
    assert_eq!(sent(held(seqs([1, 1]))), None, "both hold the first entry of the log of branch 0");
    assert_eq!(sent(held(seqs([1, 2]))), Some(Property::Acknowledged));
    let hello = |durable, chain| {
        let branches = vec![BranchId(1), BranchId(2)];
        let configuration = Arc::new(Configuration { branches, opening: Money::ZERO });
        let (yours, heard) = (None, false);
        let your_log = (Seq(0), chain);
        Message::Hello(Hello { configuration, incarnation, yours, durable, your_log, heard })
    };
    assert_eq!(sent(hello(seqs([1, 0]), Chain::default())), None);
    assert_eq!(sent(hello(seqs([1, 1]), Chain::default())), Some(Property::Acknowledged));
    assert_eq!(sent(hello(seqs([1, 0]), Chain(5))), Some(Property::OneWriter));
}
