//! What a scheme can be told.

/// How many branches must hold a write before the customer is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ack {
    /// The branch that was asked.
    Local,
    /// More than half of the branches.
    Majority,
    /// Every branch.
    All,
}

impl Ack {
    /// All levels.
    pub const ALL: [Self; 3] = [Self::Local, Self::Majority, Self::All];

    /// The name used in arguments and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Majority => "majority",
            Self::All => "all",
        }
    }

    /// How many of `branches` that is.
    pub const fn needed(self, branches: usize) -> usize {
        match self {
            Self::Local => 1,
            Self::Majority => branches / 2 + 1,
            Self::All => branches,
        }
    }
}

/// What a query is answered from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Read {
    /// What the branch knows, once that is no less than what the customer knows.
    #[default]
    Session,
    /// What the branch knows.
    Local,
    /// What was true of all branches at one instant of the query (linearizable).
    Snapshot,
}

impl Read {
    /// All modes.
    pub const ALL: [Self; 3] = [Self::Session, Self::Local, Self::Snapshot];

    /// The name used in arguments and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Local => "local",
            Self::Snapshot => "snapshot",
        }
    }
}

/// In which order the fellow branches are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fanout {
    /// The next peer is told when the one before has answered.
    Sequential,
    /// All peers are told at once.
    Parallel,
}

impl Fanout {
    /// Both ways.
    pub const ALL: [Self; 2] = [Self::Sequential, Self::Parallel];

    /// The name used in arguments and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Parallel => "parallel",
        }
    }
}

/// Whether customers of a branch wait for a write that is on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Locking {
    /// Nobody waits.
    #[default]
    Unlocked,
    /// The fourth seed system's lock: from applying a write until the last peer has answered, the
    /// branch's other customers wait in their order, queries too. What peers propagate is applied at
    /// once: no branch waits for another's lock, so nothing can deadlock.
    UntilPropagated,
}

impl Locking {
    /// With the lock if `lock` asks for it.
    pub const fn asked(lock: bool) -> Self {
        if lock { Self::UntilPropagated } else { Self::Unlocked }
    }
}
