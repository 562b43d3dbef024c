//! What customers are told.

use super::{paid_in, query};
use crate::judge::fixture::{Fixture, broken, question, request};
use crate::judge::{Asked, Property};
use bank::{Ack, Read};
use bank::{Answer, Entry, Member, Money, Operation, Outcome, Rejection};
use replication::passbook::Storage;
use replication::{Attempt, Ticket};

const REFUSED: Answer =
    Answer { outcome: Outcome::Rejected(Rejection::InsufficientFunds), balance: None };

#[test]
fn an_answer_too_soon_to_another_or_without_a_receipt_is_found() {
    let write = |ack| {
        let mut scene = Fixture::new(Storage::Journal);
        let ticket = scene.ask(Asked { ack, ..question(request(1, 1), 0, Operation::deposit(5)) });
        let entry = Entry::Deposit(Money::new(5));
        scene.try_write(0, entry, Some(request(1, 1))).expect("as asked");
        (scene, ticket)
    };
    let (mut scene, ticket) = write(Ack::All);
    scene.branches[0].publish();
    let answer = scene.answer(0, Some(1), 2);
    assert_eq!(
        broken(scene.reply(0, ticket, &answer)),
        Some(Property::DurableBeforeVisible),
        "staged"
    );
    let (mut scene, ticket) = write(Ack::All);
    scene.sync(0);
    let answer = scene.answer(0, Some(1), 2);
    assert_eq!(broken(scene.reply(0, ticket, &answer)), Some(Property::Acknowledged));
    let (mut scene, ticket) = write(Ack::All);
    scene.sync(0);
    let answer = scene.answer(0, Some(1), 1);
    assert_eq!(broken(scene.reply(0, ticket, &answer)), Some(Property::Acknowledged));
    let (mut scene, _) = write(Ack::Local);
    scene.sync(0);
    let other = scene.ask(question(request(2, 1), 0, Operation::deposit(5)));
    let answer = scene.answer(0, Some(1), 1);
    assert_eq!(broken(scene.reply(0, other, &answer)), Some(Property::Accounted));
    let (mut scene, ticket) = write(Ack::Local);
    scene.sync(0);
    let (answer, _) = scene.answer(0, Some(1), 1);
    let found = scene.judge.replied(Member(0), ticket, &answer, None);
    assert_eq!(broken(found), Some(Property::Value));
    let (mut scene, ticket) = write(Ack::Local);
    let before = scene.answer(0, Some(1), 1);
    scene.sync(0);
    assert_eq!(broken(scene.reply(0, ticket, &before)), Some(Property::ReadYourWrites));
}

#[test]
fn an_answer_with_another_balance_or_to_no_question_is_found() {
    let mut scene = paid_in(Storage::Memory);
    let ticket = query(&mut scene, 2, 1, Read::Session);
    let (mut answer, receipt) = scene.answer(1, None, 0);
    let right = (answer, receipt.clone());
    answer.balance = Some(Money::new(20));
    assert_eq!(broken(scene.reply(1, ticket, &(answer, receipt))), Some(Property::Value));
    assert_eq!(broken(scene.reply(1, ticket, &right)), Some(Property::Answered), "twice");
    assert_eq!(broken(scene.reply(1, Ticket(99), &right)), Some(Property::Answered), "never");
    assert_eq!(scene.take(request(1, 2), &right), Ok(()));
    assert_eq!(broken(scene.take(request(1, 2), &right)), Some(Property::Answered), "twice");
    assert_eq!(broken(scene.take(request(1, 9), &right)), Some(Property::Answered), "never");
}

#[test]
fn a_customer_who_is_shown_less_is_found() {
    let mut scene = Fixture::new(Storage::Memory);
    let ticket = scene.write(0, request(1, 1), Operation::deposit(5));
    let answer = scene.answer(0, Some(1), 1);
    scene.reply(0, ticket, &answer).expect("true");
    scene.take(request(1, 1), &answer).expect("the first");
    query(&mut scene, 2, 1, Read::Local);
    let less = scene.answer(1, None, 0);
    scene.take(request(1, 2), &less).expect("a local read promises nothing");
    query(&mut scene, 3, 1, Read::Session);
    assert_eq!(broken(scene.take(request(1, 3), &less)), Some(Property::ReadYourWrites));

    // Another customer has only seen it.
    scene.ask(question(request(2, 1), 0, Operation::Query));
    scene.take(request(2, 1), &scene.answer(0, None, 0)).expect("the first");
    scene.ask(question(request(2, 2), 1, Operation::Query));
    assert_eq!(broken(scene.take(request(2, 2), &less)), Some(Property::MonotonicReads));
}

