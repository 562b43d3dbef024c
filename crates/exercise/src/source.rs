//! The bytes of an input or an output file, as text.

#![expect(clippy::disallowed_methods, reason = "it reads what a user names")]

use std::io::{self, Read};
use std::path::Path;

use thiserror::Error;

use super::notation::{InvalidContent, Position};

/// The path that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// A file that cannot be read, or that does not mean what it should. The message names the file, the place, what was
/// expected and what to do.
#[derive(Debug, Error)]
pub enum FileError {
    /// The path leads to a folder.
    #[error("{name}: is a folder; give the path of a file")]
    Folder {
        /// The file.
        name: String,
    },
    /// The file could not be read.
    #[error("{name}: cannot be read: {cause}; give the path of a file, or - for standard input")]
    Unreadable {
        /// The file.
        name: String,
        /// Why.
        cause: io::Error,
    },
    /// It is not UTF-8 text.
    #[error("{name}: is {found}; save it as UTF-8 text")]
    NotText {
        /// The file.
        name: String,
        /// What it is instead.
        found: String,
    },
    /// It is in no notation that is known, or cannot be carried out.
    #[error("{name}:{at}: {message}")]
    Invalid {
        /// The file.
        name: String,
        /// The place in it.
        at: Position,
        /// Which element, what was expected, what to do.
        message: String,
    },
}

impl FileError {
    pub(super) fn invalid(path: &Path, InvalidContent { at, message }: InvalidContent) -> Self {
        Self::Invalid { name: source_name(path), at, message }
    }
}

/// What messages call the file at `path`.
pub fn source_name(path: &Path) -> String {
    if is_standard_input(path) { "standard input".to_owned() } else { path.display().to_string() }
}

/// Whether `path` stands for standard input.
pub fn is_standard_input(path: &Path) -> bool {
    path == Path::new(STANDARD_INPUT)
}

/// Reads the file at `path`, or standard input to its end.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let read = if is_standard_input(path) {
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    read.map_err(|cause| {
        let name = source_name(path);
        if cause.kind() == io::ErrorKind::IsADirectory {
            FileError::Folder { name }
        } else {
            FileError::Unreadable { name, cause }
        }
    })
}

/// `bytes` as text; `path` is for messages.
pub(super) fn text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, FileError> {
    let not_text = |found: String| FileError::NotText { name: source_name(path), found };
    // Text of this exercise begins with ASCII, so one of two bytes is zero in UTF-16.
    let is_utf16 = matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]);
    if is_utf16 {
        return Err(not_text("UTF-16 text".to_owned()));
    }
    if let Some(zero) = bytes.iter().position(|byte| *byte == 0) {
        return Err(not_text(format!("binary, with a zero byte at offset {zero}")));
    }
    std::str::from_utf8(bytes)
        .map_err(|error| not_text(format!("not UTF-8 text at offset {}", error.valid_up_to())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        text(Path::new("in.json"), bytes).expect_err("refused").to_string()
    }

    #[test]
    fn bytes_that_are_no_text_are_named_by_what_they_are() {
        assert_eq!(refusal(b"\xff\xfe[\0]\0"), "in.json: is UTF-16 text; save it as UTF-8 text");
        assert!(refusal(b"[\0]\0").contains("UTF-16"));
        assert!(refusal(b"\0[\0]").contains("UTF-16"));
        assert!(refusal(b"[{\0}]").contains("binary, with a zero byte at offset 2"));
        assert!(refusal(b"[{\xff}]").contains("not UTF-8 text at offset 2"));
        assert_eq!(text(Path::new("in.json"), b"[]").expect("text"), "[]");
        assert_eq!(text(Path::new("in.json"), b"").expect("text"), "");
    }

    #[test]
    fn a_folder_and_a_missing_file_are_told_apart() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let folder = read_bytes(home.path()).expect_err("a folder").to_string();
        assert!(folder.ends_with("is a folder; give the path of a file"), "{folder}");
        let missing = read_bytes(&home.path().join("no")).expect_err("missing").to_string();
        assert!(missing.contains("cannot be read"), "{missing}");
    }
}
