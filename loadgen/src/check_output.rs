//! Judges an `output.json` that any program made.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use check::{Finding, Paired, Verdict, counted, final_balance, pair_with, sequential};
use exercise::{FileError, Input, Position, Received, Warning, is_standard_input};
use history::ReferenceModel;
use thiserror::Error;

use crate::record::run_folder::{HISTORY, SUMMARY};
use crate::report::ExitCode;

/// Differences that are reported one by one.
const DIFFERENCES_SHOWN: usize = 5;

/// There is nothing that can be judged.
#[derive(Debug, Error)]
pub enum CheckOutputError {
    /// The input or the output cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The output is that of a recorded run, whose customers may have worked at once.
    #[error("{0}: this is a run folder; use loadgen check {0}", folder.display())]
    RunFolder {
        /// Where the output is.
        folder: PathBuf,
    },
    /// Both files are standard input.
    #[error("standard input holds one file only; give a path for the input or for the output")]
    StandardInputTwice,
}

const fn model_name(model: ReferenceModel) -> &'static str {
    match model {
        ReferenceModel::Sequential => "sequential model: customers one after another",
        ReferenceModel::FinalBalance => {
            "final-balance model: every query shows the balance at the end"
        }
    }
}

/// A verdict on the output of another program.
#[derive(Clone, Debug)]
pub struct OutputReport {
    judged: Judgement,
    /// Why the whole file fails, where a part of it does not, or it answers another input.
    explanation: Option<String>,
    warnings: Vec<String>,
}

/// A verdict on answers.
#[derive(Clone, Debug)]
struct Judgement {
    verdict: Verdict,
    model: ReferenceModel,
    /// The input allows no other model.
    is_sequential_only: bool,
    finding: Finding,
    paired: Paired,
    /// What was assumed of the answers.
    assumed: Vec<Warning>,
}

/// Judges the output at `output` as the answers to `input`. The sequential model must hold for the whole file, or
/// else the final-balance model.
pub fn check_files(input: &Path, output: &Path) -> Result<OutputReport, CheckOutputError> {
    if is_standard_input(input) && is_standard_input(output) {
        return Err(CheckOutputError::StandardInputTwice);
    }
    if let Some(folder) = run_folder_of(output) {
        return Err(CheckOutputError::RunFolder { folder });
    }
    let (asked, input_warnings) = Input::read(input)?;
    let received = Received::read(output)?;
    let (judged, explanation) = judge_with_excerpts(&asked, &received);
    let of_input = input_warnings.iter().map(|warning| warning.in_file(input));
    let of_output = received.warnings.iter().chain(&judged.assumed);
    let warnings = of_input.chain(of_output.map(|warning| warning.in_file(output))).collect();
    Ok(OutputReport { judged, explanation, warnings })
}

/// The run folder that holds the file at `path`, if it is in one.
fn run_folder_of(path: &Path) -> Option<PathBuf> {
    let parent = path.parent()?;
    let folder = if parent == Path::new("") { Path::new(".") } else { parent };
    let is_run = [HISTORY, SUMMARY].iter().all(|name| folder.join(name).is_file());
    is_run.then(|| folder.to_owned())
}

/// Judges the whole file. Where it fails, explains that by a part that does not, or by its customers.
fn judge_with_excerpts(asked: &Input, received: &Received) -> (Judgement, Option<String>) {
    let judged = judge_with_zeros(asked, received);
    if judged.verdict != Verdict::Fail {
        return (judged, None);
    }
    let queries_only = received.shows_queries_only(asked);
    let is_expected = |name: &str| !queries_only || name == "query";
    let expected = asked.events().filter(|(_, _, event)| is_expected(event.operation.name()));
    let excerpts = received.excerpts(expected.count());
    let correct =
        excerpts.iter().find(|(_, part)| judge_with_zeros(asked, part).verdict == Verdict::Pass);
    let explanation =
        correct.map(|(excess, _)| excess.to_string()).or_else(|| other_customers(asked, received));
    (judged, explanation)
}

/// How the customers of the output differ from those of the input, if they do.
fn other_customers(asked: &Input, received: &Received) -> Option<String> {
    let blocks = asked.customers.iter().filter(|block| !block.events.is_empty());
    let expected: BTreeSet<u64> = blocks.map(|block| block.id.0).collect();
    let elements = received.elements.iter().filter(|element| !element.answers.is_empty());
    let found: BTreeSet<u64> = elements.map(|element| element.customer).collect();
    if expected == found {
        return None;
    }
    let input = counted(expected.len(), "customer", "customers");
    Some(if expected.len() == found.len() {
        format!(
            "the input and the output have {input} each, but not the same ones; check that they belong together"
        )
    } else {
        let output = found.len();
        format!("the input has {input}, the output {output}; check that they belong together")
    })
}

