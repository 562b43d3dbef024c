//! The dashboard names metrics that exist and all of them, and a real Prometheus that scrapes a run
//! answers each of its queries.

#![expect(
    clippy::disallowed_methods,
    reason = "a test ends with its tasks and need not repeat its names"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use passbook::telemetry::{MetricKind, MetricName, names};
use replication::Scheme;
use serde_json::{Value, json};

const DASHBOARD: &str = include_str!("../../dashboards/passbook.json");
/// What every selector begins with, so that one run can be picked out of several.
const FILTER: &str = r#"{job=~"$job",instance=~"$instance""#;
/// What may follow a query that a healthy run can leave without an answer, such as one branch alone, which
/// has no peers. The query before it must answer in a run of three.
const FALLBACK: &str = " or on() ";
/// How long a process may take to do what is waited for. Only a broken one takes that long.
const LIMIT: Duration = Duration::from_mins(1);
/// How long one request may take, so that a look ends.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).expect("the dashboard is JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// All panels but the rows, which are headings.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let all = list(&dashboard["panels"]);
    all.iter().filter(|panel| panel["type"] != "row").collect()
}

fn targets(dashboard: &Value) -> Vec<&Value> {
    panels(dashboard).into_iter().flat_map(|panel| list(&panel["targets"])).collect()
}

fn expressions(dashboard: &Value) -> BTreeSet<&str> {
    targets(dashboard).into_iter().map(|target| text(&target["expr"])).collect()
}

/// The selectors of variables such as `label_values(SELECTOR, LABEL)`, with their labels.
fn variables(dashboard: &Value) -> Vec<(&str, &str)> {
    let all = list(&dashboard["templating"]["list"]).iter();
    let queries = all.filter_map(|variable| variable["query"]["query"].as_str());
    let arguments = queries.map(|query| query.strip_prefix("label_values(")?.strip_suffix(')'));
    arguments
        .map(|both| both.and_then(|both| both.rsplit_once(", ")).expect("a selector and a label"))
        .collect()
}

/// The names under which a metric is exposed.
fn samples(metric: &MetricName) -> Vec<String> {
    let suffixes: &[&str] = match metric.kind {
        MetricKind::Counter => &["_total"],
        MetricKind::Gauge => &[""],
        MetricKind::Histogram => &["_bucket", "_sum", "_count"],
    };
    suffixes.iter().map(|suffix| format!("{}{suffix}", metric.name)).collect()
}

/// Each selector in `expression`: its metric, and what follows from the brace on.
fn selectors(expression: &str) -> Vec<(&str, &str)> {
    let braces = expression.match_indices('{').map(|(at, _)| expression.split_at(at));
    braces
        .map(|(before, from)| {
            let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            (&before[start.map_or(0, |at| at + 1)..], from)
        })
        .collect()
}

#[test]
fn every_panel_says_what_it_shows() {
    let dashboard = dashboard();
    let mut titles = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = text(&panel["title"]);
        assert!(!title.is_empty() && titles.insert(title), "missing or twice: title {title:?}");
        assert!(!text(&panel["description"]).is_empty(), "{title}: no description");
        let unit = text(&panel["fieldConfig"]["defaults"]["unit"]);
        assert!(!unit.is_empty(), "{title}: no unit");
        assert!(!list(&panel["targets"]).is_empty(), "{title}: no query");
        for target in list(&panel["targets"]) {
            assert!(!text(&target["legendFormat"]).is_empty(), "{title}: no legend");
        }
    }
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() {
    let dashboard = dashboard();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeMap::new());
    for panel in list(&dashboard["panels"]) {
        let title = text(&panel["title"]);
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{title}: its id is taken");
        let [x, y, w, h] =
            ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().expect("a position"));
        assert!(x + w <= 24, "{title}: reaches beyond the right edge");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            let other = taken.insert(cell, title);
            assert_eq!(other, None, "{title}: lies over another panel");
        }
    }
}

#[test]
fn every_metric_of_the_dashboard_exists_and_every_metric_is_on_it() {
    let dashboard = dashboard();
    let exposed: BTreeSet<String> = names::ALL.iter().flat_map(samples).collect();
    let expressions = expressions(&dashboard);
    let used: BTreeSet<&str> =
        expressions.iter().flat_map(|e| selectors(e)).map(|(metric, _)| metric).collect();
    let unknown: Vec<_> = used.iter().filter(|name| !exposed.contains(**name)).collect();
    assert!(unknown.is_empty(), "not in telemetry::names: {unknown:?}");
    for metric in names::ALL {
        let shown = samples(metric).iter().any(|sample| used.contains(sample.as_str()));
        assert!(shown, "on no panel: {}", metric.name);
    }
}

