//! The load: a schedule says which operation is due when, workers perform them, recorders count what came of it.
//!
//! ```text
//! workload ─▶ schedules, one a worker ─▶ workers ─▶ customers ─▶ client
//!                                           └─▶ recorder, spool of operations, calls in flight ─▶ merged
//! ```

mod customer;
mod generator_load;
mod measured;
mod phase;
mod progress;
mod recorder;
mod schedule;
mod silence;
mod statuses;
mod worker;
mod workers;

pub use generator_load::GeneratorLoad;
pub use measured::Measured;
pub use phase::Phase;
pub use progress::{LoadProgress, ProgressReader};
pub use recorder::{
    Class, KINDS, KindRecord, Live, P50, P90, P99, P99_9, Recent, Recorder, percentile,
};
pub use schedule::{Schedule, customers_at_once, schedules};
pub use silence::Silence;
pub use statuses::{StatusCount, Statuses};
pub use worker::WorkerSettings;
pub use workers::{LoadError, LoadRecord, Workers, worker_count};
