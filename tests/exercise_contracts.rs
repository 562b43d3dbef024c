//! The contracts of other programs of the exercise, on our branches, over real sockets.

#![expect(
    clippy::disallowed_methods,
    reason = "a test ends with its tasks and need not repeat its names"
)]

use std::time::Duration;

use bank::{BranchId, Money};
use passbook::branch::Branch;
use passbook::cluster::{Cluster, ClusterSpec};
use passbook::wire::exercise::bank::bank_client::BankClient;
use passbook::wire::exercise::bank::{TransactionRequest, TransactionResponse};
use passbook::wire::exercise::bankservice::bank_service_client::BankServiceClient;
use passbook::wire::exercise::bankservice::{
    BalanceQuery, BranchRequest, CustomerRequest, ResponseMessage,
};
use replication::{Broadcast, Fanout, Locking, Replica, Scheme};
use tokio_stream::StreamExt;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServiceResponse};
use tonic_reflection::pb::v1alpha;
use tonic_reflection::pb::v1alpha::server_reflection_response::MessageResponse as Alpha;

/// A generous bound on each call: it decides how long a failure takes, never a pass.
const PATIENCE: Duration = Duration::from_mins(1);

fn ids() -> Vec<BranchId> {
    (1..=3).map(BranchId).collect()
}

/// Three branches at `opening`, and a channel to each.
async fn cluster(opening: i64) -> (Cluster, Vec<Channel>) {
    let scheme = Scheme::Broadcast { fanout: Fanout::Parallel, locking: Locking::Unlocked };
    let spec = ClusterSpec::new(ids(), Money::new(opening), scheme);
    start(&spec).await
}

async fn start(spec: &ClusterSpec) -> (Cluster, Vec<Channel>) {
    let cluster = Cluster::start(spec).expect("started");
    let mut channels = Vec::new();
    for (_, address) in cluster.addresses() {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URI");
        channels.push(endpoint.timeout(PATIENCE).connect().await.expect("connected"));
    }
    (cluster, channels)
}

/// Closes the connections first: branches wait for them, and this thread is what closes them.
async fn end(cluster: Cluster, channels: Vec<Channel>) {
    drop(channels);
    let ended = tokio::task::spawn_blocking(|| cluster.end()).await;
    ended.expect("not died").expect("ended well");
}

async fn bank(
    channel: &Channel,
    operation: &str,
    amount: i32,
) -> Result<TransactionResponse, Status> {
    let operation = operation.to_owned();
    let message = TransactionRequest { customer_id: 1, operation, amount };
    let mut client = BankClient::new(channel.clone());
    client.msg_delivery(message).await.map(tonic::Response::into_inner)
}

async fn event(channel: &Channel, event: &str, amount: i32) -> Result<ResponseMessage, Status> {
    let message = CustomerRequest { customer_id: 1, event: event.to_owned(), amount };
    let mut client = BankServiceClient::new(channel.clone());
    client.msg_delivery(message).await.map(tonic::Response::into_inner)
}

fn said(status: &str, balance: i32) -> TransactionResponse {
    TransactionResponse { status: status.to_owned(), balance }
}

fn told(message: &str, success: bool) -> ResponseMessage {
    ResponseMessage { message: message.to_owned(), success }
}

#[tokio::test]
async fn the_exercises_example_over_bank() {
    let (cluster, at) = cluster(400).await;
    let calls = [
        (0, "query", 0, 400),
        (1, "deposit", 170, 570),
        (1, "query", 0, 570),
        (2, "withdraw", 70, 500),
        (2, "query", 0, 500),
        (0, "query", 0, 500),
    ];
    for (branch, operation, amount, balance) in calls {
        let answer = bank(&at[branch], operation, amount).await.expect("answered");
        assert_eq!(answer, said("success", balance), "{operation}");
    }
    end(cluster, at).await;
}

#[tokio::test]
async fn the_exercises_example_over_bankservice_by_each_way_to_ask() {
    let (cluster, at) = cluster(400).await;
    assert_eq!(event(&at[0], "query", 0).await.expect("answered"), told("400", true));
    let message = CustomerRequest { customer_id: 2, event: "deposit".to_owned(), amount: 170 };
    let mut second = BankServiceClient::new(at[1].clone());
    let answer = second.deposit(message).await.expect("answered").into_inner();
    assert_eq!(answer, told("success", true));
    let answer = second.query(BalanceQuery { branch_id: 2 }).await.expect("answered");
    assert_eq!(answer.into_inner(), told("570", true));
    assert_eq!(event(&at[2], "withdraw", 70).await.expect("answered"), told("success", true));
    for channel in &at {
        assert_eq!(event(channel, "query", 0).await.expect("answered"), told("500", true));
    }
    drop(second);
    end(cluster, at).await;
}

#[tokio::test]
async fn too_little_money_is_told_and_changes_nothing() {
    let (cluster, at) = cluster(30).await;
    let refused = bank(&at[0], "withdraw", 31).await.expect("answered");
    assert_eq!(refused, said("fail", 30));
    let refused = event(&at[1], "withdraw", 31).await.expect("answered");
    assert!(!refused.success, "{refused:?}");
    for channel in &at {
        assert_eq!(bank(channel, "query", 0).await.expect("answered"), said("success", 30));
    }
    end(cluster, at).await;
}

