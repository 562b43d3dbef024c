//! A customer's write is made where everything is known that they were shown before.

use super::session::{shown, writes_upon};
use super::Facts;
use crate::check::{Finding, Property};

/// If I withdraw because I saw your deposit, nobody ever finds my withdrawal without your deposit.
///
/// Algorithm: what a write was made upon, by the log, must cover the join of the versions that its session was
/// shown; nN. Where the log does not say it, the answer's version can convict and not acquit.
pub(super) fn writes_follow_reads(facts: &Facts<'_>) -> Finding {
    writes_upon(
        facts,
        Property::WritesFollowReads,
        |known| known.read,
        |_, call, member| shown(call, member),
    )
}
