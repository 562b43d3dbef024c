//! Loads a replicated bank with customers, measures it honestly and judges what they saw.
//!
//! ```text
//! arguments ─▶ scenario ─▶ run ─▶ report
//!                           │
//!                           ├─ target   branches: embedded, processes, running, or of other programs
//!                           ├─ load     schedules and the workers that perform them, through a client
//!                           └─ record   spools, the run folder, its verdict as read back from disk
//!
//! scenario under each of several schemes ─▶ comparison
//! an output.json of any program ─▶ check_output ─▶ verdict
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
