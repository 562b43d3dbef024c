//! Between generated messages and the words of the bank.

use super::peer_codec::{from_version, to_version};
use super::{Failure, v1};
use bank::{Ack, Read};
use bank::{
    Answer, BranchId, Money, Operation, Outcome, Rejection, RequestId, Seq, SessionId, Write,
    WriteKind,
};
use history::FinalState;
use replication::{Attempt, ClusterId, Instant, Receipt, Request, Token};

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

/// What a query is to be answered from; not said means what a session needs.
pub fn to_read(read: i32) -> Result<Read, Failure> {
    match v1::Read::try_from(read) {
        Ok(v1::Read::Unspecified | v1::Read::Session) => Ok(Read::Session),
        Ok(v1::Read::Local) => Ok(Read::Local),
        Ok(v1::Read::Snapshot) => Ok(Read::Snapshot),
        Err(_) => Err(Failure::BadRequest(format!("there is no way to read {read}"))),
    }
}

/// The way to read as a message carries it.
pub fn from_read(read: Read) -> i32 {
    match read {
        Read::Session => v1::Read::Session,
        Read::Local => v1::Read::Local,
        Read::Snapshot => v1::Read::Snapshot,
    }
    .into()
}

/// What a customer carries, as a message.
pub fn from_token(token: &Token) -> v1::Token {
    v1::Token { cluster: token.cluster.0, seqs: from_version(&token.version) }
}

/// The name of a request as a message carries it.
pub const fn from_attempt(attempt: Attempt) -> v1::Attempt {
    let Attempt { request: RequestId { session, number }, attempt } = attempt;
    v1::Attempt { session: session.0, number, attempt }
}

fn to_token(token: &v1::Token) -> Token {
    Token { cluster: ClusterId(token.cluster), version: to_version(&token.seqs) }
}

fn shown(receipt: &Receipt) -> v1::Token {
    v1::Token { cluster: receipt.cluster.0, seqs: from_version(&receipt.version) }
}

/// What a message asks to be written, until `deadline`.
pub fn to_write_request(
    kind: WriteKind,
    message: &v1::WriteRequest,
    deadline: Instant,
) -> Result<Request, Failure> {
    let named = message.attempt.filter(|attempt| attempt.session != 0);
    let attempt = named.map(|v1::Attempt { session, number, attempt }| Attempt {
        request: RequestId { session: SessionId(session), number },
        attempt,
    });
    Ok(Request {
        attempt,
        operation: Operation::Write(to_write(kind, message.amount)?),
        token: message.token.as_ref().map(to_token),
        ack: to_ack(message.ack)?,
        read: Read::default(),
        deadline,
    })
}

/// What a message asks to be told, until `deadline`.
pub fn to_query_request(message: &v1::QueryRequest, deadline: Instant) -> Result<Request, Failure> {
    Ok(Request {
        attempt: None,
        operation: Operation::Query,
        token: message.token.as_ref().map(to_token),
        ack: Ack::Local,
        read: to_read(message.read)?,
        deadline,
    })
}

/// Results other than success, and what they mean.
const REJECTIONS: [(v1::WriteResult, Rejection); 4] = [
    (v1::WriteResult::InsufficientFunds, Rejection::InsufficientFunds),
    (v1::WriteResult::RightsUnavailable, Rejection::RightsUnavailable),
    (v1::WriteResult::Contended, Rejection::Contended),
    (v1::WriteResult::TooFewBranches, Rejection::TooFewBranches),
];

/// A write's answer as a message, or the failure it is told by.
pub fn to_write_reply(
    answer: Answer,
    receipt: Option<&Receipt>,
) -> Result<v1::WriteReply, Failure> {
    let result = match answer.outcome {
        Outcome::Ok => v1::WriteResult::Success,
        Outcome::Rejected(rejection) => {
            let known = REJECTIONS.iter().find(|(_, known)| *known == rejection);
            known.ok_or_else(|| Failure::from(rejection))?.0
        }
        Outcome::Unknown => return Err(Failure::NotAcknowledged),
    };
    let at_most = receipt.and_then(|receipt| receipt.at_most.as_ref());
    Ok(v1::WriteReply {
        result: result.into(),
        balance: answer.balance.map_or(0, Money::minor_units),
        token: receipt.map(shown),
        at_most: at_most.map_or_else(Vec::new, |version| from_version(version)),
        seq: receipt.and_then(|receipt| receipt.seq).map_or(0, |seq| seq.0),
        achieved: receipt.map_or(0, |receipt| receipt.achieved),
    })
}

