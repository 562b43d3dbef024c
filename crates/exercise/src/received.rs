//! Reads an output that any program made: every notation, shape and spelling that is known.

use std::path::Path;

use super::fields::{Fields, Member, Warnings, integer, is_number, list, natural, quote, word};
use super::notation::{self, InvalidContent, Node, Position, Value};
use super::output::ResultName;
use super::source::{FileError, read_bytes, text};
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
    /// Whether it has members that nothing is read from: a balance may be among them under another name.
    pub has_other_members: bool,
}

impl Answer {
    /// Whether both say the same, wherever they stand.
    pub fn is_same(&self, other: &Self) -> bool {
        Self { at: other.at, ..self.clone() } == *other
    }

    /// Whether this may be the answer to a query whose balance was 0: proto3 leaves a zero out.
    fn may_omit_zero(&self) -> bool {
        self.interface.as_deref() == Some("query")
            && matches!(self.result, None | Some(ResultName::Success))
            && self.balance.is_none()
            && !self.has_other_members
    }
}

/// An element of a foreign output: answers to one customer, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerAnswers {
    /// Where it stands.
    pub at: Position,
    /// The customer.
    pub customer: u64,
    /// The answers.
    pub answers: Vec<Answer>,
}

impl CustomerAnswers {
    /// Whether both say the same, wherever they stand.
    pub fn is_same(&self, other: &Self) -> bool {
        let mut pairs = self.answers.iter().zip(&other.answers);
        self.customer == other.customer
            && self.answers.len() == other.answers.len()
            && pairs.all(|(mine, other)| mine.is_same(other))
    }
}

/// A foreign output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// In file order. Outputs merge the blocks of one customer or do not.
    pub elements: Vec<CustomerAnswers>,
    /// How many elements come before each list of elements.
    pub lists: Vec<usize>,
    /// What was assumed while reading.
    pub warnings: Vec<Warning>,
}

impl Received {
    /// Reads the output at `path`, or standard input for `-`.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Self::parse(path, &read_bytes(path)?)
    }

    /// As [`Received::read`], with the content given; `path` is for messages.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, FileError> {
        Self::of_log(text(path, bytes)?).map_err(|error| FileError::invalid(path, error))
    }

    fn of_log(text: &str) -> Result<Self, InvalidContent> {
        let parsed = notation::parse_log(text)?;
        let mut received = Self::default();
        let mut warnings = Warnings::of(parsed.lenient);
        parsed.values.iter().try_for_each(|value| received.add(value, &mut warnings))?;
        received.warnings = warnings.into_list();
        Ok(received)
    }

    /// A list of elements, or an element.
    fn add(&mut self, node: &Node, warnings: &mut Warnings) -> Result<(), InvalidContent> {
        let Value::List(elements) = &node.value else { return self.add_element(node, warnings) };
        self.lists.push(self.elements.len());
        elements.iter().try_for_each(|element| self.add_element(element, warnings))
    }

    fn add_element(&mut self, node: &Node, warnings: &mut Warnings) -> Result<(), InvalidContent> {
        let element = Fields::of(node, "an element: {\"id\", \"recv\"}")?;
        if is_branch(&element, warnings)? {
            warnings.add(node.at, "an element of a branch is ignored");
            return Ok(());
        }
        let id = element.require(Member::ID, "\"id\": the customer's", warnings)?;
        let customer = natural(id, "id", warnings)?;
        let answers = match element.list(Member::RECV, warnings)? {
            Some(recv) => {
                element.warn_of_others(&[Member::ID, Member::TYPE], Some(recv), warnings);
                let entries = list(recv, "a list of answers");
                entries.and_then(|entries| {
                    entries.iter().map(|entry| answer(entry, warnings)).collect::<Result<_, _>>()
                })
            }
            None => answer(node, warnings).map(|answer| vec![answer]),
        };
        let answers = answers.map_err(|error| error.of(format_args!("customer {customer}")))?;
        self.elements.push(CustomerAnswers { at: node.at, customer, answers });
        Ok(())
    }

    /// All answers, in file order.
    pub fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.elements.iter().flat_map(|element| &element.answers)
    }

    /// Whether the output answers nothing but queries, although there are writes.
    pub fn shows_queries_only(&self, input: &Input) -> bool {
        let writes = input.events().any(|(_, _, event)| event.operation.name() != "query");
        let is_query =
            |answer: &Answer| answer.interface.as_deref().is_none_or(|name| name == "query");
        writes && self.answers().all(is_query)
    }

    /// The output with a balance of 0 in each answer to a query that may have left it out, and where the first one
    /// is. `None` if there is none.
    pub fn with_omitted_zeros(&self) -> Option<(Self, Position)> {
        let first = self.answers().find(|answer| answer.may_omit_zero())?.at;
        let mut filled = self.clone();
        let answers = filled.elements.iter_mut().flat_map(|element| &mut element.answers);
        for answer in answers.filter(|answer| answer.may_omit_zero()) {
            answer.balance = Some(0);
        }
        Some((filled, first))
    }
}

