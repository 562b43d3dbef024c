//! What one thread of customers counts. One writer, no lock; merged at the end.

use std::time::Duration;

use hdrhistogram::Histogram;
use passbook::bank::{BranchId, Operation, Outcome, Rejection, WriteKind};
use passbook::telemetry::Latencies;

use super::backoff::Backoffs;
use super::statuses::Statuses;
use crate::record::Performed;

/// Histograms hold 1 ns to this, with three significant digits.
const LATENCY_MAX: Duration = Duration::from_hours(1);
const SIGNIFICANT_DIGITS: u8 = 3;

/// A kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A deposit.
    Deposit,
    /// A withdrawal.
    Withdraw,
    /// A query.
    Query,
}

impl Kind {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Deposit, Self::Withdraw, Self::Query];

    /// The name used in reports, metrics and `summary.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::Withdraw => "withdraw",
            Self::Query => "query",
        }
    }

    const fn of(operation: Operation) -> Self {
        match operation {
            Operation::Query => Self::Query,
            Operation::Write(write) => match write.kind {
                WriteKind::Deposit => Self::Deposit,
                WriteKind::Withdraw => Self::Withdraw,
            },
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Deposit => 0,
            Self::Withdraw => 1,
            Self::Query => 2,
        }
    }
}

/// What is counted per kind while the run lasts: small enough to be copied once in a while.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Operations that happened.
    pub ok: u64,
    /// Operations that were definitely refused.
    pub rejected: u64,
    /// Operations whose outcome is unknown.
    pub unknown: u64,
    /// Response times.
    pub response: Latencies,
    /// Service times.
    pub service: Latencies,
}

impl Live {
    /// Answered operations.
    pub fn completed(&self) -> u64 {
        self.ok + self.rejected
    }

    fn merge(&mut self, other: &Self) {
        self.ok += other.ok;
        self.rejected += other.rejected;
        self.unknown += other.unknown;
        self.response.merge(&other.response);
        self.service.merge(&other.service);
    }
}

/// Everything about one kind of operation.
#[derive(Clone, Debug)]
pub struct KindRecord {
    /// Counts and buckets.
    pub live: Live,
    /// Response times in nanoseconds. An unanswered operation counts with the time it was waited
    /// for, which is less than what it would have taken.
    pub response: Histogram<u64>,
    /// Service times in nanoseconds.
    pub service: Histogram<u64>,
}

impl KindRecord {
    /// No operations.
    pub fn new() -> Self {
        Self { live: Live::default(), response: histogram(), service: histogram() }
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: &Self) {
        self.live.merge(&other.live);
        // Both have the same range, so nothing can be out of it.
        let _ = self.response.add(&other.response);
        let _ = self.service.add(&other.service);
    }
}

impl Default for KindRecord {
    fn default() -> Self {
        Self::new()
    }
}

fn histogram() -> Histogram<u64> {
    let most = u64::try_from(LATENCY_MAX.as_nanos()).unwrap_or(u64::MAX);
    Histogram::new_with_bounds(1, most, SIGNIFICANT_DIGITS)
        .unwrap_or_else(|_| unreachable!("the bounds are constants that are allowed"))
}

/// Records the operations of one thread.
#[derive(Clone, Debug)]
pub struct Recorder {
    kinds: [KindRecord; 3],
    /// Response times since the last look.
    recent: Histogram<u64>,
    /// By place in [`Rejection::ALL`].
    rejections: [u64; Rejection::ALL.len()],
    /// The first whose outcome is unknown.
    unanswered: Vec<Performed>,
    statuses: Statuses,
    backoffs: Backoffs,
}

impl Recorder {
    /// Nothing recorded.
    pub fn new() -> Self {
        Self {
            kinds: [KindRecord::new(), KindRecord::new(), KindRecord::new()],
            recent: histogram(),
            rejections: [0; Rejection::ALL.len()],
            unanswered: Vec::new(),
            statuses: Statuses::default(),
            backoffs: Backoffs::default(),
        }
    }

    /// How many of the operations whose outcome is unknown are kept.
    pub const UNANSWERED_KEPT: usize = 3;

    /// An operation ended.
    pub fn record(&mut self, performed: &Performed) {
        let Performed { operation, due, sent, ended, .. } = *performed;
        let kind = &mut self.kinds[Kind::of(operation).index()];
        match performed.answer.outcome {
            Outcome::Ok => kind.live.ok += 1,
            Outcome::Rejected(reason) => {
                kind.live.rejected += 1;
                if let Some(place) = Rejection::ALL.iter().position(|known| *known == reason) {
                    self.rejections[place] += 1;
                }
            }
            Outcome::Unknown => {
                kind.live.unknown += 1;
                if self.unanswered.len() < Self::UNANSWERED_KEPT {
                    self.unanswered.push(performed.clone());
                }
            }
        }
        let is_unknown = performed.answer.outcome == Outcome::Unknown;
        self.statuses.count(&performed.status, is_unknown);
        let response = ended.saturating_duration_since(due);
        let service = ended.saturating_duration_since(sent);
        kind.live.response.record(response);
        kind.live.service.record(service);
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        kind.response.saturating_record(nanoseconds(response));
        kind.service.saturating_record(nanoseconds(service));
        self.recent.saturating_record(nanoseconds(response));
    }

