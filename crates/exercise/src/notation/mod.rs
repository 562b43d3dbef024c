//! Reads JSON as people write it, and remembers where everything stood.
//!
//! Strict readers give up on a trailing comma, typographic quotes or Python's notation, all of which real
//! files of this exercise have. This one reads on, reports what it assumed and where, and gives every value
//! its line and column, so that what is wrong with its meaning can be pointed at too.

mod reader;

use std::fmt;

use strum::EnumMessage;

pub(super) use reader::{parse, parse_log};

/// A place in a file, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Where.
    pub(crate) at: Position,
    /// What.
    pub(crate) value: Value,
}

/// A value. Numbers stay text, so that none is rounded before somebody looks at it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// `null`, `None`.
    Null,
    /// `true`, `True` and their opposites.
    Bool(bool),
    /// As it is written.
    Number(String),
    /// Without its quotes, escapes resolved.
    Text(String),
    /// `[…]`
    List(Vec<Node>),
    /// `{…}` in its order; a name that is there twice stays twice.
    Object(Vec<(String, Node)>),
}

impl Value {
    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// Whether both are the same, wherever they stand.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(mine), Self::List(others)) => {
                let mut pairs = mine.iter().zip(others);
                mine.len() == others.len() && pairs.all(|(a, b)| a.value.is_same(&b.value))
            }
            (Self::Object(mine), Self::Object(others)) => {
                let mut pairs = mine.iter().zip(others);
                let is_same = |((a, x), (b, y)): (&(String, Node), &(String, Node))| {
                    a == b && x.value.is_same(&y.value)
                };
                mine.len() == others.len() && pairs.all(is_same)
            }
            _ => self == other,
        }
    }
}

/// Something that strict JSON does not allow and that was read all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumMessage)]
pub(crate) enum Leniency {
    /// `“id”`
    #[strum(message = "typographic quotes are read as straight ones")]
    TypographicQuotes,
    /// `'id'`
    #[strum(message = "single quotes are read as double ones")]
    SingleQuotes,
    /// `[1, 2,]`
    #[strum(message = "a comma before a closing bracket is ignored")]
    TrailingComma,
    /// `True`, `None`
    #[strum(message = "Python's True, False and None are read as JSON's")]
    PythonLiterals,
    /// Several values where one is expected.
    #[strum(message = "several values in a row are read as one list")]
    SeveralValues,
    /// Lines that hold no value before the first one, such as those of a log.
    #[strum(message = "the text before the first value is ignored")]
    TextBefore,
    /// Lines that hold no value between two.
    #[strum(message = "the text between values is ignored")]
    TextBetween,
    /// Something that is no value after the last one.
    #[strum(message = "the text after the last value is ignored")]
    TextAfter,
    /// The same, with values in it.
    #[strum(message = "the text from here on is ignored, with the values in it")]
    ValuesAfter,
}

/// A file's content.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parsed {
    /// Its values; strict JSON has exactly one.
    pub(crate) values: Vec<Node>,
    /// What was assumed, each kind once, where it was first.
    pub(crate) lenient: Vec<(Leniency, Position)>,
}

/// A text that cannot be read even so, or a value that does not mean what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidContent {
    /// The place where reading stopped, or that of the value.
    pub(crate) at: Position,
    /// What was there, what was expected, and what to do.
    pub(crate) message: String,
}

