//! Which operations were never answered.

use passbook::bank::Outcome;

use crate::customers::Record;

/// The first operations that were never answered, in words, and how many there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unanswered {
    pub(super) total: usize,
    pub(super) first: Vec<String>,
}

impl Unanswered {
    const KEPT: usize = 3;

    /// Those among `records`.
    pub(super) fn of(records: &[Record]) -> Self {
        let done = records.iter().flat_map(|r| r.done.iter().map(move |done| (r.customer, done)));
        let mut unanswered = done.filter(|(_, done)| done.answer.outcome == Outcome::Unknown);
        let tell = |(customer, done): (_, &crate::customers::Done)| {
            let (operation, branch) = (done.event.operation, done.event.branch);
            format!(
                "customer {customer}: {operation} at branch {branch} (operation {})",
                done.number
            )
        };
        let first: Vec<String> = unanswered.by_ref().take(Self::KEPT).map(tell).collect();
        Self { total: first.len() + unanswered.count(), first }
    }
}

#[cfg(test)]
mod tests {
    use passbook::bank::{Answer, BranchId, CustomerId, Operation};
    use passbook::files::Event;

    use super::*;
    use crate::customers::Done;

    #[test]
    fn the_first_are_told_and_all_are_counted() {
        let event = |outcome| Done {
            number: 4,
            event: Event {
                operation: Operation::deposit(30),
                branch: BranchId(2),
                names_branch: true,
            },
            answer: Answer { outcome, balance: None },
        };
        let mut done = vec![event(Outcome::Ok)];
        done.resize(6, event(Outcome::Unknown));
        let unanswered = Unanswered::of(&[Record { customer: CustomerId(9), done }]);
        assert_eq!(unanswered.total, 5);
        assert_eq!(unanswered.first.len(), 3);
        assert_eq!(unanswered.first[0], "customer 9: deposit 30 at branch 2 (operation 4)");
    }
}
