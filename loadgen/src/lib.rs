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

pub mod artifacts;
pub mod clusters;
pub mod connecting;
pub mod customers;
pub mod disk;
pub mod foreign;
pub mod interrupt;
pub mod judge;
pub mod metrics;
mod polling;
pub mod queried;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
pub mod sides;
pub mod stages;

pub use interrupt::Interrupt;
pub use metrics::MetricsServer;
pub use report::{ExitCode, Report, SideBySide};
pub use run::{Hooks, Progress, RunError, run};
pub use scenario::Scenario;
pub use sides::run_each;
