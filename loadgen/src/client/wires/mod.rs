//! The contracts customers can ask by: one file each, and nothing else knows what their messages are.

mod bank;
mod bankservice;
mod passbook;

use ::bank::{Answer, BranchId, CustomerId, Operation, OperationKind, Outcome, Rejection};
use ::passbook::telemetry::CallSpan;
use ::passbook::wire::MarkingChannel;
use ::replication::{Attempt, Receipt, Token};
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};

use super::error::CallError;
use crate::scenario::{Scenario, Wire};

/// One operation, as whoever asks means it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) customer: CustomerId,
    pub(super) number: u64,
    pub(super) branch: BranchId,
    pub(super) operation: Operation,
    /// The name of this sending, where there is a session.
    pub(super) attempt: Option<Attempt>,
    /// What the customer carries.
    pub(super) token: Option<&'a Token>,
}

/// What was answered, and what that was made from.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) answer: Answer,
    pub(super) receipt: Option<Receipt>,
}

impl From<Answer> for Heard {
    fn from(answer: Answer) -> Self {
        Self { answer, receipt: None }
    }
}

/// What goes with every request, whatever the contract.
#[derive(Debug)]
pub(super) struct Headers<'a> {
    pub(super) timeout: Option<&'a MetadataValue<Ascii>>,
    pub(super) span: &'a CallSpan,
}

impl Headers<'_> {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(timeout) = self.timeout {
            request.metadata_mut().insert("grpc-timeout", timeout.clone());
        }
        self.span.inject(request.metadata_mut());
        request
    }
}

/// Asks one branch by one contract.
#[derive(Clone, Debug)]
pub(super) enum WireClient {
    Passbook(passbook::Client),
    Bank(bank::Client),
    BankService(bankservice::Client),
}

impl WireClient {
    pub(super) fn new(scenario: &Scenario, channel: MarkingChannel) -> Self {
        match scenario.wire {
            Wire::Passbook => Self::Passbook(passbook::Client::new(scenario, channel)),
            Wire::Bank => Self::Bank(bank::client(scenario, channel)),
            Wire::BankService => Self::BankService(bankservice::client(scenario, channel)),
        }
    }

    /// The gRPC method by which an operation is asked for.
    pub(super) const fn method(&self, operation: Operation) -> &'static str {
        match self {
            Self::Passbook(_) => passbook::method(operation),
            Self::Bank(_) => bank::METHOD,
            Self::BankService(_) => bankservice::method(operation),
        }
    }

    /// Asks, without a bound on the time.
    pub(super) async fn ask(
        &self,
        asked: &Asked<'_>,
        headers: &Headers<'_>,
    ) -> Result<Heard, CallError> {
        match self {
            Self::Passbook(client) => client.ask(asked, headers).await,
            Self::Bank(client) => bank::ask(client, asked, headers).await.map(Heard::from),
            Self::BankService(client) => {
                bankservice::ask(client, asked, headers).await.map(Heard::from)
            }
        }
    }
}

/// A customer's number where a contract has 32 bits for it.
fn int32_id(customer: CustomerId) -> Result<i32, CallError> {
    i32::try_from(customer.0)
        .map_err(|_| CallError::NotSent(format!("customer {customer} does not fit into 32 bits")))
}

/// What it means that an operation was refused: a withdrawal lacked money, anything else was not understood.
const fn refused(operation: Operation) -> Outcome {
    Outcome::Rejected(match operation.kind() {
        OperationKind::Withdraw => Rejection::InsufficientFunds,
        OperationKind::Deposit | OperationKind::Query => Rejection::BadRequest,
    })
}
