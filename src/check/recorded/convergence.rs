//! After settling, every branch holds the same.

use super::Facts;
use crate::check::{BranchState, Evidence, Finding};

/// When customers are gone and branches have told each other everything, all of them hold the same balance, and
/// the same length of each log. If not, some write will never reach some branch.
///
/// Algorithm: every branch is compared with the first; N branches cost N².
pub(super) fn convergence(facts: &Facts<'_>) -> Finding {
    let branches: Vec<BranchState> = facts.case.finals.iter().map(|held| held.state).collect();
    let evidence = Evidence {
        opening: facts.case.opening,
        observations: &[],
        branches: &branches,
        branches_total: facts.width,
    };
    let mut finding = crate::check::convergence(&evidence);
    let told = facts.case.finals.iter().filter_map(|held| Some((held, held.version.as_ref()?)));
    let mut told = told.filter(|(held, _)| held.state.settled);
    let Some((first, version)) = told.next() else {
        return finding;
    };
    for (other, theirs) in told.filter(|(_, theirs)| *theirs != version) {
        finding.violate(None, || {
            format!(
                "branch {} has come to {version}, branch {} to {theirs}",
                first.state.branch, other.state.branch
            )
        });
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;
    use crate::bank::Seq;
    use crate::check::{Property, Verdict};

    #[test]
    fn equal_balances_of_other_entries_are_found_and_a_branch_that_is_late_proves_nothing() {
        let mut scene = Scene::healthy();
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
}
