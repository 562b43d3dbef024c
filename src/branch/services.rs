//! The gRPC services of a branch: from messages to the driver and back.

use std::time::{Duration, Instant};

use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use super::call_driver::CallCommand;
use super::handle::{BranchHandle, BranchState, Command, ask};
use super::info::BranchInfo;
use super::peer_stream::{addressee, opener, queue, read};
use super::warnings::Warning;
use crate::telemetry::{CallSpan, TraceContext, extract};
use crate::wire::v1::bank_server::Bank;
use crate::wire::v1::inspect_server::Inspect;
use crate::wire::v1::peer_server::Peer;
use crate::wire::v1::{
    Frame, LogReply, LogRequest, PropagateReply, PropagateRequest, QueryReply, QueryRequest,
    StateReply, StateRequest, WriteReply, WriteRequest,
};
use crate::wire::{
    Failure, from_version, timeout, to_query_reply, to_query_request, to_write, to_write_reply,
    to_write_request,
};
use bank::{BranchId, WriteKind};
use replication::Ticket;
use replication::broadcast::WriteId;

/// For callers that set no deadline, and the most that any gets.
pub(super) const DEADLINE_MAX: Duration = Duration::from_mins(1);

/// The metadata of a call.
pub(super) struct Caller {
    /// The caller's, or the latest that any gets.
    pub(super) deadline: replication::Instant,
    /// The span of the call, if it is traced.
    pub(super) trace: Option<TraceContext>,
}

/// All services of one branch, the exercise's among them.
#[derive(Clone, Debug)]
pub(super) struct Services {
    info: BranchInfo,
    pub(super) handle: BranchHandle,
}

impl Services {
    pub(super) fn new(info: BranchInfo, handle: BranchHandle) -> Self {
        Self { info, handle }
    }

    /// Whether the driver is there to answer.
    pub(super) fn is_served(&self) -> bool {
        self.handle.is_served()
    }

    /// Answers a call of `method` by `perform`, within its span if the caller's operation is traced.
    pub(super) async fn answer<Q, T, P>(
        &self,
        method: &'static str,
        request: Request<Q>,
        perform: impl FnOnce(Q, Caller) -> P,
    ) -> Result<Response<T>, Status>
    where
        P: Future<Output = Result<T, Failure>>,
    {
        let metadata = request.metadata();
        let span = CallSpan::server(extract(metadata), method, self.info.id);
        let limit = timeout(metadata).map_or(DEADLINE_MAX, |given| given.min(DEADLINE_MAX));
        let deadline = self.handle.clock.at(Instant::now() + limit);
        let caller = Caller { deadline, trace: span.context() };
        let answer = perform(request.into_inner(), caller).await;
        let answer = answer.map(Response::new).map_err(Status::from);
        span.end_server(answer.as_ref().map_or_else(Status::code, |_| Code::Ok));
        answer
    }

    /// Warns of a peer that uses the transport of another scheme.
    async fn check_scheme<T>(
        &self,
        transport: Result<T, Failure>,
        peer: Option<BranchId>,
    ) -> Result<T, Failure> {
        if transport.is_err()
            && let Some(branch) = peer.filter(|branch| self.has_peer(*branch))
        {
            let replication = self.info.replication;
            self.handle.warn(Warning::OtherScheme { branch, replication }).await;
        }
        transport
    }

    fn has_peer(&self, branch: BranchId) -> bool {
        self.info.peers.iter().any(|peer| peer.id == branch)
    }

    fn not_a_peer(&self, branch: BranchId) -> Failure {
        Failure::BadRequest(format!("branch {branch} is not a peer of branch {}", self.info.id))
    }

    async fn write(
        &self,
        kind: WriteKind,
        method: &'static str,
        request: Request<WriteRequest>,
    ) -> Result<Response<WriteReply>, Status> {
        self.answer(method, request, |message, caller| async move {
            let request = to_write_request(kind, &message, caller.deadline)?;
            let reply = self.handle.submit(request, caller.trace).await?;
            to_write_reply(reply.answer, reply.receipt.as_ref())
        })
        .await
    }

