//! A run in words: the plan, and who did what when.

pub(super) mod words;

use std::fmt;

use crate::observer::Violation;
use crate::plan::{Fault, Moment, Plan, PlannedFault, Step};
use crate::world::{RunResult, run_with};
use replication::passbook::{Mutant, Storage};
use words::branch as name;

/// A run in words.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// The same as without a transcript.
    pub result: RunResult,
    plan: Vec<String>,
    events: Vec<String>,
}

impl Transcript {
    /// Runs a plan and keeps what happens.
    pub fn of(plan: &Plan, mutant: Option<Mutant>) -> Self {
        let (result, events) = run_with(plan, mutant, Some(Vec::new()));
        Self { result, plan: plan_lines(plan), events: events.unwrap_or_default() }
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.plan.iter().chain(&self.events) {
            writeln!(f, "{line}")?;
        }
        let (ended, hash) = (words::millis(self.result.ended.0), self.result.hash);
        match &self.result.violation {
            None => writeln!(f, "no violation; ended at {ended}, hash {hash:016x}"),
            Some(Violation { property, detail }) => {
                writeln!(f, "{} does not hold: {detail}", property.name())?;
                writeln!(f, "ended at {ended}, hash {hash:016x}")
            }
        }
    }
}

fn plan_lines(plan: &Plan) -> Vec<String> {
    let storage = match plan.storage {
        Storage::Memory => "in memory",
        Storage::Journal => "with journals",
    };
    let proofs =
        if plan.prover { "the first collects for all" } else { "each collects for itself" };
    let timing: &str = plan.timing.into();
    let network = &plan.network;
    let order = if network.ordered { "in order" } else { "in any order" };
    let mut lines = vec![
        format!(
            "seed {}, {}: {} {storage}, {proofs}, {timing} timing, opening balance {}, heals at {}",
            plan.seed,
            plan.profile.name(),
            words::counted(plan.branches, "branch", "branches"),
            plan.opening,
            words::millis(plan.heals.0)
        ),
        format!(
            "messages take {} to {}, {order}; {} are lost, {} come twice",
            words::millis(network.delay.min),
            words::millis(network.delay.max),
            network.loss,
            network.twice
        ),
    ];
    for (who, script) in plan.customers.iter().enumerate() {
        let steps: Vec<String> = script.steps.iter().map(step).collect();
        let session = script.session.0;
        lines.push(format!("customer {} (session {session:x}): {}", who + 1, steps.join("; ")));
    }
    lines.extend(plan.faults.iter().map(|timed| fault(timed, plan.storage)));
    lines
}

fn step(step: &Step) -> String {
    format!("{} at {}", step.operation, name(step.branch))
}

const fn moment(when: Moment) -> &'static str {
    match when {
        Moment::Now => "",
        Moment::Staged => " after it has written an entry",
        Moment::Granted => " after it has written a grant",
        Moment::Received => " after it has written rows",
        Moment::Synced => " after a sync of which it is not told",
        Moment::Pushed => " after a push",
        Moment::Acknowledged => " after an acknowledgement",
        Moment::Asked => " after a borrow request",
        Moment::Answered => " after an answer",
    }
}

fn fault(planned: &PlannedFault, storage: Storage) -> String {
    let journal = storage == Storage::Journal;
    let what = match planned.fault {
        Fault::Cut { from, to } => words::cut(from, to),
        Fault::Split { left, right } => {
            format!("{} and {} are cut off from each other", name(left), name(right))
        }
        Fault::Reset { left, right } => words::reset(left, right),
        Fault::Kill { branch, when } => {
            let back =
                if journal { "" } else { ", and comes back without its memory if it served" };
            format!("{} is killed{}{back}", name(branch), moment(when))
        }
        Fault::PowerLoss { branch, when, keep, torn } => {
            let piece = if torn { ", and a piece of one" } else { "" };
            let (branch, when) = (name(branch), moment(when));
            format!("{branch} loses power{when}; {keep} of the unsynced records survive{piece}")
        }
        Fault::Death { branch, when } => {
            let back = if journal { "is not started before all heals" } else { "stays dead" };
            format!("{} is killed{}, and {back}", name(branch), moment(when))
        }
        Fault::SyncFails { branch, .. } => format!("the next sync of {} fails", name(branch)),
        Fault::Full { branch, free } => {
            let room = words::counted(free, "record", "records");
            format!("the disk of {} has room for {room}", name(branch))
        }
        Fault::Pause { branch } => words::pause(branch),
        Fault::OldCopy { branch, .. } => {
            format!("{} finds an old copy of its journal", name(branch))
        }
        Fault::Hole { branch, .. } => format!("the journal of {} gets a hole", name(branch)),
    };
    let (at, lasts) = (words::millis(planned.at.0), words::millis(planned.lasts));
    match planned.fault {
        Fault::Death { when: Moment::Now, .. } | Fault::Reset { .. } => {
            format!("planned at {at}: {what}")
        }
        // It is over when the moment has not come by then, and not when the branch is gone.
        Fault::Death { .. } => format!("planned within {lasts} from {at}: {what}"),
        _ => format!("planned from {at} for {lasts}: {what}"),
    }
}
