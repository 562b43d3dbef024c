//! The schemes there are.

use super::passbook::{Passbook, Settings, Timing};
use super::{Broadcast, Fanout, Locking, Replica};
use bank::{BranchId, Money};
use strum::{EnumString, IntoStaticStr, VariantNames};

/// How branches keep their accounts the same. Parsed from its name, broadcast has its default settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Scheme {
    /// Rows, escrow and session tokens, in memory.
    #[default]
    Passbook,
    /// The exercise's algorithm: each write is propagated to every peer.
    Broadcast {
        /// In which order peers receive a write.
        fanout: Fanout,
        /// Whether customers wait for writes that are on their way.
        locking: Locking,
    },
}

impl Scheme {
    /// The names of all, in the order in which they are offered.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// The name used in arguments and reports.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The replica of branch `me`. `seed` is random: a branch that is started again has another.
    pub fn replica(self, me: BranchId, peers: Vec<BranchId>, opening: Money, seed: u64) -> Replica {
        match self {
            Self::Passbook => {
                let mut branches = peers;
                branches.push(me);
                let settings = Settings {
                    timing: Timing::on_streams(),
                    ..Settings::in_memory(me, &branches, opening, seed)
                };
                Replica::Passbook(Box::new(Passbook::in_memory(settings)))
            }
            Self::Broadcast { fanout, locking } => {
                let replica = Broadcast::new(me, peers, fanout, opening).with_locking(locking);
                Replica::Broadcast(Box::new(replica))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_is_parsed_from_its_name() {
        let broadcast = Scheme::Broadcast { fanout: Fanout::Parallel, locking: Locking::Unlocked };
        for (name, scheme) in [("passbook", Scheme::Passbook), ("broadcast", broadcast)] {
            assert_eq!((name.parse(), scheme.name()), (Ok(scheme), name));
        }
        assert_eq!(Scheme::NAMES, ["passbook", "broadcast"]);
        assert!("raft".parse::<Scheme>().is_err());
    }
}
