//! What a run came to, as one value, and its renderings: for people, for programs, and as an exit code.
//!
//! [`RunReport`] is the value. `text` and the modules that it uses render it for a terminal, `json` for `summary.json`.

mod caveats;
mod checks;
mod comparison;
mod exit_code;
mod guarantees;
mod json;
mod numbers;
mod percentiles;
mod run_report;
mod statuses;
mod text;
mod verdict_line;
mod waterfall;

pub use comparison::{Comparison, ComparisonFigures};
pub use exit_code::ExitCode;
pub use guarantees::render_guarantees;
pub use json::Summary;
pub use numbers::rate;
pub use run_report::{ClusterFacts, Files, RunReport, TraceCounts, Unrecorded};
pub use waterfall::Waterfall;
