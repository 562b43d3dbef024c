//! Replicas under one seed: time is a number, nothing waits, and the same seed gives the same run.
//!
//! A [`Plan`] is drawn from a seed: branches, customers and what goes wrong. [`run`] carries it out on the
//! state machines that also serve, over a simulated network and simulated disks, while a judge watches who
//! knows what really happened. A plan that ends in a [`Violation`] is made smaller by [`shrink`], and
//! [`story`] tells it.

mod agenda;
mod chance;
mod counters;
mod customers;
mod disk;
pub mod judge;
mod network;
mod plan;
mod recorder;
mod shrink;
mod story;
mod words;
mod world;

pub use check::Property;
pub use counters::{Counters, Seen};
pub use judge::Violation;
pub use plan::{FaultProfile, Plan};
pub use shrink::{Shrunk, shrink};
pub use story::{Story, story};
pub use world::{Ran, run};
