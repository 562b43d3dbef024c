//! `loadgen check`: outputs that other programs made.

mod support;

use support::{EXERCISE, ROAMING, code, folder, run, stderr, stdout, write};

fn check(input: &str, output: &str) -> (i32, String, String) {
    let home = folder();
    write(&home, "input.json", input);
    write(&home, "output.json", output);
    let ran = run(&home, &["check", "--input", "input.json", "output.json"]);
    (code(&ran), stdout(&ran), stderr(&ran))
}

const RIGHT: &str = r#"[{"id":1,"recv":[{"interface":"query","balance":400}]},
    {"id":2,"recv":[{"interface":"deposit","result":"success"},{"interface":"query","balance":570}]},
    {"id":3,"recv":[{"interface":"withdraw","result":"success"},{"interface":"query","balance":500}]}]"#;

#[test]
fn a_right_output_passes_in_its_edition() {
    let (code, said, warned) = check(EXERCISE, RIGHT);
    assert_eq!((code, warned.as_str()), (0, ""), "{said}");
    assert!(said.starts_with("PASS  5 answers are correct (sequential model"), "{said}");

    let end = RIGHT.replace("400", "500").replace("570", "500");
    let (code, said, _) = check(EXERCISE, &end);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("final-balance model"), "{said}");
}

#[test]
fn pythons_notation_with_floats_is_read_and_said() {
    let python = "{'id': 1, 'recv': [{'interface': 'QUERY', 'result': 'SUCCESS', 'money': 400.0}]}\n\
        {'id': 2, 'recv': [{'interface': 'DEPOSIT', 'result': 'SUCCESS'}, {'interface': 'QUERY', 'money': 570.0}]}\n\
        {'id': 3, 'recv': [{'interface': 'WITHDRAW', 'result': 'SUCCESS'}, {'interface': 'QUERY', 'money': 500.0}]}\n";
    let (code, said, warned) = check(EXERCISE, python);
    assert_eq!(code, 0, "{said}");
    assert!(warned.contains("output.json:1:2: single quotes"), "{warned}");
}

#[test]
fn a_wrong_balance_is_told_in_plain_words() {
    let (code, said, _) = check(EXERCISE, &RIGHT.replace("570", "230"));
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("operation 2 of customer 2"), "{said}");
    assert!(said.contains("expected 570, received 230"), "{said}");
}

#[test]
fn an_all_zero_output_of_a_roaming_customer_is_wrong_although_the_end_is_zero() {
    let input = ROAMING.replace("401", "400");
    let zero = r#"[{"id":5,"recv":[{"interface":"deposit","branch":1,"result":"success"}]},
        {"id":5,"recv":[{"interface":"query","branch":2,"balance":0}]},
        {"id":5,"recv":[{"interface":"withdraw","branch":2,"result":"success"}]}]"#;
    let (code, said, _) = check(&input, zero);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("expected 400, received 0"), "{said}");
    let right = zero.replace("\"balance\":0", "\"balance\":400");
    assert_eq!(check(&input, &right).0, 0);
}

#[test]
fn missing_and_mislabelled_answers_fail() {
    let missing = RIGHT.replace(r#",{"interface":"query","balance":500}"#, "");
    let (code, said, _) = check(EXERCISE, &missing);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("operation 2 of customer 3 (query): the answer is missing"), "{said}");
    let (code, said, _) = check(EXERCISE, &RIGHT.replace("withdraw", "deposit"));
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("expected the answer to a withdraw"), "{said}");
}

