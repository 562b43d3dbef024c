//! The configuration of a branch under the passbook scheme.

use std::hash::Hasher as _;
use std::time::Duration;

use siphasher::sip::SipHasher13;

use super::{Configuration, Incarnation, Mutant};
use bank::{BranchId, Member, Money};

/// Where a branch keeps its logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Storage {
    /// In memory: what is staged is durable, and gone when the branch ends.
    Memory,
    /// In a journal on disk.
    Journal,
}

/// Timeouts and repetitions.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The resolution of all other durations.
    pub tick: Duration,
    /// A push that was not acknowledged is repeated after this, then after twice as long, and so on.
    pub push_repeat: Duration,
    /// Up to this.
    pub push_repeat_max: Duration,
    /// If the relay has not forwarded our rows within this time, push to the peers directly.
    pub relay_patience: Duration,
    /// A hello without an answer is repeated after this.
    pub hello_repeat: Duration,
    /// A borrow request without an answer is given up after this.
    pub ask_timeout: Duration,
    /// A message of a collect without an answer is repeated after this.
    pub collect_repeat: Duration,
    /// A withdrawal whose proof came to nothing rests up to this, the next time up to twice as long.
    pub rest: Duration,
    /// A session is forgotten after it was silent this long. Deadlines are no later.
    pub horizon: Duration,
}

impl Timing {
    /// On streams that lose nothing while they hold, only what did not fit into the queue of a slow peer
    /// has to be repeated. Under load an answer may take long, and repeating would add to the load.
    pub fn on_streams() -> Self {
        Self {
            push_repeat: Duration::from_secs(5),
            push_repeat_max: Duration::from_secs(20),
            relay_patience: Duration::from_secs(3),
            hello_repeat: Duration::from_secs(1),
            ask_timeout: Duration::from_secs(3),
            collect_repeat: Duration::from_secs(5),
            ..Self::default()
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(10),
            push_repeat: Duration::from_millis(250),
            push_repeat_max: Duration::from_secs(2),
            relay_patience: Duration::from_millis(500),
            hello_repeat: Duration::from_millis(100),
            ask_timeout: Duration::from_millis(250),
            collect_repeat: Duration::from_millis(250),
            rest: Duration::from_millis(2),
            horizon: Duration::from_mins(2),
        }
    }
}

/// How much a branch holds at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Customers that wait: for what they know, for rights, or for a snapshot.
    pub waiting: usize,
    /// Sessions that are remembered. Beyond it, writes of new sessions are not executed and get "unknown".
    pub sessions: usize,
    /// Hashes over prefixes of the own log.
    pub chains: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { waiting: 65_536, sessions: 1_000_000, chains: 65_536 }
    }
}

/// How many proofs of a withdrawal may fail to settle it before it is rejected as contended.
pub const ROUNDS_MAX: u32 = 8;

/// With fewer branches the way to the relay and back costs more than it saves.
const RELAY_FROM: usize = 8;

/// The configuration of one branch.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which branch this is.
    pub me: BranchId,
    /// All branches, this one included.
    pub branches: Vec<BranchId>,
    /// What they hold together at the start.
    pub opening: Money,
    /// Where this branch keeps its logs.
    pub storage: Storage,
    /// The incarnation to begin, if the journal is empty.
    pub incarnation: Incarnation,
    /// With this many branches or more the first is the relay: it forwards what the others push, and proves for
    /// all.
    pub relay_from: usize,
    /// Decides what is left to chance: how long withdrawals rest, and the first identifiers of requests.
    pub seed: u64,
    /// Timeouts and repetitions.
    pub timing: Timing,
    /// The most that it holds.
    pub limits: Limits,
    /// A fault put in on purpose, so that what must find it can be seen to find it.
    pub mutant: Option<Mutant>,
}

impl Settings {
    /// Branch `me` of `branches`, in memory. `seed` decides its incarnation and all else that is left to chance.
    pub fn in_memory(me: BranchId, branches: &[BranchId], opening: Money, seed: u64) -> Self {
        let mut branches = branches.to_vec();
        branches.sort_unstable();
        branches.dedup();
        Self {
            me,
            branches,
            opening,
            storage: Storage::Memory,
            incarnation: Incarnation(seed),
            relay_from: RELAY_FROM,
            seed,
            timing: Timing::default(),
            limits: Limits::default(),
            mutant: None,
        }
    }

    /// Whether a fault was put in.
    #[cfg(feature = "mutants")]
    pub(super) fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether a fault was put in: never in this build.
    #[cfg(not(feature = "mutants"))]
    #[expect(clippy::unused_self, reason = "the same call with and without mutants")]
    pub(super) const fn has(&self, _mutant: Mutant) -> bool {
        false
    }

    /// The position of `branch`, if it is one of the cluster's.
    pub fn member(&self, branch: BranchId) -> Option<Member> {
        let place = self.branches.binary_search(&branch).ok()?;
        u16::try_from(place).ok().map(Member)
    }

    /// What must be the same everywhere.
    pub fn configuration(&self) -> Configuration {
        Configuration { branches: self.branches.clone(), opening: self.opening }
    }

    /// A hash over it.
    pub fn configuration_hash(&self) -> u64 {
        let mut hasher = SipHasher13::new();
        for branch in &self.branches {
            hasher.write_u32(branch.0);
        }
        hasher.write_i64(self.opening.minor_units());
        hasher.finish()
    }
}
