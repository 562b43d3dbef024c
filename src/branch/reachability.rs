//! The peers with which a branch cannot work: it cannot connect to them, or they were started differently.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::info::Peer;
use super::warnings::{Warning, one_line};
use crate::wire::v1::UnreachablePeer;
use bank::BranchId;
use replication::passbook::Mismatch;

/// How long connecting to a peer may fail before the operator is warned: branches of a cluster start one
/// after another.
const WARN_AFTER: Duration = Duration::from_secs(1);

/// An attempt to connect to a peer that failed.
#[derive(Clone, Debug)]
pub(super) struct ConnectFailure {
    pub(super) peer: Peer,
    /// The message of the operating system or of the peer.
    pub(super) cause: String,
    /// Whether something answered at the address and rejects this branch for good.
    pub(super) is_refused: bool,
    /// When the first of the attempts began that have failed in a row.
    pub(super) since: Instant,
    /// When this one failed.
    pub(super) at: Instant,
}

/// The last failure of each peer that is not connected, and how many there were in a row.
#[derive(Clone, Debug)]
pub(super) struct Reachability {
    branch: BranchId,
    peers: Vec<Peer>,
    failures: BTreeMap<BranchId, (ConnectFailure, u32)>,
}

impl Reachability {
    /// For `branch` with these `peers`.
    pub(super) fn new(branch: BranchId, peers: Vec<Peer>) -> Self {
        Self { branch, peers, failures: BTreeMap::new() }
    }

    /// Records a failed attempt. Returns the warning for it if the peer rejects this branch or has been unreachable
    /// for long enough.
    pub(super) fn failed(&mut self, failure: ConnectFailure) -> Option<Warning> {
        let lasts = failure.at.saturating_duration_since(failure.since) >= WARN_AFTER;
        let (Peer { id: peer, address }, cause) = (failure.peer, one_line(&failure.cause));
        let warning = if failure.is_refused {
            Some(Warning::Rejected { peer, address, message: cause })
        } else {
            let branch = self.branch;
            lasts.then_some(Warning::Unreachable { branch, peer, address, cause })
        };
        self.count(failure);
        warning
    }

    /// Records that `peer` is connected and was started differently. Returns the warning for it.
    pub(super) fn mismatched(&mut self, peer: BranchId, why: Mismatch) -> Option<Warning> {
        let peer = *self.peers.iter().find(|known| known.id == peer)?;
        let (cause, at) = (format!("it {why}"), Instant::now());
        self.count(ConnectFailure { peer, cause, is_refused: true, since: at, at });
        Some(Warning::Mismatch { peer: peer.id, address: peer.address, why })
    }

    fn count(&mut self, failure: ConnectFailure) {
        let peer = failure.peer.id;
        let before = self.failures.get(&peer).map_or(0, |(_, failures)| *failures);
        self.failures.insert(peer, (failure, before.saturating_add(1)));
    }

    /// Records that `peer` is connected.
    pub(super) fn connected(&mut self, peer: BranchId) {
        self.failures.remove(&peer);
    }

    /// The unreachable peers, ascending.
    pub(super) fn unreachable(&self) -> Vec<UnreachablePeer> {
        let unreachable = self.failures.values().map(|(failure, failures)| UnreachablePeer {
            branch: failure.peer.id.0,
            address: failure.peer.address.to_string(),
            cause: one_line(&failure.cause),
            failures: *failures,
        });
        unreachable.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

    use super::*;
    use bank::Money;

    const PEER: Peer = Peer {
        id: BranchId(2),
        address: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9)),
    };

    fn failure(lasts: Duration) -> ConnectFailure {
        let (cause, since) = ("connection refused".to_owned(), Instant::now());
        ConnectFailure { peer: PEER, cause, is_refused: false, since, at: since + lasts }
    }

    #[test]
    fn peer_that_is_starting_is_listed_without_a_warning() {
        let mut reachability = Reachability::new(BranchId(1), vec![PEER]);
        assert_eq!(reachability.failed(failure(Duration::ZERO)), None);
        assert_eq!(reachability.failed(failure(Duration::ZERO)), None);
        let failures: Vec<u32> = reachability.unreachable().iter().map(|p| p.failures).collect();
        assert_eq!(failures, [2]);
        reachability.connected(BranchId(2));
        assert_eq!(reachability.unreachable(), []);
    }

    #[test]
    fn peer_that_stays_unreachable_is_warned_of_by_address() {
        let mut reachability = Reachability::new(BranchId(1), vec![PEER]);
        let warning = reachability.failed(failure(WARN_AFTER)).expect("a warning");
        assert_eq!(
            warning.to_string(),
            "branch 1 cannot reach peer 2 at 127.0.0.1:9: connection refused"
        );
    }

    #[test]
    fn peer_that_rejects_the_branch_is_warned_of_at_once() {
        let mut reachability = Reachability::new(BranchId(1), vec![PEER]);
        let cause = "this is branch 3".to_owned();
        let refused = ConnectFailure { cause, is_refused: true, ..failure(Duration::ZERO) };
        let warning = reachability.failed(refused).expect("a warning").to_string();
        assert!(warning.ends_with("this is branch 3"), "{warning}");
        assert_eq!(reachability.unreachable().len(), 1);
    }

    #[test]
    fn peer_that_was_started_differently_is_listed_with_the_reason() {
        let mut reachability = Reachability::new(BranchId(1), vec![PEER]);
        let why = Mismatch::Opening { theirs: Money::new(5), ours: Money::new(6) };
        assert_eq!(reachability.mismatched(BranchId(3), why.clone()), None);
        assert_eq!(reachability.unreachable(), [], "it is no peer");
        let warning = reachability.mismatched(BranchId(2), why.clone());
        let expected = Warning::Mismatch { peer: PEER.id, address: PEER.address, why };
        assert_eq!(warning, Some(expected));
        let unreachable = reachability.unreachable();
        let cause = unreachable.first().map(|peer| peer.cause.as_str());
        assert!(cause.is_some_and(|cause| cause.starts_with("it runs with opening balance 5")));
    }
}
