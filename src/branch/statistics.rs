//! What a branch counts about itself, as plain values of its owner.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::telemetry::{Family, Latencies, MetricName, Sizes, Value, names};
use bank::{BranchId, Operation, Outcome, WriteKind};
use replication::ReplicaStats;
use replication::passbook::Note;

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
    borrow_requests: u64,
    /// Collects in which this branch asked all others, for itself or for others.
    collects: u64,
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

    /// The engine reports a step.
    pub(super) fn on_note(&mut self, note: &Note) {
        match note {
            Note::Pushed { rows, after, upto, .. } => {
                self.push_rows.record(u64::try_from(*rows).unwrap_or(u64::MAX));
                self.push_writes.record(upto.0.saturating_sub(after.0));
            }
            Note::PushAcknowledged { by, waited } => {
                self.peers.entry(*by).or_default().latencies.record(*waited);
            }
            Note::BorrowRequested { .. } => self.borrow_requests += 1,
            Note::CollectStarted { prover: None, .. } if !self.peers.is_empty() => {
                self.collects += 1;
            }
            _ => {}
        }
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
            (with("operation", kind), Value::Histogram(counts.latencies.scrape()))
        });
        let fanouts = self.peers.iter().map(|(peer, calls)| {
            (with("peer", &peer.to_string()), Value::Histogram(calls.latencies.scrape()))
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
        let sizes = |name, sizes: &Sizes| one(name, Value::Histogram(sizes.scrape()));
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
            one(names::BORROWS, Value::Counter(self.borrow_requests)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use bank::Seq;

    #[test]
    fn notes_are_counted_by_kind() {
        let peer = BranchId(1);
        let mut statistics = Statistics::new([peer].into_iter());
        let collect = |prover| Note::CollectStarted { waiting: Vec::new(), prover };
        let pushed = |upto| Note::Pushed { to: peer, rows: 2, after: Seq(3), upto: Seq(upto) };
        for note in [
            pushed(7),
            pushed(3),
            Note::PushAcknowledged { by: peer, waited: Duration::from_micros(60) },
            Note::BorrowRequested { of: peer },
            collect(None),
            collect(None),
            collect(Some(peer)),
        ] {
            statistics.on_note(&note);
        }
        let [rows, writes] =
            [&statistics.push_rows, &statistics.push_writes].map(|sizes| sizes.scrape());
        assert_eq!((rows.count, rows.sum), (2, 4.0));
        assert_eq!((writes.count, writes.sum), (2, 4.0));
        assert_eq!(statistics.peers[&peer].latencies.count(), 1);
        assert_eq!(
            (statistics.borrow_requests, statistics.collects),
            (1, 2),
            "a prover counts its own"
        );
        let mut alone = Statistics::new(std::iter::empty());
        alone.on_note(&collect(None));
        assert_eq!(alone.collects, 0, "nobody is asked");
    }
}
