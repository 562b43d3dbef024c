//! What a branch counts about itself, as plain values of its owner.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::telemetry::{Family, Latencies, MetricName, Sizes, Value, names};
use bank::{BranchId, Operation, Outcome, WriteKind};
use replication::ReplicaStats;

const KINDS: [&str; 3] = ["query", "deposit", "withdraw"];
const OUTCOMES: [&str; 3] = ["ok", "rejected", "unknown"];

#[derive(Clone, Debug, Default)]
struct Kind {
    latencies: Latencies,
    outcomes: [u64; OUTCOMES.len()],
}

#[derive(Clone, Debug, Default)]
struct PeerCalls {
    latencies: Latencies,
    applied: u64,
    undelivered: u64,
}

/// Counters of one branch since its start.
#[derive(Clone, Debug, Default)]
pub(super) struct Statistics {
    kinds: [Kind; KINDS.len()],
    peers: BTreeMap<BranchId, PeerCalls>,
    push_rows: Sizes,
    push_writes: Sizes,
    /// Questions for rights.
    pub(super) borrows: u64,
    /// Collects in which this branch asked the others, for itself or for others.
    pub(super) collects: u64,
}

/// What waits at a branch at the instant of a scrape, and what became of its frames.
#[derive(Clone, Debug)]
pub(super) struct Queues {
    /// Commands to its owner.
    pub(super) commands: usize,
    /// Customers' requests that were taken in.
    pub(super) requests: usize,
    /// Messages to each peer.
    pub(super) messages: Vec<(BranchId, usize)>,
    /// Frames by result.
    pub(super) frames: [(&'static str, u64); 2],
}

impl Statistics {
    pub(super) fn new(peers: impl Iterator<Item = BranchId>) -> Self {
        let peers = peers.map(|peer| (peer, PeerCalls::default())).collect();
        Self { peers, ..Self::default() }
    }

    /// A customer was answered.
    pub(super) fn answered(&mut self, operation: Operation, outcome: Outcome, took: Duration) {
        let kind = match operation {
            Operation::Query => 0,
            Operation::Write(write) => match write.kind {
                WriteKind::Deposit => 1,
                WriteKind::Withdraw => 2,
            },
        };
        let outcome = match outcome {
            Outcome::Ok => 0,
            Outcome::Rejected(_) => 1,
            Outcome::Unknown => 2,
        };
        self.kinds[kind].latencies.record(took);
        self.kinds[kind].outcomes[outcome] += 1;
    }

    /// A propagation to a peer ended.
    pub(super) fn propagated(&mut self, peer: BranchId, applied: bool, took: Duration) {
        let calls = self.peers.entry(peer).or_default();
        calls.latencies.record(took);
        calls.applied += u64::from(applied);
        calls.undelivered += u64::from(!applied);
    }

    /// A push leaves for a peer.
    pub(super) fn pushed(&mut self, rows: usize, writes: u64) {
        self.push_rows.record(u64::try_from(rows).unwrap_or(u64::MAX));
        self.push_writes.record(writes);
    }

    /// A push with entries of this branch was acknowledged.
    pub(super) fn acknowledged(&mut self, peer: BranchId, took: Duration) {
        self.peers.entry(peer).or_default().latencies.record(took);
    }

    /// Everything as metrics.
    pub(super) fn families(
        &self,
        branch: BranchId,
        audit: &ReplicaStats,
        queues: &Queues,
    ) -> Vec<Family> {
        let of_branch = || vec![("branch", branch.to_string())];
        let with = |name: &'static str, value: &str| {
            let mut labels = of_branch();
            labels.push((name, value.to_owned()));
            labels
        };
        let kinds = || KINDS.iter().zip(&self.kinds);
        let requests = kinds().flat_map(|(kind, counts)| {
            OUTCOMES.iter().zip(counts.outcomes).map(move |(outcome, count)| {
                let mut labels = with("operation", kind);
                labels.push(("outcome", (*outcome).to_owned()));
                (labels, Value::Counter(count))
            })
        });
        let request_times = kinds().map(|(kind, counts)| {
            (with("operation", kind), Value::Histogram(Box::new(counts.latencies.clone())))
        });
        let fanouts = self.peers.iter().map(|(peer, calls)| {
            let latencies = Box::new(calls.latencies.clone());
            (with("peer", &peer.to_string()), Value::Histogram(latencies))
        });
        let propagations = self.peers.iter().flat_map(|(peer, calls)| {
            [("applied", calls.applied), ("undelivered", calls.undelivered)].map(
                |(result, count)| {
                    let mut labels = with("peer", &peer.to_string());
                    labels.push(("result", result.to_owned()));
                    (labels, Value::Counter(count))
                },
            )
        });
        let one = |name: MetricName, value: Value| Family::new(name, [(of_branch(), value)]);
        let gauge = |name: MetricName, level: i64| one(name, Value::Gauge(level));
        let sizes = |name, sizes: &Sizes| one(name, Value::Sizes(Box::new(sizes.clone())));
        let level = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let frames =
            queues.frames.map(|(result, count)| (with("result", result), Value::Counter(count)));
        let messages = queues
            .messages
            .iter()
            .map(|(peer, count)| (with("peer", &peer.to_string()), Value::Gauge(level(*count))));
        vec![
            Family::new(names::BRANCH_REQUESTS, requests),
            Family::new(names::BRANCH_REQUEST, request_times),
            Family::new(names::FANOUT, fanouts),
            Family::new(names::PROPAGATIONS, propagations),
            Family::new(names::FRAMES, frames),
            sizes(names::PUSH_ROWS, &self.push_rows),
            sizes(names::PUSH_WRITES, &self.push_writes),
            one(names::BORROWS, Value::Counter(self.borrows)),
            one(names::COLLECTS, Value::Counter(self.collects)),
            gauge(names::WAITING, level(queues.requests)),
            gauge(names::QUEUED_COMMANDS, level(queues.commands)),
            Family::new(names::QUEUED_MESSAGES, messages),
            gauge(names::OUTSTANDING, i64::try_from(audit.outstanding).unwrap_or(i64::MAX)),
            gauge(names::BALANCE, audit.balance.minor_units()),
            gauge(names::LOWEST_BALANCE, audit.lowest_balance.minor_units()),
        ]
    }
}
