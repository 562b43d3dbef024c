//! The gate: from what customers were answered, and what branches hold at the end, to one verdict a property.
//!
//! Pure: evidence in, findings out. One file a property. Four verdicts; neither unknown nor not judged is ever pass.

mod conservation;
mod convergence;
mod explanation;
mod final_balance;
mod numbers;
mod output_file;
mod pairing;
mod possible;
mod promises;
mod recorded;
mod sequential;
mod story;

use bank::{CustomerId, Money};
use history::{BranchState, Observation};

use conservation::conservation;
use convergence::convergence;

pub use final_balance::final_balance;
pub use numbers::{grouped, percent};
pub use output_file::OutputFile;
pub use pairing::{Paired, pair_with};
pub use promises::{Guarantee, guarantees, promises};
pub use recorded::{CHECKS, Check, Judged, NO_VERSIONS, RunIndex, judge};
pub use sequential::sequential;
pub use story::story;

/// Everything a verdict rests on.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What every branch held at the start.
    pub opening: Money,
    /// Every operation, customer by customer, each customer's in order.
    pub observations: &'a [Observation],
    /// Every branch at the end that could be read.
    pub branches: &'a [BranchState],
    /// How many branches there are.
    pub branches_total: usize,
}

impl Evidence<'_> {
    /// What is missing of the branches, if anything.
    fn missing_branches(&self) -> Option<String> {
        let missing = self.branches_total.saturating_sub(self.branches.len());
        (missing > 0 || self.branches.is_empty()).then(|| {
            format!(
                "{missing} of {} branches could not be asked what they hold",
                self.branches_total
            )
        })
    }
}

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Property {
    /// Every answer is what one account, asked in file order, would have given.
    Sequential,
    /// Every query shows the final balance, and some order explains each refusal.
    FinalBalance,
    /// The file says what customers received.
    OutputFile,
    /// Operations are done or justly refused, up to a share that may fail.
    Availability,
    /// No acknowledged write is lost or counted twice, no refused one counts.
    Conservation,
    /// After settling, all branches hold the same.
    Convergence,
    /// No balance is ever below zero, and no more is paid out than there was.
    Overdraft,
    /// What a customer is shown contains what that customer has written.
    ReadYourWrites,
    /// The balance of an answer is that of the writes it is made from.
    Value,
    /// A balance without a version, and a refusal for insufficient funds, is one that some order of the writes allows.
    BalanceBounds,
    /// What was acknowledged is still there at the end.
    Durability,
    /// A customer is never shown less than before.
    MonotonicReads,
    /// A customer's write is made where that customer's earlier writes are known.
    MonotonicWrites,
    /// A customer's write is made where everything is known that they were shown before.
    WritesFollowReads,
    /// What is shown contains everything that it depends on.
    Causal,
    /// Everything happened as if one after another, each between its question and its answer.
    Linearizable,
}

impl Property {
    /// The name used in reports and `summary.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sequential => "sequential model",
            Self::FinalBalance => "final balance",
            Self::OutputFile => "output file",
            Self::Availability => "availability",
            Self::Conservation => "conservation",
            Self::Convergence => "convergence",
            Self::Overdraft => "overdraft",
            Self::ReadYourWrites => "read your writes",
            Self::Value => "value",
            Self::BalanceBounds => "balance bounds",
            Self::Durability => "durability",
            Self::MonotonicReads => "monotonic reads",
            Self::MonotonicWrites => "monotonic writes",
            Self::WritesFollowReads => "writes follow reads",
            Self::Causal => "causal",
            Self::Linearizable => "linearizable",
        }
    }
}

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
    /// Whose.
    pub customer: CustomerId,
    /// The how-manieth operation of that customer it is, from 1.
    pub event: u64,
    /// The trace that shows it, if one was made.
    pub trace: Option<u128>,
    /// Its place in the history, if there is one.
    pub place: Option<usize>,
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
    /// The operation that cannot be, by customer and event.
    pub fn operation(&self) -> Option<(CustomerId, u64)> {
        self.operations.first().map(|named| (named.customer, named.event))
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

    fn violate(&mut self, operation: Option<&Observation>, story: impl FnOnce() -> String) {
        let named = |seen: &Observation| {
            let Observation { customer, event, .. } = *seen;
            Named { customer, event, trace: None, place: None }
        };
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
    //! Short evidence for the tests of the properties.

    use super::*;
    use bank::{BranchId, Operation, Outcome, Rejection};

    pub(super) fn ok(customer: u64, operation: Operation, balance: Option<i64>) -> Observation {
        Observation {
            customer: CustomerId(customer),
            event: 1,
            branch: BranchId(1),
            operation,
            outcome: Outcome::Ok,
            balance: balance.map(Money::new),
        }
    }

    pub(super) fn refused(customer: u64, operation: Operation) -> Observation {
        let outcome = Outcome::Rejected(Rejection::InsufficientFunds);
        Observation { outcome, ..ok(customer, operation, None) }
    }

    pub(super) fn unanswered(customer: u64, operation: Operation) -> Observation {
        Observation { outcome: Outcome::Unknown, ..ok(customer, operation, None) }
    }

    pub(super) fn branch(id: u32, balance: i64) -> BranchState {
        BranchState {
            branch: BranchId(id),
            balance: Money::new(balance),
            lowest_balance: Some(Money::new(balance.min(0))),
            settled: true,
        }
    }

    pub(super) fn evidence<'a>(
        opening: i64,
        observations: &'a [Observation],
        branches: &'a [BranchState],
    ) -> Evidence<'a> {
        let branches_total = branches.len();
        Evidence { opening: Money::new(opening), observations, branches, branches_total }
    }
}