#[tokio::test]
async fn money_beyond_32_bits_is_out_of_range_before_anything_changes() {
    let (cluster, at) = cluster(i64::from(i32::MAX)).await;
    let code = |answer: Result<TransactionResponse, Status>| answer.expect_err("refused").code();
    assert_eq!(code(bank(&at[0], "deposit", 1).await), Code::OutOfRange);
    assert_eq!(code(bank(&at[0], "propagate_deposit", 1).await), Code::OutOfRange);
    let refused = event(&at[1], "deposit", 1).await.expect_err("refused");
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    assert!(refused.message().contains("2147483648"), "{refused}");
    for channel in &at {
        let answer = bank(channel, "query", 0).await.expect("answered");
        assert_eq!(answer, said("success", i32::MAX));
    }
    end(cluster, at).await;
    let (cluster, at) = self::cluster(i64::from(i32::MAX) + 1).await;
    assert_eq!(code(bank(&at[0], "query", 0).await), Code::OutOfRange);
    assert_eq!(event(&at[0], "query", 0).await.expect_err("refused").code(), Code::OutOfRange);
    end(cluster, at).await;
}

#[tokio::test]
async fn what_no_branch_can_do_is_refused_in_each_contracts_way() {
    let (cluster, at) = cluster(10).await;
    let refused = bank(&at[0], "transfer", 1).await.expect_err("refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("\"transfer\"; expected query, deposit"), "{refused}");
    assert_eq!(event(&at[0], "transfer", 1).await.expect("told"), told("Invalid event.", false));
    for operation in ["deposit", "withdraw", "propagate_deposit", "propagate_withdraw"] {
        let refused = bank(&at[0], operation, -1).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument, "{operation}");
        let refused = event(&at[0], operation, -1).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument, "{operation}");
    }
    end(cluster, at).await;
}

#[tokio::test]
async fn propagations_apply_at_one_branch_however_many_come_at_once() {
    let (cluster, at) = cluster(100).await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..40 {
        let channel = at[0].clone();
        calls.spawn(async move {
            // In between come this branch's own writes, which take their names from the same numbers.
            let operation = if number % 2 == 0 { "propagate_deposit" } else { "deposit" };
            bank(&channel, operation, 5).await.expect("answered").status
        });
    }
    assert!(calls.join_all().await.iter().all(|status| status == "success"));
    let request = BranchRequest { branch_id: 2, amount: 7 };
    let mut first = BankServiceClient::new(at[0].clone());
    let answer = first.propagate_withdraw(request).await.expect("answered").into_inner();
    assert_eq!(answer, told("success", true));
    let answer = first.propagate_deposit(request).await.expect("answered").into_inner();
    assert_eq!(answer, told("success", true));
    for (channel, balance) in at.iter().zip([300, 200, 200]) {
        assert_eq!(bank(channel, "query", 0).await.expect("answered"), said("success", balance));
    }
    let audit = cluster.handles()[0].stats().await.expect("answered");
    assert_eq!((audit.accepted, audit.applied, audit.outstanding), (20, 22, 0));
    drop(first);
    end(cluster, at).await;
}

#[tokio::test]
async fn passbook_branch_refuses_propagations_and_serves_customers() {
    let spec = ClusterSpec::new(ids(), Money::new(100), Scheme::Passbook);
    let (cluster, at) = start(&spec).await;
    let refused = bank(&at[0], "propagate_deposit", 1).await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("replication passbook"), "{refused}");
    let refused = event(&at[0], "propagate_withdraw", 1).await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(bank(&at[0], "deposit", 1).await.expect("answered"), said("success", 101));
    end(cluster, at).await;
}

const SERVICES: [&str; 6] = [
    "BankService.BankService",
    "bank.Bank",
    "grpc.health.v1.Health",
    "passbook.v1.Bank",
    "passbook.v1.Inspect",
    "passbook.v1.Peer",
];

#[tokio::test]
async fn reflection_lists_every_service_in_both_versions() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let shutdown = tokio_util::sync::CancellationToken::new();
    let replica = Broadcast::new(BranchId(1), Vec::new(), Fanout::Parallel, Money::ZERO);
    let branch =
        Branch::new(BranchId(1), Vec::new(), Money::ZERO, Replica::Broadcast(Box::new(replica)));
    let served = tokio::spawn(branch.serve(listener, shutdown.clone()));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URI");
    let channel = endpoint.timeout(PATIENCE).connect().await.expect("connected");

    let list = MessageRequest::ListServices(String::new());
    let ask = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let mut client = ServerReflectionClient::new(channel.clone());
    let asked = Request::new(tokio_stream::once(ask));
    let mut answers = client.server_reflection_info(asked).await.expect("answered").into_inner();
    let answer = answers.next().await.expect("one").expect("an answer").message_response;
    let Some(MessageResponse::ListServicesResponse(listed)) = answer else {
        panic!("not a list: {answer:?}");
    };
    let named = |service: ServiceResponse| service.name;
    let names: Vec<String> = listed.service.into_iter().map(named).collect();
    for expected in SERVICES {
        assert!(names.iter().any(|name| name == expected), "no {expected} in {names:?}");
    }
    drop((answers, client));

    let symbol = "BankService.BankService".to_owned();
    let wanted = v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(symbol);
    let ask =
        v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(wanted) };
    let mut client =
        v1alpha::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let asked = Request::new(tokio_stream::once(ask));
    let mut answers = client.server_reflection_info(asked).await.expect("answered").into_inner();
    let answer = answers.next().await.expect("one").expect("an answer").message_response;
    assert!(matches!(answer, Some(Alpha::FileDescriptorResponse(_))), "{answer:?}");
    drop((answers, client, channel));
    shutdown.cancel();
    served.await.expect("not died").expect("ended well");
}
