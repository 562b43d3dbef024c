//! The run folder: whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use passbook::files::write_json;
use passbook::replicate::Scheme;
use passbook::telemetry::KeptTrace;
use serde::Serialize;
use tempfile::TempDir;
use thiserror::Error;

/// What was asked.
pub const INPUT: &str = "input.json";
/// What every customer received.
pub const OUTPUT: &str = "output.json";
/// Every operation as its customer saw it.
pub const HISTORY: &str = "history.jsonl";
/// What every branch logged.
pub const LEDGER: &str = "ledger.jsonl";
/// The run in numbers. Its presence makes a folder a run folder.
pub const SUMMARY: &str = "summary.json";
/// The kept traces.
pub const TRACES: &str = "traces.otlp.jsonl";

/// Runs under several schemes beside each other, each in a folder of its scheme's name.
pub const COMPARISON: &str = "comparison.json";

/// All of a run: a folder that holds anything else is not replaced.
pub const ALL: [&str; 6] = [INPUT, OUTPUT, HISTORY, LEDGER, SUMMARY, TRACES];

/// The artifacts could not be written.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// The place is not one for a run folder.
    #[error("{}: {reason}; give another --out", path.display())]
    Unfit {
        /// Where.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
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
    /// As it was given.
    named: PathBuf,
    /// Links followed.
    destination: PathBuf,
    building: TempDir,
}

impl RunFolder {
    /// Begins a folder that will be at `destination`, which may hold an older run, or nothing. Whatever
    /// would keep the folder from its place is found here, before a run is spent on it.
    pub fn begin(destination: &Path) -> Result<Self, ArtifactError> {
        let unfit = |reason: String| ArtifactError::Unfit { path: destination.to_owned(), reason };
        let there = destination.symlink_metadata().is_ok();
        if !there {
            // Whether it can be made shows by making it.
            std::fs::create_dir(destination)
                .and_then(|()| std::fs::remove_dir(destination))
                .map_err(|error| unfit(format!("cannot be made: {error}")))?;
        }
        let named = destination.to_owned();
        let destination = if there {
            let resolved = destination.canonicalize().map_err(|error| unfit(error.to_string()))?;
            if let Some(reason) = unfit_to_replace(&resolved) {
                return Err(unfit(reason));
            }
            resolved
        } else {
            destination.to_owned()
        };
        let building = tempfile::Builder::new()
            .prefix(".passbook-run-")
            .tempdir_in(parent(&destination))
            .map_err(|error| unfit(format!("cannot be written beside it: {error}")))?;
        Ok(Self { named, destination, building })
    }

    /// Where all of it is until the folder is finished.
    pub fn building(&self) -> &Path {
        self.building.path()
    }

    /// Where a file is until the folder is finished.
    pub fn path(&self, name: &str) -> PathBuf {
        self.building.path().join(name)
    }

