use std::time::Duration;

use opentelemetry::Value;
use opentelemetry::trace::Status;

use super::*;
use crate::telemetry::{CallSpan, SpanData, spans_of};
use bank::Version;
use replication::ClusterId;

const ME: BranchId = BranchId(2);
const OTHERS: [BranchId; 2] = [BranchId(1), BranchId(3)];

/// Branch 2 of 3. Tests report its notes.
struct Bench {
    spans: PassbookSpans,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self { spans: PassbookSpans::new(ME, OTHERS.len()), now: Instant::default() }
    }

    fn note(&mut self, note: &Note) {
        self.spans.on_note(self.now, note);
    }

    /// A traced request comes.
    fn expect(&mut self, ticket: u64) {
        let call = CallSpan::customer("Deposit", "deposit", ticket, 1, ME);
        let context = call.context().expect("traced");
        self.spans.expect(Ticket(ticket), context);
    }

    /// The write of a traced request is in the log, at the position of the same number.
    fn write(&mut self, seq: u64, needed: usize) {
        self.expect(seq);
        self.note(&Note::Staged { ticket: Ticket(seq), seq: Seq(seq), needed });
    }

    fn push(&mut self, to: BranchId, after: u64, upto: u64) {
        self.note(&Note::Pushed { to, rows: 1, after: Seq(after), upto: Seq(upto) });
    }

    /// A peer holds these entries, which were pushed to it.
    fn held(&mut self, peer: BranchId, after: u64, upto: u64) {
        let (after, upto) = (Seq(after), Seq(upto));
        self.note(&Note::HeldBy { peer, after, upto, pushed: upto, via: None });
    }

    /// The relay, branch 1, reports that a peer holds these entries.
    fn reported(&mut self, peer: BranchId, after: u64, upto: u64, pushed: u64) {
        let (after, upto, pushed) = (Seq(after), Seq(upto), Seq(pushed));
        self.note(&Note::HeldBy { peer, after, upto, pushed, via: Some(OTHERS[0]) });
    }

    fn answered(&mut self, seq: u64) {
        let version = Version::zero(3).into();
        let cluster = ClusterId(1);
        let receipt = Receipt { cluster, version, at_most: None, seq: Some(Seq(seq)), achieved: 2 };
        self.spans.answered(Ticket(seq), Some(&receipt));
    }

    fn is_empty(&self) -> bool {
        self.spans.writes.is_empty() && self.spans.requests.is_empty()
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
fn straggler_is_the_peer_that_reached_the_level() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        bench.write(1, 1);
        for peer in OTHERS {
            bench.push(peer, 0, 1);
        }
        bench.held(OTHERS[1], 0, 1);
        bench.held(OTHERS[0], 0, 1);
        bench.answered(1);
        assert!(bench.is_empty());
    });
    let fanout = named(&spans, "fanout")[0];
    assert_eq!(integer(&fanout.attributes, "bank.fanout.straggler"), Some(3));
    assert_eq!(integer(&fanout.attributes, "bank.fanout.acked"), Some(2));
    assert_eq!(fanout.status, Status::Unset);
}

#[test]
fn push_is_linked_to_its_writes_with_their_waits() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        for (seq, at_ms) in [(1, 0), (3, 2)] {
            bench.now = Instant(Duration::from_millis(at_ms));
            bench.write(seq, 2);
        }
        bench.now = Instant(Duration::from_millis(5));
        bench.push(OTHERS[0], 0, 4);
        // A repetition carries nothing for the first time, and the next push nothing that is traced.
        bench.push(OTHERS[0], 4, 4);
        bench.push(OTHERS[0], 4, 9);
        bench.held(OTHERS[0], 0, 9);
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
fn push_is_unfinished_when_its_stream_is_reset() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        bench.write(1, 0);
        bench.answered(1);
        bench.push(OTHERS[0], 0, 1);
        bench.push(OTHERS[1], 0, 1);
        bench.note(&Note::StreamReset { peer: OTHERS[0] });
        bench.push(OTHERS[0], 0, 1);
        bench.held(OTHERS[0], 0, 1);
        bench.held(OTHERS[1], 0, 1);
    });
    let ends: Vec<_> = named(&spans, "push").into_iter().map(|push| &push.status).collect();
    assert_eq!(ends, [&Status::error("unfinished"), &Status::Unset, &Status::Unset]);
    let fanout = named(&spans, "fanout")[0];
    assert_eq!(integer(&fanout.attributes, "bank.fanout.straggler"), None, "nobody was awaited");
}

#[test]
fn push_ends_when_its_last_entry_is_held() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        for seq in [1, 2] {
            bench.write(seq, 2);
        }
        bench.push(OTHERS[0], 0, 2);
        bench.held(OTHERS[0], 0, 1);
        assert_eq!(bench.spans.pushes.len(), 1);
        bench.held(OTHERS[0], 1, 2);
        assert!(bench.spans.pushes.is_empty());
    });
    assert_eq!(named(&spans, "push")[0].status, Status::Unset);
}