impl InvalidContent {
    pub(super) fn new(at: Position, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    /// The same, about `subject`.
    pub(super) fn of(self, subject: impl fmt::Display) -> Self {
        Self { message: format!("{subject}: {}", self.message), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Value {
        let parsed = parse(text).expect("read");
        assert_eq!(parsed.values.len(), 1, "{text}");
        parsed.values[0].value.clone()
    }

    fn lenient(text: &str) -> Vec<Leniency> {
        parse(text).expect("read").lenient.iter().map(|(leniency, _)| *leniency).collect()
    }

    fn number(text: &str) -> Node {
        Node { at: Position { line: 1, column: 2 }, value: Value::Number(text.to_owned()) }
    }

    #[test]
    fn strict_json_is_read_without_a_warning() {
        let text = r#"{"a": [1, -2.5e3, true, null, "x\n\u0041\"y"], "b": {}}"#;
        let Value::Object(members) = one(text) else { panic!("an object") };
        let Value::List(list) = &members[0].1.value else { panic!("a list") };
        assert_eq!(list[1].value, Value::Number("-2.5e3".to_owned()));
        assert_eq!(list[4].value, Value::Text("x\nA\"y".to_owned()));
        assert_eq!(members[1].1.value, Value::Object(Vec::new()));
        assert_eq!(lenient(text), []);
    }

    #[test]
    fn what_people_write_is_read_with_a_warning() {
        use Leniency::*;
        assert_eq!(one("[1,]"), Value::List(vec![number("1")]));
        assert_eq!(lenient("[1,]"), [TrailingComma]);
        assert_eq!(lenient("{'id': 1}"), [SingleQuotes]);
        assert_eq!(lenient("{“id”: 1, ‘b': None}"), [TypographicQuotes, PythonLiterals]);
        assert_eq!(lenient("[1]\nThis was the input."), [TextAfter]);
        assert_eq!(lenient("{}\n{}\n"), [SeveralValues]);
        assert_eq!(lenient("{}{},[]"), [SeveralValues]);
        assert_eq!(lenient("\u{feff}[]\r\n"), []);
    }

    #[test]
    fn log_lines_before_values_are_skipped_with_a_warning() {
        use Leniency::*;
        for log in ["Listening on port 50051\n", "[INFO] up\n\n[12:00:01] done\n", "7\n[1]\n"] {
            let parsed = parse(&format!("{log}  [{{}}]")).expect(log);
            assert_eq!(parsed.lenient, [(TextBefore, Position { line: 1, column: 1 })], "{log}");
            assert_eq!(parsed.values.len(), 1, "{log}");
        }
        let cut = parse("\"id\": 1}\n[{}]").expect("a text");
        assert_eq!(cut.values[0].value, Value::Text("id".to_owned()), "a brace is no log");
        assert!(parse("hello\n{ \"a\": 1 }, {oops\n{}").is_err());
        assert!(parse("nonsense\n").is_err());
    }

    #[test]
    fn log_lines_between_values_are_skipped_in_a_log_only() {
        use Leniency::*;
        let text = "{\"a\": 1}\nbranch 2 is up\n{\"b\": 2}\nbye";
        let whole = parse_log(text).expect("read");
        assert_eq!(whole.values.len(), 2);
        let kinds: Vec<Leniency> = whole.lenient.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [TextBetween, SeveralValues, TextAfter]);
        let first = parse(text).expect("read");
        assert_eq!(first.values.len(), 1);
        assert_eq!(first.lenient, [(ValuesAfter, Position { line: 2, column: 1 })]);
    }

    #[test]
    fn a_zero_byte_is_reported_as_what_it_is() {
        let error = parse("[{\0}]").expect_err("no name");
        assert!(error.message.contains("'\\0'"), "{error:?}");
    }

    #[test]
    fn values_are_the_same_wherever_they_stand() {
        let value = |text: &str| one(text);
        let mine = value("[1, {\"a\": [\"x\"]}]");
        assert!(mine.is_same(&value(" [1,  {\"a\":  [\"x\"]}]")));
        for other in ["[1, {\"a\": [\"y\"]}]", "[1]", "[1, {\"b\": [\"x\"]}]", "7"] {
            assert!(!mine.is_same(&value(other)), "{other}");
        }
    }

    #[test]
    fn values_know_where_they_stand() {
        let Value::List(list) = one("[1,\n  {\"ä\": 2}]") else { panic!("a list") };
        assert_eq!(list[1].at, Position { line: 2, column: 3 });
        let Value::Object(members) = &list[1].value else { panic!("an object") };
        assert_eq!(members[0].1.at, Position { line: 2, column: 9 });
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let cases = [
            ("", "1:1", "empty"),
            (" \n ", "2:2", "empty"),
            ("[1 2]", "1:4", "expected a comma or ]"),
            ("[1", "1:3", "the file ends here"),
            ("{\"a\" 1}", "1:6", "expected a colon"),
            ("{a: 1}", "1:2", "a name in quotes"),
            ("[,]", "1:2", "expected a value"),
            ("[\"a]", "1:2", "no closing quote"),
            ("[nothing]", "1:2", "found nothing"),
            ("[1.2.3]", "1:7", "1.2.3 is not a number"),
            ("[\"\\x\"]", "1:5", "escapes nothing"),
            ("[\"\\u12\"]", "1:8", "four hexadecimal digits"),
            ("]", "1:1", "expected a value"),
        ];
        for (text, at, message) in cases {
            let error = parse(text).expect_err(text);
            assert_eq!(error.at.to_string(), at, "{text}: {error:?}");
            assert!(error.message.contains(message), "{text}: {error:?}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_before_the_stack_ends() {
        let error = parse(&"[".repeat(100_000)).expect_err("too deep");
        assert!(error.message.contains("nested more than"), "{error:?}");
    }
}
