//! What both contracts have in common: the operations behind their words.
//!
//! A customer's write is one like any other: it goes through the driver and is acknowledged by all branches. A
//! propagation applies here only, and only where branches call each other, as these contracts expect.

use super::super::call_driver::CallCommand;
use super::super::handle::{Command, ask};
use super::super::services::{Caller, Services};
use crate::wire::exercise::{Word, to_int32};
use crate::wire::{Failure, to_write};
use bank::{Ack, Answer, Money, Operation, Outcome, Rejection, WriteKind};
use replication::{Instant, Request};

impl Services {
    /// Executes the operation `word`, with an answer whose balance, if it has one, fits into 32 bits.
    pub(super) async fn perform(
        &self,
        word: Word,
        amount: i32,
        caller: Caller,
    ) -> Result<Answer, Failure> {
        match word {
            Word::Query => {
                let answer = self.submit_anonymous(Operation::Query, Ack::Local, caller).await?;
                answer.balance.map(to_int32).transpose()?;
                Ok(answer)
            }
            Word::Write(kind) => self.write_int32(kind, amount, caller).await,
            Word::Propagate(kind) => self.apply(kind, amount, caller.deadline).await,
        }
    }

    /// Submits a request of a customer who has no name and carries nothing.
    async fn submit_anonymous(
        &self,
        operation: Operation,
        ack: Ack,
        caller: Caller,
    ) -> Result<Answer, Failure> {
        let request = Request::anonymous(operation, ack, caller.deadline);
        self.handle.submit(request, caller.trace).await.map(|reply| reply.answer)
    }

    async fn write_int32(
        &self,
        kind: WriteKind,
        amount: i32,
        caller: Caller,
    ) -> Result<Answer, Failure> {
        let write = to_write(kind, amount.into())?;
        if kind == WriteKind::Deposit {
            self.check_range(write.amount).await?;
        }
        let answer = self.submit_anonymous(Operation::Write(write), Ack::All, caller).await?;
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

    /// Rejects a deposit after which the balance would not fit into 32 bits, before anything is changed.
    async fn check_range(&self, amount: Money) -> Result<(), Failure> {
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
        let calls = self.handle.calls()?;
        let write = to_write(kind, amount.into())?;
        if kind == WriteKind::Deposit {
            self.check_range(write.amount).await?;
        }
        let apply = |reply| Command::Peer(CallCommand::Apply { write, deadline, reply });
        if !ask(calls, apply).await? {
            return Err(Failure::OutOfRange);
        }
        let balance = self.handle.stats().await?.balance;
        if to_int32(balance).is_err() {
            return Err(Failure::MadeBeyondInt32(balance));
        }
        Ok(Answer { outcome: Outcome::Ok, balance: Some(balance) })
    }
}
