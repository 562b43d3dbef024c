//! Reads an `output.json` that loadgen wrote, answer by answer, in little memory.

#![expect(clippy::disallowed_types, reason = "it reads a file as a stream")]

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde::Deserializer as _;
use serde::de::{SeqAccess, Visitor};

use super::notation::{InvalidContent, Position};
use super::output::{Element, Entry, ResultName};
use super::received::{CustomerAnswers, Received};
use super::source::FileError;
use bank::CustomerId;

/// One answer as `output.json` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenAnswer<'a> {
    /// `query`, `deposit` or `withdraw`.
    pub interface: &'a str,
    /// The branch, where the file names it.
    pub branch: Option<u64>,
    /// `success`, `fail` or `unknown`, where the file says it.
    pub result: Option<&'a str>,
    /// The balance, where the file shows one.
    pub balance: Option<i64>,
}

/// Reads the output at `path` in one of loadgen's own forms and hands over each answer, in the order of the file:
/// a JSON array, or Python's notation with an element a line. Returns whether the file is complete: of a file that was
/// cut, the complete elements are handed over.
///
/// # Errors
/// The file cannot be read, or something in it is not as loadgen writes it.
pub fn read_answers(
    path: &Path,
    mut each: impl FnMut(CustomerId, &WrittenAnswer<'_>),
) -> Result<bool, FileError> {
    let unreadable = |source| unreadable(path, source);
    let file = File::open(path).map_err(unreadable)?;
    let mut from = BufReader::with_capacity(1 << 16, file);
    let first =
        from.fill_buf().map_err(unreadable)?.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        Some(b'{') => lines(path, from, &mut each),
        _ => array(path, from, &mut each),
    }
}

fn unreadable(path: &Path, cause: io::Error) -> FileError {
    FileError::Unreadable { name: path.display().to_string(), cause }
}

fn array(
    path: &Path,
    from: impl io::Read,
    each: &mut impl FnMut(CustomerId, &WrittenAnswer<'_>),
) -> Result<bool, FileError> {
    let mut json = serde_json::Deserializer::from_reader(from);
    let read = json.deserialize_seq(Elements(each)).and_then(|()| json.end());
    let Err(error) = read else { return Ok(true) };
    if error.is_eof() {
        return Ok(false);
    }
    if error.is_io() {
        return Err(unreadable(path, error.into()));
    }
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    let at = Position { line: error.line(), column: error.column() };
    let message = format!("not an output of loadgen: {message}");
    Err(FileError::invalid(path, InvalidContent { at, message }))
}

/// Each line by the reader that takes any notation.
fn lines(
    path: &Path,
    mut from: impl BufRead,
    each: &mut impl FnMut(CustomerId, &WrittenAnswer<'_>),
) -> Result<bool, FileError> {
    let unreadable = |source| unreadable(path, source);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if from.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        if line.last() != Some(&b'\n') {
            return Ok(false);
        }
        let received = Received::parse(path, &line).map_err(|error| on_line(error, number))?;
        for CustomerAnswers { customer, answers, .. } in received.elements {
            for answer in answers {
                let written = WrittenAnswer {
                    interface: answer.interface.as_deref().unwrap_or("query"),
                    branch: answer.branch,
                    result: answer.result.map(ResultName::name),
                    balance: answer.balance,
                };
                each(CustomerId(customer), &written);
            }
        }
    }
    Ok(true)
}

/// What was read was one line of the file.
fn on_line(error: FileError, line: usize) -> FileError {
    match error {
        FileError::Invalid { name, at, message } => {
            FileError::Invalid { name, at: Position { line, ..at }, message }
        }
        other => other,
    }
}

/// Reads an array of elements and keeps one of them at a time.
struct Elements<'e, F>(&'e mut F);

