//! Watches a simulated cluster from outside, knows what really happened, and says what must not be.
//!
//! The judge believes nothing that a branch says of itself. It keeps its own logs, totals, hashes and
//! disks, made from the records that it is shown, and compares them with every message, every answer and
//! every ledger. Branches are named as in stories, by numbers from 1.
//!
//! | file | what it judges |
//! |---|---|
//! | `truth`, `disk`, `timeline` | nothing: they hold the logs, the journals, and when which entry took effect |
//! | `rows` | I1: one writer |
//! | `closed` | I2: causally closed |
//! | `rights` | I3: no rights and no balance below zero |
//! | `accounted`, `convergence` | I4: every request at most once, and the same everywhere in the end |
//! | `acknowledged` | I5: durable on as many branches as was said |
//! | `durable` | I6: shown is durable |
//! | `value`, `sessions`, `refusals` | what customers were told |
//! | `endings`, `amnesia` | answers, deadlines, and who must stop |
//! | `watch`, `steps`, `messages`, `answers` | what is judged when |

mod accounted;
mod acknowledged;
mod amnesia;
mod answers;
mod closed;
mod convergence;
mod disk;
mod durable;
mod endings;
mod messages;
mod refusals;
mod rights;
mod rows;
#[cfg(test)]
mod scene;
mod sessions;
mod steps;
#[cfg(test)]
mod tests;
mod timeline;
mod truth;
mod value;
mod watch;

use std::fmt;

use super::words::{self, branch as name, millis, version as seqs};
use bank::{Ack, Read};
use bank::{Member, Operation, Seq};
use replication::{Attempt, Token};

pub use watch::Judge;

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// I1: a row has one writer, only grows, and its chain is that of its log.
    OneWriter,
    /// I2: every version that is held, pushed or shown is causally closed.
    Closed,
    /// I3: no rights and no visible balance is below zero.
    Rights,
    /// I4: the log holds every acknowledged write, no refused one, and each request once.
    Accounted,
    /// I5: what is acknowledged is durable on as many branches as was said.
    Acknowledged,
    /// I6: what is visible of a branch's own log is durable there.
    Durable,
    /// The balance of an answer is that of the entries it shows.
    Value,
    /// A session reads its own writes.
    ReadYourWrites,
    /// A session never reads less than before.
    MonotonicReads,
    /// A session's writes are made in their order.
    MonotonicWrites,
    /// A session's write is made where what the session has read is known.
    WritesFollowReads,
    /// Insufficient funds is said only if at some instant of the request the true balance was below its amount.
    Refusal,
    /// A snapshot is what was true at some instant of the request.
    Snapshot,
    /// Nothing is written down for a request after its deadline.
    Deadline,
    /// When everything has healed, all branches hold the same.
    Convergence,
    /// Every request is answered, once.
    Answered,
    /// A branch that lost its memory is stopped, and no other is stopped or refused.
    Amnesia,
}

impl Property {
    /// The violation, unless it `holds`. `detail` is called only for a violation.
    fn unless(self, holds: bool, detail: impl FnOnce() -> String) -> Result<(), Violation> {
        if holds { Ok(()) } else { Err(self.violated(detail())) }
    }

    fn violated(self, detail: impl Into<String>) -> Violation {
        Violation { property: self, detail: detail.into() }
    }
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What does not hold.
    pub property: Property,
    /// Who, what, and what was expected.
    pub detail: String,
}

/// One operation of a simulated customer, from its first attempt to the answer that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The first attempt's name: session and number tell the operation.
    pub attempt: Attempt,
    /// Where.
    pub branch: Member,
    /// What.
    pub operation: Operation,
    /// When a write is to be answered.
    pub ack: Ack,
    /// What a query is to be answered from.
    pub read: Read,
    /// What the customer carried.
    pub token: Option<Token>,
}

/// Who showed what is being judged, for the words of a violation.
#[derive(Clone, Copy, Debug)]
struct Deed {
    branch: Member,
    verb: &'static str,
}

impl Deed {
    const fn of(branch: Member, verb: &'static str) -> Self {
        Self { branch, verb }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", name(self.branch), self.verb)
    }
}

/// So many entries.
fn entries(seq: Seq) -> String {
    words::counted(seq.0, "entry", "entries")
}

/// What is there, or that nothing is.
fn or_nothing(what: Option<impl fmt::Display>) -> String {
    what.map_or("nothing".to_owned(), |what| what.to_string())
}
