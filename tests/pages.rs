//! Pages of the repository that name code must name code that exists.

use std::fs;
use std::path::{Path, PathBuf};

use replication::passbook::Mutant;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The text of every file of `folder`.
fn sources(folder: &Path) -> String {
    let files = fs::read_dir(folder).expect("a folder of the repository");
    let paths = files.map(|entry| entry.expect("an entry").path());
    paths.map(|path| fs::read_to_string(path).expect("text")).collect()
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
    let missing: Vec<&Mutant> =
        Mutant::ALL.iter().filter(|mutant| !mutants.contains(&mutant.name())).collect();
    let unknown: Vec<&&str> =
        mutants.iter().filter(|name| name.parse::<Mutant>().is_err()).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "{missing:?}, {unknown:?}");
    let sources = sources(&root().join("crates/replication/src/passbook/scenarios"))
        + &text("crates/simulation/tests/simulation.rs");
    for test in tests {
        assert!(sources.contains(&format!("fn {test}()")), "there is no test {test}");
    }
}
