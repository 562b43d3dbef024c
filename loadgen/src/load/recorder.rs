//! What one worker counts. One writer, no lock; merged at the end.

use std::time::Duration;

use bank::{BranchId, OperationKind, Outcome, Rejection};
use hdrhistogram::{CreationError, Histogram};
use history::{OperationRecord, Record};
use passbook::telemetry::Latencies;
use strum::IntoStaticStr;
use tokio::time::Instant;

use super::statuses::Statuses;
use crate::client::Backoffs;
use crate::record::CallStatus;

/// Histograms hold 1 ns to this, with three significant digits.
const LATENCY_MAX: Duration = Duration::from_hours(1);
const SIGNIFICANT_DIGITS: u8 = 3;

/// The kinds of operations, in the order of reports.
pub const KINDS: [OperationKind; 3] =
    [OperationKind::Deposit, OperationKind::Withdraw, OperationKind::Query];

/// The position of `kind` in [`KINDS`].
const fn index(kind: OperationKind) -> usize {
    match kind {
        OperationKind::Deposit => 0,
        OperationKind::Withdraw => 1,
        OperationKind::Query => 2,
    }
}

/// What an operation came to, as far as latency is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Class {
    /// It was done, or refused for lack of money.
    Answered,
    /// Any other answer: a rejection for another reason, an error, or one that the contract does not define.
    Failed,
    /// No answer came until the deadline, or until the connection was lost.
    Unanswered,
}

impl Class {
    /// The classes whose latency is kept apart from that of answered operations, in the order of reports.
    pub const FAILURES: [Self; 2] = [Self::Failed, Self::Unanswered];

    /// The name used in reports and `summary.json`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What only the recorder has to know of a call that ended.
#[derive(Clone, Copy, Debug)]
pub struct CallDetails<'a> {
    /// When the operation had to begin.
    pub due: Instant,
    /// When it was first sent.
    pub sent: Instant,
    /// When it was answered, or given up.
    pub ended: Instant,
    /// The status with which it ended.
    pub status: &'a CallStatus,
}

impl CallDetails<'_> {
    /// The class of the operation, whose outcome is `outcome`.
    pub fn class(&self, outcome: Outcome) -> Class {
        match outcome {
            Outcome::Ok | Outcome::Rejected(Rejection::InsufficientFunds) => Class::Answered,
            Outcome::Unknown if self.status.is_unanswered() => Class::Unanswered,
            Outcome::Rejected(_) | Outcome::Unknown => Class::Failed,
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
    /// Response times of answered operations.
    pub response: Latencies,
    /// Service times of answered operations.
    pub service: Latencies,
}

impl Live {
    /// Operations that ended, whatever they came to.
    pub fn ended(&self) -> u64 {
        self.ok + self.rejected + self.unknown
    }

    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Ok => self.ok += 1,
            Outcome::Rejected(_) => self.rejected += 1,
            Outcome::Unknown => self.unknown += 1,
        }
    }

    /// Adds all of another's.
    pub(super) fn merge(&mut self, other: &Self) {
        self.ok += other.ok;
        self.rejected += other.rejected;
        self.unknown += other.unknown;
        self.response.merge(&other.response);
        self.service.merge(&other.service);
    }
}

/// Everything about one kind of operation, or about one class of failures.
#[derive(Clone, Debug)]
pub struct KindRecord {
    /// Counts and buckets.
    pub live: Live,
    /// Response times in nanoseconds. Those of a kind are of its answered operations; an unanswered operation
    /// counts among the failures with the time it was waited for.
    pub response: Histogram<u64>,
    /// Service times in nanoseconds.
    pub service: Histogram<u64>,
}

impl KindRecord {
    /// Adds all of another's.
    pub fn merge(&mut self, other: &Self) {
        self.live.merge(&other.live);
        // Both have the same range, so nothing can be out of it.
        let _ = self.response.add(&other.response);
        let _ = self.service.add(&other.service);
    }

    fn record_times(&mut self, response: Duration, service: Duration) {
        self.response.saturating_record(nanoseconds(response));
        self.service.saturating_record(nanoseconds(service));
    }
}

pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// An empty histogram of latencies.
pub(super) fn histogram() -> Result<Histogram<u64>, CreationError> {
    Histogram::new_with_bounds(1, nanoseconds(LATENCY_MAX), SIGNIFICANT_DIGITS)
}

