//! What a branch counts about itself, as plain values of its owner.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use strum::VariantArray;

use crate::telemetry::{Family, Latencies, MetricName, Sizes, Value, names};
use bank::{BranchId, Operation, OperationKind, Outcome};
use replication::ReplicaStats;
use replication::passbook::Note;

#[derive(Clone, Debug, Default)]
struct Requests {
    latencies: Latencies,
    ok: u64,
    rejected: u64,
    unknown: u64,
}

#[derive(Clone, Debug, Default)]
struct PeerCalls {
    latencies: Latencies,
    applied: u64,
    undelivered: u64,
}

/// Counters of one branch since its start.
#[derive(Clone, Debug)]
pub(super) struct Statistics {
    requests: BTreeMap<OperationKind, Requests>,
    peers: BTreeMap<BranchId, PeerCalls>,
    push_rows: Sizes,
    push_writes: Sizes,
    borrow_requests: u64,
    /// Collects in which this branch asked all others, for itself or for others.
    collects: u64,
}

/// Messages from a branch to its peers.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    /// Propagations or frames that wait to be sent to each peer.
    pub(super) queued: Vec<(BranchId, usize)>,
    pub(super) frames_sent: u64,
    /// Frames that a slow peer had no room for.
    pub(super) frames_dropped: u64,
    /// Messages that this branch accounts for: an answered call counts at its caller.
    pub(super) messages_sent: u64,
}

/// What waits at a branch at the instant of a scrape, and what became of its frames.
#[derive(Clone, Debug)]
pub(super) struct Queues {
    /// Commands to its owner.
    pub(super) commands: usize,
    /// Customers' requests that were taken in.
    pub(super) requests: usize,
    pub(super) traffic: Traffic,
}

impl Statistics {
    pub(super) fn new(peers: impl Iterator<Item = BranchId>) -> Self {
        let requests = OperationKind::VARIANTS.iter().map(|kind| (*kind, Requests::default()));
        Self {
            requests: requests.collect(),
            peers: peers.map(|peer| (peer, PeerCalls::default())).collect(),
            push_rows: Sizes::default(),
            push_writes: Sizes::default(),
            borrow_requests: 0,
            collects: 0,
        }
    }

    /// A customer was answered.
    pub(super) fn answered(&mut self, operation: Operation, outcome: Outcome, took: Duration) {
        let requests = self.requests.entry(operation.kind()).or_default();
        requests.latencies.record(took);
        let count = match outcome {
            Outcome::Ok => &mut requests.ok,
            Outcome::Rejected(_) => &mut requests.rejected,
            Outcome::Unknown => &mut requests.unknown,
        };
        *count += 1;
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
        stats: &ReplicaStats,
        queues: &Queues,
    ) -> Vec<Family> {
        let labels = |more: &[(&'static str, &dyn Display)]| {
            let more = more.iter().map(|(name, value)| (*name, value.to_string()));
            std::iter::once(("branch", branch.to_string())).chain(more).collect()
        };
        let one = |name: MetricName, value: Value| Family::new(name, [(labels(&[]), value)]);
        let level = |count: usize| Value::Gauge(i64::try_from(count).unwrap_or(i64::MAX));
        let outcomes = self.requests.iter().flat_map(|(kind, requests)| {
            let Requests { ok, rejected, unknown, .. } = *requests;
            [("ok", ok), ("rejected", rejected), ("unknown", unknown)].map(|(outcome, count)| {
                let labels = labels(&[("operation", &kind.name()), ("outcome", &outcome)]);
                (labels, Value::Counter(count))
            })
        });
        let request_times = self.requests.iter().map(|(kind, requests)| {
            let times = Value::Histogram(requests.latencies.scrape());
            (labels(&[("operation", &kind.name())]), times)
        });
        let fanouts = self.peers.iter().map(|(peer, calls)| {
            (labels(&[("peer", peer)]), Value::Histogram(calls.latencies.scrape()))
        });
        let propagations = self.peers.iter().flat_map(|(peer, calls)| {
            let results = [("applied", calls.applied), ("undelivered", calls.undelivered)];
            results.map(|(result, count)| {
                (labels(&[("peer", peer), ("result", &result)]), Value::Counter(count))
            })
        });
        let Traffic { queued, frames_sent, frames_dropped, .. } = &queues.traffic;
        let frames = [("sent", *frames_sent), ("dropped", *frames_dropped)]
            .map(|(result, count)| (labels(&[("result", &result)]), Value::Counter(count)));
        let messages =
            queued.iter().map(|(peer, count)| (labels(&[("peer", peer)]), level(*count)));
        let outstanding = i64::try_from(stats.outstanding).unwrap_or(i64::MAX);
        vec![
            Family::new(names::BRANCH_REQUESTS, outcomes),
            Family::new(names::BRANCH_REQUEST, request_times),
            Family::new(names::FANOUT, fanouts),
            Family::new(names::PROPAGATIONS, propagations),
            Family::new(names::FRAMES, frames),
            one(names::PUSH_ROWS, Value::Histogram(self.push_rows.scrape())),
            one(names::PUSH_WRITES, Value::Histogram(self.push_writes.scrape())),
            one(names::BORROWS, Value::Counter(self.borrow_requests)),
            one(names::COLLECTS, Value::Counter(self.collects)),
            one(names::WAITING, level(queues.requests)),
            one(names::QUEUED_COMMANDS, level(queues.commands)),
            Family::new(names::QUEUED_MESSAGES, messages),
            one(names::OUTSTANDING, Value::Gauge(outstanding)),
            one(names::BALANCE, Value::Gauge(stats.balance.minor_units())),
            one(names::LOWEST_BALANCE, Value::Gauge(stats.lowest_balance.minor_units())),
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
        let [rows, writes] = [&statistics.push_rows, &statistics.push_writes].map(Sizes::scrape);
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
