//! Typed looks at a file's values, with messages that say what was expected where.

use super::notation::{Node, Position, Value};

/// A value that does not mean what it should, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) at: Position,
    pub(super) message: String,
}

impl Misfit {
    pub(super) fn new(at: Position, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    /// The same, told of whom or what.
    pub(super) fn of(self, whom: impl std::fmt::Display) -> Self {
        Self { message: format!("{whom}: {}", self.message), ..self }
    }
}

/// An object's members by name. Names are compared without regard to case.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) at: Position,
    members: &'a [(String, Node)],
}

impl<'a> Fields<'a> {
    pub(super) fn of(node: &'a Node, what: &str) -> Result<Self, Misfit> {
        match &node.value {
            Value::Object(members) => Ok(Self { at: node.at, members }),
            other => Err(Misfit::new(node.at, format!("found {}; expected {what}", other.kind()))),
        }
    }

    /// The first member with one of these names that is not null.
    pub(super) fn get(&self, names: &[&str]) -> Option<&'a Node> {
        let named = |name: &str| names.iter().any(|other| other.eq_ignore_ascii_case(name));
        let (_, node) = self.members.iter().find(|(name, _)| named(name))?;
        (node.value != Value::Null).then_some(node)
    }

    /// A member with none of these names: what nobody will look at.
    pub(super) fn other_than(&self, names: &[&str]) -> Option<(&'a str, Position)> {
        let known = |name: &str| names.iter().any(|other| other.eq_ignore_ascii_case(name));
        let other = self.members.iter().find(|(name, _)| !known(name))?;
        Some((&other.0, other.1.at))
    }

    pub(super) fn require(&self, names: &[&str], example: &str) -> Result<&'a Node, Misfit> {
        self.get(names).ok_or_else(|| {
            Misfit::new(self.at, format!("there is no {:?}; add {example}", names[0]))
        })
    }
}

/// A list's values.
pub(super) fn list<'a>(node: &'a Node, what: &str) -> Result<&'a [Node], Misfit> {
    match &node.value {
        Value::List(nodes) => Ok(nodes),
        other => Err(Misfit::new(node.at, format!("found {}; expected {what}", other.kind()))),
    }
}

/// A text in lower case.
pub(super) fn word(node: &Node, what: &str) -> Result<String, Misfit> {
    match &node.value {
        Value::Text(text) => Ok(text.trim().to_lowercase()),
        other => Err(Misfit::new(node.at, format!("found {}; expected {what}", other.kind()))),
    }
}

/// A whole number of 64 bits, which may be written with a fraction of zeros.
pub(super) fn integer(node: &Node, what: &str) -> Result<i64, Misfit> {
    let Value::Number(text) = &node.value else {
        let found = node.value.kind();
        return Err(Misfit::new(node.at, format!("{what} is {found}; it must be a whole number")));
    };
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|zero| zero == b'0') => whole,
        Some(_) => {
            let message = format!("{what} is {text}; it must be a whole number of minor units");
            return Err(Misfit::new(node.at, message));
        }
        None => text,
    };
    whole.parse().map_err(|_| {
        let message = format!("{what} is {text}; it must be a whole number of at most 64 bits");
        Misfit::new(node.at, message)
    })
}

/// A whole number that is not negative.
pub(super) fn natural(node: &Node, what: &str) -> Result<u64, Misfit> {
    let value = integer(node, what)?;
    u64::try_from(value)
        .map_err(|_| Misfit::new(node.at, format!("{what} is {value}; it must not be negative")))
}
