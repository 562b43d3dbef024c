//! x
pub mod bank;
pub mod branch;
pub mod check;
pub mod cluster;
pub mod files;
pub mod replicate;
pub mod telemetry;
pub mod wire;
