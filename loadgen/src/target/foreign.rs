//! Servers of another program, known by their answers to queries only: no inspection, no health checks.

use std::time::Duration;

use bank::{BranchId, Money};
use futures_util::future::try_join_all;
use history::FinalState;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::connection::{
    Connection, Patience, answering_wire, check_distinct, connect_all, wire_hint,
};
use super::membership::{Membership, Requirements};
use super::polling::{Pace, PollState, poll};
use super::{SETTLE_LIMIT, SettleOutcome, TargetError};
use crate::client::{Bank, explain};
use crate::scenario::{Scenario, Wire};

/// Between two queries of a branch.
const POLL: Duration = Duration::from_millis(50);
/// Before a run, balances must not change for this long.
const REST: Duration = Duration::from_millis(100);
/// How long balances may take to stop changing.
const REST_LIMIT: Duration = Duration::from_secs(1);

/// Servers that are loaded over a contract other than ours.
#[derive(Debug)]
pub(super) struct ForeignBranches {
    bank: Bank,
    channels: Vec<Channel>,
    pub(super) membership: Membership,
    wire: Wire,
}

impl ForeignBranches {
    /// Connects to `targets` once their balances are at rest. Their ids are those of the file in its order or, without
    /// a file, count from 1.
    pub(super) async fn find(
        targets: &[String],
        scenario: &Scenario,
        required: &Requirements,
        patience: &Patience,
    ) -> Result<Self, TargetError> {
        check_distinct(targets, patience).await?;
        required.check_count(targets.len())?;
        let ids: Vec<BranchId> = match required.fixed_ids() {
            Some(fixed) => fixed.to_vec(),
            None => (1..).map(BranchId).take(targets.len()).collect(),
        };
        let connected = connect_all(targets.to_vec(), patience).await?;
        let channels: Vec<Channel> = connected.iter().map(|c| c.channel.clone()).collect();
        let to_branches = ids.iter().copied().zip(channels.iter().cloned()).collect();
        let bank = Bank::over(to_branches, scenario);
        let addresses = connected.into_iter().map(|Connection { address, .. }| address);
        let membership = Membership {
            addresses: ids.into_iter().zip(addresses).collect(),
            opening: Money::ZERO,
            replication: "unknown replication".to_owned(),
        };
        let mut target = Self { bank, channels, membership, wire: scenario.wire };
        target.membership.opening = target.opening(required.opening, patience).await?;
        Ok(target)
    }

    /// The balance of every branch; it must be the same, and `expected` if the run is to begin with that. A query that
    /// fails is repeated, within the limits of `patience`.
    async fn opening(
        &self,
        expected: Option<Money>,
        patience: &Patience,
    ) -> Result<Money, TargetError> {
        let balances = self.balances_at_rest(patience).await?;
        let addresses = &self.membership.addresses;
        let (Some((first, _)), Some(there)) = (addresses.first(), balances.first()) else {
            return Ok(Money::ZERO);
        };
        let (opening, reason) = match expected {
            Some(opening) => (opening, format!("the run is to begin at {opening}")),
            None => (*there, format!("branch {first} holds {there}")),
        };
        match addresses.iter().zip(&balances).find(|(_, held)| **held != opening) {
            Some(((branch, address), held)) => Err(TargetError::Unusable(format!(
                "branch {branch} at {address} holds {held}, but {reason}; restart the branches"
            ))),
            None => Ok(opening),
        }
    }

    /// What every branch holds once that has not changed for [`REST`].
    async fn balances_at_rest(&self, patience: &Patience) -> Result<Vec<Money>, TargetError> {
        let begun = Instant::now();
        let mut since = begun;
        let mut last = self.balances(patience).await?;
        loop {
            sleep(POLL).await;
            let next = self.balances(patience).await?;
            let changes = self.membership.addresses.iter().zip(last.iter().zip(&next));
            let changed = changes.into_iter().find(|(_, (before, after))| before != after);
            if let Some(((branch, address), (before, after))) = changed {
                since = Instant::now();
                if begun.elapsed() >= REST_LIMIT {
                    return Err(TargetError::Unusable(format!(
                        "somebody else is writing to these branches: branch {branch} at {address} held {before}, \
                         then {after}, while this run was starting; wait until they are done, or use other branches"
                    )));
                }
            } else if since.elapsed() >= REST {
                return Ok(next);
            }
            last = next;
        }
    }

    /// What every branch holds.
    async fn balances(&self, patience: &Patience) -> Result<Vec<Money>, TargetError> {
        let branches = self.membership.addresses.iter().zip(&self.channels);
        let asking = branches.map(async |((branch, address), channel)| {
            loop {
                match self.bank.balance(*branch).await {
                    Ok(held) => return Ok(held),
                    Err(error) if patience.repeats(&error) => patience.pause().await,
                    Err(error) => {
                        let wire = self.wire;
                        let hint = if error.is_other_contract() {
                            let works = answering_wire(channel, *branch, wire, patience).await;
                            format!("; {}", wire_hint(wire, works))
                        } else {
                            String::new()
                        };
                        let message = explain(address, &error).await;
                        return Err(TargetError::Unusable(format!(
                            "branch {branch} at {address} does not answer a query by --wire {}: {message}{hint}",
                            wire.name()
                        )));
                    }
                }
            }
        });
        try_join_all(asking).await
    }

    /// Queries every branch until all have shown one balance twice, at most [`SETTLE_LIMIT`] and not after `hurry`, and
    /// returns what each answered last. A branch that has not answered is missing.
    pub(super) async fn settle(&self, hurry: &CancellationToken) -> SettleOutcome {
        let addresses = &self.membership.addresses;
        let ask = async |index: usize| {
            let (branch, _) = addresses.get(index)?;
            self.bank.balance(*branch).await.ok()
        };
        let pace = Pace { pause: POLL, limit: SETTLE_LIMIT };
        let polled = poll(addresses.len(), ask, show_one_balance, pace, hurry).await;
        let states = addresses.iter().zip(polled).filter_map(|((branch, _), polled)| {
            // What does not move any more is settled, also where others hold something else.
            let settled = polled.before == polled.last;
            let (branch, balance) = (*branch, polled.last?);
            Some(FinalState { branch, balance, lowest_balance: None, settled, version: None })
        });
        SettleOutcome { finals: states.collect(), frames_sent: None, is_cut: hurry.is_cancelled() }
    }
}

/// Whether all branches have answered with the same balance.
fn show_one_balance(polled: &[PollState<Money>]) -> bool {
    let first = polled.first().and_then(|polled| polled.last);
    first.is_some() && polled.iter().all(|polled| polled.last == first)
}
