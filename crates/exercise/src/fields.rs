//! Typed access to a file's values, with messages that name what was expected where.

use strum::EnumMessage;

use super::input::Warning;
use super::notation::{InvalidContent, Leniency, Node, Position, Value};

/// Characters of a text that a message quotes.
const QUOTED: usize = 40;

/// More warnings than this about one file help nobody.
const WARNINGS_MAX: usize = 20;

/// What was assumed while reading a file, each assumption once, where it was first made.
#[derive(Debug, Default)]
pub(super) struct Warnings(Vec<Warning>);

impl Warnings {
    /// Those of a file's notation.
    pub(super) fn of(lenient: Vec<(Leniency, Position)>) -> Self {
        let mut warnings = Self::default();
        for (kind, at) in lenient {
            warnings.add(at, kind.get_message().unwrap_or_default());
        }
        warnings
    }

    pub(super) fn add(&mut self, at: Position, message: &str) {
        let Self(all) = self;
        if all.len() < WARNINGS_MAX && all.iter().all(|known| known.message != message) {
            all.push(Warning { at, message: message.to_owned() });
        }
    }

    pub(super) fn into_list(self) -> Vec<Warning> {
        self.0
    }
}

/// A member by the names that it goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// The names of the exercise; the first one is that of messages.
    usual: &'static [&'static str],
    /// Names in other programs, read with a warning.
    other: &'static [&'static str],
}

impl Member {
    pub(super) const ID: Self = Self { usual: &["id"], other: &["customer-id", "client-id"] };
    /// An event's, which nothing depends on.
    pub(super) const EVENT_ID: Self = Self {
        usual: &["id"],
        other: &["event-id", "customer-request-id", "request-id", "operation-id"],
    };
    pub(super) const TYPE: Self = Self { usual: &["type"], other: &[] };
    pub(super) const EVENTS: Self = Self { usual: &["events"], other: &[] };
    pub(super) const RECV: Self = Self { usual: &["recv"], other: &[] };
    pub(super) const INTERFACE: Self =
        Self { usual: &["interface"], other: &["operation", "op", "action"] };
    pub(super) const MONEY: Self = Self { usual: &["money"], other: &["amount"] };
    pub(super) const BALANCE: Self =
        Self { usual: &["balance"], other: &["final-balance", "current-balance", "new-balance"] };
    pub(super) const BRANCH: Self =
        Self { usual: &["branch", "dest"], other: &["branch-id", "destination"] };
    pub(super) const RESULT: Self = Self { usual: &["result"], other: &["status", "outcome"] };

    /// The name that messages use.
    const fn name(self) -> &'static str {
        self.usual[0]
    }

    fn is_usual(self, name: &str) -> bool {
        self.usual.iter().any(|usual| usual.eq_ignore_ascii_case(name))
    }

    fn is_named(self, name: &str) -> bool {
        let mut names = self.usual.iter().chain(self.other);
        self.is_usual(name) || names.any(|known| letters(known).eq(letters(name)))
    }
}

/// A name without regard to case and separators.
fn letters(name: &str) -> impl Iterator<Item = u8> {
    let letters = name.bytes().filter(|byte| !matches!(byte, b'-' | b'_' | b' '));
    letters.map(|byte| byte.to_ascii_lowercase())
}

/// An object's members by name.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) at: Position,
    members: &'a [(String, Node)],
}

impl<'a> Fields<'a> {
    pub(super) fn of(node: &'a Node, expected: &str) -> Result<Self, InvalidContent> {
        match &node.value {
            Value::Object(members) => Ok(Self { at: node.at, members }),
            _ => Err(unexpected(node, expected)),
        }
    }

