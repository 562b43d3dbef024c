//! Replicas under one seed: time is a number, nothing waits, and the same seed gives the same run.
//!
//! A [`Plan`] is drawn from a seed: branches, customers and what goes wrong. [`run`] carries it out on the
//! state machines that also serve, over a simulated network and simulated disks. Whatever customers see is recorded and
//! judged by `check`, as a run of servers is; what only an observer of the engine can see is judged by `observer`, which
//! watches every step. A plan that ends in a [`Violation`] is made smaller by [`shrink`], and a [`Transcript`] shows it.

mod agenda;
mod chance;
mod counters;
mod customers;
mod disk;
mod network;
mod observer;
mod plan;
mod recorder;
mod shrink;
mod transcript;
mod world;

pub use check::Property;
pub use counters::{Counter, Counters};
pub use observer::Violation;
pub use plan::{FaultProfile, Plan};
pub use shrink::{SmallerPlan, shrink};
pub use transcript::Transcript;
pub use world::{RunResult, run};
