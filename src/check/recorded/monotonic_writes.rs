//! A customer's writes are made in their order.

use super::session::{wrote, writes_upon};
use super::Facts;
use crate::check::{Finding, Property};

/// My second write is made where my first is known, so that nobody ever finds the second without the first.
///
/// Algorithm: what a write was made upon, by the log, must cover the join of its session's acknowledged writes;
/// nN. Where the log does not say it, the answer's version can convict and not acquit: it may be of later.
pub(super) fn monotonic_writes(facts: &Facts<'_>) -> Finding {
    writes_upon(
        facts,
        Property::MonotonicWrites,
        |known| known.written,
        |place, call, member| wrote(facts, place, call, member),
    )
}
