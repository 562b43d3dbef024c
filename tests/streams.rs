//! The passbook scheme over real sockets: what a branch takes from the network, and what it does not.

#![expect(
    clippy::disallowed_methods,
    reason = "a test ends with its tasks and need not repeat its names"
)]

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use bank::{BranchId, Money};
use passbook::branch::{Branch, Peer, ServeError};
use passbook::wire::v1::bank_client::BankClient;
use passbook::wire::v1::peer_client::PeerClient;
use passbook::wire::v1::peer_message::Message;
use passbook::wire::v1::{
    Ack, Acknowledge, Attempt, Collect, Frame, Hello, PeerMessage, PropagateRequest, Push,
    QueryReply, QueryRequest, Row, Token, WriteReply, WriteRequest, WriteResult,
};
use replication::passbook::Stop;
use replication::{Fanout, Locking, Scheme};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};

/// A generous bound on each call: it decides how long a failure takes, never a pass.
const PATIENCE: Duration = Duration::from_mins(1);
const OPENING: i64 = 100;

/// The ports of a cluster. They stay bound, so that a branch can be started again where it was.
struct Ports(Vec<(BranchId, TcpListener)>);

impl Ports {
    fn bind(branches: u32) -> Self {
        let bind = |id| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            listener.set_nonblocking(true).expect("a socket option");
            (BranchId(id), listener)
        };
        Self((1..=branches).map(bind).collect())
    }

    fn address(&self, id: u32) -> SocketAddr {
        let (_, listener) = self.0.iter().find(|(known, _)| known.0 == id).expect("bound");
        listener.local_addr().expect("bound")
    }

    /// Starts a branch, without any memory.
    fn start(&self, id: u32, scheme: Scheme) -> Running {
        let (id, opening) = (BranchId(id), Money::new(OPENING));
        let fellows = self.0.iter().filter(|(other, _)| *other != id);
        let peers: Vec<Peer> =
            fellows.map(|(id, _)| Peer { id: *id, address: self.address(id.0) }).collect();
        let ids = peers.iter().map(|peer| peer.id).collect();
        let branch =
            Branch::new(id, peers, opening, scheme.replica(id, ids, opening, rand::random()));
        let (_, listener) = self.0.iter().find(|(known, _)| *known == id).expect("bound");
        let listener = listener.try_clone().expect("another handle of the socket");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let (tell, ready) = oneshot::channel();
        let shutdown = CancellationToken::new();
        let serving =
            tokio::spawn(branch.serve_and_notify(listener, shutdown.clone(), move || {
                // A test that waits for another end does not listen.
                let _ = tell.send(());
            }));
        Running { serving, shutdown, ready }
    }

    /// All of them, serving.
    async fn start_all(&self) -> Vec<Running> {
        let ids = self.0.iter().map(|(id, _)| id.0);
        let mut all: Vec<Running> = ids.map(|id| self.start(id, Scheme::Passbook)).collect();
        for running in &mut all {
            running.is_ready().await;
        }
        all
    }

    async fn channel(&self, id: u32) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address(id)));
        endpoint.expect("a URI").timeout(PATIENCE).connect().await.expect("connected")
    }

    async fn bank(&self, id: u32) -> BankClient<Channel> {
        BankClient::new(self.channel(id).await)
    }
}

struct Running {
    serving: JoinHandle<Result<(), ServeError>>,
    shutdown: CancellationToken,
    ready: oneshot::Receiver<()>,
}

impl Running {
    async fn is_ready(&mut self) {
        (&mut self.ready).await.expect("it serves");
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.serving.await.expect("not died").expect("ended well");
    }
}

fn deposit(amount: i64, ack: Ack) -> WriteRequest {
    WriteRequest { amount, ack: ack.into(), ..WriteRequest::default() }
}

/// What a deposit at `bank` was answered.
async fn made(bank: &mut BankClient<Channel>, request: WriteRequest) -> Result<WriteReply, Status> {
    bank.deposit(request).await.map(tonic::Response::into_inner)
}

