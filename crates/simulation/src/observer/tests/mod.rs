//! Histories made by hand: right ones that are let pass, and wrong ones that are each found by name.

mod branches;
mod customers;
mod endings;

use super::fixture::{Fixture, operation, request};
use bank::Operation;
use bank::Read;
use replication::Ticket;
use replication::passbook::Storage;

/// One customer pays in 5 at branch 0, and everybody knows it.
fn paid_in(storage: Storage) -> Fixture {
    let mut scene = Fixture::new(storage);
    let ticket = scene.write(0, request(1, 1), Operation::deposit(5));
    scene.sync(0);
    scene.look(0).expect("durable");
    scene.push(0, 1, 0).expect("durable");
    scene.look(1).expect("closed");
    let answer = scene.answer(0, Some(1), 2);
    scene.reply(0, ticket, &answer).expect("both hold it");
    scene
}

/// Asks for the balance at a branch.
fn query(scene: &mut Fixture, number: u64, branch: u16, read: Read) -> Ticket {
    let mut query = operation(request(1, number), branch, Operation::Query);
    query.step.read = read;
    scene.ask(&query)
}

#[test]
fn a_right_history_passes() {
    for storage in [Storage::Memory, Storage::Journal] {
        let mut scene = paid_in(storage);
        for (number, read) in (2..).zip(Read::ALL.iter().copied()) {
            let ticket = query(&mut scene, number, 1, read);
            let answer = scene.answer(1, None, 0);
            scene.reply(1, ticket, &answer).expect("true");
            scene.look(1).expect("no change");
        }
        scene.finish().expect("all the same");
    }
}
