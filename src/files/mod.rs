//! The seed systems' files: `input.json` says what to do, `output.json` what everybody received.

mod input;
mod output;
mod write;

pub use input::{Block, Event, Input, InputError};
pub use output::{Element, Entry, Output, OutputError, ResultName, Shape, observe};
pub use write::{replace, write_json};
