//! Every write is one whole trace: in the file, and at a collector that is not ours to fill.

#![expect(
    clippy::disallowed_methods,
    reason = "a test ends with its tasks and need not repeat its names"
)]

mod support;

use std::collections::{BTreeSet, HashMap};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread::JoinHandle;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use support::traces::{
    Pushed, Trace, by_trace, integer, number, pushed, read_traces, served, spans_of,
};
use support::{code, folder, json, loadgen, stderr, stdout};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// A collector that hands on what it receives.
struct Collector(mpsc::Sender<(String, Span)>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for (service, span) in spans_of(request.into_inner().resource_spans) {
            self.0.send((service, span)).map_err(|_| Status::unavailable("the test is over"))?;
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn start_collector() -> (String, mpsc::Receiver<(String, Span)>, CancellationToken, JoinHandle<()>)
{
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket option");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    let (sender, receiver) = mpsc::channel();
    let shutdown = CancellationToken::new();
    let ending = shutdown.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            tonic::transport::Server::builder()
                .add_service(TraceServiceServer::new(Collector(sender)))
                .serve_with_incoming_shutdown(TcpIncoming::from(listener), ending.cancelled_owned())
                .await
                .expect("served");
        });
    });
    (endpoint, receiver, shutdown, thread)
}

/// Walks an accepted write's trace: customer → branch → fan-out → two peers, each answered.
fn assert_whole_write(trace: &Trace<'_>) {
    let (service, root) = trace.root();
    assert_eq!((service.as_str(), root.kind()), ("customers", SpanKind::Client));
    let branch = integer(root, "bank.branch");
    let (service, serving) = trace.only_child(&root.span_id);
    assert_eq!((service, serving.kind()), (&format!("branch-{branch}"), SpanKind::Server));
    assert_eq!(serving.name, root.name);
    let (service, fanout) = trace.only_child(&serving.span_id);
    assert_eq!((service, fanout.name.as_str()), (&format!("branch-{branch}"), "fanout"));
    assert_eq!(
        (integer(fanout, "bank.fanout.width"), integer(fanout, "bank.fanout.acked")),
        (2, 2)
    );
    let mut peers = BTreeSet::new();
    let mut last = (0, 0);
    for (service, call) in trace.children_of(&fanout.span_id) {
        assert_eq!((service, call.kind()), (&format!("branch-{branch}"), SpanKind::Client));
        let peer = integer(call, "bank.peer");
        let (service, applying) = trace.only_child(&call.span_id);
        assert_eq!((service, applying.kind()), (&format!("branch-{peer}"), SpanKind::Server));
        assert!(trace.children_of(&applying.span_id).is_empty());
        assert!(call.start_time_unix_nano >= fanout.start_time_unix_nano);
        assert!(call.end_time_unix_nano <= fanout.end_time_unix_nano);
        last = last.max((call.end_time_unix_nano, peer));
        peers.insert(peer);
    }
    assert_eq!(integer(fanout, "bank.fanout.straggler"), last.1, "the last to answer");
    let fellows: BTreeSet<i64> = (1..=3).filter(|id| *id != branch).collect();
    assert_eq!(peers, fellows);
    assert_eq!(trace.size, 7, "nothing else is in the trace");
}

