//! A replicated bank whose branches are gRPC servers: run it, trace every propagation, prove that
//! nothing was lost.
//!
//! What a branch decides is in the crates that this one depends on. Each module here may use those above it in this list:
//!
//! | module | what |
//! |---|---|
//! | [`address`] | `HOST:PORT` as people write it |
//! | [`arguments`] | command-line arguments that `branch` and `loadgen` share |
//! | [`wire`] | generated code, conversions, the one table of errors |
//! | [`telemetry`] | spans, their context on the wire, metric names, exporters |
//! | [`branch`] | a branch as a server: performs what the scheme decides |
//! | [`cluster`] | N branches together |
//!
//! The library never prints, never exits and never installs telemetry on its own: binaries do.

pub mod address;
pub mod arguments;
pub mod branch;
pub mod cluster;
pub mod telemetry;
pub mod wire;
