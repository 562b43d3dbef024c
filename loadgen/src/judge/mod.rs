//! The verdict of a run: its `output.json`, read back from disk, against what the branches hold.

mod folder;

use passbook::check::{Judged, Verdict};

pub use folder::{Counterexample, JudgeError, JudgedRun, judge_folder};

/// The most serious verdict on a promised property. A property that is not judged does not count; if none is
/// judged, nothing is known.
pub fn verdict(checks: &[Judged]) -> Verdict {
    let promised = checks.iter().filter(|check| check.promised);
    match promised.map(|check| check.finding.verdict).max() {
        None | Some(Verdict::NotJudged) => Verdict::Unknown,
        Some(verdict) => verdict,
    }
}

#[cfg(test)]
mod tests {
    use passbook::check::{Finding, Property};

    use super::*;

    fn check(property: Property, verdict: Verdict, promised: bool) -> Judged {
        let finding = Finding {
            property,
            verdict,
            violations: Vec::new(),
            violations_total: 0,
            note: String::new(),
        };
        Judged { finding, promised }
    }

    #[test]
    fn the_worst_promised_verdict_counts_and_no_promise_is_no_pass() {
        let pass = check(Property::Conservation, Verdict::Pass, true);
        let unknown = check(Property::Convergence, Verdict::Unknown, true);
        let broken = check(Property::Overdraft, Verdict::Fail, true);
        let observed = check(Property::ReadYourWrites, Verdict::Fail, false);
        assert_eq!(verdict(&[pass.clone(), observed.clone()]), Verdict::Pass);
        assert_eq!(verdict(&[pass.clone(), unknown.clone()]), Verdict::Unknown);
        assert_eq!(verdict(&[unknown, broken, pass]), Verdict::Fail);
        assert_eq!(verdict(&[observed]), Verdict::Unknown);
    }

    #[test]
    fn verdict_is_unknown_when_no_promised_property_is_judged() {
        let empty = check(Property::Conservation, Verdict::NotJudged, true);
        let pass = check(Property::Convergence, Verdict::Pass, true);
        let seen = check(Property::Linearizable, Verdict::Pass, false);
        assert_eq!(verdict(&[empty.clone(), seen]), Verdict::Unknown);
        assert_eq!(verdict(&[empty, pass]), Verdict::Pass);
    }
}
