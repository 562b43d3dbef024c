//! After settling, every branch holds the same.

use super::RunIndex;
use super::value::words;
use crate::{Finding, Property};
use bank::{Seq, Version};

/// When customers are gone and branches have told each other everything, all of them hold the same balance, and
/// the same length of each log. If not, some write will never reach some branch.
///
/// Algorithm: every branch is compared with the first; N branches cost N².
pub(super) fn convergence(run: &RunIndex<'_>) -> Finding {
    let mut finding = Finding::new(Property::Convergence);
    let Some((first, others)) = run.finals().split_first() else {
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
    compare_versions(run, &mut finding);
    finding.note = match finding.violations_total {
        0 => format!("{} branches, {} each", run.finals().len(), first.balance),
        _ => "branches hold different balances".to_owned(),
    };
    if let Some(missing) = run.missing_finals() {
        finding.cannot_tell(missing);
    }
    if let Some(late) = run.finals().iter().find(|state| !state.settled) {
        finding.cannot_tell(format!("branch {} was still propagating", late.branch));
    }
    if run.width == 1 {
        finding.not_judged("there is only one branch");
    }
    if run.is_unchanged() {
        finding.not_judged("no write was done");
    }
    finding
}

fn compare_versions(run: &RunIndex<'_>, finding: &mut Finding) {
    let seqs = |version: &Version| version.iter().map(|(_, Seq(seq))| seq).collect::<Vec<u64>>();
    let settled = run.finals().iter().filter(|state| state.settled);
    let mut known = settled.filter_map(|state| Some((state, seqs(state.version.as_ref()?))));
    let Some((first, version)) = known.next() else { return };
    for (other, theirs) in known.filter(|(_, theirs)| *theirs != version) {
        finding.violate(None, || {
            format!(
                "branch {} has come to {}, branch {} to {}",
                first.branch,
                words(&version),
                other.branch,
                words(&theirs)
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
        let healthy = scene.run().finals;
        let mut other = healthy.clone();
        other[1].version = Some([1, 0].map(Seq).into_iter().collect());
        scene.finals = Some(other);
        let finding = scene.judge(Property::Convergence);
        assert_eq!(finding.violations[0].story, "branch 1 has come to [1 1], branch 2 to [1 0]");
        let mut late = healthy;
        late[1].settled = false;
        scene.finals = Some(late);
        scene.is_unknown(Property::Convergence, "still propagating");
    }

    #[test]
    fn branches_with_different_balances_are_named() {
        let mut scene = Fixture::healthy();
        let mut finals = scene.run().finals;
        finals[1].balance = Money::new(131);
        scene.finals = Some(finals.clone());
        let finding = scene.judge(Property::Convergence);
        assert_eq!(finding.violations[0].story, "branch 1 holds 130, branch 2 holds 131");
        finals.pop();
        scene.finals = Some(finals);
        scene.is_unknown(Property::Convergence, "1 of 2 branches could not be asked");
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
        let mut finals = unchanged.run().finals;
        finals[1].balance = Money::new(1);
        unchanged.finals = Some(finals);
        assert_eq!(unchanged.verdict(Property::Convergence), Verdict::Fail);
        // A write that was not answered may have been done.
        let mut open = Fixture::new(100, 2);
        open.calls = vec![unanswered(1, Operation::deposit(5), 1, 0)];
        assert_eq!(open.verdict(Property::Convergence), Verdict::Pass);
    }
}
