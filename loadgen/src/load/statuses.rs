//! How many operations ended with which status.

use bank::StatusCode;

use crate::record::{CallFailure, CallStatus};

/// Different statuses that are counted apart: a server can send as many words as it likes.
const KINDS_MAX: usize = 32;

/// How many operations ended with one status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusCount {
    /// The gRPC status code.
    pub code: StatusCode,
    /// Details of the first of them.
    pub first: CallFailure,
    /// Operations that ended so.
    pub count: u64,
}

/// How many operations ended with which status, those with a defined answer left out.
#[derive(Clone, Debug, Default)]
pub struct Statuses {
    /// In the order in which they came.
    counts: Vec<StatusCount>,
    others: u64,
    unanswered: u64,
    failed: u64,
}

impl StatusCount {
    /// Whether a failed call counts here: messages of servers may differ, causes of lost connections may not.
    fn is_of(&self, code: StatusCode, failure: &CallFailure) -> bool {
        let first = &self.first;
        (self.code, first.is_unanswered) == (code, failure.is_unanswered)
            && first.word == failure.word
            && (!failure.is_unanswered || first.message == failure.message)
    }
}

impl Statuses {
    /// Counts an operation that ended with `status`.
    pub(crate) fn count(&mut self, status: &CallStatus, is_unknown: bool) {
        let Some(failure) = &status.failure else { return };
        if is_unknown && failure.is_unanswered {
            self.unanswered += 1;
        } else if is_unknown {
            self.failed += 1;
        }
        self.add(status.code, failure, 1);
    }

    fn add(&mut self, code: StatusCode, failure: &CallFailure, count: u64) {
        let known = self.counts.iter_mut().find(|known| known.is_of(code, failure));
        if let Some(known) = known {
            known.count += count;
        } else if self.counts.len() < KINDS_MAX {
            self.counts.push(StatusCount { code, first: failure.clone(), count });
        } else {
            self.others += count;
        }
    }

    /// Adds all of another worker's.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.others += other.others;
        self.unanswered += other.unanswered;
        self.failed += other.failed;
        for more in &other.counts {
            self.add(more.code, &more.first, more.count);
        }
    }

    /// The statuses that were counted apart, most frequent first.
    pub fn counts(&self) -> Vec<StatusCount> {
        let mut counts = self.counts.clone();
        counts.sort_by_key(|count| std::cmp::Reverse(count.count));
        counts
    }

    /// Operations with a status beyond those that are counted apart.
    pub const fn others(&self) -> u64 {
        self.others
    }

    /// Operations without any answer: the deadline passed, or the connection failed.
    pub const fn unanswered(&self) -> u64 {
        self.unanswered
    }

    /// Operations whose outcome is unknown although something came from the server.
    pub const fn failed(&self) -> u64 {
        self.failed
    }
}
