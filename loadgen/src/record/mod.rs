//! What a run leaves behind: recorded off the hot path into spools, and made into files when all has settled.

mod spool;

pub use spool::{Spool, Spooled};
