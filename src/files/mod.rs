//! The seed systems' files: `input.json` says what to do, `output.json` what everybody received. And
//! `history.jsonl` and `ledger.jsonl`: a run as it was recorded.

mod answers;
mod excerpts;
mod fields;
mod input;
mod interpret;
mod notation;
mod output;
mod pairing;
mod received;
mod recorded;
mod source;
mod write;

pub use answers::read_answers;
pub use excerpts::Excess;
pub use input::{Block, Event, Input, InputError, Warning};
pub use notation::{Leniency, Node, Parsed, Position, SyntaxError, Value, parse as parse_notation};
pub use output::{Element, Entry, Notation, Output, ResultName, Shape};
pub use pairing::{Paired, pair_with};
pub use received::{Answer, CustomerAnswers, Received, ReceivedError};
pub use recorded::{
    Header, HistoryWriter, LedgerWriter, RecordedError, RecordedRun, read_history, read_ledger,
};
pub use source::{SourceError, is_standard_input, source_name};
pub use write::{check_writable, replace, write_input, write_json, write_output};
