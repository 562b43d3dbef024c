//! Histories made by hand: right ones that are let pass, and wrong ones that are each found by name.

use std::sync::Arc;
use std::time::Duration;

use super::scene::{DEADLINE, Double, NOW, Scene, broken, question, request};
use super::{Asked, Property};
use crate::bank::{
    Answer, BranchId, Chain, Entry, Member, Money, Operation, Outcome, Rejection, Row, Seq, Version,
};
use crate::replicate::passbook::{
    Configuration, Hello, Incarnation, Message as Said, Record, Round, Stop, Storage,
};
use crate::replicate::{Ack, Attempt, Instant, Message, Read, Ticket};

const REFUSED: Answer =
    Answer { outcome: Outcome::Rejected(Rejection::InsufficientFunds), balance: None };

/// One customer pays in 5 at branch 0, and everybody knows it.
fn paid_in(storage: Storage) -> Scene {
    let mut scene = Scene::new(storage);
    let ticket = scene.write(0, request(1, 1), Operation::deposit(5));
    scene.sync(0);
    scene.look(0).expect("durable");
    scene.push(0, 1, 0).expect("durable");
    scene.look(1).expect("closed");
    let answer = scene.answer(0, Some(1), 2);
    scene.reply(0, ticket, &answer).expect("both hold it");
    scene.take(request(1, 1), &answer).expect("the first");
    scene
}

/// Asks for the balance at a branch.
fn query(scene: &mut Scene, number: u64, branch: u16, read: Read) -> Ticket {
    scene.ask(Asked { read, ..question(request(1, number), branch, Operation::Query) })
}

#[test]
fn a_right_history_passes() {
    for storage in [Storage::Memory, Storage::Journal] {
        let mut scene = paid_in(storage);
        for (number, read) in (2..).zip(Read::ALL) {
            let ticket = query(&mut scene, number, 1, read);
            let answer = scene.answer(1, None, 0);
            scene.reply(1, ticket, &answer).expect("true");
            scene.take(request(1, number), &answer).expect("no less");
            scene.look(1).expect("no change");
        }
        scene.finish().expect("all the same");
    }
}

#[test]
fn a_record_that_comes_too_late_or_that_nobody_asked_for_is_found() {
    let mut scene = Scene::new(Storage::Journal);
    let asked = request(1, 1);
    scene.ask(question(asked, 0, Operation::deposit(5)));
    let entry = Entry::Deposit(Money::new(5));
    let chain = Chain::default().after(Seq(1), &entry, Some(asked));
    let record = Record::Own { seq: Seq(1), entry, request: Some(asked), chain };
    let late = Instant(DEADLINE.0 + Duration::from_nanos(1));
    let found = scene.judge.recorded(late, Member(0), &record);
    assert_eq!(broken(found), Some(Property::Deadline));
    let mut scene = Scene::new(Storage::Journal);
    let found = scene.judge.recorded(NOW, Member(0), &record);
    assert_eq!(broken(found), Some(Property::Accounted));
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
    assert_eq!(broken(scene.judge.recorded(NOW, Member(1), &own)), Some(Property::OneWriter));

    // Branch 1 wrote its entry where entry 1 of branch 0 was known: branch 0 has forgotten that.
    scene.judge.forgot(Member(0), 0);
    scene.judge.truth.cut(Member(0), Seq::ZERO);
    let news = Record::Received { rows: vec![row] };
    assert_eq!(broken(scene.judge.recorded(NOW, Member(0), &news)), Some(Property::Closed));
}

#[test]
fn what_is_not_durable_is_neither_shown_nor_pushed() {
    let mut scene = Scene::new(Storage::Journal);
    scene.write(0, request(1, 1), Operation::deposit(5));
    scene.look(0).expect("staged and not shown");
    scene.branches[0].publish();
    assert_eq!(broken(scene.push(0, 1, 0)), Some(Property::Durable));
    assert_eq!(broken(scene.look(0)), Some(Property::Durable));
    let rows = scene.branches[0].visible.rows().to_vec();
    let collected =
        Message::Passbook(Said::Collected { id: 1, round: Round::First, rows: rows.clone() });
    let found = scene.judge.sent(Member(0), Member(1), &collected);
    assert_eq!(broken(found), Some(Property::Durable));
    scene.sync(0);
    scene.judge.sent(Member(0), Member(1), &collected).expect("durable");
    scene.push(0, 1, 0).expect("durable");
    scene.write(1, request(2, 1), Operation::deposit(7));
    scene.sync(1);
    scene.branches[1].publish();
    let (id, round, rows) = (2, Round::First, vec![scene.branches[1].own().clone()]);
    let part = Message::Passbook(Said::Collected { id, round, rows });
    let found = scene.judge.sent(Member(1), Member(0), &part);
    assert_eq!(broken(found), Some(Property::Closed), "it was paid in upon what branch 0 had");
    let known = [1, 0].map(Seq).into_iter().collect();
    let asked = Message::Passbook(Said::Collect { id, round, known });
    scene.judge.sent(Member(0), Member(1), &asked).expect("a question");
    scene.judge.sent(Member(1), Member(0), &part).expect("the rest is there");
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
    scene.judge.seen[1] = None;
    assert_eq!(broken(scene.look(1)), Some(Property::OneWriter), "another");
    scene.branches[1] = right;
    scene.look(1).expect("as before");
    scene.branches[1].is_ready = false;
    scene.branches[1].visible = Double::new(1, 2, 20).visible;
    scene.look(1).expect("it shows nothing to anybody");
}

