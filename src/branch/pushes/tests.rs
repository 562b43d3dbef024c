use opentelemetry::Value;
use opentelemetry::trace::Status;

use super::*;
use crate::telemetry::{CallSpan, SpanData, spans_of};
use replication::ClusterId;
use replication::passbook::{Incarnation, Round};

const ME: BranchId = BranchId(2);
const OTHERS: [BranchId; 2] = [BranchId(1), BranchId(3)];

/// Branch 2 of 3, driven by hand.
struct Bench {
    pushes: Pushes,
    statistics: Statistics,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let pushes = Pushes::new(ME, OTHERS.into_iter());
        let statistics = Statistics::new(OTHERS.into_iter());
        Self { pushes, statistics, now: Instant::default() }
    }

    /// A traced request comes.
    fn asked(&mut self, ticket: u64, ack: Ack) {
        let call = CallSpan::customer("Deposit", "deposit", ticket, 1, ME);
        let context = call.context().expect("traced");
        self.pushes.expect(Ticket(ticket), context, ack);
    }

    /// The write of a ticket is in the log, at the place of the same number.
    fn written(&mut self, seq: u64) {
        self.pushes.staged(self.now, Ticket(seq), Seq(seq));
    }

    fn push(&mut self, to: BranchId, seq: u64) {
        let row = Row { seq: Seq(seq), ..Row::empty(Member(1)) };
        self.says(to, &Message::Push { rows: vec![row], apart: Vec::new() });
    }

    fn acknowledge(&mut self, from: BranchId, seq: u64) {
        let mut durable = Version::zero(3);
        durable.raise(Member(1), Seq(seq));
        let incarnation = Incarnation(1);
        let message = Message::Acknowledge { incarnation, durable };
        self.pushes.hears(self.now, from, &message, &mut self.statistics);
    }

    /// Branch 1 tells how much the other two hold.
    fn told(&mut self, held: [u64; 2]) {
        let held: Version = [held[0], 0, held[1]].map(Seq).into_iter().collect();
        let message = Message::Held { cluster: ClusterId(1), held };
        self.pushes.hears(self.now, BranchId(1), &message, &mut self.statistics);
    }

    fn says(&mut self, to: BranchId, message: &Message) {
        self.pushes.says(self.now, to, message, &mut self.statistics);
    }

    fn answered(&mut self, seq: u64) {
        let version = Version::zero(3).into();
        let cluster = ClusterId(1);
        let receipt = Receipt { cluster, version, at_most: None, seq: Some(Seq(seq)), achieved: 2 };
        self.pushes.answered(Ticket(seq), Some(&receipt));
    }
}

fn named<'a>(spans: &'a [SpanData], name: &str) -> Vec<&'a SpanData> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn integer(attributes: &[opentelemetry::KeyValue], name: &str) -> Option<i64> {
    match attributes.iter().find(|attribute| attribute.key.as_str() == name)?.value {
        Value::I64(number) => Some(number),
        _ => None,
    }
}

#[test]
fn the_straggler_is_whose_acknowledgement_reached_the_level() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        bench.asked(1, Ack::Majority);
        bench.written(1);
        for peer in OTHERS {
            bench.push(peer, 1);
        }
        bench.acknowledge(OTHERS[1], 1);
        bench.acknowledge(OTHERS[0], 1);
        bench.answered(1);
        assert!(bench.pushes.writes.is_empty() && bench.pushes.requests.is_empty());
    });
    let fanout = named(&spans, "fanout")[0];
    assert_eq!(integer(&fanout.attributes, "bank.fanout.straggler"), Some(3));
    assert_eq!(integer(&fanout.attributes, "bank.fanout.acked"), Some(2));
    assert_eq!(fanout.status, Status::Unset);
}