/// A query's answer as a message, or the failure it is told by.
pub fn to_query_reply(
    answer: Answer,
    receipt: Option<&Receipt>,
) -> Result<v1::QueryReply, Failure> {
    match answer.outcome {
        Outcome::Ok => {
            let balance = answer.balance.map_or(0, Money::minor_units);
            Ok(v1::QueryReply { balance, token: receipt.map(shown) })
        }
        Outcome::Rejected(rejection) => Err(rejection.into()),
        Outcome::Unknown => Err(Failure::NotAnswered),
    }
}

/// What a customer learns from the answer to a write. A result that is not known is an unknown outcome.
pub fn to_answer(reply: &v1::WriteReply) -> Answer {
    let result = reply.result();
    let outcome = match REJECTIONS.iter().find(|(known, _)| *known == result) {
        Some((_, rejection)) => Outcome::Rejected(*rejection),
        None if result == v1::WriteResult::Success => Outcome::Ok,
        None => Outcome::Unknown,
    };
    Answer { outcome, balance: Some(Money::new(reply.balance)) }
}

/// What the answer to a write was made from.
pub fn to_receipt(reply: v1::WriteReply) -> Option<Receipt> {
    let v1::WriteReply { token, seq, achieved, at_most, .. } = reply;
    let at_most = (!at_most.is_empty()).then(|| to_version(&at_most).into());
    let seq = Some(Seq(seq)).filter(|seq| *seq != Seq::ZERO);
    token.map(|token| Receipt { at_most, seq, achieved, ..receipt_of(&token) })
}

/// What the answer to a query was made from.
pub fn receipt_of(token: &v1::Token) -> Receipt {
    let Token { cluster, version } = to_token(token);
    Receipt { cluster, version: version.into(), at_most: None, seq: None, achieved: 0 }
}

