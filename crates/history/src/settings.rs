//! What a run was set to.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

use bank::{Ack, Read};

/// Whose branches were asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[derive(Serialize, Deserialize, EnumString, IntoStaticStr, VariantArray)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Server {
    /// Ours, under the passbook scheme.
    Passbook,
    /// Ours, under the broadcast scheme.
    Broadcast,
    /// Another program, which answers with status and balance only.
    Foreign,
}

impl Server {
    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Whether operations overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, VariantArray)]
#[serde(rename_all = "lowercase")]
pub enum Customers {
    /// Never two at the same time.
    One,
    /// Any number at the same time.
    Many,
}

/// A model that predicts every answer from the operations alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReferenceModel {
    /// Customers came one after another, in the order of the file.
    Sequential,
    /// Customers wrote all at once; queries were answered when all had settled.
    FinalBalance,
}

/// What guarantees depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Settings {
    /// Whose branches were asked.
    #[serde(rename = "replication")]
    pub server: Server,
    /// How many branches held a write before it was answered.
    pub ack: Ack,
    /// What queries were answered from.
    pub read: Read,
    /// Whether operations overlapped.
    pub customers: Customers,
}

/// Who started the branches of a run, and whether they lived. Decides whether failures are the fault of the bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BranchOrigin {
    /// The run started them, and all lived to its end.
    Started,
    /// The run started them, and at least one ended before the run or did not answer at its end.
    Ended,
    /// The run started them, and somebody ended it before its last operations were answered.
    Interrupted,
    /// They ran before the run began.
    Running,
}

/// How many operations may fail.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorLimit {
    /// The largest share of all operations that may fail or stay unanswered, from 0 to 1; 1 turns the check off.
    pub max_share: f64,
    /// The origin of the branches that they are sent to.
    pub branches: BranchOrigin,
}
