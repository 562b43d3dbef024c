//! What tests and benches share: networks of replicas, recorded runs, processes. Never part of a program.
#![expect(missing_docs, reason = "names in tests speak for themselves")]
#![expect(clippy::missing_panics_doc, reason = "a panic is how a test fails")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it starts, watches and waits for processes"
)]

pub mod forwarding;
pub mod machines;
pub mod processes;
pub mod recorded;
