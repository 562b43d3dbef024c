//! Banks with a mistake, under load: the gate must fail the run and name the property that is broken. Beside each
//! stands the same bank without the mistake, which must pass. Needs the feature `mutants`.

mod support;

use std::sync::Arc;

use bank::Ack;
use bank::{BranchId, Money, Outcome};
use check::{Property, Verdict};
use loadgen::scenario::{ClusterChoice, Mix, Scenario, Share, Stop, Synthetic, Workload};
use loadgen::{ExitCode, RunReport};
use passbook::cluster::MakeReplica;
use replication::passbook::{Effect, Input, Message, Mutant, Passbook, Settings, Timing};
use replication::{Instant, Replica, Replication, Scheme};
use support::run_with;
use testkit::forwarding::{ForwardingReplica, ReplicaFault};

/// A branch whose words do not all arrive. That alone must break nothing.
struct Unreliable {
    trouble: Trouble,
    replies: u64,
}

#[derive(Clone, Copy)]
enum Trouble {
    None,
    /// Every tenth answer that a write happened is lost: its customer asks again.
    LosesAnswers,
    /// Pushes to this branch are lost.
    LosesPushesTo(BranchId),
}

impl Unreliable {
    /// Of the effects from `first` on.
    fn lose_some(&mut self, effects: &mut Vec<Effect>, first: usize) {
        let mut new = effects.split_off(first);
        new.retain_mut(|effect| self.arrives(effect));
        effects.append(&mut new);
    }

    fn arrives(&mut self, effect: &mut Effect) -> bool {
        match (self.trouble, effect) {
            (Trouble::LosesAnswers, Effect::Reply { answer, receipt, .. })
                if answer.outcome == Outcome::Ok
                    && receipt.as_ref().is_some_and(|receipt| receipt.seq.is_some()) =>
            {
                self.replies += 1;
                if self.replies.is_multiple_of(10) {
                    answer.outcome = Outcome::Unknown;
                    *receipt = None;
                }
                true
            }
            (
                Trouble::LosesPushesTo(branch),
                Effect::Send { to, message: Message::Push { .. } },
            ) => *to != branch,
            _ => true,
        }
    }
}

impl ReplicaFault<Passbook> for Unreliable {
    fn on(
        &mut self,
        replica: &mut Passbook,
        now: Instant,
        input: Input,
        effects: &mut Vec<Effect>,
    ) {
        let before = effects.len();
        replica.on(now, input, effects);
        self.lose_some(effects, before);
    }

    fn settle(&mut self, replica: &mut Passbook, now: Instant, effects: &mut Vec<Effect>) {
        let before = effects.len();
        replica.settle(now, effects);
        self.lose_some(effects, before);
    }
}

/// A workload in which a mistake shows.
#[derive(Clone, Copy)]
struct Load {
    opening: i64,
    mix: [u32; 3],
    ack: Ack,
    roam: f64,
    trouble: Trouble,
}

const USUAL: Load =
    Load { opening: 100_000, mix: [40, 30, 30], ack: Ack::All, roam: 1.0, trouble: Trouble::None };

fn run(load: Load, mutant: Option<Mutant>, seed: u64) -> RunReport {
    let Load { opening, mix: [deposit, withdraw, query], ack, roam, trouble } = load;
    let synthetic = Synthetic {
        customers: 50,
        branches: 3,
        stop: Stop::Events(40),
        mix: Mix { deposit, withdraw, query },
        roam: Share::new(roam).expect("a share"),
        opening: Some(opening),
        seed,
        ..Synthetic::default()
    };
    let workload = Workload::Synthetic(synthetic);
    let cluster = ClusterChoice::Embedded(Scheme::Passbook);
    let scenario = Scenario { ack, ..Scenario::new(workload, cluster) };
    let replica: MakeReplica = Arc::new(move |me, peers| {
        let mut branches = peers;
        branches.push(me);
        let life = u64::from(me.0) + 1_000 * seed;
        let settings = Settings {
            timing: Timing::on_streams(),
            mutant,
            ..Settings::in_memory(me, &branches, Money::new(opening), life)
        };
        let replica = Passbook::in_memory(settings);
        let fault = Unreliable { trouble, replies: 0 };
        Replica::Passbook(Box::new(ForwardingReplica { replica, fault }))
    });
    run_with(&scenario, replica)
}

/// Three runs each, with other customers in each.
fn is_caught(load: Load, mutant: Mutant, by: &[Property]) {
    for seed in 1..=3 {
        let report = run(load, Some(mutant), seed);
        assert_eq!(report.exit_code(), ExitCode::Failed, "{}", report.render());
        let failed: Vec<Property> = report
            .checks()
            .iter()
            .filter(|check| check.promised && check.finding.verdict == Verdict::Fail)
            .map(|check| check.finding.property)
            .collect();
        let named = by.iter().all(|property| failed.contains(property));
        assert!(named, "expected {by:?}, found {failed:?}\n{}", report.render());
    }
}

fn passes(load: Load) {
    let report = run(load, None, 1);
    assert_eq!(report.exit_code(), ExitCode::Passed, "{}", report.render());
}

#[test]
fn a_swapped_sign_is_a_value_that_is_not_that_of_its_writes() {
    is_caught(USUAL, Mutant::SwappedSign, &[Property::Value]);
    passes(USUAL);
}

#[test]
fn a_retry_that_is_applied_twice_breaks_conservation() {
    let load = Load { trouble: Trouble::LosesAnswers, ..USUAL };
    is_caught(load, Mutant::ApplyRetryTwice, &[Property::Conservation]);
    passes(load);
}

#[test]
fn a_dropped_push_keeps_branches_apart() {
    // Customers stay at home: who came to the branch that lacks it would wait in vain.
    let load = Load { trouble: Trouble::LosesPushesTo(BranchId(2)), roam: 0.0, ..USUAL };
    is_caught(load, Mutant::DropPush, &[Property::Convergence, Property::Conservation]);
    let report = run(load, Some(Mutant::DropPush), 1);
    let stories = report.checks().iter().flat_map(|check| &check.finding.violations);
    let mut lacking =
        stories.filter(|violation| violation.description.contains("never reached it"));
    let named = lacking.next().map(|violation| violation.operations.len());
    assert_eq!(named, Some(1), "{}", report.render());
}

#[test]
fn a_token_that_is_ignored_on_reads_breaks_monotonic_reads() {
    let load = Load { ack: Ack::Local, ..USUAL };
    let broken = [Property::ReadYourWrites, Property::MonotonicReads];
    is_caught(load, Mutant::IgnoreTokenOnReads, &broken);
    passes(load);
}

#[test]
fn a_token_that_is_ignored_on_writes_breaks_the_order_of_writes() {
    let load = Load { ack: Ack::Local, ..USUAL };
    let broken = [Property::MonotonicWrites, Property::WritesFollowReads];
    is_caught(load, Mutant::IgnoreTokenOnWrites, &broken);
}

#[test]
fn a_grant_that_is_not_debited_is_an_overdraft() {
    let load = Load { opening: 300, mix: [10, 90, 0], ..USUAL };
    is_caught(load, Mutant::GrantWithoutDebiting, &[Property::Overdraft]);
    passes(load);
}
