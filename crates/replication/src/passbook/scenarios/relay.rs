//! The relay: it saves messages, and nobody depends on it or believes it too much.

use std::time::Duration;

use super::cluster::{A, B, C, Cluster, request, version};
use crate::passbook::{Message, Storage};
use crate::{ClusterId, Request};
use bank::Ack;
use bank::{Member, Operation, Outcome, Seq};

const D: Member = Member(3);
const N: u16 = 8;

fn deposit(ack: Ack) -> Request {
    Request { ack, ..request(Operation::deposit(5)) }
}

/// Eight branches in memory, of which A is the relay.
fn relayed() -> Cluster {
    Cluster::with_relay_from(0, Storage::Memory, (N, 800))
}

/// All but A and B.
fn far() -> Vec<Member> {
    (2..N).map(Member).collect()
}

fn from(one: Member, to: impl IntoIterator<Item = Member>) -> Vec<(Member, Member)> {
    to.into_iter().map(|to| (one, to)).collect()
}

fn pushed_to(cluster: &Cluster, origin: Member) -> Vec<Member> {
    cluster.ways().into_iter().filter(|(from, _)| *from == origin).map(|(_, to)| to).collect()
}

/// What the relay would report to B if all held so much of B's log.
fn held_by_all(cluster: &Cluster, seq: u64) -> Message {
    let cluster = cluster.token(&[]).cluster;
    Message::Held { cluster, held: version(&vec![seq; usize::from(N)]) }
}

/// Everything on its way arrives, at each branch as one batch, until there is nothing more; how many
/// messages that took.
fn flow_together(cluster: &mut Cluster) -> usize {
    let mut messages = 0;
    while !cluster.ways().is_empty() {
        for to in cluster.members() {
            let arriving = cluster.take_all(to);
            messages += arriving.len();
            cluster.hand_all(to, arriving);
        }
        assert!(messages < 10_000, "there is an end");
    }
    messages
}

/// A push and an acknowledgement for each branch are what a write costs. That the others hold it, its branch
/// learns only from the relay.
#[test]
fn write_goes_to_the_relay_which_forwards_and_reports_it() {
    let mut cluster = relayed();
    let written = cluster.ask(B, deposit(Ack::All));
    assert_eq!(cluster.ways(), [(B, A)]);
    cluster.deliver(B, A);
    assert_eq!(cluster.ways(), from(A, (1..N).map(Member)), "an acknowledgement, and pushes");
    cluster.deliver(A, B);
    for to in far() {
        cluster.deliver(A, to);
        assert_eq!(cluster.ways().last(), Some(&(to, A)), "nobody else is told");
    }
    assert_eq!(cluster.outcome(written), None);
    for to in far() {
        cluster.deliver(to, A);
    }
    cluster.deliver(A, B);
    assert_eq!(cluster.outcome(written), Some(Outcome::Ok));
    assert!(cluster.ways().is_empty());
}

/// Told only when all hold it, who waits for a majority would wait for the slowest. Told of everything, the
/// branch would hear of each acknowledgement.
#[test]
fn majority_is_reported_before_the_slowest_holds_it() {
    let mut cluster = relayed();
    let majority = cluster.ask(B, deposit(Ack::Majority));
    cluster.deliver(B, A);
    let mut told = Vec::new();
    for to in far() {
        cluster.deliver(A, to);
        cluster.deliver(to, A);
        let held = |message: &Message| matches!(message, Message::Held { .. });
        let messages = cluster.take(A, B);
        told.push(messages.iter().filter(|message| held(message)).count());
        for message in messages {
            cluster.hand(A, B, message);
        }
        let enough = told.len() >= 3;
        assert_eq!(cluster.outcome(majority).is_some(), enough, "B, A and {} others", told.len());
    }
    assert_eq!(told, [0, 0, 1, 0, 0, 1], "for a majority, and for all");
}

/// Messages are the price of a write. A branch that pushed to each other would send 2 (N - 1) a round.
#[test]
fn round_in_which_all_write_costs_five_messages_a_branch() {
    let others = usize::from(N) - 1;
    let mut cluster = relayed();
    for _ in 0..3 {
        let mut tickets: Vec<_> =
            (1..N).map(|member| cluster.ask(Member(member), deposit(Ack::All))).collect();
        let arriving = cluster.take_all(A);
        let pushes = arriving.len();
        tickets.push(cluster.ask_beside(A, deposit(Ack::All), arriving));
        let messages = pushes + flow_together(&mut cluster);
        // To the relay a push, from it an acknowledgement and a push, to it an acknowledgement, from it
        // who holds what.
        assert_eq!(messages, 5 * others);
        assert!(tickets.iter().all(|ticket| cluster.outcome(*ticket) == Some(Outcome::Ok)));
    }
    let mut without = Cluster::with_relay_from(usize::from(N) + 1, Storage::Memory, (N, 800));
    for member in without.members() {
        without.ask(member, deposit(Ack::All));
    }
    assert_eq!(flow_together(&mut without), 2 * usize::from(N) * others);
}

