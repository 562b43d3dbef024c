//! Warnings to the operator: faults that the branch cannot fix by itself.

use std::net::SocketAddr;

use thiserror::Error;

use bank::BranchId;
use replication::passbook::Mismatch;

/// The most different warnings that are reported: some are caused from the network.
const WARNINGS_MAX: usize = 64;
/// The most characters of another program's message.
const MESSAGE_MAX: usize = 200;

/// Why a branch cannot work with another. It goes on, and waits until that is fixed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Warning {
    /// A peer was started with another configuration.
    #[error("branch {peer} at {address} {why}")]
    Mismatch {
        /// The peer.
        peer: BranchId,
        /// Its address.
        address: SocketAddr,
        /// How they differ.
        why: Mismatch,
    },
    /// The program at a peer's address rejects this branch.
    #[error("branch {peer} at {address} does not let this one in: {message}")]
    Rejected {
        /// The peer.
        peer: BranchId,
        /// Its address.
        address: SocketAddr,
        /// Its message.
        message: String,
    },
    /// A peer stays out of reach.
    #[error("branch {branch} cannot reach peer {peer} at {address}: {cause}")]
    Unreachable {
        /// The branch that tries to connect.
        branch: BranchId,
        /// The peer that it cannot reach.
        peer: BranchId,
        /// The peer's address.
        address: SocketAddr,
        /// Why the last attempt failed.
        cause: String,
    },
    /// A branch that is no peer of this one opens a stream.
    #[error(
        "connection from branch {branch}, which is not in this branch's --peer list; start all branches with the same \
         members"
    )]
    Stranger {
        /// The number that it gives.
        branch: BranchId,
    },
    /// A peer replicates by another scheme.
    #[error(
        "branch {branch} replicates by another scheme than {replication}, which is this one's: start all \
         with the same"
    )]
    OtherScheme {
        /// The number that it gives.
        branch: BranchId,
        /// This branch's scheme.
        replication: &'static str,
    },
}

/// A message of another program, escaped and truncated.
pub(super) fn one_line(message: &str) -> String {
    message.chars().flat_map(char::escape_debug).take(MESSAGE_MAX).collect()
}

/// Shows a warning to the operator.
pub(super) type Warn = Box<dyn Fn(&Warning) + Send>;

/// Reports each warning once.
pub(super) struct Warnings {
    warn: Option<Warn>,
    reported: Vec<Warning>,
}

impl Warnings {
    pub(super) fn new(warn: Option<Warn>) -> Self {
        Self { warn, reported: Vec::new() }
    }

    pub(super) fn report(&mut self, warning: Option<Warning>) {
        if let Some(warning) = warning
            && self.reported.len() < WARNINGS_MAX
            && !self.reported.contains(&warning)
        {
            if let Some(warn) = &self.warn {
                warn(&warning);
            }
            self.reported.push(warning);
        }
    }

    /// Forgets that `peer` was unreachable, so that the next time is reported again.
    pub(super) fn connected(&mut self, peer: BranchId) {
        let is_of = |warning: &Warning| matches!(warning, Warning::Unreachable { peer: of, .. } if *of == peer);
        self.reported.retain(|warning| !is_of(warning));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn each_warning_is_reported_once_up_to_a_limit() {
        let (sender, reported) = mpsc::channel();
        let warn: Warn = Box::new(move |warning| sender.send(warning.clone()).expect("received"));
        let mut warnings = Warnings::new(Some(warn));
        let stranger = |id| Warning::Stranger { branch: BranchId(id) };
        for id in [7, 7, 8, 7] {
            warnings.report(Some(stranger(id)));
        }
        assert_eq!(reported.try_iter().collect::<Vec<_>>(), [stranger(7), stranger(8)]);
        for id in 0..1_000 {
            warnings.report(Some(stranger(id)));
        }
        assert_eq!(reported.try_iter().count(), WARNINGS_MAX - 2);
    }

    #[test]
    fn unreachable_peer_is_reported_again_after_a_connection() {
        let (sender, reported) = mpsc::channel();
        let warn: Warn =
            Box::new(move |warning| sender.send(warning.to_string()).expect("received"));
        let mut warnings = Warnings::new(Some(warn));
        let unreachable = |peer| Warning::Unreachable {
            branch: BranchId(1),
            peer: BranchId(peer),
            address: SocketAddr::from(([127, 0, 0, 1], 9)),
            cause: "connection refused".to_owned(),
        };
        for peer in [2, 2, 3] {
            warnings.report(Some(unreachable(peer)));
        }
        assert_eq!(reported.try_iter().count(), 2);
        warnings.connected(BranchId(2));
        for peer in [2, 3] {
            warnings.report(Some(unreachable(peer)));
        }
        assert_eq!(reported.try_iter().collect::<Vec<_>>(), [unreachable(2).to_string()]);
    }

    #[test]
    fn message_of_another_program_stays_in_its_line() {
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        let long = format!("no\n\u{1b}[2J{}", "!".repeat(1_000));
        let (peer, message) = (BranchId(2), one_line(&long));
        let said = Warning::Rejected { peer, address, message }.to_string();
        assert!(said.starts_with("branch 2 at 127.0.0.1:9 does not let this one in: no\\n"));
        assert!(said.len() < 300 && !said.contains(char::is_control), "{said:?}");
    }
}
