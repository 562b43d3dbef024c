//! The gRPC services of a branch: from messages to the owner and back.

use std::time::{Duration, Instant};

use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};

use super::owner::{BranchHandle, BranchInfo};
use crate::bank::{BranchId, Operation, WriteKind};
use crate::replicate::{Ack, Ticket, WriteId};
use crate::telemetry::{CallSpan, extract};
use crate::wire::v1::bank_server::Bank;
use crate::wire::v1::inspect_server::Inspect;
use crate::wire::v1::peer_server::Peer;
use crate::wire::v1::{
    PropagateReply, PropagateRequest, QueryReply, QueryRequest, StateReply, StateRequest,
    WriteReply, WriteRequest,
};
use crate::wire::{Failure, from_state, timeout, to_ack, to_query_reply, to_write, to_write_reply};

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

    fn span(&self, metadata: &MetadataMap, method: &'static str) -> CallSpan {
        CallSpan::server(extract(metadata), method, self.id)
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
            let write = to_write(kind, message.amount)?;
            let ack = to_ack(message.ack)?;
            let answer = self.handle.submit(Operation::Write(write), ack, deadline, trace).await?;
            to_write_reply(answer)
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
            let write = to_write(kind, message.amount)?;
            let origin = BranchId(message.origin);
            if !self.info.peers.iter().any(|peer| peer.id == origin) {
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
        let deadline = deadline(request.metadata());
        let answer = self.handle.submit(Operation::Query, Ack::Local, deadline, None).await;
        end(span, answer.and_then(to_query_reply))
    }
}

#[tonic::async_trait]
impl Peer for Services {
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
        let audit = self.handle.audit().await?;
        let peers: Vec<BranchId> = self.info.peers.iter().map(|peer| peer.id).collect();
        let BranchInfo { id, opening, replication, .. } = self.info;
        Ok(Response::new(from_state(id, &peers, replication, opening, &audit)))
    }
}
