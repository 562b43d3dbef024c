//! Snapshots of what `loadgen` prints without a run. `INSTA_UPDATE=always cargo test --test cli` accepts a change of
//! wording.

mod support;

use insta::assert_snapshot;
use support::{EXERCISE, folder, loadgen, write};
use testkit::processes::transcript;

#[test]
fn help_and_guarantees_print_as_before() {
    let home = folder();
    let print = |arguments: &[&str]| transcript(loadgen(&home).args(arguments));
    assert_snapshot!("help", print(&["--help"]));
    assert_snapshot!("help_short", print(&["-h"]));
    assert_snapshot!("help_replay", print(&["replay", "--help"]));
    assert_snapshot!("help_check", print(&["check", "--help"]));
    assert_snapshot!("help_guarantees", print(&["guarantees", "--help"]));
    assert_snapshot!("guarantees", print(&["guarantees"]));
    let broadcast = ["guarantees", "--replication", "broadcast", "--ack", "majority"];
    assert_snapshot!("guarantees_broadcast", print(&broadcast));
}

#[test]
fn error_messages_print_as_before() {
    let home = folder();
    write(&home, "input.json", EXERCISE);
    write(&home, "cut.json", &EXERCISE[..200]);
    write(&home, "empty.json", "[]");
    write(&home, "output.json", r#"[{"id": 1, "recv": [{"interface": "query", "balance": 401}]}]"#);
    std::fs::create_dir(home.path().join("work")).expect("created");
    write(&home, "work/thesis.txt", "precious");
    let messages: [(&str, &[&str]); 12] = [
        ("error_flag_unknown", &["--custommers", "5"]),
        ("error_flag_of_another_program", &["-n", "100"]),
        ("error_flag_of_another_scheme", &["--replication", "passbook", "--lock"]),
        ("error_flags_exclude_each_other", &["--events", "5", "--duration", "5s"]),
        ("error_value_out_of_range", &["--customers", "20001"]),
        ("error_value_unreadable", &["--mix", "1:2"]),
        ("error_address_unreadable", &["--target", "http://127.0.0.1:1"]),
        ("error_out_holds_something_else", &["--customers", "1", "--out", "work"]),
        ("error_input_missing", &["replay", "nowhere.json"]),
        ("error_input_cut", &["replay", "cut.json"]),
        ("error_input_without_branches", &["replay", "empty.json"]),
        ("error_output_wrong", &["check", "--input", "input.json", "output.json"]),
    ];
    for (name, arguments) in messages {
        assert_snapshot!(name, transcript(loadgen(&home).args(arguments)));
    }
}
