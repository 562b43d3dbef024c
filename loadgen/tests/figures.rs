//! What a run measures and shows: whose latency, for how long, and what the figures cannot show.

#![expect(
    clippy::disallowed_methods,
    reason = "a test ends with its tasks and need not repeat its names"
)]

mod support;

use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use passbook::wire::exercise::bank::bank_server::{Bank, BankServer};
use passbook::wire::exercise::bank::{TransactionRequest, TransactionResponse};
use serde_json::{Value, json};
use support::{code, folder, run, stderr, stdout};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// How a stub answers writes. It answers queries at once.
#[derive(Clone, Copy, Debug)]
enum Writes {
    /// Never.
    Hang,
    /// With an error, at once.
    Fail,
    /// Well, but no sooner than this.
    After(Duration),
}

/// A bank of the contract `bank` on a port of its own, which ends with the value.
struct Stub {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[tonic::async_trait]
impl Bank for Writes {
    async fn msg_delivery(
        &self,
        request: Request<TransactionRequest>,
    ) -> Result<Response<TransactionResponse>, Status> {
        if request.get_ref().operation != "query" {
            match self {
                Self::Hang => pending().await,
                Self::Fail => return Err(Status::resource_exhausted("shedding load")),
                Self::After(service_time) => tokio::time::sleep(*service_time).await,
            }
        }
        Ok(Response::new(TransactionResponse { status: "success".to_owned(), balance: 100 }))
    }
}

impl Stub {
    fn start(writes: Writes) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (end, ended) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let server = Server::builder().add_service(BankServer::new(writes));
            let serving = server.serve_with_incoming(TcpListenerStream::new(listener));
            runtime.block_on(async {
                tokio::select! {
                    served = serving => served.expect("it serves until it is ended"),
                    _ = ended => {}
                }
            });
        });
        Self { address, end: Some(end), thread: Some(thread) }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs at two stubs. Returns the summary and the report.
fn run_at(writes: Writes, arguments: &[&str]) -> (Value, String) {
    let stubs = [Stub::start(writes), Stub::start(writes)];
    let target = stubs.each_ref().map(|stub| stub.address.to_string()).join(",");
    let home = folder();
    let ran = run(&home, &[&["--wire", "bank", "--target", &target], arguments].concat());
    let report = stdout(&ran);
    assert!(report.contains("operations  "), "{report}{}", stderr(&ran));
    (summary(&home), report)
}

fn summary(home: &TempDir) -> Value {
    support::json(&home.path().join("passbook-run/summary.json"))
}

/// All operations with this outcome, in sum.
fn total(summary: &Value, outcome: &str) -> u64 {
    let kinds = ["deposit", "withdraw", "query"];
    kinds.iter().filter_map(|kind| summary["operations"][kind][outcome].as_u64()).sum()
}

fn count(summary: &Value, row: &str) -> u64 {
    summary["latency"][row]["response"]["count"].as_u64().expect("a count")
}

#[test]
fn failures_have_rows_and_percentiles_of_their_own() {
    let (summary, report) =
        run_at(Writes::Fail, &["--customers", "5", "--events", "8", "--timeout", "30s"]);
    let ok = total(&summary, "ok");
    assert!(ok > 0 && ok < 40, "{summary}");
    for row in ["all", "query"] {
        assert_eq!(count(&summary, row), ok, "only queries were answered: {summary}");
    }
    assert_eq!(count(&summary, "deposit") + count(&summary, "withdraw"), 0);
    assert_eq!(count(&summary, "failed") + count(&summary, "unanswered"), 40 - ok);
    assert_eq!(summary["latency"]["deposit"]["service"]["max_us"], Value::Null);
    let row = |name: &str| report.lines().find(|line| line.starts_with(name));
    assert!(row("failed ").or(row("unanswered ")).is_some(), "{report}");
    let deposit = row("deposit ").expect("deposits were sent");
    assert_eq!(deposit.matches('–').count(), 5, "{report}");
    let answered = format!("  {ok} operations answered in ");
    assert!(report.contains(&answered), "{report}");
}

#[test]
fn stop_of_all_answers_is_reported_with_calls_in_flight() {
    let arguments = ["--customers", "4", "--events", "1", "--mix", "1:0:0", "--timeout", "500ms"];
    let (summary, report) = run_at(Writes::Hang, &arguments);
    assert!(report.contains("answers stopped everywhere at "), "{report}");
    let calls = "with 4 calls in flight: 2 at branch 1, 2 at branch 2\n";
    assert!(report.contains(calls), "{report}");
    let silence = &summary["longest_silence"];
    assert_eq!(silence["ended_by_answer"], false, "{silence}");
    assert_eq!(silence["in_flight"], json!({"1": 2, "2": 2}));
    assert!(silence["lasted_ms"].as_f64() >= Some(400.0), "{silence}");
    assert_eq!((count(&summary, "all"), total(&summary, "unknown")), (0, 4));
    assert_eq!(summary["throughput_per_s"], 0.0);
}

#[test]
fn run_lasts_as_long_as_asked_while_all_customers_think() {
    let home = folder();
    let begun = Instant::now();
    let ran = run(&home, &["--customers", "10", "--think", "constant:10m", "--duration", "700ms"]);
    assert_eq!(code(&ran), 0, "{}{}", stdout(&ran), stderr(&ran));
    assert!(begun.elapsed() >= Duration::from_millis(700));
    let summary = summary(&home);
    assert_eq!(summary["measured_s"], 0.7);
    // Starts are spread over ten minutes: nobody else begins in the window.
    assert_eq!(total(&summary, "ok"), 1, "{summary}");
    let per_second = summary["throughput_per_s"].as_f64().expect("a rate");
    assert!(per_second <= 1.0 / 0.7 + 1e-9, "{per_second}");
    let report = stdout(&ran);
    assert!(report.contains("for 700ms, mix 40:30:30, think constant:10m\n"), "{report}");
    assert!(report.contains(" answered in 0.70 s: "), "{report}");
    assert_eq!(summary["workload"]["think"], "constant:10m");
}

