//! With which status an operation ended.

use bank::StatusCode;

/// Characters of a status word that are kept.
const WORD_CHARS: usize = 64;
/// Characters of a message that are kept.
const MESSAGE_CHARS: usize = 200;

/// The status with which an operation ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallStatus {
    /// The gRPC status code, from the server or, where nothing came from it, from the client library.
    pub code: StatusCode,
    /// `None` if the call ended with an answer that the contract defines.
    pub failure: Option<Box<CallFailure>>,
}

/// Details of a call without an answer that the contract defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFailure {
    /// Whether the deadline passed or the connection failed before an answer came.
    pub is_unanswered: bool,
    /// The status word, if the answer has one that the contract does not define.
    pub word: Option<UndefinedWord>,
    /// At most 200 characters; empty if the server sent none.
    pub message: String,
}

/// A status word that the contract does not define.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndefinedWord {
    /// At most 64 characters of it.
    pub word: String,
    /// What the contract defines instead, for people.
    pub expected: &'static str,
}

impl CallStatus {
    /// The status of a call that failed with `code`.
    pub fn failed(code: StatusCode, is_unanswered: bool, message: &str) -> Self {
        let message = truncate(message, MESSAGE_CHARS);
        Self { code, failure: Some(Box::new(CallFailure { is_unanswered, word: None, message })) }
    }

    /// The status of a call whose answer has a word that the contract does not define.
    pub fn undefined_word(word: &str, expected: &'static str) -> Self {
        let word = Some(UndefinedWord { word: truncate(word, WORD_CHARS), expected });
        let failure = CallFailure { is_unanswered: false, word, message: String::new() };
        Self { code: StatusCode::Ok, failure: Some(Box::new(failure)) }
    }

    /// The status word, if the contract does not define it.
    pub fn word(&self) -> Option<&UndefinedWord> {
        self.failure.as_ref()?.word.as_ref()
    }

    /// Whether the deadline passed or the connection failed before an answer came.
    pub fn is_unanswered(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.is_unanswered)
    }
}

/// The first `limit` characters of `text`, with an ellipsis if there are more.
fn truncate(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_word_and_message_are_cut_at_a_character() {
        let status = CallStatus::undefined_word(&"ä".repeat(65), "\"success\"");
        let word = &status.word().expect("a word").word;
        assert_eq!(*word, format!("{}…", "ä".repeat(64)));
        let status = CallStatus::undefined_word(&"ä".repeat(64), "\"success\"");
        assert_eq!(status.word().expect("a word").word, "ä".repeat(64));
        let status = CallStatus::failed(StatusCode::Internal, false, &"x".repeat(5_000));
        assert_eq!(status.failure.expect("failed").message.chars().count(), 201);
    }
}
