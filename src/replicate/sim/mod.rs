//! Replicas under one seed: time is a number, nothing waits, and the same seed gives the same run.

pub mod delays;
mod judge;
