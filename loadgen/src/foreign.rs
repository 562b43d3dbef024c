//! Judges an `output.json` that any program made.

use std::fmt::Write;
use std::path::Path;

use passbook::bank::Money;
use passbook::check::{Edition, Evidence, Finding, Verdict, final_balance, sequential};
use passbook::files::{Input, InputError, Paired, Received, ReceivedError, Warning, pair_with};
use thiserror::Error;

use crate::report::ExitCode;

/// Differences that are told before the rest is counted.
const TOLD: usize = 5;

/// There is nothing that could be judged.
#[derive(Debug, Error)]
pub enum ForeignError {
    /// The input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The output cannot be read.
    #[error(transparent)]
    Output(#[from] ReceivedError),
}

const fn told(edition: Edition) -> &'static str {
    match edition {
        Edition::Sequential => "sequential edition: customers one after another",
        Edition::FinalBalance => "final-balance edition: every query shows the balance at the end",
    }
}

/// A verdict on a foreign output.
#[derive(Clone, Debug)]
pub struct ForeignReport {
    verdict: Verdict,
    edition: Edition,
    /// No other edition could be meant.
    only_sequential: bool,
    finding: Finding,
    paired: Paired,
    warnings: Vec<String>,
}

/// Judges the output at `output` as the answers to `input`. The sequential edition must hold for the
/// whole file, or else the final-balance edition.
pub fn check_files(input: &Path, output: &Path) -> Result<ForeignReport, ForeignError> {
    let (asked, input_warnings) = Input::read(input)?;
    let received = Received::read(output)?;
    let told = |path: &Path, warnings: &[Warning]| {
        let path = path.display().to_string();
        let told = warnings.iter().map(|w| format!("{path}:{}: {}", w.at, w.message));
        told.collect::<Vec<_>>()
    };
    let mut warnings = told(input, &input_warnings);
    warnings.extend(told(output, &received.warnings));
    Ok(judge(&asked, &received, warnings))
}

fn judge(asked: &Input, received: &Received, warnings: Vec<String>) -> ForeignReport {
    let paired = pair_with(asked, received);
    let opening: Money = asked.opening;
    let observations = &paired.observations;
    let evidence = Evidence { opening, observations, branches: &[], branches_total: 0 };
    let one_after_another = sequential(&evidence);
    let all_at_once = final_balance(&evidence);
    // The edition that holds, or that fewer answers contradict.
    let rank = |finding: &Finding| (finding.verdict, finding.violations_total);
    let only_sequential = !may_be_concurrent(asked);
    let (edition, mut finding) =
        if only_sequential || rank(&one_after_another) <= rank(&all_at_once) {
            (Edition::Sequential, one_after_another)
        } else {
            (Edition::FinalBalance, all_at_once)
        };
    if finding.verdict == Verdict::Pass && !observations.is_empty() && paired.judged() == 0 {
        finding.verdict = Verdict::Unknown;
        "the file holds no answer that could be judged".clone_into(&mut finding.note);
    }
    let verdict = if paired.mismatches.is_empty() { finding.verdict } else { Verdict::Fail };
    ForeignReport { verdict, edition, only_sequential, finding, paired, warnings }
}

/// Whether the answers may be those of the final-balance edition. A customer alone is never concurrent,
/// and one who moves between branches is promised their own writes: a balance from the end is wrong there.
fn may_be_concurrent(asked: &Input) -> bool {
    let first = asked.customers.first().map(|block| block.id);
    asked.customers.iter().any(|block| Some(block.id) != first) && !asked.names_branches()
}

impl ForeignReport {
    /// What the process is to end with.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::of(self.verdict)
    }

    /// The verdict alone.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// What was found.
    pub const fn finding(&self) -> &Finding {
        &self.finding
    }

    /// What was read although it is not as it should be.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The verdict, the edition, the first differences, what stayed unjudged. Writing into a `String`
    /// cannot fail, so results are ignored here.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let answers = self.paired.judged();
        let edition = told(self.edition);
        let _ = match self.verdict {
            Verdict::Pass => writeln!(text, "PASS  {answers} answers are right ({edition})"),
            Verdict::Unknown | Verdict::NotJudged => {
                writeln!(text, "UNKNOWN  {} ({edition})", self.finding.note)
            }
            Verdict::Fail => {
                let considered = if self.only_sequential {
                    "wrong; the final-balance edition is not considered where events name branches or there is one customer: this is the"
                } else {
                    "wrong in every edition; nearest is the"
                };
                writeln!(text, "FAIL  {considered} {edition}")
            }
        };
        let wrong = self.finding.violations.iter().map(|violation| violation.story.as_str());
        let mismatched = self.paired.mismatches.iter().map(String::as_str);
        for story in mismatched.clone().chain(wrong).take(TOLD) {
            let _ = writeln!(text, "  {story}");
        }
        let mismatches = u64::try_from(self.paired.mismatches.len()).unwrap_or(u64::MAX);
        let total = self.finding.violations_total.saturating_add(mismatches);
        let told = u64::try_from(TOLD).unwrap_or(u64::MAX);
        if total > told {
            let _ = writeln!(text, "  … and {} more differences", total - told);
        }
        if self.paired.unjudged_writes > 0 {
            let _ = writeln!(
                text,
                "  {} writes have no result in the file: they stay unjudged, and are taken for what they \
                 should have come to",
                self.paired.unjudged_writes
            );
        }
        text
    }
}
