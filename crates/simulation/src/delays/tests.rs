//! Broadcast under delays, and a scheme that makes every other effect.

use proptest::prelude::*;

use super::*;
use bank::{Money, Outcome};
use replication::passbook::{Effect, Input, Record, Stop};
use replication::{Broadcast, Fanout, Locking};

fn cluster(branches: u32, fanout: Fanout, opening: i64) -> Vec<Started<Broadcast>> {
    let ids = 1..=branches;
    ids.clone()
        .map(|id| {
            let peers = ids.clone().filter(|peer| *peer != id).map(BranchId).collect();
            let id = BranchId(id);
            let replica = Broadcast::new(id, peers, fanout, Money::new(opening));
            Started { id, replica, first: Vec::new() }
        })
        .collect()
}

/// What one shared account answers to the operations in order: the reference model.
pub(super) fn model(opening: i64, operations: impl Iterator<Item = Operation>) -> Vec<(bool, i64)> {
    let mut balance = opening;
    operations
        .map(|operation| {
            let change = match operation {
                Operation::Query => 0,
                Operation::Write(write) => match write.kind {
                    bank::WriteKind::Deposit => write.amount.minor_units(),
                    bank::WriteKind::Withdraw => -write.amount.minor_units(),
                },
            };
            let ok = balance + change >= 0 || change >= 0;
            balance += if ok { change } else { 0 };
            (ok, balance)
        })
        .collect()
}

pub(super) fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        Just(Operation::Query),
        (1..200_i64).prop_map(Operation::deposit),
        (1..200_i64).prop_map(Operation::withdraw),
    ]
}

