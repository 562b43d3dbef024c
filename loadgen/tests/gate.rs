//! A bank that is wrong must fail, and its output must show what customers really saw.

mod support;

use std::path::Path;
use std::sync::Arc;

use bank::{BranchId, Money, Write, WriteKind};
use check::{Property, Verdict};
use exercise::Input;
use loadgen::scenario::{ClusterChoice, Replay, ReplayOrder, Scenario, Style, Workload};
use loadgen::{ExitCode, RunReport};
use passbook::cluster::MakeReplica;
use replication::broadcast::{Effect, Input as Event, Message};
use replication::{Broadcast, Fanout, Instant, Locking, Replica, Replication, Scheme};
use support::{EXERCISE, folder, json, run_with};
use testkit::forwarding::{ForwardingReplica, ReplicaFault};

/// Applies what peers propagate with the wrong sign.
struct WrongSign;

impl ReplicaFault<Broadcast> for WrongSign {
    fn on(
        &mut self,
        replica: &mut Broadcast,
        now: Instant,
        input: Event,
        effects: &mut Vec<Effect>,
    ) {
        let input = match input {
            Event::Peer { from, message: Message::Propagate { id, write, deadline } } => {
                let kind = match write.kind {
                    WriteKind::Deposit => WriteKind::Withdraw,
                    WriteKind::Withdraw => WriteKind::Deposit,
                };
                let write = Write { kind, ..write };
                Event::Peer { from, message: Message::Propagate { id, write, deadline } }
            }
            other => other,
        };
        replica.on(now, input, effects);
    }
}

fn replay(output: &Path, wrong: Option<BranchId>) -> RunReport {
    let input = Input::parse(Path::new("exercise"), EXERCISE.as_bytes()).expect("valid").0;
    let opening = input.opening;
    let replay = Replay {
        path: "exercise".into(),
        input,
        output: Some(output.to_owned()),
        order: ReplayOrder::Sequential,
        style: Style::Auto,
    };
    let cluster = ClusterChoice::Embedded(Scheme::Broadcast {
        fanout: Fanout::Parallel,
        locking: Locking::Unlocked,
    });
    let scenario = Scenario::new(Workload::Replay(replay), cluster);
    let replica: MakeReplica = Arc::new(move |id, peers| {
        let replica = Broadcast::new(id, peers, Fanout::Parallel, opening);
        if Some(id) == wrong {
            Replica::Broadcast(Box::new(ForwardingReplica { replica, fault: WrongSign }))
        } else {
            Replica::Broadcast(Box::new(replica))
        }
    });
    run_with(&scenario, replica)
}

#[test]
fn one_branch_with_the_wrong_sign_fails_the_replay_and_shows_in_the_output() {
    let home = folder();
    let output = home.path().join("output.json");
    let report = replay(&output, Some(BranchId(3)));
    assert_eq!(report.exit_code(), ExitCode::Failed);
    let failed: Vec<Property> = report
        .checks()
        .iter()
        .filter(|check| check.finding.verdict == Verdict::Fail)
        .map(|check| check.finding.property)
        .collect();
    assert!(failed.contains(&Property::Sequential), "{failed:?}");
    assert!(failed.contains(&Property::Convergence), "{failed:?}");
    assert!(failed.contains(&Property::Conservation), "{failed:?}");
    // Branch 3 took 170 away when 170 was deposited at branch 2; then 70 was withdrawn there.
    assert_eq!(json(&output)[2]["recv"][1]["balance"], Money::new(160).minor_units());
    let text = report.render();
    assert!(text.contains("customer 3") && text.contains("expected 500, received 160"), "{text}");
}

#[test]
fn the_same_branches_without_the_mistake_pass() {
    let home = folder();
    let report = replay(&home.path().join("output.json"), None);
    assert_eq!(report.exit_code(), ExitCode::Passed, "{}", report.render());
}
