//! Tells statuses that a server sent from those that the client library makes by itself.
//!
//! tonic reports an answer that it cannot read (too large, badly compressed, no gRPC at all) by a status that looks
//! like one of the server's, and only the server's prove what became of an operation. So the channel marks them.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::TryFutureExt;
use futures_util::future::MapOk;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, HeaderValue, Request, Response};
use tonic::codegen::{Bytes, Service};
use tonic::transport::{self, Channel};

/// The metadata of a status that the server sent. Removed from whatever arrives, so that no server can set it.
const MARK: &str = "passbook-received";

/// A channel that marks the errors that the server sent.
#[derive(Clone, Debug)]
pub(crate) struct MarkingChannel(Channel);

impl MarkingChannel {
    pub(crate) const fn new(channel: Channel) -> Self {
        Self(channel)
    }
}

/// Whether the server sent this status.
pub(super) fn is_sent_by_server(status: &Status) -> bool {
    status.metadata().contains_key(MARK)
}

/// Marks the status in headers or trailers if it is an error.
fn mark(headers: &mut HeaderMap) {
    headers.remove(MARK);
    // Nothing here reads the details, and tonic panics if they are not base64.
    headers.remove(Status::GRPC_STATUS_DETAILS);
    if headers.get(Status::GRPC_STATUS).is_some_and(|code| code != "0") {
        headers.insert(MARK, HeaderValue::from_static("1"));
    }
}

/// The body of an answer, in whose trailers an error is marked.
#[derive(Debug)]
pub(crate) struct MarkingBody(Body);

impl HttpBody for MarkingBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.0).poll_frame(context).map_ok(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                mark(trailers);
            }
            frame
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

fn mark_response(mut response: Response<Body>) -> Response<MarkingBody> {
    mark(response.headers_mut());
    response.map(MarkingBody)
}

impl Service<Request<Body>> for MarkingChannel {
    type Response = Response<MarkingBody>;
    type Error = transport::Error;
    type Future = MapOk<
        <Channel as Service<Request<Body>>>::Future,
        fn(Response<Body>) -> Response<MarkingBody>,
    >;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), transport::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.call(request).map_ok(mark_response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        mark(&mut map);
        map
    }

    #[test]
    fn only_errors_that_the_server_sent_are_marked() {
        for code in ["3", "14", "banana"] {
            let status = Status::from_header_map(&marked(&[("grpc-status", code)]));
            assert!(is_sent_by_server(&status.expect("a status")), "{code}");
        }
        assert!(!marked(&[("grpc-status", "0"), (MARK, "1")]).contains_key(MARK));
        assert!(!marked(&[("content-type", "text/html"), (MARK, "1")]).contains_key(MARK));
        assert!(!is_sent_by_server(&Status::out_of_range("decoded message length too large")));
    }

    #[test]
    fn details_that_are_no_base64_do_not_panic() {
        let headers = marked(&[("grpc-status", "9"), ("grpc-status-details-bin", "%%%")]);
        let status = Status::from_header_map(&headers).expect("a status");
        assert_eq!(status.code(), tonic::Code::FailedPrecondition);
    }
}
