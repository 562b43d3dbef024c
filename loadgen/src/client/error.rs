//! Why a call has no answer that its contract defines, and what that proves.

use std::error::Error as StdError;

use bank::{Outcome, StatusCode};
use passbook::wire::{Failure, is_sent_by_server, outcome_of, root_cause, status_code};
use thiserror::Error;
use tonic::{Code, Status, TimeoutExpired};

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
    #[error("{}", describe(.0))]
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
    /// The error of a call of `method`, which is named if the server does not serve it.
    pub(super) fn with_method(self, method: &'static str) -> Self {
        match self {
            Self::Status(status) if status.code() == Code::Unimplemented => {
                let message = format!("{} (method {method})", status.message());
                let metadata = status.metadata().clone();
                Self::Status(Status::with_metadata(status.code(), message.trim_start(), metadata))
            }
            other => other,
        }
    }

    /// What became of the operation. Only an error that the server sent can be definite.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Status(status) => outcome_of(status),
            _ => Outcome::Unknown,
        }
    }

    /// The status for records and reports.
    pub(super) fn call_status(&self) -> CallStatus {
        match self {
            Self::UndefinedWord { word, expected } => CallStatus::undefined_word(word, expected),
            // The server's deadline and the client's are the same; which one comes first is chance.
            Self::Status(status) if status.code() == Code::DeadlineExceeded => {
                Self::TimedOut.call_status()
            }
            Self::Status(status) => CallStatus::failed(self.code(), false, status.message()),
            _ => {
                let is_unanswered = matches!(self, Self::TimedOut | Self::Disconnected { .. });
                CallStatus::failed(self.code(), is_unanswered, &self.to_string())
            }
        }
    }

    /// The gRPC status code.
    pub(super) fn code(&self) -> StatusCode {
        match self {
            Self::NotSent(_) => StatusCode::InvalidArgument,
            Self::TimedOut => StatusCode::DeadlineExceeded,
            Self::Disconnected { code, .. } | Self::Unreadable { code, .. } => *code,
            Self::Status(status) => status_code(status.code()),
            Self::UndefinedWord { .. } => StatusCode::Ok,
        }
    }

    /// The code as tonic has it, for spans.
    pub(super) fn grpc_code(&self) -> Code {
        Code::from(self.code().number())
    }

    /// Whether the next call would fail as well if it were sent at once. Who waited for a deadline has paused already.
    pub(super) fn is_overloaded_or_gone(&self) -> bool {
        match self {
            Self::Disconnected { .. } => true,
            Self::Status(status) => {
                matches!(status.code(), Code::Unavailable | Code::ResourceExhausted)
            }
            // A proxy without a server behind it.
            Self::Unreadable { code, .. } => *code == StatusCode::Unavailable,
            _ => false,
        }
    }

    /// Whether the same call would fail again, however often it is repeated.
    pub(crate) fn is_definite(&self) -> bool {
        match self {
            Self::NotSent(_) => true,
            Self::Status(status) => matches!(
                status.code(),
                Code::Unimplemented
                    | Code::NotFound
                    | Code::InvalidArgument
                    | Code::PermissionDenied
                    | Code::Unauthenticated
            ),
            _ => false,
        }
    }

    /// Whether the server does not know the method, so that it may serve another contract.
    pub(crate) fn is_other_contract(&self) -> bool {
        matches!(self, Self::Status(status)
            if matches!(status.code(), Code::Unimplemented | Code::NotFound))
    }

    /// Whether the connection failed, so that the server's first bytes may name the cause.
    pub(crate) const fn is_disconnected(&self) -> bool {
        matches!(self, Self::Disconnected { .. })
    }
}

