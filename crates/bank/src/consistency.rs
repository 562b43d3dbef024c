//! What a customer can ask for with an operation.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};

/// How many branches must hold a write before the customer is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[derive(Deserialize, EnumString, IntoStaticStr, Serialize, VariantArray, VariantNames)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Ack {
    /// The branch that was asked.
    Local,
    /// More than half of the branches.
    Majority,
    /// Every branch.
    #[default]
    All,
}

impl Ack {
    /// All levels.
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;

    /// The name used in arguments and reports.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// How many of `branches` that is.
    pub const fn needed(self, branches: usize) -> usize {
        match self {
            Self::Local => 1,
            Self::Majority => branches / 2 + 1,
            Self::All => branches,
        }
    }
}

/// What a query is answered from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[derive(Deserialize, EnumString, IntoStaticStr, Serialize, VariantArray, VariantNames)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Read {
    /// What the branch knows, once that is no less than what the customer knows.
    #[default]
    Session,
    /// What the branch knows.
    Local,
    /// What was true of all branches at one instant of the query (linearizable).
    Snapshot,
}

impl Read {
    /// All modes.
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;

    /// The name used in arguments and reports.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
