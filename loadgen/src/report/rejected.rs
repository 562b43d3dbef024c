//! Why operations were rejected.

use std::collections::BTreeMap;

use passbook::bank::{Outcome, Rejection};

use crate::customers::Record;

/// How many operations were rejected for which reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rejected(Vec<(Rejection, u64)>);

impl Rejected {
    /// Those among `records`, in the order of [`Rejection::ALL`].
    pub(super) fn of(records: &[Record]) -> Self {
        let mut counts = Rejection::ALL.map(|reason| (reason, 0));
        for done in records.iter().flat_map(|record| &record.done) {
            if let Outcome::Rejected(rejection) = done.answer.outcome
                && let Some((_, count)) = counts.iter_mut().find(|(reason, _)| *reason == rejection)
            {
                *count += 1;
            }
        }
        Self(counts.into_iter().filter(|(_, count)| *count > 0).collect())
    }

    /// All of them, by key.
    pub(super) fn by_key(&self) -> BTreeMap<&'static str, u64> {
        self.0.iter().map(|(reason, count)| (reason.key(), *count)).collect()
    }

    /// Those that say nothing of the balance.
    pub(super) fn for_other_reasons(&self) -> impl Iterator<Item = (Rejection, u64)> {
        let of_balance =
            |reason| matches!(reason, Rejection::InsufficientFunds | Rejection::OutOfRange);
        self.0.iter().copied().filter(move |(reason, _)| !of_balance(*reason))
    }
}

#[cfg(test)]
mod tests {
    use passbook::bank::{Answer, BranchId, CustomerId, Operation};
    use passbook::files::Event;

    use super::*;
    use crate::customers::Done;

    #[test]
    fn reasons_are_counted_apart() {
        let done = |outcome| Done {
            number: 1,
            event: Event {
                operation: Operation::withdraw(30),
                branch: BranchId(2),
                names_branch: true,
            },
            answer: Answer { outcome, balance: None },
        };
        let outcomes = [
            Outcome::Ok,
            Outcome::Rejected(Rejection::Contended),
            Outcome::Unknown,
            Outcome::Rejected(Rejection::InsufficientFunds),
            Outcome::Rejected(Rejection::Contended),
        ];
        let record = Record { customer: CustomerId(9), done: outcomes.map(done).to_vec() };
        let rejected = Rejected::of(&[record]);
        let expected = BTreeMap::from([("contended", 2), ("insufficient_funds", 1)]);
        assert_eq!(rejected.by_key(), expected);
        let others: Vec<_> = rejected.for_other_reasons().collect();
        assert_eq!(others, [(Rejection::Contended, 2)]);
    }
}
