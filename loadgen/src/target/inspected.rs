//! Branches that report their state over the inspection contract.

use std::time::Duration;

use bank::{BranchId, Money};
use futures_util::future::try_join_all;
use passbook::wire::to_state;
use passbook::wire::v1::StateReply;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::connection::{Connection, Patience, branch_state, connect_all};
use super::membership::{Membership, Requirements};
use super::polling::{Pace, PollState, poll};
use super::{SETTLE_LIMIT, SettleOutcome, TargetError};
use crate::client::inspect;

/// How long a branch may take to report its state at the end of a run. Independent of the customers' timeout, which may
/// be shorter.
const CONTROL_LIMIT: Duration = Duration::from_secs(10);
/// Between two polls of branches that have not settled.
const POLL: Duration = Duration::from_millis(2);

/// Branches of one cluster, which held the same when they were connected.
#[derive(Debug)]
pub(super) struct InspectedBranches {
    pub(super) membership: Membership,
    pub(super) channels: Vec<(BranchId, Channel)>,
}

/// The states of all branches, each ready and in touch with its peers.
pub(super) async fn branch_states(
    connected: &[Connection],
    patience: &Patience,
) -> Result<Vec<StateReply>, TargetError> {
    try_join_all(connected.iter().map(|branch| branch_state(branch, patience))).await
}

impl InspectedBranches {
    /// The branches at the ends of `connected`, in these `states`.
    ///
    /// # Errors
    /// A run cannot begin in these states.
    pub(super) fn new(
        connected: Vec<Connection>,
        states: &[StateReply],
        required: &Requirements,
    ) -> Result<Self, TargetError> {
        let opening = examine(states, &connected, required)?;
        let replication = states.first().map(|state| state.replication.clone());
        let (mut addresses, mut channels) = (Vec::new(), Vec::new());
        for (Connection { address, channel }, state) in connected.into_iter().zip(states) {
            addresses.push((BranchId(state.branch), address));
            channels.push((BranchId(state.branch), channel));
        }
        let replication = replication.unwrap_or_default();
        Ok(Self { membership: Membership { addresses, opening, replication }, channels })
    }

    /// Connects to branches that were started for the run.
    pub(super) async fn connect_to_own(
        addresses: Vec<String>,
        required: &Requirements,
        patience: &Patience,
    ) -> Result<Self, TargetError> {
        let connected = connect_all(addresses, patience).await?;
        // When the first branch is ready the others are, or nearly: polling all before would only delay them.
        let (first, others) = connected.split_at(1.min(connected.len()));
        let mut states = branch_states(first, patience).await?;
        states.extend(branch_states(others, patience).await?);
        Self::new(connected, &states, required)
    }

    /// Polls the branches that are not in `dead` until all have settled.
    pub(super) async fn settle(
        &self,
        dead: &[BranchId],
        hurry: &CancellationToken,
    ) -> SettleOutcome {
        let pace = Pace { pause: POLL, limit: SETTLE_LIMIT };
        let is_settled = |reply: &StateReply| to_state(reply).settled;
        let replies = self.replies(dead, is_settled, pace, hurry).await;
        SettleOutcome {
            finals: replies.iter().map(to_state).collect(),
            frames_sent: self.sum_of_frames(&replies),
            is_cut: hurry.is_cancelled(),
        }
    }

    pub(super) async fn frames_sent(&self) -> Option<u64> {
        let pace = Pace { pause: POLL, limit: CONTROL_LIMIT };
        let replies = self.replies(&[], |_| true, pace, &CancellationToken::new()).await;
        self.sum_of_frames(&replies)
    }

    fn sum_of_frames(&self, replies: &[StateReply]) -> Option<u64> {
        let are_all = !replies.is_empty() && replies.len() == self.channels.len();
        let frames = replies.iter().map(|reply| reply.frames_sent);
        frames.sum::<Option<u64>>().filter(|_| are_all)
    }

    /// The last replies of the branches that are not in `dead`, in their order, polled until `is_settled` holds
    /// for all.
    async fn replies(
        &self,
        dead: &[BranchId],
        is_settled: impl Fn(&StateReply) -> bool,
        pace: Pace,
        hurry: &CancellationToken,
    ) -> Vec<StateReply> {
        let alive = self.channels.iter().filter(|(branch, _)| !dead.contains(branch));
        let alive: Vec<_> = alive.collect();
        let ask = async |index: usize| {
            let (_, channel) = alive.get(index)?;
            inspect(channel.clone(), CONTROL_LIMIT).await.ok()
        };
        let are_settled = |polled: &[PollState<StateReply>]| {
            polled.iter().all(|polled| polled.last.as_ref().is_some_and(&is_settled))
        };
        let polled = poll(alive.len(), ask, are_settled, pace, hurry).await;
        polled.into_iter().filter_map(|polled| polled.last).collect()
    }
}