#[test]
fn relay_report_completes_a_write_pushed_to_the_relay() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        for seq in [1, 2] {
            bench.write(seq, 2);
        }
        bench.push(OTHERS[0], 0, 1);
        bench.held(OTHERS[0], 0, 1);
        bench.reported(OTHERS[1], 0, 1, 0);
        bench.answered(1);
        bench.push(OTHERS[0], 1, 2);
        // One report about both: which of them was the last to hold it is not known.
        bench.reported(OTHERS[0], 1, 2, 2);
        bench.reported(OTHERS[1], 1, 2, 0);
        bench.answered(2);
        assert!(bench.is_empty());
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
fn later_report_does_not_change_the_straggler() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        bench.write(1, 1);
        bench.reported(OTHERS[1], 0, 1, 0);
        bench.now = Instant(Duration::from_millis(1));
        bench.reported(OTHERS[0], 0, 1, 0);
        bench.answered(1);
    });
    let fanout = named(&spans, "fanout")[0];
    assert_eq!(integer(&fanout.attributes, "bank.fanout.straggler"), Some(3));
    assert_eq!(integer(&fanout.attributes, "bank.fanout.acked"), Some(2));
}

#[test]
fn own_acknowledgement_after_a_relay_report_has_no_via() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        bench.write(1, 2);
        for peer in OTHERS {
            bench.push(peer, 0, 1);
        }
        bench.reported(OTHERS[1], 0, 1, 1);
        bench.held(OTHERS[0], 0, 1);
        bench.answered(1);
    });
    let fanout = named(&spans, "fanout")[0];
    assert_eq!(integer(&fanout.attributes, "bank.fanout.straggler"), Some(1));
    assert_eq!(integer(&fanout.attributes, "bank.fanout.via"), None);
    assert_eq!(integer(&fanout.attributes, "bank.fanout.relayed"), Some(0));
}

#[test]
fn write_without_an_answer_has_an_incomplete_fan_out() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        bench.write(1, 2);
        bench.held(OTHERS[0], 0, 1);
        bench.spans.answered(Ticket(1), None);
    });
    let fanout = named(&spans, "fanout")[0];
    assert!(matches!(fanout.status, Status::Error { .. }));
    assert_eq!(integer(&fanout.attributes, "bank.fanout.straggler"), None, "one is missing");
}

#[test]
fn writes_for_an_absent_peer_are_bounded() {
    // Without a subscriber: what is bounded is the memory.
    let mut bench = Bench::new();
    let most = u64::try_from(WRITES_MAX).expect("few");
    for seq in 1..=most + 10 {
        bench.spans.expect(Ticket(seq), TraceContext::new());
        bench.note(&Note::Staged { ticket: Ticket(seq), seq: Seq(seq), needed: 1 });
        bench.held(OTHERS[0], seq - 1, seq);
        bench.answered(seq);
    }
    assert_eq!(bench.spans.writes.len(), WRITES_MAX);
    bench.held(OTHERS[1], 0, most + 10);
    assert!(bench.is_empty());
}

#[test]
fn collect_is_a_child_of_one_request_and_linked_to_others() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        for ticket in [7, 8] {
            bench.expect(ticket);
            bench.note(&Note::ShortOfRights { ticket: Ticket(ticket) });
        }
        bench.note(&Note::BorrowRequested { of: OTHERS[0] });
        // The first is not traced.
        let waiting = vec![Ticket(6), Ticket(7), Ticket(8)];
        bench.note(&Note::CollectStarted { waiting, prover: Some(OTHERS[0]) });
        bench.note(&Note::CollectEnded { complete: false });
        for ticket in [7, 8] {
            bench.spans.answered(Ticket(ticket), None);
        }
        assert!(bench.is_empty());
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
    assert_eq!(integer(&collects[0].attributes, "passbook.collect.prover"), Some(1));
    assert!(matches!(collects[0].status, Status::Error { .. }), "a branch was lost");
    let borrows = named(&spans, "borrow");
    let of: Vec<_> = borrows.iter().map(|borrow| borrow.parent_span_id).collect();
    assert!(of.len() == 2 && [7, 8].iter().all(|n| of.contains(&customer(*n).span_id())));
}

#[test]
fn borrow_ends_when_the_withdrawal_is_staged() {
    let spans = spans_of(|| {
        let mut bench = Bench::new();
        bench.expect(7);
        bench.note(&Note::ShortOfRights { ticket: Ticket(7) });
        for of in OTHERS {
            bench.note(&Note::BorrowRequested { of });
        }
        bench.note(&Note::Staged { ticket: Ticket(7), seq: Seq(1), needed: 0 });
        // On behalf of others.
        bench.note(&Note::BorrowRequested { of: OTHERS[0] });
    });
    let borrow = named(&spans, "borrow")[0];
    assert_eq!(integer(&borrow.attributes, "passbook.borrow.asks"), Some(2));
    let covered = borrow.attributes.iter().find(|a| a.key.as_str() == "passbook.borrow.covered");
    assert_eq!(covered.map(|covered| &covered.value), Some(&Value::Bool(true)));
}
