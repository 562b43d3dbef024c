//! The branches of a run: in threads, in processes, or running already. Ready before, settled after.

use std::time::Duration;

use bank::{BranchId, Money};
use futures_util::future::try_join_all;
use history::FinalState;
use passbook::branch::BranchHandle;
use passbook::cluster::{
    Cluster, ClusterError, ClusterSpec, MakeReplica, ProcessCluster, ProcessError, ProcessSpec,
    branch_binary,
};
use passbook::wire::v1::StateReply;
use replication::Scheme;
use thiserror::Error;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::client::{ConnectError, Terms, inspect, state};
use crate::interrupt::Interrupt;
use crate::scenario::{ClusterChoice, Scenario, Wire, Workload};
use crate::target::connecting::{Patience, ReachError, branch_state, check_distinct, connect_all};
use crate::target::foreign::{Queried, QueriedError};
use crate::target::polling::{Pace, Polled, poll};

/// How long a branch may take to report its state at the end of a run. Apart from the customers' time-out, which may
/// be as short as they like.
pub(crate) const CONTROL_LIMIT: Duration = Duration::from_secs(10);
/// How long propagations may take to end after the last answer.
pub(crate) const SETTLE_LIMIT: Duration = Duration::from_secs(10);
/// Where each two of them have connections, at about 80 KiB each, these take 8 GiB.
const BRANCHES_MAX: usize = 300;
/// Between two looks at branches that have not settled.
const POLL: Duration = Duration::from_millis(2);
/// Before a run, branches must be at rest for so long, and are given so long to come to rest.
const REST: Duration = Duration::from_millis(100);
const REST_LIMIT: Duration = Duration::from_secs(1);
/// Between two looks at whether they are.
const REST_POLL: Duration = Duration::from_millis(20);

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
    /// A branch is not ready for a run.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// Operations that are not this run's are under way.
    #[error(
        "somebody else is writing to this cluster: branch {branch} {change} while this run was starting; wait until \
         they are done, or use another cluster"
    )]
    InUse {
        /// The branch at which it was seen.
        branch: BranchId,
        /// The change, such as `accepted 4 writes`.
        change: String,
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

/// What branches showed after the last answer of the customers.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// The state of each branch that answered, in their order.
    pub finals: Vec<FinalState>,
    /// How many messages the branches have sent each other since their start. `None` where a branch did not
    /// answer, or does not count.
    pub frames_sent: Option<u64>,
    /// Whether the run was to report before all had settled.
    pub is_cut: bool,
}