pub(super) fn workload(branches: u32) -> impl Strategy<Value = Vec<Vec<(BranchId, Operation)>>> {
    let step = ((1..=branches).prop_map(BranchId), operation());
    prop::collection::vec(prop::collection::vec(step, 0..8), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn one_after_another_every_answer_is_the_models_and_replicas_converge(
        (branches, customers) in (1..6_u32).prop_flat_map(|n| (Just(n), workload(n))),
        seed: u64,
        sequential: bool,
        opening in 0..300_i64,
    ) {
        let fanout = if sequential { Fanout::Sequential } else { Fanout::Parallel };
        let plan = Plan {
            seed,
            customers: customers.clone(),
            order: Order::OneAfterAnother,
            ack: Ack::All,
            delay_max: Duration::from_millis(20),
        };
        let ran = run(&plan, cluster(branches, fanout, opening));
        let expected = model(opening, customers.iter().flatten().map(|(_, operation)| *operation));
        let answers: Vec<(bool, i64)> = ran
            .answers
            .iter()
            .flatten()
            .map(|answer| {
                let balance = answer.balance.expect("carried").minor_units();
                (answer.outcome == Outcome::Ok, balance)
            })
            .collect();
        prop_assert_eq!(&answers, &expected);
        let last = expected.last().map_or(opening, |(_, balance)| *balance);
        for audit in &ran.audits {
            prop_assert_eq!(audit.balance, Money::new(last));
            prop_assert_eq!(audit.outstanding, 0);
            prop_assert!(!audit.lowest_balance.is_negative());
        }
    }

    #[test]
    fn under_concurrency_replicas_still_converge_and_no_money_is_lost(
        (branches, customers) in (1..6_u32).prop_flat_map(|n| (Just(n), workload(n))),
        seed: u64,
        ack in prop::sample::select(Ack::ALL),
    ) {
        let plan = Plan {
            seed,
            customers: customers.clone(),
            order: Order::Concurrent,
            ack,
            delay_max: Duration::from_millis(20),
        };
        let ran = run(&plan, cluster(branches, Fanout::Parallel, 100));
        let moved: i64 = customers
            .iter()
            .flatten()
            .zip(ran.answers.iter().flatten())
            .filter(|(_, answer)| answer.outcome == Outcome::Ok)
            .map(|((_, operation), _)| model(1_000_000, std::iter::once(*operation))[0].1 - 1_000_000)
            .sum();
        for audit in &ran.audits {
            prop_assert_eq!(audit.balance, Money::new(100 + moved));
        }
    }
}

#[test]
fn the_lock_never_deadlocks_under_concurrency() {
    for seed in 0..200 {
        let customers = (0..12).map(|customer| {
            let branch = |step: u32| BranchId((customer + step) % 3 + 1);
            let steps = (0..6).map(|step| match step % 3 {
                0 => (branch(step), Operation::deposit(5)),
                1 => (branch(step), Operation::Query),
                _ => (branch(step), Operation::withdraw(3)),
            });
            steps.collect()
        });
        let plan = Plan {
            seed,
            customers: customers.collect(),
            order: Order::Concurrent,
            ack: Ack::All,
            delay_max: Duration::from_millis(20),
        };
        let locked = cluster(3, Fanout::Parallel, 100).into_iter().map(|started| {
            let replica = started.replica.with_locking(Locking::UntilPropagated);
            Started { replica, ..started }
        });
        let ran = run(&plan, locked.collect());
        assert!(ran.answers.iter().all(|answers| answers.len() == 6), "seed {seed}");
        let end = Money::new(100 + 12 * (2 * 5 - 2 * 3));
        assert!(ran.audits.iter().all(|audit| audit.balance == end), "seed {seed}");
    }
}

fn race_for_the_last_money(seed: u64) -> Ran {
    let customers = (1..=3).map(|branch| vec![(BranchId(branch), Operation::withdraw(100))]);
    let plan = Plan {
        seed,
        customers: customers.collect(),
        order: Order::Concurrent,
        ack: Ack::All,
        delay_max: Duration::from_millis(20),
    };
    run(&plan, cluster(3, Fanout::Parallel, 100))
}

#[test]
fn concurrency_near_zero_overdraws_and_the_audit_shows_it() {
    let overdrawn = (0..100)
        .filter(|seed| {
            let ran = race_for_the_last_money(*seed);
            ran.audits.iter().any(|audit| audit.lowest_balance.is_negative())
        })
        .count();
    assert!(overdrawn > 50, "only {overdrawn} of 100 seeds overdrew");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(race_for_the_last_money(5), race_for_the_last_money(5));
    assert!((0..50).any(|seed| race_for_the_last_money(seed) != race_for_the_last_money(5)));
}

const TICK: Duration = Duration::from_millis(10);

/// Answers on the first tick after all requests are on disk, and ticks for ever.
#[derive(Default)]
struct Ticking {
    peers: usize,
    asked: Vec<Ticket>,
    written: u64,
    durable: u64,
}

impl Replication for Ticking {
    type Input = Input;
    type Effect = Effect;

    fn on(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::PeerUp { .. } => self.peers += 1,
            Input::Submit { ticket, .. } => {
                assert_eq!(self.peers, 2, "connected before anything is asked");
                self.asked.push(ticket);
                self.written += 1;
                let record = Record::Received { rows: Vec::new() };
                effects.push(Effect::Persist { record });
            }
            Input::Persisted { upto } => {
                assert!((self.durable + 1..=self.written).contains(&upto));
                self.durable = upto;
            }
            Input::Tick => {
                assert_eq!(now.0.as_nanos() % TICK.as_nanos(), 0);
                effects.push(Effect::WakeAt(now.after(TICK)));
                if self.durable == self.written {
                    let answer = Answer { outcome: Outcome::Ok, balance: None };
                    let reply = |ticket| Effect::Reply { ticket, answer, receipt: None };
                    effects.extend(self.asked.drain(..).map(reply));
                }
            }
            other => panic!("nobody gives it {other:?}"),
        }
    }

    fn settle(&mut self, _now: Instant, effects: &mut Vec<Effect>) {
        if self.written > 5 {
            effects.push(Effect::Stop(Stop::OtherLog { peer: BranchId(1) }));
        }
    }

    fn stats(&self) -> ReplicaStats {
        ReplicaStats {
            balance: Money::ZERO,
            lowest_balance: Money::ZERO,
            accepted: self.durable,
            applied: 0,
            outstanding: 0,
            undelivered: 0,
        }
    }

    fn name(&self) -> &'static str {
        "ticking"
    }
}

/// Three ticking branches, each asked by two customers, `events` times by each.
fn run_ticking(events: usize, order: Order) -> Ran {
    let ids = [1, 2, 3].map(BranchId);
    let started = ids.map(|id| {
        let first = vec![Effect::WakeAt(Instant(TICK))];
        Started { id, replica: Ticking::default(), first }
    });
    let customers = ids.into_iter().chain(ids).map(|id| vec![(id, Operation::Query); events]);
    let plan = Plan {
        seed: 1,
        customers: customers.collect(),
        order,
        ack: Ack::All,
        delay_max: Duration::from_millis(20),
    };
    run(&plan, started.into())
}

#[test]
fn a_scheme_with_a_journal_and_a_timer_is_served_and_comes_to_rest() {
    for order in [Order::OneAfterAnother, Order::Concurrent] {
        let ran = run_ticking(2, order);
        assert!(ran.answers.iter().all(|answers| answers.len() == 2), "{:?}", ran.answers);
        assert!(ran.audits.iter().all(|audit| audit.accepted == 4), "{:?}", ran.audits);
    }
}

#[test]
#[should_panic(expected = "stopped: amnesia")]
fn a_branch_that_stops_is_a_mistake() {
    run_ticking(3, Order::Concurrent);
}
