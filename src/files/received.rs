//! Reads an output that any program made: every notation, shape and spelling of the seed systems.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::fields::{Fields, Misfit, integer, list, natural, word};
use super::input::mended;
use super::notation::{self, Node, Position, Value};
use super::output::ResultName;
use super::{Input, Warning};

/// One answer of a foreign output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Where it stands.
    pub at: Position,
    /// `query`, `deposit` or `withdraw`; `None` in outputs that show the balances of queries only.
    pub interface: Option<String>,
    /// The branch it says it is from.
    pub branch: Option<u64>,
    /// What became of it, if it says.
    pub result: Option<ResultName>,
    /// The balance it shows.
    pub balance: Option<i64>,
}

/// A foreign output: what each customer received, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// By customer. Blocks of one customer are joined: outputs merge them or do not.
    pub answers: BTreeMap<u64, Vec<Answer>>,
    /// What was mended while reading.
    pub warnings: Vec<Warning>,
}

/// The output cannot be judged.
#[derive(Debug, Error)]
pub enum ReceivedError {
    /// The file could not be read.
    #[error("{}: cannot be read: {source}; give the path of an output file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not text.
    #[error("{}: is not UTF-8 text; save it as UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// It is in no notation that is known.
    #[error("{}:{at}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Where.
        at: Position,
        /// What was expected.
        message: String,
    },
}

impl Received {
    /// Reads the output at `path`.
    pub fn read(path: &Path) -> Result<Self, ReceivedError> {
        let bytes = std::fs::read(path)
            .map_err(|source| ReceivedError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(path, &bytes)
    }

    /// As [`Received::read`], with the content given; `path` is for messages.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ReceivedError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| ReceivedError::NotText { path: path.to_owned() })?;
        let invalid = |at, message| ReceivedError::Invalid { path: path.to_owned(), at, message };
        let parsed = notation::parse(text).map_err(|error| invalid(error.at, error.message))?;
        let mut received = Self::default();
        for value in &parsed.values {
            received.add(value).map_err(|misfit| invalid(misfit.at, misfit.message))?;
        }
        received.warnings = mended(parsed.lenient);
        Ok(received)
    }

    /// A list of elements, an element, or a list of those.
    fn add(&mut self, node: &Node) -> Result<(), Misfit> {
        if let Value::List(elements) = &node.value {
            return elements.iter().try_for_each(|element| self.add_element(element));
        }
        self.add_element(node)
    }

    fn add_element(&mut self, node: &Node) -> Result<(), Misfit> {
        let element = Fields::of(node, "an element: {\"id\", \"recv\"}")?;
        let id = natural(element.require(&["id"], "\"id\": the customer's")?, "id")?;
        let answers = match element.get(&["recv"]) {
            Some(recv) => {
                let entries = list(recv, "a list of answers");
                entries.and_then(|e| e.iter().map(answer).collect::<Result<Vec<_>, _>>())
            }
            None => Ok(vec![answer(node)?]),
        };
        let answers = answers.map_err(|misfit| misfit.of(format_args!("customer {id}")))?;
        self.answers.entry(id).or_default().extend(answers);
        Ok(())
    }

    /// Whether the output shows nothing but balances of queries.
    pub fn shows_queries_only(&self, input: &Input) -> bool {
        let writes = input.events().any(|(_, _, event)| event.operation.name() != "query");
        writes && self.answers.values().flatten().all(|answer| answer.interface.is_none())
    }
}

fn answer(node: &Node) -> Result<Answer, Misfit> {
    let fields = Fields::of(node, "an answer: {\"interface\", \"result\" or \"balance\"}")?;
    let interface = fields.get(&["interface"]);
    let interface = interface.map(|node| word(node, "an interface")).transpose()?;
    let branch = fields.get(&["branch", "dest"]);
    let branch = branch.map(|node| natural(node, "branch")).transpose()?;
    let result = fields.get(&["result"]).map(result_name).transpose()?;
    let balance = fields.get(&["balance", "money"]);
    let balance = balance.map(|node| integer(node, "balance")).transpose()?;
    if interface.is_none() && balance.is_none() {
        let message = "found neither \"interface\" nor \"balance\"; expected an answer";
        return Err(Misfit::new(node.at, message));
    }
    Ok(Answer { at: node.at, interface, branch, result, balance })
}

fn result_name(node: &Node) -> Result<ResultName, Misfit> {
    let expected = "\"success\", \"fail\" or \"unknown\"";
    match word(node, expected)?.as_str() {
        "success" | "ok" => Ok(ResultName::Success),
        "fail" | "failed" | "failure" | "error" => Ok(ResultName::Fail),
        "unknown" => Ok(ResultName::Unknown),
        other => Err(Misfit::new(node.at, format!("result is {other:?}; expected {expected}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Received, String> {
        Received::parse(Path::new("out"), text.as_bytes()).map_err(|error| error.to_string())
    }

    /// What matters of an answer, whatever it was written in.
    fn essence(text: &str) -> Vec<(u64, Option<String>, Option<i64>)> {
        let received = read(text).expect(text);
        let all = received.answers.into_iter();
        all.flat_map(|(id, answers)| {
            answers.into_iter().map(move |answer| (id, answer.interface, answer.balance))
        })
        .collect()
    }

    #[test]
    fn every_notation_and_shape_says_the_same() {
        let expected = essence(
            r#"[{"id":1,"recv":[{"interface":"deposit","result":"success"},{"interface":"query","balance":410}]}]"#,
        );
        for text in [
            r#"{"id":1,"recv":[{"interface":"DEPOSIT","result":"SUCCESS"},{"interface":"QUERY","result":"SUCCESS","money":410.0}]}"#,
            "{'id': 1, 'recv': [{'interface': 'deposit', 'result': 'success'}]}\n{'id': 1, 'recv': [{'interface': 'query', 'result': 'success', 'money': 410}]}",
            r#"[{"id":1,"recv":[{"interface":"deposit","branch":1,"result":"success"}]},{"id":1,"recv":[{"interface":"query","branch":1,"balance":410},]},]"#,
            r#"{"id":1,"recv":[{"interface":"deposit","result":"success"}]}{"id":1,"recv":[{"interface":"query","balance":410}]}"#,
        ] {
            assert_eq!(essence(text), expected, "{text}");
        }
        assert_eq!(essence(r#"{"id": 1, "balance": 400}"#), [(1, None, Some(400))]);
    }

    #[test]
    fn what_is_no_output_is_refused_with_its_place() {
        for (text, expected) in [
            ("", "out:1:1: the file is empty"),
            ("7", "out:1:1: found a number; expected an element"),
            (r#"[{"recv":[]}]"#, "out:1:2: there is no \"id\""),
            (r#"[{"id":1,"recv":7}]"#, "out:1:17: customer 1: found a number"),
            (r#"[{"id":1,"recv":[{}]}]"#, "customer 1: found neither"),
            (r#"[{"id":1,"recv":[{"interface":"query","balance":4.5}]}]"#, "balance is 4.5"),
            (
                r#"[{"id":1,"recv":[{"interface":"query","result":"maybe"}]}]"#,
                "result is \"maybe\"",
            ),
        ] {
            let message = read(text).expect_err(text);
            assert!(message.contains(expected), "{message} lacks {expected}");
        }
    }
}
