//! Lines of a recorded run: read one by one with the number of each, and written with their count.

#![expect(clippy::disallowed_types, reason = "it opens and creates the files of a run")]

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::header::{HeaderLine, SchemaLine};
use crate::Header;

/// A longer line is not one of ours.
const LINE_MAX: usize = 1 << 20;

/// A recorded file that cannot be judged.
#[derive(Debug, Error)]
pub enum RecordedError {
    /// It cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A line is not valid.
    #[error("{}:{line}: {message}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong, and what was expected.
        message: String,
    },
}

impl RecordedError {
    pub(super) fn at(path: &Path, line: u64, message: &(impl ToString + ?Sized)) -> Self {
        Self::Line { path: path.to_owned(), line, message: message.to_string() }
    }
}

pub(super) fn open(path: &Path) -> Result<BufReader<File>, RecordedError> {
    let file = File::open(path).map_err(|cause| unreadable(path, cause))?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

fn unreadable(path: &Path, cause: io::Error) -> RecordedError {
    RecordedError::Unreadable { path: path.to_owned(), cause }
}

/// How the last line begins.
const END: &str = "{\"end\"";

/// The last line: how many lines are between it and the header.
#[derive(Debug, Serialize, Deserialize)]
struct EndLine<T> {
    end: bool,
    count: u64,
    #[serde(flatten)]
    rest: T,
}

/// A file, line by line.
pub(super) struct Lines<'a, R> {
    path: &'a Path,
    from: R,
    line: Vec<u8>,
    number: u64,
}

impl<'a, R: BufRead> Lines<'a, R> {
    /// Reads the header of a file of this kind.
    pub(super) fn begin(
        path: &'a Path,
        from: R,
        file: &str,
    ) -> Result<(Self, Header), RecordedError> {
        let mut lines = Self { path, from, line: Vec::new(), number: 0 };
        if !lines.advance()? {
            let message = format!("there is no header; expected the first line of a {file}");
            return Err(lines.wrong(&message));
        }
        let what = format!("the header of a {file}");
        if let Some(mismatch) = lines.parse::<SchemaLine>(&what)?.mismatch() {
            return Err(lines.wrong(&mismatch));
        }
        let header = lines.parse::<HeaderLine<String, Header>>(&what)?;
        let header = header.header(file).map_err(|message| lines.wrong(&message))?;
        Ok((lines, header))
    }

    /// Goes on to the next line. A last one without its line feed is cut, and counts as none.
    pub(super) fn advance(&mut self) -> Result<bool, RecordedError> {
        self.line.clear();
        self.number += 1;
        let most = u64::try_from(LINE_MAX).unwrap_or(u64::MAX);
        let mut limited = io::Read::take(&mut self.from, most);
        let length = limited.read_until(b'\n', &mut self.line);
        let length = length.map_err(|cause| unreadable(self.path, cause))?;
        if length == LINE_MAX && self.line.last() != Some(&b'\n') {
            return Err(self.wrong(&format!("the line is longer than {LINE_MAX} bytes")));
        }
        Ok(self.line.last() == Some(&b'\n'))
    }

    /// The line as what it must be.
    pub(super) fn parse<'l, T: Deserialize<'l>>(&'l self, what: &str) -> Result<T, RecordedError> {
        serde_json::from_slice(&self.line)
            .map_err(|error| self.wrong(&format!("not {what}: {}", plain(&error))))
    }

    /// Whether the line begins so: which kind of line it is, without reading all of it.
    pub(super) fn begins(&self, with: &str) -> bool {
        self.line.starts_with(with.as_bytes())
    }

    /// What the end marker says beside the count, if this line is one. It is the last line, and counts the `things` of
    /// the lines between it and the header.
    pub(super) fn end<T: DeserializeOwned>(
        &mut self,
        file: &str,
        things: &str,
    ) -> Result<Option<T>, RecordedError> {
        if !self.begins(END) {
            return Ok(None);
        }
        let EndLine { count, rest, .. } = self.parse(&format!("the end of a {file}"))?;
        let there = self.number - 2;
        if count != there {
            return Err(
                self.wrong(&format_args!("the end speaks of {count} {things}, there are {there}"))
            );
        }
        let more = self.from.fill_buf().map_err(|cause| unreadable(self.path, cause))?;
        if !more.is_empty() {
            return Err(RecordedError::at(
                self.path,
                self.number + 1,
                "expected nothing after the end",
            ));
        }
        Ok(Some(rest))
    }

    pub(super) fn wrong(&self, message: &(impl ToString + ?Sized)) -> RecordedError {
        RecordedError::at(self.path, self.number, message)
    }
}

/// Without the line, which is always the first of what was parsed.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((message, _)) => format!("{message} (column {})", error.column()),
        None => text,
    }
}

/// Writes a file, line by line.
#[derive(Debug)]
pub(super) struct LineWriter<W> {
    to: W,
    count: u64,
}

impl<W: Write> LineWriter<W> {
    /// Writes the header, which does not count.
    pub(super) fn begin(to: W, header: &Header, file: &str) -> io::Result<Self> {
        let mut lines = Self { to, count: 0 };
        lines.line(&HeaderLine::of(header, file))?;
        Ok(lines)
    }

    pub(super) fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.count += 1;
        self.line(line)
    }

    /// Writes the last line: the count, and `rest`.
    pub(super) fn end(mut self, rest: impl Serialize) -> io::Result<W> {
        self.line(&EndLine { end: true, count: self.count, rest })?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, line)?;
        self.to.write_all(b"\n")
    }
}
