//! The gate: from what customers were answered, what branches logged and what they hold at the end, to one verdict a
//! property.
//!
//! Pure and near-linear. `properties/` has one file a property, each from the run's index to an examination; `evidence/` has
//! what several of them need. What a missing part of the record could hide makes a verdict unknown; what is wrong in
//! the rest stays wrong. Four verdicts; neither unknown nor not judged is ever pass.
//!
//! Versions are compared, and acknowledgements counted, by code of this crate, and never by the engine's: a judge that
//! shares it cannot see its faults.

mod compact;
mod counterexample;
mod evidence;
mod examination;
mod finding;
#[cfg(test)]
mod fixture;
mod guarantees;
mod index;
mod judge;
mod numbers;
mod pairing;
mod properties;
mod property;

pub use counterexample::counterexample;
pub use finding::{Finding, Named, Verdict, Violation};
pub use guarantees::{Guarantee, guarantees, promises};
use index::RunIndex;
pub use judge::{Judged, NO_VERSIONS, has_evidence, judge, verdict};
pub use numbers::{counted, grouped, percent};
pub use pairing::{Paired, pair_with};
pub use properties::{CHECKS, Check, OutputFile, final_balance, sequential};
pub use property::Property;
