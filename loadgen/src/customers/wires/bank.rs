//! Package `bank`: one call, told apart by a word.

use passbook::bank::{Answer, Money, Operation, Outcome};
use passbook::wire::seeds::bank::bank_client::BankClient;
use passbook::wire::seeds::bank::{TransactionRequest, TransactionResponse};
use passbook::wire::seeds::{FAIL, SUCCESS, amount_of};
use tonic::Status;
use tonic::transport::Channel;

use super::{Asked, Headers, int32_id, refused};

pub(super) const METHOD: &str = "bank.Bank/MsgDelivery";

#[derive(Clone, Debug)]
pub(crate) struct Client(BankClient<Channel>);

impl Client {
    pub(super) fn new(channel: Channel) -> Self {
        Self(BankClient::new(channel))
    }

    pub(super) async fn ask(
        &self,
        asked: &Asked<'_>,
        headers: &Headers<'_>,
    ) -> Result<Answer, Status> {
        let message = TransactionRequest {
            customer_id: int32_id(asked.customer)?,
            operation: asked.operation.name().to_owned(),
            amount: amount_of(asked.operation)?,
        };
        let reply = self.0.clone().msg_delivery(headers.request(message)).await?;
        Ok(answer(asked.operation, reply.get_ref()))
    }
}

/// Only a query's balance is taken: in the answer to a write a 0 may as well mean that none was given.
fn answer(operation: Operation, reply: &TransactionResponse) -> Answer {
    if reply.status.eq_ignore_ascii_case(FAIL) {
        return Answer { outcome: refused(operation), balance: None };
    }
    match operation {
        Operation::Query => {
            let balance = Some(Money::new(reply.balance.into()));
            Answer { outcome: Outcome::Ok, balance }
        }
        Operation::Write(_) if reply.status.eq_ignore_ascii_case(SUCCESS) => {
            Answer { outcome: Outcome::Ok, balance: None }
        }
        Operation::Write(_) => Answer { outcome: Outcome::Unknown, balance: None },
    }
}

#[cfg(test)]
mod tests {
    use passbook::bank::Rejection;

    use super::*;

    fn said(operation: Operation, status: &str, balance: i32) -> Answer {
        answer(operation, &TransactionResponse { status: status.to_owned(), balance })
    }

    #[test]
    fn words_become_outcomes_and_strange_ones_are_unknown() {
        let (deposit, withdraw) = (Operation::deposit(1), Operation::withdraw(1));
        let outcome = |operation, status| said(operation, status, 0).outcome;
        assert_eq!(outcome(deposit, "success"), Outcome::Ok);
        let insufficient = Outcome::Rejected(Rejection::InsufficientFunds);
        assert_eq!(outcome(withdraw, "fail"), insufficient);
        assert_eq!(outcome(deposit, "fail"), Outcome::Rejected(Rejection::BadRequest));
        assert_eq!(outcome(deposit, ""), Outcome::Unknown);
        assert_eq!(said(deposit, "success", 0).balance, None);
        assert_eq!(said(Operation::Query, "success", 7).balance, Some(Money::new(7)));
    }
}