#[test]
fn balances_alone_are_judged_and_the_rest_is_said_to_be_unjudged() {
    let (code, said, _) = check(ROAMING, r#"{"id": 5, "balance": 400}"#);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("2 writes have no result in the file"), "{said}");
    assert_eq!(check(ROAMING, r#"{"id": 5, "balance": 0}"#).0, 3);
}

#[test]
fn a_file_that_answers_nothing_is_not_right() {
    let writes = r#"[{"id":1,"type":"customer","events":[{"id":1,"interface":"deposit","money":5}]},
        {"id":1,"type":"branch","balance":400}]"#;
    let (code, said, _) = check(writes, "[]");
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("the file holds no answer that could be judged"), "{said}");
}

#[test]
fn unknown_answers_make_the_verdict_unknown() {
    let unknown = RIGHT.replace(
        r#""interface":"deposit","result":"success""#,
        r#""interface":"deposit","result":"unknown""#,
    );
    let (code, said, _) = check(EXERCISE, &unknown);
    assert_eq!(code, 5, "{said}");
    assert!(said.starts_with("UNKNOWN"), "{said}");
}

#[test]
fn what_cannot_be_read_is_exit_code_2() {
    for (input, output, expected) in [
        (EXERCISE, "", "error: output.json:1:1: the file is empty"),
        (EXERCISE, "hello", "error: output.json:1:1: found hello"),
        ("[]", RIGHT, "error: input.json:1:1: there is no branch"),
    ] {
        let (code, said, warned) = check(input, output);
        assert_eq!((code, said.as_str()), (2, ""));
        assert!(warned.contains(expected), "{warned}");
    }
    let home = folder();
    let ran = run(&home, &["check", "--input", "a.json", "b.json"]);
    assert_eq!(code(&ran), 2);
    assert!(stderr(&ran).contains("a.json: cannot be read"), "{}", stderr(&ran));
    let ran = run(&home, &["check", "--input", ".", "b.json"]);
    assert_eq!(code(&ran), 2);
    assert!(stderr(&ran).contains("is a folder"), "{}", stderr(&ran));
}

/// Two customers who deposit and query.
const TWO: &str = r#"[{"id":1,"type":"customer","events":[{"interface":"deposit","money":10},{"interface":"query"}]},
    {"id":2,"type":"customer","events":[{"interface":"deposit","money":10},{"interface":"query"}]},
    {"id":1,"type":"branch","balance":400},{"id":2,"type":"branch","balance":400}]"#;

fn element(customer: u64, balance: u64) -> String {
    format!(
        r#"{{"id":{customer},"recv":[{{"interface":"deposit","result":"success"}},{{"interface":"query","balance":{balance}}}]}}"#
    )
}

#[test]
fn appended_runs_fail_and_the_correct_one_is_named() {
    let (one, two) = (element(1, 410), element(2, 420));
    for (output, expected) in [
        (
            format!("[{one},{two}][{one},{two}]"),
            "2 runs one after another; the last one is correct",
        ),
        (
            format!("{one}\n{two}\n{one}\n{two}\n{one}\n{two}\n"),
            "3 runs one after another; the last one is correct",
        ),
        (
            format!("[{one},{two}][{one},{}]", element(2, 7)),
            "2 runs one after another; run 1 is correct, the last one is not",
        ),
        (format!("{one}\n{one}\n{one}\n{two}\n"), "the last one, from line 3, is correct"),
        (format!("[{one},{one},{two},{two}]"), "every element is there twice; without the copies"),
    ] {
        let (code, report, _) = check(TWO, &output);
        assert_eq!(code, 3, "{report}");
        assert!(report.starts_with("FAIL  ") && report.contains(expected), "{report}");
    }
    let wrong = format!("[{one},{0}][{one},{0}]", element(2, 7));
    let (code, report, _) = check(TWO, &wrong);
    assert_eq!(code, 3);
    assert!(!report.contains("is correct"), "{report}");
}

#[test]
fn an_output_of_another_input_is_reported_as_such() {
    let (code, report, _) = check(TWO, &format!("[{}]", element(1, 410)));
    assert_eq!(code, 3, "{report}");
    assert!(report.contains("the input has 2 customers, the output 1; check"), "{report}");
    let (code, report, _) = check(TWO, &format!("[{},{}]", element(1, 410), element(7, 420)));
    assert_eq!(code, 3, "{report}");
    assert!(report.contains("2 customers each, but not the same ones"), "{report}");
    let (_, report, _) = check(TWO, &format!("[{},{}]", element(1, 410), element(2, 7)));
    assert!(!report.contains("check that they belong together"), "{report}");
}

#[test]
fn an_output_of_queries_only_passes_with_a_warning() {
    let output = |balance| {
        format!(
            r#"[{{"id":1,"recv":[{{"interface":"query","balance":410}}]}},{{"id":2,"recv":[{{"interface":"query","balance":{balance}}}]}}]"#
        )
    };
    let (code, report, warnings) = check(TWO, &output(420));
    assert_eq!(code, 0, "{report}");
    assert!(warnings.contains("output.json:1:2: the file answers queries only"), "{warnings}");
    assert!(report.contains("2 writes have no result"), "{report}");
    assert_eq!(check(TWO, &output(410)).0, 3);
}