#[test]
fn a_push_is_linked_to_what_it_carries_with_how_long_that_waited() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        for (seq, at_ms) in [(1, 0), (3, 2)] {
            bench.now = Instant(Duration::from_millis(at_ms));
            bench.asked(seq, Ack::All);
            bench.written(seq);
        }
        bench.now = Instant(Duration::from_millis(5));
        bench.push(OTHERS[0], 4);
        // A repetition carries nothing for the first time, and the next push nothing that is traced.
        bench.push(OTHERS[0], 4);
        bench.push(OTHERS[0], 9);
        bench.acknowledge(OTHERS[0], 9);
    });
    let pushes = named(&spans, "push");
    assert_eq!(pushes.len(), 1);
    let fanouts = named(&spans, "fanout");
    let (linked, waits): (Vec<_>, Vec<_>) = pushes[0]
        .links
        .iter()
        .map(|link| (&link.span_context, integer(&link.attributes, "passbook.wait_us")))
        .unzip();
    assert_eq!(waits, [Some(5_000), Some(3_000)]);
    assert!(fanouts.iter().all(|fanout| linked.contains(&&fanout.span_context)));
    assert_eq!(integer(&pushes[0].attributes, "passbook.push.writes"), Some(4));
    assert_eq!(pushes[0].status, Status::Unset);
}

#[test]
fn a_push_on_a_stream_that_breaks_is_unfinished_and_the_next_stream_carries_the_write_again() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        bench.asked(1, Ack::Local);
        bench.written(1);
        bench.answered(1);
        bench.push(OTHERS[0], 1);
        bench.pushes.cut(OTHERS[0]);
        bench.push(OTHERS[0], 1);
        bench.acknowledge(OTHERS[0], 1);
    });
    let ends: Vec<_> = named(&spans, "push").into_iter().map(|push| &push.status).collect();
    assert_eq!(ends, [&Status::error("unfinished"), &Status::Unset]);
    let fanout = named(&spans, "fanout")[0];
    assert_eq!(integer(&fanout.attributes, "bank.fanout.straggler"), None, "nobody was awaited");
}

/// A push of another branch may bring the write to a peer while that peer's own push is still to come.
#[test]
fn a_write_that_a_peer_has_from_another_branch_is_relayed_and_in_no_later_push() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        for seq in [1, 2] {
            bench.asked(seq, Ack::All);
            bench.written(seq);
        }
        bench.push(OTHERS[1], 1);
        bench.acknowledge(OTHERS[0], 1);
        bench.push(OTHERS[0], 2);
        for peer in OTHERS {
            bench.acknowledge(peer, 2);
        }
        bench.answered(1);
        bench.answered(2);
    });
    let relayed = |span: &SpanData| integer(&span.attributes, "bank.fanout.relayed");
    let of: Vec<_> = named(&spans, "fanout").into_iter().map(relayed).collect();
    assert_eq!(of, [Some(1), Some(1)], "the first to branch 1, the second to branch 3");
    let links: Vec<_> = named(&spans, "push").into_iter().map(|push| push.links.len()).collect();
    assert_eq!(links, [1, 1]);
}

#[test]
fn what_the_hub_tells_completes_a_write_that_was_pushed_to_the_hub_only() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        for seq in [1, 2] {
            bench.asked(seq, Ack::All);
            bench.written(seq);
        }
        bench.push(OTHERS[0], 1);
        bench.acknowledge(OTHERS[0], 1);
        bench.told([1, 1]);
        bench.answered(1);
        bench.push(OTHERS[0], 2);
        // One message tells of both: which of them was the last to hold it is not known.
        bench.told([2, 2]);
        bench.answered(2);
        // It has nothing to add.
        bench.acknowledge(OTHERS[0], 2);
        assert!(bench.pushes.writes.is_empty() && bench.pushes.requests.is_empty());
    });
    let fanouts = named(&spans, "fanout");
    let all = |name| -> Vec<_> {
        fanouts.iter().map(|fanout| integer(&fanout.attributes, name)).collect()
    };
    assert_eq!(all("bank.fanout.acked"), [Some(2), Some(2)]);
    assert_eq!(all("bank.fanout.relayed"), [Some(1), Some(1)]);
    assert_eq!(all("bank.fanout.via"), [Some(1), Some(1)]);
    assert_eq!(all("bank.fanout.straggler"), [Some(3), None]);
    let pushes = named(&spans, "push");
    assert_eq!(pushes.len(), 2);
    assert!(pushes.iter().all(|push| push.status == Status::Unset && push.links.len() == 1));
}

#[test]
fn an_acknowledgement_that_completes_a_write_is_no_word_of_the_hub() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        bench.asked(1, Ack::All);
        bench.written(1);
        for peer in OTHERS {
            bench.push(peer, 1);
        }
        bench.told([0, 1]);
        bench.acknowledge(OTHERS[0], 1);
        bench.answered(1);
    });
    let fanout = named(&spans, "fanout")[0];
    assert_eq!(integer(&fanout.attributes, "bank.fanout.straggler"), Some(1));
    assert_eq!(integer(&fanout.attributes, "bank.fanout.via"), None);
    assert_eq!(integer(&fanout.attributes, "bank.fanout.relayed"), Some(0));
}

