//! No balance is ever below zero.

use super::{BranchState, Evidence, Finding, Property};
use crate::bank::Money;

/// Looks at every balance that an answer carried, and at the lowest one that each branch ever held. Of a
/// branch that does not tell it, only what it held at the end is known, and the note says so.
pub(super) fn overdraft(evidence: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Property::Overdraft);
    let held = evidence.branches.iter().map(|state| (state.branch, least_known(state)));
    let below = held.filter(|(_, least)| least.is_negative());
    let below: Vec<String> =
        below.map(|(branch, least)| format!("branch {branch} at {least}")).collect();
    if !below.is_empty() {
        finding.violate(None, || format!("held at their lowest: {}", below.join(", ")));
    }
    for seen in evidence.observations {
        if let Some(balance) = seen.balance.filter(|balance| balance.is_negative()) {
            finding.violate(Some(seen), || format!("{seen} was shown a balance of {balance}"));
        }
    }
    let lowest = lowest(evidence).unwrap_or(evidence.opening);
    finding.note = if evidence.branches.iter().all(|state| state.lowest_balance.is_some()) {
        format!("lowest balance {lowest}")
    } else {
        format!("lowest balance {lowest} in answers, and at the end in branches")
    };
    if let Some(missing) = evidence.missing_branches() {
        finding.cannot_tell(missing);
    }
    finding
}

/// What it held at its lowest or, if it does not tell, at the end.
fn least_known(state: &BranchState) -> Money {
    state.lowest_balance.unwrap_or(state.balance)
}

fn lowest(evidence: &Evidence<'_>) -> Option<Money> {
    let shown = evidence.observations.iter().filter_map(|seen| seen.balance);
    let held = evidence.branches.iter().map(least_known);
    shown.chain(held).min()
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::testing::{branch, evidence, ok};
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

        let recovered = BranchState { lowest_balance: Some(Money::new(-3)), ..branch(1, 10) };
        let by_branch = overdraft(&evidence(0, &[], &[recovered]));
        assert_eq!(by_branch.verdict, Verdict::Fail);
    }

    #[test]
    fn branches_that_do_not_tell_their_lowest_are_judged_by_answers_and_it_is_said() {
        let silent = BranchState { lowest_balance: None, ..branch(1, 10) };
        let passed = overdraft(&evidence(10, &[ok(1, Operation::Query, Some(4))], &[silent]));
        assert_eq!(passed.verdict, Verdict::Pass);
        assert!(passed.note.starts_with("lowest balance 4 in answers,"), "{}", passed.note);

        let overdrawn = BranchState { lowest_balance: None, ..branch(1, -1) };
        assert_eq!(overdraft(&evidence(10, &[], &[overdrawn])).verdict, Verdict::Fail);
    }
}