impl<'de, F: FnMut(CustomerId, &WrittenAnswer<'_>)> Visitor<'de> for Elements<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(Element { id, recv }) = elements.next_element()? {
            for Entry { interface, branch, result, balance } in recv {
                let (interface, branch) = (interface.name(), branch.map(u64::from));
                let result = result.map(ResultName::name);
                self.0(CustomerId(id), &WrittenAnswer { interface, branch, result, balance });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "they write the files that are read")]
mod tests {
    use super::super::output::Notation;
    use super::super::write::write_output;
    use super::*;

    type Read = (u64, String, Option<u64>, Option<String>, Option<i64>);

    fn read(text: &[u8]) -> Result<(Vec<Read>, bool), String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("output.json");
        std::fs::write(&path, text).expect("written");
        let mut all = Vec::new();
        let is_whole = read_answers(&path, |customer, answer| {
            let WrittenAnswer { interface, branch, result, balance } = *answer;
            let result = result.map(str::to_owned);
            all.push((customer.0, interface.to_owned(), branch, result, balance));
        });
        is_whole.map(|is_whole| (all, is_whole)).map_err(|error| error.to_string())
    }

    fn output() -> Vec<Element> {
        let entry = |interface: &str, branch, result, balance| Entry {
            interface: interface.parse().expect("an interface"),
            branch,
            result,
            balance,
        };
        vec![
            Element {
                id: 7,
                recv: vec![
                    entry("deposit", Some(2), Some(ResultName::Success), None),
                    entry("query", Some(1), None, Some(-4)),
                ],
            },
            Element { id: 8, recv: Vec::new() },
            Element { id: 7, recv: vec![entry("withdraw", None, Some(ResultName::Fail), None)] },
        ]
    }

    fn written(notation: Notation) -> Vec<u8> {
        let mut text = Vec::new();
        write_output(&mut text, output(), notation).expect("written");
        text
    }

    #[test]
    fn what_was_written_is_read_in_every_notation() {
        let (json, is_whole) = read(&written(Notation::Json)).expect("its own output");
        assert!(is_whole);
        let text = |text: &str| Some(text.to_owned());
        let expected: Vec<Read> = vec![
            (7, "deposit".to_owned(), Some(2), text("success"), None),
            (7, "query".to_owned(), Some(1), None, Some(-4)),
            (7, "withdraw".to_owned(), None, text("fail"), None),
        ];
        assert_eq!(json, expected);
        assert_eq!(read(&written(Notation::PythonLines)), Ok((expected.clone(), true)));
        let with_money = read(&written(Notation::PythonLinesWithMoney)).expect("its own output").0;
        assert_eq!(with_money[1].3, text("success"));
        assert_eq!(with_money[1].4, Some(-4));
    }

    #[test]
    fn complete_elements_of_a_cut_file_are_read() {
        for notation in [Notation::Json, Notation::PythonLines] {
            let text = written(notation);
            let (whole, _) = read(&text).expect("its own output");
            for length in 0..text.len() - 1 {
                let (answers, is_whole) = read(&text[..length]).expect("a cut file is read");
                let lines = notation == Notation::PythonLines && text[..length].ends_with(b"\n");
                assert_eq!(is_whole, lines, "{length}");
                assert!([0, 2, 3].contains(&answers.len()), "{answers:?}");
                assert_eq!(answers, whole[..answers.len()]);
            }
        }
    }

    #[test]
    fn what_loadgen_never_writes_is_refused_with_its_place() {
        for (text, expected) in [
            ("[{\"id\":1,\n\"recv\":[{\"interface\":\"steal\"}]}]", "output.json:2:"),
            ("[{}]", "missing field `id`"),
            ("[{\"id\":1,\"id\":2}]", "duplicate field `id`"),
            ("[] []", "trailing characters"),
            ("7", "expected a list of elements"),
            ("{'id': 1, 'recv': []}\n{'id': 1, 'recv': 7}\n", "output.json:2:"),
        ] {
            let message = read(text.as_bytes()).expect_err(text);
            assert!(message.contains(expected), "{message} lacks {expected}");
        }
    }
}
