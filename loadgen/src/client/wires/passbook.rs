//! Our own contract.

use bank::{Ack, Answer, Money, Operation, OperationKind, Outcome, Read, WriteKind};
use passbook::wire::v1::bank_client::BankClient;
use passbook::wire::v1::{QueryReply, QueryRequest, WriteReply, WriteRequest};
use passbook::wire::{
    from_ack, from_attempt, from_read, from_token, receipt_of, to_answer, to_receipt,
};

use super::{Asked, CallError, Headers, Heard, MarkingChannel, Scenario};

#[derive(Clone, Debug)]
pub(crate) struct Client {
    bank: BankClient<MarkingChannel>,
    ack: Ack,
    read: Read,
}

pub(super) const fn method(operation: Operation) -> &'static str {
    match operation.kind() {
        OperationKind::Query => "passbook.v1.Bank/Query",
        OperationKind::Deposit => "passbook.v1.Bank/Deposit",
        OperationKind::Withdraw => "passbook.v1.Bank/Withdraw",
    }
}

impl Client {
    pub(super) fn new(scenario: &Scenario, channel: MarkingChannel) -> Self {
        let Scenario { ack, read, message_bytes_max, .. } = *scenario;
        // Branches do not compress, so it is not offered: that would be a header more with every request.
        let bank = BankClient::new(channel).max_decoding_message_size(message_bytes_max);
        Self { bank, ack, read }
    }

    pub(super) async fn ask(
        &self,
        asked: &Asked<'_>,
        headers: &Headers<'_>,
    ) -> Result<Heard, CallError> {
        let mut client = self.bank.clone();
        let token = asked.token.map(from_token);
        match asked.operation {
            Operation::Query => {
                let read = from_read(self.read);
                let request = headers.request(QueryRequest { read, token });
                let QueryReply { balance, token } = client.query(request).await?.into_inner();
                let answer = Answer { outcome: Outcome::Ok, balance: Some(Money::new(balance)) };
                Ok(Heard { answer, receipt: token.as_ref().map(receipt_of) })
            }
            Operation::Write(write) => {
                let request = headers.request(WriteRequest {
                    amount: write.amount.minor_units(),
                    ack: from_ack(self.ack),
                    attempt: asked.attempt.map(from_attempt),
                    token,
                });
                let reply = match write.kind {
                    WriteKind::Deposit => client.deposit(request).await?,
                    WriteKind::Withdraw => client.withdraw(request).await?,
                };
                answer(reply.into_inner())
            }
        }
    }
}

/// A result that the contract does not define proves nothing.
fn answer(reply: WriteReply) -> Result<Heard, CallError> {
    let answer = to_answer(&reply);
    if answer.outcome == Outcome::Unknown {
        let word = reply.result.to_string();
        return Err(CallError::UndefinedWord { word, expected: "a passbook.v1.WriteResult" });
    }
    Ok(Heard { answer, receipt: to_receipt(reply) })
}

#[cfg(test)]
mod tests {
    use passbook::wire::v1::WriteResult;

    use super::*;

    #[test]
    fn undefined_result_is_unknown_and_kept() {
        let reply = |result| WriteReply { result, ..WriteReply::default() };
        let success = answer(reply(WriteResult::Success.into())).expect("an answer");
        assert_eq!(success.answer.outcome, Outcome::Ok);
        for result in [0, 99] {
            let error = answer(reply(result)).expect_err("undefined");
            assert_eq!(error.outcome(), Outcome::Unknown);
            let status = error.call_status();
            let word = status.word().map(|undefined| undefined.word.clone());
            assert_eq!(word, Some(result.to_string()));
        }
    }
}
