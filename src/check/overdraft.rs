//! No balance is ever below zero.

use super::{Evidence, Finding, Property};
use crate::bank::Money;

/// Looks at every balance that an answer carried, and at the lowest one that each branch ever held.
pub fn overdraft(evidence: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Property::Overdraft);
    let below = evidence.branches.iter().filter(|state| state.lowest_balance.is_negative());
    let below: Vec<String> =
        below.map(|s| format!("branch {} at {}", s.branch, s.lowest_balance)).collect();
    if !below.is_empty() {
        finding.violate(None, || format!("held at their lowest: {}", below.join(", ")));
    }
    for seen in evidence.observations {
        if let Some(balance) = seen.balance.filter(|balance| balance.is_negative()) {
            finding.violate(Some(seen), || format!("{seen} was shown a balance of {balance}"));
        }
    }
    let lowest = lowest(evidence);
    finding.note = format!("lowest balance {}", lowest.unwrap_or(evidence.opening));
    if let Some(missing) = evidence.missing_branches() {
        finding.cannot_tell(missing);
    }
    finding
}

fn lowest(evidence: &Evidence<'_>) -> Option<Money> {
    let shown = evidence.observations.iter().filter_map(|seen| seen.balance);
    let held = evidence.branches.iter().map(|state| state.lowest_balance);
    shown.chain(held).min()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{branch, evidence, ok};
    use super::super::{BranchState, Verdict};
    use super::*;
    use crate::bank::Operation;

    #[test]
    fn zero_is_not_overdrawn() {
        let seen = [ok(1, Operation::Query, Some(0))];
        let finding = overdraft(&evidence(0, &seen, &[branch(1, 0)]));
        assert_eq!(finding.verdict, Verdict::Pass);
    }

    #[test]
    fn a_balance_below_zero_is_found_in_an_answer_and_in_a_branch() {
        let seen = [ok(4, Operation::withdraw(9), Some(-2))];
        let by_answer = overdraft(&evidence(0, &seen, &[branch(1, 0)]));
        assert_eq!(by_answer.verdict, Verdict::Fail);
        assert!(by_answer.violations[0].story.contains("customer 4"), "{by_answer:?}");

        let recovered = BranchState { lowest_balance: Money::new(-3), ..branch(1, 10) };
        let by_branch = overdraft(&evidence(0, &[], &[recovered]));
        assert_eq!(by_branch.verdict, Verdict::Fail);
    }
}