#[test]
fn a_balance_of_zero_may_be_left_out() {
    let input = r#"[{"id":1,"type":"customer","events":[
        {"interface":"query"},{"interface":"deposit","money":5},{"interface":"query"}]},
        {"id":1,"type":"branch","balance":0}]"#;
    let output = |first: &str, last: &str| {
        format!(
            r#"[{{"id":1,"recv":[{{"interface":"query"{first}}},{{"interface":"deposit","result":"success"}},{{"interface":"query"{last}}}]}}]"#
        )
    };
    let (code, report, warnings) = check(input, &output("", ",\"balance\":5"));
    assert_eq!(code, 0, "{report}");
    assert!(warnings.contains("output.json:1:18: a query without a balance"), "{warnings}");
    let (code, report, _) = check(input, &output(",\"balance\":0", ""));
    assert_eq!(code, 3, "{report}");
    assert!(report.contains("shows no balance"), "{report}");
    let empty =
        input.replace(",{\"interface\":\"deposit\",\"money\":5},{\"interface\":\"query\"}", "");
    let (code, report, _) = check(&empty, r#"[{"id":1,"recv":[{"interface":"query"}]}]"#);
    assert_eq!(code, 5, "nothing shows that a balance was read: {report}");
}

#[test]
fn standard_input_is_read_once() {
    let home = folder();
    write(&home, "input.json", TWO);
    write(&home, "output.json", &format!("[{},{}]", element(1, 410), element(2, 420)));
    let with_input = |file: &str, arguments: &[&str]| {
        let stdin = std::fs::File::open(home.path().join(file)).expect("a file");
        support::loadgen(&home).args(arguments).stdin(stdin).output().expect("loadgen ran")
    };
    let ran = with_input("output.json", &["check", "--input", "input.json", "-"]);
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    let ran = with_input("input.json", &["check", "--input", "-", "output.json"]);
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    let ran = with_input("input.json", &["replay", "-", "--quiet", "-o", "replayed.json"]);
    assert_eq!((code(&ran), stdout(&ran).as_str()), (0, "pass\n"), "{}", stderr(&ran));
    let ran = with_input("input.json", &["check", "--input", "-", "-"]);
    assert_eq!(code(&ran), 2);
    assert!(stderr(&ran).contains("standard input holds one file only"), "{}", stderr(&ran));
    let ran = with_input("output.json", &["replay", "-"]);
    assert_eq!(code(&ran), 2);
    assert!(stderr(&ran).starts_with("error: standard input:1:"), "{}", stderr(&ran));
}

#[test]
fn an_output_in_a_run_folder_is_refused() {
    let home = folder();
    let ran = run(&home, &["--customers", "3", "--events", "3"]);
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    let files = ["passbook-run/input.json", "passbook-run/output.json"];
    let ran = run(&home, &["check", "--input", files[0], files[1]]);
    assert_eq!(code(&ran), 2, "{}", stdout(&ran));
    let expected = "passbook-run: this is a run folder; use loadgen check passbook-run";
    assert!(stderr(&ran).contains(expected), "{}", stderr(&ran));
    for name in files {
        std::fs::copy(home.path().join(name), home.path().join(&name[13..])).expect("copied");
    }
    let ran = run(&home, &["check", "--input", "input.json", "output.json"]);
    assert_ne!(code(&ran), 2, "no run folder: {}", stderr(&ran));
}

#[test]
fn quiet_prints_the_verdict_and_its_reason_in_one_line() {
    let home = folder();
    write(&home, "input.json", TWO);
    let line = |output: &str| {
        write(&home, "output.json", output);
        stdout(&run(&home, &["check", "-q", "--input", "input.json", "output.json"]))
    };
    let (one, two) = (element(1, 410), element(2, 420));
    assert_eq!(line(&format!("[{one},{two}]")), "pass\n");
    assert_eq!(line(&format!("[{one},{}]", element(2, 7))), "fail (sequential model)\n");
    let runs = "fail (the file holds 2 runs one after another; the last one is correct)\n";
    assert_eq!(line(&format!("[{one},{two}][{one},{two}]")), runs);
}
