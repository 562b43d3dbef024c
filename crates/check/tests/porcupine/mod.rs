//! The verdicts agree with those of porcupine, a checker in Go that shares nothing with ours and knows neither branches
//! nor logs nor versions. It is given one account and what customers saw: when they asked and were told, what of, and
//! the balances of queries.
//!
//! We judge by versions and logs, so both judge the same only where these say no more than customers saw. That holds
//! of customers who keep to themselves ([`record_as`]):
//!
//! - Each amount has a bit of its own, paid in or out, so no two sets of writes give the same balance (of two sets, the
//!   lowest bit that only one has is the difference). A balance tells which writes it contains, as a version does.
//! - After the run one more query shows the settled balance, which tells which unanswered writes ever happened, as logs do.
//! - Each branch has one customer, who never asks before an answer: the order of its log is that of real time.
//! - Grants move no money, so nobody sees them: a read is taken to show those that follow what it shows, and then two
//!   reads differ in their versions exactly if they do in their balances, and in the same direction.
//!
//! Where customers roam, logs tell more: in which order a branch did what overlapped. What fails by that alone
//! porcupine accepts. So there it must accept what we accept, and nothing follows of what we refuse.
//!
//! Skipped where there is no `go` or the module is not downloaded, unless `PASSBOOK_REQUIRE_PORCUPINE` is 1. If
//! `PASSBOOK_LINEARIZABLE_OUT` names a file, the histories are written there whether porcupine is there or not.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "it runs a program")]

use std::fs;
use std::io::{self, Write};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bank::Read;
use bank::{Entry, Money, Operation, Outcome, WriteKind};
use check::Verdict;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{disturb, ours};
use testkit::recorded::{Dice, NAME_BITS, RawCall, Recording, Shape, change, record, record_as};

const SEEDS: u64 = 1_000;

struct Compared {
    name: String,
    run: Recording,
    verdict: Verdict,
    customers_saw_all: bool,
}

impl Compared {
    fn of(seed: u64, apart: bool) -> Self {
        let mut dice = Dice(seed);
        let sessions = 2 + dice.roll(4);
        let scale = if apart { NAME_BITS } else { 0 };
        let shape = Shape {
            branches: if apart { sessions } else { 3 },
            sessions,
            operations: 8 + dice.roll(9),
            opening: [0, 60, 1_000][dice.roll(3)] << scale,
            read: [Read::Snapshot, Read::Snapshot, Read::Session][dice.roll(3)],
            mix: [(40, 30), (30, 50), (20, 20)][dice.roll(3)],
            unanswered: 10,
        };
        let mut run = if apart { record_as(shape, true, seed) } else { record(shape, seed) };
        for _ in 0..dice.roll(6) {
            disturb(&mut run, &mut dice);
        }
        show_what_versions_say(&mut run);
        // Without a read or a refusal there is nothing to judge, and porcupine must find an order.
        let verdict = match ours(&run).verdict {
            Verdict::NotJudged => Verdict::Pass,
            verdict => verdict,
        };
        let name = format!("seed {seed}, {}", if apart { "apart" } else { "roaming" });
        Self { name, run, verdict, customers_saw_all: apart }
    }

    fn line(&self) -> Value {
        let Self { name, run, verdict, customers_saw_all } = self;
        let instants = run.calls.iter().map(|raw| raw.call.completed.unwrap_or(raw.call.invoked));
        let end = instants.max().unwrap_or_default();
        let settled = json!({
            "kind": "query", "outcome": "ok", "balance": run.balance, "call": end + 1, "return": end + 2,
        });
        let operations: Vec<Value> =
            run.calls.iter().filter_map(operation).chain(iter::once(settled)).collect();
        json!({
            "name": name,
            "opening_balance": run.opening,
            "verdict": verdict.name(),
            "customers_saw_all": customers_saw_all,
            "operations": operations,
        })
    }
}

/// Each read shows the grants that follow what it shows, and the balance that its version stands for.
fn show_what_versions_say(run: &mut Recording) {
    for raw in run.calls.iter_mut().filter(|raw| raw.call.operation == Operation::Query) {
        let Some(version) = raw.version.as_mut() else { continue };
        let mut balance = run.opening;
        for (log, seq) in run.logs.iter().zip(version) {
            let (shown, rest) = log.split_at(usize::try_from(*seq).expect("few"));
            balance += shown.iter().map(|raw| change(raw.entry)).sum::<i64>();
            let grants = rest.iter().take_while(|raw| matches!(raw.entry, Entry::Grant { .. }));
            *seq += grants.map(|_| 1).sum::<u64>();
        }
        raw.call.balance = Some(Money::new(balance));
    }
}