/// A branch's state as the gate wants it.
pub fn to_state(reply: &v1::StateReply) -> FinalState {
    FinalState {
        branch: BranchId(reply.branch),
        balance: Money::new(reply.balance),
        lowest_balance: Some(Money::new(reply.lowest_balance)),
        settled: reply.outstanding == 0,
        version: (!reply.version.is_empty()).then(|| to_version(&reply.version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::outcome_of;
    use bank::Version;

    #[test]
    fn a_refusal_for_lack_of_money_is_an_answer_and_carries_the_balance() {
        let refused = Answer {
            outcome: Outcome::Rejected(Rejection::InsufficientFunds),
            balance: Some(Money::new(30)),
        };
        let reply = to_write_reply(refused, None).expect("an answer");
        assert_eq!(to_answer(&reply), refused);
    }

    #[test]
    fn what_cannot_be_said_in_a_reply_is_a_failure() {
        let failure =
            |outcome| to_write_reply(Answer { outcome, balance: None }, None).expect_err("failure");
        assert_eq!(failure(Outcome::Rejected(Rejection::OutOfRange)), Failure::OutOfRange);
        let overloaded = Rejection::Overloaded;
        assert_eq!(failure(Outcome::Rejected(overloaded)), Failure::Refused(overloaded));
        assert_eq!(failure(Outcome::Unknown), Failure::NotAcknowledged);
    }

    #[test]
    fn a_refused_query_carries_no_balance() {
        let asked =
            |outcome| to_query_reply(Answer { outcome, balance: Some(Money::new(5)) }, None);
        assert_eq!(asked(Outcome::Ok), Ok(v1::QueryReply { balance: 5, token: None }));
        let not_ready = Rejection::NotReady;
        assert_eq!(asked(Outcome::Rejected(not_ready)), Err(Failure::Refused(not_ready)));
        assert_eq!(asked(Outcome::Unknown), Err(Failure::NotAnswered));
    }

    fn receipt() -> Receipt {
        let version: Version = [4, 0, u64::MAX].map(Seq).into_iter().collect();
        let cluster = ClusterId(u64::MAX);
        let at_most = [5, 1, u64::MAX].map(Seq).into_iter().collect::<Version>();
        let (version, at_most) = (version.into(), Some(at_most.into()));
        Receipt { cluster, version, at_most, seq: Some(Seq(4)), achieved: 2 }
    }

    #[test]
    fn what_an_answer_was_made_from_survives_the_wire() {
        let made = Answer { outcome: Outcome::Ok, balance: Some(Money::new(30)) };
        let reply = to_write_reply(made, Some(&receipt())).expect("an answer");
        assert_eq!(to_answer(&reply), made);
        assert_eq!(to_receipt(reply), Some(receipt()));
        let reply = to_query_reply(made, Some(&receipt())).expect("an answer");
        let shown = reply.token.as_ref().map(receipt_of);
        assert_eq!(shown, Some(Receipt { at_most: None, seq: None, achieved: 0, ..receipt() }));
        let without = to_write_reply(made, None).expect("an answer");
        assert_eq!((without.token.as_ref(), to_receipt(without.clone())), (None, None));
    }

    #[test]
    fn a_request_is_read_as_it_was_meant() {
        let request = RequestId { session: SessionId(9), number: 7 };
        let attempt = Attempt { request, attempt: 2 };
        let Receipt { cluster, version, .. } = receipt();
        let token = Token { cluster, version: (*version).clone() };
        let deadline = Instant::default();
        let message = v1::WriteRequest {
            amount: 5,
            ack: from_ack(Ack::Majority),
            attempt: Some(from_attempt(attempt)),
            token: Some(from_token(&token)),
        };
        let read = to_write_request(WriteKind::Withdraw, &message, deadline).expect("a request");
        assert_eq!(read.operation, Operation::withdraw(5));
        assert_eq!((read.attempt, read.token.as_ref()), (Some(attempt), Some(&token)));
        assert_eq!(read.ack, Ack::Majority);
        let query =
            v1::QueryRequest { read: from_read(Read::Snapshot), token: Some(from_token(&token)) };
        let read = to_query_request(&query, deadline).expect("a request");
        assert_eq!((read.operation, read.read), (Operation::Query, Read::Snapshot));
        assert_eq!((read.attempt, read.token), (None, Some(token)));
    }

    #[test]
    fn who_has_no_name_and_carries_nothing_is_served() {
        let deadline = Instant::default();
        let nameless = v1::Attempt { session: 0, number: 3, attempt: 1 };
        for attempt in [None, Some(nameless)] {
            let message = v1::WriteRequest { amount: 5, attempt, ..v1::WriteRequest::default() };
            let read = to_write_request(WriteKind::Deposit, &message, deadline);
            assert_eq!(read, Ok(Request::anonymous(Operation::deposit(5), Ack::All, deadline)));
        }
    }

    #[test]
    fn every_rejection_is_an_answer_that_reads_back_or_a_definite_failure() {
        for rejection in Rejection::ALL.iter().copied() {
            let refused =
                Answer { outcome: Outcome::Rejected(rejection), balance: Some(Money::new(3)) };
            match to_write_reply(refused, Some(&receipt())) {
                Ok(reply) => assert_eq!(to_answer(&reply), refused),
                Err(failure) => {
                    let outcome = outcome_of(&tonic::Status::from(failure));
                    assert_eq!(outcome, refused.outcome);
                }
            }
        }
    }

    #[test]
    fn every_way_to_read_survives_the_wire() {
        for read in Read::ALL.iter().copied() {
            assert_eq!(to_read(from_read(read)), Ok(read));
        }
        assert_eq!(to_read(0), Ok(Read::Session));
    }

    #[test]
    fn nonsense_from_the_network_is_refused() {
        assert!(to_write(WriteKind::Deposit, -1).is_err());
        assert!(to_ack(99).is_err());
        assert!(to_read(99).is_err());
        let strange = v1::WriteReply { result: 99, balance: 1, ..v1::WriteReply::default() };
        assert_eq!(to_answer(&strange).outcome, Outcome::Unknown);
    }

    #[test]
    fn every_ack_level_survives_the_wire() {
        for ack in Ack::ALL.iter().copied() {
            assert_eq!(to_ack(from_ack(ack)), Ok(ack));
        }
        assert_eq!(to_ack(0), Ok(Ack::All));
    }
}