/// Records the operations of one worker.
#[derive(Clone, Debug)]
pub struct Recorder {
    kinds: [KindRecord; 3],
    /// By place in [`Class::FAILURES`].
    failures: [KindRecord; 2],
    /// Answered operations that ended in the measured window.
    answered_in_window: u64,
    /// Response times of answered operations since [`Recorder::take_recent`].
    recent: Histogram<u64>,
    /// By place in [`Rejection::ALL`].
    rejections: [u64; Rejection::ALL.len()],
    /// The first whose outcome is unknown.
    first_unknown: Vec<OperationRecord<'static>>,
    statuses: Statuses,
    backoffs: Backoffs,
}

impl Recorder {
    /// Nothing recorded.
    ///
    /// # Errors
    /// There is no histogram of such latencies.
    pub fn new() -> Result<Self, CreationError> {
        let recent = histogram()?;
        let (response, service) = (recent.clone(), recent.clone());
        let record = KindRecord { live: Live::default(), response, service };
        Ok(Self {
            kinds: [record.clone(), record.clone(), record.clone()],
            failures: [record.clone(), record],
            answered_in_window: 0,
            recent,
            rejections: [0; Rejection::ALL.len()],
            first_unknown: Vec::new(),
            statuses: Statuses::default(),
            backoffs: Backoffs::default(),
        })
    }

    /// How many of the operations whose outcome is unknown are kept.
    pub const UNKNOWN_KEPT: usize = 3;

    /// Records an operation that has ended; `in_window` if that was in the measured window.
    pub fn record<V, S>(
        &mut self,
        operation: &Record<V, S>,
        details: CallDetails<'_>,
        in_window: bool,
    ) {
        let CallDetails { due, sent, ended, status } = details;
        let Record { customer, position, branch, operation, outcome, invoked, .. } = *operation;
        let kind = &mut self.kinds[index(operation.kind())];
        kind.live.count(outcome);
        if let Outcome::Rejected(reason) = outcome
            && let Some(place) = Rejection::ALL.iter().position(|known| *known == reason)
        {
            self.rejections[place] += 1;
        }
        let is_unknown = outcome == Outcome::Unknown;
        self.statuses.count(status, is_unknown);
        if is_unknown && self.first_unknown.len() < Self::UNKNOWN_KEPT {
            let record = Record::new(customer, position, branch, operation, outcome);
            self.first_unknown.push(Record { invoked, ..record });
        }
        let response = ended.saturating_duration_since(due);
        let service = ended.saturating_duration_since(sent);
        let failures = match details.class(outcome) {
            Class::Answered => {
                kind.live.response.record(response);
                kind.live.service.record(service);
                kind.record_times(response, service);
                self.recent.saturating_record(nanoseconds(response));
                self.answered_in_window += u64::from(in_window);
                return;
            }
            Class::Failed => &mut self.failures[0],
            Class::Unanswered => &mut self.failures[1],
        };
        failures.live.count(outcome);
        failures.record_times(response, service);
    }

    /// A customer pauses after a failed call to `branch`.
    pub fn record_backoff(&mut self, branch: BranchId, pause: Duration) {
        self.backoffs.record(branch, pause);
    }

    /// Adds all that another worker recorded.
    pub fn merge(&mut self, other: &Self) {
        for (kind, more) in self.kinds.iter_mut().zip(&other.kinds) {
            kind.merge(more);
        }
        for (failures, more) in self.failures.iter_mut().zip(&other.failures) {
            failures.merge(more);
        }
        self.answered_in_window += other.answered_in_window;
        for (count, more) in self.rejections.iter_mut().zip(other.rejections) {
            *count += more;
        }
        self.statuses.merge(&other.statuses);
        self.backoffs.merge(&other.backoffs);
        self.first_unknown.extend_from_slice(&other.first_unknown);
        self.first_unknown.sort_by_key(|operation| operation.invoked);
        self.first_unknown.truncate(Self::UNKNOWN_KEPT);
    }

    /// How many operations were rejected, by reason.
    pub fn rejections(&self) -> impl Iterator<Item = (Rejection, u64)> {
        Rejection::ALL.iter().copied().zip(self.rejections)
    }

