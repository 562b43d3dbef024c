//! A customer is never shown less than before.

use crate::RunIndex;
use crate::evidence::{Lack, earlier, first_missing, is_guarded, shown, walk};
use crate::examination::{Examination, Gap};

/// What I was shown at one branch I am shown at every other from then on: money that I have seen arrive does not
/// vanish again when I walk down the road.
///
/// Algorithm: the join of the versions that a session was shown must be covered by each later answer's; nN.
/// Balances without versions say nothing of it.
pub(crate) fn examine(run: &RunIndex<'_>) -> Examination {
    let mut examination = Examination::default();
    let (mut covered, mut unknown) = (0_u64, 0_u64);
    let mut has_evidence = false;
    walk(run, |place, call, session| {
        if !is_guarded(call) {
            return;
        }
        let Some(version) = call.version else {
            unknown += 1;
            return;
        };
        has_evidence |= session.read.iter().any(|seq| *seq > 0);
        match first_missing(version, session.read) {
            None => covered += 1,
            Some(member) => examination.violate(|| {
                let lack = Lack { member, has: version[member], needs: session.read[member] };
                let before = earlier(run, place, |_, call| shown(call, member) > lack.has);
                lack.violation(run, place, before, "was shown")
            }),
        }
    });
    examination.summarize(
        format!("{covered} answers, none less than those before"),
        "a customer was shown less than before",
    );
    examination.gap_of(Gap::Answers, unknown, "answers do not say what they were made from");
    examination
        .needs_evidence(has_evidence, "no customer was answered again after being shown a write");
    examination
}

#[cfg(test)]
mod tests {
    use crate::fixture::{Fixture, Shown as _, ok};
    use crate::{Property, Verdict};
    use bank::Operation;

    #[test]
    fn an_answer_with_less_than_one_before_is_found_and_one_without_a_version_proves_nothing() {
        let mut scene = Fixture::healthy();
        scene.calls[4] = scene.calls[4].shows(&[0, 1], 80);
        scene.fails(Property::MonotonicReads, (2, 3), "was shown 0 entries of branch 1; 1 had to");
        assert_eq!(scene.verdict(Property::ReadYourWrites), Verdict::Pass, "it was not their own");
        let mut bare = Fixture::healthy();
        bare.calls[4].version = None;
        bare.is_unknown(Property::MonotonicReads, "1 answers do not say");
    }

    #[test]
    fn first_answers_have_nothing_before_them_to_be_judged_by() {
        let mut scene = Fixture::healthy();
        scene.calls.truncate(1);
        scene.is_not_judged(Property::MonotonicReads, "no customer was answered again");
        scene.calls.push(ok(1, Operation::Query, 2, (3, 4)).shows(&[1, 0], 150));
        assert_eq!(scene.verdict(Property::MonotonicReads), Verdict::Pass);
    }
}
