//! A bank that does not do what it is asked never passes: it fails where the run started it, and is unknown elsewhere.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bank::{Answer, BranchId, Money, Operation, Outcome, Rejection};
use check::{Judged, Property, Verdict};
use loadgen::load::Phase;
use loadgen::record::judge::judge_folder;
use loadgen::scenario::{ClusterChoice, Scenario, Stop, Synthetic, Workload};
use loadgen::{ExitCode, Hooks, Interrupt, RunReport};
use passbook::cluster::{Cluster, ClusterSpec, MakeReplica};
use replication::broadcast::{Effect, Input};
use replication::{Broadcast, Fanout, Instant, Locking, Replica, Replication, Scheme};
use support::{code, folder, json, run, run_with, stderr, stdout, write};
use testkit::forwarding::{ForwardingReplica, ReplicaFault};

const OPENING: i64 = 1_000_000;
const BROADCAST: Scheme =
    Scheme::Broadcast { fanout: Fanout::Parallel, locking: Locking::Unlocked };

/// What a branch does with a customer's operation instead of carrying it out.
#[derive(Clone, Copy)]
enum Fault {
    /// Answers nothing.
    Silent,
    /// Answers queries only.
    IgnoresWrites,
    /// Rejects every write.
    RejectsWrites(Rejection),
    /// Rejects one write in so many.
    RejectsOneIn(u64),
}

struct Unwilling {
    fault: Fault,
    writes: u64,
}

impl ReplicaFault<Broadcast> for Unwilling {
    fn on(
        &mut self,
        replica: &mut Broadcast,
        now: Instant,
        input: Input,
        effects: &mut Vec<Effect>,
    ) {
        if let Input::Submit { ticket, request } = &input {
            let is_write = request.operation != Operation::Query;
            self.writes += u64::from(is_write);
            let rejection = match self.fault {
                Fault::Silent => return,
                Fault::IgnoresWrites if is_write => return,
                Fault::RejectsWrites(rejection) if is_write => Some(rejection),
                Fault::RejectsOneIn(count) if is_write && self.writes.is_multiple_of(count) => {
                    Some(Rejection::Overloaded)
                }
                Fault::IgnoresWrites | Fault::RejectsWrites(_) | Fault::RejectsOneIn(_) => None,
            };
            if let Some(rejection) = rejection {
                let answer = Answer { outcome: Outcome::Rejected(rejection), balance: None };
                effects.push(Effect::Reply { ticket: *ticket, answer });
                return;
            }
        }
        replica.on(now, input, effects);
    }
}

fn faulty(fault: Fault) -> MakeReplica {
    Arc::new(move |id, peers| {
        let replica = Broadcast::new(id, peers, Fanout::Parallel, Money::new(OPENING));
        let fault = Unwilling { fault, writes: 0 };
        Replica::Broadcast(Box::new(ForwardingReplica { replica, fault }))
    })
}

/// Ten customers on two branches that are started for the run.
fn scenario() -> Scenario {
    let synthetic = Synthetic {
        customers: 10,
        branches: 2,
        stop: Stop::Events(10),
        opening: Some(OPENING),
        ..Synthetic::default()
    };
    Scenario::new(Workload::Synthetic(synthetic), ClusterChoice::Embedded(BROADCAST))
}

/// A run on branches of its own, which have a fault.
fn embedded(fault: Fault, change: impl FnOnce(&mut Scenario)) -> RunReport {
    let mut scenario = scenario();
    change(&mut scenario);
    run_with(&scenario, faulty(fault))
}

fn finding(checks: &[Judged], property: Property) -> &check::Finding {
    let check = checks.iter().find(|check| check.finding.property == property);
    &check.expect("every property is in the report").finding
}

/// A run on branches that were there before, which have a fault.
fn running(fault: Fault, arguments: &[&str]) -> (i32, String) {
    let ids = vec![BranchId(1), BranchId(2)];
    let spec = ClusterSpec {
        replica: faulty(fault),
        ..ClusterSpec::new(ids, Money::new(OPENING), BROADCAST)
    };
    let cluster = Cluster::start(&spec).expect("started");
    let addresses = cluster.addresses().iter().map(|(_, address)| address.to_string());
    let target = addresses.collect::<Vec<_>>().join(",");
    let home = folder();
    let own = ["--customers", "10", "--events", "10", "--target", &target];
    let ran = run(&home, &[&own[..], arguments].concat());
    cluster.end().expect("ended well");
    (code(&ran), format!("{}{}", stdout(&ran), stderr(&ran)))
}

#[test]
fn own_branches_that_answer_nothing_fail() {
    let home = folder();
    let out = home.path().join("run");
    let report = embedded(Fault::Silent, |scenario| {
        scenario.timeout = Duration::from_millis(50);
        scenario.out = Some(out.clone());
    });
    let text = report.render();
    assert_eq!(report.exit_code(), ExitCode::Failed, "{text}");
    let availability = finding(report.checks(), Property::Availability);
    assert_eq!(availability.verdict, Verdict::Fail);
    assert!(availability.violations.iter().all(|found| !found.operations.is_empty()));
    assert!(text.contains("failed or were not answered"), "{text}");
    assert_eq!(finding(report.checks(), Property::OutputFile).verdict, Verdict::NotJudged);
    let again = judge_folder(&out).expect("a recorded run");
    assert_eq!((again.verdict(), &again.checks[..]), (Verdict::Fail, report.checks()));
}

