//! gRPC's status codes by the names of its specification.

use serde::{Deserialize, Serialize};

/// A gRPC status code.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the gRPC specification defines each")]
pub enum StatusCode {
    #[default]
    Ok,
    Cancelled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

impl StatusCode {
    /// All codes, each at the index of its number on the wire.
    pub const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The name in the specification, which reports and files use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }

    /// The code with this name in the specification.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == name)
    }

    /// The number on the wire.
    pub fn number(self) -> i32 {
        let index = Self::ALL.iter().position(|code| *code == self);
        index.and_then(|index| i32::try_from(index).ok()).unwrap_or_default()
    }

    /// The code with this number on the wire; `Unknown` for a number that the specification does not define.
    pub fn of_number(number: i32) -> Self {
        let index = usize::try_from(number).ok();
        index.and_then(|index| Self::ALL.get(index).copied()).unwrap_or(Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_code_is_found_by_name_and_number() {
        for (number, code) in (0..).zip(StatusCode::ALL) {
            assert_eq!(StatusCode::of_name(code.name()), Some(code));
            assert_eq!(StatusCode::of_number(number), code);
            assert_eq!(code.number(), number);
        }
        assert_eq!(StatusCode::of_name("unavailable"), None);
        assert_eq!(StatusCode::of_number(17), StatusCode::Unknown);
        assert_eq!(StatusCode::of_number(-1), StatusCode::Unknown);
    }
}
