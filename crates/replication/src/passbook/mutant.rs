//! Faults put in on purpose. Without the feature `mutants` none of them can be switched on, and the code
//! that asks for them is compiled away.

use strum::{EnumString, IntoStaticStr, VariantArray};

/// One rule of the protocol, left out or misread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Mutant {
    /// Acknowledges a push before it is durable.
    AcknowledgeBeforePersisting,
    /// Counts a push as acknowledged when it is sent.
    DropPush,
    /// Executes every attempt of a request.
    ApplyRetryTwice,
    /// Forgets the last entry of the own log at a restart and reuses its number.
    ReuseSeqAfterRestart,
    /// Pushes the own row without what it depends on.
    PushWithoutClosure,
    /// Takes the first round of a collect for both.
    OneCollect,
    /// Answers queries without waiting for what the customer has seen.
    IgnoreTokenOnReads,
    /// Executes writes without waiting for what the customer has seen.
    IgnoreTokenOnWrites,
    /// Grants rights and keeps them.
    GrantWithoutDebiting,
    /// Adds withdrawals to the balance of an answer instead of subtracting them.
    SwappedSign,
    /// Does not rebuild what is known of sessions from the journal.
    DedupeLostAtRestart,
    /// Reads over a missing record in the middle of the journal.
    JournalCutInTheMiddle,
    /// Does not remember what was rejected.
    RejectionsNotRemembered,
    /// Remembers the last number of a session rather than the highest.
    DedupeKeepsLast,
    /// Refuses when no branch has rights to give, without a proof.
    DeclinedByAllIsProof,
    /// Takes a collect's replies of any round.
    CollectNotTiedToRound,
    /// Shows what is staged to those who collect.
    CollectShowsStaged,
    /// Proves a refusal by the own rows of all branches instead of whole ledgers.
    ProofOfOwnRows,
    /// Leaves the own row out of a collect.
    CollectWithoutOwnRow,
    /// Counts replayed records as durable.
    NoSyncAfterReplay,
    /// Journals the rows of a push one by one, each durable by itself.
    PushRowByRow,
    /// Processes what comes before the hello.
    BeforeHello,
    /// Lets a branch that lost its memory come back.
    IncarnationUnchecked,
    /// Shows and pushes own entries that are not durable.
    VisibleBeforeDurable,
    /// Counts a request found in the journal as acknowledged.
    JournaledIsAcknowledged,
    /// Executes writes after their deadline.
    StageAfterDeadline,
    /// Pays out of the visible balance instead of rights.
    PayOutOfBalance,
    /// Counts a grant anew each time its row arrives.
    GrantCountedTwice,
    /// Counts connected branches as those that hold a write.
    CountConnected,
    /// Serves those who ask for a proof with the collect on its way.
    AskerJoinsCollect,
    /// Reports as the relay that a branch holds what was pushed to it.
    RelayReportsPushed,
}

impl Mutant {
    /// All mutants.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The name used in arguments.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