#[test]
fn every_query_can_be_narrowed_to_a_job_and_an_instance() {
    for expression in expressions(&dashboard()) {
        for (metric, braces) in selectors(expression) {
            assert!(braces.starts_with(FILTER), "{metric} is not filtered in {expression}");
        }
        // A name without braces would have escaped both this and the check of names.
        let named = expression.matches("passbook_").count();
        assert_eq!(named, selectors(expression).len(), "a metric without braces in {expression}");
    }
}

#[test]
fn ranges_follow_the_scrape_interval_and_histograms_ask_for_exemplars() {
    for target in targets(&dashboard()) {
        let expression = text(&target["expr"]);
        for range in expression.split('[').skip(1) {
            assert!(range.starts_with("$__rate_interval]"), "a fixed range in {expression}");
        }
        assert_eq!(target["interval"], "$scrape", "its steps are the data source's: {expression}");
        let exemplars = target["exemplar"] == json!(true);
        assert_eq!(exemplars, expression.contains("_bucket{"), "exemplars of {expression}");
    }
}

#[test]
fn only_a_fallback_makes_up_a_number() {
    for expression in expressions(&dashboard()) {
        let query = expression.split_once(FALLBACK).map_or(expression, |(query, _)| query);
        assert!(!query.contains("vector("), "hides that it has no answer: {expression}");
    }
}

#[test]
fn no_data_source_is_literal() {
    fn look(at: &Value, path: &str, found: &mut usize) {
        match at {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let path = format!("{path}/{name}");
                    if name == "datasource" {
                        let variable = json!({"type": "prometheus", "uid": "${datasource}"});
                        assert_eq!(*value, variable, "{path}");
                        *found += 1;
                    }
                    look(value, &path, found);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| look(value, path, found)),
            _ => {}
        }
    }
    let dashboard = dashboard();
    let mut found = 0;
    look(&dashboard, "", &mut found);
    let (panels, targets) = (panels(&dashboard).len(), targets(&dashboard).len());
    assert_eq!(found, panels + targets + variables(&dashboard).len(), "one is without");
}

#[test]
fn a_prometheus_that_scrapes_a_run_answers_every_query_of_the_dashboard() {
    if Command::new("prometheus").arg("--version").output().is_err() {
        let required = std::env::var("PASSBOOK_REQUIRE_PROMETHEUS").is_ok_and(|set| set == "1");
        assert!(!required, "there is no prometheus on the PATH");
        // Past the capture of tests that pass, or nobody would ever see it.
        let _ = writeln!(
            io::stderr(),
            "skipped: no prometheus on the PATH; install it to run this test"
        );
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    // A scheme has nothing to say to what is counted of the other.
    let runs = Scheme::NAMES.iter().map(|scheme| {
        Process::start("loadgen", &folder.path().join(scheme), "/metrics", |port| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
            // Whoever has a collector of their own does not want these spans in it.
            command.env("OTEL_SDK_DISABLED", "true");
            // Longer than all waiting below; it is ended as soon as every query is answered.
            command.args("--customers 20 --duration 5m --think 2ms --trace-sample 10%".split(' '));
            command.args(["--replication", scheme]);
            command.args(["--metrics-listen", &format!("127.0.0.1:{port}"), "--out"]);
            command.arg(folder.path().join(scheme).join("run"));
            command
        })
    });
    let mut runs: Vec<Process> = runs.collect();
    let targets: Vec<String> = runs.iter().map(|run| format!("127.0.0.1:{}", run.port)).collect();
    let scraping = json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{
            "job_name": "loadgen",
            "static_configs": [{"targets": targets}],
        }],
    });
    let configuration = folder.path().join("prometheus.yaml");
    fs::write(&configuration, scraping.to_string()).expect("written: JSON is YAML too");
    let prometheus = Process::start("prometheus", folder.path(), "/-/ready", |port| {
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", configuration.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("tsdb").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command
    });

    until("scrapes that Prometheus accepts", || {
        runs.iter_mut().for_each(Process::check);
        let targets = prometheus.api("targets", &[("state", "active")])?;
        let accepted = |target: &&Value| target["health"] == "up" && target["lastError"] == "";
        let targets = list(&targets["activeTargets"]);
        let all = targets.iter().filter(accepted).count() == Scheme::NAMES.len();
        if all { Ok(()) } else { Err(format!("{targets:?}")) }
    });
    until("every metric with its type", || {
        let metadata = prometheus.api("metadata", &[])?;
        let lacking = names::ALL.iter().find(|metric| {
            let kind = format!("{:?}", metric.kind).to_lowercase();
            metadata[metric.name][0]["type"] != kind
        });
        lacking.map_or(Ok(()), |metric| Err(format!("{metric:?}; {metadata}")))
    });
    let dashboard = dashboard();
    let mut unanswered: BTreeSet<String> = BTreeSet::new();
    for expression in expressions(&dashboard) {
        unanswered.insert(substituted(expression));
        // With the fallback it always answers; what counts is that it does so without.
        unanswered.extend(expression.split_once(FALLBACK).map(|(before, _)| substituted(before)));
    }
    for (selector, label) in variables(&dashboard) {
        unanswered.insert(substituted(&format!("count by ({label}) ({selector})")));
    }
    until("an answer to every query", || {
        runs.iter_mut().for_each(Process::check);
        let mut why = Vec::new();
        unanswered.retain(|query| {
            let answer = prometheus.answer(query);
            answer.inspect_err(|reason| why.push(format!("\n{query}\n    {reason}"))).is_err()
        });
        if unanswered.is_empty() { Ok(()) } else { Err(why.concat()) }
    });
}

