//! What a run was set to.

use bank::{Ack, Read};

/// Whose branches were asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    /// Ours, under the passbook scheme.
    Passbook,
    /// Ours, under the broadcast scheme.
    Broadcast,
    /// Another program, which answers with status and balance only.
    Foreign,
}

impl Server {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Passbook, Self::Broadcast, Self::Foreign];

    /// The name used in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passbook => "passbook",
            Self::Broadcast => "broadcast",
            Self::Foreign => "foreign",
        }
    }
}

/// Whether operations overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Customers {
    /// Never two at the same time.
    One,
    /// Any number at the same time.
    Many,
}

impl Customers {
    /// Both.
    pub const ALL: [Self; 2] = [Self::One, Self::Many];

    /// The name used in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Many => "many",
        }
    }
}

/// What an `output.json` must be right as, beside what its history shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReferenceModel {
    /// Customers came one after another, in the order of the file.
    Sequential,
    /// Customers wrote all at once; queries were answered when all had settled.
    FinalBalance,
}

impl ReferenceModel {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sequential, Self::FinalBalance];

    /// The name used in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::FinalBalance => "final-balance",
        }
    }
}

/// What a run was set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Whose branches were asked.
    pub server: Server,
    /// When writes were answered.
    pub ack: Ack,
    /// What queries were answered from.
    pub read: Read,
    /// Whether operations overlapped.
    pub customers: Customers,
}

/// Whose branches served the run, and whether they lived. Decides whether failures are the fault of the bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BranchOrigin {
    /// The run started them, and all lived to its end.
    Started,
    /// The run started them, and at least one ended before the run or did not answer at its end.
    Ended,
    /// The run started them, and somebody ended it before its last operations were answered.
    Interrupted,
    /// They ran before the run began.
    Running,
}

impl BranchOrigin {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Started, Self::Ended, Self::Interrupted, Self::Running];

    /// The name used in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ended => "ended",
            Self::Interrupted => "interrupted",
            Self::Running => "running",
        }
    }
}

/// How many operations may fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorLimit {
    /// The largest share of all operations that may fail or stay unanswered, from 0 to 1; 1 turns the check off.
    pub max_share: f64,
    /// Whose branches they are sent to.
    pub branches: BranchOrigin,
}
