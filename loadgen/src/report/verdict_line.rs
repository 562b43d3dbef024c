//! The verdict in one line, for `--quiet`.

use check::{Judged, Verdict};

use super::RunReport;
use crate::record::judge::JudgedRun;

/// Reasons that the line names; the rest are counted.
const REASONS_SHOWN: usize = 3;

/// The promised properties that a verdict rests on, unless it is a pass.
pub(super) fn decisive_properties(verdict: Verdict, checks: &[Judged]) -> Vec<&'static str> {
    let decisive = checks.iter().filter(|check| {
        check.promised && check.finding.verdict == verdict && verdict > Verdict::Pass
    });
    decisive.map(|check| check.finding.property.name()).collect()
}

impl RunReport {
    /// The verdict, the properties that it rests on, the seed, and whether the run ended early.
    pub fn verdict_line(&self) -> String {
        let line = line(self.verdict_name(), &self.reasons(), self.seed());
        format!("{line}{}\n", self.early_text())
    }

    fn reasons(&self) -> Vec<&str> {
        let verdict = self.verdict();
        if self.record_error.is_some() && verdict == Verdict::Unknown {
            return vec!["not recorded"];
        }
        if self.is_unchecked() {
            return Vec::new();
        }
        let mut reasons = decisive_properties(verdict, self.checks());
        if verdict == Verdict::Unknown {
            reasons.extend(self.cluster.lost.iter().map(|lost| lost.how.as_str()));
        }
        reasons
    }
}

impl JudgedRun {
    /// The verdict, the properties that it rests on, and the `seed`, which is not in the files that are judged.
    pub fn verdict_line(&self, seed: Option<u64>) -> String {
        let verdict = self.verdict();
        format!("{}\n", line(verdict.name(), &decisive_properties(verdict, &self.checks), seed))
    }
}

fn line(verdict: &str, reasons: &[&str], seed: Option<u64>) -> String {
    let more = reasons.len().saturating_sub(REASONS_SHOWN);
    let shown = reasons.iter().take(REASONS_SHOWN).copied().collect::<Vec<_>>().join(", ");
    let reasons = match (reasons, more) {
        ([], _) => String::new(),
        (_, 0) => format!(" ({shown})"),
        _ => format!(" ({shown} and {more} more)"),
    };
    let seed = seed.map(|seed| format!(", seed {seed}")).unwrap_or_default();
    format!("{verdict}{reasons}{seed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_first_reasons_and_the_seed() {
        assert_eq!(line("pass", &[], Some(7)), "pass, seed 7");
        assert_eq!(line("fail", &["overdraft"], Some(7)), "fail (overdraft), seed 7");
        let five = ["a", "b", "c", "d", "e"];
        assert_eq!(line("unknown", &five, None), "unknown (a, b, c and 2 more)");
    }
}
