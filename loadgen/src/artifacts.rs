//! The run folder: whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use passbook::files::{Input, Notation, Output, write_json, write_output};
use passbook::telemetry::KeptTrace;
use serde::Serialize;
use tempfile::TempDir;
use thiserror::Error;

/// What was asked.
pub const INPUT: &str = "input.json";
/// What every customer received.
pub const OUTPUT: &str = "output.json";
/// The run in numbers. Its presence makes a folder a run folder.
pub const SUMMARY: &str = "summary.json";
/// The kept traces.
pub const TRACES: &str = "traces.otlp.jsonl";

/// The artifacts could not be written.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// Something else is in the way.
    #[error("{}: is there already and is not a run folder (it has no {SUMMARY}); give another --out", .0.display())]
    NotARunFolder(PathBuf),
    /// Writing failed.
    #[error("{}: cannot be written: {source}", path.display())]
    Unwritable {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A run folder in the making, beside the one it will replace.
#[derive(Debug)]
pub struct RunFolder {
    destination: PathBuf,
    building: TempDir,
}

impl RunFolder {
    /// Begins a folder that will be at `destination`. What is there already must be a run folder.
    pub fn begin(destination: &Path) -> Result<Self, ArtifactError> {
        if destination.exists() && !destination.join(SUMMARY).is_file() && !is_empty(destination) {
            return Err(ArtifactError::NotARunFolder(destination.to_owned()));
        }
        let beside = parent(destination);
        let building = tempfile::Builder::new()
            .prefix(".passbook-run-")
            .tempdir_in(beside)
            .map_err(|source| ArtifactError::Unwritable { path: beside.to_owned(), source })?;
        Ok(Self { destination: destination.to_owned(), building })
    }

    /// Where a file is until the folder is finished.
    pub fn path(&self, name: &str) -> PathBuf {
        self.building.path().join(name)
    }

    /// Writes a JSON file.
    pub fn json(&self, name: &str, value: &impl Serialize) -> Result<(), ArtifactError> {
        self.write(name, |file| write_json(file, value))
    }

    /// Writes what was asked and what was received.
    pub fn files(
        &self,
        performed: &Input,
        output: &Output,
        notation: Notation,
    ) -> Result<(), ArtifactError> {
        self.json(INPUT, &performed.to_records())?;
        self.write(OUTPUT, |file| write_output(file, output, notation))
    }

    /// Writes the kept traces, a line each.
    pub fn traces(&self, traces: &[KeptTrace]) -> Result<(), ArtifactError> {
        self.write(TRACES, |file| {
            let mut lines = BufWriter::new(file);
            for trace in traces {
                trace.write_otlp_line(&mut lines)?;
            }
            lines.flush()
        })
    }

    fn write(
        &self,
        name: &str,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), ArtifactError> {
        let path = self.path(name);
        let filled = File::create(&path).and_then(|mut file| fill(&mut file));
        filled.map_err(|source| ArtifactError::Unwritable { path, source })
    }

    /// Puts the folder in its place; an older run is gone then.
    pub fn finish(self) -> Result<PathBuf, ArtifactError> {
        let unwritable = |path: &Path| {
            let path = path.to_owned();
            move |source| ArtifactError::Unwritable { path, source }
        };
        let building = self.building.keep();
        // A temporary folder is its owner's alone; a run folder is as readable as its files.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let permissions = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&building, permissions).map_err(unwritable(&building))?;
        }
        if self.destination.exists() {
            std::fs::remove_dir_all(&self.destination).map_err(unwritable(&self.destination))?;
        }
        std::fs::rename(&building, &self.destination).map_err(unwritable(&self.destination))?;
        Ok(self.destination)
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_run_is_replaced_as_a_whole() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let destination = home.path().join("run");
        for name in ["old.json", "new.json"] {
            let folder = RunFolder::begin(&destination).expect("begun");
            folder.json(SUMMARY, &1).expect("written");
            folder.json(name, &2).expect("written");
            folder.finish().expect("finished");
        }
        assert!(destination.join("new.json").is_file());
        assert!(!destination.join("old.json").exists());
        assert_eq!(std::fs::read_dir(home.path()).expect("readable").count(), 1);
    }

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let home = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(home.path().join("thesis.txt"), "precious").expect("written");
        let refused = RunFolder::begin(home.path());
        assert!(matches!(refused, Err(ArtifactError::NotARunFolder(_))));
    }

    #[test]
    fn an_abandoned_run_leaves_nothing() {
        let home = tempfile::tempdir().expect("a temporary folder");
        drop(RunFolder::begin(&home.path().join("run")).expect("begun"));
        assert_eq!(std::fs::read_dir(home.path()).expect("readable").count(), 0);
    }
}