/// Checks that a run can begin on branches in these states, and returns the balance that they hold.
fn examine(
    states: &[StateReply],
    connected: &[Connection],
    required: &Requirements,
) -> Result<Money, TargetError> {
    let unsuitable = |why: String| Err(TargetError::Unusable(why));
    let Some(first) = states.first() else {
        return unsuitable("there is no branch; name at least one".to_owned());
    };
    required.check_count(states.len())?;
    let named = required.fixed_ids();
    let mut given: Vec<u32> = states.iter().map(|state| state.branch).collect();
    given.sort_unstable();
    for (index, (state, Connection { address, .. })) in states.iter().zip(connected).enumerate() {
        let StateReply { branch, balance, peers, outstanding, lowest_balance, .. } = state;
        if let Some(expected) = named.and_then(|named| named.get(index))
            && expected.0 != *branch
        {
            return unsuitable(format!(
                "at {address} is branch {branch}, but the file has branch {expected} there; give the addresses in \
                 the order of the file"
            ));
        }
        if states.iter().take(index).any(|other| other.branch == *branch) {
            return unsuitable(format!(
                "at {address} is branch {branch} again; give each branch once"
            ));
        }
        let mut members = peers.clone();
        members.push(*branch);
        members.sort_unstable();
        if members != given {
            return unsuitable(format!(
                "branch {branch} replicates to {peers:?}, but the addresses given are those of branches {given:?}; \
                 give all branches of one cluster"
            ));
        }
        if *outstanding != 0 {
            return unsuitable(format!(
                "branch {branch} has writes that other branches do not acknowledge ({outstanding}); restart the \
                 cluster"
            ));
        }
        if *balance != first.balance {
            return unsuitable(format!(
                "branch {branch} holds {balance}, branch {} holds {}, and neither changes: a write has not reached \
                 both; restart the cluster",
                first.branch, first.balance
            ));
        }
        if *lowest_balance < 0 {
            return unsuitable(format!(
                "branch {branch} was at {lowest_balance} before this run; restart the cluster, or its overdraft \
                 would be taken for this run's"
            ));
        }
    }
    let held = Money::new(first.balance);
    match required.opening {
        Some(opening) if opening != held => unsuitable(format!(
            "branch {} holds {held}, but the run is to begin at {opening}; restart the cluster with that balance",
            first.branch
        )),
        _ => Ok(held),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branches() -> (Vec<StateReply>, Vec<Connection>, Requirements) {
        let ids = vec![BranchId(1), BranchId(2)];
        let state = |branch, peer| StateReply {
            branch,
            peers: vec![peer],
            balance: 10,
            lowest_balance: 10,
            ..StateReply::default()
        };
        let connected = |port: u16| Connection {
            address: format!("a:{port}"),
            channel: Channel::from_static("http://127.0.0.1:1").connect_lazy(),
        };
        let required = Requirements { ids, are_ids_fixed: true, opening: Some(Money::new(10)) };
        (vec![state(1, 2), state(2, 1)], vec![connected(1), connected(2)], required)
    }

    #[tokio::test]
    async fn branches_in_one_state_are_suitable() {
        let (states, connected, required) = branches();
        let held = examine(&states, &connected, &required).expect("suitable");
        assert_eq!(held, Money::new(10));
        let none = examine(&[], &[], &required).expect_err("no branch").to_string();
        assert!(none.starts_with("there is no branch"), "{none}");
    }

    #[tokio::test]
    async fn each_defect_of_a_branch_has_its_error() {
        type Change = fn(&mut Vec<StateReply>, &mut Requirements);
        let changes: [(Change, &str); 8] = [
            (|_, required| required.ids.truncate(1), "2 addresses for the 1 branches of the file"),
            (|states, _| states.reverse(), "at a:1 is branch 2, but the file has branch 1 there"),
            (
                |states, required| {
                    states[1] = states[0].clone();
                    required.are_ids_fixed = false;
                },
                "replicates to [2], but the addresses given are those of branches [1, 1]",
            ),
            (|states, _| states[1].peers = vec![1, 3], "branch 2 replicates to [1, 3]"),
            (|states, _| states[0].outstanding = 4, "other branches do not acknowledge (4)"),
            (|states, _| states[1].balance = 9, "branch 2 holds 9, branch 1 holds 10"),
            (|states, _| states[1].lowest_balance = -3, "branch 2 was at -3 before this run"),
            (|_, required| required.opening = Some(Money::ZERO), "but the run is to begin at 0"),
        ];
        for (change, expected) in changes {
            let (mut states, connected, mut required) = branches();
            change(&mut states, &mut required);
            let error = examine(&states, &connected, &required).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
