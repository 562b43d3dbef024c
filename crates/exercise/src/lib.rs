//! The exercise's files: `input.json` lists what customers do, `output.json` what each of them received.

mod answers;
mod excerpts;
mod fields;
mod input;
mod interpret;
mod notation;
mod output;
mod received;
mod source;
mod write;

pub use answers::{WrittenAnswer, read_answers};
pub use excerpts::Excess;
pub use input::{Block, Event, Input, Warning};
pub use notation::Position;
pub use output::{Element, Entry, Notation, Output, ResultName, Shape};
pub use received::{Answer, CustomerAnswers, Received};
pub use source::{FileError, is_standard_input, source_name};
pub use write::{check_writable, replace, write_input, write_json, write_output};
