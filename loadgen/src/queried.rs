//! Branches that say nothing of themselves but what a query is answered: no inspection, no health.

use std::time::Duration;

use passbook::bank::{BranchId, Money};
use passbook::check::{BranchState, FinalState};
use thiserror::Error;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::customers::{Bank, ConnectError, Terms};
use crate::polling::{Pace, Polled, poll};
use crate::scenario::Wire;

/// Between two queries of a branch.
const POLL: Duration = Duration::from_millis(50);

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
        "branch {branch} at {address} does not answer a query by --wire {wire}: {message}; \
         is it a server of that contract?",
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
    addresses: Vec<(BranchId, String)>,
    wire: Wire,
}

impl Queried {
    /// Connects to `targets`, which are the branches `named` in that order or, without names, those from 1.
    pub async fn connect(
        targets: Vec<String>,
        named: Option<&[BranchId]>,
        wire: Wire,
        limit: Duration,
    ) -> Result<Self, QueriedError> {
        let ids: Vec<BranchId> = match named {
            Some(named) if named.len() != targets.len() => {
                let (have, want) = (targets.len(), named.len());
                return Err(QueriedError::Count { have, want });
            }
            Some(named) => named.to_vec(),
            None => (1..).map(BranchId).take(targets.len()).collect(),
        };
        let addresses: Vec<_> = ids.into_iter().zip(targets).collect();
        let bank = Bank::connect(&addresses, wire, Terms::default(), limit).await?;
        Ok(Self { bank, addresses, wire })
    }

    /// Ids and addresses in the order of the branches.
    pub fn addresses(&self) -> &[(BranchId, String)] {
        &self.addresses
    }

    /// What every branch holds; that must be the same, and `expected` if the run is to begin with that.
    pub async fn opening(&self, expected: Option<Money>) -> Result<Money, QueriedError> {
        let mut first: Option<(BranchId, Money)> = None;
        for ((branch, address), answer) in self.addresses.iter().zip(self.ask().await) {
            let (branch, address) = (*branch, address.clone());
            let held = match answer {
                Ok(held) => held,
                Err(status) => {
                    let (wire, message) = (self.wire, said(&status));
                    return Err(QueriedError::NoAnswer { branch, address, wire, message });
                }
            };
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
                return Err(QueriedError::Opening { branch, address, held, expected });
            }
            first = first.or(Some((branch, held)));
        }
        Ok(first.map_or(Money::ZERO, |(_, held)| held))
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
            let state = BranchState { branch, balance, lowest_balance: None, settled };
            Some(FinalState { state, version: None })
        });
        states.collect()
    }

    /// Asks all at once.
    async fn ask(&self) -> Vec<Result<Money, Status>> {
        let mut calls = JoinSet::new();
        for (index, (branch, _)) in self.addresses.iter().enumerate() {
            let (bank, branch) = (self.bank.clone(), *branch);
            calls.spawn(async move { (index, bank.balance(branch).await) });
        }
        let mut answers = calls.join_all().await;
        answers.sort_unstable_by_key(|(index, _)| *index);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }
}

/// Whether all branches have answered with the same balance.
fn show_one_balance(polled: &[Polled<Money>]) -> bool {
    let first = polled.first().and_then(|polled| polled.last);
    first.is_some() && polled.iter().all(|polled| polled.last == first)
}

/// What a status says, by its code where it has no words.
fn said(status: &Status) -> String {
    match (status.code(), status.message()) {
        // Which of the two comes first, tonic's deadline or the customer's, is chance.
        (Code::DeadlineExceeded, _) | (Code::Cancelled, "Timeout expired") => {
            "no answer in time".to_owned()
        }
        (code, "") => code.to_string(),
        (_, message) => message.to_owned(),
    }
}
