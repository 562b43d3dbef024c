//! What is left in the end, and who must not go on.

use super::{paid_in, query};
use crate::observer::fixture::{Double, broken, request};
use bank::Read;
use bank::{BranchId, Entry, Member, Money, Operation, Seq};
use check::Property;
use replication::passbook::{Stop, Storage};

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
    scene.observer.crashed(Member(1), 9).expect("all of it is durable");
    scene.finish().expect("what the other lacks is compared by check");
    scene.write(1, request(1, 3), Operation::deposit(1));
    assert_eq!(broken(scene.finish()), Some(Property::Convergence), "it is not visible");
    scene.sync(1);
    scene.branches[1].durable.set(Member(1), Seq(1));
    assert_eq!(broken(scene.finish()), Some(Property::Convergence), "not all is on disk");
    scene.branches[1].durable.set(Member(1), Seq(2));
    scene.observer.tickets.end(Member(1));
    scene.finish().expect("all is");
    scene.branches[1].is_ready = false;
    assert_eq!(broken(scene.finish()), Some(Property::Convergence), "it does not serve");
}

#[test]
fn a_branch_in_memory_that_comes_back_must_stop() {
    let scene = || {
        let mut scene = paid_in(Storage::Memory);
        scene.observer.crashed(Member(0), 0).expect("as it may");
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
    let why = Stop::OtherIncarnation { peer: BranchId(2) };
    stopped.observer.stopped(Member(0), &why).expect("as it must");
    let views = [(Member(1), stopped.branches[1].view())];
    stopped.observer.finish(views).expect("the other goes on");
    assert_eq!(broken(stopped.observer.stopped(Member(1), &why)), Some(Property::Amnesia));
}

#[test]
fn a_branch_with_an_old_journal_must_have_stopped_in_the_end() {
    let mut scene = paid_in(Storage::Journal);
    scene.observer.crashed(Member(0), 1).expect("nothing is lost");
    scene.observer.forgot(Member(0), 0);
    scene.branches[0] = Double::new(0, 2, 20);
    scene.look(0).expect("nobody can know yet");
    assert_eq!(broken(scene.finish()), Some(Property::Amnesia));
    let why = Stop::LostEntries { peer: BranchId(2), theirs: Seq(1), ours: Seq(0) };
    scene.observer.stopped(Member(0), &why).expect("as it must");
    let views = [(Member(1), scene.branches[1].view())];
    scene.observer.finish(views).expect("the other goes on");
}
