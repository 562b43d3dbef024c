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
    assert!(said.starts_with("PASS  5 answers are right (sequential edition"), "{said}");

    let end = RIGHT.replace("400", "500").replace("570", "500");
    let (code, said, _) = check(EXERCISE, &end);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("final-balance edition"), "{said}");
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
}
