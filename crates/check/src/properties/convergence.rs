//! After settling, every branch holds the same.

use bank::{Seq, Version};

use crate::RunIndex;
use crate::examination::{Examination, Gap};
use crate::index::describe_version;

/// When customers are gone and branches have sent each other everything, all of them hold the same balance, and
/// the same length of each log. If not, some write will never reach some branch.
///
/// Algorithm: every branch is compared with the first; N branches cost N².
pub(crate) fn examine(run: &RunIndex<'_>) -> Examination {
    let mut examination = Examination::default();
    let Some((first, others)) = run.finals().split_first() else {
        examination.gap(Gap::FinalStates, "no branch could be asked what it holds");
        return examination;
    };
    for other in others.iter().filter(|other| other.balance != first.balance) {
        examination.violate(|| {
            let description = format!(
                "branch {} holds {}, branch {} holds {}",
                first.branch, first.balance, other.branch, other.balance
            );
            run.violation([], description)
        });
    }
    compare_versions(run, &mut examination);
    examination.summarize(
        format!("{} branches, {} each", run.finals().len(), first.balance),
        "branches hold different balances",
    );
    examination.gap_if(Gap::FinalStates, run.missing_finals());
    if let Some(late) = run.finals().iter().find(|state| !state.settled) {
        let note = format!("branch {} was still propagating", late.branch);
        examination.gap(Gap::Propagation, note);
    }
    examination.needs_evidence(run.width > 1, "there is only one branch");
    examination.needs_evidence(!run.is_unchanged(), "no write was done");
    examination
}

fn compare_versions(run: &RunIndex<'_>, examination: &mut Examination) {
    let seqs = |version: &Version| version.iter().map(|(_, Seq(seq))| seq).collect::<Vec<u64>>();
    let settled = run.finals().iter().filter(|state| state.settled);
    let mut known = settled.filter_map(|state| Some((state, seqs(state.version.as_ref()?))));
    let Some((first, version)) = known.next() else { return };
    for (other, theirs) in known.filter(|(_, theirs)| *theirs != version) {
        examination.violate(|| {
            let (one, other) = (first.branch, other.branch);
            let [held, theirs] = [&version, &theirs].map(|version| describe_version(version));
            let description =
                format!("branch {one} has come to {held}, branch {other} to {theirs}");
            run.violation([], description)
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::{Fixture, ok, refused, unanswered};
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
        assert_eq!(
            finding.violations[0].description,
            "branch 1 has come to [1 1], branch 2 to [1 0]"
        );
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
        assert_eq!(finding.violations[0].description, "branch 1 holds 130, branch 2 holds 131");
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
