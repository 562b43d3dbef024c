//! The verdict in one line, for `--quiet`.

use passbook::check::{Judged, Verdict};

use super::Report;
use super::summary::stands_out;
use crate::judge::JudgedRun;

/// The promised properties that a verdict rests on, unless it is a pass.
pub(super) fn decisive_properties(verdict: Verdict, checks: &[Judged]) -> Vec<&'static str> {
    let promised = checks.iter().filter(|check| check.promised);
    let decisive = promised
        .map(|check| &check.finding)
        .filter(|finding| finding.verdict == verdict && stands_out(finding.verdict));
    decisive.map(|finding| finding.property.name()).collect()
}

impl Report {
    /// The verdict, the properties that it rests on, and the seed.
    pub fn verdict_line(&self) -> String {
        let verdict = self.verdict();
        let mut reasons: Vec<&str> = decisive_properties(verdict, self.checks());
        if verdict == Verdict::Unknown {
            reasons.extend(self.cluster.lost.iter().map(|lost| lost.how.as_str()));
        }
        line(verdict, &reasons, self.seed())
    }
}

impl JudgedRun {
    /// The verdict and the properties that it rests on. The seed is not in the files that are judged.
    pub fn verdict_line(&self) -> String {
        let verdict = self.verdict();
        line(verdict, &decisive_properties(verdict, &self.checks), None)
    }
}

fn line(verdict: Verdict, reasons: &[&str], seed: Option<u64>) -> String {
    let reasons = match reasons {
        [] => String::new(),
        reasons => format!(" ({})", reasons.join(", ")),
    };
    let seed = seed.map(|seed| format!(", seed {seed}")).unwrap_or_default();
    format!("{}{reasons}{seed}\n", verdict.name())
}
