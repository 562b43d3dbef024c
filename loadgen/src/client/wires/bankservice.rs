//! Package `BankService`: a call for each operation.

use bank::{Answer, Money, Operation, OperationKind, Outcome, Rejection, WriteKind};
use passbook::wire::exercise::bankservice::bank_service_client::BankServiceClient;
use passbook::wire::exercise::bankservice::{BalanceQuery, CustomerRequest, ResponseMessage};
use passbook::wire::exercise::{INVALID_EVENT, amount_of};
use tonic::codec::CompressionEncoding;

use super::{Asked, CallError, Headers, MarkingChannel, Scenario, int32_id, refused};

pub(super) type Client = BankServiceClient<MarkingChannel>;

pub(super) const fn method(operation: Operation) -> &'static str {
    match operation.kind() {
        OperationKind::Query => "BankService.BankService/Query",
        OperationKind::Deposit => "BankService.BankService/Deposit",
        OperationKind::Withdraw => "BankService.BankService/Withdraw",
    }
}

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
    let mut client = client.clone();
    let reply = match asked.operation {
        Operation::Query => {
            let branch_id = i32::try_from(asked.branch.0).map_err(|_| {
                CallError::NotSent(format!("branch {} does not fit into 32 bits", asked.branch))
            })?;
            client.query(headers.request(BalanceQuery { branch_id })).await?
        }
        Operation::Write(write) => {
            let request = headers.request(CustomerRequest {
                customer_id: int32_id(asked.customer)?,
                event: write.kind.name().to_owned(),
                amount: amount_of(asked.operation)?,
            });
            match write.kind {
                WriteKind::Deposit => client.deposit(request).await?,
                WriteKind::Withdraw => client.withdraw(request).await?,
            }
        }
    };
    answer(asked.operation, reply.get_ref())
}

fn answer(operation: Operation, reply: &ResponseMessage) -> Result<Answer, CallError> {
    let outcome = match (reply.success, reply.message.as_str()) {
        (true, _) => Outcome::Ok,
        (false, INVALID_EVENT) => Outcome::Rejected(Rejection::BadRequest),
        (false, _) => refused(operation),
    };
    let balance = match operation {
        Operation::Query if reply.success => Some(balance(&reply.message)?),
        Operation::Query | Operation::Write(_) => None,
    };
    Ok(Answer { outcome, balance })
}

fn balance(text: &str) -> Result<Money, CallError> {
    let undefined = |_| CallError::UndefinedWord {
        word: text.to_owned(),
        expected: "a balance in decimal digits",
    };
    text.trim().parse().map(Money::new).map_err(undefined)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(operation: Operation, message: &str, success: bool) -> Result<Answer, CallError> {
        answer(operation, &ResponseMessage { message: message.to_owned(), success })
    }

    #[test]
    fn a_balance_is_decimal_text_and_anything_else_is_no_answer() {
        let seven = told(Operation::Query, "-7", true).expect("an answer");
        assert_eq!(seven, Answer { outcome: Outcome::Ok, balance: Some(Money::new(-7)) });
        for strange in ["", "seven", "7.5", "99999999999999999999"] {
            let error = told(Operation::Query, strange, true).expect_err(strange);
            assert_eq!(error.outcome(), Outcome::Unknown);
            let status = error.call_status();
            assert_eq!(status.word().map(|undefined| undefined.word.as_str()), Some(strange));
        }
    }

    #[test]
    fn refusals_tell_why() {
        let outcome =
            |operation, message| told(operation, message, false).expect("an answer").outcome;
        let insufficient = Outcome::Rejected(Rejection::InsufficientFunds);
        assert_eq!(outcome(Operation::withdraw(1), "too little"), insufficient);
        let bad = Outcome::Rejected(Rejection::BadRequest);
        assert_eq!(outcome(Operation::withdraw(1), INVALID_EVENT), bad);
        assert_eq!(outcome(Operation::deposit(1), "no"), bad);
    }
}