/// Whether this is what a program prints of a branch, beside what customers received.
fn is_branch(element: &Fields<'_>, warnings: &mut Warnings) -> Result<bool, InvalidContent> {
    let kind = element.get(Member::TYPE, warnings)?;
    let kind = kind.map(|kind| word(kind, "\"customer\" or \"branch\"")).transpose()?;
    Ok(matches!(kind.as_deref(), Some("branch" | "bank")))
}

/// What the members of an answer say of its outcome.
#[derive(Clone, Copy, Default)]
struct Outcome {
    result: Option<ResultName>,
    balance: Option<i64>,
}

fn answer(node: &Node, warnings: &mut Warnings) -> Result<Answer, InvalidContent> {
    if let Value::Number(_) = &node.value {
        warnings.add(node.at, "a number by itself is read as the balance of a query");
        let balance = Some(integer(node, "balance", warnings)?);
        return Ok(Answer {
            at: node.at,
            interface: None,
            branch: None,
            result: None,
            balance,
            has_other_members: false,
        });
    }
    let fields = Fields::of(node, "an answer: {\"interface\", \"result\" or \"balance\"}")?;
    let interface = fields.get(Member::INTERFACE, warnings)?;
    let interface = interface.map(|node| word(node, "an interface")).transpose()?;
    let branch = fields.get(Member::BRANCH, warnings)?;
    let branch = branch.map(|node| natural(node, "branch", warnings)).transpose()?;
    let is_query = interface.as_deref().is_none_or(|name| name == "query");
    let Outcome { result, balance } = outcome(&fields, is_query, warnings)?;
    if interface.is_none() && balance.is_none() {
        let message = "found neither \"interface\" nor \"balance\"; expected an answer";
        return Err(InvalidContent::new(node.at, message));
    }
    let known = [
        Member::EVENT_ID,
        Member::ID,
        Member::TYPE,
        Member::INTERFACE,
        Member::BRANCH,
        Member::RESULT,
        Member::BALANCE,
        Member::MONEY,
    ];
    let has_other_members = fields.warn_of_others(&known, None, warnings);
    Ok(Answer { at: node.at, interface, branch, result, balance, has_other_members })
}

/// The outcome in `fields`, and in the object of their result if that is one.
fn outcome(
    fields: &Fields<'_>,
    is_query: bool,
    warnings: &mut Warnings,
) -> Result<Outcome, InvalidContent> {
    let mut shown = fields.get(Member::BALANCE, warnings)?;
    if shown.is_none()
        && let Some(money) = fields.get(Member::MONEY, warnings)?
    {
        if is_query {
            shown = Some(money);
        } else {
            warnings.add(money.at, "the money of a write is read as its amount, not as a balance");
        }
    }
    let balance = shown.map(|node| integer(node, "balance", warnings)).transpose()?;
    let Some(result) = fields.get(Member::RESULT, warnings)? else {
        return Ok(Outcome { result: None, balance });
    };
    let inner = outcome_of_result(result, is_query, warnings)?;
    match (balance, inner.balance) {
        (Some(outer), Some(inner)) if outer != inner => {
            let message =
                format!("the result has a balance of {inner}, and the answer one of {outer}");
            Err(InvalidContent::new(result.at, message))
        }
        _ => Ok(Outcome { result: inner.result, balance: balance.or(inner.balance) }),
    }
}

/// A status word; with a warning nothing, a truth value, the balance of a query, or all of it in an object.
fn outcome_of_result(
    node: &Node,
    is_query: bool,
    warnings: &mut Warnings,
) -> Result<Outcome, InvalidContent> {
    let of_result = |result| Ok(Outcome { result: Some(result), balance: None });
    let of_balance = |balance| Ok(Outcome { result: None, balance: Some(balance) });
    let expected = "\"success\", \"fail\" or \"unknown\"";
    match &node.value {
        Value::Object(_) => {
            warnings.add(node.at, "the members of a result are read as those of its answer");
            outcome(&Fields::of(node, expected)?, is_query, warnings)
        }
        Value::Bool(done) => {
            warnings.add(node.at, "a result of true is read as success, false as fail");
            of_result(if *done { ResultName::Success } else { ResultName::Fail })
        }
        Value::Number(_) if is_query => {
            warnings.add(node.at, "a number as the result of a query is read as its balance");
            of_balance(integer(node, "result", warnings)?)
        }
        _ => match word(node, expected)?.as_str() {
            "" => {
                warnings.add(node.at, "an empty result is read as none");
                Ok(Outcome::default())
            }
            "success" | "ok" => of_result(ResultName::Success),
            "fail" | "failed" | "failure" | "error" => of_result(ResultName::Fail),
            "unknown" => of_result(ResultName::Unknown),
            other => {
                let Some(value) = labelled_balance(other).filter(|_| is_query) else {
                    let message = format!("result is {}; expected {expected}", quote(other));
                    return Err(InvalidContent::new(node.at, message));
                };
                warnings.add(node.at, "a balance in the text of a result is read as such");
                of_balance(integer(&Node { at: node.at, value }, "balance", warnings)?)
            }
        },
    }
}

