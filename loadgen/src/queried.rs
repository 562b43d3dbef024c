//! Branches that say nothing of themselves but what a query is answered: no inspection, no health.

use std::time::Duration;

use passbook::bank::{BranchId, Money};
use passbook::check::{BranchState, FinalState};
use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::customers::{Bank, CallError, ConnectError, Terms, explain};
use crate::scenario::Wire;

/// How long branches may take to show the same balance.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);
/// Between two rounds of queries.
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

/// What each branch answered in one round, in their order.
type Round = Vec<Option<Money>>;

impl Queried {
    /// Connects to `targets`, which are the branches `named` in that order or, without names, those from 1.
    pub async fn connect(
        targets: Vec<String>,
        named: Option<&[BranchId]>,
        wire: Wire,
        limit: Duration,
        message_bytes_max: usize,
    ) -> Result<Self, QueriedError> {
        let ids: Vec<BranchId> = match named {
            Some(named) if named.len() != targets.len() => {
                let (have, want) = (targets.len(), named.len());
                return Err(QueriedError::Count { have, want });
            }
            Some(named) => named.to_vec(),
            None => (1..).map(BranchId).take(targets.len()).collect(),
        };
        let terms = Terms { message_bytes_max, ..Terms::default() };
        let addresses: Vec<_> = ids.into_iter().zip(targets).collect();
        let bank = Bank::connect(&addresses, wire, terms, limit).await?;
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
                Err(error) => {
                    let (wire, message) = (self.wire, explain(&address, &error).await);
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

    /// Asks all until two rounds in a row show one balance everywhere, at most ten seconds, and tells
    /// what each answered last. A branch that does not answer is missing, and if none does, that is the end.
    pub async fn settle(&self) -> Vec<FinalState> {
        let until = Instant::now() + SETTLE_LIMIT;
        let (mut before, mut last): (Round, Round) = (Vec::new(), Vec::new());
        while let Ok(round) = timeout_at(until, self.round()).await {
            before = std::mem::replace(&mut last, round);
            if last.iter().all(Option::is_none) || is_settled(&before, &last) {
                break;
            }
            sleep(POLL).await;
        }
        let known = self.addresses.iter().zip(&last).enumerate();
        let states = known.filter_map(|(index, ((branch, _), balance))| {
            // What does not move any more is settled, also where others hold something else.
            let settled = before.get(index) == Some(balance);
            let (branch, balance) = (*branch, (*balance)?);
            let state = BranchState { branch, balance, lowest_balance: None, settled };
            Some(FinalState { state, version: None })
        });
        states.collect()
    }

    async fn round(&self) -> Round {
        self.ask().await.into_iter().map(Result::ok).collect()
    }

    /// Asks all at once.
    async fn ask(&self) -> Vec<Result<Money, CallError>> {
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

/// Whether two rounds agree and all branches with them.
fn is_settled(before: &[Option<Money>], last: &[Option<Money>]) -> bool {
    let first = last.first().copied().flatten();
    first.is_some() && before == last && last.iter().all(|balance| *balance == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(balances: &[i64]) -> Round {
        balances.iter().map(|balance| Some(Money::new(*balance))).collect()
    }

    #[test]
    fn settled_is_the_same_twice_and_everywhere() {
        assert!(is_settled(&round(&[5, 5]), &round(&[5, 5])));
        assert!(!is_settled(&round(&[5, 5]), &round(&[6, 6])));
        assert!(!is_settled(&round(&[5, 6]), &round(&[5, 6])));
        assert!(!is_settled(&[], &round(&[5, 5])));
        assert!(!is_settled(&[None, None], &[None, None]));
    }
}
