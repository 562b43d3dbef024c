//! `history.jsonl`: every operation as its customer saw it.

use std::borrow::Cow;
use std::io::{self, BufRead, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::fields::{Hex, OutcomeName};
use super::lines::{LineWriter, Lines, RecordedError};
use crate::{Header, History, OperationRecord, Record};
use bank::{BranchId, CustomerId, Money, OperationKind, Rejection, Seq, SessionId, StatusCode};

const FILE: &str = "history";

/// An operation as the file has it. `V` is the version: borrowed to write, owned when read. So is the status word.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "V: Deserialize<'de>"))]
struct CallLine<'w, V> {
    session: Hex<u64>,
    customer: CustomerId,
    number: u64,
    event: u64,
    attempt: u32,
    operation: OperationKind,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    amount: Option<Money>,
    branch: BranchId,
    invoked: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    completed: Option<u64>,
    outcome: OutcomeName,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    reason: Option<Rejection>,
    /// `None` stands for `OK`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    code: Option<StatusCode>,
    /// The status word of an answer that the contract does not define.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    status: Option<Cow<'w, str>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none", default = "Option::default")]
    version: Option<V>,
    #[serde(skip_serializing_if = "Option::is_none", default = "Option::default")]
    at_most: Option<V>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    balance: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    trace_id: Option<Hex<u128>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct End {
    /// Operations that were not recorded.
    dropped: u64,
}

impl<'a> CallLine<'a, &'a [u64]> {
    fn of(call: &'a Record<impl AsRef<[u64]>, impl AsRef<str>>) -> Self {
        let (outcome, reason) = OutcomeName::of(call.outcome);
        Self {
            session: Hex(call.session.0),
            customer: call.customer,
            number: call.number,
            event: call.position,
            attempt: call.attempt,
            operation: call.operation.kind(),
            amount: call.write().map(|write| write.amount),
            branch: call.branch,
            invoked: call.invoked,
            completed: call.completed,
            outcome,
            reason,
            code: (call.code != StatusCode::Ok).then_some(call.code),
            status: call.status.as_ref().map(|status| status.as_ref().into()),
            seq: call.seq,
            version: call.version.as_ref().map(AsRef::as_ref),
            at_most: call.at_most.as_ref().map(AsRef::as_ref),
            balance: call.balance,
            trace_id: call.trace.map(Hex),
        }
    }
}

impl CallLine<'_, Vec<u64>> {
    fn call(&self) -> Result<OperationRecord<'_>, &'static str> {
        let outcome = self.outcome.with(self.reason);
        let outcome = outcome.ok_or("expected a \"reason\" if and only if it was rejected")?;
        if self.amount.is_some() == (self.operation == OperationKind::Query) {
            return Err("expected an \"amount\" if and only if it is a write");
        }
        Ok(OperationRecord {
            session: SessionId(self.session.0),
            customer: self.customer,
            number: self.number,
            position: self.event,
            attempt: self.attempt,
            operation: self.operation.with_amount(self.amount.unwrap_or_default()),
            branch: self.branch,
            invoked: self.invoked,
            completed: self.completed,
            outcome,
            code: self.code.unwrap_or_default(),
            status: self.status.as_deref(),
            seq: self.seq,
            version: self.version.as_deref(),
            at_most: self.at_most.as_deref(),
            balance: self.balance,
            trace: self.trace_id.map(|trace| trace.0),
        })
    }
}

/// Writes `history.jsonl` as operations end, in constant memory. Wrap what it writes to in a buffer.
#[derive(Debug)]
pub struct HistoryWriter<W>(LineWriter<W>);

impl<W: Write> HistoryWriter<W> {
    /// Begins the file.
    pub fn new(to: W, header: &Header) -> io::Result<Self> {
        LineWriter::begin(to, header, FILE).map(Self)
    }

    /// Adds an operation. Those of a session come in their order.
    pub fn write(&mut self, call: &Record<impl AsRef<[u64]>, impl AsRef<str>>) -> io::Result<()> {
        self.0.write(&CallLine::of(call))
    }

    /// Ends the file. `dropped` operations were not recorded; if there are any, the history is not whole.
    pub fn finish(self, dropped: u64) -> io::Result<W> {
        self.0.end(End { dropped })
    }
}

/// Reads a `history.jsonl`. One without its end is taken as far as it goes, and is not whole.
///
/// # Errors
/// The file cannot be read, or a line of it is not valid.
pub fn read_history(path: &Path, from: impl BufRead) -> Result<(Header, History), RecordedError> {
    let (mut lines, header) = Lines::begin(path, from, FILE)?;
    let mut history = History::new(header.branches.iter().copied());
    loop {
        if !lines.advance()? {
            history.cut();
            return Ok((header, history));
        }
        if let Some(End { dropped }) = lines.end(FILE, "operations")? {
            if dropped > 0 {
                history.cut();
            }
            return Ok((header, history));
        }
        let line = lines.parse::<CallLine<'_, Vec<u64>>>("an operation")?;
        let call = line.call().map_err(|message| lines.wrong(&message))?;
        history.push(&call).map_err(|unfit| lines.wrong(&unfit))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bank::{Operation, Outcome};

    fn call(code: StatusCode, status: Option<&str>) -> OperationRecord<'_> {
        let operation = Operation::deposit(5);
        let asked =
            OperationRecord::new(CustomerId(1), 1, BranchId(1), operation, Outcome::Unknown);
        OperationRecord { code, status, ..asked }
    }

    fn line(call: &OperationRecord<'_>) -> String {
        serde_json::to_string(&CallLine::of(call)).expect("a line")
    }

    #[test]
    fn code_and_status_word_are_read_back() {
        let unavailable = call(StatusCode::Unavailable, None);
        let word = call(StatusCode::Ok, Some("sh\"edding"));
        for call in [unavailable, word] {
            let line = line(&call);
            let read: CallLine<'_, Vec<u64>> = serde_json::from_str(&line).expect("its own line");
            assert_eq!(read.call(), Ok(call), "{line}");
        }
        assert!(line(&unavailable).contains(r#""code":"UNAVAILABLE""#));
        assert!(!line(&word).contains("\"code\""), "OK is left out");
    }

    #[test]
    fn code_that_grpc_does_not_define_is_rejected() {
        let line = line(&call(StatusCode::Unavailable, None)).replace("UNAVAILABLE", "gone");
        let error = serde_json::from_str::<CallLine<'_, Vec<u64>>>(&line).expect_err("no code");
        assert!(error.to_string().contains("unknown variant `gone`"), "{error}");
    }
}
