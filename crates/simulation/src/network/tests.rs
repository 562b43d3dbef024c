use std::time::Duration;

use super::super::plan::Mix;
use super::*;

const A: Member = Member(0);
const B: Member = Member(1);
const C: Member = Member(2);

/// A network of three branches whose processes take in at once whatever comes.
struct World {
    network: Network,
    agenda: Agenda,
    inputs: Vec<(Member, Input)>,
    dead: Vec<Member>,
}

fn world(change: impl FnOnce(&mut Plan)) -> World {
    let mut plan = Plan::from_seed(11, Some(Mix::Healthy));
    plan.branches = 3;
    change(&mut plan);
    let mut world = World {
        network: Network::new(&plan),
        agenda: Agenda::default(),
        inputs: Vec::new(),
        dead: Vec::new(),
    };
    for branch in [A, B, C] {
        world.network.started(branch, &mut world.agenda);
    }
    world
}

fn numbered(number: u64) -> Message {
    Message::Decline { id: number }
}

impl World {
    /// Until nothing more happens.
    fn run(&mut self) {
        while self.one() {}
    }

    fn run_for(&mut self, millis: u64) {
        let end = self.agenda.now().after(Duration::from_millis(millis));
        while self.agenda.next_at().is_some_and(|next| next <= end) {
            self.one();
        }
        self.agenda.at(end, Event::Heals);
        self.one();
    }

    fn one(&mut self) -> bool {
        let Some(event) = self.agenda.next() else {
            return false;
        };
        match event {
            Event::Connected(low, high) => {
                self.network.connected(low, high, &mut self.agenda);
            }
            Event::Keepalive { low, high, epoch } => {
                self.network.keepalive(low, high, epoch, &mut self.agenda);
            }
            Event::Comes { to, what, .. } if !self.dead.contains(&to) => {
                let inputs = match what {
                    Coming::Up { peer, epoch } => self.network.up(to, peer, epoch),
                    Coming::Down { peer, epoch } => {
                        self.network.down(to, peer, epoch, &mut self.agenda).into_iter().collect()
                    }
                    Coming::Message { from, epoch, message } => {
                        let agenda = &mut self.agenda;
                        let input = self.network.message(to, from, epoch, message, agenda);
                        input.into_iter().collect()
                    }
                    _ => Vec::new(),
                };
                self.inputs.extend(inputs.into_iter().map(|input| (to, input)));
            }
            _ => {}
        }
        true
    }

    fn send(&mut self, from: Member, to: Member, number: u64) {
        self.network.send(from, to, numbered(number), &mut self.agenda);
    }

    /// What came to a branch from a peer: up, down, or the number of a message.
    fn seen(&self, to: Member, from: Member) -> Vec<String> {
        let from = branch_id(from);
        let of = |(at, input): &(Member, Input)| match input {
            Input::PeerUp { peer } if *at == to && *peer == from => Some("up".to_owned()),
            Input::PeerDown { peer } if *at == to && *peer == from => Some("down".to_owned()),
            Input::Peer { from: sender, message: Message::Decline { id } }
                if *at == to && *sender == from =>
            {
                Some(id.to_string())
            }
            _ => None,
        };
        self.inputs.iter().filter_map(of).collect()
    }
}

#[test]
fn all_are_connected_and_messages_keep_their_order() {
    let mut world = world(|plan| plan.network.delay = Span::micros(10, 9_000));
    world.run();
    for (to, from) in [(A, B), (B, A), (A, C), (C, A), (B, C), (C, B)] {
        assert_eq!(world.seen(to, from), ["up"]);
    }
    (0..50).for_each(|number| world.send(C, A, number));
    world.run();
    let expected: Vec<String> =
        ["up".to_owned()].into_iter().chain((0..50).map(|number| number.to_string())).collect();
    assert_eq!(world.seen(A, C), expected);
}