/// Judges the answers as they are, and if they fail, with the balances of 0 that may have been left out.
fn judge_with_zeros(asked: &Input, received: &Received) -> Judgement {
    let judged = judge(asked, received);
    if judged.verdict != Verdict::Fail {
        return judged;
    }
    let Some((filled, at)) = received.with_omitted_zeros() else { return judged };
    let mut with_zeros = judge(asked, &filled);
    if with_zeros.verdict == Verdict::Fail {
        return judged;
    }
    if received.answers().all(|answer| answer.balance.is_none()) {
        with_zeros.verdict = Verdict::Unknown;
        "no answer shows a balance: each may be a 0 that was left out, or missing"
            .clone_into(&mut with_zeros.finding.note);
    }
    let message =
        "a query without a balance is read as one of 0, which proto3 leaves out".to_owned();
    with_zeros.assumed.push(Warning { at, message });
    with_zeros
}

fn judge(asked: &Input, received: &Received) -> Judgement {
    let paired = pair_with(asked, received);
    let operations = paired.operations.iter().copied().enumerate();
    let one_after_another = sequential(asked.opening, operations.clone());
    let all_at_once = final_balance(asked.opening, operations);
    // The model that holds, or that fewer answers contradict.
    let rank = |finding: &Finding| (finding.verdict, finding.violations_total);
    let is_sequential_only = !may_be_concurrent(asked);
    let (model, mut finding) =
        if is_sequential_only || rank(&one_after_another) <= rank(&all_at_once) {
            (ReferenceModel::Sequential, one_after_another)
        } else {
            (ReferenceModel::FinalBalance, all_at_once)
        };
    if finding.verdict == Verdict::Pass && !paired.operations.is_empty() && paired.judged() == 0 {
        finding.verdict = Verdict::Unknown;
        "the file holds no answer that could be judged".clone_into(&mut finding.note);
    }
    let verdict = if paired.mismatches.is_empty() { finding.verdict } else { Verdict::Fail };
    let queries_only = || Warning {
        at: received.elements.first().map_or(Position { line: 1, column: 1 }, |first| first.at),
        message: "the file answers queries only; its writes are not judged".to_owned(),
    };
    let assumed = (received.shows_queries_only(asked) && paired.judged() > 0)
        .then(queries_only)
        .into_iter()
        .collect();
    Judgement { verdict, model, is_sequential_only, finding, paired, assumed }
}

/// Whether the answers may be those of the final-balance model. A customer alone is never concurrent,
/// and one who moves between branches is promised their own writes: a balance from the end is wrong there.
fn may_be_concurrent(asked: &Input) -> bool {
    let first = asked.customers.first().map(|block| block.id);
    asked.customers.iter().any(|block| Some(block.id) != first) && !asked.names_branches()
}

impl OutputReport {
    /// What the process is to end with.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::of(self.judged.verdict)
    }

    /// What was assumed while reading, with file, line and column.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The verdict and its reason in one line.
    pub fn verdict_line(&self) -> String {
        let Judgement { verdict, finding, .. } = &self.judged;
        let reason = match (verdict, &self.explanation) {
            (Verdict::Pass, _) => return format!("{}\n", verdict.name()),
            (_, Some(explanation)) => explanation.as_str(),
            (Verdict::Fail, None) if finding.verdict != Verdict::Fail => {
                "answers are missing or belong to other operations"
            }
            (_, None) => finding.property.name(),
        };
        format!("{} ({reason})\n", verdict.name())
    }

    /// The verdict, the model, the first differences, what stayed unjudged. Writing into a `String`
    /// cannot fail, so results are ignored here.
    pub fn render(&self) -> String {
        let Judgement { verdict, model, is_sequential_only, finding, paired, .. } = &self.judged;
        let mut text = String::new();
        let answers = paired.judged();
        let model = model_name(*model);
        let _ = match (verdict, &self.explanation) {
            (Verdict::Pass, _) => writeln!(text, "PASS  {answers} answers are correct ({model})"),
            (Verdict::Unknown | Verdict::NotJudged, _) => {
                writeln!(text, "UNKNOWN  {} ({model})", finding.note)
            }
            (Verdict::Fail, Some(explanation)) => writeln!(text, "FAIL  {explanation}"),
            (Verdict::Fail, None) if *is_sequential_only => writeln!(
                text,
                "FAIL  wrong by the {model} (the final-balance model is for several customers whose events name \
                 no branch)"
            ),
            (Verdict::Fail, None) => {
                writeln!(text, "FAIL  wrong by every model; nearest is the {model}")
            }
        };
        let wrong = finding.violations.iter().map(|violation| violation.description.as_str());
        let mismatched = paired.mismatches.iter().map(String::as_str);
        let mut shown = 0;
        for difference in mismatched.chain(wrong).take(DIFFERENCES_SHOWN) {
            shown += 1;
            let _ = writeln!(text, "  {difference}");
        }
        let mismatches = u64::try_from(paired.mismatches.len()).unwrap_or(u64::MAX);
        let more = finding.violations_total.saturating_add(mismatches).saturating_sub(shown);
        if more > 0 {
            let _ = writeln!(text, "  … and {more} more differences");
        }
        if paired.unjudged_writes > 0 {
            let _ = writeln!(
                text,
                "  {} writes have no result in the file: they are not judged; the model decides which of them count",
                paired.unjudged_writes
            );
        }
        text
    }
}
