//! Reads an `output.json` that loadgen wrote, answer by answer, in little memory.

#![expect(clippy::disallowed_types, reason = "it reads a file as a stream")]

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::notation::Position;
use super::output::ResultName;
use super::received::{CustomerAnswers, Received, ReceivedError};
use super::source::SourceError;
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
/// a JSON array, or Python's notation with an element a line. Whether the file was there to its end: of one
/// that was cut, what is left is handed over.
///
/// # Errors
/// The file cannot be read, or something in it is not as loadgen writes it.
pub fn read_answers(
    path: &Path,
    mut each: impl FnMut(CustomerId, &WrittenAnswer<'_>),
) -> Result<bool, ReceivedError> {
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

fn unreadable(path: &Path, source: io::Error) -> ReceivedError {
    SourceError::Unreadable { name: path.display().to_string(), source }.into()
}

fn array(
    path: &Path,
    from: impl io::Read,
    each: &mut impl FnMut(CustomerId, &WrittenAnswer<'_>),
) -> Result<bool, ReceivedError> {
    let mut json = serde_json::Deserializer::from_reader(from);
    let read = Elements(each).deserialize(&mut json).and_then(|()| json.end());
    let Err(error) = read else { return Ok(true) };
    if error.is_eof() {
        return Ok(false);
    }
    if error.is_io() {
        return Err(unreadable(path, error.into()));
    }
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    Err(ReceivedError::Invalid {
        path: path.to_owned(),
        at: Position { line: error.line(), column: error.column() },
        message: format!("not an output of loadgen: {message}"),
    })
}

/// Each line by the reader that takes any notation.
fn lines(
    path: &Path,
    mut from: impl BufRead,
    each: &mut impl FnMut(CustomerId, &WrittenAnswer<'_>),
) -> Result<bool, ReceivedError> {
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
fn on_line(error: ReceivedError, line: usize) -> ReceivedError {
    match error {
        ReceivedError::Invalid { path, at, message } => {
            ReceivedError::Invalid { path, at: Position { line, ..at }, message }
        }
        source @ ReceivedError::Source(_) => source,
    }
}

/// An answer as JSON has it.
#[derive(Debug, Deserialize)]
struct AnswerRecord {
    interface: Interface,
    #[serde(default)]
    branch: Option<u64>,
    #[serde(default)]
    result: Option<ResultName>,
    #[serde(default)]
    balance: Option<i64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Interface {
    Deposit,
    Withdraw,
    Query,
}

impl Interface {
    const fn name(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::Withdraw => "withdraw",
            Self::Query => "query",
        }
    }
}

/// The array of elements.
struct Elements<'e, F>(&'e mut F);

/// An element: `{"id", "recv"}`.
struct Element<'e, F>(&'e mut F);

/// What an element's customer received.
struct Answers<'e, F> {
    customer: CustomerId,
    each: &'e mut F,
}

impl<'de, F: FnMut(CustomerId, &WrittenAnswer<'_>)> DeserializeSeed<'de> for Elements<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(CustomerId, &WrittenAnswer<'_>)> Visitor<'de> for Elements<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(Element(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

impl<'de, F: FnMut(CustomerId, &WrittenAnswer<'_>)> DeserializeSeed<'de> for Element<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, F: FnMut(CustomerId, &WrittenAnswer<'_>)> Visitor<'de> for Element<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an element: {\"id\", \"recv\"}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut customer = None;
        while let Some(key) = members.next_key::<String>()? {
            match (key.as_str(), customer) {
                ("id", None) => customer = Some(CustomerId(members.next_value()?)),
                ("recv", Some(customer)) => {
                    members.next_value_seed(Answers { customer, each: &mut *self.0 })?;
                }
                ("id", Some(_)) => return Err(A::Error::duplicate_field("id")),
                ("recv", None) => return Err(A::Error::custom("expected \"id\" before \"recv\"")),
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        if customer.is_none() { Err(A::Error::missing_field("id")) } else { Ok(()) }
    }
}

impl<'de, F: FnMut(CustomerId, &WrittenAnswer<'_>)> DeserializeSeed<'de> for Answers<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(CustomerId, &WrittenAnswer<'_>)> Visitor<'de> for Answers<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of answers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut answers: A) -> Result<(), A::Error> {
        while let Some(record) = answers.next_element::<AnswerRecord>()? {
            let AnswerRecord { interface, branch, result, balance } = record;
            let written = WrittenAnswer {
                interface: interface.name(),
                branch,
                result: result.map(ResultName::name),
                balance,
            };
            (self.each)(self.customer, &written);
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "they write the files that are read")]
mod tests {
    use super::super::output::{Element, Entry, Notation};
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
            interface: interface.to_owned(),
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
    fn of_a_file_that_was_cut_what_is_left_is_read() {
        for notation in [Notation::Json, Notation::PythonLines] {
            let text = written(notation);
            for length in 0..text.len() - 1 {
                let (answers, is_whole) = read(&text[..length]).expect("a cut file is read");
                let lines = notation == Notation::PythonLines && text[..length].ends_with(b"\n");
                assert_eq!(is_whole, lines, "{length}");
                assert!(answers.len() <= 3);
            }
        }
    }

    #[test]
    fn what_loadgen_never_writes_is_refused_with_its_place() {
        for (text, expected) in [
            ("[{\"id\":1,\n\"recv\":[{\"interface\":\"steal\"}]}]", "output.json:2:"),
            ("[{\"recv\":[],\"id\":1}]", "expected \"id\" before \"recv\""),
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
