//! What is checked.

use strum::{EnumString, IntoStaticStr, VariantArray};

/// A property of a run, simulated or recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Property {
    /// Every answer is what one account, asked in file order, would have given.
    #[strum(serialize = "sequential model")]
    Sequential,
    /// Every query shows the final balance, and some order explains each refusal.
    #[strum(serialize = "final balance")]
    FinalBalance,
    /// `output.json` contains what customers received.
    #[strum(serialize = "output file")]
    OutputFile,
    /// The balance of an answer is that of the writes it is made from.
    Value,
    /// A balance without a version, and a refusal for insufficient funds, is one that some order of the writes allows.
    #[strum(serialize = "balance bounds")]
    BalanceBounds,
    /// No acknowledged write is lost or counted twice, no refused one counts.
    Conservation,
    /// No balance is ever below zero, and no more is paid out than there was.
    Overdraft,
    /// After settling, all branches hold the same.
    Convergence,
    /// What was acknowledged is still there at the end.
    Durability,
    /// What a customer is shown contains what that customer has written.
    #[strum(serialize = "read your writes")]
    ReadYourWrites,
    /// A customer is never shown less than before.
    #[strum(serialize = "monotonic reads")]
    MonotonicReads,
    /// A customer's write is made where that customer's earlier writes are known.
    #[strum(serialize = "monotonic writes")]
    MonotonicWrites,
    /// A customer's write is made where everything is known that they were shown before.
    #[strum(serialize = "writes follow reads")]
    WritesFollowReads,
    /// No answer shows a write that was sent only after the answer had come.
    #[strum(serialize = "future reads")]
    FutureReads,
    /// What is shown contains everything that it depends on.
    Causal,
    /// Everything happened as if one after another, each between its question and its answer.
    Linearizable,
    /// Operations are done or justly refused, up to a share that may fail.
    Availability,
    /// A row has one writer, only grows, and its chain is that of its log.
    #[strum(serialize = "one writer")]
    OneWriter,
    /// No branch has rights below zero at any instant.
    Rights,
    /// What is visible of a branch's own log is durable there.
    #[strum(serialize = "durable before visible")]
    DurableBeforeVisible,
    /// An acknowledged write is durable on as many branches as its acknowledgement level says, at that instant.
    Acknowledged,
    /// Nothing is logged for a request after its deadline.
    Deadline,
    /// Every request is answered, once.
    Answered,
    /// A branch that lost its memory is stopped, and no other is stopped or refused.
    Amnesia,
}

impl Property {
    /// The name used in reports and `summary.json`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
