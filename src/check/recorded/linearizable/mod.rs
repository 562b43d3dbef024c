//! Everything happened as if one after another, each between its question and its answer.

mod chain;
mod problem;
mod refusals;
mod schedule;
mod search;

use super::bounds::{Bounds, Judgement};
use super::{Call, Facts};
use crate::bank::{Operation, Outcome};
use crate::check::{Finding, Property};

use problem::Problem;
use refusals::Explained;
use schedule::Late;

/// There is one order of all operations in which each answer is right, and in which whatever was answered before
/// something else was asked comes before it (Herlihy and Wing, 1990): as if there were one branch.
///
/// Algorithm: what reads show must form a chain; two of which neither contains the other prove that there is no
/// such order. The chain puts reads and writes in order; every operation then has an earliest instant, which
/// must not be after its answer. A refusal for insufficient funds is a read of less than its amount: an order
/// is built in which withdrawals come early and deposits late, and each refusal must find such an instant
/// there. What remains open is searched exactly if it is small (Wing and Gong, 1993; Lowe, 2017), and unknown
/// if it is not. nN log n.
///
/// Answers to writes are not reads: of them only that they happened counts. A balance without a version is held
/// to bounds: all that was acknowledged before it was asked, and nothing that began after it was answered.
pub(super) fn linearizable(facts: &Facts<'_>) -> Finding {
    let mut finding = Finding::new(Property::Linearizable);
    let bare = by_bounds(facts, &mut finding);
    let levels = match chain::levels(facts) {
        Ok(levels) => levels,
        Err((one, other)) => {
            finding.violate_with(|| (vec![facts.name(one), facts.name(other)], chain::fork(facts, one, other)));
            finding.note = "two reads disagree on what came first".to_owned();
            return finding;
        }
    };
    let reads: usize = levels.iter().map(|level| level.reads.len()).sum();
    if let Some(missing) = facts.missing_entries().filter(|_| reads > 0) {
        finding.cannot_tell(missing);
    } else if reads > 0 || bare.note().is_empty() {
        let problem = Problem::of(facts, levels);
        decide(facts, &problem, &mut finding);
    }
    if finding.violations_total > 0 {
        finding.note = "no order of the operations explains the answers".to_owned();
    } else if finding.note.is_empty() {
        finding.note = format!("{reads} reads are in one order with everything else{}", bare.note());
    }
    bare.close(&mut finding);
    facts.close(&mut finding);
    finding
}

fn decide(facts: &Facts<'_>, problem: &Problem<'_>, finding: &mut Finding) {
    match schedule::witness(problem) {
        Err(Late { call, by }) => finding.violate_with(|| {
            let named = [call, by].map(|call| facts.name(call)).to_vec();
            (named, late(facts, call, by))
        }),
        Ok(witness) => {
            let explained = refusals::explain(problem, &witness);
            let open = match explained {
                Explained::All => 0,
                Explained::Impossible { call, least } => {
                    finding.violate_with(|| {
                        let who = facts.words(call);
                        let story = format!(
                            "{who} was refused, but there was {least} or more at every instant of it"
                        );
                        (vec![facts.name(call)], story)
                    });
                    return;
                }
                Explained::Open(open) => open,
            };
            if open > 0 || !witness.is_solvent {
                undecided(problem, finding, open);
            }
        }
    }
    if problem.untold > 0 {
        let untold = problem.untold;
        finding.cannot_tell(format!("{untold} answers speak of entries that no log has"));
    }
}

fn undecided(problem: &Problem<'_>, finding: &mut Finding, open: usize) {
    match search::search(problem) {
        Some(true) => {}
        Some(false) => finding.violate(None, || {
            "no order of the operations explains all answers (all were tried)".to_owned()
        }),
        None => finding.cannot_tell(format!(
            "an order was found for all but {} refusals, and there are too many operations to try every order",
            open.max(1)
        )),
    }
}

fn late(facts: &Facts<'_>, call: usize, by: usize) -> String {
    let (one, other) = (facts.call(call), facts.call(by));
    let why = match one.operation {
        Operation::Query => "it shows what came after that",
        Operation::Write(_) => "what followed that does not show it",
    };
    let millis = |nanoseconds: u64| {
        format!("{}.{:03} ms", nanoseconds / 1_000_000, nanoseconds / 1_000 % 1_000)
    };
    format!(
        "{} was answered at {}, before {} was asked at {}, and yet it comes after it: {why}",
        facts.words(call),
        millis(one.completed.unwrap_or_default()),
        facts.words(by),
        millis(other.invoked)
    )
}

/// Whether a call is a read whose version counts.
fn is_read(call: &Call<'_>) -> bool {
    call.operation == Operation::Query && call.outcome == Outcome::Ok
}

/// Reads without a version.
fn by_bounds(facts: &Facts<'_>, finding: &mut Finding) -> Judgement {
    let mut judgement = Judgement::default();
    let bounds = Bounds::of(facts);
    for (place, call) in facts.calls() {
        let Some(balance) = call.balance.filter(|_| is_read(&call) && call.version.is_none()) else {
            continue;
        };
        let before = bounds.acknowledged(call.invoked);
        let begun = bounds.begun(call.completed.unwrap_or(u64::MAX));
        let least = facts.opening() + before.into - begun.out;
        let most = facts.opening() + begun.into - before.out;
        judgement.judge(facts, finding, place, balance.minor_units().into(), (least, most));
    }
    judgement
}
