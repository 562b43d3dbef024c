//! Branches that run already and report their state.

use std::time::Duration;

use bank::BranchId;
use check::counted;
use passbook::wire::v1::StateReply;
use tokio::time::{Instant, sleep};

use super::TargetError;
use super::connection::{Connection, Patience, check_distinct, connect_all};
use super::inspected::{InspectedBranches, branch_states};
use super::membership::Requirements;

/// Before a run, branches must be at rest for this long.
const REST: Duration = Duration::from_millis(100);
/// How long branches may take to come to rest.
const REST_LIMIT: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(20);

/// Connects to the branches at `targets` once they are at rest.
pub(super) async fn find(
    targets: &[String],
    required: &Requirements,
    patience: &Patience,
) -> Result<InspectedBranches, TargetError> {
    check_distinct(targets, patience).await?;
    let connected = connect_all(targets.to_vec(), patience).await?;
    // Branches may be waiting for each other, so all are asked at once.
    let states = branch_states(&connected, patience).await?;
    let states = states_at_rest(&connected, states, patience).await?;
    InspectedBranches::new(connected, &states, required)
}

/// Polls running branches until nothing has changed for [`REST`], and returns their states then. After [`REST_LIMIT`]
/// it returns the states as they are, and [`InspectedBranches::new`] rejects them.
async fn states_at_rest(
    connected: &[Connection],
    mut states: Vec<StateReply>,
    patience: &Patience,
) -> Result<Vec<StateReply>, TargetError> {
    let begun = Instant::now();
    let mut last_change = (begun, None);
    loop {
        sleep(POLL).await;
        let next = branch_states(connected, patience).await?;
        for (before, now) in states.iter().zip(&next) {
            let branch = BranchId(now.branch);
            if now.accepted > before.accepted {
                let accepted = now.accepted - before.accepted;
                let change = format!("accepted {}", counted(accepted, "write", "writes"));
                return Err(in_use(branch, &change));
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
                Some(branch) => Err(in_use(branch, "received writes of other branches")),
                None => Ok(states),
            };
        }
    }
}

/// Operations of another program are in progress: `branch` has done `change`, such as `accepted 4 writes`.
fn in_use(branch: BranchId, change: &str) -> TargetError {
    TargetError::Unusable(format!(
        "somebody else is writing to this cluster: branch {branch} {change} while this run was starting; wait until \
         they are done, or use another cluster"
    ))
}

/// Whether a branch has done anything between two polls.
fn has_changed(before: &StateReply, now: &StateReply) -> bool {
    let seen = |state: &StateReply| (state.balance, state.applied, state.outstanding);
    seen(before) != seen(now) || before.version != now.version
}

/// Whether every write is at every branch, as far as branches report it.
fn is_settled(states: &[StateReply]) -> bool {
    let are_alike =
        |a: &StateReply, b: &StateReply| a.balance == b.balance && a.version == b.version;
    let mut pairs = states.iter().zip(states.iter().skip(1));
    states.iter().all(|state| state.outstanding == 0) && pairs.all(|(a, b)| are_alike(a, b))
}
