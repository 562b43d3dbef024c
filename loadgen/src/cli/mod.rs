//! The command line: arguments, what is printed, and how a run ends.

pub(crate) mod arguments;
pub(crate) mod hints;
pub(crate) mod offline;
pub(crate) mod progress;
pub(crate) mod terminal;
pub(crate) mod values;