#[test]
fn a_write_made_before_what_its_customer_did_or_saw_is_found() {
    for (number, property) in [(1, Property::MonotonicWrites), (2, Property::WritesFollowReads)] {
        let mut scene = Fixture::new(Storage::Memory);
        scene.write(0, request(1, 1), Operation::deposit(5));
        scene.take(request(1, 1), &scene.answer(0, Some(1), 1)).expect("the first");
        scene.ask(question(request(2, 1), 0, Operation::Query));
        scene.take(request(2, 1), &scene.answer(0, None, 0)).expect("the first");
        scene.write(1, request(number, 2), Operation::deposit(1));
        scene.push(0, 1, 0).expect("too late");
        let answer = scene.answer(1, Some(1), 1);
        assert_eq!(broken(scene.take(request(number, 2), &answer)), Some(property));
    }
}

#[test]
fn a_refusal_is_decided_when_the_step_is_over() {
    let mut scene = Fixture::new(Storage::Journal);
    let refused = scene.ask(question(request(2, 1), 0, Operation::withdraw(15)));
    scene.write(0, request(1, 1), Operation::withdraw(10));
    scene.sync(0);
    scene.judge.replied(Member(0), refused, &REFUSED, None).expect("not decided yet");
    scene.look(0).expect("10 are left");
    let refused = scene.ask(question(request(2, 2), 0, Operation::withdraw(10)));
    scene.judge.replied(Member(0), refused, &REFUSED, None).expect("not decided yet");
    assert_eq!(broken(scene.look(0)), Some(Property::Refusal));
}

#[test]
fn a_crash_in_the_step_of_a_refusal_decides_it() {
    let mut scene = Fixture::new(Storage::Journal);
    let refused = scene.ask(question(request(2, 1), 0, Operation::withdraw(15)));
    scene.write(0, request(1, 1), Operation::withdraw(10));
    scene.sync(0);
    scene.judge.replied(Member(0), refused, &REFUSED, None).expect("not decided yet");
    scene.judge.crashed(Member(0), 1).expect("10 were left");
    let refused = scene.ask(question(request(2, 2), 1, Operation::withdraw(10)));
    scene.judge.replied(Member(1), refused, &REFUSED, None).expect("not decided yet");
    assert_eq!(broken(scene.judge.crashed(Member(1), 0)), Some(Property::Refusal));
}

#[test]
fn a_snapshot_that_was_never_true_is_found() {
    let mut scene = Fixture::new(Storage::Memory);
    let ticket = query(&mut scene, 1, 1, Read::Snapshot);
    scene.write(0, request(2, 1), Operation::deposit(1));
    scene.look(0).expect("first");
    scene.write(1, request(3, 1), Operation::deposit(2));
    scene.look(1).expect("second");
    let only_second = scene.answer(1, None, 0);
    scene.reply(1, ticket, &only_second).expect("not decided yet");
    assert_eq!(broken(scene.look(1)), Some(Property::Snapshot));
    let ticket = query(&mut scene, 2, 1, Read::Snapshot);
    scene.push(0, 1, 0).expect("durable");
    let both = scene.answer(1, None, 0);
    scene.reply(1, ticket, &both).expect("not decided yet");
    scene.look(1).expect("both");
}

#[test]
fn a_request_that_was_refused_is_never_written_down() {
    let mut scene = Fixture::new(Storage::Memory);
    let asked = request(1, 1);
    scene.ask(question(asked, 0, Operation::withdraw(5)));
    let rejected = Outcome::Rejected(Rejection::Contended);
    let answer = Answer { outcome: rejected, balance: None };
    scene.judge.took(Attempt { request: asked, attempt: 1 }, &answer, None).expect("not done");
    let entry = Entry::Withdraw(Money::new(5));
    assert_eq!(broken(scene.try_write(0, entry, Some(asked))), Some(Property::Accounted));
}