#[test]
fn paying_out_more_than_the_own_rights_is_found_as_soon_as_it_is_staged() {
    let mut scene = Scene::new(Storage::Journal);
    scene.write(0, request(1, 1), Operation::withdraw(10));
    scene.look(0).expect("it is its share");
    scene.write(0, request(1, 2), Operation::withdraw(1));
    assert_eq!(broken(scene.look(0)), Some(Property::Rights));
}

#[test]
fn a_crash_takes_what_was_staged_and_nothing_that_was_seen() {
    let mut scene = paid_in(Storage::Journal);
    scene.write(0, request(1, 2), Operation::deposit(7));
    scene.judge.crashed(Member(0), 1).expect("nobody has seen the second");
    scene.branches[0].staged = scene.branches[0].visible.rows()[0].clone();
    scene.look(0).expect("the first is still there");
    let entry = Entry::Deposit(Money::new(7));
    scene.try_write(0, entry, Some(request(1, 2))).expect("its first entry is gone");
    let found = scene.judge.crashed(Member(0), 0);
    assert_eq!(broken(found), Some(Property::Durable), "the first was seen");
}

#[test]
fn what_survived_unsynced_is_not_durable_until_it_is_synced() {
    let mut scene = Scene::new(Storage::Journal);
    scene.write(0, request(1, 1), Operation::deposit(5));
    scene.judge.crashed(Member(0), 1).expect("nothing is lost");
    scene.branches[0].publish();
    assert_eq!(broken(scene.look(0)), Some(Property::Durable));
    scene.sync(0);
    scene.look(0).expect("now it is");
}

#[test]
fn acknowledgements_and_hellos_that_claim_too_much_are_found() {
    let mut scene = paid_in(Storage::Journal);
    let (branch, incarnation) = (Member(1), Incarnation(1));
    let mut sent = |said| broken(scene.judge.sent(Member(1), Member(0), &Message::Passbook(said)));
    let seqs = |seqs: [u64; 2]| seqs.map(Seq).into_iter().collect::<Version>();
    let acknowledge = |durable| Said::Acknowledge { branch, incarnation, durable };
    assert_eq!(sent(acknowledge(seqs([1, 0]))), None);
    assert_eq!(sent(acknowledge(seqs([2, 0]))), Some(Property::Acknowledged));
    let hello = |durable, chain| {
        let branches = vec![BranchId(1), BranchId(2)];
        let configuration = Arc::new(Configuration { branches, opening: Money::ZERO });
        let (yours, heard) = (None, false);
        let your_log = (Seq(0), chain);
        Said::Hello(Hello { configuration, incarnation, yours, durable, your_log, heard })
    };
    assert_eq!(sent(hello(seqs([1, 0]), Chain::default())), None);
    assert_eq!(sent(hello(seqs([1, 1]), Chain::default())), Some(Property::Acknowledged));
    assert_eq!(sent(hello(seqs([1, 0]), Chain(5))), Some(Property::OneWriter));
}

