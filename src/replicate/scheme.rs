//! The schemes there are.

use super::passbook::{Passbook, Settings, Timing};
use super::{Broadcast, Fanout, Locking, Replication};
use crate::bank::{BranchId, Money};

/// How branches keep their accounts the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Rows, escrow and session tokens, in memory.
    Passbook,
    /// The seed systems' algorithm.
    Broadcast {
        /// In which order fellow branches are told.
        fanout: Fanout,
        /// Whether customers wait for writes that are on their way.
        locking: Locking,
    },
}

impl Scheme {
    /// The names of all, in the order in which they are offered.
    pub const NAMES: [&str; 2] = ["broadcast", "passbook"];

    /// The scheme of this name with what else was asked for, or what is wrong with that.
    pub fn asked(name: &str, fanout: Option<Fanout>, lock: bool) -> Result<Self, String> {
        if name == Self::Passbook.name() {
            let option = match (fanout, lock) {
                (Some(_), _) => "--fanout",
                (None, true) => "--lock",
                (None, false) => return Ok(Self::Passbook),
            };
            return Err(format!("{option} is for --replication broadcast; leave it out"));
        }
        let fanout = fanout.unwrap_or(Fanout::Parallel);
        Ok(Self::Broadcast { fanout, locking: Locking::asked(lock) })
    }

    /// The name used in arguments and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Broadcast { .. } => Self::NAMES[0],
            Self::Passbook => Self::NAMES[1],
        }
    }

    /// The replica of branch `me`. `life` is random: a branch that is started again has another.
    pub fn replica(
        self,
        me: BranchId,
        peers: Vec<BranchId>,
        opening: Money,
        life: u64,
    ) -> Box<dyn Replication> {
        match self {
            Self::Passbook => {
                let mut branches = peers;
                branches.push(me);
                let settings = Settings {
                    timing: Timing::on_streams(),
                    ..Settings::in_memory(me, &branches, opening, life)
                };
                Box::new(Passbook::in_memory(settings))
            }
            Self::Broadcast { fanout, locking } => {
                Box::new(Broadcast::new(me, peers, fanout, opening).with_locking(locking))
            }
        }
    }
}
