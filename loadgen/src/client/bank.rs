//! Calls to branches, with a deadline on each.

use std::time::Duration;

use bank::{Answer, BranchId, CustomerId, Money, Operation, Outcome, StatusCode};
use exercise::Event;
use futures_util::future::{join_all, try_join_all};
use passbook::telemetry::CallSpan;
use passbook::wire::v1::inspect_client::InspectClient;
use passbook::wire::v1::{StateReply, StateRequest};
use passbook::wire::{CONNECTION_WINDOW_BYTES, MarkingChannel, root_cause};
use replication::passbook::Session;
use replication::{Attempt, Receipt};
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};
use tonic::codec::CompressionEncoding;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::error::CallError;
use super::probe::probe;
use super::wires::{Asked, Headers, Heard, WireClient};
use crate::record::CallStatus;
use crate::scenario::Scenario;

/// How long a branch may take to accept a connection, whatever the time-out of operations is.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Requests that may wait in a channel: as many as there can be customers in a thread.
const CHANNEL_QUEUE: usize = 65_536;

/// Bytes of headers and trailers of an answer that are accepted; servers put details of errors there.
const METADATA_BYTES_MAX: u32 = 1 << 20;

/// How often a request is sent at most, and how long after the first sending failed it is sent again.
const ATTEMPTS_MAX: u32 = 4;
const REPEAT_AFTER: Duration = Duration::from_millis(20);

/// A branch cannot be used.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The address is none.
    #[error("{0} is not an address; give host:port")]
    Address(String),
    /// Nobody is there, or not in time.
    #[error(
        "branch at {address} cannot be reached: {reason}; check the address, or give it time to start with --wait"
    )]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        reason: String,
    },
}

/// What came of an operation.
#[derive(Clone, Debug)]
pub struct Called {
    /// What was answered.
    pub answer: Answer,
    /// With which status the last attempt ended.
    pub status: CallStatus,
    /// Whether the next call would fail as well if it were sent at once.
    pub is_overloaded_or_gone: bool,
    /// The attempt whose answer was taken.
    pub attempt: Attempt,
    /// What the answer was made from, where it said so.
    pub receipt: Option<Receipt>,
    /// The trace of that attempt, if one was made.
    pub trace: Option<u128>,
}

/// Channels to all branches from one thread.
#[derive(Clone, Debug)]
pub struct Bank {
    /// By id, ascending.
    branches: Vec<(BranchId, WireClient)>,
    timeout: Duration,
    timeout_header: Option<MetadataValue<Ascii>>,
}

/// How long an answer may take, as gRPC says it.
fn timeout_header(timeout: Duration) -> Option<MetadataValue<Ascii>> {
    let micros = timeout.as_micros().min(99_999_999);
    MetadataValue::try_from(format!("{micros}u")).ok()
}

/// A channel to `address`, connected within `limit`.
pub(crate) async fn connect(address: &str, limit: Duration) -> Result<Channel, ConnectError> {
    let unreachable =
        |reason: String| ConnectError::Unreachable { address: address.to_owned(), reason };
    match timeout(limit, endpoint(address)?.connect()).await {
        Ok(Ok(channel)) => Ok(channel),
        Ok(Err(error)) => {
            let listener = probe(address).await;
            Err(unreachable(listener.map_or_else(|| root_cause(&error), ToOwned::to_owned)))
        }
        Err(_) => Err(unreachable(format!("no connection within {limit:?}"))),
    }
}

fn endpoint(address: &str) -> Result<Endpoint, ConnectError> {
    let not_an_address = || ConnectError::Address(address.to_owned());
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|_| not_an_address())?
        .connect_timeout(CONNECT_LIMIT)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_max_header_list_size(METADATA_BYTES_MAX)
        .buffer_size(CHANNEL_QUEUE);
    if endpoint.uri().port_u16().is_none() {
        return Err(not_an_address());
    }
    Ok(endpoint)
}

