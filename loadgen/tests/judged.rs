//! `loadgen check RUN_DIR`: a healthy run passes, what was tampered with is named, what is missing is unknown,
//! and what is no recorded run is refused in one message.

mod support;

use std::fs;
use std::path::Path;

use bank::Read;
use bank::{Money, Operation, Outcome};
use check::{Property, Verdict};
use exercise::{Element, Entry, Notation, ResultName, write_output};
use history::OperationRecord;
use history::{HistoryWriter, LedgerWriter, Run};
use loadgen::record::judge::{JudgedRun, judge_folder};
use loadgen::record::run_folder::{HISTORY, LEDGER};
use support::{code, folder, run, stderr, stdout};
use tempfile::TempDir;
use testkit::recorded::{Recording, Shape, record};

const OUTPUT: &str = "output.json";

fn recording() -> Recording {
    let shape = Shape {
        branches: 3,
        sessions: 6,
        operations: 300,
        opening: 5_000,
        read: Read::Session,
        mix: (40, 30),
        unanswered: 0,
    };
    record(shape, 11)
}

fn entry(call: &OperationRecord<'_>) -> Entry {
    let shown = call.operation == Operation::Query && call.outcome == Outcome::Ok;
    let balance = call.balance.filter(|_| shown).map(Money::minor_units);
    let result = match call.outcome {
        Outcome::Ok => ResultName::Success,
        Outcome::Rejected(_) => ResultName::Fail,
        Outcome::Unknown => ResultName::Unknown,
    };
    Entry {
        interface: call.operation.kind(),
        branch: Some(call.branch.0),
        result: balance.is_none().then_some(result),
        balance,
    }
}

/// Writes a run folder as a run does.
fn write(run: &Recording, folder: &Path, notation: Notation) {
    let Run { header, history: kept, ledgers, finals } = run.run();
    let file = |name: &str| fs::File::create(folder.join(name)).expect("a file");
    let mut history = HistoryWriter::new(file(HISTORY), &header).expect("written");
    for call in kept.calls() {
        history.write(&call).expect("written");
    }
    history.finish(0).expect("written");
    let mut ledger = LedgerWriter::new(file(LEDGER), &header).expect("written");
    for (branch, log) in header.branches.iter().zip(ledgers.logs()) {
        for logged in log.entries() {
            ledger.write(*branch, &logged).expect("written");
        }
    }
    for last in finals {
        ledger.state(&last).expect("written");
    }
    ledger.finish(&header.branches).expect("written");
    let element = |id| Element {
        id,
        recv: kept.calls().filter(|call| call.customer.0 == id).map(|call| entry(&call)).collect(),
    };
    let output: Vec<Element> = (1..=6).map(element).collect();
    write_output(&mut file(OUTPUT), output, notation).expect("written");
}

/// A run folder of a healthy run, with one of its files changed.
fn changed(name: &str, how: impl FnOnce(String) -> String) -> TempDir {
    let home = folder();
    write(&recording(), home.path(), Notation::Json);
    change(&home, name, how);
    home
}

fn change(home: &TempDir, name: &str, how: impl FnOnce(String) -> String) {
    let path = home.path().join(name);
    let text = fs::read_to_string(&path).expect("a file");
    fs::write(path, how(text)).expect("written");
}

fn judged(home: &TempDir) -> JudgedRun {
    judge_folder(home.path()).expect("a recorded run")
}

fn verdict(run: &JudgedRun, property: Property) -> Verdict {
    let check = run.checks.iter().find(|check| check.finding.property == property);
    check.expect("every property is judged").finding.verdict
}

/// Without its `which`-th line, counted from the end, and with the end marker's count as it is then.
fn without_line(text: &str, which: usize) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let end = lines.pop().expect("an end").to_owned();
    lines.remove(lines.len() - which);
    let count = lines.len() - 1;
    let (before, after) = end.split_once("\"count\":").expect("a count");
    let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{}\n{before}\"count\":{count}{after}\n", lines.join("\n"))
}

#[test]
fn a_healthy_run_passes_in_every_notation_of_its_output() {
    for notation in [Notation::Json, Notation::PythonLines, Notation::PythonLinesWithMoney] {
        let home = folder();
        write(&recording(), home.path(), notation);
        let run = judged(&home);
        assert_eq!(run.verdict(), Verdict::Pass, "{}", run.render());
        assert_eq!((run.operations, run.counterexample), (recording().calls.len(), None));
        assert_eq!(run.checks[0].finding.property, Property::OutputFile);
    }
}

