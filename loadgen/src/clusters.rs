//! The branches of a run: an embedded cluster, or a running one. Ready before, settled after.

use std::time::Duration;

use passbook::bank::{BranchId, Money};
use passbook::branch::BranchHandle;
use passbook::check::BranchState;
use passbook::cluster::{Cluster, ClusterError, ClusterSpec, MakeReplica};
use passbook::wire::v1::StateReply;
use thiserror::Error;
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;

use crate::customers::{ConnectError, connect, inspect, ready, state};
use crate::queried::{Queried, QueriedError};
use crate::scenario::{ClusterChoice, Replay, Scenario, Wire, Workload};

/// How long propagations may take to end after the last answer.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks at branches that have not settled.
const POLL: Duration = Duration::from_millis(2);

/// The branches cannot be used for this run.
#[derive(Debug, Error)]
pub enum ClustersError {
    /// The embedded cluster did not start or failed.
    #[error(transparent)]
    Embedded(#[from] ClusterError),
    /// A branch cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A branch does not answer as it should.
    #[error("branch at {address} does not answer: {message}")]
    NoAnswer {
        /// Where.
        address: String,
        /// What came instead.
        message: String,
    },
    /// Branches of another program cannot be used.
    #[error(transparent)]
    Queried(#[from] QueriedError),
    /// It answers, but the run would mean nothing.
    #[error("{0}")]
    Unfit(String),
}

/// Branches at work.
#[derive(Debug)]
pub struct Branches {
    embedded: Option<Cluster>,
    channels: Vec<(String, Channel)>,
    /// Instead of `channels`, where branches do not tell their state.
    queried: Option<Queried>,
    /// Ids and addresses in the order of the branches.
    pub addresses: Vec<(BranchId, String)>,
    /// What every branch holds at the start.
    pub opening: Money,
    /// The name of the replication scheme.
    pub replication: String,
}

/// The ids and the opening balance an embedded cluster is to have.
fn wanted(workload: &Workload) -> (Vec<BranchId>, Option<Money>) {
    match workload {
        Workload::Synthetic(synthetic) => {
            let ids = (1..=synthetic.branches).map(BranchId).collect();
            (ids, synthetic.opening.map(Money::new))
        }
        Workload::Replay(Replay { input, .. }) => (input.branches.clone(), Some(input.opening)),
    }
}

impl Branches {
    /// Starts or finds the branches of `scenario` and waits until all are ready. `replica`, if given,
    /// makes the replicas of an embedded cluster instead of the scheme.
    pub async fn start(
        scenario: &Scenario,
        threads: usize,
        replica: Option<MakeReplica>,
    ) -> Result<Self, ClustersError> {
        let (ids, opening) = wanted(&scenario.workload);
        let (embedded, targets) = match &scenario.cluster {
            ClusterChoice::Embedded { fanout } => {
                let opening = opening.unwrap_or(Money::new(crate::scenario::Synthetic::OPENING));
                let mut spec = ClusterSpec::broadcast(ids.clone(), opening, *fanout);
                spec.threads = threads;
                if let Some(replica) = replica {
                    spec.replica = replica;
                }
                let cluster = Cluster::start(&spec)?;
                let targets = cluster.addresses().iter().map(|(_, address)| address.to_string());
                let targets: Vec<String> = targets.collect();
                (Some(cluster), targets)
            }
            ClusterChoice::Running { targets } if scenario.wire != Wire::Passbook => {
                let named = matches!(scenario.workload, Workload::Replay(_));
                let named = named.then_some(ids.as_slice());
                return Self::query(scenario, targets.clone(), named, opening).await;
            }
            ClusterChoice::Running { targets } => (None, targets.clone()),
        };
        let limit = scenario.timeout;
        let mut channels = Vec::new();
        let mut states = Vec::new();
        for address in targets {
            let channel = connect(&address, limit).await?;
            let no_answer = |status: tonic::Status| ClustersError::NoAnswer {
                address: address.clone(),
                message: status.message().to_owned(),
            };
            ready(channel.clone(), limit).await.map_err(no_answer)?;
            states.push(inspect(channel.clone(), limit).await.map_err(no_answer)?);
            channels.push((address, channel));
        }
        let named = matches!(scenario.workload, Workload::Replay(_));
        let found = examine(&states, &channels, opening, named.then_some(ids.as_slice()))?;
        let addresses = channels.iter().zip(&states);
        let addresses =
            addresses.map(|((address, _), state)| (BranchId(state.branch), address.clone()));
        Ok(Self {
            embedded,
            addresses: addresses.collect(),
            channels,
            queried: None,
            opening: found,
            replication: states.first().map(|s| s.replication.clone()).unwrap_or_default(),
        })
    }

    /// Finds branches that can only be queried.
    async fn query(
        scenario: &Scenario,
        targets: Vec<String>,
        named: Option<&[BranchId]>,
        opening: Option<Money>,
    ) -> Result<Self, ClustersError> {
        let queried = Queried::connect(targets, named, scenario.wire, scenario.timeout).await?;
        Ok(Self {
            embedded: None,
            channels: Vec::new(),
            addresses: queried.addresses().to_vec(),
            opening: queried.opening(opening).await?,
            queried: Some(queried),
            replication: "unknown replication".to_owned(),
        })
    }

    /// The ids in the order of the branches.
    pub fn ids(&self) -> Vec<BranchId> {
        self.addresses.iter().map(|(id, _)| *id).collect()
    }

    /// Ways to the metrics of an embedded cluster.
    pub fn handles(&self) -> Vec<BranchHandle> {
        self.embedded.as_ref().map_or_else(Vec::new, |cluster| cluster.handles().to_vec())
    }

    /// Waits until no propagation is under way anywhere, at most ten seconds, and tells what every
    /// branch holds then. A branch that does not answer is missing.
    pub async fn settle(&self, limit: Duration) -> Vec<BranchState> {
        if let Some(queried) = &self.queried {
            return queried.settle().await;
        }
        let begun = Instant::now();
        loop {
            let before = self.states(limit).await;
            let settled = before.iter().all(|state| state.settled);
            if settled || before.is_empty() || begun.elapsed() >= SETTLE_LIMIT {
                // One branch may have been read before another's last propagation reached it.
                return self.states(limit).await;
            }
            sleep(POLL).await;
        }
    }

    async fn states(&self, limit: Duration) -> Vec<BranchState> {
        let mut states = Vec::new();
        for (_, channel) in &self.channels {
            if let Ok(reply) = inspect(channel.clone(), limit).await {
                states.push(state(&reply));
            }
        }
        states
    }

    /// Ends an embedded cluster in order. Blocks.
    pub fn end(self) -> Result<(), ClusterError> {
        drop((self.channels, self.queried));
        self.embedded.map_or(Ok(()), Cluster::end)
    }
}

/// Whether a run can begin on branches in these states; if so, what they hold.
fn examine(
    states: &[StateReply],
    channels: &[(String, Channel)],
    opening: Option<Money>,
    named: Option<&[BranchId]>,
) -> Result<Money, ClustersError> {
    let unfit = |text: String| Err(ClustersError::Unfit(text));
    let Some(first) = states.first() else {
        return unfit("there is no branch; name at least one".to_owned());
    };
    if let Some(named) = named
        && named.len() != states.len()
    {
        let (have, want) = (states.len(), named.len());
        return unfit(format!("{have} addresses for the {want} branches of the file; give {want}"));
    }
    for (index, (state, (address, _))) in states.iter().zip(channels).enumerate() {
        let id = state.branch;
        if let Some(expected) = named.and_then(|named| named.get(index))
            && expected.0 != id
        {
            return unfit(format!(
                "at {address} is branch {id}, but the file has branch {expected} there; \
                 give the addresses in the order of the file"
            ));
        }
        if states.iter().take(index).any(|other| other.branch == id) {
            return unfit(format!("{address} is branch {id} again; give each branch once"));
        }
        let mut fellows: Vec<u32> = state.peers.clone();
        fellows.push(id);
        fellows.sort_unstable();
        let mut given: Vec<u32> = states.iter().map(|state| state.branch).collect();
        given.sort_unstable();
        if fellows != given {
            return unfit(format!(
                "branch {id} replicates to {:?}, but the addresses given are those of branches \
                 {given:?}; give all branches of one cluster",
                state.peers
            ));
        }
        let held = Money::new(state.balance);
        if held.minor_units() != first.balance || state.outstanding != 0 {
            return unfit(format!(
                "branch {id} holds {held}, branch {} holds {}: the cluster is not at rest; \
                 restart it",
                first.branch, first.balance
            ));
        }
        if state.lowest_balance < 0 {
            return unfit(format!(
                "branch {id} was at {} before this run; restart the cluster, or its overdraft \
                 would be taken for this run's",
                state.lowest_balance
            ));
        }
    }
    let held = Money::new(first.balance);
    match opening {
        Some(opening) if opening != held => unfit(format!(
            "branch {} holds {held}, but the run is to begin at {opening}; restart the cluster \
             with that balance",
            first.branch
        )),
        _ => Ok(held),
    }
}
