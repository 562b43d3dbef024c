//! From addresses to servers that are ready for a run: how long they may take, and why they are not there.

use std::net::SocketAddr;
use std::time::Duration;

use bank::BranchId;
use futures_util::future::{join_all, try_join_all};
use passbook::wire::v1::{StateReply, UnreachablePeer};
use tokio::net::lookup_host;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;

use super::TargetError;
use crate::client::{Bank, CallError, ConnectError, connect, explain, inspect, is_serving};
use crate::scenario::{Scenario, Wire};

/// The longest that one attempt to connect and one call may take, and how long a branch may take to become ready. For
/// branches that are started for the run, [`LIMIT_PER_BRANCH`] is added.
const LIMIT: Duration = Duration::from_secs(10);
/// All branches of a run start at once on this machine, so each delays the others.
const LIMIT_PER_BRANCH: Duration = Duration::from_millis(200);
/// The shortest: the time-out of operations may be shorter than any handshake.
const ATTEMPT_MIN: Duration = Duration::from_millis(100);
/// Between two attempts to reach a server.
const RETRY: Duration = Duration::from_millis(50);
/// Between two probes of a branch that is not ready yet.
const POLL: Duration = Duration::from_millis(2);
/// A branch that is not ready after this is asked which peers it cannot reach.
const ASK_FOR_PEERS: Duration = Duration::from_millis(500);
/// A branch is believed that it cannot reach a peer after so many more failed attempts than when it was first asked:
/// then at least one has begun after that, so it was not too early for a peer that is starting.
const FAILURES_BELIEVED: u32 = 2;

/// What to do about a server that does not serve the contract `tried`.
pub(super) fn wire_hint(tried: Wire, works: Option<Wire>) -> String {
    if let Some(works) = works {
        return format!("it answers queries by --wire {}: use that", works.name());
    }
    let others = tried.others().map(Wire::name);
    format!("is it a server of --wire {}?", others.collect::<Vec<_>>().join(" or "))
}

/// A server that is connected.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// As it was given.
    pub(super) address: String,
    pub(super) channel: Channel,
}

/// How long servers may take to be there.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    begun: Instant,
    /// For one attempt to connect, and for one call.
    attempt: Duration,
    /// For how long unreachable servers are tried again.
    wait: Duration,
    /// What to do about a branch that does not become ready in time.
    advice: &'static str,
    /// Receives the addresses of those that are waited for and for how long, once.
    waiting: UnboundedSender<String>,
}

impl Patience {
    /// For this number of branches that are started for the run: nothing but their start is waited for.
    pub(super) fn with_own(branches: usize, waiting: UnboundedSender<String>) -> Self {
        let branches = u32::try_from(branches).unwrap_or(u32::MAX);
        let attempt = LIMIT.saturating_add(LIMIT_PER_BRANCH.saturating_mul(branches));
        let advice = "start fewer branches, or end other programs that keep this machine busy";
        Self { begun: Instant::now(), attempt, wait: Duration::ZERO, advice, waiting }
    }

    /// For servers that run already, where an operation may take `timeout` and servers may take `wait` to start.
    pub(super) fn with_running(
        timeout: Duration,
        wait: Option<Duration>,
        waiting: UnboundedSender<String>,
    ) -> Self {
        let attempt = timeout.clamp(ATTEMPT_MIN, LIMIT);
        let wait = wait.unwrap_or_default();
        let advice = "start all branches of its cluster, or wait longer with --wait";
        Self { begun: Instant::now(), attempt, wait, advice, waiting }
    }

    /// For how long a branch may report that it is not ready.
    fn ready_limit(&self) -> Duration {
        LIMIT.max(self.wait).max(self.attempt)
    }

    /// The error of a branch that is not ready after [`Self::ready_limit`].
    fn not_ready(&self, address: &str) -> TargetError {
        let (waited, advice) = (self.ready_limit(), self.advice);
        TargetError::Unusable(format!(
            "branch at {address} is not ready after {waited:?}; {advice}"
        ))
    }

    /// For one attempt to connect that begins now.
    fn next_attempt(&self) -> Duration {
        if self.wait.is_zero() {
            return self.attempt;
        }
        self.wait.saturating_sub(self.begun.elapsed()).clamp(ATTEMPT_MIN, self.attempt)
    }

    /// Whether a server that cannot be reached is tried again.
    fn is_waiting(&self) -> bool {
        self.begun.elapsed() + RETRY < self.wait
    }

    /// Whether a call that failed is repeated. A server that is there may fail now and then.
    pub(super) fn repeats(&self, error: &CallError) -> bool {
        let limit = if error.is_disconnected() { self.wait } else { self.wait.max(self.attempt) };
        !error.is_definite() && self.begun.elapsed() + RETRY < limit
    }

    /// Waits before a call is repeated.
    pub(super) async fn pause(&self) {
        sleep(RETRY).await;
    }

    fn report_waiting(&self, addresses: &[&str]) {
        // A run that is ending does not want to know.
        let _ = self.waiting.send(format!("{} (at most {:?})", addresses.join(", "), self.wait));
    }
}

