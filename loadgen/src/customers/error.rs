//! Why a call has no answer that its contract defines, and what that proves.

use std::error::Error as StdError;
use std::io;

use passbook::bank::{Outcome, StatusCode};
use passbook::wire::{Failure, outcome_of, status_code};
use thiserror::Error;
use tonic::{Code, Status, TimeoutExpired};

use super::received::is_sent_by_server;
use crate::record::CallStatus;

/// Why a call has no answer that its contract defines.
#[derive(Debug, Error)]
pub enum CallError {
    /// The contract cannot carry the request.
    #[error("the request was not sent: {0}")]
    NotSent(String),
    /// The deadline passed.
    #[error("no answer in time")]
    TimedOut,
    /// The branch answers, but does not serve yet.
    #[error("the branch does not become ready")]
    NotReady,
    /// The connection failed before an answer came.
    #[error("{cause}")]
    Disconnected {
        /// By the client library's reckoning.
        code: StatusCode,
        /// The innermost cause.
        cause: String,
    },
    /// The server answered with something that is no answer of gRPC, or that the client does not accept.
    #[error("{message}")]
    Unreadable {
        /// By the client library's reckoning.
        code: StatusCode,
        /// What is wrong with it.
        message: String,
    },
    /// The server answered with an error.
    #[error("{}", sentence(.0))]
    Status(Status),
    /// The answer has a status word that the contract does not define.
    #[error("the status of the answer is {word:?}, expected {expected}")]
    UndefinedWord {
        /// The word.
        word: String,
        /// What the contract defines, for people.
        expected: &'static str,
    },
}

impl CallError {
    /// What became of the operation. Only an error that the server sent can be definite.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Status(status) => outcome_of(status),
            Self::NotSent(_)
            | Self::TimedOut
            | Self::NotReady
            | Self::Disconnected { .. }
            | Self::Unreadable { .. }
            | Self::UndefinedWord { .. } => Outcome::Unknown,
        }
    }

    /// The status for records and reports.
    pub(super) fn call_status(&self) -> CallStatus {
        match self {
            Self::UndefinedWord { word, expected } => CallStatus::undefined_word(word, expected),
            // The server's deadline and the client's are the same; which one comes first is chance.
            Self::Status(status) => {
                let is_unanswered = status.code() == Code::DeadlineExceeded;
                CallStatus::failed(self.code(), is_unanswered, status.message())
            }
            Self::NotSent(_) | Self::NotReady | Self::Unreadable { .. } => {
                CallStatus::failed(self.code(), false, &self.to_string())
            }
            Self::TimedOut | Self::Disconnected { .. } => {
                CallStatus::failed(self.code(), true, &self.to_string())
            }
        }
    }

    /// The gRPC status code.
    pub(super) fn code(&self) -> StatusCode {
        match self {
            Self::NotSent(_) => StatusCode::InvalidArgument,
            Self::TimedOut => StatusCode::DeadlineExceeded,
            Self::NotReady => StatusCode::Unavailable,
            Self::Disconnected { code, .. } | Self::Unreadable { code, .. } => *code,
            Self::Status(status) => status_code(status.code()),
            Self::UndefinedWord { .. } => StatusCode::Ok,
        }
    }

    /// The code as tonic has it, for spans.
    pub(super) fn grpc_code(&self) -> Code {
        Code::from(self.code().number())
    }

    /// Whether the connection failed, so that the server's first bytes may name the cause.
    pub(crate) const fn is_disconnected(&self) -> bool {
        matches!(self, Self::Disconnected { .. })
    }
}

/// The code and the message of a status.
fn sentence(status: &Status) -> String {
    let code = status_code(status.code()).name();
    match status.message() {
        "" => code.to_owned(),
        message => format!("{code}: {message}"),
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self::NotSent(failure.to_string())
    }
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        if is_sent_by_server(&status) {
            return Self::Status(status);
        }
        let code = status_code(status.code());
        let Some(source) = status.source() else {
            let message = status.message().to_owned();
            return match status.code() {
                // These two are how tonic reports the limit that --max-message sets.
                Code::OutOfRange | Code::ResourceExhausted => {
                    let message = format!(
                        "the answer is larger than --max-message allows; give more ({message})"
                    );
                    Self::Unreadable { code: StatusCode::ResourceExhausted, message }
                }
                // The worker behind the channel is gone, and tonic keeps only the text of it.
                Code::Unknown if message.starts_with("Service was not ready") => {
                    Self::Disconnected { code, cause: message }
                }
                _ => Self::Unreadable { code, message },
            };
        };
        if causes(source).any(|cause| cause.is::<TimeoutExpired>()) {
            return Self::TimedOut;
        }
        Self::Disconnected { code, cause: innermost(source) }
    }
}

/// `error` and its causes, the innermost last.
fn causes<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

/// The innermost cause of an error: those around it only report that something failed.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let cause = causes(error).last().unwrap_or(error);
    match cause.downcast_ref::<io::Error>() {
        Some(error) if error.raw_os_error().is_some() => error.kind().to_string(),
        _ => cause.to_string(),
    }
}