async fn shown(bank: &mut BankClient<Channel>, token: Token) -> Result<QueryReply, Status> {
    let request = QueryRequest { token: Some(token), ..QueryRequest::default() };
    bank.query(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_branch_that_lost_its_memory_is_stopped_and_the_others_go_on() {
    let ports = Ports::bind(3);
    let mut branches = ports.start_all().await;
    let (mut first, mut third) = (ports.bank(1).await, ports.bank(3).await);
    let reply = made(&mut first, deposit(1, Ack::All)).await.expect("answered");
    assert_eq!((reply.result(), reply.achieved), (WriteResult::Success, 3));
    branches.remove(1).end().await;

    let again = ports.start(2, Scheme::Passbook);
    let majority = made(&mut third, deposit(2, Ack::Majority)).await.expect("answered");
    assert_eq!((majority.result(), majority.achieved), (WriteResult::Success, 2));
    let ended = again.serving.await.expect("not died").expect_err("stopped");
    assert!(matches!(ended, ServeError::Stopped(Stop::OtherIncarnation { .. })), "{ended}");
    assert!(ended.to_string().contains("amnesia"), "{ended}");
    let majority = made(&mut first, deposit(4, Ack::Majority)).await.expect("answered");
    assert_eq!(majority.result(), WriteResult::Success);
    let seen = shown(&mut third, majority.token.expect("a token")).await.expect("answered");
    assert_eq!(seen.balance, OPENING + 7);

    drop((first, third));
    for branch in branches {
        branch.end().await;
    }
}

#[tokio::test]
async fn write_is_unavailable_until_branch_is_ready() {
    let ports = Ports::bind(2);
    let mut first = ports.start(1, Scheme::Passbook);
    let mut bank = ports.bank(1).await;
    let refused = made(&mut bank, deposit(1, Ack::All)).await.expect_err("its peer is not there");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(refused.message().starts_with("the branch is not ready"), "{refused}");

    let mut second = ports.start(2, Scheme::Passbook);
    first.is_ready().await;
    second.is_ready().await;
    let reply = made(&mut bank, deposit(1, Ack::All)).await.expect("answered");
    assert_eq!((reply.result(), reply.achieved), (WriteResult::Success, 2));
    drop(bank);
    for branch in [first, second] {
        branch.end().await;
    }
}

#[tokio::test]
async fn a_write_that_is_sent_again_by_its_name_is_made_once() {
    let ports = Ports::bind(2);
    let branches = ports.start_all().await;
    let mut bank = ports.bank(1).await;
    let named = |number, attempt, amount| WriteRequest {
        attempt: Some(Attempt { session: 9, number, attempt }),
        ..deposit(amount, Ack::All)
    };
    let first = made(&mut bank, named(1, 1, 50)).await.expect("answered");
    let again = made(&mut bank, named(1, 2, 50)).await.expect("answered");
    assert_eq!((first.result(), first.balance), (WriteResult::Success, OPENING + 50));
    assert_eq!(
        (again.result(), again.balance, again.seq),
        (first.result(), first.balance, first.seq)
    );
    let other = made(&mut bank, named(1, 3, 51)).await.expect_err("another write of this name");
    assert_eq!(other.code(), Code::FailedPrecondition, "{other}");
    let second = made(&mut bank, named(2, 1, 50)).await.expect("answered");
    assert_eq!((second.balance, second.seq), (OPENING + 100, first.seq + 1));
    let stale = made(&mut bank, named(1, 4, 50)).await.expect_err("a number of before");
    assert_eq!(stale.code(), Code::FailedPrecondition, "{stale}");
    drop(bank);
    for branch in branches {
        branch.end().await;
    }
}

#[tokio::test]
async fn a_token_that_this_cluster_cannot_have_given_is_an_error_at_once() {
    let ports = Ports::bind(2);
    let branches = ports.start_all().await;
    let mut bank = ports.bank(1).await;
    let reply = made(&mut bank, deposit(5, Ack::All)).await.expect("answered");
    let token = reply.token.expect("a token");
    assert_eq!(shown(&mut bank, token.clone()).await.expect("answered").balance, OPENING + 5);
    let mut ahead = token.clone();
    ahead.seqs[0] += 1;
    let foreign = [
        Token { cluster: token.cluster ^ 1, ..token.clone() },
        Token { seqs: vec![0; 3], ..token.clone() },
        Token { seqs: Vec::new(), ..token.clone() },
        ahead,
    ];
    for token in foreign {
        let refused = shown(&mut bank, token.clone()).await.expect_err("refused");
        assert_eq!(refused.code(), Code::FailedPrecondition, "{token:?}: {refused}");
        let request = WriteRequest { token: Some(token), ..deposit(5, Ack::All) };
        let refused = made(&mut bank, request).await.expect_err("refused");
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    }
    assert_eq!(shown(&mut bank, token).await.expect("answered").balance, OPENING + 5);
    drop(bank);
    for branch in branches {
        branch.end().await;
    }
}

async fn say(frames: &mpsc::Sender<Frame>, message: Option<Message>) {
    let frame = Frame { messages: vec![PeerMessage { message }] };
    frames.send(frame).await.expect("open");
}

/// A stream to a branch, by hand.
struct Link {
    frames: mpsc::Sender<Frame>,
    incoming: Streaming<Frame>,
}

impl Link {
    async fn open(channel: &Channel, name: Option<&'static str>) -> Result<Self, Status> {
        Self::open_to(channel, name, None).await
    }

    /// As [`Link::open`], and names the branch that is meant.
    async fn open_to(
        channel: &Channel,
        from: Option<&'static str>,
        to: Option<&'static str>,
    ) -> Result<Self, Status> {
        let (frames, queued) = mpsc::channel(4);
        let mut request = Request::new(ReceiverStream::new(queued));
        for (key, branch) in [("passbook-branch", from), ("passbook-to", to)] {
            if let Some(branch) = branch {
                request.metadata_mut().insert(key, branch.parse().expect("ASCII"));
            }
        }
        let incoming = PeerClient::new(channel.clone()).link(request).await?.into_inner();
        Ok(Self { frames, incoming })
    }

    /// As branch 1 of two.
    async fn meet(channel: &Channel) -> Self {
        let mut link = Self::open(channel, Some("1")).await.expect("accepted");
        let theirs = link.hello().await;
        let (incarnation, yours) = (7, Some(theirs.incarnation));
        let durable = vec![0, 0];
        let ours = Hello { incarnation, yours, durable, heard: true, ..theirs };
        link.say(Some(Message::Hello(ours))).await;
        link
    }

    async fn say(&self, message: Option<Message>) {
        say(&self.frames, message).await;
    }

    /// The next thing that is said; nothing if the stream has ended.
    async fn heard(&mut self) -> Option<Message> {
        let frame = self.incoming.message().await.expect("no error")?;
        let message = frame.messages.into_iter().next().expect("a frame is never empty");
        Some(message.message.expect("something said"))
    }

    async fn hello(&mut self) -> Hello {
        match self.heard().await {
            Some(Message::Hello(hello)) => hello,
            other => panic!("a stream begins with a hello, not with {other:?}"),
        }
    }
}

#[tokio::test]
async fn stream_meant_for_another_branch_is_refused() {
    let ports = Ports::bind(2);
    let second = ports.start(2, Scheme::Passbook);
    let channel = ports.channel(2).await;
    let refused = Link::open_to(&channel, Some("1"), Some("3")).await.err().expect("refused");
    assert!(refused.message().starts_with("this is branch 2, not branch 3"), "{refused}");
    Link::open_to(&channel, Some("1"), Some("2")).await.expect("accepted");
    second.end().await;
}

#[tokio::test]
async fn garbage_ends_its_stream_and_nothing_else() {
    let ports = Ports::bind(2);
    let mut second = ports.start(2, Scheme::Passbook);
    let channel = ports.channel(2).await;
    let row = Row { origin: 70_000, ..Row::default() };
    let garbage = [
        None,
        Some(Message::Collect(Collect { id: 1, round: 9, known: Vec::new() })),
        Some(Message::Push(Push { rows: vec![row], apart: Vec::new() })),
    ];
    for garbage in garbage {
        let mut link = Link::open(&channel, Some("1")).await.expect("accepted");
        link.hello().await;
        link.say(garbage).await;
        while link.heard().await.is_some() {}
    }

    // Spoken to as agreed, it is a branch as before: this test is branch 1.
    let mut link = Link::meet(&channel).await;
    second.is_ready().await;
    let mut bank = BankClient::new(channel);
    let acknowledging = async {
        while let Some(said) = link.heard().await {
            if let Message::Push(push) = said {
                assert_eq!((push.rows[0].origin, push.rows[0].deposited), (1, 30));
                break;
            }
        }
        let durable = vec![0, 1];
        let held = Acknowledge { incarnation: 7, durable };
        link.say(Some(Message::Acknowledge(held))).await;
        link
    };
    let (reply, link) = tokio::join!(made(&mut bank, deposit(30, Ack::All)), acknowledging);
    let reply = reply.expect("answered");
    assert_eq!((reply.balance, reply.achieved), (OPENING + 30, 2));
    drop((bank, link));
    second.end().await;
}

/// So many writes at a branch whose pushes a peer acknowledges and never reads.
async fn write_unread(
    bank: &mut BankClient<Channel>,
    frames: &mpsc::Sender<Frame>,
    writes: u64,
) -> u64 {
    let mut last = 0;
    for _ in 0..writes {
        let reply = made(bank, deposit(1, Ack::Local)).await.expect("answered");
        last = reply.seq;
        // It holds what it has not read: so the next write is pushed at once, and not with others later.
        let durable = vec![0, last];
        let held = Acknowledge { incarnation: 7, durable };
        say(frames, Some(Message::Acknowledge(held))).await;
    }
    last
}

/// Each write is a frame towards it, and frames that nobody takes must not pile up.
#[test]
fn a_peer_that_never_reads_costs_no_memory_for_what_it_does_not_read() {
    const WRITES: u64 = 3_000;
    // What the peer's side takes in on its own, whether anybody reads it or not.
    const WINDOW_BYTES: u32 = 65_535;
    // What a branch keeps of a write that all hold: the hash of its place in the log, in a queue that
    // doubles. A frame is some hundred bytes and a few allocations.
    const BYTES_A_WRITE: i64 = 64;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (second, mut bank, mut link) = runtime.block_on(async {
        let ports = Ports::bind(2);
        let mut second = ports.start(2, Scheme::Passbook);
        let endpoint = Endpoint::from_shared(format!("http://{}", ports.address(2)));
        let endpoint = endpoint.expect("a URI").initial_stream_window_size(WINDOW_BYTES);
        let link = Link::meet(&endpoint.connect().await.expect("connected")).await;
        second.is_ready().await;
        let mut bank = ports.bank(2).await;
        // Until everything that has a bound is full.
        write_unread(&mut bank, &link.frames, WRITES).await;
        (second, bank, link)
    });
    let counted = allocation_counter::measure(|| {
        runtime.block_on(write_unread(&mut bank, &link.frames, WRITES));
    });
    let most = BYTES_A_WRITE * i64::try_from(WRITES).expect("small");
    assert!(counted.bytes_current < most, "{counted:?}");

    runtime.block_on(async {
        // What waits for it is not a frame for each write, and as soon as it reads there is room for news.
        let frames = link.frames.clone();
        let unread = write_unread(&mut bank, &frames, 1).await;
        let mut heard = 0;
        let reading = async {
            while let Some(Message::Push(push)) = link.heard().await {
                heard += 1;
                if push.rows.iter().any(|row| row.seq > unread) {
                    return;
                }
            }
            panic!("only pushes are said to it");
        };
        let writing = async {
            loop {
                write_unread(&mut bank, &frames, 1).await;
            }
        };
        let caught_up = async {
            tokio::select! {
                () = reading => {}
                () = writing => {}
            }
        };
        timeout(PATIENCE, caught_up).await.expect("it hears of what it missed");
        assert!(heard < WRITES, "{heard} frames of {unread} writes");
        drop((bank, link, frames));
        second.end().await;
    });
}

#[tokio::test]
async fn links_are_for_fellow_branches_under_this_scheme() {
    let ports = Ports::bind(2);
    let second = ports.start(2, Scheme::Passbook);
    let channel = ports.channel(2).await;
    for name in [None, Some("7"), Some("2"), Some("one"), Some("-1")] {
        let refused = Link::open(&channel, name).await.err().expect("refused");
        assert_eq!(refused.code(), Code::InvalidArgument, "{name:?}: {refused}");
    }
    let propagation = PropagateRequest { origin: 1, write: 1, amount: 1 };
    let mut peer = PeerClient::new(channel);
    let refused = peer.propagate_deposit(propagation).await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    drop(peer);
    second.end().await;

    let fanout = Fanout::Parallel;
    let scheme = Scheme::Broadcast { fanout, locking: Locking::Unlocked };
    let broadcasting = ports.start(2, scheme);
    let channel = ports.channel(2).await;
    let refused = Link::open(&channel, Some("1")).await.err().expect("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    drop(channel);
    broadcasting.end().await;
}
