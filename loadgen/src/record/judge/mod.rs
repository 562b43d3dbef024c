//! The verdict of a run: its `output.json`, read back from disk, against what the branches hold.

mod folder;

use check::{Judged, Property, Verdict};

pub use folder::{Counterexample, JudgeError, JudgedRun, judge_folder};

/// The most serious verdict on a promised property. A property that is not judged does not count. Without evidence
/// nothing is known, unless a check fails.
pub fn verdict(checks: &[Judged]) -> Verdict {
    let promised = checks.iter().filter(|check| check.promised);
    let worst = promised.map(|check| check.finding.verdict).max();
    match worst {
        Some(verdict) if has_evidence(checks) || verdict == Verdict::Fail => verdict,
        Some(_) | None => Verdict::Unknown,
    }
}

/// Whether any promised property of the bank was judged. The check of `output.json` is none: this program writes
/// that file.
pub fn has_evidence(checks: &[Judged]) -> bool {
    let is_evidence = |check: &Judged| {
        check.promised
            && check.finding.property != Property::OutputFile
            && check.finding.verdict != Verdict::NotJudged
    };
    checks.iter().any(is_evidence)
}

#[cfg(test)]
mod tests {
    use check::Finding;

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

    #[test]
    fn output_file_is_no_evidence_about_the_bank() {
        let file = |verdict| check(Property::OutputFile, verdict, true);
        let bank = |verdict| check(Property::Conservation, verdict, true);
        let both = |one, other| verdict(&[file(one), bank(other)]);
        assert_eq!(both(Verdict::Pass, Verdict::NotJudged), Verdict::Unknown);
        assert_eq!(both(Verdict::Fail, Verdict::NotJudged), Verdict::Fail);
        assert_eq!(both(Verdict::Pass, Verdict::Pass), Verdict::Pass);
        assert_eq!(both(Verdict::Unknown, Verdict::Pass), Verdict::Unknown);
    }
}
