//! The schemes there are.

use super::passbook::{Passbook, Settings, Timing};
use super::{Broadcast, Fanout, Locking, Replica};
use bank::{BranchId, Money};

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
    /// The names of all, in the order in which they are offered. The first is the default.
    pub const NAMES: [&str; 2] = ["passbook", "broadcast"];

    /// The schemes of these names in their order, or the default if there is none, with what else was asked
    /// for; or what is wrong with that.
    pub fn asked(
        names: &[String],
        fanout: Option<Fanout>,
        lock: bool,
    ) -> Result<Vec<Self>, String> {
        let broadcast = Self::Broadcast {
            fanout: fanout.unwrap_or(Fanout::Parallel),
            locking: Locking::asked(lock),
        };
        let default = [Self::NAMES[0].to_owned()];
        let mut asked = Vec::new();
        for name in if names.is_empty() { &default } else { names } {
            let scheme = [Self::Passbook, broadcast].into_iter().find(|s| s.name() == name);
            let scheme = scheme.ok_or_else(|| {
                format!("there is no scheme {name}; give one of {}", Self::NAMES.join(", "))
            })?;
            if asked.contains(&scheme) {
                return Err(format!("--replication names {name} twice; name each scheme once"));
            }
            asked.push(scheme);
        }
        let option = match (fanout, lock) {
            (Some(_), _) => "--fanout",
            (None, true) => "--lock",
            (None, false) => return Ok(asked),
        };
        if asked.contains(&broadcast) {
            Ok(asked)
        } else if names.is_empty() {
            Err(format!("{option} is for --replication broadcast; add --replication broadcast"))
        } else {
            Err(format!("{option} is for --replication broadcast; leave it out"))
        }
    }

    /// The name used in arguments and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passbook => Self::NAMES[0],
            Self::Broadcast { .. } => Self::NAMES[1],
        }
    }

    /// The replica of branch `me`. `life` is random: a branch that is started again has another.
    pub fn replica(self, me: BranchId, peers: Vec<BranchId>, opening: Money, life: u64) -> Replica {
        match self {
            Self::Passbook => {
                let mut branches = peers;
                branches.push(me);
                let settings = Settings {
                    timing: Timing::on_streams(),
                    ..Settings::in_memory(me, &branches, opening, life)
                };
                Replica::passbook(Passbook::in_memory(settings))
            }
            Self::Broadcast { fanout, locking } => {
                Replica::broadcast(Broadcast::new(me, peers, fanout, opening).with_locking(locking))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(names: &[&str], fanout: Option<Fanout>, lock: bool) -> Result<Vec<Scheme>, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Scheme::asked(&names, fanout, lock)
    }

    #[test]
    fn names_are_taken_in_their_order_and_without_any_it_is_passbook() {
        assert_eq!(asked(&[], None, false), Ok(vec![Scheme::Passbook]));
        let broadcast =
            Scheme::Broadcast { fanout: Fanout::Sequential, locking: Locking::UntilPropagated };
        let both = asked(&["broadcast", "passbook"], Some(Fanout::Sequential), true);
        assert_eq!(both, Ok(vec![broadcast, Scheme::Passbook]));
        for name in Scheme::NAMES {
            let one = asked(&[name], None, false).expect("a scheme");
            assert_eq!(one.iter().map(|scheme| scheme.name()).collect::<Vec<_>>(), [name]);
        }
    }

    #[test]
    fn what_cannot_be_is_said_with_what_to_do() {
        let parallel = Some(Fanout::Parallel);
        for (names, fanout, lock, expected) in [
            (&[][..], parallel, false, "--fanout is for --replication broadcast; add --replic"),
            (&[], None, true, "--lock is for --replication broadcast; add --replication broadcast"),
            (&["passbook"], None, true, "--lock is for --replication broadcast; leave it out"),
            (&["passbook", "passbook"], None, false, "names passbook twice; name each scheme once"),
            (&["raft"], None, false, "there is no scheme raft; give one of passbook, broadcast"),
        ] {
            let refused = asked(names, fanout, lock).expect_err("refused");
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
