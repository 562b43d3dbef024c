//! Banks with a fault under concurrent load: the gate fails the run and names the fault. The same bank without it
//! passes.

mod support;

use std::sync::Arc;

use bank::{Answer, BranchId, Money, Operation, Outcome, Rejection, WriteKind};
use check::{Finding, Property, Verdict};
use loadgen::scenario::{ClusterChoice, Mix, Scenario, Share, Stop, Synthetic, Wire, Workload};
use loadgen::{ExitCode, RunReport};
use passbook::cluster::MakeReplica;
use replication::broadcast::{Effect, Input, Message};
use replication::{Broadcast, Fanout, Instant, Locking, Replica, Replication, Scheme};
use support::run_with;
use testkit::forwarding::{ForwardingReplica, ReplicaFault};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Refuses every withdrawal.
    RefusesWithdrawals,
    /// Accepts every withdrawal. Those beyond the balance change nothing.
    PaysBeyondBalance,
    /// Acknowledges the first propagated write at branch 2, and does not apply it.
    LosesPropagation,
    /// Applies the first propagated write at branch 2 twice.
    DoublesPropagation,
}

struct Dishonest {
    fault: Fault,
    /// Whether a single fault is still to come.
    is_due: bool,
}

impl ReplicaFault<Broadcast> for Dishonest {
    fn on(
        &mut self,
        replica: &mut Broadcast,
        now: Instant,
        input: Input,
        effects: &mut Vec<Effect>,
    ) {
        let balance = replica.stats().balance;
        let withdrawal = match &input {
            Input::Submit { ticket, request } => match request.operation {
                Operation::Write(write) if write.kind == WriteKind::Withdraw => {
                    Some((*ticket, write.amount))
                }
                _ => None,
            },
            _ => None,
        };
        let outcome = match (self.fault, withdrawal) {
            (Fault::RefusesWithdrawals, Some(_)) => {
                Some(Outcome::Rejected(Rejection::InsufficientFunds))
            }
            (Fault::PaysBeyondBalance, Some((_, amount))) if amount > balance => Some(Outcome::Ok),
            _ => None,
        };
        if let (Some((ticket, _)), Some(outcome)) = (withdrawal, outcome) {
            let answer = Answer { outcome, balance: Some(balance) };
            effects.push(Effect::Reply { ticket, answer });
            return;
        }
        if let Input::Peer { from, message: Message::Propagate { id, .. } } = &input
            && matches!(self.fault, Fault::LosesPropagation | Fault::DoublesPropagation)
            && std::mem::take(&mut self.is_due)
        {
            if self.fault == Fault::LosesPropagation {
                let message = Message::Propagated { id: *id, applied: true };
                effects.push(Effect::Send { to: *from, message });
                return;
            }
            let mut unsent = Vec::new();
            replica.on(now, input.clone(), &mut unsent);
        }
        replica.on(now, input, effects);
    }
}

/// Ten customers over `wire`, at `branches` branches; the fault is branch 2's, or that of the only one.
fn run(fault: Fault, wire: Wire, branches: u32, opening: i64, mix: [u32; 3]) -> RunReport {
    let [deposit, withdraw, query] = mix;
    let synthetic = Synthetic {
        customers: 10,
        branches,
        stop: Stop::Events(20),
        mix: Mix { deposit, withdraw, query },
        roam: Share::NONE,
        opening: Some(opening),
        ..Synthetic::default()
    };
    let scheme = Scheme::Broadcast { fanout: Fanout::Parallel, locking: Locking::Unlocked };
    let workload = Workload::Synthetic(synthetic);
    let scenario = Scenario { wire, ..Scenario::new(workload, ClusterChoice::Embedded(scheme)) };
    let replica: MakeReplica = Arc::new(move |id, peers| {
        let is_faulty = id == BranchId(2) || branches == 1;
        let fault = if is_faulty { fault } else { Fault::None };
        Replica::Broadcast(Box::new(ForwardingReplica {
            replica: Broadcast::new(id, peers, Fanout::Parallel, Money::new(opening)),
            fault: Dishonest { fault, is_due: true },
        }))
    });
    run_with(&scenario, replica)
}

fn finding(report: &RunReport, property: Property) -> &Finding {
    let check = report.checks().iter().find(|check| check.finding.property == property);
    &check.expect("judged").finding
}

const USUAL: [u32; 3] = [40, 30, 30];

#[test]
fn bank_without_a_fault_passes() {
    for wire in [Wire::Passbook, Wire::Bank] {
        let report = run(Fault::None, wire, 2, 1_000_000, USUAL);
        assert_eq!(report.exit_code(), ExitCode::Passed, "{}", report.render());
    }
    let report = run(Fault::None, Wire::Bank, 1, 100, [20, 60, 20]);
    assert_eq!(report.exit_code(), ExitCode::Passed, "{}", report.render());
}

#[test]
fn refusals_although_there_is_money_fail_balance_bounds() {
    for wire in [Wire::Passbook, Wire::Bank] {
        let report = run(Fault::RefusesWithdrawals, wire, 2, 1_000_000, USUAL);
        assert_eq!(report.exit_code(), ExitCode::Failed, "{}", report.render());
        let bounds = finding(&report, Property::BalanceBounds);
        let story = &bounds.violations[0].description;
        assert!(story.contains("was refused, but there was"), "{story}");
    }
}

#[test]
fn bank_that_pays_out_what_it_has_not_fails_overdraft() {
    let report = run(Fault::PaysBeyondBalance, Wire::Bank, 1, 100, [20, 60, 20]);
    assert_eq!(report.exit_code(), ExitCode::Failed, "{}", report.render());
    let overdraft = finding(&report, Property::Overdraft);
    assert_eq!(overdraft.verdict, Verdict::Fail, "{overdraft:?}");
    let violation = &overdraft.violations[0];
    assert!(violation.description.contains("too much"), "{violation:?}");
    assert!(!violation.operations.is_empty(), "{violation:?}");
}

#[test]
fn lost_and_doubled_propagations_name_a_write() {
    for (fault, words) in [
        (Fault::LosesPropagation, "never reached branch 2"),
        (Fault::DoublesPropagation, "was applied twice at branch 2"),
    ] {
        for wire in [Wire::Passbook, Wire::Bank] {
            let report = run(fault, wire, 2, 1_000_000, USUAL);
            assert_eq!(report.exit_code(), ExitCode::Failed, "{}", report.render());
            let violation = &finding(&report, Property::Conservation).violations[0];
            assert!(violation.description.starts_with("branch 2 holds "), "{violation:?}");
            assert!(violation.description.contains(words), "{violation:?}");
            assert!(!violation.operations.is_empty(), "{violation:?}");
        }
    }
}