/// Refuses targets of which two are the same address.
///
/// # Errors
/// Two resolve to the same address.
pub(super) async fn check_distinct(
    targets: &[String],
    patience: &Patience,
) -> Result<(), TargetError> {
    // What cannot be resolved is found when it is connected to.
    let resolved = join_all(targets.iter().map(async |target| {
        match timeout(patience.attempt, lookup_host(target)).await {
            Ok(Ok(addresses)) => addresses.map(reachable_address).collect(),
            _ => Vec::new(),
        }
    }));
    let resolved: Vec<Vec<SocketAddr>> = resolved.await;
    match first_repeated(&resolved) {
        Some((first, second)) => Err(TargetError::SameAddress {
            first: targets[first].clone(),
            second: targets[second].clone(),
        }),
        None => Ok(()),
    }
}

/// The address that is reached by connecting to `address`: the unspecified one leads to this machine.
fn reachable_address(mut address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            address.set_ip(std::net::Ipv6Addr::LOCALHOST.into());
        }
        SocketAddr::V4(_) | SocketAddr::V6(_) => {}
    }
    address
}

/// The positions of the first two sets that have an address in common.
fn first_repeated(resolved: &[Vec<SocketAddr>]) -> Option<(usize, usize)> {
    let meets = |a: &[SocketAddr], b: &[SocketAddr]| a.iter().any(|address| b.contains(address));
    resolved.iter().enumerate().find_map(|(second, addresses)| {
        let before = resolved.iter().take(second);
        let first = before.into_iter().position(|other| meets(other, addresses))?;
        Some((first, second))
    })
}

/// Connects to all of `targets`, and reports once which of them are waited for.
///
/// # Errors
/// One of them cannot be reached in time.
pub(super) async fn connect_all(
    targets: Vec<String>,
    patience: &Patience,
) -> Result<Vec<Connection>, ConnectError> {
    let first = join_all(targets.iter().map(|target| connect(target, patience.next_attempt())));
    let first = first.await;
    let missing = targets.iter().zip(&first).filter(|(_, connected)| is_unreachable(connected));
    let missing: Vec<&str> = missing.map(|(target, _)| target.as_str()).collect();
    if !missing.is_empty() && patience.is_waiting() {
        patience.report_waiting(&missing);
    }
    try_join_all(targets.into_iter().zip(first).map(async |(address, mut connected)| {
        while is_unreachable(&connected) && patience.is_waiting() {
            patience.pause().await;
            connected = connect(&address, patience.next_attempt()).await;
        }
        Ok(Connection { address, channel: connected? })
    }))
    .await
}

const fn is_unreachable(connected: &Result<Channel, ConnectError>) -> bool {
    matches!(connected, Err(ConnectError::Unreachable { .. }))
}

/// Waits until the branch at the end of `channel` is ready and reaches all its peers.
///
/// # Errors
/// It is not, in time, or it is no branch.
pub(super) async fn branch_state(
    Connection { address, channel }: &Connection,
    patience: &Patience,
) -> Result<StateReply, TargetError> {
    let begun = Instant::now();
    let limit = patience.ready_limit();
    // The peer that was reported last, and how many attempts had failed when it was first reported.
    let mut reported: Option<(BranchId, u32)> = None;
    let mut is_waited_for = false;
    loop {
        let is_over = begun.elapsed() >= limit;
        let pause = match probe(channel, begun, patience).await {
            Ok(Probe::Ready(state)) => return Ok(state),
            Ok(Probe::NotReady) if is_over => {
                return Err(patience.not_ready(address));
            }
            Ok(Probe::NotReady) => {
                reported = None;
                if begun.elapsed() < ASK_FOR_PEERS { POLL } else { RETRY }
            }
            Ok(Probe::Unreachable {
                branch,
                peer: UnreachablePeer { branch: peer, address: peer_address, cause, failures },
            }) => {
                let peer = BranchId(peer);
                let first = match reported {
                    Some((known, first)) if known == peer => first.min(failures),
                    _ => failures,
                };
                reported = Some((peer, first));
                let is_believed = failures - first >= FAILURES_BELIEVED && !patience.is_waiting();
                if is_believed || is_over {
                    return Err(TargetError::Unusable(format!(
                        "branch {branch} at {address} cannot reach its peer {peer} at {peer_address}: {cause}; check \
                         that branch {peer} runs, and the --peer of branch {branch}"
                    )));
                }
                RETRY
            }
            Err(error) if patience.repeats(&error) => {
                if !is_waited_for && patience.is_waiting() {
                    is_waited_for = true;
                    patience.report_waiting(&[address]);
                }
                RETRY
            }
            Err(error) => return Err(no_branch(address, channel, &error, patience).await),
        };
        sleep(pause).await;
    }
}

/// What one probe of a branch shows.
enum Probe {
    /// It serves and reaches its peers.
    Ready(StateReply),
    /// It does not serve yet.
    NotReady,
    /// It cannot connect to this peer.
    Unreachable { branch: BranchId, peer: UnreachablePeer },
}

