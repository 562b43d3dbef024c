//! A raw unary echo, and those who call it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use passbook::wire::v1::bank_client::BankClient;
use passbook::wire::v1::bank_server::{Bank, BankServer};
use passbook::wire::v1::{QueryReply, QueryRequest, WriteReply, WriteRequest, WriteResult};
use tokio::runtime::Runtime;
use tokio::task::{JoinSet, LocalSet};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

/// Answers every deposit with its amount: what a unary call of the same size costs without a bank.
#[derive(Debug)]
struct Echo;

#[tonic::async_trait]
impl Bank for Echo {
    async fn deposit(
        &self,
        request: Request<WriteRequest>,
    ) -> Result<Response<WriteReply>, Status> {
        let balance = request.get_ref().amount;
        let result = WriteResult::Success.into();
        Ok(Response::new(WriteReply { result, balance, ..WriteReply::default() }))
    }

    async fn withdraw(&self, _: Request<WriteRequest>) -> Result<Response<WriteReply>, Status> {
        Err(Status::unimplemented("an echo has no withdrawals"))
    }

    async fn query(&self, _: Request<QueryRequest>) -> Result<Response<QueryReply>, Status> {
        Err(Status::unimplemented("an echo has no balance"))
    }
}

/// One server in a thread of its own, on a `current_thread` runtime.
#[derive(Debug)]
pub(crate) struct EchoServer {
    address: SocketAddr,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl EchoServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket option");
        let address = listener.local_addr().expect("bound");
        let shutdown = CancellationToken::new();
        let ending = shutdown.clone();
        #[expect(clippy::disallowed_methods, reason = "the process ends with its servers")]
        let thread = std::thread::spawn(move || {
            runtime().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                Server::builder()
                    .max_concurrent_streams(16_384)
                    .add_service(BankServer::new(Echo))
                    .serve_with_incoming_shutdown(
                        TcpIncoming::from(listener).with_nodelay(Some(true)),
                        ending.cancelled_owned(),
                    )
                    .await
                    .expect("served");
            });
        });
        Self { address, shutdown, thread: Some(thread) }
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the echo ended well");
        }
    }
}

/// Callers of an echo on this thread.
#[derive(Debug)]
pub(crate) struct EchoCallers {
    runtime: Runtime,
    client: BankClient<Channel>,
}

impl EchoCallers {
    pub(crate) fn connect(server: &EchoServer) -> Self {
        let runtime = runtime();
        let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).expect("a URI");
        let channel = runtime.block_on(endpoint.connect()).expect("connected");
        Self { runtime, client: BankClient::new(channel) }
    }

    /// How long `in_flight` callers take for `calls` calls each.
    pub(crate) fn run(&self, in_flight: u64, calls: u64) -> Duration {
        let begun = Instant::now();
        LocalSet::new().block_on(&self.runtime, async {
            let mut callers = JoinSet::new();
            for _ in 0..in_flight {
                let mut client = self.client.clone();
                callers.spawn_local(async move {
                    for _ in 0..calls {
                        call(&mut client).await;
                    }
                });
            }
            callers.join_all().await;
        });
        begun.elapsed()
    }

    /// How long each of `calls` calls takes, one at a time.
    pub(crate) fn latencies(&self, calls: u64) -> Vec<Duration> {
        let mut client = self.client.clone();
        self.runtime.block_on(async {
            let mut took = Vec::new();
            for _ in 0..calls {
                let begun = Instant::now();
                call(&mut client).await;
                took.push(begun.elapsed());
            }
            took
        })
    }
}

async fn call(client: &mut BankClient<Channel>) {
    let amount = 7;
    let request = WriteRequest { amount, ack: 2, ..WriteRequest::default() };
    let reply = client.deposit(request).await.expect("echoed");
    assert_eq!(reply.get_ref().balance, amount);
}

/// A `current_thread` runtime.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
