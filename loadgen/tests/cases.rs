//! Runs `loadgen` on every case of a folder and reports all that do not end as expected.
//!
//! The folder is `tests/cases`, or `PASSBOOK_CASES`, relative to the root of the repository. A case is a folder
//! with `input.*`, perhaps `output.*`, and perhaps a file `expect` whose lines are
//!
//! ```text
//! ARGUMENTS => EXIT CODE [equal | prints TEXT]
//! ```
//!
//! ARGUMENTS begin with `replay` or `check`. `equal` compares what `replay` writes with `output.*` as JSON; TEXT
//! must be in what the command prints. The expectations of cases without a file `expect` may be in the file
//! `PASSBOOK_EXPECTATIONS`, with `NAME: ` before each line. By default `bad-*` is refused (2), the output of
//! `wrong-*` is judged wrong (3), and everything else passes.
//!
//! A JSON file directly in the folder is a case, too, and needs expectations in `PASSBOOK_EXPECTATIONS`:
//! `NAME: replay …` for an input, `NAME: check --input INPUT …` for the output of an input in the same folder.

mod support;

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use similar::TextDiff;
use support::{code, folder, loadgen, stderr, stdout};
use tempfile::TempDir;

/// What `loadgen` is expected to do with a case.
struct Expectation {
    arguments: Vec<String>,
    exit_code: i32,
    content: Content,
}

/// What is expected beside the exit code.
#[derive(Debug, PartialEq)]
enum Content {
    Any,
    /// The written output equals `output.*` as JSON.
    Equal,
    /// The command prints this text.
    Prints(String),
}

impl Expectation {
    fn parse(line: &str) -> Result<Self, String> {
        let unclear = || format!("the expectation is unclear: {line}");
        let (arguments, result) = line.split_once("=>").ok_or_else(unclear)?;
        let result = result.trim();
        let (exit_code, content) = result.split_once(' ').unwrap_or((result, ""));
        let content = match content.split_once(' ') {
            Some(("prints", text)) => Content::Prints(text.to_owned()),
            None if content == "equal" => Content::Equal,
            None if content.is_empty() => Content::Any,
            _ => return Err(unclear()),
        };
        Ok(Self {
            arguments: arguments.split_whitespace().map(str::to_owned).collect(),
            exit_code: exit_code.parse().map_err(|_| unclear())?,
            content,
        })
    }
}

/// An input, or an output with its input, and the lines that say what to do with it.
struct Case {
    name: String,
    input: Option<PathBuf>,
    output: Option<PathBuf>,
    lines: Vec<String>,
}

impl Case {
    /// The case in the folder `path`. `None` without an input.
    fn of_folder(path: &Path, notes: &str) -> Option<Self> {
        let name = file_name(path);
        let input = file_with_stem(path, "input")?;
        let output = file_with_stem(path, "output");
        let lines = match fs::read_to_string(path.join("expect")) {
            Ok(own) => own.lines().map(str::to_owned).collect(),
            Err(_) => lines_of(&name, notes),
        };
        let lines = if !lines.is_empty() {
            lines
        } else if name.starts_with("bad-") {
            vec!["replay => 2".to_owned()]
        } else if name.starts_with("wrong-") {
            vec!["check => 3".to_owned()]
        } else {
            let check = output.iter().map(|_| "check => 0".to_owned());
            ["replay => 0".to_owned()].into_iter().chain(check).collect()
        };
        Some(Self { name, input: Some(input), output, lines })
    }

    /// The case that is the file `path` itself. `None` if it is only the input of another case.
    fn of_file(path: &Path, notes: &str) -> Option<Self> {
        let name = file_name(path);
        let lines = lines_of(&name, notes);
        let is_input = notes.split_whitespace().any(|word| word == name);
        (!lines.is_empty() || !is_input).then(|| Self {
            name,
            input: None,
            output: Some(path.to_owned()),
            lines,
        })
    }

