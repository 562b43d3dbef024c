//! After settling, every branch holds the same.

use super::{Evidence, Finding, Property};

/// Compares every branch with the first.
pub(super) fn convergence(evidence: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Property::Convergence);
    let Some((first, others)) = evidence.branches.split_first() else {
        finding.cannot_tell("no branch could be asked what it holds");
        return finding;
    };
    for other in others.iter().filter(|other| other.balance != first.balance) {
        finding.violate(None, || {
            format!(
                "branch {} holds {}, branch {} holds {}",
                first.branch, first.balance, other.branch, other.balance
            )
        });
    }
    finding.note = match finding.violations_total {
        0 => format!("{} branches, {} each", evidence.branches.len(), first.balance),
        _ => "branches hold different balances".to_owned(),
    };
    if let Some(missing) = evidence.missing_branches() {
        finding.cannot_tell(missing);
    }
    if let Some(late) = evidence.branches.iter().find(|state| !state.settled) {
        finding.cannot_tell(format!("branch {} was still propagating", late.branch));
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::testing::{branch, evidence};
    use super::*;
    use history::BranchState;

    #[test]
    fn equal_branches_pass_and_different_ones_are_named() {
        let equal = [branch(1, 5), branch(2, 5)];
        assert_eq!(convergence(&evidence(5, &[], &equal)).verdict, Verdict::Pass);
        let finding = convergence(&evidence(5, &[], &[branch(1, 5), branch(2, 6)]));
        assert_eq!(finding.verdict, Verdict::Fail);
        assert_eq!(finding.violations[0].story, "branch 1 holds 5, branch 2 holds 6");
    }

    #[test]
    fn a_branch_that_has_not_settled_proves_nothing() {
        let late = BranchState { settled: false, ..branch(2, 5) };
        let finding = convergence(&evidence(5, &[], &[branch(1, 5), late]));
        assert_eq!(finding.verdict, Verdict::Unknown);
        let held = [branch(1, 5), branch(2, 5)];
        let two_of_three = Evidence { branches_total: 3, ..evidence(5, &[], &held) };
        assert_eq!(convergence(&two_of_three).verdict, Verdict::Unknown);
    }
}
