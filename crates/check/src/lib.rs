//! The gate: from what customers were answered, and what branches hold at the end, to one verdict a property.
//!
//! Pure: evidence in, findings out. One file a property. Four verdicts; neither unknown nor not judged is ever pass.

mod explanation;
mod final_balance;
mod numbers;
mod output_file;
mod pairing;
mod possible;
mod promises;
mod property;
mod recorded;
mod sequential;
mod story;

use bank::CustomerId;
use history::OperationRecord;

pub use final_balance::final_balance;
pub use numbers::{counted, grouped, percent};
pub use output_file::OutputFile;
pub use pairing::{Paired, pair_with};
pub use promises::{Guarantee, guarantees, promises};
pub use property::Property;
pub use recorded::{CHECKS, Check, Judged, NO_VERSIONS, RunIndex, judge};
pub use sequential::sequential;
pub use story::story;

/// Whether a property held. Ordered from the least to the most serious.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// There was nothing to examine: the evidence that the property needs does not exist in this run.
    NotJudged,
    /// It held.
    Pass,
    /// The evidence does not say.
    Unknown,
    /// It did not hold.
    Fail,
}

impl Verdict {
    /// The name used in reports and `summary.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotJudged => "not judged",
            Self::Pass => "pass",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        }
    }
}

/// An operation that takes part in a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Named {
    /// The customer who asked for it.
    pub customer: CustomerId,
    /// The position among the operations of that customer, from 1.
    pub position: u64,
    /// The trace that shows it, if one was made.
    pub trace: Option<u128>,
    /// The index in the history, or among the operations that were judged.
    pub place: usize,
}

impl Named {
    fn of(operation: &OperationRecord<'_>, place: usize) -> Self {
        let OperationRecord { customer, position, trace, .. } = *operation;
        Self { customer, position, trace, place }
    }
}

/// One way in which a property did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The operations that show it, the one that cannot be first; none where it is the state of a branch.
    pub operations: Vec<Named>,
    /// What was expected and what was there, in a sentence.
    pub story: String,
}

impl Violation {
    /// The operation that cannot be, by customer and position.
    pub fn operation(&self) -> Option<(CustomerId, u64)> {
        self.operations.first().map(|named| (named.customer, named.position))
    }
}

/// A verdict on one property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which property.
    pub property: Property,
    /// Whether it held.
    pub verdict: Verdict,
    /// The first violations, at most [`Finding::KEPT`].
    pub violations: Vec<Violation>,
    /// How many violations there were.
    pub violations_total: u64,
    /// What the verdict rests on, or why there is none.
    pub note: String,
}

impl Finding {
    /// How many violations are kept with their stories.
    pub const KEPT: usize = 10;

    fn new(property: Property) -> Self {
        Self {
            property,
            verdict: Verdict::Pass,
            violations: Vec::new(),
            violations_total: 0,
            note: String::new(),
        }
    }

    fn violate(
        &mut self,
        operation: Option<(usize, &OperationRecord<'_>)>,
        story: impl FnOnce() -> String,
    ) {
        let named = |(place, seen)| Named::of(seen, place);
        self.violate_with(|| (operation.map(named).into_iter().collect(), story()));
    }

    /// The same with all operations that take part. Only the first violations are told.
    fn violate_with(&mut self, tell: impl FnOnce() -> (Vec<Named>, String)) {
        self.verdict = Verdict::Fail;
        self.violations_total += 1;
        if self.violations.len() < Self::KEPT {
            let (operations, story) = tell();
            self.violations.push(Violation { operations, story });
        }
    }

    /// Nothing was examined: `missing` names the evidence that the property needs. A violation or a gap that is
    /// already reported stays.
    fn not_judged(&mut self, missing: impl Into<String>) {
        if self.verdict == Verdict::Pass {
            self.verdict = Verdict::NotJudged;
            self.note = missing.into();
        }
    }

    /// Nothing contradicts the property, but the evidence has a hole.
    fn cannot_tell(&mut self, note: impl Into<String>) {
        if self.verdict == Verdict::Pass {
            self.verdict = Verdict::Unknown;
            self.note = note.into();
        }
    }
}

/// Operations that one account would have done or refused, and the bank did neither of.
#[derive(Clone, Copy, Debug, Default)]
struct Holes {
    unanswered: u64,
    /// For reasons that say nothing about the balance.
    rejected: u64,
}

impl Holes {
    /// What that leaves open, if anything.
    fn describe(self) -> Option<String> {
        let Self { unanswered, rejected } = self;
        match (unanswered, rejected) {
            (0, 0) => None,
            (_, 0) => Some(format!("the outcome of {unanswered} operations is unknown")),
            (0, _) => Some(format!(
                "{rejected} operations were rejected for reasons other than insufficient funds"
            )),
            _ => Some(format!(
                "the outcome of {unanswered} operations is unknown, and {rejected} were rejected for reasons other than \
                 insufficient funds"
            )),
        }
    }
}

#[cfg(test)]
mod testing {
    //! Short operations for the tests of the properties.

    use super::*;
    use bank::{BranchId, Money, Operation, Outcome, Rejection};

    fn seen(customer: u64, operation: Operation, outcome: Outcome) -> OperationRecord<'static> {
        OperationRecord::new(CustomerId(customer), 1, BranchId(1), operation, outcome)
    }

    pub(super) fn ok(
        customer: u64,
        operation: Operation,
        balance: Option<i64>,
    ) -> OperationRecord<'static> {
        let balance = balance.map(Money::new);
        OperationRecord { balance, ..seen(customer, operation, Outcome::Ok) }
    }

    pub(super) fn refused(customer: u64, operation: Operation) -> OperationRecord<'static> {
        seen(customer, operation, Outcome::Rejected(Rejection::InsufficientFunds))
    }

    pub(super) fn unanswered(customer: u64, operation: Operation) -> OperationRecord<'static> {
        seen(customer, operation, Outcome::Unknown)
    }
}
