//! The verdict of a run: its `output.json`, read back from disk, against what the branches hold.

mod folder;

use passbook::check::{Judged, Verdict};

pub use folder::{Counterexample, JudgeError, JudgedRun, judge_folder};

/// The worst verdict on what was promised.
pub fn verdict(checks: &[Judged]) -> Verdict {
    let promised = checks.iter().filter(|check| check.promised);
    promised.map(|check| check.finding.verdict).max().unwrap_or(Verdict::Unknown)
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
}
