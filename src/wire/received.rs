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
use tonic::codegen::http::header::{CONTENT_TYPE, HeaderName};
use tonic::codegen::http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use tonic::codegen::{Bytes, Service};
use tonic::transport::{self, Channel};

/// The metadata of a status that the server sent. Removed from whatever arrives, so that no server can set it.
const MARK: HeaderName = HeaderName::from_static("passbook-received");

/// A channel that marks the errors that the server sent; see [`is_sent_by_server`].
#[derive(Clone, Debug)]
pub struct MarkingChannel(Channel);

impl MarkingChannel {
    /// `channel`, with marks.
    pub const fn new(channel: Channel) -> Self {
        Self(channel)
    }
}

/// Whether the server sent this status, which came through a [`MarkingChannel`].
pub fn is_sent_by_server(status: &Status) -> bool {
    status.metadata().as_ref().contains_key(MARK)
}

/// Marks the status in headers or trailers if it is an error.
fn mark(headers: &mut HeaderMap) {
    let Some(code) = headers.get(Status::GRPC_STATUS) else {
        headers.remove(MARK);
        return;
    };
    let is_ok = code == "0";
    // Of most answers the trailers are the status and nothing else.
    if is_ok && headers.len() == 1 {
        return;
    }
    headers.remove(MARK);
    // Nothing here reads the details, and tonic panics if they are not base64.
    headers.remove(Status::GRPC_STATUS_DETAILS);
    if !is_ok {
        headers.insert(MARK, HeaderValue::from_static("1"));
    }
}

/// The body of an answer, in whose trailers an error is marked.
#[derive(Debug)]
pub struct MarkingBody(Body);

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
    if let Some((code, message)) = status_of_foreign_answer(&response) {
        let headers = response.headers_mut();
        headers.insert(Status::GRPC_STATUS, HeaderValue::from_static(code));
        headers.insert(Status::GRPC_MESSAGE, message);
    }
    response.map(MarkingBody)
}

/// The number of a status code and a message for an answer that is none of gRPC, such as the page of a proxy. tonic
/// would read its text as a message.
fn status_of_foreign_answer(response: &Response<Body>) -> Option<(&'static str, HeaderValue)> {
    let (http, headers) = (response.status(), response.headers());
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or("?"));
    let is_grpc = kind.is_none_or(|kind| kind.starts_with("application/grpc"));
    if (http == StatusCode::OK && is_grpc) || headers.contains_key(Status::GRPC_STATUS) {
        return None;
    }
    let kind = kind.unwrap_or("no content type");
    let is_unavailable = matches!(http.as_u16(), 429 | 502..=504);
    let code = if is_unavailable { "14" } else { "2" };
    // A percent sign would begin an escape in a message of gRPC.
    let message = format!("the server answered with HTTP status {http} and {kind}, expected gRPC");
    let message = HeaderValue::try_from(message.replace('%', "?")).ok()?;
    Some((code, message))
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

    fn marked(headers: &[(&str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).expect("a header name");
            map.insert(name, HeaderValue::from_static(value));
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
        assert!(!marked(&[("grpc-status", "0"), (MARK.as_str(), "1")]).contains_key(MARK));
        assert!(
            !marked(&[(MARK.as_str(), "1")]).contains_key(MARK),
            "tonic adds headers to its own errors"
        );
        assert!(!marked(&[("content-type", "text/html"), (MARK.as_str(), "1")]).contains_key(MARK));
        assert!(!is_sent_by_server(&Status::out_of_range("decoded message length too large")));
    }

    #[test]
    fn answer_that_is_no_grpc_is_named_and_not_marked() {
        let answer = |http: u16, kind: &'static str| {
            let response = Response::builder().status(http).header(CONTENT_TYPE, kind);
            let marked = mark_response(response.body(Body::empty()).expect("a response"));
            Status::from_header_map(marked.headers())
        };
        for (http, kind, code) in [
            (502, "text/html", tonic::Code::Unavailable),
            (403, "text/html", tonic::Code::Unknown),
            (404, "application/grpc", tonic::Code::Unknown),
            (200, "text/plain; 100%25", tonic::Code::Unknown),
        ] {
            let status = answer(http, kind).expect("a status");
            assert_eq!(status.code(), code, "{http}");
            assert!(status.message().contains(&http.to_string()), "{}", status.message());
            assert!(!is_sent_by_server(&status), "{http}");
        }
        assert!(answer(200, "application/grpc+proto").is_none());
    }

    #[test]
    fn details_that_are_no_base64_do_not_panic() {
        let headers = marked(&[("grpc-status", "9"), ("grpc-status-details-bin", "%%%")]);
        let status = Status::from_header_map(&headers).expect("a status");
        assert_eq!(status.code(), tonic::Code::FailedPrecondition);
    }
}