#[test]
fn a_write_without_an_answer_has_an_incomplete_fan_out() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        bench.asked(1, Ack::All);
        bench.written(1);
        bench.pushes.answered(Ticket(1), None);
    });
    assert!(matches!(named(&spans, "fanout")[0].status, Status::Error { .. }));
}

#[test]
fn for_a_peer_that_stays_away_no_more_than_the_bound_is_remembered() {
    // Without a subscriber: what is bounded is the memory.
    let mut bench = Bench::new();
    let most = u64::try_from(WRITES_MAX).expect("few");
    for seq in 1..=most + 10 {
        let nobody = SpanContext::new();
        bench.pushes.expect(Ticket(seq), nobody, Ack::Majority);
        bench.written(seq);
        bench.acknowledge(OTHERS[0], seq);
        bench.answered(seq);
    }
    assert_eq!(bench.pushes.writes.len(), WRITES_MAX);
    bench.acknowledge(OTHERS[1], most + 10);
    assert!(bench.pushes.writes.is_empty());
}

#[test]
fn a_collect_is_a_child_of_the_first_traced_request_and_linked_to_the_others() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        for ticket in [7, 8] {
            bench.asked(ticket, Ack::All);
            let note = Note::ShortOfRights { ticket: Ticket(ticket) };
            bench.pushes.noted(bench.now, &note);
        }
        bench.pushes.errands.asks(|ticket| Some(bench.pushes.requests.get(&ticket)?.span.clone()));
        // The first is not traced.
        let waiting = vec![Ticket(6), Ticket(7), Ticket(8)];
        bench.pushes.noted(bench.now, &Note::CollectStarted { waiting, prover: None });
        bench.pushes.noted(bench.now, &Note::CollectEnded { complete: false });
        for ticket in [7, 8] {
            bench.pushes.answered(Ticket(ticket), None);
        }
    });
    let customer = |number: i64| {
        let customers = named(&spans, "Deposit").into_iter();
        let mut its = customers.filter(|s| integer(&s.attributes, "bank.customer") == Some(number));
        its.next().expect("a customer's").span_context.clone()
    };
    let collects = named(&spans, "collect");
    assert_eq!(collects.len(), 1);
    assert_eq!(collects[0].parent_span_id, customer(7).span_id());
    let linked: Vec<_> = collects[0].links.iter().map(|link| link.span_context.clone()).collect();
    assert_eq!(linked, [customer(8)]);
    assert_eq!(integer(&collects[0].attributes, "passbook.collect.waiting"), Some(3));
    assert!(matches!(collects[0].status, Status::Error { .. }), "a branch was lost");
    let borrows = named(&spans, "borrow");
    let of: Vec<_> = borrows.iter().map(|borrow| borrow.parent_span_id).collect();
    assert!(of.len() == 2 && [7, 8].iter().all(|n| of.contains(&customer(*n).span_id())));
}

#[test]
fn a_collect_is_counted_where_the_others_are_asked_and_its_span_names_who_asks_them() {
    let mut counted = Vec::new();
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        bench.asked(7, Ack::All);
        let (zero, first) = (|| Version::zero(3), Round::First);
        bench
            .pushes
            .noted(bench.now, &Note::CollectStarted { waiting: vec![Ticket(7)], prover: None });
        bench.says(OTHERS[0], &Message::Prove { id: 1, known: zero() });
        bench.pushes.noted(bench.now, &Note::CollectEnded { complete: true });
        counted.push(bench.statistics.collects);
        // Two, each of which asks both of the others, one of them again.
        for (id, round) in [(2, first), (2, Round::Second), (2, Round::Second), (3, first)] {
            for to in OTHERS {
                bench.says(to, &Message::Collect { id, round, known: zero() });
            }
        }
        counted.push(bench.statistics.collects);
    });
    assert_eq!(counted, [0, 2]);
    let collect = named(&spans, "collect")[0];
    assert_eq!(integer(&collect.attributes, "passbook.collect.prover"), Some(1));
    assert_eq!(collect.status, Status::Unset);
}
