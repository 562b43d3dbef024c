//! `history.jsonl` and `ledger.jsonl`: what was written is judged the same when it is read back, a file that was
//! cut proves nothing, and a line that is not valid is named.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it damages files on disk"
)]

use std::fs;
use std::path::Path;

use bank::Read;
use check::{Verdict, judge};
use history::{BranchOrigin, ErrorLimit, ReferenceModel};
use history::{Header, HistoryWriter, LedgerWriter, Run};
use testkit::recorded::{Recording, Shape, record};

const LIMIT: ErrorLimit = ErrorLimit { max_share: 0.07, branches: BranchOrigin::Ended };

fn recording() -> Recording {
    let shape = Shape {
        branches: 3,
        sessions: 8,
        operations: 300,
        opening: 60,
        read: Read::Session,
        mix: (30, 50),
        unanswered: 5,
    };
    record(shape, 11)
}

fn write(run: &Recording, folder: &Path) {
    let Run { header, history: operations, ledgers, finals } = run.run();
    let header = Header {
        rights: Some(vec![20; ledgers.logs().len()]),
        reference_model: Some(ReferenceModel::Sequential),
        error_limit: Some(LIMIT),
        ..header
    };
    let file = |name: &str| fs::File::create(folder.join(name)).expect("a file");
    let mut history = HistoryWriter::new(file("history.jsonl"), &header).expect("written");
    for call in operations.calls() {
        history.write(&call).expect("written");
    }
    history.finish(0).expect("written");
    let mut ledger = LedgerWriter::new(file("ledger.jsonl"), &header).expect("written");
    for (branch, log) in header.branches.iter().zip(ledgers.logs()) {
        for logged in log.entries() {
            ledger.write(*branch, &logged).expect("written");
        }
    }
    for last in finals {
        ledger.state(&last).expect("written");
    }
    ledger.finish(&header.branches).expect("written");
}

fn read(folder: &Path) -> Result<Run, String> {
    let (history, ledger) = (folder.join("history.jsonl"), folder.join("ledger.jsonl"));
    Run::read(&history, &ledger).map_err(|error| error.to_string())
}

fn change(folder: &Path, name: &str, how: impl FnOnce(String) -> String) {
    let path = folder.join(name);
    let text = fs::read_to_string(&path).expect("a file");
    fs::write(path, how(text)).expect("written");
}

#[test]
fn a_run_that_was_read_back_is_judged_the_same() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = recording();
    let mut expected = run.run();
    expected.header.reference_model = Some(ReferenceModel::Sequential);
    assert_eq!(judge(&expected)[1..], run.judge());
    expected.header.error_limit = Some(LIMIT);
    write(&run, folder.path());
    let back = read(folder.path()).expect("its own files");
    assert!(expected.history.calls().eq(back.history.calls()));
    assert_eq!(back.finals, expected.finals);
    assert_eq!(back.header.error_limit, Some(LIMIT));
    assert_eq!(judge(&back), judge(&expected));
}

#[test]
fn a_file_that_was_cut_proves_nothing() {
    for name in ["history.jsonl", "ledger.jsonl"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(&recording(), folder.path());
        // In the middle of a line.
        change(folder.path(), name, |text| text[..text.len() - 80].to_owned());
        let judged = judge(&read(folder.path()).expect("what is left of it"));
        let promised = judged.iter().filter(|judged| judged.promised);
        let worst = promised.map(|judged| judged.finding.verdict).max();
        assert_eq!(worst, Some(Verdict::Unknown), "{name}: {judged:#?}");
    }
}

#[test]
fn a_line_that_is_not_valid_is_named() {
    let says = |name: &str, from: &str, to: &str| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(&recording(), folder.path());
        change(folder.path(), name, |text| text.replacen(from, to, 1));
        read(folder.path()).expect_err("not valid")
    };
    let wrong = says("history.jsonl", "\"outcome\":\"ok\"", "\"outcome\":\"fine\"");
    assert!(wrong.contains("history.jsonl:") && wrong.contains("fine"), "{wrong}");
    let wrong = says("history.jsonl", "\"schema\":1", "\"schema\":9");
    assert!(wrong.contains("schema 9; this version reads"), "{wrong}");
    let wrong = says("ledger.jsonl", "\"branch\":1", "\"branch\":7");
    assert!(wrong.contains("branch 7 is not one of the run's branches"), "{wrong}");
    let wrong = says("ledger.jsonl", "\"opening_balance\":60", "\"opening_balance\":61");
    assert!(wrong.contains("different runs"), "{wrong}");
    let wrong = says("history.jsonl", "{\"end\":true,\"count\":", "{\"end\":true,\"count\":1");
    assert!(wrong.contains("the end speaks of"), "{wrong}");
    let wrong = says("history.jsonl", "\"session\":\"", "\"session\":\"x");
    assert!(wrong.contains("not an operation"), "{wrong}");
    let wrong = says("history.jsonl", "\"rights\":[20,", "\"rights\":[21,");
    assert!(wrong.contains("\"rights\" are 61 together"), "{wrong}");
    let wrong = says("history.jsonl", "\"rights\":[20,", "\"rights\":[");
    assert!(wrong.contains("\"rights\" are of 2 branches; there are 3"), "{wrong}");
    let wrong = says("history.jsonl", "\"edition\":\"sequential\"", "\"edition\":\"first\"");
    assert!(wrong.contains("expected `sequential` or `final-balance`"), "{wrong}");
    let wrong = says("history.jsonl", "\"max_share\":0.07", "\"max_share\":1.07");
    assert!(wrong.contains("\"max_share\" is 1.07; expected a fraction from 0 to 1"), "{wrong}");
    let wrong = says("history.jsonl", "\"branches\":\"ended\"", "\"branches\":\"gone\"");
    assert!(wrong.contains("unknown variant `gone`, expected one of `started`"), "{wrong}");
}

#[test]
fn a_file_without_an_error_limit_is_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&recording(), folder.path());
    let limit = ",\"error_limit\":{\"max_share\":0.07,\"branches\":\"ended\"}";
    for name in ["history.jsonl", "ledger.jsonl"] {
        change(folder.path(), name, |text| text.replacen(limit, "", 1));
    }
    let back = read(folder.path()).expect("as older versions wrote it");
    assert_eq!(back.header.error_limit, None);
}