    /// The value of `member` that is not null. Its usual names go before the others. Two values that differ are
    /// refused: nothing decides which is meant.
    pub(super) fn get(
        &self,
        member: Member,
        warnings: &mut Warnings,
    ) -> Result<Option<&'a Node>, InvalidContent> {
        let values = || self.members.iter().filter(|(_, node)| node.value != Value::Null);
        let mut usual = values().filter(|(name, _)| member.is_usual(name));
        if let Some(first) = usual.next() {
            return only(first, usual).map(Some);
        }
        let mut other = values().filter(|(name, _)| member.is_named(name));
        let Some(first) = other.next() else { return Ok(None) };
        let message = format!("{} is read as {:?}", quote(&first.0), member.name());
        warnings.add(first.1.at, &message);
        only(first, other).map(Some)
    }

    pub(super) fn require(
        &self,
        member: Member,
        example: &str,
        warnings: &mut Warnings,
    ) -> Result<&'a Node, InvalidContent> {
        self.get(member, warnings)?.ok_or_else(|| {
            InvalidContent::new(self.at, format!("there is no {:?}; add {example}", member.name()))
        })
    }

    /// The list `member`; where there is none, the only member that is a list.
    pub(super) fn list(
        &self,
        member: Member,
        warnings: &mut Warnings,
    ) -> Result<Option<&'a Node>, InvalidContent> {
        if let Some(node) = self.get(member, warnings)? {
            return Ok(Some(node));
        }
        let mut lists =
            self.members.iter().filter(|(_, node)| matches!(node.value, Value::List(_)));
        let (Some((name, node)), None) = (lists.next(), lists.next()) else { return Ok(None) };
        warnings.add(node.at, &format!("{} is read as {:?}", quote(name), member.name()));
        Ok(Some(node))
    }

    /// Whether `name` is passed over, because `member` is there under a usual name.
    fn is_shadowed(&self, member: Member, name: &str) -> bool {
        let is_value =
            |(usual, node): &(String, Node)| member.is_usual(usual) && node.value != Value::Null;
        !member.is_usual(name) && self.members.iter().any(is_value)
    }

    /// Warns of a member that is none of `known` and no `list`: it may be a misspelt one. Whether there is any.
    pub(super) fn warn_of_others(
        &self,
        known: &[Member],
        list: Option<&Node>,
        warnings: &mut Warnings,
    ) -> bool {
        let is_other = |(name, node): &&(String, Node)| {
            let is_list = list.is_some_and(|list| std::ptr::eq(list, node));
            let is_known =
                |member: &Member| member.is_named(name) && !self.is_shadowed(*member, name);
            let is_usual = known.iter().any(|member| member.is_usual(name));
            !is_list && !is_usual && !known.iter().any(is_known)
        };
        let mut any = false;
        for (name, node) in self.members.iter().filter(is_other) {
            any = true;
            warnings.add(node.at, &format!("{} means nothing here and is ignored", quote(name)));
        }
        any
    }
}

/// The value of `first`, unless one of `rest` differs.
fn only<'a>(
    (name, node): &'a (String, Node),
    mut rest: impl Iterator<Item = &'a (String, Node)>,
) -> Result<&'a Node, InvalidContent> {
    let Some((other, at)) = rest.find(|(_, other)| !other.value.is_same(&node.value)) else {
        return Ok(node);
    };
    let (name, other) = (quote(name), quote(other));
    let message = if name == other {
        format!("{name} is there twice with different values; keep one")
    } else {
        format!("{name} and {other} mean the same and differ; keep one")
    };
    Err(InvalidContent::new(at.at, message))
}

/// A text as a message quotes it: escaped, and cut where it is long.
pub(super) fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{:?}", format!("{}…", text.get(..end).unwrap_or_default())),
        None => format!("{text:?}"),
    }
}

/// A list's values.
pub(super) fn list<'a>(node: &'a Node, expected: &str) -> Result<&'a [Node], InvalidContent> {
    match &node.value {
        Value::List(nodes) => Ok(nodes),
        _ => Err(unexpected(node, expected)),
    }
}

/// A text in lower case.
pub(super) fn word(node: &Node, expected: &str) -> Result<String, InvalidContent> {
    match &node.value {
        Value::Text(text) => Ok(text.trim().to_lowercase()),
        _ => Err(unexpected(node, expected)),
    }
}

fn unexpected(node: &Node, expected: &str) -> InvalidContent {
    let found = node.value.kind();
    InvalidContent::new(node.at, format!("found {found}; expected {expected}"))
}

/// A whole number of 64 bits, which may be written with a fraction of zeros, or in quotes.
pub(super) fn integer(
    node: &Node,
    what: &str,
    warnings: &mut Warnings,
) -> Result<i64, InvalidContent> {
    let text = match &node.value {
        Value::Number(text) => text.as_str(),
        Value::Text(text) if is_number(text.trim()) => {
            warnings.add(node.at, "a number in quotes is read as a number");
            text.trim()
        }
        other => {
            let found = other.kind();
            let message = format!("{what} is {found}; it must be a whole number");
            return Err(InvalidContent::new(node.at, message));
        }
    };
    let shown = || quote(text).trim_matches('"').to_owned();
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|zero| zero == b'0') => whole,
        Some(_) => {
            let message =
                format!("{what} is {}; it must be a whole number of minor units", shown());
            return Err(InvalidContent::new(node.at, message));
        }
        None => text,
    };
    whole.parse().map_err(|_| {
        let message =
            format!("{what} is {}; it must be a whole number of at most 64 bits", shown());
        InvalidContent::new(node.at, message)
    })
}

/// Whether `text` is digits, perhaps with a sign and a fraction.
pub(super) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, fraction]
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A whole number that is not negative.
pub(super) fn natural(
    node: &Node,
    what: &str,
    warnings: &mut Warnings,
) -> Result<u64, InvalidContent> {
    let value = integer(node, what, warnings)?;
    u64::try_from(value).map_err(|_| {
        InvalidContent::new(node.at, format!("{what} is {value}; it must not be negative"))
    })
}
