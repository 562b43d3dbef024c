//! What a run is to do: one validated value from the command line to `summary.json`. Nothing here does I/O.
//!
//! Each setting has its default in the `Default` of [`Scenario`], [`Synthetic`] or the type of the setting; the command
//! line shows these defaults. What is serialized here is what `summary.json` shows.

mod configuration;
mod mix;
mod recording;
mod replay;
mod share;
mod synthetic;
mod think;
mod wire;
mod workload;

pub use configuration::{ClusterChoice, Scenario, SettingError};
pub use mix::Mix;
pub use recording::Recording;
pub use replay::{Replay, ReplayOrder, Style};
pub use share::Share;
pub(crate) use synthetic::Events;
pub use synthetic::{Stop, Synthetic};
pub use think::{ThinkTime, ThinkTimes};
pub use wire::{Wire, broadcast_reads};
pub use workload::Workload;

pub(crate) use configuration::seconds;
pub(crate) use synthetic::scramble;
