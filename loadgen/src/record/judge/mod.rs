//! The verdict of a run: its `output.json`, read back from disk, against what the branches hold.

mod folder;

pub use folder::{Counterexample, JudgeError, JudgedRun, judge_folder};
