//! The gRPC services of a branch: from messages to the owner and back.

use std::time::{Duration, Instant};

use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status, Streaming};

use super::handle::{BranchHandle, Command, Inspected};
use super::notices::Notice;
use super::owner::BranchInfo;
use super::stream::{Outgoing, addressee, listen, opener, queue};
use crate::telemetry::{CallSpan, extract};
use crate::wire::v1::bank_server::Bank;
use crate::wire::v1::inspect_server::Inspect;
use crate::wire::v1::peer_server::Peer;
use crate::wire::v1::{
    Frame, LogReply, LogRequest, PropagateReply, PropagateRequest, QueryReply, QueryRequest,
    StateReply, StateRequest, WriteReply, WriteRequest,
};
use crate::wire::{
    Failure, LogPart, from_log_part, from_state, timeout, to_query_reply, to_query_request,
    to_write, to_write_reply, to_write_request,
};
use bank::{BranchId, WriteKind};
use replication::{Ticket, Transport, WriteId};

/// For callers that set no deadline, and the most that any gets.
pub(super) const DEADLINE_MAX: Duration = Duration::from_mins(1);

/// All services of one branch.
#[derive(Clone, Debug)]
pub(super) struct Services {
    id: BranchId,
    info: BranchInfo,
    handle: BranchHandle,
}

impl Services {
    pub(super) fn new(info: BranchInfo, handle: BranchHandle) -> Self {
        Self { id: info.id, info, handle }
    }

    /// Whether anybody is there to answer.
    pub(super) fn is_served(&self) -> bool {
        !self.handle.reports().is_closed()
    }

    fn span(&self, metadata: &MetadataMap, method: &'static str) -> CallSpan {
        CallSpan::server(extract(metadata), method, self.id)
    }

    /// An error for what branches say to each other under another scheme, if `from` is one.
    async fn speaks_by(&self, transport: Transport, from: Option<BranchId>) -> Result<(), Failure> {
        let BranchInfo { replication, transport: own, .. } = self.info;
        if own == transport {
            return Ok(());
        }
        if let Some(branch) = from.filter(|branch| self.has_fellow(*branch)) {
            self.notice(Notice::OtherScheme { branch, replication }).await;
        }
        Err(Failure::OtherScheme(replication))
    }

    async fn notice(&self, notice: Notice) {
        // Nobody is there to hear it if the branch has ended.
        let _ = self.handle.reports().send(Command::Noticed(notice)).await;
    }

    fn has_fellow(&self, branch: BranchId) -> bool {
        self.info.peers.iter().any(|peer| peer.id == branch)
    }

    async fn write(
        &self,
        kind: WriteKind,
        method: &'static str,
        request: Request<WriteRequest>,
    ) -> Result<Response<WriteReply>, Status> {
        let span = self.span(request.metadata(), method);
        let deadline = deadline(request.metadata());
        let message = request.into_inner();
        let trace = span.context();
        let answer = async {
            let deadline = self.handle.clock.at(deadline);
            let told =
                self.handle.submit(to_write_request(kind, &message, deadline)?, trace).await?;
            to_write_reply(told.answer, told.receipt.as_ref())
        };
        end(span, answer.await)
    }

    async fn propagate(
        &self,
        kind: WriteKind,
        method: &'static str,
        request: Request<PropagateRequest>,
    ) -> Result<Response<PropagateReply>, Status> {
        let span = self.span(request.metadata(), method);
        let deadline = deadline(request.metadata());
        let message = request.into_inner();
        let answer = async {
            let origin = BranchId(message.origin);
            self.speaks_by(Transport::Calls, Some(origin)).await?;
            let write = to_write(kind, message.amount)?;
            if !self.has_fellow(origin) {
                let text = format!("branch {origin} is not a fellow branch of branch {}", self.id);
                return Err(Failure::BadRequest(text));
            }
            let id = WriteId { origin, ticket: Ticket(message.write) };
            if self.handle.propagate(id, write, deadline).await? {
                Ok(PropagateReply {})
            } else {
                Err(Failure::OutOfRange)
            }
        };
        end(span, answer.await)
    }
}

pub(super) fn deadline(metadata: &MetadataMap) -> Instant {
    Instant::now() + timeout(metadata).map_or(DEADLINE_MAX, |given| given.min(DEADLINE_MAX))
}

pub(super) fn end<T>(span: CallSpan, answer: Result<T, Failure>) -> Result<Response<T>, Status> {
    let answer = answer.map(Response::new).map_err(Status::from);
    span.end_server(answer.as_ref().map_or_else(Status::code, |_| Code::Ok));
    answer
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
        let span = self.span(request.metadata(), "passbook.v1.Bank/Query");
        let deadline = self.handle.clock.at(deadline(request.metadata()));
        let trace = span.context();
        let answer = async {
            let request = to_query_request(&request.into_inner(), deadline)?;
            let told = self.handle.submit(request, trace).await?;
            to_query_reply(told.answer, told.receipt.as_ref())
        };
        end(span, answer.await)
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
        self.speaks_by(Transport::Streams, opener).await?;
        let peer = opener.filter(|peer| self.has_fellow(*peer));
        let Some(peer) = peer else {
            if let Some(branch) = opener {
                self.notice(Notice::Stranger { branch }).await;
            }
            let id = self.id;
            let text = match opener {
                Some(branch) => format!("branch {branch} is not a fellow branch of branch {id}"),
                None => format!("a fellow branch of branch {id} has to name itself to open a link"),
            };
            return Err(Failure::BadRequest(text).into());
        };
        // A stream without an addressee is from a program that does not name it.
        if let Some(meant) = addressee(request.metadata()).filter(|meant| *meant != self.id) {
            let text = format!("this is branch {}, not branch {meant}; check --peer", self.id);
            return Err(Failure::BadRequest(text).into());
        }
        let (frames, queued) = queue();
        let handle = self.handle.clone();
        let incoming = request.into_inner();
        // It ends with the connection.
        #[expect(clippy::disallowed_methods, reason = "it ends with the connection")]
        tokio::spawn(async move {
            listen(&handle, peer, Outgoing::Accepted(frames), incoming).await;
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
        let inspected = self.handle.inspect().await?;
        let Inspected { audit, version, frames_sent, unreachable } = inspected;
        let peers: Vec<BranchId> = self.info.peers.iter().map(|peer| peer.id).collect();
        let BranchInfo { id, opening, replication, .. } = self.info;
        let version = version.as_deref();
        let mut state = from_state(id, &peers, replication, opening, &audit, version);
        state.frames_sent = Some(frames_sent);
        state.unreachable = unreachable;
        Ok(Response::new(state))
    }

    async fn log(&self, request: Request<LogRequest>) -> Result<Response<LogReply>, Status> {
        let reply = match request.into_inner() {
            LogRequest { log: None, .. } => self.handle.begin_log().await?.into(),
            LogRequest { log: Some(log), end: false } => {
                from_log_part(log, self.handle.take_log(log).await?)
            }
            LogRequest { log: Some(log), end: true } => {
                self.handle.end_log(log).await?;
                from_log_part(log, LogPart::default())
            }
        };
        Ok(Response::new(reply))
    }
}