/// The code and the message of a status.
fn describe(status: &Status) -> String {
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
                    Self::Disconnected { code: StatusCode::Unavailable, cause: message }
                }
                _ => Self::Unreadable { code, message },
            };
        };
        if causes(source).any(<dyn StdError>::is::<TimeoutExpired>) {
            return Self::TimedOut;
        }
        // tonic does not know the errors of sockets; to gRPC a lost connection is UNAVAILABLE.
        let code = if code == StatusCode::Unknown { StatusCode::Unavailable } else { code };
        Self::Disconnected { code, cause: root_cause(source) }
    }
}

/// `error` and its causes, the innermost last.
fn causes<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use bank::{Money, Rejection};
    use tonic::metadata::MetadataMap;

    use super::*;

    /// A status as [`passbook::wire::MarkingChannel`] hands it over when the server sent it.
    fn sent(code: Code, message: &str) -> Status {
        let mut metadata = MetadataMap::new();
        metadata.insert("passbook-received", "1".parse().expect("ascii"));
        Status::with_metadata(code, message, metadata)
    }

    #[test]
    fn errors_are_definite_only_if_the_server_sent_them() {
        for number in 1..17 {
            let code = Code::from(number);
            let error = CallError::from(Status::new(code, "made by the client library"));
            assert_eq!(error.outcome(), Outcome::Unknown, "{code:?}");
        }
        let not_sent = CallError::from(Failure::BeyondInt32(Money::new(i64::MAX)));
        assert_eq!(not_sent.outcome(), Outcome::Unknown);
        assert!(!not_sent.call_status().is_unanswered());
        for (code, reason) in [
            (Code::InvalidArgument, Rejection::BadRequest),
            (Code::PermissionDenied, Rejection::NotServed),
            (Code::Unimplemented, Rejection::NotServed),
        ] {
            let outcome = CallError::from(sent(code, "no")).with_method("Bank/Query").outcome();
            assert_eq!(outcome, Outcome::Rejected(reason));
        }
        for code in [Code::Internal, Code::Unknown, Code::Aborted, Code::ResourceExhausted] {
            assert_eq!(CallError::from(sent(code, "no")).outcome(), Outcome::Unknown);
        }
    }

    #[test]
    fn lost_connection_is_unanswered_and_its_cause_is_kept() {
        let mut status = Status::unknown("transport error");
        status.set_source(Arc::new(io::Error::from_raw_os_error(104)));
        let error = CallError::from(status);
        let status = error.call_status();
        assert!(status.is_unanswered() && error.is_overloaded_or_gone());
        assert_eq!(status.code, StatusCode::Unavailable);
        assert!(error.to_string().starts_with("connection reset"), "{error}");
    }

    #[test]
    fn deadline_is_unanswered_whoever_keeps_it_and_not_overload() {
        for error in [CallError::TimedOut, CallError::from(sent(Code::DeadlineExceeded, "late"))] {
            let status = error.call_status();
            assert_eq!(status, CallError::TimedOut.call_status(), "one row in the report");
            assert!(status.is_unanswered() && !error.is_overloaded_or_gone());
            assert_eq!(status.code, StatusCode::DeadlineExceeded);
        }
    }

    #[test]
    fn only_servers_that_shed_load_make_customers_back_off() {
        let backs_off = |status: Status| CallError::from(status).is_overloaded_or_gone();
        assert!(backs_off(sent(Code::Unavailable, "shedding load")));
        assert!(backs_off(sent(Code::ResourceExhausted, "quota")));
        assert!(!backs_off(Status::out_of_range("decoded message length too large")));
        assert!(!backs_off(sent(Code::Internal, "exception")));
        assert!(!backs_off(sent(Code::FailedPrecondition, "contended")));
    }

    #[test]
    fn method_that_is_not_served_is_named() {
        let error = CallError::from(sent(Code::Unimplemented, "Method not found!"));
        let error = error.with_method("bank.Bank/MsgDelivery");
        let expected = "UNIMPLEMENTED: Method not found! (method bank.Bank/MsgDelivery)";
        assert_eq!(error.to_string(), expected);
    }
}
