//! Healthy banks pass, whatever is asked of them within their promises: the gate raises no false alarm.
//!
//! `PASSBOOK_HEALTHY_RUNS` says how many runs there are; every one of them is another setting or another seed.

use bank::{Ack, Read};
use loadgen::scenario::{ClusterChoice, Mix, Scenario, Share, Stop, Synthetic, Workload};
use loadgen::{ExitCode, Hooks, Interrupt};
use replication::{Fanout, Locking, Scheme};

const RUNS: usize = 36;

/// Who asks what of whom.
fn settings() -> impl Iterator<Item = Scenario> {
    // The last number is that of branches: alone, few, and so many that there is a hub.
    let passbook = [1, 3, 9].map(|branches| (Scheme::Passbook, branches));
    let parallel = Scheme::Broadcast { fanout: Fanout::Parallel, locking: Locking::Unlocked };
    let locked =
        Scheme::Broadcast { fanout: Fanout::Sequential, locking: Locking::UntilPropagated };
    let schemes = passbook.into_iter().chain([(parallel, 3), (locked, 2)]);
    let with_reads = schemes.flat_map(|(scheme, branches)| {
        let reads = if scheme == Scheme::Passbook { Read::ALL } else { &[Read::Session] };
        reads.iter().map(move |read| (scheme, branches, *read))
    });
    let with_acks = with_reads.flat_map(|(scheme, branches, read)| {
        Ack::ALL.iter().map(move |ack| (scheme, branches, read, *ack))
    });
    with_acks.flat_map(|(scheme, branches, read, ack)| {
        // Broadcast promises nothing near zero.
        let near_zero = scheme == Scheme::Passbook;
        let openings = if near_zero { &[100_000, 60][..] } else { &[100_000] };
        openings.iter().flat_map(move |opening| {
            [30, 1].map(|customers| {
                scenario(
                    scheme,
                    (ack, read),
                    Synthetic {
                        customers,
                        branches,
                        stop: Stop::Events(if customers == 1 { 60 } else { 20 }),
                        mix: Mix { deposit: 30, withdraw: 40, query: 30 },
                        roam: Share::new(0.5).expect("a share"),
                        opening: Some(*opening),
                        ..Synthetic::default()
                    },
                )
            })
        })
    })
}

fn scenario(scheme: Scheme, (ack, read): (Ack, Read), synthetic: Synthetic) -> Scenario {
    let workload = Workload::Synthetic(synthetic);
    Scenario { ack, read, ..Scenario::new(workload, ClusterChoice::Embedded(scheme)) }
}

#[test]
fn no_healthy_run_alarms() {
    let runs = std::env::var("PASSBOOK_HEALTHY_RUNS").ok().map(|runs| runs.parse());
    let runs = runs.transpose().expect("a number").unwrap_or(RUNS);
    let all: Vec<Scenario> = settings().collect();
    // Neighbours are alike: fewer runs than settings are spread over them.
    let stride = (all.len() / runs.max(1)).max(1) | 1;
    for number in 0..runs {
        let mut scenario = all[number * stride % all.len()].clone();
        if let Workload::Synthetic(synthetic) = &mut scenario.workload {
            synthetic.seed = u64::try_from(number).expect("small");
        }
        let hooks = Hooks {
            progress: &mut |_| {},
            interrupt: Interrupt::default(),
            metrics: None,
            tracing: None,
            replica: None,
        };
        let report = loadgen::run(&scenario, hooks).expect("a run");
        let told = || format!("run {number}: {scenario:?}\n{}", report.render());
        assert_eq!(report.exit_code(), ExitCode::Passed, "{}", told());
    }
}
