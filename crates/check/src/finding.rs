//! The verdict on a property, with the violations that show it.

use bank::CustomerId;
use history::OperationRecord;
use strum::IntoStaticStr;

use super::Property;

/// Whether a property held. Ordered from the least to the most serious.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Verdict {
    /// There was nothing to examine: the evidence that the property needs does not exist in this run.
    #[strum(serialize = "not judged")]
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
    pub fn name(self) -> &'static str {
        self.into()
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
    pub(crate) const fn of(operation: &OperationRecord<'_>, place: usize) -> Self {
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
    pub description: String,
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
    /// The property.
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
    /// How many violations are kept with their descriptions.
    pub const KEPT: usize = 10;
}