async fn probe(channel: &Channel, begun: Instant, patience: &Patience) -> Result<Probe, CallError> {
    let limit = patience.attempt;
    let is_serving = is_serving(channel.clone(), limit).await?;
    if !is_serving && begun.elapsed() < ASK_FOR_PEERS {
        return Ok(Probe::NotReady);
    }
    let mut state = inspect(channel.clone(), limit).await?;
    Ok(match state.unreachable.pop() {
        Some(peer) => Probe::Unreachable { branch: BranchId(state.branch), peer },
        None if is_serving => Probe::Ready(state),
        None => Probe::NotReady,
    })
}

/// Why the server at the end of `channel` is no branch.
async fn no_branch(
    address: &str,
    channel: &Channel,
    error: &CallError,
    patience: &Patience,
) -> TargetError {
    let message = explain(address, error).await;
    if !error.is_other_contract() {
        return TargetError::Unusable(format!("branch at {address} does not answer: {message}"));
    }
    let works = answering_wire(channel, BranchId(1), Wire::Passbook, patience).await;
    let hint = wire_hint(Wire::Passbook, works);
    TargetError::Unusable(format!(
        "{address} is not a server of --wire passbook ({message}); {hint}"
    ))
}

/// The contract other than `tried` by which the server at the end of `channel` answers a query.
pub(super) async fn answering_wire(
    channel: &Channel,
    branch: BranchId,
    tried: Wire,
    patience: &Patience,
) -> Option<Wire> {
    for wire in tried.others() {
        let scenario = Scenario { wire, timeout: patience.attempt, ..Scenario::default() };
        let bank = Bank::over(vec![(branch, channel.clone())], &scenario);
        loop {
            match bank.balance(branch).await {
                Ok(_) => return Some(wire),
                Err(error) if patience.repeats(&error) => patience.pause().await,
                Err(_) => break,
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;
    use tonic::Status;

    use super::*;

    fn patience(timeout: Duration, wait: Option<Duration>) -> Patience {
        Patience::with_running(timeout, wait, unbounded_channel().0)
    }

    #[tokio::test]
    async fn repeated_address_is_found_under_another_name() {
        let distinct = async |targets: &[&str]| {
            let targets: Vec<String> = targets.iter().map(|target| (*target).to_owned()).collect();
            check_distinct(&targets, &patience(LIMIT, None)).await
        };
        for same in [
            ["127.0.0.1:7", "127.0.0.1:7"],
            ["localhost:7", "127.0.0.1:7"],
            ["0.0.0.0:7", "127.0.0.1:7"],
        ] {
            let refused = distinct(&[same[0], "127.0.0.1:8", same[1]]).await.expect_err("the same");
            let expected = format!("{} and {} are the same address", same[0], same[1]);
            assert!(refused.to_string().contains(&expected), "{refused}");
        }
        distinct(&["127.0.0.1:7", "localhost:8", "127.0.0.2:7"]).await.expect("all differ");
    }

    #[test]
    fn one_attempt_takes_the_timeout_within_bounds() {
        let attempt = |timeout, wait| patience(timeout, wait).next_attempt();
        assert_eq!(attempt(Duration::from_secs(1), None), Duration::from_secs(1));
        assert_eq!(attempt(Duration::from_mins(1), None), LIMIT);
        assert_eq!(attempt(Duration::from_millis(1), None), ATTEMPT_MIN);
        assert!(attempt(LIMIT, Some(Duration::from_secs(2))) <= Duration::from_secs(2));
    }

    #[test]
    fn own_branches_get_more_time_the_more_there_are() {
        let patience = |branches| Patience::with_own(branches, unbounded_channel().0);
        assert_eq!(patience(1).ready_limit(), Duration::from_millis(10_200));
        assert_eq!(patience(300).ready_limit(), Duration::from_secs(70));
        assert_eq!(patience(300).next_attempt(), Duration::from_secs(70));
    }

    #[test]
    fn advice_on_a_branch_not_ready_depends_on_who_started_it() {
        let running = patience(LIMIT, None).not_ready("a:1").to_string();
        assert!(running.contains("a:1 is not ready after 10s; start all branches"), "{running}");
        assert!(running.contains("--wait"), "{running}");
        let own = Patience::with_own(300, unbounded_channel().0).not_ready("a:1").to_string();
        assert!(own.contains("a:1 is not ready after 70s; start fewer branches"), "{own}");
        assert!(!own.contains("--wait"), "{own}");
    }

    #[test]
    fn failed_call_is_repeated_unless_its_code_is_definite() {
        let patience = patience(LIMIT, None);
        assert!(patience.repeats(&CallError::Status(Status::unavailable("shedding load"))));
        assert!(!patience.repeats(&CallError::Status(Status::permission_denied("no"))));
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let refused = CallError::from(Status::from_error(Box::new(refused)));
        assert!(!patience.repeats(&refused), "there is no --wait");
    }

    #[test]
    fn wire_hint_names_what_works_or_what_to_try() {
        assert!(wire_hint(Wire::Passbook, Some(Wire::Bank)).contains("--wire bank"));
        let unknown = wire_hint(Wire::Passbook, None);
        assert_eq!(unknown, "is it a server of --wire bank or bankservice?");
    }
}
