//! Loads a replicated bank with customers, measures it honestly and judges what they saw.
//!
//! ```text
//! cli ─▶ scenario ─▶ run ─▶ report
//!                     │
//!                     ├─ target     the branches: embedded, processes, running, foreign
//!                     ├─ load       schedules, workers and customers, who call branches by client
//!                     └─ record     what customers saw and branches logged, as files; read back and judged
//!
//! comparison    the same scenario under each of several schemes
//! check_output  the output of any program ─▶ verdict
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
