//! Package `bank`: one call, told apart by a word.

use bank::{Answer, Money, Operation, Outcome};
use passbook::wire::exercise::bank::bank_client::BankClient;
use passbook::wire::exercise::bank::{TransactionRequest, TransactionResponse};
use passbook::wire::exercise::{FAIL, SUCCESS, amount_of};
use tonic::codec::CompressionEncoding;

use super::{Asked, CallError, Headers, MarkingChannel, Scenario, int32_id, refused};

pub(super) const METHOD: &str = "bank.Bank/MsgDelivery";

pub(super) type Client = BankClient<MarkingChannel>;

pub(super) fn client(scenario: &Scenario, channel: MarkingChannel) -> Client {
    Client::new(channel)
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(scenario.message_bytes_max)
}

pub(super) async fn ask(
    client: &Client,
    asked: &Asked<'_>,
    headers: &Headers<'_>,
) -> Result<Answer, CallError> {
    let message = TransactionRequest {
        customer_id: int32_id(asked.customer)?,
        operation: asked.operation.name().to_owned(),
        amount: amount_of(asked.operation)?,
    };
    let reply = client.clone().msg_delivery(headers.request(message)).await?;
    answer(asked.operation, reply.into_inner())
}

/// What contract documents define as the status of an answer.
const EXPECTED: &str = "\"success\" or \"fail\"";

/// Only a query's balance is taken: in the answer to a write a 0 may as well mean that none was given. Some banks
/// of this contract leave the status of a query empty, so that any other word than `fail` counts as success there.
fn answer(operation: Operation, reply: TransactionResponse) -> Result<Answer, CallError> {
    let TransactionResponse { status, balance } = reply;
    if status.eq_ignore_ascii_case(FAIL) {
        return Ok(Answer { outcome: refused(operation), balance: None });
    }
    match operation {
        Operation::Query => {
            Ok(Answer { outcome: Outcome::Ok, balance: Some(Money::new(balance.into())) })
        }
        Operation::Write(_) if status.eq_ignore_ascii_case(SUCCESS) => {
            Ok(Answer { outcome: Outcome::Ok, balance: None })
        }
        Operation::Write(_) => Err(CallError::UndefinedWord { word: status, expected: EXPECTED }),
    }
}

#[cfg(test)]
mod tests {
    use bank::Rejection;

    use super::*;

    fn answer_to(operation: Operation, status: &str, balance: i32) -> Result<Answer, CallError> {
        answer(operation, TransactionResponse { status: status.to_owned(), balance })
    }

    #[test]
    fn defined_words_become_outcomes() {
        let (deposit, withdraw) = (Operation::deposit(1), Operation::withdraw(1));
        let answered = |operation, status| answer_to(operation, status, 7).expect("an answer");
        assert_eq!(answered(deposit, "success"), Answer { outcome: Outcome::Ok, balance: None });
        let insufficient = Outcome::Rejected(Rejection::InsufficientFunds);
        assert_eq!(answered(withdraw, "FAIL").outcome, insufficient);
        let bad = Outcome::Rejected(Rejection::BadRequest);
        assert_eq!(answered(deposit, "fail").outcome, bad);
        for status in ["success", ""] {
            assert_eq!(answered(Operation::Query, status).balance, Some(Money::new(7)));
        }
    }

    #[test]
    fn undefined_word_is_unknown_and_kept() {
        for word in ["", "OK", "banana"] {
            let error = answer_to(Operation::deposit(1), word, 0).expect_err("undefined");
            assert_eq!(error.outcome(), Outcome::Unknown, "{word}");
            let status = error.call_status();
            assert_eq!(status.word().map(|undefined| undefined.word.as_str()), Some(word));
        }
    }
}
