//! What tests and benches share: networks of replicas, recorded runs, processes. Never part of a program.
#![expect(missing_docs, reason = "names in tests speak for themselves")]

pub mod machines;
pub mod processes;
pub mod recorded;