/// The query that Grafana would send with all jobs and instances, at one scrape a second.
fn substituted(expression: &str) -> String {
    let query = expression.replace("$__rate_interval", "5s");
    let query = query.replace("$job", ".*").replace("$instance", ".*");
    assert!(!query.contains('$'), "a variable that the dashboard does not have: {query}");
    query
}

/// Waits until `look` finds something, and panics with its last reason if it takes too long.
fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(reason) => assert!(begun.elapsed() < LIMIT, "never came: {what}: {reason}"),
        }
        std::thread::sleep(PAUSE);
    }
}

fn said(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_default()
}

/// A server on a loopback port, ended when dropped.
struct Process {
    name: &'static str,
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Process {
    /// Starts what `command` makes for a free port, and waits until it serves `path`.
    fn start(
        name: &'static str,
        folder: &Path,
        path: &str,
        command: impl Fn(u16) -> Command,
    ) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        let log = folder.join(format!("{name}.log"));
        // Another process may take the port between here and there; hardly three times in a row.
        for _ in 0..3 {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr());
            let port = free.expect("a free port").port();
            let output = || Stdio::from(File::options().append(true).open(&log).expect("the log"));
            File::create(&log).expect("a log");
            let child = command(port).stdout(output()).stderr(output()).spawn().expect(name);
            let mut process = Self { name, child, port, log: log.clone() };
            let serves = until(name, || {
                if process.has_ended() {
                    return Ok(false);
                }
                process.get(path, &[]).map(|_| true)
            });
            if serves {
                return process;
            }
        }
        panic!("{name} ended: {}", said(&log));
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a process of ours").is_some()
    }

    /// Waiting for the work of a process that has died would only hide why.
    fn check(&mut self) {
        assert!(!self.has_ended(), "{} ended: {}", self.name, said(&self.log));
    }

    fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<String, String> {
        let settings = ureq::Agent::config_builder();
        // The body says what is wrong with a query, so a bad status is not yet the end.
        let settings = settings.http_status_as_error(false).proxy(None);
        let settings = settings.timeout_global(Some(REQUEST_LIMIT));
        let agent: ureq::Agent = settings.build().into();
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let request = agent.get(&url).query_pairs(parameters.iter().copied());
        let mut answer = request.call().map_err(|error| format!("{url}: {error}"))?;
        let status = answer.status();
        let body = answer.body_mut().read_to_string().map_err(|error| format!("{url}: {error}"))?;
        if status.is_success() { Ok(body) } else { Err(format!("{url}: {status}: {body}")) }
    }

    /// What Prometheus has to say, without the envelope.
    fn api(&self, what: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let body = self.get(&format!("/api/v1/{what}"), parameters)?;
        let mut answer: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        if answer["status"] == "success" { Ok(answer["data"].take()) } else { Err(body) }
    }

    /// Whether there is at least one number in Prometheus' answer to `query`.
    fn answer(&self, query: &str) -> Result<(), String> {
        let data = self.api("query", &[("query", query)])?;
        let values = list(&data["result"]).iter().map(|series| text(&series["value"][1]));
        let numbers = values.map(|value| value.parse().unwrap_or(f64::NAN));
        if numbers.into_iter().any(|number| !number.is_nan()) {
            Ok(())
        } else {
            Err(format!("no number: {data}"))
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; either way there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
