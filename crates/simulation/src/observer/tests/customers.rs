//! What branches answer.

use super::{paid_in, query};
use crate::observer::fixture::{Fixture, broken, operation, request};
use bank::{Ack, Entry, Money, Operation, Read};
use check::Property;
use replication::Ticket;
use replication::passbook::Storage;

fn written(ack: Ack) -> (Fixture, Ticket) {
    let mut scene = Fixture::new(Storage::Journal);
    let mut deposit = operation(request(1, 1), 0, Operation::deposit(5));
    deposit.step.ack = ack;
    let ticket = scene.ask(&deposit);
    let entry = Entry::Deposit(Money::new(5));
    scene.try_write(0, entry, Some(request(1, 1))).expect("the next entry");
    (scene, ticket)
}

#[test]
fn answer_before_write_is_durable_is_found() {
    let (mut scene, ticket) = written(Ack::All);
    scene.branches[0].publish();
    let answer = scene.answer(0, Some(1), 2);
    let found = broken(scene.reply(0, ticket, &answer));
    assert_eq!(found, Some(Property::DurableBeforeVisible), "staged");
    let (mut scene, ticket) = written(Ack::All);
    scene.sync(0);
    let answer = scene.answer(0, Some(1), 2);
    assert_eq!(broken(scene.reply(0, ticket, &answer)), Some(Property::Acknowledged), "a lie");
    let (mut scene, ticket) = written(Ack::All);
    scene.sync(0);
    let answer = scene.answer(0, Some(1), 1);
    assert_eq!(broken(scene.reply(0, ticket, &answer)), Some(Property::Acknowledged), "too soon");
    let (mut scene, ticket) = written(Ack::Local);
    scene.sync(0);
    let answer = scene.answer(0, Some(1), 1);
    scene.reply(0, ticket, &answer).expect("as it was asked");
}

#[test]
fn answer_without_receipt_or_place_in_log_is_found() {
    let (mut scene, ticket) = written(Ack::Local);
    scene.sync(0);
    let (answer, _) = scene.answer(0, Some(1), 1);
    let found = scene.observer.replied(bank::Member(0), ticket, &answer, None);
    assert_eq!(broken(found), Some(Property::Acknowledged));
    let (mut scene, ticket) = written(Ack::Local);
    scene.sync(0);
    let answer = scene.answer(0, None, 1);
    assert_eq!(broken(scene.reply(0, ticket, &answer)), Some(Property::Acknowledged));
}

#[test]
fn second_answer_and_answer_to_nobody_are_found() {
    let mut scene = paid_in(Storage::Memory);
    let ticket = query(&mut scene, 2, 1, Read::Session);
    let answer = scene.answer(1, None, 0);
    scene.reply(1, ticket, &answer).expect("the first");
    assert_eq!(broken(scene.reply(1, ticket, &answer)), Some(Property::Answered), "twice");
    assert_eq!(broken(scene.reply(1, Ticket(99), &answer)), Some(Property::Answered), "never");
}
