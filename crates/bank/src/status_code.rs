//! gRPC's status codes by the names of its specification.

use serde::{Deserialize, Serialize};
use strum::{EnumString, FromRepr, IntoStaticStr};

/// A gRPC status code, in one byte: a history has one for each operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(EnumString, FromRepr, IntoStaticStr, Serialize, Deserialize)]
#[repr(u8)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
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
    /// The name in the specification, which reports and files use.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The number on the wire.
    pub const fn number(self) -> i32 {
        #[expect(clippy::as_conversions, reason = "the variants are in the order of the numbers")]
        {
            self as i32
        }
    }

    /// The code with this number on the wire; `Unknown` for a number that the specification does not define.
    pub fn of_number(number: i32) -> Self {
        u8::try_from(number).ok().and_then(Self::from_repr).unwrap_or(Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_code_has_the_specified_number_and_name() {
        let specified = [(0, "OK"), (5, "NOT_FOUND"), (14, "UNAVAILABLE"), (16, "UNAUTHENTICATED")];
        for (number, name) in specified {
            let code = StatusCode::of_number(number);
            assert_eq!((code.number(), code.name()), (number, name));
            assert_eq!(name.parse(), Ok(code));
        }
        assert!("unavailable".parse::<StatusCode>().is_err());
        assert_eq!(StatusCode::of_number(17), StatusCode::Unknown);
        assert_eq!(StatusCode::of_number(-1), StatusCode::Unknown);
    }
}