    /// A customer pauses after a failed call to `branch`.
    pub fn record_backoff(&mut self, branch: BranchId, pause: Duration) {
        self.backoffs.record(branch, pause);
    }

    /// Adds all of another thread's.
    pub fn merge(&mut self, other: &Self) {
        for (kind, more) in self.kinds.iter_mut().zip(&other.kinds) {
            kind.merge(more);
        }
        for (count, more) in self.rejections.iter_mut().zip(other.rejections) {
            *count += more;
        }
        self.statuses.merge(&other.statuses);
        self.backoffs.merge(&other.backoffs);
        let room = Self::UNANSWERED_KEPT.saturating_sub(self.unanswered.len());
        self.unanswered.extend(other.unanswered.iter().take(room).cloned());
    }

    /// How many operations were rejected, by reason.
    pub fn rejections(&self) -> impl Iterator<Item = (Rejection, u64)> {
        Rejection::ALL.into_iter().zip(self.rejections)
    }

    /// The first operations whose outcome is unknown.
    pub fn unanswered(&self) -> &[Performed] {
        &self.unanswered
    }

    /// How many operations ended with which status.
    pub const fn statuses(&self) -> &Statuses {
        &self.statuses
    }

    /// How often customers backed off, by branch.
    pub const fn backoffs(&self) -> &Backoffs {
        &self.backoffs
    }

    /// One kind's record.
    pub fn kind(&self, kind: Kind) -> &KindRecord {
        &self.kinds[kind.index()]
    }

    /// All kinds together.
    pub fn all(&self) -> KindRecord {
        let mut all = KindRecord::new();
        for kind in &self.kinds {
            all.merge(kind);
        }
        all
    }

    /// Copies of the live counts by kind.
    pub fn live(&self) -> [Live; 3] {
        self.kinds.each_ref().map(|kind| kind.live.clone())
    }

    /// The 50th and 99th percentile of the response times since the last call, nanoseconds.
    pub fn take_recent(&mut self) -> (u64, u64) {
        let percentiles = (self.recent.value_at_quantile(0.5), self.recent.value_at_quantile(0.99));
        self.recent.reset();
        percentiles
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use passbook::bank::{Answer, BranchId, CustomerId, RequestId, SessionId};
    use passbook::replicate::Attempt;
    use tokio::time::Instant;

    use super::*;
    use crate::record::CallStatus;

    const RESPONSE: Duration = Duration::from_millis(3);

    fn ended(operation: Operation, outcome: Outcome, response: Duration) -> Performed {
        let due = Instant::now();
        let request = RequestId { session: SessionId(1), number: 1 };
        Performed {
            customer: CustomerId(9),
            event: 4,
            operation,
            branch: BranchId(2),
            due,
            sent: due + Duration::from_millis(1),
            ended: due + response,
            attempt: Attempt { request, attempt: 1 },
            answer: Answer { outcome, balance: None },
            status: CallStatus::default(),
            receipt: None,
            trace: None,
        }
    }

    #[test]
    fn outcomes_and_latencies_are_kept_by_kind_and_merged() {
        let mut one = Recorder::new();
        one.record(&ended(Operation::deposit(1), Outcome::Ok, RESPONSE));
        let refused = Outcome::Rejected(Rejection::InsufficientFunds);
        one.record(&ended(Operation::withdraw(1), refused, RESPONSE));
        let mut two = Recorder::new();
        two.record(&ended(Operation::Query, Outcome::Unknown, LATENCY_MAX * 2));
        one.merge(&two);
        assert_eq!(one.kind(Kind::Deposit).live.ok, 1);
        assert_eq!(one.kind(Kind::Withdraw).live.completed(), 1);
        assert_eq!(one.kind(Kind::Query).live.unknown, 1);
        let all = one.all();
        assert_eq!((all.response.len(), all.live.completed()), (3, 2));
        let p50 = all.response.value_at_quantile(0.5);
        assert!((2_990_000..3_010_000).contains(&p50), "{p50}");
        let service = one.kind(Kind::Deposit).service.max();
        assert!((1_990_000..2_010_000).contains(&service), "{service}");
    }

    #[test]
    fn reasons_are_counted_apart_and_the_first_unanswered_are_kept() {
        let mut recorder = Recorder::new();
        let contended = Outcome::Rejected(Rejection::Contended);
        for outcome in [contended, Outcome::Unknown, Outcome::Ok, contended] {
            recorder.record(&ended(Operation::withdraw(1), outcome, RESPONSE));
        }
        let mut more = Recorder::new();
        (0..9).for_each(|_| more.record(&ended(Operation::Query, Outcome::Unknown, RESPONSE)));
        recorder.merge(&more);
        let counted: Vec<_> = recorder.rejections().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(Rejection::Contended, 2)]);
        assert_eq!(recorder.unanswered().len(), Recorder::UNANSWERED_KEPT);
    }

    #[test]
    fn recent_percentiles_forget() {
        let mut recorder = Recorder::new();
        recorder.record(&ended(Operation::Query, Outcome::Ok, Duration::from_millis(5)));
        assert!(recorder.take_recent().0 > 4_000_000);
        assert_eq!(recorder.take_recent(), (0, 0));
    }
}
