//! Spans of traced requests at the branch that serves them. Requests that are not traced never appear here.

mod broadcast;
mod passbook;

pub(super) use broadcast::BroadcastSpans;
pub(super) use passbook::PassbookSpans;