#[test]
fn an_answer_too_soon_to_another_or_without_a_receipt_is_found() {
    let write = |ack| {
        let mut scene = Scene::new(Storage::Journal);
        let ticket = scene.ask(Asked { ack, ..question(request(1, 1), 0, Operation::deposit(5)) });
        let entry = Entry::Deposit(Money::new(5));
        scene.try_write(0, entry, Some(request(1, 1))).expect("as asked");
        (scene, ticket)
    };
    let (mut scene, ticket) = write(Ack::All);
    scene.branches[0].publish();
    let answer = scene.answer(0, Some(1), 2);
    assert_eq!(broken(scene.reply(0, ticket, &answer)), Some(Property::Durable), "staged");
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
    let mut scene = Scene::new(Storage::Memory);
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
        let mut scene = Scene::new(Storage::Memory);
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
    let mut scene = Scene::new(Storage::Journal);
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
    let mut scene = Scene::new(Storage::Journal);
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
    let mut scene = Scene::new(Storage::Memory);
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
    let mut scene = Scene::new(Storage::Memory);
    let asked = request(1, 1);
    scene.ask(question(asked, 0, Operation::withdraw(5)));
    let rejected = Outcome::Rejected(Rejection::Contended);
    let answer = Answer { outcome: rejected, balance: None };
    scene.judge.took(Attempt { request: asked, attempt: 1 }, &answer, None).expect("not done");
    let entry = Entry::Withdraw(Money::new(5));
    assert_eq!(broken(scene.try_write(0, entry, Some(asked))), Some(Property::Accounted));
}

#[test]
fn what_is_not_finished_in_the_end_is_found() {
    let mut scene = paid_in(Storage::Journal);
    scene.branches[1].open_requests = 1;
    assert_eq!(broken(scene.finish()), Some(Property::Answered));
    let mut scene = paid_in(Storage::Journal);
    query(&mut scene, 2, 1, Read::Session);
    assert_eq!(broken(scene.finish()), Some(Property::Answered));
    let mut scene = paid_in(Storage::Journal);
    scene.write(1, request(1, 2), Operation::deposit(1));
    scene.sync(1);
    scene.judge.crashed(Member(1), 9).expect("all of it is durable");
    assert_eq!(broken(scene.finish()), Some(Property::Convergence), "it is not pushed");
    scene.push(1, 0, 1).expect("durable");
    scene.finish().expect("all the same");
    scene.branches[1].is_ready = false;
    assert_eq!(broken(scene.finish()), Some(Property::Convergence), "it does not serve");
}

#[test]
fn an_acknowledged_write_that_nobody_knows_in_the_end_is_found() {
    for (achieved, expected) in [(1, None), (2, Some(Property::Accounted))] {
        let mut scene = paid_in(Storage::Memory);
        scene.judge.acknowledged[0].achieved = achieved;
        scene.judge.crashed(Member(0), 0).expect("as it may");
        let rest = Double::new(1, 2, 20);
        scene.judge.seen[1] = None;
        let found = scene.judge.finish(&[(Member(1), rest.view())]);
        assert_eq!(broken(found), expected);
    }
}

#[test]
fn a_branch_in_memory_that_comes_back_must_stop() {
    let scene = || {
        let mut scene = paid_in(Storage::Memory);
        scene.judge.crashed(Member(0), 0).expect("as it may");
        scene.branches[0] = Double::new(0, 2, 20);
        scene
    };
    let grant = Entry::Grant { to: Member(1), amount: Money::new(1) };
    assert_eq!(broken(scene().look(0)), Some(Property::Amnesia));
    assert_eq!(broken(scene().try_write(0, grant, None)), Some(Property::Amnesia));
    assert_eq!(broken(scene().finish()), Some(Property::Amnesia));
    let mut asked = scene();
    let ticket = query(&mut asked, 2, 0, Read::Local);
    let answer = asked.answer(0, None, 0);
    assert_eq!(broken(asked.reply(0, ticket, &answer)), Some(Property::Amnesia));
    let mut stopped = scene();
    stopped.branches[0].is_ready = false;
    stopped.look(0).expect("it waits for the others");
    let why = Stop::OtherLife { peer: BranchId(2) };
    stopped.judge.stopped(Member(0), &why).expect("as it must");
    let views = [(Member(1), stopped.branches[1].view())];
    stopped.judge.finish(&views).expect("the other goes on");
    assert_eq!(broken(stopped.judge.stopped(Member(1), &why)), Some(Property::Amnesia));
}

#[test]
fn a_branch_with_an_old_journal_must_have_stopped_in_the_end() {
    let mut scene = paid_in(Storage::Journal);
    scene.judge.crashed(Member(0), 1).expect("nothing is lost");
    scene.judge.forgot(Member(0), 0);
    scene.branches[0] = Double::new(0, 2, 20);
    scene.look(0).expect("nobody can know yet");
    assert_eq!(broken(scene.finish()), Some(Property::Amnesia));
    let why = Stop::LostEntries { peer: BranchId(2), theirs: Seq(1), ours: Seq(0) };
    scene.judge.stopped(Member(0), &why).expect("as it must");
    let views = [(Member(1), scene.branches[1].view())];
    scene.judge.finish(&views).expect("the other goes on");
}
