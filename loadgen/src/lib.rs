//! Loads a replicated bank with customers, measures it honestly and judges what they saw.
//!
//! ```text
//! arguments ─▶ scenario ─▶ run ─▶ report
//!                           │
//!                           ├─ clusters    an embedded cluster, or the addresses of a running one
//!                           ├─ connecting  from addresses to servers that are ready
//!                           ├─ queried     branches of other programs, known by their answers only
//!                           ├─ customers   closed loops in threads of their own, each with its recorder
//!                           ├─ judge       output.json as read back from disk ─▶ findings
//!                           └─ artifacts   the run folder, whole or not at all
//!
//! scenario under each of several schemes ─▶ sides ─▶ their reports beside each other
//! an output.json of any program ─▶ foreign ─▶ verdict
//! ```
//!
//! The library never prints, never exits and never installs telemetry: the binary does.

pub mod check_output;
pub mod client;
pub mod comparison;
pub mod interrupt;
pub mod load;
pub mod metrics;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
pub mod target;

pub use comparison::run_each;
pub use interrupt::Interrupt;
pub use metrics::MetricsServer;
pub use report::{Comparison, ExitCode, RunReport};
pub use run::{Hooks, Progress, RunError, run};
pub use scenario::Scenario;