/// The number in `balance: 410`, `balance = 410`, or `410` alone.
fn labelled_balance(text: &str) -> Option<Value> {
    let labels = ["final balance", "current balance", "new balance", "balance", "money"];
    let unlabelled = labels.iter().find_map(|label| text.strip_prefix(label)).unwrap_or(text);
    let number = unlabelled.trim_start_matches([' ', ':', '=']);
    is_number(number).then(|| Value::Number(number.to_owned()))
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
        let all = received.elements.into_iter();
        all.flat_map(|CustomerAnswers { customer, answers, .. }| {
            answers.into_iter().map(move |answer| (customer, answer.interface, answer.balance))
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

    fn element(answers: &str) -> String {
        format!(r#"[{{"id":1,"recv":[{{"interface":"deposit","result":"success"}},{answers}]}}]"#)
    }

    #[test]
    fn layouts_of_other_programs_are_read_with_a_warning() {
        let expected = essence(&element(r#"{"interface":"query","balance":410}"#));
        let query = |members: &str| element(&format!(r#"{{"interface":"query",{members}}}"#));
        for (text, warning) in [
            (query(r#""balance":"410""#), "a number in quotes"),
            (query(r#""balance":" 410.0 ""#), "a number in quotes"),
            (query(r#""result":"","balance":410"#), "an empty result is read as none"),
            (query(r#""result":{"balance":410.0}"#), "the members of a result"),
            (query(r#""result":{"status":"success","money":410}"#), "the members of a result"),
            (query(r#""result":"balance: 410""#), "a balance in the text of a result"),
            (query(r#""result":"Current Balance = 410""#), "a balance in the text of a result"),
            (query(r#""result":"410""#), "a balance in the text of a result"),
            (query(r#""result":410"#), "a number as the result of a query"),
            (query(r#""result":true,"balance":410"#), "a result of true"),
            (query(r#""amount":410"#), "\"amount\" is read as \"money\""),
            (query(r#""balance":410,"clock":7"#), "\"clock\" means nothing here"),
            (
                query(r#""balance":410"#).replace("recv", "balance"),
                "\"balance\" is read as \"recv\"",
            ),
            (query(r#""balance":410"#).replace("interface", "Operation"), "read as \"interface\""),
            (
                query(r#""balance":410"#).replace("\"id\":1", "\"customer_id\":\"1\""),
                "read as \"id\"",
            ),
            (
                format!("Listening on 50051\n{}", query(r#""balance":410"#)),
                "before the first value",
            ),
            (
                query(r#""balance":410"#)
                    .replace("]}]", r#"]},{"id":1,"type":"branch","balance":7}]"#),
                "an element of a branch is ignored",
            ),
            (
                query(r#""balance":410"#).replace(r#""success""#, r#""success","money":10"#),
                "the money of a write is read as its amount",
            ),
        ] {
            assert_eq!(essence(&text), expected, "{text}");
            let warnings = read(&text).expect("read").warnings;
            let is_given = warnings.iter().any(|given| given.message.contains(warning));
            assert!(is_given, "{text}: {warnings:?}");
        }
        assert_eq!(essence(r#"[{"id":1,"recv":[410]}]"#), [(1, None, Some(410))]);
    }

    #[test]
    fn ambiguous_members_are_refused() {
        let query = |members: &str| element(&format!(r#"{{"interface":"query",{members}}}"#));
        for (text, expected) in [
            (query(r#""balance":1,"balance":2"#), "\"balance\" is there twice"),
            (query(r#""final-balance":1,"new_balance":2"#), "mean the same and differ"),
            (query(r#""balance":1,"result":{"balance":2}"#), "the result has a balance of 2"),
            (query(r#""balance":"$410""#), "balance is a text"),
            (query(r#""balance":"1,000""#), "balance is a text"),
            (query(r#""result":"balance: 4 or 5""#), "result is \"balance: 4 or 5\""),
            (
                element(r#"{"interface":"deposit","result":"balance: 4"}"#),
                "result is \"balance: 4\"",
            ),
            (element(r#"{"interface":"deposit","result":4}"#), "found a number"),
            (r#"[{"id":1,"a":[],"b":[]}]"#.to_owned(), "found neither"),
        ] {
            let message = read(&text).expect_err(&text);
            assert!(message.contains(expected), "{message} lacks {expected}");
        }
        assert!(read(&query(r#""balance":1,"Balance":1"#)).is_ok(), "the same twice is no doubt");
    }

    #[test]
    fn a_zero_is_filled_in_only_where_nothing_else_is_shown() {
        let filled = |members: &str| {
            let text = element(&format!(r#"{{"interface":"query"{members}}}"#));
            let received = read(&text).expect("read");
            let (filled, _) = received.with_omitted_zeros()?;
            filled.answers().last().and_then(|answer| answer.balance)
        };
        assert_eq!(filled(""), Some(0));
        assert_eq!(filled(r#","result":"success""#), Some(0));
        assert_eq!(filled(r#","result":"fail""#), None);
        assert_eq!(filled(r#","balance":0"#), None);
        assert_eq!(filled(r#","balanse":7"#), None);
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