    async fn propagate(
        &self,
        kind: WriteKind,
        method: &'static str,
        request: Request<PropagateRequest>,
    ) -> Result<Response<PropagateReply>, Status> {
        self.answer(method, request, |message, Caller { deadline, .. }| async move {
            let origin = BranchId(message.origin);
            let calls = self.check_scheme(self.handle.calls(), Some(origin)).await?;
            let write = to_write(kind, message.amount)?;
            if !self.has_peer(origin) {
                return Err(self.not_a_peer(origin));
            }
            let id = WriteId { origin, ticket: Ticket(message.write) };
            let propagate =
                |reply| Command::Peer(CallCommand::Propagate { id, write, deadline, reply });
            if ask(calls, propagate).await? {
                Ok(PropagateReply {})
            } else {
                Err(Failure::OutOfRange)
            }
        })
        .await
    }
}

#[tonic::async_trait]
impl Bank for Services {
    async fn deposit(
        &self,
        request: Request<WriteRequest>,
    ) -> Result<Response<WriteReply>, Status> {
        self.write(WriteKind::Deposit, "passbook.v1.Bank/Deposit", request).await
    }

    async fn withdraw(
        &self,
        request: Request<WriteRequest>,
    ) -> Result<Response<WriteReply>, Status> {
        self.write(WriteKind::Withdraw, "passbook.v1.Bank/Withdraw", request).await
    }

    async fn query(&self, request: Request<QueryRequest>) -> Result<Response<QueryReply>, Status> {
        self.answer("passbook.v1.Bank/Query", request, |message, caller| async move {
            let request = to_query_request(&message, caller.deadline)?;
            let reply = self.handle.submit(request, caller.trace).await?;
            to_query_reply(reply.answer, reply.receipt.as_ref())
        })
        .await
    }
}

#[tonic::async_trait]
impl Peer for Services {
    type LinkStream = ReceiverStream<Result<Frame, Status>>;

    async fn link(
        &self,
        request: Request<Streaming<Frame>>,
    ) -> Result<Response<Self::LinkStream>, Status> {
        let opener = opener(request.metadata());
        let driver = self.check_scheme(self.handle.streams(), opener).await?.clone();
        let id = self.info.id;
        let Some(peer) = opener else {
            let text = format!("a peer of branch {id} has to name itself to open a stream");
            return Err(Failure::BadRequest(text).into());
        };
        if !self.has_peer(peer) {
            self.handle.warn(Warning::Stranger { branch: peer }).await;
            return Err(self.not_a_peer(peer).into());
        }
        // A stream without an addressee is from a program that does not name it.
        if let Some(meant) = addressee(request.metadata()).filter(|meant| *meant != id) {
            let text = format!("this is branch {id}, not branch {meant}; check --peer");
            return Err(Failure::BadRequest(text).into());
        }
        let (frames, queued) = queue();
        let (readers, incoming) = (driver.readers.clone(), request.into_inner());
        readers.spawn(async move {
            read(&driver, peer, frames, incoming).await;
        });
        Ok(Response::new(queued))
    }

    async fn propagate_deposit(
        &self,
        request: Request<PropagateRequest>,
    ) -> Result<Response<PropagateReply>, Status> {
        self.propagate(WriteKind::Deposit, "passbook.v1.Peer/PropagateDeposit", request).await
    }

    async fn propagate_withdraw(
        &self,
        request: Request<PropagateRequest>,
    ) -> Result<Response<PropagateReply>, Status> {
        self.propagate(WriteKind::Withdraw, "passbook.v1.Peer/PropagateWithdraw", request).await
    }
}

#[tonic::async_trait]
impl Inspect for Services {
    async fn state(&self, _request: Request<StateRequest>) -> Result<Response<StateReply>, Status> {
        let BranchState { stats, version, messages_sent, unreachable } =
            self.handle.inspect().await?;
        Ok(Response::new(StateReply {
            branch: self.info.id.0,
            peers: self.info.peers.iter().map(|peer| peer.id.0).collect(),
            replication: self.info.replication.to_owned(),
            opening_balance: self.info.opening.minor_units(),
            balance: stats.balance.minor_units(),
            lowest_balance: stats.lowest_balance.minor_units(),
            accepted: stats.accepted,
            applied: stats.applied,
            outstanding: stats.outstanding,
            undelivered: stats.undelivered,
            frames_sent: Some(messages_sent),
            version: version.as_deref().map(from_version).unwrap_or_default(),
            unreachable,
        }))
    }

    async fn log(&self, request: Request<LogRequest>) -> Result<Response<LogReply>, Status> {
        Ok(Response::new(self.handle.log(request.into_inner()).await?))
    }
}
