//! What a run is to do, validated: nothing here does I/O.

mod mix;
mod sampling;
mod share;
mod think;
mod wire;
mod workload;

use std::path::PathBuf;
use std::time::Duration;

use bank::{Ack, Read};
use bank::{BranchId, Money};
use exercise::{Input, Notation, Shape};
use replication::Scheme;

pub use mix::{Mix, MixError};
pub use sampling::SampleRate;
pub use share::{Share, ShareError};
pub use think::{ThinkTime, ThinkTimeError, ThinkTimes};
pub use wire::{Wire, broadcast_reads};
pub(crate) use workload::Events;
pub use workload::{Stop, Synthetic};

/// Bytes of the largest answer that is accepted unless another limit is given: the default of gRPC libraries.
pub const DEFAULT_MESSAGE_BYTES_MAX: usize = 4 << 20;

/// A run, from its arguments.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What customers do.
    pub workload: Workload,
    /// Where the branches are.
    pub cluster: ClusterChoice,
    /// The contract by which customers ask.
    pub wire: Wire,
    /// When writes are answered.
    pub ack: Ack,
    /// What queries are answered from.
    pub read: Read,
    /// After this long without an answer an operation's outcome is unknown.
    pub timeout: Duration,
    /// For how long servers of a running cluster that cannot be reached are tried again.
    pub wait: Option<Duration>,
    /// Bytes of the largest answer that is accepted; a larger one is unknown.
    pub message_bytes_max: usize,
    /// The largest share of operations that may fail or stay unanswered; all of them turns the check off.
    pub max_error_share: Share,
    /// Threads that perform operations; `None` chooses from the cores and the target.
    pub workers: Option<u8>,
    /// Which operations are traced.
    pub trace_sample: SampleRate,
    /// How much of what customers see is recorded.
    pub recording: Recording,
    /// Whether the report can tell what every customer received, which keeps all of it in memory.
    pub keep_answers: bool,
    /// Whether a run passes that could not be checked because not all of it was recorded.
    pub unchecked_ok: bool,
    /// The run folder.
    pub out: Option<PathBuf>,
}

impl Scenario {
    /// A run by our own contract, all of it recorded, nothing traced and no folder kept; everything else is as it is
    /// unless asked for.
    pub fn new(workload: Workload, cluster: ClusterChoice) -> Self {
        Self {
            workload,
            cluster,
            wire: Wire::Passbook,
            ack: Ack::All,
            read: Read::default(),
            timeout: Duration::from_secs(30),
            wait: None,
            message_bytes_max: DEFAULT_MESSAGE_BYTES_MAX,
            max_error_share: Share::ONE_PERCENT,
            workers: None,
            trace_sample: SampleRate::NONE,
            recording: Recording::All,
            keep_answers: false,
            unchecked_ok: false,
            out: None,
        }
    }
}

/// How much of what customers see is recorded, and so can be checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recording {
    /// Everything.
    #[default]
    All,
    /// So many operations, from the first.
    First(u64),
    /// Nothing: for what recording costs.
    Nothing,
}

/// What customers do.
#[derive(Clone, Debug)]
pub enum Workload {
    /// Customers made up from a seed, all at once.
    Synthetic(Synthetic),
    /// The customers of an input file, one after another.
    Replay(Replay),
}

impl Workload {
    /// The ids the branches are to have.
    pub fn branch_ids(&self) -> Vec<BranchId> {
        match self {
            Self::Synthetic(synthetic) => (1..=synthetic.branches).map(BranchId).collect(),
            Self::Replay(replay) => replay.input.branches.clone(),
        }
    }

    /// The opening balance the branches are to have; `None` where none is given.
    pub fn opening(&self) -> Option<Money> {
        match self {
            Self::Synthetic(synthetic) => synthetic.opening.map(Money::new),
            Self::Replay(replay) => Some(replay.input.opening),
        }
    }
}

/// An input file and where its output goes.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The file's name, for messages.
    pub path: PathBuf,
    /// Its content.
    pub input: Input,
    /// Where `output.json` goes, apart from the run folder.
    pub output: Option<PathBuf>,
    /// Whether customers wait for each other.
    pub order: ReplayOrder,
    /// How the answers are laid out and written.
    pub style: Style,
}

/// How the answers of a replay are laid out and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Per event if any event names a branch, else grouped.
    Auto,
    /// An element a block of the file.
    Grouped,
    /// An element an event.
    PerEvent,
    /// Grouped, in Python's notation, a customer a line.
    Lines,
}

impl Style {
    /// All styles.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Grouped, Self::PerEvent, Self::Lines];

    /// The name used in arguments.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Grouped => "grouped",
            Self::PerEvent => "per-event",
            Self::Lines => "lines",
        }
    }

    /// Which elements there are for `input`.
    pub fn shape(self, input: &Input) -> Shape {
        match self {
            Self::Auto => Shape::auto(input),
            Self::Grouped | Self::Lines => Shape::Grouped,
            Self::PerEvent => Shape::PerEvent,
        }
    }

    /// How they are written.
    pub const fn notation(self, order: ReplayOrder) -> Notation {
        match (self, order) {
            (Self::Lines, ReplayOrder::Sequential) => Notation::PythonLines,
            (Self::Lines, ReplayOrder::Concurrent) => Notation::PythonLinesWithMoney,
            (Self::Auto | Self::Grouped | Self::PerEvent, _) => Notation::Json,
        }
    }
}

/// Whether the customers of an input file wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayOrder {
    /// The next customer begins when the one before has been answered everything.
    Sequential,
    /// All write at once, each in their order; everything settles; then all query.
    Concurrent,
}

impl ReplayOrder {
    /// Both orders.
    pub const ALL: [Self; 2] = [Self::Sequential, Self::Concurrent];

    /// The name used in arguments.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Concurrent => "concurrent",
        }
    }
}

/// Where the branches are.
#[derive(Clone, Debug)]
pub enum ClusterChoice {
    /// In threads of this process.
    Embedded(Scheme),
    /// In a process each, started for the run.
    Processes(Scheme),
    /// They run already, at these addresses, in the order of the branches.
    Running {
        /// `host:port` of each.
        targets: Vec<String>,
    },
}

impl ClusterChoice {
    /// The same under another scheme. Branches that run already keep theirs.
    #[must_use]
    pub fn under(&self, scheme: Scheme) -> Self {
        match self {
            Self::Embedded(_) => Self::Embedded(scheme),
            Self::Processes(_) => Self::Processes(scheme),
            Self::Running { .. } => self.clone(),
        }
    }
}

/// Mixes 64 bits so that neighbours have nothing in common (the finalizer of `SplitMix64`, Steele,
/// Lea and Flood 2014).
pub(crate) const fn scramble(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