    /// Writes a JSON file.
    pub fn json(&self, name: &str, value: &impl Serialize) -> Result<(), ArtifactError> {
        self.write(name, |file| write_json(file, value))
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

    /// Writes a file; `fill` gets it empty.
    pub fn write(
        &self,
        name: &str,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), ArtifactError> {
        let filled = File::create(self.path(name)).and_then(|mut file| fill(&mut file));
        filled.map_err(|source| self.unwritable(name, source))
    }

    /// The error of a file that could not be written.
    pub fn unwritable(&self, name: &str, source: io::Error) -> ArtifactError {
        ArtifactError::Unwritable { path: self.path(name), source }
    }

    /// Puts the folder in its place; an older run is gone then.
    pub fn finish(self) -> Result<PathBuf, ArtifactError> {
        let unwritable = |path: &Path| {
            let path = path.to_owned();
            move |source| ArtifactError::Unwritable { path, source }
        };
        // Somebody may have put something there while the run lasted.
        if self.destination.symlink_metadata().is_ok()
            && let Some(reason) = unfit_to_replace(&self.destination)
        {
            let kept = self.building.keep();
            let reason = format!("{reason}: the run is in {}", kept.display());
            return Err(ArtifactError::Unfit { path: self.named, reason });
        }
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
        Ok(self.named)
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Why what is there must not be replaced, if so.
fn unfit_to_replace(there: &Path) -> Option<String> {
    let within = std::env::current_dir().is_ok_and(|current| current.starts_with(there));
    if within {
        return Some("is the folder that this command runs in".to_owned());
    }
    let Ok(entries) = std::fs::read_dir(there) else {
        return Some("is there already and is no folder".to_owned());
    };
    let foreign = entries.flatten().find_map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_run = || Scheme::NAMES.contains(&name.as_str()) && holds_run_only(&entry.path());
        (!ALL.contains(&name.as_str()) && name != COMPARISON && !is_run()).then_some(name)
    });
    foreign.map(|name| format!("is there already and is not a run folder (it holds {name})"))
}

/// Whether this is a folder, not a link to one, with nothing in it but what a run leaves.
fn holds_run_only(there: &Path) -> bool {
    let is_folder = there.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
    is_folder
        && std::fs::read_dir(there).is_ok_and(|mut entries| {
            entries.all(|entry| {
                entry.is_ok_and(|entry| ALL.iter().any(|name| entry.file_name() == *name))
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_run_is_replaced_as_a_whole() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let destination = home.path().join("run");
        for name in [INPUT, OUTPUT] {
            let folder = RunFolder::begin(&destination).expect("begun");
            folder.json(SUMMARY, &1).expect("written");
            folder.json(name, &2).expect("written");
            folder.finish().expect("finished");
        }
        assert!(destination.join(OUTPUT).is_file());
        assert!(!destination.join(INPUT).exists());
        assert_eq!(std::fs::read_dir(home.path()).expect("readable").count(), 1);
    }

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let home = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(home.path().join("thesis.txt"), "precious").expect("written");
        let refused = RunFolder::begin(home.path());
        assert!(matches!(refused, Err(ArtifactError::Unfit { .. })));
        std::fs::write(home.path().join(SUMMARY), "{}").expect("written");
        let refused = RunFolder::begin(home.path());
        assert!(matches!(refused, Err(ArtifactError::Unfit { .. })), "a name proves nothing");
    }

    #[test]
    fn a_folder_of_several_runs_takes_the_place_of_one_and_the_other_way_round() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let destination = home.path().join("run");
        for _ in 0..2 {
            let folder = RunFolder::begin(&destination).expect("begun");
            folder.json(COMPARISON, &1).expect("written");
            for scheme in Scheme::NAMES {
                let run = RunFolder::begin(&folder.path(scheme)).expect("begun");
                run.json(SUMMARY, &1).expect("written");
                run.finish().expect("finished");
            }
            folder.finish().expect("finished");
            assert!(destination.join("broadcast").join(SUMMARY).is_file());
        }
        RunFolder::begin(&destination).expect("begun").finish().expect("finished");
        assert_eq!(std::fs::read_dir(&destination).expect("readable").count(), 0);

        std::fs::create_dir(destination.join("passbook")).expect("made");
        std::fs::write(destination.join("passbook/thesis.txt"), "precious").expect("written");
        let refused = RunFolder::begin(&destination);
        assert!(matches!(refused, Err(ArtifactError::Unfit { .. })), "a name proves nothing");
    }

    #[test]
    fn a_place_that_cannot_be_is_found_before_the_run() {
        let home = tempfile::tempdir().expect("a temporary folder");
        for impossible in ["missing/run".to_owned(), "x".repeat(300)] {
            let refused = RunFolder::begin(&home.path().join(impossible));
            assert!(matches!(refused, Err(ArtifactError::Unfit { .. })));
        }
        let here = std::env::current_dir().expect("a folder");
        assert!(matches!(RunFolder::begin(&here), Err(ArtifactError::Unfit { .. })));
    }

    #[test]
    fn what_appears_while_a_run_lasts_is_left_alone_and_the_run_is_kept_beside_it() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let destination = home.path().join("run");
        let folder = RunFolder::begin(&destination).expect("begun");
        folder.json(SUMMARY, &1).expect("written");
        std::fs::create_dir(&destination).expect("made");
        std::fs::write(destination.join("thesis.txt"), "precious").expect("written");
        let refused = folder.finish().expect_err("somebody else's").to_string();
        assert!(destination.join("thesis.txt").is_file());
        let (_, kept) = refused.split_once("the run is in ").expect("told");
        let (kept, _) = kept.split_once(';').expect("told what to do");
        assert!(Path::new(kept).join(SUMMARY).is_file(), "{refused}");
    }

    #[test]
    fn an_abandoned_run_leaves_nothing() {
        let home = tempfile::tempdir().expect("a temporary folder");
        drop(RunFolder::begin(&home.path().join("run")).expect("begun"));
        assert_eq!(std::fs::read_dir(home.path()).expect("readable").count(), 0);
    }
}
