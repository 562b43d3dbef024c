//! The spans of a write: customer's call → branch's call → fan-out, and what carries it to the peers.
//!
//! Where each write is a call of its own, that is a call per peer → the peer's call. Where one message carries
//! many writes, it is a push: a span in a trace of its own, with a link to each traced write.
//!
//! An operation that is not traced makes none: every constructor then returns an empty span, and the
//! rest is a branch on that.
//!
//! Each span is a root for `tracing` and finds its parent by its OpenTelemetry context. A child that
//! outlives its parent (a fan-out after `--ack local`) would otherwise keep the parent open.

use std::time::Duration;

use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue};
use tonic::Code;
use tonic::metadata::MetadataMap;
use tracing::field::Empty;
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::inject;
use super::names::{self, attribute};
use bank::{BranchId, StatusCode};

/// The context that makes a span the parent of others.
pub type TraceContext = Context;

/// The fields that `tracing-opentelemetry` takes as a span's status.
const STATUS: &str = "otel.status_code";
const STATUS_DESCRIPTION: &str = "otel.status_description";

/// A span around one gRPC call, at the caller's or the branch's side.
#[derive(Debug, Default)]
pub struct CallSpan {
    span: Option<Span>,
}

/// A root span of the bank, with attributes by the names in [`names::attribute`].
macro_rules! bank_span {
    ($name:expr, $kind:literal, $node:expr, $({ $attribute:expr } = $value:expr),* $(,)?) => {
        info_span!(
            target: "passbook",
            parent: None,
            $name,
            otel.kind = $kind,
            { STATUS } = Empty,
            { STATUS_DESCRIPTION } = Empty,
            { attribute::NODE } = $node,
            $({ $attribute } = $value),*
        )
    };
}

/// A span of a branch's own.
macro_rules! branch_span {
    ($name:expr, $kind:literal, $branch:expr, $($attributes:tt)*) => {
        bank_span!(
            $name,
            $kind,
            names::branch_service($branch),
            { attribute::BRANCH } = number($branch),
            $($attributes)*
        )
    };
}

/// A call of a method. The first macro makes the span of its caller or its server.
macro_rules! call_span {
    ($of:ident, $kind:literal, $method:expr, $node:expr, $($attributes:tt)*) => {
        $of!(
            "call",
            $kind,
            $node,
            { "otel.name" } = $method,
            { attribute::RPC_SYSTEM } = "grpc",
            { attribute::RPC_METHOD } = $method,
            { attribute::RPC_STATUS } = Empty,
            $($attributes)*
        )
    };
}

impl CallSpan {
    /// A customer's call: the root of a trace. Not every contract has a method for each operation.
    pub fn customer(
        method: &'static str,
        operation: &'static str,
        customer: u64,
        index: u64,
        branch: BranchId,
    ) -> Self {
        let span = call_span!(
            bank_span,
            "client",
            method,
            names::CUSTOMERS,
            { attribute::CUSTOMER } = integer(customer),
            { attribute::NUMBER } = integer(index),
            { attribute::BRANCH } = number(branch),
            { attribute::OPERATION } = operation,
            { attribute::AMOUNT } = Empty,
            { attribute::OUTCOME } = Empty,
        );
        Self { span: Some(span) }
    }

    /// A call as the branch that serves it sees it, if the caller's operation is traced.
    pub fn server(parent: Option<TraceContext>, method: &'static str, branch: BranchId) -> Self {
        let span =
            parent.map(|parent| adopt(call_span!(branch_span, "server", method, branch,), parent));
        Self { span }
    }

    /// A branch's call to a peer, as part of a fan-out.
    pub fn peer(
        parent: Option<TraceContext>,
        method: &'static str,
        from: BranchId,
        to: BranchId,
    ) -> Self {
        let span = parent.map(|parent| {
            let peer = number(to);
            let span = call_span!(branch_span, "client", method, from, { attribute::PEER } = peer);
            adopt(span, parent)
        });
        Self { span }
    }

    /// The context for children of this span; `None` if it is empty.
    pub fn context(&self) -> Option<TraceContext> {
        self.span.as_ref().map(OpenTelemetrySpanExt::context)
    }

    /// The trace that this span belongs to; `None` if it is empty, or tracing is not installed.
    pub fn trace(&self) -> Option<u128> {
        let context = self.context()?;
        let span = context.span();
        let trace = u128::from_be_bytes(span.span_context().trace_id().to_bytes());
        (trace != 0).then_some(trace)
    }

    /// Adds this span's context to the metadata of a call.
    pub fn inject(&self, metadata: &mut MetadataMap) {
        if let Some(context) = self.context() {
            inject(&context, metadata);
        }
    }

    /// Records the amount and the outcome of the operation.
    pub fn note(&self, amount: Option<i64>, outcome: &'static str) {
        if let Some(span) = &self.span {
            span.record(attribute::AMOUNT, amount);
            span.record(attribute::OUTCOME, outcome);
        }
    }

    /// Ends a client's span with the status it received: anything but OK is an error there.
    pub fn end_client(mut self, code: Code) {
        self.end(code, code != Code::Ok);
    }

    /// Ends a server's span with the status it sends. By the conventions only these are its errors.
    pub fn end_server(mut self, code: Code) {
        let error = matches!(
            code,
            Code::Unknown
                | Code::DeadlineExceeded
                | Code::Unimplemented
                | Code::Internal
                | Code::Unavailable
                | Code::DataLoss
        );
        self.end(code, error);
    }

    fn end(&mut self, code: Code, error: bool) {
        if let Some(span) = self.span.take() {
            let name = StatusCode::of_number(i32::from(code)).name();
            span.record(attribute::RPC_STATUS, name);
            if error {
                span.record(STATUS, "ERROR");
            }
        }
    }
}

