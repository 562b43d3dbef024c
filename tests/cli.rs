//! Snapshots of what `branch` prints without serving. `INSTA_UPDATE=always cargo test --test cli` accepts a change of
//! wording.

use std::process::Command;

use insta::assert_snapshot;
use testkit::processes::transcript;

fn print(arguments: &[&str]) -> String {
    transcript(Command::new(env!("CARGO_BIN_EXE_branch")).args(arguments))
}

#[test]
fn help_prints_as_before() {
    assert_snapshot!("help", print(&["--help"]));
    assert_snapshot!("help_serve", print(&["serve", "--help"]));
    assert_snapshot!("help_cluster", print(&["cluster", "--help"]));
}

#[test]
fn error_messages_print_as_before() {
    let serve = ["serve", "--id", "1", "--listen", "127.0.0.1:0"];
    let refused = |more: &[&str]| print(&[&serve, more].concat());
    assert_snapshot!("error_listen_missing", print(&["serve", "--id", "1"]));
    assert_snapshot!("error_peer_without_address", refused(&["--peer", "2"]));
    assert_snapshot!("error_peer_is_itself", refused(&["--peer", "1=127.0.0.1:9"]));
    assert_snapshot!("error_lock_of_another_scheme", refused(&["--lock"]));
}
