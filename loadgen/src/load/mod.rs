//! The load: who does what when, and what is measured of it.

mod generator;
mod measured;
mod recorder;
mod session;
mod silence;
mod stages;
mod statuses;
mod threads;

pub use generator::GeneratorLoad;
pub use measured::Measured;
pub use recorder::{
    Class, Kind, KindRecord, Live, P50, P90, P99, P99_9, Recent, Recorder, percentile,
};
pub use silence::Silence;
pub use stages::crowds;
pub use statuses::{StatusCount, Statuses};
pub use threads::{AtWork, Crowd, Look, Order, Plan, Ran};
