//! A bank of contract `bank` that is correct, but answers writes as a test wants it.

#![expect(
    clippy::disallowed_methods,
    reason = "a test ends with its tasks and need not repeat its names"
)]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};

use http_body::{Body as HttpBody, Frame};
use passbook::wire::exercise::bank::bank_server::{Bank, BankServer};
use passbook::wire::exercise::bank::{TransactionRequest, TransactionResponse};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::http::{
    HeaderMap, HeaderValue, Request as HttpRequest, Response as HttpResponse,
};
use tonic::codegen::{BoxFuture, Bytes, Service};
use tonic::server::NamedService;
use tonic::{Code, Request, Response, Status};

const OPENING: i32 = 1_000_000;
/// The header by which the bank asks the service around it to replace its answer.
const REPLACE: &str = "x-replace";

/// How writes are answered, after they were done unless an error is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Writes {
    /// With an error; nothing is done.
    Error(Code, &'static str),
    /// With this status word.
    Word(&'static str),
    /// Never.
    Silence,
    /// With this response instead of one of gRPC.
    Raw(fn() -> HttpResponse<Body>),
}

/// Branches with one account in a thread of their own. They end with this value.
pub(crate) struct FakeBank {
    /// Addresses as `--target` takes them.
    pub(crate) target: String,
    writes: Arc<AtomicU64>,
    _ending: tokio::sync::oneshot::Sender<()>,
}

impl FakeBank {
    pub(crate) fn start(branches: usize, answer: Writes) -> Self {
        let writes = Arc::<AtomicU64>::default();
        let account =
            Account { answer, balance: Arc::new(OPENING.into()), writes: Arc::clone(&writes) };
        let (addresses, bound) = mpsc::channel();
        let (ending, ended) = tokio::sync::oneshot::channel::<()>();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                for _ in 0..branches {
                    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
                    let listener = listener.expect("a free port");
                    let address = listener.local_addr().expect("bound").to_string();
                    addresses.send(address).expect("somebody waits");
                    let bank = Replacing(BankServer::new(account.clone()), answer);
                    let server = tonic::transport::Server::builder().add_service(bank);
                    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
                }
                drop(addresses);
                // An error as well means that the test is over.
                let _ = ended.await;
            });
        });
        let target = bound.iter().collect::<Vec<_>>().join(",");
        Self { target, writes, _ending: ending }
    }

    /// Writes that were asked for so far.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct Account {
    answer: Writes,
    balance: Arc<AtomicI32>,
    writes: Arc<AtomicU64>,
}

#[tonic::async_trait]
impl Bank for Account {
    async fn msg_delivery(
        &self,
        request: Request<TransactionRequest>,
    ) -> Result<Response<TransactionResponse>, Status> {
        let TransactionRequest { operation, amount, .. } = request.into_inner();
        let change = match operation.as_str() {
            "deposit" => amount,
            "withdraw" => -amount,
            _ => {
                let balance = self.balance.load(Ordering::Relaxed);
                return Ok(Response::new(TransactionResponse {
                    status: "success".to_owned(),
                    balance,
                }));
            }
        };
        self.writes.fetch_add(1, Ordering::Relaxed);
        if let Writes::Error(code, message) = self.answer {
            return Err(Status::new(code, message));
        }
        let balance = self.balance.fetch_add(change, Ordering::Relaxed) + change;
        let status = if let Writes::Word(word) = self.answer { word } else { "success" };
        let mut response =
            Response::new(TransactionResponse { status: status.to_owned(), balance });
        match self.answer {
            Writes::Silence => std::future::pending().await,
            Writes::Raw(_) => {
                response.metadata_mut().insert(REPLACE, "1".parse().expect("ascii"));
            }
            Writes::Error(..) | Writes::Word(_) => {}
        }
        Ok(response)
    }
}

/// Replaces the answers for which the bank asks that.
#[derive(Clone)]
struct Replacing(BankServer<Account>, Writes);

impl NamedService for Replacing {
    const NAME: &'static str = BankServer::<Account>::NAME;
}

impl Service<HttpRequest<Body>> for Replacing {
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = BoxFuture<HttpResponse<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        let answer = self.1;
        let answered = self.0.call(request);
        Box::pin(async move {
            let response = answered.await?;
            match answer {
                Writes::Raw(raw) if response.headers().contains_key(REPLACE) => Ok(raw()),
                _ => Ok(response),
            }
        })
    }
}

/// An answer of gRPC with these bytes as its message, compressed by `encoding` if there is one.
pub(crate) fn message(bytes: &[u8], encoding: Option<&'static str>) -> HttpResponse<Body> {
    let length = u32::try_from(bytes.len()).expect("few bytes").to_be_bytes();
    let data = [&[u8::from(encoding.is_some())], &length[..], bytes].concat();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = Frames([Frame::data(Bytes::from(data)), Frame::trailers(trailers)].into());
    let mut response = HttpResponse::builder().header("content-type", "application/grpc");
    if let Some(encoding) = encoding {
        response = response.header("grpc-encoding", encoding);
    }
    response.body(Body::new(frames)).expect("a response")
}

/// The page of a proxy.
pub(crate) fn page(http: u16, text: &'static str) -> HttpResponse<Body> {
    let data = Bytes::from_static(text.as_bytes());
    let frames = Frames([Frame::data(data)].into());
    let response = HttpResponse::builder().status(http).header("content-type", "text/html");
    response.body(Body::new(frames)).expect("a response")
}

struct Frames(VecDeque<Frame<Bytes>>);

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}
