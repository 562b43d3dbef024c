//! A recorded run, judged from its folder: what is on disk and nothing else, so the verdict of a run and that of
//! the same folder, judged again, are one.

use std::path::{Path, PathBuf};

use check::{Finding, Judged, OutputFile, Verdict, Violation, judge, verdict};
use exercise::{FileError, read_answers};
use history::{Header, RecordedError, Run};
use replication::Scheme;
use thiserror::Error;

use crate::record::run_folder::{COMPARISON, HISTORY, LEDGER, OUTPUT};

/// A folder cannot be judged.
#[derive(Debug, Error)]
pub enum JudgeError {
    /// It is not the folder of one recorded run.
    #[error("{}: {reason}", path.display())]
    Unfit {
        /// The folder.
        path: PathBuf,
        /// Why not, and what to do.
        reason: String,
    },
    /// What was recorded cannot be read.
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    /// `output.json` cannot be read.
    #[error(transparent)]
    Output(#[from] FileError),
}

/// A broken promise, told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The place of what it breaks in [`JudgedRun::checks`].
    pub check: usize,
    /// Who did what, when, at which branch, and why that cannot be.
    pub lines: Vec<String>,
}

/// A recorded run and what was found.
#[derive(Clone, Debug)]
pub struct JudgedRun {
    /// What the run was set to.
    pub header: Header,
    /// How many operations the history has.
    pub operations: usize,
    /// Whether it has all operations of the run.
    pub is_whole: bool,
    /// A verdict a property: the file's, that of its reference model if it has one, and those of the history.
    pub checks: Vec<Judged>,
    /// The first broken promise, if one is.
    pub counterexample: Option<Counterexample>,
}

impl JudgedRun {
    /// The worst verdict on what was promised.
    pub fn verdict(&self) -> Verdict {
        verdict(&self.checks)
    }
}

/// Judges the run that is recorded in `folder`: `output.json` against the history, and the history and the
/// ledgers in every property. Reads all of the history and the ledgers into memory, and `output.json` answer by
/// answer.
///
/// # Errors
/// The folder is not that of a recorded run, or one of its files cannot be read.
pub fn judge_folder(folder: &Path) -> Result<JudgedRun, JudgeError> {
    if let Some(reason) = unfit(folder) {
        return Err(JudgeError::Unfit { path: folder.to_owned(), reason });
    }
    let run = Run::read(&folder.join(HISTORY), &folder.join(LEDGER))?;
    let mut output = OutputFile::of(&run.history);
    let is_whole =
        read_answers(&folder.join(OUTPUT), |customer, answer| output.add(customer, answer))?;
    let mut checks = vec![Judged::under(run.header.settings, output.finish(is_whole))];
    checks.extend(judge(&run));
    let counterexample = checks.iter().enumerate().find_map(|(check, judged)| {
        let finding = &judged.finding;
        let broken = judged.promised && finding.verdict == Verdict::Fail;
        let violation = telling(finding).filter(|_| broken)?;
        Some(Counterexample { check, lines: check::counterexample(&run, finding, violation) })
    });
    let (operations, is_whole) = (run.history.len(), run.history.is_complete());
    Ok(JudgedRun { header: run.header, operations, is_whole, checks, counterexample })
}

/// The violation that tells most: the first that names operations.
fn telling(finding: &Finding) -> Option<&Violation> {
    let named = finding.violations.iter().find(|violation| !violation.operations.is_empty());
    named.or(finding.violations.first())
}

/// Why this is not the folder of one recorded run, if so.
fn unfit(folder: &Path) -> Option<String> {
    if !folder.is_dir() {
        let is_file = folder.exists();
        return Some(if is_file {
            "is no folder; give the folder of a recorded run, or --input FILE and the output of any program"
                .to_owned()
        } else {
            "there is no such folder; give the folder of a recorded run".to_owned()
        });
    }
    let runs = Scheme::NAMES.iter().map(|scheme| folder.join(scheme));
    let runs: Vec<String> = runs
        .filter(|run| run.join(HISTORY).is_file())
        .map(|run| run.display().to_string())
        .collect();
    if folder.join(COMPARISON).is_file() && !runs.is_empty() {
        return Some(format!("holds a run of each scheme; give one of them: {}", runs.join(", ")));
    }
    let missing =
        [HISTORY, LEDGER, OUTPUT].into_iter().find(|name| !folder.join(name).is_file())?;
    Some(format!(
        "is not the folder of a recorded run: there is no {missing}; give a folder that a run wrote \
         with its recording on"
    ))
}