#[test]
fn the_command_prints_the_table_and_ends_with_the_verdict() {
    let home = changed(OUTPUT, |text| text);
    let ran = run(&home, &["check", "."]);
    let said = stdout(&ran);
    assert_eq!((code(&ran), stderr(&ran).as_str()), (0, ""), "{said}");
    assert!(said.starts_with("PASS  3"), "{said}");
    assert!(said.contains("\n  PASS        output file         promised  3"), "{said}");
    assert!(said.contains("linearizable        observed"), "{said}");
    let ran = run(&home, &["check", "--quiet", "."]);
    assert_eq!((code(&ran), stdout(&ran).as_str()), (0, "pass\n"));
}

#[test]
fn a_file_that_says_something_else_than_its_customers_saw_is_named() {
    let balance = "\"balance\": ";
    let home = changed(OUTPUT, |text| text.replacen(balance, "\"balance\": 9", 1));
    let run = judged(&home);
    assert_eq!(verdict(&run, Property::OutputFile), Verdict::Fail);
    assert_eq!(verdict(&run, Property::Value), Verdict::Pass, "the history is right");
    let told = run.counterexample.clone().expect("a counterexample");
    assert_eq!(told.lines[0], "output file does not hold:");
    assert!(told.lines.last().expect("why").contains("the history says query"), "{told:?}");
    let ran = support::run(&home, &["check", "--quiet", "."]);
    assert_eq!((code(&ran), stdout(&ran).as_str()), (3, "fail (output file)\n"));
    let ran = support::run(&home, &["check", "."]);
    let said = stdout(&ran);
    assert_eq!(code(&ran), 3, "{said}");
    assert!(said.contains("counterexample\n  output file does not hold:\n"), "{said}");
    assert!(said.lines().all(|line| line.chars().count() <= 100), "{said}");
}

#[test]
fn an_answer_that_is_missing_or_too_many_is_found() {
    let answer = "            {\n                \"interface\": \"query\",";
    let end = "            },\n";
    let home = changed(OUTPUT, |text| {
        let from = text.find(answer).expect("a query");
        let to = from + text[from..].find(end).expect("its end") + end.len();
        format!("{}{}", &text[..from], &text[to..])
    });
    assert_eq!(verdict(&judged(&home), Property::OutputFile), Verdict::Fail);
    let home = changed(OUTPUT, |text| {
        let more = "[\n{\"id\": 77, \"recv\": [{\"interface\": \"query\", \"balance\": 1}]},";
        text.replacen('[', more, 1)
    });
    let run = judged(&home);
    let story = &run.checks[0].finding.violations[0].description;
    assert!(story.contains("extra answer for customer 77"), "{story}");
}

#[test]
fn a_balance_in_the_history_that_is_not_that_of_its_version_is_named_with_its_operation() {
    let home = changed(HISTORY, |text| text.replacen("\"balance\":", "\"balance\":9", 1));
    let run = judged(&home);
    assert_eq!(verdict(&run, Property::Value), Verdict::Fail);
    assert_eq!(support::code(&support::run(&home, &["check", "."])), 3);
}

#[test]
fn an_entry_that_is_gone_from_a_ledger_is_a_write_that_is_not_conserved() {
    // The last entry is before what the three branches held at the end.
    let home = changed(LEDGER, |text| without_line(&text, 4));
    let run = judged(&home);
    assert_eq!(verdict(&run, Property::Conservation), Verdict::Fail, "{}", run.render());
    assert_eq!(verdict(&run, Property::OutputFile), Verdict::Pass);
    assert_eq!(run.verdict(), Verdict::Fail);
}

#[test]
fn what_is_missing_at_the_end_of_a_file_is_unknown_and_never_passes() {
    for name in [HISTORY, LEDGER, OUTPUT] {
        let home = changed(name, |text| text[..text.len() - 60].to_owned());
        let run = judged(&home);
        assert_eq!(run.verdict(), Verdict::Unknown, "{name}: {}", run.render());
        let ran = support::run(&home, &["check", "-q", "."]);
        let line = stdout(&ran);
        assert_eq!((code(&ran), line.lines().count()), (5, 1), "{name}: {line}");
        assert!(line.starts_with("unknown ("), "{name}: {line}");
    }
}