/// A branch that died, or that did not answer any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Which branch.
    pub branch: BranchId,
    /// What is known of it, in a sentence that names the branch.
    pub how: String,
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
    /// makes the replicas of an embedded cluster instead of the scheme. `waiting` receives the addresses of servers
    /// that `--wait` waits for.
    pub async fn start(
        scenario: &Scenario,
        replica: Option<MakeReplica>,
        waiting: UnboundedSender<String>,
    ) -> Result<Self, ClustersError> {
        let (ids, opening) = (scenario.workload.branch_ids(), scenario.workload.opening());
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
            ClusterChoice::Running { targets } => targets.clone(),
        };
        let is_running = matches!(scenario.cluster, ClusterChoice::Running { .. });
        let patience = if is_running {
            Patience::with_running(scenario.timeout, scenario.wait, waiting)
        } else {
            Patience::with_own(ids.len(), waiting)
        };
        if is_running {
            check_distinct(&targets, &patience).await?;
        }
        let named = matches!(scenario.workload, Workload::Replay(_));
        let named = named.then_some(ids.as_slice());
        if is_running && scenario.wire != Wire::Passbook {
            return Self::query(scenario, targets, named, opening, &patience).await;
        }
        let channels = connect_all(targets, &patience).await?;
        let asking =
            channels.iter().map(|(address, channel)| branch_state(address, channel, &patience));
        let mut asking: Vec<_> = asking.collect();
        // When the first branch of an own cluster is ready the others are, or nearly: to ask all before would only
        // hold them up. Those of a running one may be waiting for each other.
        let others = asking.split_off(if is_running { 0 } else { 1.min(asking.len()) });
        let mut states = try_join_all(asking).await?;
        states.extend(try_join_all(others).await?);
        if is_running {
            states = at_rest(&channels, states, &patience).await?;
        }
        let found = examine(&states, &channels, opening, named)?;
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
        patience: &Patience,
    ) -> Result<Self, ClustersError> {
        let Scenario { wire, timeout, message_bytes_max, .. } = *scenario;
        let terms = Terms { message_bytes_max, ..Terms::default() };
        let queried = Queried::connect(targets, named, wire, terms, timeout, patience).await?;
        Ok(Self {
            embedded: None,
            processes: None,
            channels: Vec::new(),
            addresses: queried.addresses().to_vec(),
            opening: queried.opening(opening, patience).await?,
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

    /// Waits until no propagation is under way anywhere, at most ten seconds and not after `hurry`, and returns what
    /// every branch holds then. A branch that has not answered is missing.
    pub async fn settle(&mut self, hurry: &CancellationToken) -> Settled {
        let (finals, frames_sent) = if let Some(queried) = &self.queried {
            (queried.settle(SETTLE_LIMIT, hurry).await, None)
        } else {
            let dead = self.processes.as_mut().map_or_else(Vec::new, ProcessCluster::ended);
            let pace = Pace { pause: POLL, limit: SETTLE_LIMIT };
            let is_settled = |reply: &StateReply| state(reply).settled;
            let replies = self.replies(&dead, is_settled, pace, hurry).await;
            let frames_sent = self.sum_of_frames(&replies);
            (replies.iter().map(state).collect(), frames_sent)
        };
        Settled { finals, frames_sent, is_cut: hurry.is_cancelled() }
    }

    /// How many messages branches have sent each other since their start. `None` where a branch does not answer, or
    /// does not count.
    pub async fn frames_sent(&self) -> Option<u64> {
        let pace = Pace { pause: POLL, limit: CONTROL_LIMIT };
        let replies = self.replies(&[], |_| true, pace, &CancellationToken::new()).await;
        self.sum_of_frames(&replies)
    }

    fn sum_of_frames(&self, replies: &[StateReply]) -> Option<u64> {
        let all = !replies.is_empty() && replies.len() == self.channels.len();
        let frames = replies.iter().map(|reply| reply.frames_sent);
        frames.sum::<Option<u64>>().filter(|_| all)
    }

    /// The last replies of the branches that are not in `dead`, in their order, asked for until `is_settled` holds
    /// for all.
    async fn replies(
        &self,
        dead: &[BranchId],
        is_settled: impl Fn(&StateReply) -> bool,
        pace: Pace,
        hurry: &CancellationToken,
    ) -> Vec<StateReply> {
        let channels = self.channels();
        let alive: Vec<_> = channels.iter().filter(|(branch, _)| !dead.contains(branch)).collect();
        let ask = async |index: usize| {
            let (_, channel) = alive.get(index)?;
            inspect(channel.clone(), CONTROL_LIMIT).await.ok()
        };
        let are_settled = |polled: &[Polled<StateReply>]| {
            polled.iter().all(|polled| polled.last.as_ref().is_some_and(&is_settled))
        };
        let polled = poll(alive.len(), ask, are_settled, pace, hurry).await;
        polled.into_iter().filter_map(|polled| polled.last).collect()
    }

    /// Ends what was started for the run in order, and names the branches that were not there to the end:
    /// those that ended by themselves, and those that are not in `settled`. Blocks, and no longer when `interrupt` asks
    /// to report at once.
    pub fn end(self, settled: &Settled, interrupt: &Interrupt) -> Result<Vec<Lost>, ClustersError> {
        let Self { embedded, processes, channels, queried, addresses, .. } = self;
        drop((channels, queried));
        let mut lost: Vec<Lost> = processes.map_or_else(Vec::new, |processes| {
            let ended = processes.end_all(|| interrupt.report().is_cancelled()).into_iter();
            ended.map(|(branch, error)| Lost { branch, how: error.to_string() }).collect()
        });
        match embedded.map_or(Ok(()), Cluster::end) {
            Err(ClusterError::Serve { branch, cause }) => {
                let how = format!("branch {branch} ended by itself: {cause}");
                lost.push(Lost { branch, how });
            }
            ended => ended?,
        }
        for (branch, address) in addresses {
            let known = settled.finals.iter().any(|last| last.branch == branch)
                || lost.iter().any(|lost| lost.branch == branch);
            if !known {
                let why = if settled.is_cut {
                    "was not waited for, because the run was to report at once"
                } else {
                    "did not answer at the end"
                };
                let how = format!("branch {branch} at {address} {why}: what it holds is unknown");
                lost.push(Lost { branch, how });
            }
        }
        lost.sort_by_key(|lost| lost.branch);
        Ok(lost)
    }
}

/// Looks at running branches until nothing has changed for [`REST`], and returns their states then. After
/// [`REST_LIMIT`] it returns the states as they are, and [`examine`] rejects them.
async fn at_rest(
    channels: &[(String, Channel)],
    mut states: Vec<StateReply>,
    patience: &Patience,
) -> Result<Vec<StateReply>, ClustersError> {
    let begun = Instant::now();
    let mut last_change = (begun, None);
    loop {
        sleep(REST_POLL).await;
        let next =
            channels.iter().map(|(address, channel)| branch_state(address, channel, patience));
        let next = try_join_all(next).await?;
        for (before, now) in states.iter().zip(&next) {
            let branch = BranchId(now.branch);
            if now.accepted > before.accepted {
                let accepted = now.accepted - before.accepted;
                let writes = if accepted == 1 { "write" } else { "writes" };
                let change = format!("accepted {accepted} {writes}");
                return Err(ClustersError::InUse { branch, change });
            }
            if has_changed(before, now) {
                last_change = (Instant::now(), Some(branch));
            }
        }
        states = next;
        let (since, changed) = last_change;
        if since.elapsed() >= REST && is_settled(&states) {
            return Ok(states);
        }
        if begun.elapsed() >= REST_LIMIT {
            return match changed.filter(|_| since.elapsed() < REST) {
                Some(branch) => {
                    let change = "received writes of other branches".to_owned();
                    Err(ClustersError::InUse { branch, change })
                }
                None => Ok(states),
            };
        }
    }
}

/// Whether a branch has done anything between two looks.
fn has_changed(before: &StateReply, now: &StateReply) -> bool {
    let seen = |state: &StateReply| (state.balance, state.applied, state.outstanding);
    seen(before) != seen(now) || before.version != now.version
}

/// Whether every write is at every branch, as far as branches report it.
fn is_settled(states: &[StateReply]) -> bool {
    let alike = |a: &StateReply, b: &StateReply| a.balance == b.balance && a.version == b.version;
    let pairs = states.iter().zip(states.iter().skip(1));
    states.iter().all(|state| state.outstanding == 0) && pairs.into_iter().all(|(a, b)| alike(a, b))
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
            return unfit(format!("at {address} is branch {id} again; give each branch once"));
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
        if state.outstanding != 0 {
            return unfit(format!(
                "branch {id} has writes that other branches do not acknowledge ({}); restart the cluster",
                state.outstanding
            ));
        }
        if held.minor_units() != first.balance {
            return unfit(format!(
                "branch {id} holds {held}, branch {} holds {}, and neither changes: a write has not reached both; \
                 restart the cluster",
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
