//! Our own contract.

use passbook::bank::{Answer, Money, Operation, Outcome, WriteKind};
use passbook::replicate::Ack;
use passbook::wire::v1::bank_client::BankClient;
use passbook::wire::v1::{QueryRequest, WriteRequest};
use passbook::wire::{from_ack, to_answer};
use tonic::Status;
use tonic::transport::Channel;

use super::{Asked, Headers};

#[derive(Clone, Debug)]
pub(crate) struct Client {
    client: BankClient<Channel>,
    ack: Ack,
}

pub(super) const fn method(operation: Operation) -> &'static str {
    match operation {
        Operation::Query => "passbook.v1.Bank/Query",
        Operation::Write(write) => match write.kind {
            WriteKind::Deposit => "passbook.v1.Bank/Deposit",
            WriteKind::Withdraw => "passbook.v1.Bank/Withdraw",
        },
    }
}

impl Client {
    pub(super) fn new(channel: Channel, ack: Ack) -> Self {
        Self { client: BankClient::new(channel), ack }
    }

    pub(super) async fn ask(&self, asked: &Asked, headers: &Headers<'_>) -> Result<Answer, Status> {
        let mut client = self.client.clone();
        let (customer, number) = (asked.customer.0, asked.number);
        match asked.operation {
            Operation::Query => {
                let request = headers.request(QueryRequest { customer, number });
                let balance = client.query(request).await?.get_ref().balance;
                Ok(Answer { outcome: Outcome::Ok, balance: Some(Money::new(balance)) })
            }
            Operation::Write(write) => {
                let amount = write.amount.minor_units();
                let ack = from_ack(self.ack);
                let request = headers.request(WriteRequest { customer, number, amount, ack });
                let reply = match write.kind {
                    WriteKind::Deposit => client.deposit(request).await?,
                    WriteKind::Withdraw => client.withdraw(request).await?,
                };
                Ok(to_answer(reply.get_ref()))
            }
        }
    }
}
