//! Operations of customers, and their outcomes.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumMessage, EnumString, IntoStaticStr, VariantArray};

use super::Money;

/// The number of a branch in its cluster, as input files give it (any number, not an index).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BranchId(pub u32);

impl fmt::Display for BranchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a customer, as input files give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CustomerId(pub u64);

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which way money moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, Serialize, Deserialize)]
#[strum(serialize_all = "lowercase")]
pub enum WriteKind {
    /// Into the account.
    Deposit,
    /// Out of the account.
    Withdraw,
}

impl WriteKind {
    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A deposit or a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Write {
    /// Which way.
    pub kind: WriteKind,
    /// How much; never negative.
    pub amount: Money,
}

impl Write {
    /// By how much it changes the balance, in minor units.
    pub fn delta(self) -> i128 {
        let amount = i128::from(self.amount.minor_units());
        match self.kind {
            WriteKind::Deposit => amount,
            WriteKind::Withdraw => -amount,
        }
    }
}

/// What an operation does, without its amount. Names in files and reports are those of the exercise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Display, EnumString, IntoStaticStr, VariantArray, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum OperationKind {
    /// Reads the balance.
    Query,
    /// Adds money.
    Deposit,
    /// Takes money out.
    Withdraw,
}

impl OperationKind {
    /// The operation of this kind; `amount` is ignored by a query.
    pub const fn with_amount(self, amount: Money) -> Operation {
        match self {
            Self::Query => Operation::Query,
            Self::Deposit => Operation::Write(Write { kind: WriteKind::Deposit, amount }),
            Self::Withdraw => Operation::Write(Write { kind: WriteKind::Withdraw, amount }),
        }
    }

    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One thing a customer asks of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// What is the balance?
    Query,
    /// Change the balance.
    Write(Write),
}

impl Operation {
    /// A deposit of `amount` minor units.
    pub const fn deposit(amount: i64) -> Self {
        Self::Write(Write { kind: WriteKind::Deposit, amount: Money::new(amount) })
    }

    /// A withdrawal of `amount` minor units.
    pub const fn withdraw(amount: i64) -> Self {
        Self::Write(Write { kind: WriteKind::Withdraw, amount: Money::new(amount) })
    }

    /// What it does, without its amount.
    pub const fn kind(self) -> OperationKind {
        match self {
            Self::Query => OperationKind::Query,
            Self::Write(Write { kind: WriteKind::Deposit, .. }) => OperationKind::Deposit,
            Self::Write(Write { kind: WriteKind::Withdraw, .. }) => OperationKind::Withdraw,
        }
    }

    /// The amount that a write moves, in minor units and never negative; zero for a query.
    pub const fn amount(self) -> Money {
        match self {
            Self::Query => Money::ZERO,
            Self::Write(write) => write.amount,
        }
    }

    /// By how much the balance changes if the operation succeeds, in minor units. 128 bits: sums of many cannot
    /// overflow.
    pub fn delta(self) -> i128 {
        match self {
            Self::Query => 0,
            Self::Write(write) => write.delta(),
        }
    }

    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        self.kind().name()
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query => f.write_str("query"),
            Self::Write(write) => write!(f, "{} {}", write.kind.name(), write.amount),
        }
    }
}

/// Why a branch definitely did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[derive(EnumMessage, EnumString, IntoStaticStr, VariantArray, Serialize, Deserialize)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// A withdrawal exceeded the balance.
    #[strum(message = "insufficient funds")]
    InsufficientFunds,
    /// The balance would not fit into 64 bits.
    #[strum(message = "the balance would not fit into 64 bits")]
    OutOfRange,
    /// The request itself is not one a branch can carry out.
    #[strum(message = "bad request")]
    BadRequest,
    /// A branch that may hold the money cannot be reached: it is not known that there is too little.
    #[strum(message = "rights unavailable: a branch cannot be reached")]
    RightsUnavailable,
    /// Others moved the money while the branch tried to find out whether there is enough.
    #[strum(message = "contended: others moved the money meanwhile")]
    Contended,
    /// Fewer branches are connected than shall acknowledge.
    #[strum(message = "fewer branches are connected than shall acknowledge")]
    TooFewBranches,
    /// Too many customers wait, or the branch has no room left to write anything down.
    #[strum(message = "overloaded")]
    Overloaded,
    /// The branch does not serve yet.
    #[strum(message = "the branch does not serve yet")]
    NotReady,
    /// A later request of the session was seen, or another one with this number.
    #[strum(message = "a later request of the session was seen, or another with this number")]
    Stale,
    /// The customer's passbook is of another cluster, or names what this branch has never done.
    #[strum(message = "the passbook is not of this cluster as this branch knows it")]
    ForeignPassbook,
    /// The server answered with an error by which it reports that it did nothing, and not with a refusal.
    #[strum(message = "an error by which the server reports that it did nothing")]
    NotServed,
}

impl Rejection {
    /// All reasons.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The reason as programs know it, on the wire and in reports.
    pub fn key(self) -> &'static str {
        self.into()
    }

    /// Whether the same request may succeed later.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RightsUnavailable
                | Self::Contended
                | Self::TooFewBranches
                | Self::Overloaded
                | Self::NotReady
                | Self::NotServed
        )
    }

    /// The reason in words that fit after "rejected:".
    pub fn name(self) -> &'static str {
        self.get_message().unwrap_or_default()
    }
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, Serialize, Deserialize)]
#[strum(serialize_all = "lowercase")]
pub enum Outcome {
    /// It happened.
    Ok,
    /// It definitely did not happen.
    Rejected(Rejection),
    /// A timeout or a lost answer: it may have happened.
    Unknown,
}

/// The answer to a customer: the outcome, and the balance where the answer carries one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// What became of the operation.
    pub outcome: Outcome,
    /// The balance of the branch when it answered.
    pub balance: Option<Money>,
}