    /// The first operations whose outcome is unknown.
    pub fn first_unknown(&self) -> &[OperationRecord<'static>] {
        &self.first_unknown
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
    pub fn kind(&self, kind: OperationKind) -> &KindRecord {
        &self.kinds[index(kind)]
    }

    /// The failures with their classes. Their latencies are in no kind's record; their counts are.
    pub fn failures(&self) -> impl Iterator<Item = (Class, &KindRecord)> {
        Class::FAILURES.into_iter().zip(&self.failures)
    }

    /// Answered operations that ended in the measured window.
    pub fn answered_in_window(&self) -> u64 {
        self.answered_in_window
    }

    /// All kinds together.
    pub fn all(&self) -> KindRecord {
        let [mut all, others @ ..] = self.kinds.clone();
        for kind in &others {
            all.merge(kind);
        }
        all
    }

    /// Copies of the live counts by kind.
    pub fn live(&self) -> [Live; 3] {
        self.kinds.each_ref().map(|kind| kind.live.clone())
    }

    /// The response times of answered operations since the last call.
    pub fn take_recent(&mut self) -> Histogram<u64> {
        let empty = Histogram::new_from(&self.recent);
        std::mem::replace(&mut self.recent, empty)
    }
}

/// Percentiles of recent response times of answered operations; `None` where there are too few for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// The median.
    pub p50: Option<Duration>,
    /// The 99th percentile.
    pub p99: Option<Duration>,
}

impl Recent {
    pub(super) fn of(nanoseconds: &Histogram<u64>) -> Self {
        let percentile = |tenths| percentile(nanoseconds, tenths).map(Duration::from_nanos);
        Self { p50: percentile(P50), p99: percentile(P99) }
    }
}

/// Percentiles that are shown, in tenths of a percent.
pub const P50: u32 = 500;
/// See [`P50`].
pub const P90: u32 = 900;
/// See [`P50`].
pub const P99: u32 = 990;
/// See [`P50`].
pub const P99_9: u32 = 999;

/// How many values have to lie beyond a percentile for it to be shown: fewer, and it is the value of one or two
/// outliers. So p50 takes 20 values, p90 100, p99 1,000 and p99.9 10,000.
const BEYOND_MIN: u64 = 10;

/// The value at a percentile, in tenths of a percent; `None` if the sample is too small for it.
pub fn percentile(values: &Histogram<u64>, tenths: u32) -> Option<u64> {
    let beyond = u64::from(1_000_u32.saturating_sub(tenths));
    let supported = values.len().saturating_mul(beyond) >= BEYOND_MIN * 1_000;
    supported.then(|| values.value_at_quantile(f64::from(tenths) / 1_000.0))
}

#[cfg(test)]
mod tests {
    use bank::{CustomerId, Operation, StatusCode};

    use super::*;

    fn empty() -> Recorder {
        Recorder::new().expect("valid bounds")
    }

    const RESPONSE: Duration = Duration::from_millis(3);

    /// An operation that was due 1 ms before it was sent.
    #[derive(Clone)]
    struct Ended {
        record: OperationRecord<'static>,
        response: Duration,
        status: CallStatus,
    }

    impl Ended {
        fn enter(&self, recorder: &mut Recorder, in_window: bool) {
            let due = Instant::now();
            let sent = due + Duration::from_millis(1);
            let details =
                CallDetails { due, sent, ended: due + self.response, status: &self.status };
            recorder.record(&self.record, details, in_window);
        }
    }

    fn ended(operation: Operation, outcome: Outcome, response: Duration) -> Ended {
        let status = match outcome {
            Outcome::Unknown => CallStatus::failed(StatusCode::DeadlineExceeded, true, ""),
            Outcome::Ok | Outcome::Rejected(_) => CallStatus::default(),
        };
        let record = Record::new(CustomerId(9), 4, BranchId(2), operation, outcome);
        Ended { record, response, status }
    }

    #[test]
    fn outcomes_and_latencies_are_kept_by_kind_and_merged() {
        let mut one = empty();
        ended(Operation::deposit(1), Outcome::Ok, RESPONSE).enter(&mut one, true);
        let refused = Outcome::Rejected(Rejection::InsufficientFunds);
        ended(Operation::withdraw(1), refused, RESPONSE).enter(&mut one, true);
        let mut two = empty();
        ended(Operation::Query, Outcome::Ok, LATENCY_MAX * 2).enter(&mut two, false);
        one.merge(&two);
        assert_eq!(one.kind(OperationKind::Deposit).live.ok, 1);
        assert_eq!(one.kind(OperationKind::Withdraw).live.rejected, 1);
        assert_eq!(one.kind(OperationKind::Query).live.ok, 1);
        let all = one.all();
        assert_eq!((all.response.len(), all.live.ended()), (3, 3));
        assert_eq!(one.answered_in_window(), 2);
        let p50 = all.response.value_at_quantile(0.5);
        assert!((2_990_000..3_010_000).contains(&p50), "{p50}");
        let service = one.kind(OperationKind::Deposit).service.max();
        assert!((1_990_000..2_010_000).contains(&service), "{service}");
    }