/// The state of the branch at the end of `channel`.
pub(crate) async fn inspect(channel: Channel, limit: Duration) -> Result<StateReply, CallError> {
    let client = InspectClient::new(MarkingChannel::new(channel));
    let mut client = client.accept_compressed(CompressionEncoding::Gzip);
    let call = client.state(StateRequest {});
    within(limit, "passbook.v1.Inspect/State", call).await.map(Response::into_inner)
}

/// Whether the branch at the end of `channel` reports that it serves.
pub(crate) async fn is_serving(channel: Channel, limit: Duration) -> Result<bool, CallError> {
    let health = HealthClient::new(MarkingChannel::new(channel));
    let mut health = health.accept_compressed(CompressionEncoding::Gzip);
    let request = HealthCheckRequest { service: "passbook.v1.Bank".to_owned() };
    let reply = within(limit, "grpc.health.v1.Health/Check", health.check(request)).await?;
    Ok(reply.get_ref().status() == ServingStatus::Serving)
}

/// The result of a `call` of `method` that ends within `limit`.
async fn within<T, E: Into<CallError>>(
    limit: Duration,
    method: &'static str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, CallError> {
    let result = timeout(limit, call).await.map_err(|_| CallError::TimedOut)?;
    result.map_err(|error| error.into().with_method(method))
}

impl Bank {
    /// Connects to every branch, to call it by `wire`. A branch that is gone fails the operations that are sent to it,
    /// and not the run.
    pub async fn connect(
        addresses: &[(BranchId, String)],
        scenario: &Scenario,
    ) -> Result<Self, ConnectError> {
        let connecting = addresses.iter().map(async |(id, address)| {
            let endpoint = endpoint(address)?;
            let connected = timeout(scenario.timeout, endpoint.connect()).await;
            let connected = connected.ok().and_then(Result::ok);
            Ok::<_, ConnectError>((*id, connected.unwrap_or_else(|| endpoint.connect_lazy())))
        });
        Ok(Self::over(try_join_all(connecting).await?, scenario))
    }

    /// Over these `channels`.
    pub(crate) fn over(channels: Vec<(BranchId, Channel)>, scenario: &Scenario) -> Self {
        let client = |(id, channel)| (id, WireClient::new(scenario, MarkingChannel::new(channel)));
        let mut branches: Vec<_> = channels.into_iter().map(client).collect();
        branches.sort_unstable_by_key(|(id, _)| *id);
        let timeout = scenario.timeout;
        Self { branches, timeout, timeout_header: timeout_header(timeout) }
    }

    /// Asks each branch for its balance once: the connections and the code are warm then.
    pub async fn warm_up(&self) {
        join_all(self.branches.iter().map(|(branch, _)| self.balance(*branch))).await;
    }

    /// Does one operation. No answer in time is an unknown outcome.
    ///
    /// Where the branches give tokens they recognize a request that they have seen: then one that was not
    /// answered is sent again, to the same branch and within the same time.
    pub async fn call(
        &self,
        session: &mut Session,
        customer: CustomerId,
        number: u64,
        event: &Event,
        traced: bool,
    ) -> Called {
        let begun = Instant::now();
        let mut attempt = session.begin();
        let mut left = self.timeout;
        loop {
            let asked = Asked {
                customer,
                number,
                branch: event.branch,
                operation: event.operation,
                attempt: Some(attempt),
                token: session.token(),
            };
            let (heard, trace) = self.ask(&asked, left, traced).await;
            let (heard, status, is_overloaded_or_gone) = match heard {
                Ok(heard) => (heard, CallStatus::default(), false),
                Err(error) => {
                    let answer = Answer { outcome: error.outcome(), balance: None };
                    (Heard::from(answer), error.call_status(), error.is_overloaded_or_gone())
                }
            };
            session.answered(attempt, heard.answer.outcome, heard.receipt.as_ref());
            let repeats = heard.answer.outcome == Outcome::Unknown
                && session.token().is_some()
                && attempt.attempt < ATTEMPTS_MAX;
            let pause = REPEAT_AFTER * attempt.attempt;
            left = self.timeout.saturating_sub(begun.elapsed() + pause);
            if !repeats || left.is_zero() {
                let Heard { answer, receipt } = heard;
                return Called { answer, status, is_overloaded_or_gone, attempt, receipt, trace };
            }
            sleep(pause).await;
            attempt = session.retry();
        }
    }

