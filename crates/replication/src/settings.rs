//! What a scheme can be set to.

use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};

/// In which order a branch sends a write to its peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[derive(EnumString, IntoStaticStr, VariantArray, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Fanout {
    /// To the next peer when the one before has answered.
    Sequential,
    /// To all peers at once.
    #[default]
    Parallel,
}

impl Fanout {
    /// Both orders.
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;

    /// The name used in arguments and reports.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Whether customers of a branch wait for a write that is on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Locking {
    /// Nobody waits.
    #[default]
    Unlocked,
    /// A lock: from applying a write until the last peer has answered, the
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
