//! Everything of a run, drawn from one seed, as a list of pieces that can be left out one by one.

mod draw;
mod fault_profile;
mod faults;
mod scripts;

use std::time::Duration;

use strum::{IntoStaticStr, VariantArray};

use super::chance::{PerMille, Span};
use bank::{Ack, Member, Money, Operation, Read, SessionId};
use replication::Instant;
use replication::passbook::{Storage, Timing};

pub use fault_profile::FaultProfile;

/// One simulated run: the same plan is the same run, to the last message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Decides every delay and every loss.
    pub seed: u64,
    /// What goes wrong.
    pub profile: FaultProfile,
    /// How many branches.
    pub branches: u16,
    /// What they hold together at the start.
    pub opening: Money,
    /// Where they keep what they know.
    pub storage: Storage,
    /// How long they wait before they repeat something.
    pub timing: TimingProfile,
    /// Whether the first collects for the others.
    pub prover: bool,
    /// What lies between them.
    pub network: Network,
    /// What is below them.
    pub disk: Disk,
    /// Who asks.
    pub customers: Vec<Script>,
    /// What goes wrong, in the order of time.
    pub faults: Vec<PlannedFault>,
    /// From here on nothing is lost, nothing is cut, disks are free and all who can be are awake.
    pub heals: Instant,
}

/// How long branches wait before they repeat something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum TimingProfile {
    /// [`Timing::default`]: short, so that a run of a second sees many repetitions.
    Short,
    /// [`Timing::on_streams`]: that of the branches that serve.
    Production,
}

impl TimingProfile {
    pub(super) fn timing(self) -> Timing {
        match self {
            Self::Short => Timing::default(),
            Self::Production => Timing::on_streams(),
        }
    }
}

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// How long a message is on its way.
    pub delay: Span,
    /// How likely it takes longer.
    pub slow: PerMille,
    /// How much longer.
    pub slow_by: Span,
    /// How long a new stream takes to be there.
    pub connect: Span,
    /// How long a side takes to learn that a stream is broken.
    pub notice: Span,
    /// How likely a message is lost inside a stream. Then streams keep no order either.
    pub loss: PerMille,
    /// How likely a message arrives twice.
    pub twice: PerMille,
    /// Whether messages of one stream arrive in their order.
    pub ordered: bool,
    /// How long a request or an answer is on its way.
    pub customer_delay: Span,
    /// How likely a request or an answer is lost.
    pub customer_loss: PerMille,
    /// How likely a request arrives twice.
    pub customer_twice: PerMille,
    /// How likely a branch is busy when something arrives, so that more arrives meanwhile.
    pub busy: PerMille,
    /// For how long.
    pub busy_for: Span,
}

/// How journals behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// How long a sync takes.
    pub sync: Span,
    /// How likely it takes longer.
    pub slow: PerMille,
    /// How much longer.
    pub slow_by: Span,
}

/// What one customer does, one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Who they are: also their luck.
    pub session: SessionId,
    /// What they do.
    pub steps: Vec<Step>,
}

/// One operation of a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where.
    pub branch: Member,
    /// What.
    pub operation: Operation,
    /// When a write is to be answered.
    pub ack: Ack,
    /// What a query is to be answered from.
    pub read: Read,
    /// How long the customer waits before it.
    pub think: Duration,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// How many attempts there are.
    pub attempts: u32,
    /// How often the customer does the same anew if it is rejected for a passing reason.
    pub anew: u32,
}

