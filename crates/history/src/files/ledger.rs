//! `ledger.jsonl`: what every branch logged, and what it held at the end.

use std::io::{self, BufRead, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::fields::Hex;
use super::lines::{LineWriter, Lines, RecordedError};
use crate::{FinalState, Header, Ledgers, Logged};
use bank::{BranchId, Entry, Member, Money, RequestId, Seq, SessionId};

const FILE: &str = "ledger";
/// How the line of a branch's final state begins.
const STATE: &str = "{\"state\"";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Deposit,
    Withdraw,
    Grant,
}

/// An entry as the file has it.
#[derive(Debug, Serialize, Deserialize)]
struct EntryLine<V> {
    branch: BranchId,
    seq: Seq,
    kind: Kind,
    amount: Money,
    /// To whom a grant is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    to: Option<BranchId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    session: Option<Hex<u64>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default = "Option::default")]
    version: Option<V>,
}

#[derive(Debug, Serialize, Deserialize)]
struct End {
    /// The branches whose logs are all there.
    whole: Vec<BranchId>,
}

/// Writes `ledger.jsonl`, in constant memory. Wrap what it writes to in a buffer.
#[derive(Debug)]
pub struct LedgerWriter<W> {
    lines: LineWriter<W>,
    branches: Vec<BranchId>,
}

impl<W: Write> LedgerWriter<W> {
    /// Begins the file.
    pub fn new(to: W, header: &Header) -> io::Result<Self> {
        let lines = LineWriter::begin(to, header, FILE)?;
        Ok(Self { lines, branches: header.branches.clone() })
    }

    /// Adds an entry of the log of `branch`. Those of one log come in the order in which it was written.
    pub fn write(&mut self, branch: BranchId, logged: &Logged<'_>) -> io::Result<()> {
        let (kind, amount, to) = match logged.entry {
            Entry::Deposit(amount) => (Kind::Deposit, amount, None),
            Entry::Withdraw(amount) => (Kind::Withdraw, amount, None),
            Entry::Grant { to, amount } => {
                let whom = self.branches.get(to.index()).copied();
                let nobody = || io::Error::new(io::ErrorKind::InvalidInput, "a grant to no branch");
                (Kind::Grant, amount, Some(whom.ok_or_else(nobody)?))
            }
        };
        self.lines.write(&EntryLine {
            branch,
            seq: logged.seq,
            kind,
            amount,
            to,
            session: logged.request.map(|request| Hex(request.session.0)),
            number: logged.request.map(|request| request.number),
            version: logged.version,
        })
    }

    /// Adds what a branch held at the end.
    pub fn state(&mut self, last: &FinalState) -> io::Result<()> {
        self.lines.write(last)
    }

    /// Ends the file. `whole` are the branches all of whose logs were written.
    pub fn finish(self, whole: &[BranchId]) -> io::Result<W> {
        self.lines.end(End { whole: whole.to_vec() })
    }
}

/// Reads a `ledger.jsonl`. Of one without its end no log is whole.
///
/// # Errors
/// The file cannot be read, or a line of it is not valid.
pub fn read_ledger(
    path: &Path,
    from: impl BufRead,
) -> Result<(Header, Ledgers, Vec<FinalState>), RecordedError> {
    let (mut lines, header) = Lines::begin(path, from, FILE)?;
    let member = |branch: BranchId| {
        let place = header.branches.binary_search(&branch).ok();
        let member = place.and_then(|place| u16::try_from(place).ok()).map(Member);
        member.ok_or_else(|| format!("branch {branch} is not one of the run's branches"))
    };
    let mut ledgers = Ledgers::missing(header.branches.len());
    let mut finals = Vec::new();
    while lines.advance()? {
        if let Some(End { whole }) = lines.end(FILE, "lines")? {
            for branch in whole {
                ledgers.whole(member(branch).map_err(|message| lines.wrong(&message))?);
            }
            return Ok((header, ledgers, finals));
        }
        if lines.begins(STATE) {
            let last = lines.parse::<FinalState>("what a branch held at the end")?;
            member(last.branch).map_err(|message| lines.wrong(&message))?;
            finals.push(last);
            continue;
        }
        let line = lines.parse::<EntryLine<Vec<u64>>>("an entry of a log")?;
        let branch = member(line.branch).map_err(|message| lines.wrong(&message))?;
        let to = line.to.map(member).transpose().map_err(|message| lines.wrong(&message))?;
        let logged = line.logged(to).map_err(|message| lines.wrong(&message))?;
        ledgers.push(branch, &logged).map_err(|invalid| lines.wrong(&invalid))?;
    }
    Ok((header, ledgers, finals))
}

impl EntryLine<Vec<u64>> {
    fn logged(&self, to: Option<Member>) -> Result<Logged<'_>, &'static str> {
        let amount = self.amount;
        let entry = match (&self.kind, to) {
            (Kind::Deposit, None) => Entry::Deposit(amount),
            (Kind::Withdraw, None) => Entry::Withdraw(amount),
            (Kind::Grant, Some(to)) => Entry::Grant { to, amount },
            _ => return Err("expected \"to\" if and only if it is a grant"),
        };
        if amount.is_negative() {
            return Err("expected an amount that is not negative");
        }
        let request = match (self.session, self.number) {
            (Some(Hex(session)), Some(number)) => {
                Some(RequestId { session: SessionId(session), number })
            }
            (None, None) => None,
            _ => return Err("expected \"session\" and \"number\" together or neither"),
        };
        Ok(Logged { seq: self.seq, entry, request, version: self.version.as_deref() })
    }
}