#[test]
fn every_write_is_a_whole_trace_in_the_file_and_at_the_collector() {
    let home = folder();
    let (endpoint, received, shutdown, collector) = start_collector();
    let arguments = ["--trace-sample", "100%", "--customers", "20", "--events", "20"];
    let ran = loadgen(&home)
        .args(arguments)
        .args(["--replication", "broadcast"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
        .output()
        .expect("ran");
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    shutdown.cancel();
    collector.join().expect("ended well");
    let spans = read_traces(&home.path().join("passbook-run/traces.otlp.jsonl"));

    let output = json(&home.path().join("passbook-run/output.json"));
    let entries = output.as_array().expect("customers").iter();
    let entries = entries.flat_map(|customer| customer["recv"].as_array().expect("answers"));
    let (writes, others): (Vec<_>, Vec<_>) =
        entries.partition(|e| e["interface"] != "query" && e["result"] == "success");
    assert_eq!(writes.len() + others.len(), 400);

    let traces = by_trace(&spans);
    assert_eq!(traces.len(), 400, "a trace for each operation");
    let (of_writes, of_others): (Vec<_>, Vec<_>) = traces.iter().partition(|t| t.size > 2);
    assert_eq!((of_writes.len(), of_others.len()), (writes.len(), others.len()));
    of_writes.into_iter().for_each(assert_whole_write);
    for trace in of_others {
        let (_, root) = trace.root();
        assert_eq!(trace.only_child(&root.span_id).1.kind(), SpanKind::Server);
    }
    let kept = json(&home.path().join("passbook-run/summary.json"))["traces"].clone();
    assert_eq!(
        (kept["kept_spans"].as_u64(), kept["beyond_bound_spans"].as_u64()),
        (u64::try_from(spans.len()).ok(), Some(0))
    );

    let name = |(service, span): &(String, Span)| {
        (span.trace_id.clone(), span.span_id.clone(), service.clone(), span.name.clone())
    };
    let in_file: BTreeSet<_> = spans.iter().map(name).collect();
    let at_collector: BTreeSet<_> = received.iter().map(|span| name(&span)).collect();
    assert_eq!(in_file.len(), spans.len(), "no span twice");
    assert!(
        in_file == at_collector,
        "{} in the file, {} received",
        in_file.len(),
        at_collector.len()
    );
    let said = stdout(&ran);
    assert!(said.contains(&format!("{} spans exported to {endpoint}\n", spans.len())), "{said}");
}

/// Walks an accepted write's trace under passbook, at three branches: a push to each peer is linked to its
/// fan-out, which ends with the last of them. It may be that a peer heard of the write from the other one first.
fn assert_pushed_to_all(trace: &Trace<'_>, pushes: &HashMap<&[u8], Vec<&Span>>) {
    let (_, serving) = trace.only_child(&trace.root().1.span_id);
    let within = trace.children_of(&serving.span_id);
    let mut fanouts = within.into_iter().filter(|(_, span)| span.name == "fanout");
    let (_, fanout) = fanouts.next().expect("a fan-out");
    assert!(fanouts.next().is_none(), "one fan-out");
    let told = ["bank.fanout.width", "bank.fanout.acked"].map(|name| integer(fanout, name));
    assert_eq!(told, [2, 2]);
    let branch = integer(fanout, "bank.branch");
    let linked = pushes.get(&fanout.span_id[..]).map_or(&[][..], Vec::as_slice);
    let peers: BTreeSet<i64> = linked.iter().map(|push| integer(push, "bank.peer")).collect();
    let fellows: BTreeSet<i64> = (1..=3).filter(|id| *id != branch).collect();
    assert!(peers.is_subset(&fellows) && linked.len() == peers.len(), "to each peer once");
    let relayed = usize::try_from(integer(fanout, "bank.fanout.relayed")).expect("a count");
    assert_eq!(linked.len() + relayed, 2, "a push to each peer");
    for push in linked {
        assert_eq!(integer(push, "bank.branch"), branch);
        assert!(push.start_time_unix_nano >= fanout.start_time_unix_nano);
    }
    // Others' rows that ride along may be acknowledged later than the write.
    let alone = linked.iter().all(|push| integer(push, "passbook.push.rows") == 1);
    let ends = || linked.iter().map(|push| push.end_time_unix_nano);
    assert!(!alone || ends().all(|end| end <= fanout.end_time_unix_nano));
    let straggler = integer(fanout, "bank.fanout.straggler");
    let last = linked.iter().max_by_key(|push| push.end_time_unix_nano);
    assert!(fellows.contains(&straggler));
    let is_last = last.is_some_and(|push| integer(push, "bank.peer") == straggler);
    assert!(!alone || relayed > 0 || is_last, "{straggler} is not the last of {linked:?}");
}

#[test]
fn under_passbook_a_push_to_each_peer_is_linked_to_every_write() {
    let home = folder();
    let (endpoint, received, shutdown, collector) = start_collector();
    let ran = loadgen(&home)
        .args(["--replication", "passbook", "--trace-sample", "100%"])
        .args(["--customers", "20", "--events", "10", "--branches", "3"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
        .output()
        .expect("ran");
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    shutdown.cancel();
    collector.join().expect("ended well");
    let spans = read_traces(&home.path().join("passbook-run/traces.otlp.jsonl"));
    let Pushed { operations, pushes } = pushed(&spans);
    assert_eq!(operations.len(), 200);
    let accepted = |kind: &str| {
        let summary = json(&home.path().join("passbook-run/summary.json"));
        summary["operations"][kind]["ok"].as_u64().expect("a count")
    };
    let writes: Vec<_> = operations.iter().filter(|trace| !served(trace).is_empty()).collect();
    let counted = u64::try_from(writes.len()).expect("few");
    assert_eq!(counted, accepted("deposit") + accepted("withdraw"));
    assert!(pushes.len() <= writes.len(), "nothing else is linked");
    for trace in writes {
        assert_pushed_to_all(trace, &pushes);
    }

    let links = |(_, span): &(String, Span)| (span.span_id.clone(), span.links.len());
    let in_file: BTreeSet<_> = spans.iter().map(links).collect();
    let at_collector: BTreeSet<_> = received.iter().map(|span| links(&span)).collect();
    assert!(in_file == at_collector, "{} and {}", in_file.len(), at_collector.len());
    let said = stdout(&ran);
    assert!(said.contains("traces kept, none dropped"), "{said}");
}

/// Walks an accepted write's trace at ten branches: the hub pushes its own writes to all, the others push theirs
/// to the hub, which tells who holds them.
fn assert_passed_on_by_the_hub(trace: &Trace<'_>, pushes: &HashMap<&[u8], Vec<&Span>>) {
    let (_, serving) = trace.only_child(&trace.root().1.span_id);
    let within = trace.children_of(&serving.span_id);
    let fanouts: Vec<_> = within.iter().filter(|(_, span)| span.name == "fanout").collect();
    let [(_, fanout)] = fanouts[..] else { panic!("one fan-out: {fanouts:?}") };
    let told = ["bank.fanout.width", "bank.fanout.acked"].map(|name| integer(fanout, name));
    assert_eq!(told, [9, 9], "{fanout:?}");
    let branch = integer(fanout, "bank.branch");
    let linked = pushes.get(&fanout.span_id[..]).map_or(&[][..], Vec::as_slice);
    let peers: BTreeSet<i64> = linked.iter().map(|push| integer(push, "bank.peer")).collect();
    assert_eq!(linked.len(), peers.len(), "to each peer once");
    assert!(!peers.contains(&branch) && linked.iter().all(|p| integer(p, "bank.branch") == branch));
    let by_others = integer(fanout, "bank.fanout.relayed");
    assert_eq!(linked.len() + usize::try_from(by_others).expect("a count"), 9, "{fanout:?}");
    let straggler = number(&fanout.attributes, "bank.fanout.straggler");
    assert!(straggler.is_none_or(|straggler| straggler != branch));
    let via = number(&fanout.attributes, "bank.fanout.via");
    if branch == 1 {
        assert_eq!((via, straggler.is_some()), (None, true), "all speak to the hub: {fanout:?}");
    } else {
        assert!(peers.contains(&1), "to the hub: {fanout:?}");
        assert!(via.is_none_or(|via| via == 1) && (via.is_some() || straggler.is_some()));
    }
}

#[test]
fn at_ten_branches_the_hub_passes_writes_on_and_tells_who_holds_them() {
    let home = folder();
    let arguments = ["--trace-sample", "100%", "--customers", "20", "--events", "10"];
    let ran = support::run(&home, &[&arguments[..], &["--branches", "10"]].concat());
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    let spans = read_traces(&home.path().join("passbook-run/traces.otlp.jsonl"));
    let Pushed { operations, pushes } = pushed(&spans);
    assert_eq!(operations.len(), 200);
    let writes: Vec<_> = operations.iter().filter(|trace| !served(trace).is_empty()).collect();
    let summary = json(&home.path().join("passbook-run/summary.json"));
    let accepted = ["deposit", "withdraw"].map(|kind| summary["operations"][kind]["ok"].as_u64());
    let accepted = accepted.into_iter().map(|count| count.expect("a count")).sum::<u64>();
    assert_eq!(u64::try_from(writes.len()).expect("few"), accepted);
    assert!(pushes.len() <= writes.len(), "nothing else is linked");
    for trace in writes {
        assert_passed_on_by_the_hub(trace, &pushes);
    }
    let report = stdout(&ran);
    assert!(report.contains("fan-out, 9 of 9 acknowledged"), "{report}");
}

#[test]
fn where_money_is_short_a_borrow_and_a_collect_show_what_was_waited_for() {
    let home = folder();
    // Each branch has the rights to a third: 100 of 300.
    let input = r#"[
      {"id": 1, "type": "customer", "events": [
        {"id": 1, "interface": "withdraw", "money": 50, "branch": 1},
        {"id": 2, "interface": "withdraw", "money": 200, "branch": 1},
        {"id": 3, "interface": "withdraw", "money": 51, "branch": 2}]},
      {"id": 1, "type": "branch", "balance": 300},
      {"id": 2, "type": "branch", "balance": 300},
      {"id": 3, "type": "branch", "balance": 300}
    ]"#;
    support::write(&home, "input.json", input);
    let arguments = ["replay", "input.json", "--replication", "passbook", "--trace-sample", "100%"];
    let ran = support::run(&home, &[&arguments[..], &["--out", "run"]].concat());
    assert_eq!(code(&ran), 0, "{}{}", stdout(&ran), stderr(&ran));
    let spans = read_traces(&home.path().join("run/traces.otlp.jsonl"));
    let Pushed { operations, pushes } = pushed(&spans);
    let mut by_event: Vec<_> =
        operations.iter().map(|trace| (integer(&trace.root().1, "bank.number"), trace)).collect();
    by_event.sort_by_key(|(event, _)| *event);
    let done: Vec<_> = by_event.iter().map(|(_, trace)| served(trace)).collect();
    assert_eq!(done, [vec!["fanout"], vec!["borrow", "fanout"], vec!["collect"]]);
    for (_, trace) in &by_event[..2] {
        assert_pushed_to_all(trace, &pushes);
    }
    let borrow = spans.iter().find(|(_, span)| span.name == "borrow").expect("there");
    assert!(integer(&borrow.1, "passbook.borrow.asks") >= 1);
    let collect = spans.iter().find(|(_, span)| span.name == "collect").expect("there");
    assert_eq!(integer(&collect.1, "passbook.collect.waiting"), 1);
}

#[test]
fn a_dead_collector_loses_nothing_but_its_own_copy() {
    let home = folder();
    // It accepts connections, as listening sockets do, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", silent.local_addr().expect("bound"));
    let ran = loadgen(&home)
        .args(["--replication", "broadcast", "--trace-sample", "100%"])
        .args(["--customers", "5", "--events", "5"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
        .output()
        .expect("ran");
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    let spans = read_traces(&home.path().join("passbook-run/traces.otlp.jsonl"));
    assert_eq!(by_trace(&spans).len(), 25);
    let said = stdout(&ran);
    assert!(said.contains(&format!("{} were not accepted", spans.len())), "{said}");
}

#[test]
fn without_sampling_nothing_is_traced() {
    let home = folder();
    let ran = support::run(&home, &["--trace-sample", "0%", "--customers", "5", "--events", "5"]);
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    assert_eq!(read_traces(&home.path().join("passbook-run/traces.otlp.jsonl")), []);
}