    /// Runs one line of the case. Fails with what is not as expected.
    fn run(&self, line: &str) -> Result<(), String> {
        let expectation = Expectation::parse(line)?;
        let home = folder();
        let written = home.path().join("written");
        let mut command = loadgen(&home);
        command.args(&expectation.arguments);
        let subject = self.output.as_deref();
        let is_replay = expectation.arguments.first().is_some_and(|word| word == "replay");
        if is_replay {
            let input = self.input.as_deref().or(subject).ok_or("there is no input")?;
            command.arg(input).arg("-o").arg(&written);
        } else {
            let output = subject.ok_or("there is no output")?;
            match &self.input {
                Some(input) => command.arg("--input").arg(input).arg(output),
                None => command.current_dir(output.parent().ok_or("no folder")?).arg(output),
            };
        }
        let run = command.output().map_err(|error| format!("cannot run loadgen: {error}"))?;
        let printed = format!("{}{}", stdout(&run), stderr(&run));
        if code(&run) != expectation.exit_code {
            let expected = expectation.exit_code;
            return Err(format!("exit code {}, expected {expected}:\n{printed}", code(&run)));
        }
        if is_replay && expectation.exit_code == 2 && written.exists() {
            return Err("the input is refused, and an output is written".to_owned());
        }
        match &expectation.content {
            Content::Prints(text) if !printed.contains(text) => {
                Err(format!("does not print: {text}\n{printed}"))
            }
            Content::Equal => equal(&written, subject.ok_or("there is no output")?),
            Content::Any | Content::Prints(_) => Ok(()),
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn file_with_stem(folder: &Path, stem: &str) -> Option<PathBuf> {
    entries(folder).into_iter().find(|path| path.file_stem() == Some(OsStr::new(stem)))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = read.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// The lines of `notes` that begin with `name: `.
fn lines_of(name: &str, notes: &str) -> Vec<String> {
    let prefix = format!("{name}: ");
    notes.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
}

/// Compares two files as JSON. Fails with their difference.
fn equal(written: &Path, expected: &Path) -> Result<(), String> {
    let read = |path: &Path| -> Result<Value, String> {
        let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    };
    let (written, expected) = (read(written)?, read(expected)?);
    if written == expected {
        return Ok(());
    }
    let (written, expected) = (format!("{written:#}"), format!("{expected:#}"));
    let diff = TextDiff::from_lines(&expected, &written);
    Err(format!("the output differs:\n{}", diff.unified_diff().header("expected", "written")))
}

/// Runs all cases of `folder`. Returns how many lines were run, and a report of those that failed.
fn run_cases(folder: &Path, notes: &str) -> (usize, String) {
    let mut ran = 0;
    let mut failures = String::new();
    for path in entries(folder) {
        let case = if path.is_dir() {
            Case::of_folder(&path, notes)
        } else if !notes.is_empty() && path.extension() == Some(OsStr::new("json")) {
            Case::of_file(&path, notes)
        } else {
            None
        };
        let Some(case) = case else { continue };
        if case.lines.is_empty() {
            let _ = writeln!(failures, "{}: there is no expectation for it", case.name);
        }
        for line in case.lines.iter().filter(|line| !line.trim().is_empty()) {
            ran += 1;
            if let Err(failure) = case.run(line) {
                let _ = writeln!(failures, "{}: {line}: {failure}", case.name);
            }
        }
    }
    (ran, failures)
}

#[test]
fn every_case_of_the_folder_ends_as_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cases = env::var("PASSBOOK_CASES").unwrap_or_else(|_| "tests/cases".to_owned());
    let notes = env::var("PASSBOOK_EXPECTATIONS").map_or_else(
        |_| String::new(),
        |path| {
            fs::read_to_string(root.join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"))
        },
    );
    let (ran, failures) = run_cases(&root.join(&cases), &notes);
    assert!(ran > 0, "{cases}: there is no case");
    assert!(failures.is_empty(), "{cases}:\n{failures}");
}

/// Names of files, with their texts.
type Files = [(&'static str, &'static str)];

/// A folder with the case `name`.
fn case_folder(name: &str, files: &Files) -> TempDir {
    let home = folder();
    fs::create_dir(home.path().join(name)).expect("created");
    for (file, text) in files {
        fs::write(home.path().join(name).join(file), text).expect("written");
    }
    home
}

#[test]
fn cases_that_end_otherwise_are_all_reported() {
    let input = ("input.json", support::EXERCISE);
    let cases: [(&str, &Files, &str); 6] = [
        ("exit", &[input, ("expect", "replay => 3")], "exit: replay => 3: exit code 0, expected 3"),
        ("bad-input", &[input], "bad-input: replay => 2: exit code 0, expected 2"),
        ("text", &[input, ("expect", "replay => 0 prints xyzzy")], "does not print: xyzzy"),
        (
            "content",
            &[input, ("output.json", "[]"), ("expect", "replay => 0 equal")],
            "the output differs:\n--- expected\n+++ written\n",
        ),
        ("line", &[input, ("expect", "replay => 0 prints")], "the expectation is unclear"),
        ("lacking", &[input, ("expect", "check => 0")], "there is no output"),
    ];
    for (name, files, expected) in cases {
        let (ran, failures) = run_cases(case_folder(name, files).path(), "");
        assert_eq!(ran, 1, "{name}");
        assert!(failures.contains(expected), "{name}: {failures}");
    }
    let home = folder();
    support::write(&home, "alone.json", support::EXERCISE);
    let (ran, failures) = run_cases(home.path(), "other.json: replay => 0");
    assert_eq!((ran, failures.as_str()), (0, "alone.json: there is no expectation for it\n"));
}
