//! How a process of loadgen ends.

use check::Verdict;

/// The exit code of a process. The order of the design's list decides where several apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Every promise held.
    Passed = 0,
    /// The run could not be done.
    NotDone = 1,
    /// Bad arguments or input.
    BadInput = 2,
    /// The correctness gate failed.
    Failed = 3,
    /// The verdict is unknown.
    Unknown = 5,
    /// Interrupted, after reporting.
    Interrupted = 130,
}

impl ExitCode {
    /// What a verdict ends a process with.
    pub const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Passed,
            Verdict::Unknown | Verdict::NotJudged => Self::Unknown,
            Verdict::Fail => Self::Failed,
        }
    }

    /// The number the shell sees.
    #[expect(clippy::as_conversions, reason = "the discriminant of a `repr(u8)`")]
    pub const fn number(self) -> u8 {
        self as u8
    }
}
