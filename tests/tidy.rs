//! The shape of the code base, as a test: who may use whom.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers of `passbook`, and what each may use of the others. The binary sees all of them.
const LAYERS: [(&str, &[&str]); 9] = [
    ("address", &[]),
    ("bank", &[]),
    ("replicate", &["bank"]),
    ("check", &["bank", "replicate"]),
    ("files", &["bank", "check", "replicate"]),
    ("wire", &["bank", "check", "replicate"]),
    ("telemetry", &["bank"]),
    ("branch", &["bank", "replicate", "wire", "telemetry"]),
    ("cluster", &["bank", "replicate", "branch", "telemetry"]),
];

/// What no line of the pure layers may name.
const PURE: [&str; 3] = ["bank", "replicate", "check"];
const IMPURE: [&str; 9] = [
    "tokio",
    "tonic",
    "std::fs",
    "std::net",
    "std::io",
    "std::thread",
    "Instant::now",
    "SystemTime",
    "println!",
];

/// The parts of `loadgen`, and what each may use of the others.
const LOADGEN: [(&str, &[&str]); 18] = [
    ("scenario", &[]),
    ("interrupt", &[]),
    ("polling", &[]),
    ("disk", &["scenario"]),
    ("record", &["scenario", "interrupt"]),
    ("artifacts", &[]),
    ("customers", &["scenario", "record", "interrupt"]),
    ("connecting", &["scenario", "customers"]),
    ("queried", &["scenario", "customers", "connecting", "polling"]),
    ("clusters", &["scenario", "customers", "connecting", "queried", "polling", "interrupt"]),
    ("judge", &["customers", "artifacts"]),
    ("stages", &["scenario", "customers"]),
    ("report", &["scenario", "record", "customers", "clusters", "judge", "artifacts"]),
    ("metrics", &["customers", "report"]),
    ("foreign", &["report", "artifacts"]),
    (
        "run",
        &[
            "scenario",
            "interrupt",
            "record",
            "customers",
            "clusters",
            "judge",
            "stages",
            "report",
            "metrics",
            "artifacts",
        ],
    ),
    ("sides", &["scenario", "report", "artifacts", "run"]),
    (
        "lib",
        &[
            "scenario",
            "interrupt",
            "polling",
            "disk",
            "record",
            "customers",
            "connecting",
            "queried",
            "clusters",
            "judge",
            "stages",
            "report",
            "metrics",
            "artifacts",
            "foreign",
            "run",
            "sides",
        ],
    ),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The modules of the own crate that `text` names, by `crate::x` anywhere.
fn used_modules(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut modules = Vec::new();
    for line in code {
        for rest in line.split("crate::").skip(1) {
            assert!(
                !rest.starts_with('{'),
                "one `use crate::…` a module, or this test is blind: {line}"
            );
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            modules.push(rest[..end].to_owned());
        }
    }
    modules
}

/// Uses that the table does not allow, as `file uses module`.
fn forbidden_uses(
    files: &[(PathBuf, String)],
    module: &str,
    allowed: &[&str],
    all: &[&str],
) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        for used in used_modules(text) {
            let known = all.contains(&used.as_str());
            if known && used != module && !allowed.contains(&used.as_str()) {
                found.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    found
}

fn read(files: Vec<PathBuf>) -> Vec<(PathBuf, String)> {
    files
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source file");
            (path, text)
        })
        .collect()
}

fn check_layers(source: &Path, table: &[(&str, &[&str])]) {
    let all: Vec<&str> = table.iter().map(|(module, _)| *module).collect();
    let mut found = Vec::new();
    for (module, allowed) in table {
        let folder = source.join(module);
        let files = if folder.is_dir() {
            rust_files(&folder)
        } else {
            vec![source.join(format!("{module}.rs"))]
        };
        found.extend(forbidden_uses(&read(files), module, allowed, &all));
    }
    assert!(found.is_empty(), "a layer uses one it must not:\n{}", found.join("\n"));
    let there = fs::read_dir(source).expect("a source folder");
    for entry in there {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let outside = [
            "lib",
            "bin",
            "main",
            "arguments",
            "hints",
            "offline",
            "progress",
            "terminal",
            "values",
        ];
        let listed = all.contains(&name.as_str()) || outside.contains(&name.as_str());
        assert!(listed, "{} is in no layer: give it one in tests/tidy.rs", path.display());
    }
}

#[test]
fn a_layer_uses_only_those_above_it() {
    check_layers(&root().join("src"), &LAYERS);
    check_layers(&root().join("loadgen/src"), &LOADGEN);
}

#[test]
fn the_check_of_layers_finds_a_violation() {
    let wrong = vec![(PathBuf::from("bank/money.rs"), "use crate::wire::Failure;\n".to_owned())];
    assert_eq!(forbidden_uses(&wrong, "bank", &[], &["bank", "wire"]), ["bank/money.rs uses wire"]);
    let told = vec![(PathBuf::from("bank/money.rs"), "//! See [`crate::wire`].\n".to_owned())];
    assert!(forbidden_uses(&told, "bank", &[], &["bank", "wire"]).is_empty());
}

/// Whether `line` has `name` in it, other than as the end of a longer word.
fn names(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| !line[..at].ends_with(char::is_alphanumeric))
}

#[test]
fn the_end_of_a_longer_word_is_no_name() {
    assert!(names("use tonic::Code;", "tonic") && names("::tonic::Code", "tonic"));
    assert!(names("monotonic(tonic::Code::Ok)", "tonic"));
    assert!(!names("MonotonicReads,", "tonic"));
}

#[test]
fn pure_layers_name_no_clock_no_io_and_no_runtime() {
    for layer in PURE {
        for (path, text) in read(rust_files(&root().join("src").join(layer))) {
            for (number, line) in (1..).zip(text.lines()) {
                let code = !line.trim_start().starts_with("//");
                let named = IMPURE.iter().find(|name| code && names(line, name));
                assert!(named.is_none(), "{}:{number} names {named:?}", path.display());
            }
        }
    }
}

/// The last column of the table of rules: what finds a rule missing.
fn finders(architecture: &str) -> Vec<&str> {
    let table = architecture.lines().skip_while(|line| !line.starts_with("| rule, ")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| row.rsplit('|').nth(1))
        .flat_map(|column| column.split('`').skip(1).step_by(2))
        .collect()
}

#[test]
fn the_table_of_rules_names_every_mutant_and_tests_that_there_are() {
    let text =
        |path: &str| fs::read_to_string(root().join(path)).expect("a file of the repository");
    let architecture = text("ARCHITECTURE.md");
    let named = finders(&architecture);
    let (tests, mutants): (Vec<&str>, Vec<&str>) =
        named.iter().copied().partition(|name| name.contains('_'));
    let code = text("src/replicate/passbook/mutant.rs");
    let there: Vec<&str> =
        code.lines().filter_map(|line| line.split_once("=> \"")?.1.strip_suffix("\",")).collect();
    let missing: Vec<&&str> = there.iter().filter(|name| !mutants.contains(name)).collect();
    let strange: Vec<&&str> = mutants.iter().filter(|name| !there.contains(name)).collect();
    assert!(
        there.len() > 20 && missing.is_empty() && strange.is_empty(),
        "{missing:?}, {strange:?}"
    );
    let mut sources = rust_files(&root().join("src/replicate/passbook/scenarios"));
    sources.push(root().join("tests/simulation.rs"));
    let sources: String = read(sources).into_iter().map(|(_, text)| text).collect();
    for test in tests {
        assert!(sources.contains(&format!("fn {test}()")), "there is no test {test}");
    }
}
