//! The contracts customers can ask by: one file each, and nothing else knows what their messages are.

mod bank;
mod bankservice;
mod passbook;

use ::passbook::bank::{Answer, BranchId, CustomerId, Operation, Outcome, Rejection, WriteKind};
use ::passbook::replicate::Ack;
use ::passbook::telemetry::CallSpan;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::scenario::Wire;

/// One operation, as whoever asks means it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) customer: CustomerId,
    pub(super) number: u64,
    pub(super) branch: BranchId,
    pub(super) operation: Operation,
}

/// What goes with every request, whatever the contract.
#[derive(Debug)]
pub(super) struct Headers<'a> {
    pub(super) timeout: &'a MetadataValue<Ascii>,
    pub(super) span: &'a CallSpan,
}

impl Headers<'_> {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("grpc-timeout", self.timeout.clone());
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
    pub(super) fn new(wire: Wire, ack: Ack, channel: Channel) -> Self {
        match wire {
            Wire::Passbook => Self::Passbook(passbook::Client::new(channel, ack)),
            Wire::Bank => Self::Bank(bank::Client::new(channel)),
            Wire::BankService => Self::BankService(bankservice::Client::new(channel)),
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
    pub(super) async fn ask(&self, asked: &Asked, headers: &Headers<'_>) -> Result<Answer, Status> {
        match self {
            Self::Passbook(client) => client.ask(asked, headers).await,
            Self::Bank(client) => client.ask(asked, headers).await,
            Self::BankService(client) => client.ask(asked, headers).await,
        }
    }
}

/// A customer's number where a contract has 32 bits for it.
fn int32_id(customer: CustomerId) -> Result<i32, Status> {
    i32::try_from(customer.0).map_err(|_| {
        Status::invalid_argument(format!("customer {customer} does not fit into 32 bits"))
    })
}

/// What it means that an operation was refused: a withdrawal lacked money, anything else was not understood.
const fn refused(operation: Operation) -> Outcome {
    match operation {
        Operation::Write(write) if matches!(write.kind, WriteKind::Withdraw) => {
            Outcome::Rejected(Rejection::InsufficientFunds)
        }
        Operation::Write(_) | Operation::Query => Outcome::Rejected(Rejection::BadRequest),
    }
}
