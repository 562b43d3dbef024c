//! What really came back: statuses of calls in the verdict, in the report and in files.

#![expect(
    clippy::disallowed_methods,
    reason = "a test ends with its tasks and need not repeat its names"
)]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Output;

use serde_json::Value;
use support::banks::{FakeBank, Writes, message, page};
use support::{code, folder, json, run, stderr, stdout};
use tempfile::TempDir;
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::http::Response;

/// `success` by gzip.
const GZIP: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 227, 98, 47, 46, 77, 78, 78, 45, 46, 6, 0, 229, 151, 142, 139,
    9, 0, 0, 0,
];

/// `success`, and five million bytes in a field that the contract does not define.
fn big() -> Response<Body> {
    let mut bytes = b"\x0a\x07success\x7a".to_vec();
    bytes.extend([0xc0, 0x96, 0xb1, 0x02]);
    bytes.extend(std::iter::repeat_n(b'x', 5_000_000));
    message(&bytes, None)
}

fn load(home: &TempDir, bank: &FakeBank, more: &[&str]) -> Output {
    let arguments = ["--wire", "bank", "-c", "3", "--events", "8", "--target", &bank.target];
    run(home, &[&arguments[..], more].concat())
}

fn summary(home: &TempDir) -> Value {
    json(&home.path().join("passbook-run/summary.json"))
}

/// Operations of both kinds of writes that ended as `outcome`.
fn writes(summary: &Value, outcome: &str) -> u64 {
    let of = |kind: &str| summary["operations"][kind][outcome].as_u64().expect("a count");
    of("deposit") + of("withdraw")
}

#[test]
fn answers_the_client_cannot_read_are_unknown() {
    let cases: [(&str, Writes, &str); 6] = [
        ("too large", Writes::Raw(big), "RESOURCE_EXHAUSTED"),
        ("brotli", Writes::Raw(|| message(b"?", Some("br"))), "UNIMPLEMENTED"),
        ("no protobuf", Writes::Raw(|| message(b"\x0a\xff\xff\x0fx", None)), "INTERNAL"),
        ("empty page 403", Writes::Raw(|| page(403, "")), "UNKNOWN"),
        ("empty page 404", Writes::Raw(|| page(404, "")), "UNKNOWN"),
        ("page 503", Writes::Raw(|| page(503, "<html>sorry</html>")), "UNAVAILABLE"),
    ];
    for (name, answer, status) in cases {
        let home = folder();
        let bank = FakeBank::start(2, answer);
        let ran = load(&home, &bank, &[]);
        let report = stdout(&ran);
        assert_eq!(code(&ran), 5, "{name}: {report}{}", stderr(&ran));
        let summary = summary(&home);
        assert_eq!(writes(&summary, "rejected"), 0, "{name}: {report}");
        assert!(writes(&summary, "unknown") > 0, "{name}: {report}");
        assert_eq!(summary["statuses"][0]["code"], status, "{name}: {report}");
        assert!(report.contains(" failed: the outcome is unknown"), "{name}: {report}");
        assert!(!report.contains("never answered ("), "{name}: {report}");
    }
}

#[test]
fn gzip_is_accepted() {
    let home = folder();
    let ran = load(&home, &FakeBank::start(2, Writes::Raw(|| message(GZIP, Some("gzip")))), &[]);
    assert_eq!(code(&ran), 0, "{}{}", stdout(&ran), stderr(&ran));
    assert_eq!(summary(&home)["statuses"], Value::Array(Vec::new()));
}

#[test]
fn max_message_raises_the_limit_that_its_error_names() {
    let home = folder();
    let bank = FakeBank::start(2, Writes::Raw(big));
    let ran = load(&home, &bank, &[]);
    assert!(stdout(&ran).contains("larger than --max-message allows"), "{}", stdout(&ran));
    let raised = FakeBank::start(2, Writes::Raw(big));
    let ran = load(&home, &raised, &["--max-message", "6MiB"]);
    assert_eq!(code(&ran), 0, "{}{}", stdout(&ran), stderr(&ran));
    for wrong in ["0", "1", "2GiB", "much"] {
        let ran = load(&home, &raised, &["--max-message", wrong]);
        assert_eq!(code(&ran), 2, "{wrong}");
        assert!(stderr(&ran).contains("from 1KiB to 1GiB"), "{}", stderr(&ran));
    }
}