impl Drop for CallSpan {
    /// A call that was given up before its end.
    fn drop(&mut self) {
        self.end(Code::Cancelled, true);
    }
}

/// A write's way to all peers.
#[derive(Debug)]
pub struct FanoutSpan(Span);

impl FanoutSpan {
    /// The fan-out of a traced write from `branch` to `width` peers.
    pub fn start(parent: TraceContext, branch: BranchId, width: usize) -> Self {
        let span = branch_span!(
            names::span::FANOUT,
            "internal",
            branch,
            { attribute::FANOUT_WIDTH } = integer(width),
            { attribute::FANOUT_ACKED } = Empty,
            { attribute::FANOUT_STRAGGLER } = Empty,
            { attribute::FANOUT_RELAYED } = Empty,
            { attribute::FANOUT_VIA } = Empty,
        );
        Self(adopt(span, parent))
    }

    /// The context for calls to peers and for links of pushes.
    pub fn context(&self) -> TraceContext {
        self.0.context()
    }

    /// Records how many of the peers that hold the write have it from a relay, and the relay that reported the
    /// last ones that the customer waited for, if one did.
    pub fn record_relay(&self, relayed: usize, via: Option<BranchId>) {
        self.0.record(attribute::FANOUT_RELAYED, integer(relayed));
        self.0.record(attribute::FANOUT_VIA, via.map(number));
    }

    /// Ends the span with the number of peers that hold the write, and the last one that the customer waited for,
    /// if that is known.
    pub fn end(self, acked: usize, complete: bool, straggler: Option<BranchId>) {
        self.0.record(attribute::FANOUT_ACKED, integer(acked));
        self.0.record(attribute::FANOUT_STRAGGLER, straggler.map(number));
        if !complete {
            self.0.record(STATUS, "ERROR");
        }
    }
}

/// A push of rows to a peer, from its sending until the peer is known to hold the entries that it was the first to
/// carry.
#[derive(Debug)]
pub struct PushSpan {
    /// `None` after its end.
    span: Option<Span>,
}

impl PushSpan {
    /// A push of `rows` rows, which is the first to carry `writes` entries to the peer.
    pub fn start(from: BranchId, to: BranchId, rows: usize, writes: u64) -> Self {
        let span = branch_span!(
            names::span::PUSH,
            "client",
            from,
            { attribute::PEER } = number(to),
            { attribute::PUSH_ROWS } = integer(rows),
            { attribute::PUSH_WRITES } = integer(writes),
        );
        Self { span: Some(span) }
    }

    /// Links the push to a write that it carries, by the context of its fan-out and the time that it waited.
    pub fn link(&self, write: &TraceContext, waited: Duration) {
        if let Some(span) = &self.span {
            let waited = KeyValue::new(attribute::WAIT_US, integer(waited.as_micros()));
            span.add_link_with_attributes(write.span().span_context().clone(), vec![waited]);
        }
    }

    /// The peer holds the entries.
    pub fn end(mut self) {
        self.span = None;
    }
}

impl Drop for PushSpan {
    /// The stream closed before the acknowledgement came, or the branch ended.
    fn drop(&mut self) {
        if let Some(span) = self.span.take() {
            span.record(STATUS, "ERROR");
            span.record(STATUS_DESCRIPTION, "unfinished");
        }
    }
}

/// A withdrawal's wait for rights that other branches were asked for.
#[derive(Debug)]
pub struct BorrowSpan(Span);

impl BorrowSpan {
    /// A borrow for the request of `parent`.
    pub fn start(parent: TraceContext, branch: BranchId) -> Self {
        let span = branch_span!(
            names::span::BORROW,
            "internal",
            branch,
            { attribute::BORROW_ASKS } = Empty,
            { attribute::BORROW_COVERED } = Empty,
        );
        Self(adopt(span, parent))
    }

    /// Ends the span with the number of borrow requests, and whether the rights that came were enough.
    pub fn end(self, asks: u64, covered: bool) {
        self.0.record(attribute::BORROW_ASKS, integer(asks));
        self.0.record(attribute::BORROW_COVERED, covered);
    }
}

/// Two rounds over all branches that prove a refusal or a snapshot.
#[derive(Debug)]
pub struct CollectSpan(Span);

impl CollectSpan {
    /// A collect for which `waiting` requests wait, the first traced one of which is `parent`. The `prover`, if
    /// there is one, does it for this branch.
    pub fn start(
        parent: TraceContext,
        branch: BranchId,
        waiting: usize,
        prover: Option<BranchId>,
    ) -> Self {
        let span = branch_span!(
            names::span::COLLECT,
            "internal",
            branch,
            { attribute::COLLECT_WAITING } = integer(waiting),
            { attribute::COLLECT_PROVER } = prover.map(number),
        );
        Self(adopt(span, parent))
    }

    /// Links the collect to another traced request that waits for it.
    pub fn link(&self, request: &TraceContext) {
        self.0.add_link(request.span().span_context().clone());
    }

    /// Ends the span; `complete` if every branch replied in both rounds.
    pub fn end(self, complete: bool) {
        if !complete {
            self.0.record(STATUS, "ERROR");
        }
    }
}

/// Sets the parent. That fails only where no layer for OpenTelemetry is installed; there is nothing to trace then.
fn adopt(span: Span, parent: TraceContext) -> Span {
    let _ = span.set_parent(parent);
    span
}

fn number(branch: BranchId) -> i64 {
    i64::from(branch.0)
}

/// An attribute's integers are signed.
fn integer(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