#[test]
fn answers_after_the_window_do_not_count_as_throughput() {
    let arguments = ["--customers", "4", "--mix", "1:0:0", "--duration", "100ms"];
    let (summary, report) = run_at(Writes::After(Duration::from_millis(400)), &arguments);
    assert!(report.contains("0 operations answered in 0.10 s: 0.00 per second\n"), "{report}");
    assert!(report.contains("      4 operations answered after that\n"), "{report}");
    assert_eq!((&summary["throughput_per_s"], &summary["measured_s"]), (&json!(0.0), &json!(0.1)));
    assert_eq!((total(&summary, "ok"), count(&summary, "all")), (4, 4));
}

#[test]
fn think_time_does_not_change_the_operations_of_a_seed() {
    let home = folder();
    let arguments = ["--customers", "3", "--events", "5", "--seed", "9"];
    let inputs = ["0s", "1ms", "constant:1ms", "uniform:0s..2ms"].map(|think| {
        let ran = run(&home, &[&arguments[..], &["--think", think]].concat());
        assert_eq!(code(&ran), 0, "{think}: {}{}", stdout(&ran), stderr(&ran));
        support::json(&home.path().join("passbook-run/input.json"))
    });
    assert!(inputs.iter().all(|input| *input == inputs[0]));
    let ran = run(&home, &["--think", "normal:5ms"]);
    assert_eq!(code(&ran), 2);
    assert!(stderr(&ran).contains("constant:10ms or uniform:5ms..15ms"), "{}", stderr(&ran));
}

#[test]
fn times_beyond_what_can_be_added_are_refused() {
    let home = folder();
    let refused: [(&[&str], &str); 3] = [
        (&["--duration", "500000000000y"], "--duration is longer than 365 days"),
        (&["--think", "500000000000y"], "each at most 1 day"),
        (&["--think", "uniform:1ms..25h"], "each at most 1 day"),
    ];
    for (arguments, expected) in refused {
        let ran = run(&home, &[&["--customers", "1"], arguments].concat());
        assert_eq!(code(&ran), 2, "{arguments:?}: {}{}", stdout(&ran), stderr(&ran));
        assert!(stderr(&ran).contains(expected), "{}", stderr(&ran));
    }
}

#[test]
fn percentiles_of_small_samples_are_null_and_dashes() {
    let home = folder();
    let ran = run(&home, &["--customers", "2", "--events", "50"]);
    assert_eq!(code(&ran), 0, "{}{}", stdout(&ran), stderr(&ran));
    let summary = summary(&home);
    for time in ["response", "service"] {
        let all = &summary["latency"]["all"][time];
        assert_eq!(all["count"], 100);
        for supported in ["p50_us", "p90_us", "max_us"] {
            assert!(all[supported].is_f64(), "{supported}: {all}");
        }
        for unsupported in ["p99_us", "p999_us"] {
            assert_eq!(all[unsupported], Value::Null, "{unsupported}: {all}");
        }
    }
    let report = stdout(&ran);
    let all = report.lines().find(|line| line.starts_with("all ")).expect("a row");
    assert_eq!(all.matches('–').count(), 2, "{report}");
}

#[test]
fn report_shows_cpu_and_pauses_of_the_generator() {
    let home = folder();
    let ran = run(&home, &["--customers", "5", "--events", "20"]);
    assert_eq!(code(&ran), 0, "{}{}", stdout(&ran), stderr(&ran));
    let report = stdout(&ran);
    let line = report.lines().find(|line| line.starts_with("generator: ")).expect("a line");
    assert!(
        line.contains(", branches included; the longest time its loop did not run: "),
        "{line}"
    );
    let generator = &summary(&home)["generator"];
    assert!(generator["cpu_cores"].as_f64() > Some(0.0), "{generator}");
    assert!(generator["longest_pause_ms"].is_f64(), "{generator}");
    assert_eq!(generator["includes_branches"], true);
}

/// A process can be stopped by a signal: Linux.
#[cfg(target_os = "linux")]
mod stopped {
    use std::time::{Duration, Instant};

    use super::{folder, summary};
    use testkit::processes::{Process, signal, until};

    const STOPPED: Duration = Duration::from_millis(300);

    #[test]
    fn stopped_generator_is_reported_with_its_pause() {
        let home = folder();
        let mut command = super::support::loadgen(&home);
        command.args(["--customers", "3", "--duration", "1h", "--metrics-listen", "127.0.0.1:0"]);
        let run = Process::start(&mut command);
        // Metrics are announced before customers begin; the first plain line comes while they work.
        until("customers work", || run.said().contains("/s, p50 ").then_some(()));
        signal(run.pid(), "-STOP");
        let begun = Instant::now();
        until("it was stopped long enough", || (begun.elapsed() >= STOPPED).then_some(()));
        signal(run.pid(), "-CONT");
        signal(run.pid(), "-INT");
        let (status, report, said) = run.reported();
        assert_eq!(status.code(), Some(130), "{report}{said}");
        let summary = summary(&home);
        let pause = summary["generator"]["longest_pause_ms"].as_f64();
        // An observation may have been due for 10 ms already.
        assert!(pause >= Some(280.0), "{pause:?}: {report}");
        let silence = summary["longest_silence"]["lasted_ms"].as_f64();
        assert!(silence >= Some(280.0), "{silence:?}: {report}");
        let measured = summary["measured_s"].as_f64();
        assert!(measured < Some(3_000.0), "an interruption ends the window: {measured:?}");
    }
}