#[test]
fn operations_given_up_by_a_signal_do_not_fail_own_branches() {
    let interrupt = Interrupt::default();
    let hooks = Hooks {
        progress: &mut |progress| {
            // The first look may be earlier than the first operation.
            let is_at_work = progress.load.elapsed >= Duration::from_millis(200);
            if progress.phase == Phase::Measure && is_at_work && !interrupt.is_raised() {
                interrupt.raise();
                interrupt.raise();
            }
        },
        interrupt: interrupt.clone(),
        metrics: None,
        tracing: None,
        replica: Some(faulty(Fault::IgnoresWrites)),
    };
    let report = loadgen::run(&scenario(), hooks).expect("a run");
    assert_eq!(report.exit_code(), ExitCode::Unknown, "{}", report.render());
    let availability = finding(report.checks(), Property::Availability);
    assert_eq!(availability.verdict, Verdict::Unknown, "{availability:?}");
    assert!(
        availability.note.ends_with("the run was ended before its last operations were answered")
    );
}

#[test]
fn own_branches_that_reject_every_write_fail() {
    for rejection in [Rejection::Contended, Rejection::Overloaded, Rejection::BadRequest] {
        let report = embedded(Fault::RejectsWrites(rejection), |_| {});
        let text = report.render();
        assert_eq!(report.exit_code(), ExitCode::Failed, "{text}");
        let availability = finding(report.checks(), Property::Availability);
        let told = &availability.violations[0].description;
        assert!(told.contains("deposits failed or were not answered"), "{told}");
        assert!(told.contains(rejection.name()), "{told}");
    }
}

#[test]
fn a_share_of_failures_is_held_to_its_limit() {
    let with = |share: &str| {
        let share = share.parse().expect("a share");
        let report = embedded(Fault::RejectsOneIn(5), |scenario| scenario.max_error_share = share);
        (report.exit_code(), finding(report.checks(), Property::Availability).verdict)
    };
    assert_eq!(with("1%"), (ExitCode::Failed, Verdict::Fail));
    assert_eq!(with("0.2"), (ExitCode::Passed, Verdict::Pass));
    assert_eq!(with("100%"), (ExitCode::Passed, Verdict::NotJudged));
}

#[test]
fn running_branches_that_reject_every_write_are_unknown() {
    let overloaded = Fault::RejectsWrites(Rejection::Overloaded);
    for wire in ["passbook", "bank", "bankservice"] {
        let (code, report) = running(overloaded, &["--wire", wire]);
        assert_eq!(code, 5, "{report}");
        assert!(report.contains("  UNKNOWN     availability        promised  "), "{report}");
        let words = report.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("the branches were not started by this run"), "{report}");
        let (code, report) = running(overloaded, &["--wire", wire, "--max-error-share", "100%"]);
        assert_eq!(code, 0, "{report}");
    }
    let (code, report) = running(Fault::RejectsOneIn(u64::MAX), &["--wire", "bank"]);
    assert_eq!(code, 0, "{report}");
}

#[test]
fn rejected_writes_are_unknown_if_all_may_fail() {
    let overloaded = Fault::RejectsWrites(Rejection::Overloaded);
    let lenient = ["--wire", "bank", "--mix", "50:50:0", "--max-error-share", "100%"];
    let (code, report) = running(overloaded, &lenient);
    assert_eq!(code, 5, "{report}");
    let missing = "nothing was judged but output.json, which is no evidence about the bank";
    assert!(report.contains(missing), "{report}");
}

#[test]
fn an_unknown_replication_is_shown_without_its_options() {
    let (_, report) = running(Fault::RejectsOneIn(u64::MAX), &["--wire", "bank"]);
    assert!(report.contains("unknown replication, wire bank"), "{report}");
    assert!(!report.contains("ack all"), "{report}");
    assert!(report.contains("  not judged over this wire: value, durability, "), "{report}");
    assert!(!report.contains("there is no ledger"), "{report}");
    let (_, report) = running(Fault::RejectsOneIn(u64::MAX), &[]);
    assert!(report.contains("broadcast, ack all"), "{report}");
}

#[test]
fn a_replay_without_events_is_unknown() {
    let home = folder();
    let input = r#"[{"id": 1, "type": "customer", "events": []}, {"id": 1, "type": "branch", "balance": 5},
        {"id": 2, "type": "branch", "balance": 5}]"#;
    write(&home, "input.json", input);
    for order in ["sequential", "concurrent"] {
        let ran = run(&home, &["replay", "input.json", "--order", order, "--out", "run"]);
        let report = stdout(&ran);
        assert_eq!(code(&ran), 5, "{report}{}", stderr(&ran));
        assert!(report.contains("nothing was judged: no operation was sent"), "{report}");
        let summary = json(&home.path().join("run/summary.json"));
        assert_eq!(summary["verdict"], "unknown");
        let checks = summary["checks"].as_array().expect("checks");
        assert!(checks.iter().all(|check| check["verdict"] == "not judged"), "{checks:?}");
        let again = run(&home, &["check", "run"]);
        assert_eq!(code(&again), 5, "{}", stdout(&again));
        assert!(stdout(&again).contains("nothing was judged: no operation was sent"));
    }
}

#[test]
fn a_run_without_an_answer_is_not_merely_unchecked() {
    let report = embedded(Fault::Silent, |scenario| {
        scenario.timeout = Duration::from_millis(50);
        scenario.recording = loadgen::scenario::Recording::Nothing;
        scenario.unchecked_ok = true;
    });
    assert_eq!(report.exit_code(), ExitCode::Unknown, "{}", report.render());
}
