//! Watches a simulated cluster from outside and judges what only an observer of the engine can see.
//!
//! What customers can see is recorded as a `history::Run` and judged by `check` when the run has ended
//! (`crate::recorder`). The observer believes nothing that a branch reports about itself. It keeps its own logs, totals,
//! chains and journals, made from the records that branches write, and compares them with every message, every
//! ledger and every answer. It compares versions and counts acknowledgements with code of its own, so that a fault in
//! the engine's is seen. Branches are named as in transcripts, by numbers from 1.
//!
//! | file | what it judges |
//! |---|---|
//! | `truth`, `journal` | nothing: what each branch wrote, and what of it is on its disk |
//! | `rows` | one writer: a row only grows, and its chain is that of its log |
//! | `causal` | versions that branches hold, push or show are causally closed |
//! | `rights` | no rights and no visible balance below zero |
//! | `durable` | what is visible of a branch's own log is durable there |
//! | `acknowledged` | what is acknowledged is durable on as many branches as was reported, at that instant |
//! | `requests` | every request is answered, once, and nothing is written after its deadline |
//! | `amnesia` | a branch that lost its memory is stopped, and no other |
//! | `records`, `messages`, `answers`, `views` | nothing themselves: which of these each event is held to |

mod acknowledged;
mod amnesia;
mod answers;
mod causal;
mod durable;
#[cfg(test)]
pub(crate) mod fixture;
mod journal;
mod messages;
mod records;
mod requests;
mod rights;
mod rows;
#[cfg(test)]
mod tests;
mod truth;
mod views;

use std::fmt;

use bank::{Member, Seq, Version};
use check::Property;

use super::transcript::words::{self, branch as name, millis};

pub(super) use records::Observer;
pub(super) use views::View;

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The property.
    pub property: Property,
    /// The branch or operation that shows it, and what was expected.
    pub detail: String,
}

/// A violation of `property`, unless it `holds`. `detail` is called only for a violation.
fn require(
    property: Property,
    holds: bool,
    detail: impl FnOnce() -> String,
) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { property, detail: detail() }) }
}

/// What is being judged, for the text of a violation: "branch 2 pushes".
#[derive(Clone, Copy, Debug)]
struct Action {
    branch: Member,
    verb: &'static str,
}

impl Action {
    const fn of(branch: Member, verb: &'static str) -> Self {
        Self { branch, verb }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", name(self.branch), self.verb)
    }
}

/// The first branch of which `version` has fewer entries than `needed`.
fn first_missing(version: &Version, needed: &Version) -> Option<Member> {
    needed.iter().find(|(member, seq)| version.of(*member) < *seq).map(|(member, _)| member)
}

fn covers(version: &Version, needed: &Version) -> bool {
    first_missing(version, needed).is_none()
}

fn entries(seq: Seq) -> String {
    words::counted(seq.0, "entry", "entries")
}

fn or_nothing(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
}