    #[test]
    fn reasons_are_counted_apart_and_the_first_unanswered_are_kept() {
        let mut recorder = empty();
        let contended = Outcome::Rejected(Rejection::Contended);
        for outcome in [contended, Outcome::Unknown, Outcome::Ok, contended] {
            ended(Operation::withdraw(1), outcome, RESPONSE).enter(&mut recorder, true);
        }
        let mut more = empty();
        let unanswered = ended(Operation::Query, Outcome::Unknown, RESPONSE);
        (0..9).for_each(|_| unanswered.enter(&mut more, true));
        recorder.merge(&more);
        let counted: Vec<_> = recorder.rejections().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(Rejection::Contended, 2)]);
        assert_eq!(recorder.first_unknown().len(), Recorder::UNKNOWN_KEPT);
    }

    #[test]
    fn first_unknown_operations_include_those_with_an_error() {
        let mut recorder = empty();
        let unknown = ended(Operation::withdraw(1), Outcome::Unknown, RESPONSE);
        let error = CallStatus::failed(StatusCode::Internal, false, "exception");
        let mut failed = Ended { status: error, ..unknown.clone() };
        failed.record.position = 7;
        failed.enter(&mut recorder, true);
        ended(Operation::Query, Outcome::Ok, RESPONSE).enter(&mut recorder, true);
        unknown.enter(&mut recorder, true);
        let kept = recorder.first_unknown().iter().map(|operation| operation.position);
        assert_eq!(kept.collect::<Vec<_>>(), [7, 4]);
    }

    #[test]
    fn failures_do_not_enter_the_latency_of_answered_operations() {
        let slow = Duration::from_millis(100);
        let overloaded = Outcome::Rejected(Rejection::Overloaded);
        let refused = Outcome::Rejected(Rejection::InsufficientFunds);
        let mut recorder = empty();
        for (outcome, response, count) in [
            (Outcome::Ok, slow, 15),
            (refused, slow, 5),
            (overloaded, RESPONSE, 60),
            (Outcome::Unknown, RESPONSE, 20),
        ] {
            let operation = ended(Operation::withdraw(1), outcome, response);
            (0..count).for_each(|_| operation.enter(&mut recorder, true));
        }
        let error = CallStatus::failed(StatusCode::Internal, false, "exception");
        let failed = ended(Operation::withdraw(1), Outcome::Unknown, RESPONSE);
        Ended { status: error, ..failed }.enter(&mut recorder, true);
        let mut merged = empty();
        merged.merge(&recorder);
        let all = merged.all();
        assert_eq!((all.response.len(), all.live.ended()), (20, 101));
        assert!(percentile(&all.response, P50) > Some(99_000_000), "of those that were answered");
        assert_eq!((all.live.response.count(), merged.answered_in_window()), (20, 20));
        let failures: Vec<_> = merged.failures().collect();
        let [(Class::Failed, failed), (Class::Unanswered, unanswered)] = failures[..] else {
            panic!("{failures:?}");
        };
        assert_eq!((failed.live.rejected, failed.response.len()), (60, 61));
        assert_eq!((unanswered.live.unknown, unanswered.response.len()), (20, 20));
        assert!(percentile(&failed.response, P50) < Some(4_000_000));
        assert!(Recent::of(&recorder.take_recent()).p50 > Some(Duration::from_millis(99)));
    }

    #[test]
    fn percentile_is_none_where_the_sample_is_too_small() {
        for (tenths, least) in [(P50, 20), (P90, 100), (P99, 1_000), (P99_9, 10_000)] {
            let mut values = histogram().expect("valid bounds");
            values.saturating_record_n(5, least - 1);
            assert_eq!(percentile(&values, tenths), None, "{tenths}");
            values.saturating_record_n(5, 1);
            assert_eq!(percentile(&values, tenths), Some(5), "{tenths}");
        }
    }

    #[test]
    fn recent_percentiles_are_forgotten_and_none_without_answers() {
        let mut recorder = empty();
        let answered = ended(Operation::Query, Outcome::Ok, Duration::from_millis(5));
        (0..20).for_each(|_| answered.enter(&mut recorder, true));
        let recent = Recent::of(&recorder.take_recent());
        assert!(recent.p50 > Some(Duration::from_millis(4)) && recent.p99.is_none(), "{recent:?}");
        ended(Operation::Query, Outcome::Unknown, RESPONSE).enter(&mut recorder, true);
        assert_eq!(Recent::of(&recorder.take_recent()), Recent::default());
    }
}
