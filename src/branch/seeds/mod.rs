//! The contracts of other programs of the same exercise, served beside our own.
//!
//! A customer's write is one like any other: it goes through the owner and is answered by all branches. A
//! propagation applies here only, and only where the scheme is the one these contracts were made for.

mod bank;
mod bankservice;

use std::time::Instant;

use tonic::metadata::MetadataMap;

use super::handle::BranchHandle;
use super::owner::BranchInfo;
use crate::telemetry::{CallSpan, TraceContext, extract};
use crate::wire::seeds::{Word, to_int32};
use crate::wire::{Failure, to_write};
use ::bank::Ack;
use ::bank::{Answer, BranchId, Money, Operation, Outcome, Rejection, WriteKind};

/// The scheme these contracts' propagations belong to.
const SCHEME: &str = "broadcast";

/// Both contracts for one branch.
#[derive(Clone, Debug)]
pub(super) struct Seeds {
    id: BranchId,
    replication: &'static str,
    handle: BranchHandle,
}

/// What a caller gets besides the words of a contract.
#[derive(Debug)]
struct Caller {
    deadline: Instant,
    trace: Option<TraceContext>,
}

impl Seeds {
    pub(super) fn new(info: &BranchInfo, handle: BranchHandle) -> Self {
        Self { id: info.id, replication: info.replication, handle }
    }

    fn span(&self, metadata: &MetadataMap, method: &'static str) -> CallSpan {
        CallSpan::server(extract(metadata), method, self.id)
    }

    /// Does what `word` asks for, with an answer whose balance, if it has one, fits into 32 bits.
    async fn perform(&self, word: Word, amount: i32, caller: Caller) -> Result<Answer, Failure> {
        match word {
            Word::Query => {
                let Caller { deadline, trace } = caller;
                let answer = self
                    .handle
                    .submit_anonymous(Operation::Query, Ack::Local, deadline, trace)
                    .await?;
                answer.balance.map(to_int32).transpose()?;
                Ok(answer)
            }
            Word::Write(kind) => self.write(kind, amount, caller).await,
            Word::Propagate(kind) => self.apply(kind, amount, caller.deadline).await,
        }
    }

    async fn write(&self, kind: WriteKind, amount: i32, caller: Caller) -> Result<Answer, Failure> {
        let write = to_write(kind, amount.into())?;
        if kind == WriteKind::Deposit {
            self.room_for(write.amount).await?;
        }
        let Caller { deadline, trace } = caller;
        let answer = self
            .handle
            .submit_anonymous(Operation::Write(write), Ack::All, deadline, trace)
            .await?;
        // These contracts can refuse a write only for lack of money.
        if let Outcome::Rejected(rejection) = answer.outcome
            && rejection != Rejection::InsufficientFunds
        {
            return Err(rejection.into());
        }
        // Only if others deposited between the look and the write.
        if let Some(balance) = answer.balance.filter(|balance| to_int32(*balance).is_err()) {
            return Err(Failure::MadeBeyondInt32(balance));
        }
        Ok(answer)
    }

    /// Refuses a deposit after which the balance could not be told, before anything is changed.
    async fn room_for(&self, amount: Money) -> Result<(), Failure> {
        let balance = self.handle.stats().await?.balance;
        let after = balance.checked_add(amount).ok_or(Failure::OutOfRange)?;
        to_int32(after).map(|_| ())
    }

    async fn apply(
        &self,
        kind: WriteKind,
        amount: i32,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        if self.replication != SCHEME {
            return Err(Failure::OtherScheme(self.replication));
        }
        let write = to_write(kind, amount.into())?;
        if kind == WriteKind::Deposit {
            self.room_for(write.amount).await?;
        }
        if !self.handle.apply(write, deadline).await? {
            return Err(Failure::OutOfRange);
        }
        let balance = self.handle.stats().await?.balance;
        if to_int32(balance).is_err() {
            return Err(Failure::MadeBeyondInt32(balance));
        }
        Ok(Answer { outcome: Outcome::Ok, balance: Some(balance) })
    }
}
