//! Snapshots of what `simulate` prints without a run. `INSTA_UPDATE=always cargo test --test cli` accepts a change of
//! wording.
#![cfg(not(feature = "mutants"))]
#![expect(clippy::disallowed_types, reason = "it runs the program")]

use std::process::Command;

use insta::assert_snapshot;
use testkit::processes::transcript;

#[test]
fn help_and_error_messages_print_as_before() {
    let print = |arguments: &[&str]| {
        transcript(Command::new(env!("CARGO_BIN_EXE_simulate")).args(arguments))
    };
    assert_snapshot!("help", print(&["--help"]));
    assert_snapshot!("error_mix_unknown", print(&["--mix", "stormy"]));
}