#[test]
fn a_lost_ledger_and_a_history_that_was_not_recorded_to_its_end_are_unknown() {
    let lost = changed(LEDGER, |text| {
        let mut lines: Vec<&str> = text.lines().collect();
        lines.retain(|line| !line.starts_with("{\"branch\":2,"));
        let count = lines.len() - 2;
        let end = format!("{{\"end\":true,\"count\":{count},\"whole\":[1,3]}}\n");
        lines.pop();
        lines.join("\n") + "\n" + &end
    });
    let run = judged(&lost);
    assert_eq!(run.verdict(), Verdict::Unknown, "{}", run.render());
    let bounded = changed(HISTORY, |text| text.replace("\"dropped\":0", "\"dropped\":7"));
    let run = judged(&bounded);
    assert_eq!(run.verdict(), Verdict::Unknown, "{}", run.render());
    assert!(run.checks[0].finding.note.contains("the history is not whole"), "{}", run.render());
}

/// The command refuses it in one line, which holds `words`.
fn refuses(home: &TempDir, path: &str, words: &str) {
    let ran = run(home, &["check", path]);
    let said = stderr(&ran);
    assert_eq!((code(&ran), stdout(&ran).as_str()), (2, ""), "{said}");
    assert!(said.starts_with("error: ") && said.lines().count() == 1, "{said}");
    assert!(said.contains(words), "{said} lacks {words}");
}

#[test]
fn what_is_no_recorded_run_is_refused_in_one_message() {
    let home = changed(OUTPUT, |text| text);
    refuses(&home, "nowhere", "nowhere: there is no such folder");
    refuses(&home, OUTPUT, "is no folder");
    for name in [OUTPUT, LEDGER, HISTORY] {
        fs::remove_file(home.path().join(name)).expect("removed");
        refuses(&home, ".", &format!("there is no {name}"));
    }
    for scheme in ["passbook", "broadcast"] {
        let run = home.path().join(scheme);
        fs::create_dir(&run).expect("made");
        write(&recording(), &run, Notation::Json);
    }
    fs::write(home.path().join("comparison.json"), "{}").expect("written");
    refuses(&home, ".", "holds a run of each scheme; give one of them: ./passbook, ./broadcast");
    assert_eq!(code(&run(&home, &["check", "broadcast"])), 0);
}

#[test]
fn a_line_that_is_not_valid_is_refused_with_its_place() {
    let refused = |name: &str, from: &str, to: &str, words: &str| {
        refuses(&changed(name, |text| text.replacen(from, to, 1)), ".", words);
    };
    refused(HISTORY, "\"schema\":1", "\"schema\":9", "history.jsonl:1: schema 9");
    refused(LEDGER, "\"kind\":\"", "\"kind\":\"x", "ledger.jsonl:2: not an entry of a log");
    refused(OUTPUT, "\"deposit\"", "\"theft\"", "output.json:");
    refused(LEDGER, "\"opening_balance\":5000", "\"opening_balance\":1", "different runs");
    // A line is gone, and the end still counts it.
    let home = changed(HISTORY, |text| {
        let lines: Vec<&str> = text.lines().collect();
        [&lines[..5], &lines[6..]].concat().join("\n") + "\n"
    });
    refuses(&home, ".", "the end speaks of");
}

#[test]
fn guarantees_are_told_for_settings_and_wrong_ones_are_refused() {
    let home = folder();
    let said = |arguments: &[&str]| {
        let ran = run(&home, &[&["guarantees"][..], arguments].concat());
        assert_eq!(code(&ran), 0, "{}", stderr(&ran));
        stdout(&ran)
    };
    assert!(said(&[]).starts_with("with replication passbook, ack all, read session"));
    let snapshots = said(&["--read", "snapshot", "--ack", "majority"]);
    let promised = snapshots.split("not promised").next().expect("the promises");
    assert!(promised.contains("linearizable"), "{snapshots}");
    let foreign = said(&["--wire", "bank", "--customers", "1"]);
    assert!(foreign.contains("status and balance only"), "{foreign}");
    for wrong in [
        &["--replication", "raft"][..],
        &["--ack", "some"],
        &["--customers", "0"],
        &["--replication", "broadcast", "--read", "snapshot"],
        &["--wire", "bank", "--ack", "local"],
        &["run"],
    ] {
        let ran = run(&home, &[&["guarantees"][..], wrong].concat());
        assert_eq!((code(&ran), stdout(&ran).as_str()), (2, ""), "{wrong:?}");
        assert!(stderr(&ran).starts_with("error: "), "{}", stderr(&ran));
    }
}