#[test]
fn a_message_that_is_early_waits_for_the_stream_to_be_announced() {
    let mut world = world(|plan| plan.network.delay = Span::micros(1, 1));
    while world.seen(A, B).is_empty() && world.seen(B, A).is_empty() {
        world.one();
    }
    let (first, second) = if world.seen(A, B).is_empty() { (B, A) } else { (A, B) };
    world.send(first, second, 1);
    world.run();
    assert_eq!(world.seen(second, first), ["up", "1"]);
}

#[test]
fn a_cut_swallows_messages_and_the_stream_breaks_before_anything_later_comes() {
    let mut world = world(|_| {});
    world.run();
    world.network.cut(A, B, &mut world.agenda);
    world.send(A, B, 1);
    world.send(B, A, 2);
    world.network.mend(A, B, &mut world.agenda);
    world.send(A, B, 3);
    world.run();
    assert_eq!(world.seen(B, A), ["up", "down", "up"], "1 was swallowed, so 3 must not come");
    assert_eq!(world.seen(A, B), ["up", "2", "down", "up"], "the way back was open");
    world.send(A, B, 4);
    world.run();
    assert_eq!(world.seen(B, A).last().map(String::as_str), Some("4"));
}

#[test]
fn a_cut_is_noticed_even_if_nobody_speaks_and_there_is_no_stream_while_it_lasts() {
    let mut world = world(|_| {});
    world.run();
    world.network.cut(A, B, &mut world.agenda);
    world.run();
    assert_eq!(world.seen(B, A), ["up", "down"]);
    assert_eq!(world.seen(A, B), ["up", "down"]);
    assert_eq!(world.seen(C, A), ["up"]);
    world.network.heal(&mut world.agenda);
    world.run();
    assert_eq!(world.seen(B, A), ["up", "down", "up"]);
}

#[test]
fn what_a_killed_process_sent_still_arrives_and_what_a_dead_machine_sent_does_not() {
    for (ending, expected) in [
        (Ending::Process, vec!["up", "1", "down", "up"]),
        (Ending::Machine, vec!["up", "down", "up"]),
    ] {
        let mut world = world(|plan| {
            plan.network.delay = Span::micros(50, 50);
            plan.network.notice = Span::millis(50, 60);
        });
        world.run();
        world.send(A, B, 1);
        world.network.ended(A, ending, &mut world.agenda);
        world.dead.push(A);
        world.run();
        world.dead.clear();
        world.network.started(A, &mut world.agenda);
        world.run();
        assert_eq!(world.seen(B, A), expected);
    }
}

#[test]
fn nothing_of_an_older_stream_comes_after_the_newer_was_announced_at_either_side() {
    let mut world = world(|plan| plan.network.delay = Span::millis(500, 500));
    world.run();
    world.send(A, B, 1);
    world.network.reset(A, B, &mut world.agenda);
    world.run_for(100);
    assert_eq!(world.seen(A, B), ["up", "down", "up"]);
    world.send(A, B, 2);
    world.run();
    assert_eq!(world.seen(B, A), ["up", "down", "up", "2"]);
}

#[test]
fn a_lossy_network_loses_doubles_and_reorders_until_it_heals() {
    let mut world = world(|plan| {
        plan.network.loss = PerMille(300);
        plan.network.twice = PerMille(300);
        plan.network.ordered = false;
        plan.network.delay = Span::micros(10, 9_000);
    });
    world.run();
    (0..100).for_each(|number| world.send(A, B, number));
    world.run();
    let numbers: Vec<u64> =
        world.seen(B, A).iter().filter_map(|number| number.parse().ok()).collect();
    let mut different = numbers.clone();
    different.sort_unstable();
    assert_ne!(numbers, different, "in another order");
    different.dedup();
    assert!(different.len() < 95, "some are lost");
    assert!(numbers.len() > different.len(), "some come twice");
    world.network.heal(&mut world.agenda);
    world.inputs.clear();
    (0..100).for_each(|number| world.send(A, B, number));
    world.run();
    assert_eq!(world.seen(B, A), (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
}
