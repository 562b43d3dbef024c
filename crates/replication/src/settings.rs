//! What a scheme can be told.

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
