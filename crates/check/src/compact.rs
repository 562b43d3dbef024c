//! Indexes in four bytes: a run has as many as operations and log entries.

/// An index, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompactIndex(u32);

impl CompactIndex {
    pub(crate) const NONE: Self = Self(u32::MAX);

    /// None beyond 32 bits. A history and a log refuse to be that long.
    pub(crate) fn of(index: usize) -> Self {
        u32::try_from(index).map_or(Self::NONE, Self)
    }

    pub(crate) fn get(self) -> Option<usize> {
        if self == Self::NONE { None } else { usize::try_from(self.0).ok() }
    }
}