/// Rows that the relay cannot deliver would never arrive.
#[test]
fn branch_cut_off_from_the_relay_gets_pushes_directly() {
    let mut cluster = relayed();
    cluster.disconnect(A, C);
    cluster.flow();
    let there = cluster.ask(B, deposit(Ack::All));
    assert_eq!(cluster.ways(), [(B, A), (B, C)]);
    cluster.flow();
    assert_eq!(cluster.outcome(there), Some(Outcome::Ok), "held by C as it says itself");
    cluster.ask(C, deposit(Ack::Local));
    assert_eq!(pushed_to(&cluster, C).len(), usize::from(N) - 2, "to all that there are");
    cluster.flow();
    assert_eq!(cluster.row(C, A).seq, Seq(1), "through others");
    cluster.connect(A, C);
    cluster.flow();
    cluster.ask(A, deposit(Ack::Local));
    cluster.flow();
    cluster.ask(B, deposit(Ack::All));
    assert_eq!(cluster.ways(), [(B, A)], "reachable again, as the next push of the relay reports");
}

/// The relay is a branch like others: it may be gone, and then nobody forwards anything.
#[test]
fn without_the_relay_all_push_to_all() {
    let mut cluster = relayed();
    for member in (1..N).map(Member) {
        cluster.disconnect(A, member);
    }
    cluster.flow();
    let written = cluster.ask(B, deposit(Ack::Majority));
    assert_eq!(cluster.ways(), from(B, far()));
    cluster.flow();
    assert_eq!(cluster.outcome(written), Some(Outcome::Ok));
}

/// One slow branch must not hold up the others' writes, and one that was slow once must not be gone round for
/// ever.
#[test]
fn late_relay_is_bypassed_until_it_reports() {
    let mut cluster = relayed();
    let written = cluster.ask(B, deposit(Ack::Majority));
    cluster.deliver(B, A);
    let lose = |cluster: &mut Cluster, to: Vec<Member>| {
        for to in to {
            cluster.take(A, to);
        }
    };
    lose(&mut cluster, far());
    cluster.deliver(A, B);
    cluster.pass(Duration::from_millis(10));
    cluster.pass(Duration::from_millis(490));
    lose(&mut cluster, far());
    assert!(cluster.ways().is_empty(), "it has been watched for less than its patience");
    cluster.pass(Duration::from_millis(10));
    lose(&mut cluster, far());
    assert_eq!(cluster.ways(), from(B, far()));
    cluster.flow();
    assert_eq!(cluster.outcome(written), Some(Outcome::Ok), "without the relay");
    cluster.ask(B, deposit(Ack::Local));
    assert_eq!(pushed_to(&cluster, B).len(), usize::from(N) - 1, "it has not spoken");
    cluster.flow();
    // It repeats what was lost, and hears who holds what.
    cluster.pass(Duration::from_secs(2));
    cluster.flow();
    cluster.ask(B, deposit(Ack::Local));
    assert_eq!(cluster.ways(), [(B, A)]);
}

/// Who has heard what of another life, or of more than there is, is mistaken about all of it.
#[test]
fn report_of_another_cluster_or_of_too_much_is_ignored() {
    let mut cluster = relayed();
    let first = cluster.ask(B, deposit(Ack::All));
    let Message::Held { cluster: here, held } = held_by_all(&cluster, 1) else {
        panic!("it is one");
    };
    cluster.hand(A, B, Message::Held { cluster: ClusterId(here.0 ^ 1), held });
    assert_eq!(cluster.outcome(first), None, "another cluster");
    let too_much = held_by_all(&cluster, 2);
    cluster.hand(A, B, too_much);
    assert_eq!(cluster.outcome(first), None, "there is one entry");
    let second = cluster.ask(B, deposit(Ack::All));
    assert_eq!(cluster.outcome(second), None, "nor was it remembered");
    let true_of_one = held_by_all(&cluster, 1);
    cluster.hand(A, B, true_of_one);
    assert_eq!([first, second].map(|ticket| cluster.outcome(ticket)), [Some(Outcome::Ok), None]);
}

/// With a journal a branch may come back with less than it had: what another says it holds may be over.
#[test]
fn with_journals_each_branch_pushes_and_reports_for_itself() {
    let mut cluster = Cluster::with_relay_from(0, Storage::Journal, (N, 800));
    let written = cluster.ask(B, deposit(Ack::All));
    cluster.sync(B);
    assert_eq!(cluster.ways(), from(B, [A].into_iter().chain(far())));
    let held = held_by_all(&cluster, 1);
    cluster.hand(A, B, held);
    assert_eq!(cluster.outcome(written), None);
    cluster.deliver(B, D);
    cluster.sync(D);
    assert_eq!(cluster.ways().last(), Some(&(D, B)), "as it says itself");
}