/// Something that goes wrong, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// From when.
    pub at: Instant,
    /// How long it lasts; for a process that ends, until it is started again.
    pub lasts: Duration,
    /// What.
    pub fault: Fault,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing gets from one branch to the other; what the other says still arrives.
    Cut {
        /// From.
        from: Member,
        /// To.
        to: Member,
    },
    /// Nothing gets through either way.
    Split {
        /// One side.
        left: Member,
        /// The other.
        right: Member,
    },
    /// The stream between two branches breaks; nothing keeps them from opening another.
    Reset {
        /// One side.
        left: Member,
        /// The other.
        right: Member,
    },
    /// The process ends. What it wrote is in the page cache and will be read, synced or not. In memory
    /// mode nothing is left, and it comes back as one that lost its memory.
    Kill {
        /// Which.
        branch: Member,
        /// When, from the beginning of the fault on.
        when: Moment,
    },
    /// The process ends, and with it what was not synced, but for the first part of it.
    PowerLoss {
        /// Which.
        branch: Member,
        /// When, from the beginning of the fault on.
        when: Moment,
        /// How much of what was not synced survives.
        keep: PerMille,
        /// Whether the record after that is there in part.
        torn: bool,
    },
    /// The process ends and is not started again before the healing; in memory mode never.
    Death {
        /// Which.
        branch: Member,
        /// When, from the beginning of the fault on.
        when: Moment,
    },
    /// The next sync fails, which ends the process. What was not synced survives in part.
    SyncFails {
        /// Where.
        branch: Member,
        /// How much of it.
        keep: PerMille,
    },
    /// The disk has room for only so many more records.
    Full {
        /// Where.
        branch: Member,
        /// How many.
        free: usize,
    },
    /// The process stands still; what happens to it comes to it all at once afterwards.
    Pause {
        /// Which.
        branch: Member,
    },
    /// The process ends, and finds an old copy of its journal at the next start. Done only where all
    /// others hold more of its log than the copy does, or nobody could find it out.
    OldCopy {
        /// Which.
        branch: Member,
        /// How much of what can be taken away is left.
        keep: PerMille,
    },
    /// The process ends, and an entry of its log is missing from the middle of its journal.
    Hole {
        /// Which.
        branch: Member,
        /// Which entry, as a share of all.
        place: PerMille,
    },
}

/// Between which two things that a process does it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum Moment {
    /// Wherever it is.
    Now,
    /// After it has written an entry of its log down.
    Staged,
    /// After it has written a grant down.
    Granted,
    /// After it has written rows of others down.
    Received,
    /// After its journal was synced, and before it knows.
    Synced,
    /// After it has pushed rows to a peer.
    Pushed,
    /// After it has acknowledged a push.
    Acknowledged,
    /// After it has asked for rights.
    Asked,
    /// After it has answered a customer.
    Answered,
}

impl Plan {
    /// How many operations customers will ask for, leaving aside what they do anew.
    pub fn operations(&self) -> usize {
        self.customers.iter().map(|customer| customer.steps.len()).sum()
    }

    /// The same plan with everything that customers wait for and that goes wrong `factor` times as long.
    fn stretched(mut self, factor: u32) -> Self {
        for timed in &mut self.faults {
            timed.at.0 *= factor;
            timed.lasts *= factor;
        }
        self.heals.0 *= factor;
        for step in self.steps_mut() {
            step.think *= factor;
            step.timeout *= factor;
        }
        self
    }

    pub(super) fn steps_mut(&mut self) -> impl Iterator<Item = &mut Step> {
        self.customers.iter_mut().flat_map(|customer| &mut customer.steps)
    }

    /// All branches.
    pub(super) fn members(&self) -> impl Iterator<Item = Member> + use<> {
        (0..self.branches).map(Member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_one_plan() {
        for seed in 0..200 {
            assert_eq!(Plan::from_seed(seed, None), Plan::from_seed(seed, None));
        }
        assert_ne!(Plan::from_seed(1, None), Plan::from_seed(2, None));
    }

    #[test]
    fn plans_speak_of_branches_that_exist_and_end() {
        for profile in FaultProfile::VARIANTS.iter().copied() {
            for seed in 0..300 {
                let plan = Plan::from_seed(seed, Some(profile));
                assert!((1..=10).contains(&plan.branches));
                assert!(!plan.opening.is_negative());
                let steps = plan.customers.iter().flat_map(|customer| &customer.steps);
                assert!(steps.clone().all(|step| step.branch.0 < plan.branches));
                assert!(steps.clone().all(|step| step.attempts >= 1 && !step.timeout.is_zero()));
                assert!(plan.faults.iter().all(|timed| timed.at < plan.heals), "{plan:?}");
                assert!(plan.faults.is_sorted_by_key(|timed| timed.at));
                for timed in &plan.faults {
                    let named = timed.fault.branches();
                    assert!(named.iter().all(|branch| branch.0 < plan.branches), "{plan:?}");
                    let between_two = matches!(
                        timed.fault,
                        Fault::Cut { .. } | Fault::Split { .. } | Fault::Reset { .. }
                    );
                    assert_eq!(named[0] != named[1], between_two);
                }
            }
        }
    }

    #[test]
    fn every_mix_is_chosen_by_some_seed() {
        for profile in FaultProfile::VARIANTS.iter().copied() {
            let chosen =
                (0..1000).filter(|seed| Plan::from_seed(*seed, None).profile == profile).count();
            assert!(chosen > 5, "{profile:?}: {chosen} of 1000");
        }
    }
}