    /// What `branch` says it holds.
    pub(crate) async fn balance(&self, branch: BranchId) -> Result<Money, CallError> {
        // Some programs of the exercise look at who asks: at each branch that is the customer of that number.
        let customer = CustomerId(branch.0.into());
        let operation = Operation::Query;
        let asked = Asked { customer, number: 0, branch, operation, attempt: None, token: None };
        let (heard, _) = self.ask(&asked, self.timeout, false).await;
        let balance = heard?.answer.balance;
        balance.ok_or_else(|| CallError::Unreadable {
            code: StatusCode::Ok,
            message: "the query was rejected".to_owned(),
        })
    }

    /// What was heard, and the trace that shows it.
    async fn ask(
        &self,
        asked: &Asked<'_>,
        limit: Duration,
        traced: bool,
    ) -> (Result<Heard, CallError>, Option<u128>) {
        let Ok(index) = self.branches.binary_search_by_key(&asked.branch, |(id, _)| *id) else {
            return (Err(CallError::NotSent(format!("there is no branch {}", asked.branch))), None);
        };
        let client = &self.branches[index].1;
        let Asked { customer, number, branch, operation, .. } = *asked;
        let span = if traced {
            CallSpan::customer(
                client.method(operation),
                operation.name(),
                customer.0,
                number,
                branch,
            )
        } else {
            CallSpan::default()
        };
        // Written anew only for what is sent again.
        let shorter = if limit < self.timeout { timeout_header(limit) } else { None };
        let timeout = shorter.as_ref().or(self.timeout_header.as_ref());
        let headers = Headers { timeout, span: &span };
        // tonic's own deadline ends with the headers of an answer; this one with the answer.
        let method = client.method(operation);
        let answered = within(limit, method, client.ask(asked, &headers)).await;
        let code = answered.as_ref().map_or_else(CallError::grpc_code, |_| Code::Ok);
        if traced {
            let is_write = operation != Operation::Query;
            let amount = is_write.then(|| operation.amount().minor_units());
            let outcome =
                answered.as_ref().map_or_else(CallError::outcome, |heard| heard.answer.outcome);
            span.note(amount, outcome.into());
        }
        let trace = span.trace();
        span.end_client(code);
        (answered, trace)
    }
}

#[cfg(test)]
mod tests {
    use bank::SessionId;

    use super::*;

    #[tokio::test]
    async fn a_branch_that_has_died_since_costs_answers_and_not_the_run() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = nobody.local_addr().expect("bound").to_string();
        drop(nobody);
        let branch = BranchId(1);
        let addresses = [(branch, address)];
        let scenario = Scenario { timeout: Duration::from_secs(1), ..Scenario::default() };
        let first = connect(&addresses[0].1, scenario.timeout).await;
        assert!(matches!(first, Err(ConnectError::Unreachable { .. })), "{first:?}");
        let known = Bank::connect(&addresses, &scenario).await;
        let bank = known.expect("nobody need be there");
        let mut session = Session::new(SessionId(7));
        let event = Event { operation: Operation::deposit(1), branch, names_branch: true };
        let called = bank.call(&mut session, CustomerId(1), 1, &event, false).await;
        assert_eq!(called.answer.outcome, Outcome::Unknown);
        assert!(called.is_overloaded_or_gone && called.status.is_unanswered());
        assert_eq!(called.status.code, StatusCode::Unavailable);
        let failure = called.status.failure.expect("a failure");
        assert_eq!(failure.message, "connection refused");
    }
}
