//! The rules one by one: branches driven by hand into what goes wrong where a rule is left out or misread.
//!
//! The simulation finds such things by chance; here each has a name. A mistake that was made once has a test
//! of its own.

mod borrowing;
mod cluster;
mod collects;
mod incarnations;
mod journals;
mod notes;
mod prover;
mod pushes;
mod relay;
mod requests;
mod tokens;
