//! Branches that say nothing of themselves but what a query is answered: no inspection, no health.

use std::time::Duration;

use bank::{BranchId, Money};
use futures_util::future::try_join_all;
use history::FinalState;
use thiserror::Error;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::client::{Bank, ConnectError, Terms, explain};
use crate::scenario::Wire;
use crate::target::connecting::{Patience, answering_wire, connect_all, wire_hint};
use crate::target::polling::{Pace, Polled, poll};

/// Between two queries of a branch.
const POLL: Duration = Duration::from_millis(50);
/// Before a run, balances must not change for so long, and are given so long to stop.
const REST: Duration = Duration::from_millis(100);
const REST_LIMIT: Duration = Duration::from_secs(1);

/// Such branches cannot be used for this run.
#[derive(Debug, Error)]
pub enum QueriedError {
    /// A branch cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The number of addresses is not that of the file's branches.
    #[error("{have} addresses for the {want} branches of the file; give {want}")]
    Count {
        /// Addresses that were given.
        have: usize,
        /// Branches in the file.
        want: usize,
    },
    /// A query was not answered.
    #[error(
        "branch {branch} at {address} does not answer a query by --wire {wire}: {message}{hint}",
        wire = wire.name()
    )]
    NoAnswer {
        /// Which branch.
        branch: BranchId,
        /// Where.
        address: String,
        /// By which contract it was asked.
        wire: Wire,
        /// What came instead.
        message: String,
        /// What to do about it, after a semicolon; empty where that is not known.
        hint: String,
    },
    /// Operations that are not this run's are under way.
    #[error(
        "somebody else is writing to these branches: branch {branch} at {address} held {before}, then {after}, while \
         this run was starting; wait until they are done, or use other branches"
    )]
    InUse {
        /// The branch at which it was seen.
        branch: BranchId,
        /// Its address.
        address: String,
        /// What it held first.
        before: Money,
        /// What it held a moment later.
        after: Money,
    },
    /// The branches do not hold what the run is to begin with.
    #[error("branch {branch} at {address} holds {held}, but {expected}; restart the branches")]
    Opening {
        /// Which branch.
        branch: BranchId,
        /// Where.
        address: String,
        /// What it holds.
        held: Money,
        /// What it should hold, and why.
        expected: String,
    },
}

/// Branches to be asked by a contract that is not ours.
#[derive(Debug)]
pub struct Queried {
    bank: Bank,
    channels: Vec<Channel>,
    addresses: Vec<(BranchId, String)>,
    wire: Wire,
}

impl Queried {
    /// Connects to `targets`, which are the branches `named` in that order or, without names, those from 1. A query
    /// may take `limit`.
    pub(crate) async fn connect(
        targets: Vec<String>,
        named: Option<&[BranchId]>,
        wire: Wire,
        terms: Terms,
        limit: Duration,
        patience: &Patience,
    ) -> Result<Self, QueriedError> {
        let ids: Vec<BranchId> = match named {
            Some(named) if named.len() != targets.len() => {
                let (have, want) = (targets.len(), named.len());
                return Err(QueriedError::Count { have, want });
            }
            Some(named) => named.to_vec(),
            None => (1..).map(BranchId).take(targets.len()).collect(),
        };
        let (targets, channels): (Vec<_>, Vec<_>) =
            connect_all(targets, patience).await?.into_iter().unzip();
        let to_branches = ids.iter().copied().zip(channels.iter().cloned()).collect();
        let bank = Bank::over(to_branches, wire, terms, limit)?;
        let addresses = ids.into_iter().zip(targets).collect();
        Ok(Self { bank, channels, addresses, wire })
    }

    /// Ids and addresses in the order of the branches.
    pub fn addresses(&self) -> &[(BranchId, String)] {
        &self.addresses
    }

    /// What every branch holds; that must be the same, and `expected` if the run is to begin with that. A query that
    /// fails is repeated, within the limits of `patience`.
    pub(crate) async fn opening(
        &self,
        expected: Option<Money>,
        patience: &Patience,
    ) -> Result<Money, QueriedError> {
        let balances = self.balances_at_rest(patience).await?;
        let mut first: Option<(BranchId, Money)> = None;
        for ((branch, address), held) in self.addresses.iter().zip(balances) {
            let unlike = match (expected, first) {
                (Some(opening), _) if opening != held => {
                    Some(format!("the run is to begin at {opening}"))
                }
                (_, Some((other, there))) if there != held => {
                    Some(format!("branch {other} holds {there}"))
                }
                _ => None,
            };
            if let Some(expected) = unlike {
                let (branch, address) = (*branch, address.clone());
                return Err(QueriedError::Opening { branch, address, held, expected });
            }
            first = first.or(Some((*branch, held)));
        }
        Ok(first.map_or(Money::ZERO, |(_, held)| held))
    }

    /// What every branch holds once that has not changed for [`REST`].
    async fn balances_at_rest(&self, patience: &Patience) -> Result<Vec<Money>, QueriedError> {
        let begun = Instant::now();
        let mut since = begun;
        let mut last = self.balances(patience).await?;
        loop {
            sleep(POLL).await;
            let next = self.balances(patience).await?;
            let changes = self.addresses.iter().zip(last.iter().zip(&next));
            let changed = changes.into_iter().find(|(_, (before, after))| before != after);
            if let Some(((branch, address), (before, after))) = changed {
                since = Instant::now();
                if begun.elapsed() >= REST_LIMIT {
                    let (branch, address) = (*branch, address.clone());
                    let (before, after) = (*before, *after);
                    return Err(QueriedError::InUse { branch, address, before, after });
                }
            } else if since.elapsed() >= REST {
                return Ok(next);
            }
            last = next;
        }
    }

    /// What every branch holds.
    async fn balances(&self, patience: &Patience) -> Result<Vec<Money>, QueriedError> {
        let branches = self.addresses.iter().zip(&self.channels);
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
                        let (branch, address) = (*branch, address.clone());
                        let message = explain(&address, &error).await;
                        return Err(QueriedError::NoAnswer {
                            branch,
                            address,
                            wire,
                            message,
                            hint,
                        });
                    }
                }
            }
        });
        try_join_all(asking).await
    }

    /// Asks every branch until all have shown one balance twice, at most `limit` and not after `hurry`, and returns
    /// what each answered last. A branch that has not answered is missing.
    pub async fn settle(&self, limit: Duration, hurry: &CancellationToken) -> Vec<FinalState> {
        let ask = async |index: usize| {
            let (branch, _) = self.addresses.get(index)?;
            self.bank.balance(*branch).await.ok()
        };
        let pace = Pace { pause: POLL, limit };
        let polled = poll(self.addresses.len(), ask, show_one_balance, pace, hurry).await;
        let states = self.addresses.iter().zip(polled).filter_map(|((branch, _), polled)| {
            // What does not move any more is settled, also where others hold something else.
            let settled = polled.before == polled.last;
            let (branch, balance) = (*branch, polled.last?);
            Some(FinalState { branch, balance, lowest_balance: None, settled, version: None })
        });
        states.collect()
    }
}

/// Whether all branches have answered with the same balance.
fn show_one_balance(polled: &[Polled<Money>]) -> bool {
    let first = polled.first().and_then(|polled| polled.last);
    first.is_some() && polled.iter().all(|polled| polled.last == first)
}
