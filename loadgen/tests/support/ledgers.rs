//! Clusters whose branches' logs are recorded, and the files made of them.

#![allow(dead_code, reason = "each test file is a crate of its own and uses a part")]

use std::fs::File;
use std::io::BufReader;

use bank::{Ack, Read};
use bank::{BranchId, Money};
use history::{BranchOrigin, Customers, ErrorLimit, FinalState, Ledgers as Logs, Server, Settings};
use history::{Header, read_ledger};
use loadgen::record::Logged;
use passbook::cluster::{Cluster, ClusterSpec};
use passbook::wire::to_state;
use passbook::wire::v1::StateRequest;
use passbook::wire::v1::inspect_client::InspectClient;
use replication::Scheme;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

pub(crate) type Channels = Vec<(BranchId, Channel)>;

pub(crate) async fn channels(addresses: impl Iterator<Item = (BranchId, String)>) -> Channels {
    let mut channels = Vec::new();
    for (branch, address) in addresses {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URI");
        channels.push((branch, endpoint.connect().await.expect("connected")));
    }
    channels
}

pub(crate) async fn embedded(ids: &[u32], scheme: Scheme, opening: i64) -> (Cluster, Channels) {
    let ids = ids.iter().copied().map(BranchId).collect();
    started(ClusterSpec::new(ids, Money::new(opening), scheme)).await
}

/// A cluster all of whose branches are ready. One that is not does not know what became of a write.
pub(crate) async fn started(mut spec: ClusterSpec) -> (Cluster, Channels) {
    spec.threads = 2;
    let cluster = Cluster::start(&spec).expect("started");
    let addresses = cluster.addresses().iter().map(|(id, address)| (*id, address.to_string()));
    let channels = channels(addresses).await;
    for (_, channel) in &channels {
        wait_until_serving(channel).await;
    }
    (cluster, channels)
}

async fn wait_until_serving(channel: &Channel) {
    let mut health = HealthClient::new(channel.clone());
    let service = "passbook.v1.Bank".to_owned();
    let watched = health.watch(HealthCheckRequest { service }).await.expect("watched");
    let mut states = watched.into_inner();
    loop {
        let state = states.message().await.expect("a state").expect("serving before it ends");
        if state.status() == ServingStatus::Serving {
            return;
        }
    }
}

/// Connections of this test end meanwhile: branches wait for them.
pub(crate) async fn end(cluster: Cluster) {
    let ended = tokio::task::spawn_blocking(move || cluster.end()).await;
    ended.expect("not died").expect("ended well");
}

/// What branches hold when nothing is under way any more.
pub(crate) async fn settled(channels: &Channels) -> Vec<FinalState> {
    loop {
        let mut finals = Vec::new();
        for (_, channel) in channels {
            let mut client = InspectClient::new(channel.clone());
            finals.push(to_state(client.state(StateRequest {}).await.expect("told").get_ref()));
        }
        let first = &finals[0];
        let same = |last: &FinalState| last.settled && last.version == first.version;
        if finals.iter().all(same) {
            return finals;
        }
    }
}

pub(crate) fn header(channels: &Channels, opening: Money, logged: &Logged) -> Header {
    let (server, customers) = (Server::Passbook, Customers::Many);
    let settings = Settings { server, ack: Ack::All, read: Read::Session, customers };
    let branches = channels.iter().map(|(branch, _)| *branch);
    Header {
        rights: logged.rights().map(<[i64]>::to_vec),
        error_limit: Some(ErrorLimit { max_share: 0.0, branches: BranchOrigin::Running }),
        ..Header::new(settings, opening, branches)
    }
}

/// Writes what was logged and reads it back.
pub(crate) fn written(
    home: &TempDir,
    header: &Header,
    logged: Logged,
    finals: &[FinalState],
) -> (Logs, Vec<FinalState>) {
    let path = home.path().join("ledger.jsonl");
    let file = File::create(&path).expect("a file");
    logged.write(file, header, finals).expect("written");
    let file = BufReader::new(File::open(&path).expect("a file"));
    let (read, logs, finals) = read_ledger(&path, file).expect("valid");
    assert_eq!(&read, header);
    (logs, finals)
}
