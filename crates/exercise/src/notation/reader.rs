//! Reads character by character, and knows the line and column of each.

use super::{InvalidContent, Leniency, Node, Parsed, Position, Value};

/// Deeper nesting is refused: no file of this exercise needs more than five levels.
const DEPTH_MAX: usize = 64;

/// Reads the values in `text` up to the first text between them. Lines before the first value are skipped.
pub(crate) fn parse(text: &str) -> Result<Parsed, InvalidContent> {
    read(text, false)
}

/// Reads all values in `text`, which may hold the lines of a log between them.
pub(crate) fn parse_log(text: &str) -> Result<Parsed, InvalidContent> {
    read(text, true)
}

fn read(text: &str, is_log: bool) -> Result<Parsed, InvalidContent> {
    let mut reader = Reader::new(text);
    let mut values = Vec::new();
    reader.skip_space();
    if reader.peek().is_none() {
        return Err(reader.error("the file is empty; expected a list of elements"));
    }
    let begun = reader.at;
    if reader.skip_lines() {
        reader.note(Leniency::TextBefore, begun);
    }
    loop {
        values.push(reader.value(0)?);
        reader.skip_space();
        let comma = reader.at;
        if reader.peek() == Some(',') {
            reader.next();
            reader.skip_space();
        }
        if is_log && reader.skip_lines() {
            reader.note(Leniency::TextBetween, comma);
        }
        match reader.peek() {
            None => break,
            Some('{' | '[') if reader.is_at_elements() => {
                reader.note(Leniency::SeveralValues, reader.at);
            }
            Some(_) => {
                let holds_values = reader.skip_lines();
                let kind = if holds_values { Leniency::ValuesAfter } else { Leniency::TextAfter };
                reader.note(kind, comma);
                break;
            }
        }
    }
    Ok(Parsed { values, lenient: reader.lenient })
}

