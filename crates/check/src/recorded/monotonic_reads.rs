//! A customer is never shown less than before.

use super::RunIndex;
use super::session::{earlier, first_missing, is_guarded, shown, tell, walk};
use crate::{Finding, Property};

/// What I was shown at one branch I am shown at every other from then on: money that I have seen arrive does not
/// vanish again when I walk down the road.
///
/// Algorithm: the join of the versions that a session was shown must be covered by each later answer's; nN.
/// Balances without versions say nothing of it.
pub(super) fn monotonic_reads(run: &RunIndex<'_>) -> Finding {
    let mut finding = Finding::new(Property::MonotonicReads);
    let (mut covered, mut untold) = (0_u64, 0_u64);
    let mut is_examined = false;
    walk(run, |place, call, known| {
        if !is_guarded(call) {
            return;
        }
        let Some(version) = call.version else {
            untold += 1;
            return;
        };
        is_examined |= known.read.iter().any(|seq| *seq > 0);
        match first_missing(version, known.read) {
            None => covered += 1,
            Some(member) => finding.violate_with(|| {
                let has = version[member];
                let before = earlier(run, place, |_, call| shown(call, member) > has);
                tell(run, place, before, "was shown", (member, has, known.read[member]))
            }),
        }
    });
    finding.note = match finding.violations_total {
        0 => format!("{covered} answers, none less than those before"),
        _ => "a customer was shown less than before".to_owned(),
    };
    if untold > 0 {
        finding.cannot_tell(format!("{untold} answers do not say what they were made from"));
    }
    run.close(&mut finding);
    if !is_examined {
        finding.not_judged("no customer was answered again after being shown a write");
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, Shown as _, ok};
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
