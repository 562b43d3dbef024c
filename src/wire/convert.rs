//! Between generated messages and the words of the bank.

use super::{Failure, v1};
use crate::bank::{Answer, BranchId, Money, Outcome, Rejection, Write, WriteKind};
use crate::check::BranchState;
use crate::replicate::{Ack, Audit};

/// The write that a message asks for; negative amounts are refused.
pub fn to_write(kind: WriteKind, amount: i64) -> Result<Write, Failure> {
    if amount < 0 {
        return Err(Failure::BadRequest(format!("amount is {amount}; it must not be negative")));
    }
    Ok(Write { kind, amount: Money::new(amount) })
}

/// When the customer wants to be answered; not said means by all.
pub fn to_ack(ack: i32) -> Result<Ack, Failure> {
    match v1::Ack::try_from(ack) {
        Ok(v1::Ack::Unspecified | v1::Ack::All) => Ok(Ack::All),
        Ok(v1::Ack::Local) => Ok(Ack::Local),
        Ok(v1::Ack::Majority) => Ok(Ack::Majority),
        Err(_) => Err(Failure::BadRequest(format!("there is no ack level {ack}"))),
    }
}

/// The ack level as a message carries it.
pub fn from_ack(ack: Ack) -> i32 {
    match ack {
        Ack::Local => v1::Ack::Local,
        Ack::Majority => v1::Ack::Majority,
        Ack::All => v1::Ack::All,
    }
    .into()
}

/// A write's answer as a message, or the failure it is told by.
pub fn to_write_reply(answer: Answer) -> Result<v1::WriteReply, Failure> {
    let result = match answer.outcome {
        Outcome::Ok => v1::WriteResult::Success,
        Outcome::Rejected(Rejection::InsufficientFunds) => v1::WriteResult::InsufficientFunds,
        Outcome::Rejected(rejection) => return Err(rejection.into()),
        Outcome::Unknown => return Err(Failure::NotAcknowledged),
    };
    let balance = answer.balance.map_or(0, Money::minor_units);
    Ok(v1::WriteReply { result: result.into(), balance })
}

/// A query's answer as a message, or the failure it is told by.
pub fn to_query_reply(answer: Answer) -> Result<v1::QueryReply, Failure> {
    match answer.outcome {
        Outcome::Ok => {
            let balance = answer.balance.map_or(0, Money::minor_units);
            Ok(v1::QueryReply { balance })
        }
        Outcome::Rejected(rejection) => Err(rejection.into()),
        Outcome::Unknown => Err(Failure::NotAcknowledged),
    }
}

/// What a customer learns from the answer to a write. A result that is not known is an unknown outcome.
pub fn to_answer(reply: &v1::WriteReply) -> Answer {
    let outcome = match reply.result() {
        v1::WriteResult::Success => Outcome::Ok,
        v1::WriteResult::InsufficientFunds => Outcome::Rejected(Rejection::InsufficientFunds),
        v1::WriteResult::Unspecified => Outcome::Unknown,
    };
    Answer { outcome, balance: Some(Money::new(reply.balance)) }
}

/// An audit as a message.
pub fn from_state(
    branch: BranchId,
    peers: &[BranchId],
    replication: &str,
    opening: Money,
    audit: &Audit,
) -> v1::StateReply {
    v1::StateReply {
        branch: branch.0,
        peers: peers.iter().map(|peer| peer.0).collect(),
        replication: replication.to_owned(),
        opening_balance: opening.minor_units(),
        balance: audit.balance.minor_units(),
        lowest_balance: audit.lowest_balance.minor_units(),
        accepted: audit.accepted,
        applied: audit.applied,
        outstanding: audit.outstanding,
        undelivered: audit.undelivered,
    }
}

/// A branch's state as the gate wants it.
pub fn to_state(reply: &v1::StateReply) -> BranchState {
    BranchState {
        branch: BranchId(reply.branch),
        balance: Money::new(reply.balance),
        lowest_balance: Some(Money::new(reply.lowest_balance)),
        settled: reply.outstanding == 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_for_lack_of_money_is_an_answer_and_carries_the_balance() {
        let refused = Answer {
            outcome: Outcome::Rejected(Rejection::InsufficientFunds),
            balance: Some(Money::new(30)),
        };
        let reply = to_write_reply(refused).expect("an answer");
        assert_eq!(to_answer(&reply), refused);
    }

    #[test]
    fn what_cannot_be_said_in_a_reply_is_a_failure() {
        let failure =
            |outcome| to_write_reply(Answer { outcome, balance: None }).expect_err("failure");
        assert_eq!(failure(Outcome::Rejected(Rejection::OutOfRange)), Failure::OutOfRange);
        let contended = Rejection::Contended;
        assert_eq!(failure(Outcome::Rejected(contended)), Failure::Refused(contended));
        assert_eq!(failure(Outcome::Unknown), Failure::NotAcknowledged);
    }

    #[test]
    fn a_refused_query_carries_no_balance() {
        let asked = |outcome| to_query_reply(Answer { outcome, balance: Some(Money::new(5)) });
        assert_eq!(asked(Outcome::Ok), Ok(v1::QueryReply { balance: 5 }));
        let not_ready = Rejection::NotReady;
        assert_eq!(asked(Outcome::Rejected(not_ready)), Err(Failure::Refused(not_ready)));
    }

    #[test]
    fn nonsense_from_the_network_is_refused() {
        assert!(to_write(WriteKind::Deposit, -1).is_err());
        assert!(to_ack(99).is_err());
        let strange = v1::WriteReply { result: 99, balance: 1 };
        assert_eq!(to_answer(&strange).outcome, Outcome::Unknown);
    }

    #[test]
    fn every_ack_level_survives_the_wire() {
        for ack in Ack::ALL {
            assert_eq!(to_ack(from_ack(ack)), Ok(ack));
        }
        assert_eq!(to_ack(0), Ok(Ack::All));
    }
}