/// A call as porcupine is told of it; nothing of a query that was never answered.
fn operation(raw: &RawCall) -> Option<Value> {
    let call = &raw.call;
    let outcome = match call.outcome {
        Outcome::Ok => "ok",
        Outcome::Unknown => "unknown",
        Outcome::Rejected(rejection) => rejection.key(),
    };
    let mut told = json!({ "outcome": outcome, "call": call.invoked });
    match call.operation {
        Operation::Query => {
            let balance = call.balance.filter(|_| call.outcome == Outcome::Ok)?;
            told["kind"] = json!("query");
            told["balance"] = json!(balance.minor_units());
        }
        Operation::Write(write) => {
            told["kind"] = json!(match write.kind {
                WriteKind::Deposit => "deposit",
                WriteKind::Withdraw => "withdraw",
            });
            told["amount"] = json!(write.amount.minor_units());
        }
    }
    if let Some(completed) = call.completed {
        told["return"] = json!(completed);
    }
    Some(told)
}

fn histories() -> Vec<Compared> {
    let apart = (0..SEEDS).map(|seed| Compared::of(seed, true));
    apart.chain((0..SEEDS).map(|seed| Compared::of(seed, false))).collect()
}

fn write(path: &Path, histories: &[Compared]) {
    let mut lines: Vec<String> =
        histories.iter().map(|history| history.line().to_string()).collect();
    lines.push(String::new());
    fs::write(path, lines.join("\n")).expect("written");
}

fn go(arguments: &[&str]) -> Command {
    let mut command = Command::new("go");
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/porcupine");
    // Tests do not fetch anything.
    command.current_dir(folder).env("GOPROXY", "off").args(arguments);
    command
}

/// The program that compares; `None` where it cannot be built and need not be.
fn program(folder: &TempDir) -> Option<PathBuf> {
    if !go(&["mod", "download"]).output().is_ok_and(|there| there.status.success()) {
        let required = std::env::var("PASSBOOK_REQUIRE_PORCUPINE").is_ok_and(|value| value == "1");
        let how = "there is no go, or no porcupine: run `go mod download` in tests/porcupine";
        assert!(!required, "{how}");
        // Past the capture of tests that pass, or nobody would ever see it.
        let _ = writeln!(io::stderr(), "skipped: {how}");
        return None;
    }
    let program = folder.path().join("compare");
    let built = go(&["build", "-o"]).arg(&program).arg(".").output().expect("go ran");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(program)
}

/// What the program says, and with which code it ends.
fn said(program: &Path, histories: &Path) -> (String, Option<i32>) {
    let Output { status, stdout, stderr } =
        Command::new(program).arg(histories).output().expect("it ran");
    (String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned(), status.code())
}

#[test]
#[expect(clippy::print_stdout, reason = "with --nocapture it says how many were compared")]
fn verdicts_agree_with_porcupine() {
    let histories = histories();
    let count = |verdict| {
        let same = |history: &&Compared| history.customers_saw_all && history.verdict == verdict;
        histories.iter().filter(same).count()
    };
    let (good, bad) = (count(Verdict::Pass), count(Verdict::Fail));
    assert!(good >= 300 && bad >= 200, "{good} good and {bad} bad histories are compared");
    let folder = tempfile::tempdir().expect("a folder");
    let out = std::env::var_os("PASSBOOK_LINEARIZABLE_OUT").filter(|out| !out.is_empty());
    let file = out.map_or_else(|| folder.path().join("histories.jsonl"), PathBuf::from);
    write(&file, &histories);
    let Some(program) = program(&folder) else { return };
    let (said, code) = said(&program, &file);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with(&format!("{} histories: ", histories.len())), "{said}");
    assert!(said.ends_with(", 0 unknown to us\n"), "{said}");
    println!("{said}of these, {good} good and {bad} bad are of customers who keep to themselves");
}

#[test]
fn wrong_verdicts_are_disagreements() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = program(&folder) else { return };
    let one = |verdict| {
        let mut apart = (0..SEEDS).map(|seed| Compared::of(seed, true));
        apart.find(|history| history.verdict == verdict).expect("one of them")
    };
    let told =
        |real, verdict, customers_saw_all| Compared { verdict, customers_saw_all, ..one(real) };
    let (good, bad) = (one(Verdict::Pass).name, one(Verdict::Fail).name);
    let file = folder.path().join("histories.jsonl");
    write(
        &file,
        &[
            told(Verdict::Pass, Verdict::Fail, true),
            told(Verdict::Fail, Verdict::Pass, true),
            told(Verdict::Pass, Verdict::Fail, false),
            told(Verdict::Fail, Verdict::Pass, false),
            told(Verdict::Fail, Verdict::Unknown, true),
        ],
    );
    let expected = format!(
        "{good}: we say fail; linearizable to porcupine: true\n\
         {bad}: we say pass; linearizable to porcupine: false\n\
         {bad}: we say pass; linearizable to porcupine: false\n\
         5 histories: 0 good and 0 bad agree, 3 disagree, 1 bad by their logs only, 1 unknown to us\n"
    );
    assert_eq!(said(&program, &file), (expected, Some(1)));
}
