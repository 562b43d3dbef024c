//! A run told in words: the plan, and who did what when.

use std::fmt;

use super::judge::Violation;
use super::plan::{Fault, Moment, Plan, Step, Timed};
use super::words;
use super::world::{Ran, tell};
use replication::Instant;
use replication::passbook::{Mutant, Storage};

/// Listens to a run, if anybody wants to hear it.
#[derive(Debug)]
pub(super) struct Teller(Option<Vec<String>>);

impl Teller {
    /// Nobody does.
    pub(super) const fn silent() -> Self {
        Self(None)
    }

    /// Somebody does.
    pub(super) const fn telling() -> Self {
        Self(Some(Vec::new()))
    }

    /// Whether somebody does.
    pub(super) const fn is_telling(&self) -> bool {
        self.0.is_some()
    }

    /// Notes what happens; the words are found only if somebody wants to hear them.
    pub(super) fn tell(&mut self, now: Instant, what: impl FnOnce() -> String) {
        self.tell_some(now, || Some(what()));
    }

    /// The same for what may not be worth telling.
    pub(super) fn tell_some(&mut self, now: Instant, what: impl FnOnce() -> Option<String>) {
        if let Some(lines) = &mut self.0
            && let Some(what) = what()
        {
            lines.push(format!("{:>14}  {what}", words::millis(now.0)));
        }
    }

    /// Everything that was told.
    pub(super) fn lines(self) -> Vec<String> {
        self.0.unwrap_or_default()
    }
}

/// A run in words.
#[derive(Clone, Debug)]
pub struct Story {
    /// What came of it.
    pub ran: Ran,
    plan: Vec<String>,
    events: Vec<String>,
}

/// Runs a plan and tells it. It is the same run as without telling.
pub fn story(plan: &Plan, mutant: Option<Mutant>) -> Story {
    let (ran, events) = tell(plan, mutant);
    Story { ran, plan: told(plan), events }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.plan.iter().chain(&self.events) {
            writeln!(f, "{line}")?;
        }
        let ended = words::millis(self.ran.ended.0);
        match &self.ran.violation {
            None => writeln!(f, "nothing was wrong; ended at {ended}, hash {:016x}", self.ran.hash),
            Some(Violation { property, .. }) => {
                writeln!(f, "{} does not hold; hash {:016x}", property.name(), self.ran.hash)
            }
        }
    }
}

fn told(plan: &Plan) -> Vec<String> {
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
            words::counted(plan.branches.into(), "branch", "branches"),
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
    format!("{} at {}", step.operation, words::branch(step.branch))
}

const fn moment(when: Moment) -> &'static str {
    match when {
        Moment::Now => "",
        Moment::Staged => " after it has written an entry down",
        Moment::Granted => " after it has written a grant down",
        Moment::Received => " after it has written rows down",
        Moment::Synced => " after a sync that it does not know of",
        Moment::Pushed => " after a push",
        Moment::Acknowledged => " after an acknowledgement",
        Moment::Asked => " after asking for rights",
        Moment::Answered => " after an answer",
    }
}

fn fault(timed: &Timed, storage: Storage) -> String {
    let journal = storage == Storage::Journal;
    let what = match timed.fault {
        Fault::Cut { from, to } => words::cut(from, to),
        Fault::Split { left, right } => {
            format!(
                "{} and {} are cut off from each other",
                words::branch(left),
                words::branch(right)
            )
        }
        Fault::Reset { left, right } => words::reset(left, right),
        Fault::Kill { branch, when } => {
            let back =
                if journal { "" } else { ", and comes back without its memory if it served" };
            format!("{} is killed{}{back}", words::branch(branch), moment(when))
        }
        Fault::PowerLoss { branch, when, keep, torn } => format!(
            "{} loses power{}; {} of the unsynced records survive{}",
            words::branch(branch),
            moment(when),
            keep,
            if torn { ", and a piece of one" } else { "" }
        ),
        Fault::Death { branch, when } => {
            let back = if journal { "is not started before all heals" } else { "stays dead" };
            format!("{} is killed{}, and {back}", words::branch(branch), moment(when))
        }
        Fault::SyncFails { branch, .. } => {
            format!("the next sync of {} fails", words::branch(branch))
        }
        Fault::Full { branch, free } => {
            let room = u64::try_from(free).unwrap_or(u64::MAX);
            let room = words::counted(room, "record", "records");
            format!("the disk of {} has room for {room}", words::branch(branch))
        }
        Fault::Pause { branch } => words::paused(branch),
        Fault::OldCopy { branch, .. } => {
            format!("{} finds an old copy of its journal", words::branch(branch))
        }
        Fault::Hole { branch, .. } => {
            format!("the journal of {} gets a hole", words::branch(branch))
        }
    };
    let (at, lasts) = (words::millis(timed.at.0), words::millis(timed.lasts));
    match timed.fault {
        Fault::Death { when: Moment::Now, .. } | Fault::Reset { .. } => {
            format!("planned at {at}: {what}")
        }
        // It is over when the moment has not come by then, and not when the branch is gone.
        Fault::Death { .. } => format!("planned within {lasts} from {at}: {what}"),
        _ => format!("planned from {at} for {lasts}: {what}"),
    }
}
