//! After settling, every branch holds the same.

use super::RunIndex;
use crate::{Evidence, Finding};
use history::BranchState;

/// When customers are gone and branches have told each other everything, all of them hold the same balance, and
/// the same length of each log. If not, some write will never reach some branch.
///
/// Algorithm: every branch is compared with the first; N branches cost N².
pub(super) fn convergence(run: &RunIndex<'_>) -> Finding {
    let branches: Vec<BranchState> = run.case.finals.iter().map(|held| held.state).collect();
    let evidence = Evidence {
        opening: run.case.opening,
        observations: &[],
        branches: &branches,
        branches_total: run.width,
    };
    let mut finding = crate::convergence(&evidence);
    compare_versions(run, &mut finding);
    if run.width == 1 {
        finding.not_judged("there is only one branch");
    }
    if run.is_unchanged() {
        finding.not_judged("no write was done");
    }
    finding
}

fn compare_versions(run: &RunIndex<'_>, finding: &mut Finding) {
    let told = run.case.finals.iter().filter_map(|held| Some((held, held.version.as_ref()?)));
    let mut told = told.filter(|(held, _)| held.state.settled);
    let Some((first, version)) = told.next() else { return };
    for (other, theirs) in told.filter(|(_, theirs)| *theirs != version) {
        finding.violate(None, || {
            format!(
                "branch {} has come to {version}, branch {} to {theirs}",
                first.state.branch, other.state.branch
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, ok, refused, unanswered};
    use crate::{Property, Verdict};
    use bank::{Money, Operation, Seq};

    #[test]
    fn equal_balances_of_other_entries_are_found_and_a_branch_that_is_late_proves_nothing() {
        let mut scene = Fixture::healthy();
        assert_eq!(scene.verdict(Property::Convergence), Verdict::Pass);
        let healthy = scene.with(|case| case.finals.to_vec());
        let mut other = healthy.clone();
        other[1].version = Some([1, 0].map(Seq).into_iter().collect());
        scene.finals = Some(other);
        let finding = scene.judge(Property::Convergence);
        assert_eq!(finding.violations[0].story, "branch 1 has come to [1 1], branch 2 to [1 0]");
        let mut late = healthy;
        late[1].state.settled = false;
        scene.finals = Some(late);
        scene.is_unknown(Property::Convergence, "still propagating");
    }

    #[test]
    fn one_branch_or_no_write_leaves_nothing_to_compare() {
        let mut alone = Fixture::new(100, 1);
        alone.calls = vec![ok(1, Operation::deposit(5), 1, (0, 1))];
        alone.is_not_judged(Property::Convergence, "only one branch");
        let mut unchanged = Fixture::new(100, 2);
        unchanged.calls = vec![refused(1, Operation::withdraw(500), 1, (0, 1))];
        unchanged.is_not_judged(Property::Convergence, "no write was done");
        // A difference is reported all the same.
        let mut finals = unchanged.with(|case| case.finals.to_vec());
        finals[1].state.balance = Money::new(1);
        unchanged.finals = Some(finals);
        assert_eq!(unchanged.verdict(Property::Convergence), Verdict::Fail);
        // A write that was not answered may have been done.
        let mut open = Fixture::new(100, 2);
        open.calls = vec![unanswered(1, Operation::deposit(5), 1, 0)];
        assert_eq!(open.verdict(Property::Convergence), Verdict::Pass);
    }
}
