//! What whoever runs a branch should know, and the branch cannot mend.

use std::fmt;
use std::net::SocketAddr;

use thiserror::Error;

use super::owner::Peer;
use bank::BranchId;
use replication::passbook::Mismatch;

/// Different things that are told at most: some come from the network.
const TOLD_MAX: usize = 64;
/// Characters of what another program says.
const WORDS_MAX: usize = 200;

/// Why a branch does not get together with others. It goes on, and waits for them to be mended.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Notice {
    /// A fellow branch was started otherwise.
    #[error("branch {peer} at {address} {why}")]
    Mismatch {
        /// Which.
        peer: BranchId,
        /// Where.
        address: SocketAddr,
        /// How they differ.
        why: Mismatch,
    },
    /// What is at a fellow branch's address does not let this one in.
    #[error("branch {peer} at {address} does not let this one in: {message}")]
    NotLetIn {
        /// Which.
        peer: BranchId,
        /// Where.
        address: SocketAddr,
        /// What it says.
        message: String,
    },
    /// A peer stays out of reach.
    #[error("branch {branch} cannot reach peer {peer} at {address}: {cause}")]
    Unreachable {
        /// The branch that tries to connect.
        branch: BranchId,
        /// The peer that it cannot reach.
        peer: BranchId,
        /// Where the branch expects it.
        address: SocketAddr,
        /// Why the last attempt failed.
        cause: String,
    },
    /// A branch that is none of this one's peers opens a stream.
    #[error(
        "branch {branch} is none of this one's peers and connects: start all with the same branches"
    )]
    Stranger {
        /// Which it says it is.
        branch: BranchId,
    },
    /// A fellow branch replicates by another scheme.
    #[error(
        "branch {branch} replicates by another scheme than {replication}, which is this one's: start all \
         with the same"
    )]
    OtherScheme {
        /// Which it says it is.
        branch: BranchId,
        /// This branch's scheme.
        replication: &'static str,
    },
}

impl Notice {
    /// The words are another program's: they are made fit for a line.
    pub(super) fn not_let_in(peer: BranchId, address: SocketAddr, words: &str) -> Self {
        Self::NotLetIn { peer, address, message: one_line(words) }
    }
}

/// Words of another program, escaped and truncated.
pub(super) fn one_line(words: &str) -> String {
    words.chars().flat_map(char::escape_debug).take(WORDS_MAX).collect()
}

type Tell = Box<dyn Fn(&Notice) + Send>;

/// Tells each notice once.
#[derive(Default)]
pub(super) struct Notices {
    tell: Option<Tell>,
    peers: Vec<Peer>,
    told: Vec<Notice>,
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").field("told", &self.told).finish_non_exhaustive()
    }
}

impl Notices {
    pub(super) fn new(peers: Vec<Peer>) -> Self {
        Self { peers, ..Self::default() }
    }

    pub(super) fn tell_by(&mut self, tell: Tell) {
        self.tell = Some(tell);
    }

    /// The scheme does not speak with a peer.
    pub(super) fn refused(&mut self, peer: BranchId, why: Mismatch) {
        if let Some(Peer { address, .. }) = self.peers.iter().find(|known| known.id == peer) {
            let address = *address;
            self.tell(Notice::Mismatch { peer, address, why });
        }
    }

    pub(super) fn tell(&mut self, notice: Notice) {
        if self.told.len() < TOLD_MAX && !self.told.contains(&notice) {
            if let Some(tell) = &self.tell {
                tell(&notice);
            }
            self.told.push(notice);
        }
    }

    /// Forgets that `peer` was unreachable, so that the next time is reported again.
    pub(super) fn connected(&mut self, peer: BranchId) {
        self.told
            .retain(|told| !matches!(told, Notice::Unreachable { peer: of, .. } if *of == peer));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn each_is_told_once_and_there_is_a_bound() {
        let (say, said) = mpsc::channel();
        let mut notices = Notices::default();
        notices.tell_by(Box::new(move |notice| say.send(notice.clone()).expect("heard")));
        let stranger = |id| Notice::Stranger { branch: BranchId(id) };
        for id in [7, 7, 8, 7] {
            notices.tell(stranger(id));
        }
        assert_eq!(said.try_iter().collect::<Vec<_>>(), [stranger(7), stranger(8)]);
        for id in 0..1_000 {
            notices.tell(stranger(id));
        }
        assert_eq!(said.try_iter().count(), TOLD_MAX - 2);
    }

    #[test]
    fn unreachable_peer_is_reported_again_after_a_connection() {
        let (say, said) = mpsc::channel();
        let mut notices = Notices::default();
        notices.tell_by(Box::new(move |notice| say.send(notice.to_string()).expect("heard")));
        let unreachable = |peer| Notice::Unreachable {
            branch: BranchId(1),
            peer: BranchId(peer),
            address: SocketAddr::from(([127, 0, 0, 1], 9)),
            cause: "connection refused".to_owned(),
        };
        for peer in [2, 2, 3] {
            notices.tell(unreachable(peer));
        }
        assert_eq!(said.try_iter().count(), 2);
        notices.connected(BranchId(2));
        for peer in [2, 3] {
            notices.tell(unreachable(peer));
        }
        assert_eq!(said.try_iter().collect::<Vec<_>>(), [unreachable(2).to_string()]);
    }

    #[test]
    fn words_of_another_program_stay_in_their_line() {
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        let long = format!("no\n\u{1b}[2J{}", "!".repeat(1_000));
        let said = Notice::not_let_in(BranchId(2), address, &long).to_string();
        assert!(said.starts_with("branch 2 at 127.0.0.1:9 does not let this one in: no\\n"));
        assert!(said.len() < 300 && !said.contains(char::is_control), "{said:?}");
    }
}