struct Reader<'a> {
    rest: std::str::Chars<'a>,
    at: Position,
    lenient: Vec<(Leniency, Position)>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { rest: text.chars(), at: Position { line: 1, column: 1 }, lenient: Vec::new() }
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        if next == '\n' {
            self.at = Position { line: self.at.line + 1, column: 1 };
        } else {
            self.at.column += 1;
        }
        Some(next)
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
    }

    /// Whether an object or a list of objects or lists begins here. A line of a log may begin with `[INFO]`.
    fn is_at_elements(&self) -> bool {
        let rest = self.rest.as_str();
        let list = rest.strip_prefix('[').map(str::trim_start);
        rest.starts_with('{') || list.is_some_and(|list| list.starts_with(['{', '[', ']']))
    }

    /// Skips the lines from here to the next that begins with elements; whether there were any. A line with a brace, or
    /// with a bracket alone, is never skipped: it may be a part of something that cannot be read.
    fn skip_lines(&mut self) -> bool {
        let mut ahead = Self { rest: self.rest.clone(), at: self.at, lenient: Vec::new() };
        while !ahead.is_at_elements() {
            let mut is_bracket_open = false;
            loop {
                match ahead.next() {
                    None | Some('{' | '}') => return false,
                    Some(bracket @ ('[' | ']')) => {
                        if is_bracket_open == (bracket == '[') {
                            return false;
                        }
                        is_bracket_open = !is_bracket_open;
                    }
                    Some('\n') if is_bracket_open => return false,
                    Some('\n') => break,
                    Some(_) => {}
                }
            }
            ahead.skip_space();
        }
        let is_skipped = ahead.at != self.at;
        (self.rest, self.at) = (ahead.rest, ahead.at);
        is_skipped
    }

    fn note(&mut self, leniency: Leniency, at: Position) {
        if !self.lenient.iter().any(|(other, _)| *other == leniency) {
            self.lenient.push((leniency, at));
        }
    }

    fn error(&self, message: impl Into<String>) -> InvalidContent {
        InvalidContent::new(self.at, message)
    }

    /// What is there instead of what was expected.
    fn unexpected(&self, expected: &str) -> InvalidContent {
        match self.peek() {
            None => self.error(format!("the file ends here; expected {expected}")),
            Some(found) => self.error(format!("found {found:?}; expected {expected}")),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, InvalidContent> {
        if depth > DEPTH_MAX {
            return Err(self.error(format!("nested more than {DEPTH_MAX} deep")));
        }
        self.skip_space();
        let at = self.at;
        let value = match self.peek() {
            Some('[') => Value::List(self.list(depth)?),
            Some('{') => Value::Object(self.object(depth)?),
            Some('-' | '+' | '0'..='9' | '.') => Value::Number(self.number()?),
            Some(letter) if letter.is_alphabetic() => self.word()?,
            Some(quote) if Quote::opening(quote).is_some() => Value::Text(self.text()?),
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Node { at, value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, InvalidContent> {
        let mut nodes = Vec::new();
        self.next();
        while !self.closes(']', nodes.is_empty())? {
            nodes.push(self.value(depth + 1)?);
        }
        Ok(nodes)
    }

    fn object(&mut self, depth: usize) -> Result<Vec<(String, Node)>, InvalidContent> {
        let mut members = Vec::new();
        self.next();
        while !self.closes('}', members.is_empty())? {
            let named = self.peek().and_then(Quote::opening).is_some();
            if !named {
                return Err(self.unexpected("a name in quotes, or }"));
            }
            let name = self.text()?;
            self.skip_space();
            if self.peek() != Some(':') {
                return Err(self.unexpected("a colon after the name"));
            }
            self.next();
            members.push((name, self.value(depth + 1)?));
        }
        Ok(members)
    }

    /// Takes what stands between members: a comma, the closing bracket, or both.
    fn closes(&mut self, bracket: char, first: bool) -> Result<bool, InvalidContent> {
        self.skip_space();
        let comma = (self.peek() == Some(',')).then_some(self.at);
        if comma.is_some() && !first {
            self.next();
            self.skip_space();
        }
        if self.peek() == Some(bracket) {
            self.next();
            if let Some(at) = comma {
                self.note(Leniency::TrailingComma, at);
            }
            return Ok(true);
        }
        if first || comma.is_some() {
            return Ok(false);
        }
        Err(self.unexpected(&format!("a comma or {bracket}")))
    }

    /// Takes the characters from here that are all `part` of something.
    fn take(&mut self, is_part: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(part) = self.peek().filter(|part| is_part(*part)) {
            taken.push(part);
            self.next();
        }
        taken
    }

    fn number(&mut self) -> Result<String, InvalidContent> {
        let text = self.take(|c| matches!(c, '-' | '+' | '.' | '0'..='9' | 'e' | 'E'));
        if text.parse::<f64>().is_ok() {
            Ok(text)
        } else {
            Err(self.error(format!("{text} is not a number")))
        }
    }

    fn word(&mut self) -> Result<Value, InvalidContent> {
        let begun = self.at;
        let word = self.take(|c| c.is_alphanumeric() || c == '_');
        let value = match word.as_str() {
            "null" => return Ok(Value::Null),
            "true" => return Ok(Value::Bool(true)),
            "false" => return Ok(Value::Bool(false)),
            "None" => Value::Null,
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            _ => {
                let shown: String = word.chars().take(20).collect();
                let message = format!("found {shown}; expected a value (texts stand in quotes)");
                return Err(InvalidContent::new(begun, message));
            }
        };
        self.note(Leniency::PythonLiterals, begun);
        Ok(value)
    }

    fn text(&mut self) -> Result<String, InvalidContent> {
        let begun = self.at;
        let Some(quote) = self.next().and_then(Quote::opening) else {
            return Err(self.unexpected("a quote"));
        };
        if let Some(leniency) = quote.leniency {
            self.note(leniency, begun);
        }
        let mut text = String::new();
        loop {
            match self.next() {
                Some('\\') => text.push(self.escape()?),
                Some(end) if quote.closing.contains(&end) => return Ok(text),
                Some('\n') | None => {
                    let message = "a text that begins here has no closing quote in its line";
                    return Err(InvalidContent::new(begun, message));
                }
                Some(other) => text.push(other),
            }
        }
    }

    fn escape(&mut self) -> Result<char, InvalidContent> {
        let escaped = match self.next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('u') => return self.escaped_unit(),
            Some(same @ ('"' | '\\' | '/' | '\'')) => same,
            _ => return Err(self.error("a backslash that escapes nothing")),
        };
        Ok(escaped)
    }

    /// Four hexadecimal digits. Halves of pairs become the replacement character: nothing that is
    /// looked at here has any.
    fn escaped_unit(&mut self) -> Result<char, InvalidContent> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.next().and_then(|digit| digit.to_digit(16));
            unit =
                unit * 16 + digit.ok_or_else(|| self.error("\\u needs four hexadecimal digits"))?;
        }
        Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}

/// How a text is quoted.
struct Quote {
    /// The quotes that end it. Word processors turn each quote on its own, so a typographic text may end in a straight
    /// one.
    closing: &'static [char],
    leniency: Option<Leniency>,
}

impl Quote {
    fn opening(quote: char) -> Option<Self> {
        let (closing, leniency): (&[char], _) = match quote {
            '"' => (&['"'], None),
            '\'' => (&['\''], Some(Leniency::SingleQuotes)),
            '“' | '”' | '„' | '‟' => {
                (&['"', '“', '”', '„', '‟'], Some(Leniency::TypographicQuotes))
            }
            '‘' | '’' | '‚' | '‛' => {
                (&['\'', '‘', '’', '‚', '‛'], Some(Leniency::TypographicQuotes))
            }
            _ => return None,
        };
        Some(Self { closing, leniency })
    }
}