#[test]
fn code_and_message_are_in_report_summary_and_history() {
    let home = folder();
    let ran = load(&home, &FakeBank::start(2, Writes::Error(Code::Internal, "disk\nfull")), &[]);
    let (report, summary) = (stdout(&ran), summary(&home));
    let failed = writes(&summary, "unknown");
    assert!(report.contains(&format!("INTERNAL {failed} \"disk\\nfull\"")), "{report}");
    let expected =
        serde_json::json!([{"code": "INTERNAL", "count": failed, "first_message": "disk\nfull"}]);
    assert_eq!(summary["statuses"], expected);
    let lines = std::fs::read_to_string(home.path().join("passbook-run/history.jsonl"));
    let lines = lines.expect("a history");
    let with_code = lines.lines().filter(|line| line.contains("\"code\":\"INTERNAL\""));
    assert_eq!(u64::try_from(with_code.count()), Ok(failed), "{lines}");
    let judged = run(&home, &["check", "passbook-run"]);
    assert_eq!(code(&judged), code(&ran), "{}{}", stdout(&judged), stderr(&judged));
}

#[test]
fn undefined_status_word_is_in_report_summary_and_history() {
    let home = folder();
    let ran = load(&home, &FakeBank::start(2, Writes::Word("OK")), &[]);
    let (report, summary) = (stdout(&ran), summary(&home));
    assert_eq!(code(&ran), 5, "{report}{}", stderr(&ran));
    let failed = writes(&summary, "unknown");
    let row = format!("status \"OK\" {failed} (expected \"success\" or \"fail\")\n");
    assert!(report.contains(&row), "{report}");
    let expected = serde_json::json!([{
        "code": "OK", "status": "OK", "expected": "\"success\" or \"fail\"", "count": failed,
        "first_message": "",
    }]);
    assert_eq!(summary["statuses"], expected);
    let lines = std::fs::read_to_string(home.path().join("passbook-run/history.jsonl"));
    let lines = lines.expect("a history");
    let with_word = lines.lines().filter(|line| line.contains("\"status\":\"OK\""));
    assert_eq!(u64::try_from(with_word.count()), Ok(failed), "{lines}");
    let judged = run(&home, &["check", "passbook-run"]);
    assert_eq!(code(&judged), 5, "{}{}", stdout(&judged), stderr(&judged));
}

#[test]
fn only_operations_without_any_answer_were_never_answered() {
    let home = folder();
    let bank = FakeBank::start(2, Writes::Silence);
    let arguments = ["-c", "3", "--events", "1", "--mix", "1:0:0", "--timeout", "2s"];
    let target = ["--wire", "bank", "--target", &bank.target];
    let ran = run(&home, &[&arguments[..], &target].concat());
    let report = stdout(&ran);
    let row = "3 operations never answered (timeout 2s, or the connection failed)";
    assert!(report.contains(row), "{report}");
    assert!(report.contains("DEADLINE_EXCEEDED 3 "), "{report}");
    assert!(!report.contains(" failed: the outcome is unknown"), "{report}");
}

#[test]
fn customers_back_off_from_a_branch_that_sheds_load() {
    let home = folder();
    let bank = FakeBank::start(1, Writes::Error(Code::Unavailable, "shedding load"));
    let arguments = ["--wire", "bank", "-c", "1", "-z", "1s", "--mix", "1:0:0", "--target"];
    let ran = run(&home, &[&arguments[..], &[&bank.target]].concat());
    let summary = summary(&home);
    // Pauses of at least 5, 10, 20, 40, 80, 160, 320 and 500 ms: on the fastest machine no more fit into a second.
    let writes = bank.writes();
    assert!((1..=8).contains(&writes), "{writes} writes: {}", stdout(&ran));
    assert_eq!(summary["backoffs"][0]["branch"], 1);
    assert_eq!(summary["backoffs"][0]["pauses"], writes);
    let row = "      branch 1: ";
    assert!(stdout(&ran).contains(row), "{}", stdout(&ran));
}

#[test]
fn server_of_http1_is_named() {
    let home = folder();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let target = listener.local_addr().expect("bound").to_string();
    // Ends with the process of this test.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a client");
            // Clients may be gone already.
            let _ = stream.read(&mut [0; 256]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    for wire in ["bank", "passbook"] {
        let ran = run(&home, &["-c", "1", "--wire", wire, "--target", &target]);
        assert_eq!(code(&ran), 1, "{}", stdout(&ran));
        assert!(stderr(&ran).contains("the server answers with HTTP/1"), "{}", stderr(&ran));
    }
}
