//! The branches of a run: in threads, in processes, or running already. Ready before, settled after.

use std::time::Duration;

use futures_util::future::{OptionFuture, try_join_all};
use passbook::bank::{BranchId, Money};
use passbook::branch::BranchHandle;
use passbook::check::FinalState;
use passbook::cluster::{
    Cluster, ClusterError, ClusterSpec, MakeReplica, ProcessCluster, ProcessError, ProcessSpec,
    branch_binary,
};
use passbook::replicate::Scheme;
use passbook::wire::v1::StateReply;
use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;

use crate::customers::{ConnectError, connect, explain, inspect, ready, state};
use crate::queried::{Queried, QueriedError};
use crate::scenario::{ClusterChoice, Replay, Scenario, Wire, Workload};

/// How long a branch may take to be connected, to become ready and to tell its state. Apart from the
/// customers' time-out, which may be as short as they like.
pub(crate) const CONTROL_LIMIT: Duration = Duration::from_secs(10);
/// How long propagations may take to end after the last answer.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);
/// Where each two of them have connections, at about 80 KiB each, these take 8 GiB.
const BRANCHES_MAX: usize = 300;
/// Between two looks at branches that have not settled.
const POLL: Duration = Duration::from_millis(2);

/// The branches cannot be used for this run.
#[derive(Debug, Error)]
pub enum ClustersError {
    /// The embedded cluster did not start or failed.
    #[error(transparent)]
    Embedded(#[from] ClusterError),
    /// The processes of branches did not start or failed.
    #[error(transparent)]
    Processes(#[from] ProcessError),
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
    processes: Option<ProcessCluster>,
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

/// A branch that died, or that did not answer any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Which branch.
    pub branch: BranchId,
    /// What is known of it, in a sentence that names the branch.
    pub how: String,
}

/// The ids and the opening balance the branches are to have.
fn wanted(workload: &Workload) -> (Vec<BranchId>, Option<Money>) {
    match workload {
        Workload::Synthetic(synthetic) => {
            let ids = (1..=synthetic.branches).map(BranchId).collect();
            (ids, synthetic.opening.map(Money::new))
        }
        Workload::Replay(Replay { input, .. }) => (input.branches.clone(), Some(input.opening)),
    }
}

/// Up to so many branches are less work for a core than their customers are.
const BRANCHES_A_CORE: usize = 8;

/// Threads for the branches of an embedded cluster. The customers have one of their own: a core each, unless there
/// are so many branches that they are most of the work.
fn branch_threads(branches: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let left = cores.saturating_sub(1).max(1);
    if branches > left * BRANCHES_A_CORE { cores } else { left }
}

impl Branches {
    /// Starts or finds the branches of `scenario` and waits until all are ready. `replica`, if given,
    /// makes the replicas of an embedded cluster instead of the scheme.
    pub async fn start(
        scenario: &Scenario,
        replica: Option<MakeReplica>,
    ) -> Result<Self, ClustersError> {
        let (ids, opening) = wanted(&scenario.workload);
        let started_with = opening.unwrap_or(Money::new(crate::scenario::Synthetic::OPENING));
        let (mut embedded, mut processes) = (None, None);
        let targets: Vec<String> = match &scenario.cluster {
            ClusterChoice::Embedded(scheme) => {
                enough_sockets(ids.len(), *scheme)?;
                let mut spec = ClusterSpec::new(ids.clone(), started_with, *scheme);
                spec.threads = branch_threads(ids.len());
                if let Some(replica) = replica {
                    spec.replica = replica;
                }
                let cluster = embedded.insert(Cluster::start(&spec)?);
                cluster.addresses().iter().map(|(_, address)| address.to_string()).collect()
            }
            ClusterChoice::Processes(scheme) => {
                let spec = ProcessSpec {
                    binary: branch_binary()?,
                    branches: ids.clone(),
                    opening: started_with,
                    scheme: *scheme,
                    base_port: 0,
                };
                let cluster = processes.insert(ProcessCluster::start(&spec).await?);
                cluster.addresses().iter().map(|(_, address)| address.to_string()).collect()
            }
            ClusterChoice::Running { targets } if scenario.wire != Wire::Passbook => {
                let named = matches!(scenario.workload, Workload::Replay(_));
                let named = named.then_some(ids.as_slice());
                return Self::query(scenario, targets.clone(), named, opening).await;
            }
            ClusterChoice::Running { targets } => targets.clone(),
        };
        let (mut channels, mut states) = (Vec::new(), Vec::new());
        let mut targets = targets.into_iter();
        // When the first is ready the others are, or nearly: to ask all before would only hold them up.
        let first = OptionFuture::from(targets.next().map(meet)).await.transpose()?;
        let others = try_join_all(targets.map(meet)).await?;
        for (address, channel, state) in first.into_iter().chain(others) {
            channels.push((address, channel));
            states.push(state);
        }
        let named = matches!(scenario.workload, Workload::Replay(_));
        let found = examine(&states, &channels, opening, named.then_some(ids.as_slice()))?;
        let addresses = channels.iter().zip(&states);
        let addresses =
            addresses.map(|((address, _), state)| (BranchId(state.branch), address.clone()));
        Ok(Self {
            embedded,
            processes,
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
        let Scenario { wire, timeout, message_bytes_max, .. } = *scenario;
        let queried = Queried::connect(targets, named, wire, timeout, message_bytes_max).await?;
        Ok(Self {
            embedded: None,
            processes: None,
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

    /// Ways to the branches, each with its id. None where branches can only be queried.
    pub fn channels(&self) -> Vec<(BranchId, Channel)> {
        let channels = self.addresses.iter().zip(&self.channels);
        channels.map(|((id, _), (_, channel))| (*id, channel.clone())).collect()
    }

    /// Ways to the metrics of an embedded cluster.
    pub fn handles(&self) -> Vec<BranchHandle> {
        self.embedded.as_ref().map_or_else(Vec::new, |cluster| cluster.handles().to_vec())
    }

    /// Waits until no propagation is under way anywhere, at most ten seconds, and tells what every
    /// branch holds then. A branch that does not answer is missing.
    pub async fn settle(&self) -> Vec<FinalState> {
        if let Some(queried) = &self.queried {
            return queried.settle().await;
        }
        let begun = Instant::now();
        loop {
            let before = self.states().await;
            let settled = before.iter().all(|last| last.state.settled);
            if settled || before.is_empty() || begun.elapsed() >= SETTLE_LIMIT {
                // One branch may have been read before another's last propagation reached it.
                return self.states().await;
            }
            sleep(POLL).await;
        }
    }

    /// How many messages branches have sent each other since their start. Not known where a branch does not
    /// tell.
    pub async fn frames_sent(&self) -> Option<u64> {
        let replies = self.replies().await;
        let all = !replies.is_empty() && replies.len() == self.channels.len();
        let frames = replies.iter().map(|reply| reply.frames_sent);
        frames.sum::<Option<u64>>().filter(|_| all)
    }

    /// Asks all at once: one that does not answer must not hold up the others.
    async fn replies(&self) -> Vec<StateReply> {
        let mut asked = JoinSet::new();
        for (_, channel) in &self.channels {
            asked.spawn(inspect(channel.clone(), CONTROL_LIMIT));
        }
        let mut replies = Vec::new();
        while let Some(answered) = asked.join_next().await {
            replies.extend(answered.ok().and_then(Result::ok));
        }
        replies
    }

    async fn states(&self) -> Vec<FinalState> {
        let mut states: Vec<FinalState> = self.replies().await.iter().map(state).collect();
        let place =
            |last: &FinalState| self.addresses.iter().position(|(id, _)| *id == last.state.branch);
        states.sort_by_key(place);
        states
    }

    /// Ends what was started for the run in order, and names the branches that were not there to the end:
    /// those that ended by themselves, and those that are not among `finals`. Blocks.
    pub fn end(self, finals: &[FinalState]) -> Result<Vec<Lost>, ClustersError> {
        let Self { embedded, processes, channels, queried, addresses, .. } = self;
        drop((channels, queried));
        let mut lost: Vec<Lost> = processes.map_or_else(Vec::new, |processes| {
            let ended = processes.end_all().into_iter();
            ended.map(|(branch, error)| Lost { branch, how: error.to_string() }).collect()
        });
        match embedded.map_or(Ok(()), Cluster::end) {
            Err(ClusterError::Serve { branch, source }) => {
                let how = format!("branch {branch} ended by itself: {source}");
                lost.push(Lost { branch, how });
            }
            ended => ended?,
        }
        for (branch, address) in addresses {
            let known = finals.iter().any(|last| last.state.branch == branch)
                || lost.iter().any(|lost| lost.branch == branch);
            if !known {
                let how = format!(
                    "branch {branch} at {address} did not answer at the end: what it holds is unknown"
                );
                lost.push(Lost { branch, how });
            }
        }
        lost.sort_by_key(|lost| lost.branch);
        Ok(lost)
    }
}

/// Connects to the branch at `address`, and waits until it is ready and has told its state.
async fn meet(address: String) -> Result<(String, Channel, StateReply), ClustersError> {
    let limit = CONTROL_LIMIT;
    let channel = connect(&address, limit).await?;
    let met = async {
        ready(channel.clone(), limit).await?;
        inspect(channel.clone(), limit).await
    };
    match met.await {
        Ok(state) => Ok((address, channel, state)),
        Err(error) => {
            let message = explain(&address, &error).await;
            Err(ClustersError::NoAnswer { address, message })
        }
    }
}

/// Whether this process may have the sockets that so many branches need in it. A branch has a port and the
/// connections of customers and of this run, with both ends here; where each propagation is a call, it has one to
/// every other besides.
fn enough_sockets(branches: usize, scheme: Scheme) -> Result<(), ClustersError> {
    let each = match scheme {
        Scheme::Passbook => 5,
        Scheme::Broadcast { .. } => 5 + 2 * branches,
    };
    let needed = u64::try_from(each * branches + 256).unwrap_or(u64::MAX);
    let allowed = rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    if branches > BRANCHES_MAX {
        Err(ClustersError::Unfit(format!(
            "{branches} branches are too many for one process; up to {BRANCHES_MAX} can be embedded"
        )))
    } else if needed > allowed {
        Err(ClustersError::Unfit(format!(
            "{branches} branches need {needed} sockets, this process may have {allowed}; use fewer \
             branches, or raise the limit by ulimit -n"
        )))
    } else {
        Ok(())
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
