//! What a branch does for a scheme that asks for more than broadcast does, over a real socket.

#![expect(
    clippy::disallowed_methods,
    reason = "a test ends with its tasks and need not repeat its names"
)]

use std::time::Duration;

use bank::{Answer, BranchId, Money, Operation, Outcome};
use passbook::branch::{Branch, ServeError};
use passbook::wire::v1::bank_client::BankClient;
use passbook::wire::v1::{QueryRequest, WriteRequest};
use replication::passbook::{Effect, Input, Stop};
use replication::{Instant, Replica, ReplicaStats, Replication, Ticket};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

/// A generous bound on each call: it decides how long a failure takes, never a pass.
const PATIENCE: Duration = Duration::from_mins(1);
const BALANCE: Money = Money::new(7);
const STOP: Stop = Stop::OtherLog { peer: BranchId(2) };

/// Answers queries on a tick that it asks for when it is to settle, and stops at a write.
struct Slow {
    takes: Duration,
    asked: Vec<Ticket>,
    wake: Option<Instant>,
}

impl Replication for Slow {
    type Input = Input;
    type Effect = Effect;

    fn on(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Submit { ticket, request } => match request.operation {
                Operation::Query => self.asked.push(ticket),
                Operation::Write(_) => effects.push(Effect::Stop(STOP)),
            },
            Input::Tick if self.wake.take_if(|at| *at <= now).is_some() => {
                let answer = Answer { outcome: Outcome::Ok, balance: Some(BALANCE) };
                let reply = |ticket| Effect::Reply { ticket, answer, receipt: None };
                effects.extend(self.asked.drain(..).map(reply));
            }
            _ => {}
        }
    }

    fn settle(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if !self.asked.is_empty() && self.wake.is_none() {
            let at = now.after(self.takes);
            self.wake = Some(at);
            effects.push(Effect::WakeAt(at));
        }
    }

    fn stats(&self) -> ReplicaStats {
        ReplicaStats {
            balance: BALANCE,
            lowest_balance: BALANCE,
            accepted: 0,
            applied: 0,
            outstanding: 0,
            undelivered: 0,
        }
    }

    fn name(&self) -> &'static str {
        "slow"
    }
}

type Serving = JoinHandle<Result<(), ServeError>>;

async fn serve(takes: Duration, shutdown: &CancellationToken) -> (Serving, BankClient<Channel>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let replica = Slow { takes, asked: Vec::new(), wake: None };
    let branch =
        Branch::new(BranchId(1), Vec::new(), BALANCE, Replica::Passbook(Box::new(replica)));
    let serving = tokio::spawn(branch.serve(listener, shutdown.clone()));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URI");
    let channel = endpoint.timeout(PATIENCE).connect().await.expect("connected");
    (serving, BankClient::new(channel))
}

#[tokio::test]
async fn a_scheme_is_asked_to_settle_and_woken_when_it_wants_to_be() {
    let shutdown = CancellationToken::new();
    let (serving, mut bank) = serve(Duration::from_millis(3), &shutdown).await;
    for _ in 1..=3 {
        let reply = bank.query(QueryRequest::default()).await.expect("answered").into_inner();
        assert_eq!(reply.balance, BALANCE.minor_units());
    }
    drop(bank);
    shutdown.cancel();
    serving.await.expect("not died").expect("ended well");
}

#[tokio::test]
async fn a_scheme_that_stops_ends_the_branch_and_whoever_waits_is_told() {
    let (serving, bank) = serve(Duration::from_hours(1), &CancellationToken::new()).await;
    let (mut waiting, mut fatal) = (bank.clone(), bank);
    let write = WriteRequest { amount: 1, ..WriteRequest::default() };
    let query = QueryRequest::default();
    let (waited, wrote) = tokio::join!(waiting.query(query), fatal.deposit(write));
    assert_eq!(waited.expect_err("ended").code(), Code::Unavailable);
    assert_eq!(wrote.expect_err("ended").code(), Code::Unavailable);
    drop((waiting, fatal));
    let ended = serving.await.expect("not died").expect_err("stopped");
    assert!(matches!(ended, ServeError::Stopped(STOP)), "{ended}");
}
