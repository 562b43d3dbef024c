//! The run folder: whole or not at all.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use replication::Scheme;
use serde_json::Value;
use thiserror::Error;

/// What was asked.
pub const INPUT: &str = "input.json";
/// What every customer received.
pub const OUTPUT: &str = "output.json";
/// Every operation as its customer saw it.
pub const HISTORY: &str = "history.jsonl";
/// What every branch logged.
pub const LEDGER: &str = "ledger.jsonl";
/// The run in numbers. A folder without it is not a run folder.
pub const SUMMARY: &str = "summary.json";
/// The kept traces.
pub const TRACES: &str = "traces.otlp.jsonl";

/// Runs under several schemes beside each other, each in a folder of its scheme's name.
pub const COMPARISON: &str = "comparison.json";

/// All files of a run: a folder that holds anything else is not replaced.
pub const ALL: [&str; 6] = [INPUT, OUTPUT, HISTORY, LEDGER, SUMMARY, TRACES];

/// Begins the name of a folder that is being written, followed by the name it will have.
const HIDDEN: &str = ".passbook-run-";
/// Ends the name of its lock, a file beside it.
const LOCK: &str = ".lock";
/// How long to wait for a lock: a run that removes the remains of dead runs holds theirs for a moment.
const LOCK_LIMIT: Duration = Duration::from_millis(500);
/// Between two attempts to take a lock.
const LOCK_POLL: Duration = Duration::from_millis(10);

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
    /// There is no place for a run folder that is not kept.
    #[error(
        "temporary folder in {} {reason}; set TMPDIR to a folder that can be written, or give --out",
        folder.display()
    )]
    NoTemporaryFolder {
        /// The folder for temporary files.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process is writing a run folder to the same place.
    #[error(
        "{}: another run is writing this folder; wait until it has ended or give another --out",
        path.display()
    )]
    InUse {
        /// The destination of both.
        path: PathBuf,
    },
    /// Writing failed.
    #[error("cannot write {}: {cause}", path.display())]
    Unwritable {
        /// The file, at its destination.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// A run folder in the making, beside the one it will replace. Dropped before it is finished, it is removed.
#[derive(Debug)]
pub struct RunFolder {
    /// As it was given.
    named: PathBuf,
    /// Links followed.
    destination: PathBuf,
    // Fields are dropped in this order: the folder is removed while its lock is held.
    building: Building,
    _lock: FolderLock,
}

impl RunFolder {
    /// Begins a folder that will be at `destination`, which may hold an older run, or nothing. Whatever
    /// would keep the folder from its place is found here, before a run is spent on it. Removes what
    /// killed runs left beside it.
    ///
    /// # Errors
    /// The destination holds something else, another process is writing a run to it, or it cannot be written.
    pub fn begin(destination: &Path) -> Result<Self, ArtifactError> {
        let named = destination.to_owned();
        let unfit = |reason: String| ArtifactError::Unfit { path: named.clone(), reason };
        let unwritable = |error: io::Error| unfit(format!("cannot be made: {error}"));
        // Links are followed; what is not there yet has none.
        let destination = destination.canonicalize().unwrap_or_else(|_| named.clone());
        let beside = parent(&destination);
        remove_dead(beside).map_err(unwritable)?;
        let name = destination.file_name().ok_or_else(|| unfit("has no name".to_owned()))?;
        let mut hidden = OsString::from(HIDDEN);
        hidden.push(name);
        let building = beside.join(&hidden);
        hidden.push(LOCK);
        let lock = FolderLock::wait(&beside.join(&hidden)).map_err(unwritable)?;
        let lock = lock.ok_or_else(|| ArtifactError::InUse { path: named.clone() })?;
        if destination.symlink_metadata().is_ok() {
            check_replaceable(&destination).map_err(unfit)?;
        } else {
            // Whether it can be made shows by making it.
            std::fs::create_dir(&destination)
                .and_then(|()| std::fs::remove_dir(&destination))
                .map_err(unwritable)?;
        }
        std::fs::create_dir(&building).map_err(unwritable)?;
        Ok(Self { named, destination, building: Building(building), _lock: lock })
    }

    /// Begins a folder that is for the run only and is never finished.
    ///
    /// # Errors
    /// The folder for temporary files cannot be written.
    pub fn temporary() -> Result<Self, ArtifactError> {
        #[expect(clippy::disallowed_methods, reason = "no other run has this name")]
        let number: u64 = rand::random();
        let folder = std::env::temp_dir();
        let begun = Self::begin(&folder.join(format!("passbook-{number:016x}")));
        begun.map_err(|error| match error {
            ArtifactError::Unfit { reason, .. } => {
                ArtifactError::NoTemporaryFolder { folder, reason }
            }
            other => other,
        })
    }

    /// Where all of it is until the folder is finished.
    pub fn building(&self) -> &Path {
        &self.building.0
    }

    /// Where a file is until the folder is finished.
    pub fn path(&self, name: &str) -> PathBuf {
        self.building.0.join(name)
    }

    /// Writes a file. Returns what `fill`, which gets it empty, returns.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write<T>(
        &self,
        name: &str,
        fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>,
    ) -> Result<T, ArtifactError> {
        let write = || {
            let mut file = BufWriter::with_capacity(1 << 16, File::create(self.path(name))?);
            let filled = fill(&mut file)?;
            file.flush()?;
            Ok(filled)
        };
        write().map_err(|cause| self.unwritable(name, cause))
    }

    /// The error of a file that could not be written.
    pub fn unwritable(&self, name: &str, cause: io::Error) -> ArtifactError {
        ArtifactError::Unwritable { path: self.named.join(name), cause }
    }

    /// Puts the folder in its place; an older run is gone then.
    ///
    /// # Errors
    /// Something that is not a run is at the destination by now, or the folder cannot be moved there.
    pub fn finish(self) -> Result<PathBuf, ArtifactError> {
        let unwritable = |cause| ArtifactError::Unwritable { path: self.named.clone(), cause };
        if self.destination.symlink_metadata().is_ok() {
            if let Err(reason) = check_replaceable(&self.destination) {
                let kept = self.keep_beside().map_err(unwritable)?;
                let reason = format!("{reason}: the run is in {}", kept.display());
                return Err(ArtifactError::Unfit { path: self.named, reason });
            }
            std::fs::remove_dir_all(&self.destination).map_err(unwritable)?;
        }
        std::fs::rename(&self.building.0, &self.destination).map_err(unwritable)?;
        Ok(self.named)
    }

    /// Moves the folder to a free name beside its destination.
    fn keep_beside(&self) -> io::Result<PathBuf> {
        let mut prefix = self.destination.file_name().unwrap_or_default().to_owned();
        prefix.push("-");
        let free =
            tempfile::Builder::new().prefix(&prefix).tempdir_in(parent(&self.destination))?;
        std::fs::rename(&self.building.0, free.path())?;
        Ok(free.keep())
    }
}

/// A folder that is removed when dropped, unless it has been moved away.
#[derive(Debug)]
struct Building(PathBuf);

impl Drop for Building {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Keeps other runs away from a destination, and shows that the folder beside it belongs to a live run: the
/// operating system releases it when the process ends, however that ends.
#[derive(Debug)]
struct FolderLock {
    path: PathBuf,
    _file: File,
}

impl FolderLock {
    /// Takes the lock at `path`; `None` if another run holds it.
    fn take(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let file = File::options().create(true).truncate(false).write(true).open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                // Some file systems have no locks.
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Whoever held it may have removed it after it was opened here.
            if is_at(&file, path)? {
                return Ok(Some(Self { path: path.to_owned(), _file: file }));
            }
        }
    }

    /// As [`FolderLock::take`], but waits up to [`LOCK_LIMIT`] for it.
    fn wait(path: &Path) -> io::Result<Option<Self>> {
        let begun = Instant::now();
        loop {
            let taken = Self::take(path)?;
            if taken.is_some() || begun.elapsed() >= LOCK_LIMIT {
                return Ok(taken);
            }
            #[expect(clippy::disallowed_methods, reason = "the system reports no end of a lock")]
            std::thread::sleep(LOCK_POLL);
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // If it stays, the next run removes it.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether `path` still leads to `file`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether `path` still leads to `file`: an open file cannot be removed here.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Removes the unfinished folders in `folder` whose runs are dead.
fn remove_dead(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        let Some(building) = name.strip_suffix(LOCK).filter(|name| name.starts_with(HIDDEN)) else {
            continue;
        };
        // One that cannot be removed, such as another user's, harms nobody.
        if let Ok(Some(_lock)) = FolderLock::take(&folder.join(&name)) {
            drop(Building(folder.join(building)));
        }
    }
    Ok(())
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Whether what is at `there` may be replaced: an empty folder or what runs have left. Otherwise why not.
fn check_replaceable(there: &Path) -> Result<(), String> {
    let within = std::env::current_dir().is_ok_and(|current| current.starts_with(there));
    if within {
        return Err("is the folder that this command runs in".to_owned());
    }
    let mut entries =
        std::fs::read_dir(there).map_err(|_| "is there already and is not a folder".to_owned())?;
    if entries.next().is_none() {
        return Ok(());
    }
    let checked = if there.join(COMPARISON).symlink_metadata().is_ok() {
        check_comparison(there)
    } else {
        check_run(there)
    };
    checked.map_err(|why| format!("is there already and is not a run folder ({why})"))
}

/// Whether `folder` holds what a run leaves, all of it files, and nothing else.
fn check_run(folder: &Path) -> Result<(), String> {
    check_entries(folder, &ALL, &[])?;
    let is_summary = |value: &Value| value["schema"].is_u64() && value["verdict"].is_string();
    check_json(folder, SUMMARY, is_summary)
}

/// Whether `folder` holds a comparison and the run folders of its schemes, and nothing else.
fn check_comparison(folder: &Path) -> Result<(), String> {
    check_entries(folder, &[COMPARISON], Scheme::NAMES)?;
    let is_comparison = |value: &Value| value["schema"].is_u64() && value["schemes"].is_array();
    check_json(folder, COMPARISON, is_comparison)
}

/// Whether all that `folder` holds are some of these `files` and folders of `runs`.
fn check_entries(folder: &Path, files: &[&str], runs: &[&str]) -> Result<(), String> {
    for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        let kind = entry.file_type().map_err(|error| error.to_string())?;
        let name = entry.file_name();
        if kind.is_dir() && runs.iter().any(|run| name == *run) {
            check_run(&entry.path()).map_err(|why| format!("in {}: {why}", name.display()))?;
        } else if !kind.is_file() || !files.iter().any(|file| name == *file) {
            return Err(format!("it holds {}", name.display()));
        }
    }
    Ok(())
}

/// Whether `folder` holds the JSON file `name` and a run wrote it.
fn check_json(folder: &Path, name: &str, is_ours: fn(&Value) -> bool) -> Result<(), String> {
    let path = folder.join(name);
    if path.symlink_metadata().is_err() {
        return Err(format!("it has no {name}"));
    }
    match read_json(&path) {
        Some(value) if is_ours(&value) => Ok(()),
        _ => Err(format!("its {name} was not written by a run")),
    }
}

fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// The seed of the synthetic run in `folder`, if it is one and its summary is there.
pub fn seed_of(folder: &Path) -> Option<u64> {
    read_json(&folder.join(SUMMARY))?["seed"].as_u64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn write(folder: &RunFolder, name: &str, value: &Value) {
        folder.write(name, |file| exercise::write_json(file, value)).expect("written");
    }

    fn home() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    fn count(folder: &Path) -> usize {
        std::fs::read_dir(folder).expect("readable").count()
    }

    fn summary() -> Value {
        json!({"schema": 2, "verdict": "pass", "seed": 7})
    }

    #[test]
    fn older_run_is_replaced_as_a_whole() {
        let home = home();
        let destination = home.path().join("run");
        for name in [INPUT, OUTPUT] {
            let folder = RunFolder::begin(&destination).expect("begun");
            write(&folder, SUMMARY, &summary());
            write(&folder, name, &json!(2));
            folder.finish().expect("finished");
        }
        assert!(destination.join(OUTPUT).is_file());
        assert!(!destination.join(INPUT).exists());
        assert_eq!((count(home.path()), seed_of(&destination)), (1, Some(7)));
    }

    #[test]
    fn folder_without_a_summary_of_ours_is_refused() {
        for (name, text) in [
            (INPUT, "[]"),
            (SUMMARY, "{}"),
            (SUMMARY, "[1"),
            (SUMMARY, r#"{"schema": "2", "verdict": "pass"}"#),
            (COMPARISON, r#"{"schema": 1}"#),
            ("thesis.txt", "precious"),
        ] {
            let home = home();
            let destination = home.path().join("run");
            std::fs::create_dir(&destination).expect("made");
            std::fs::write(destination.join(name), text).expect("written");
            let refused = RunFolder::begin(&destination);
            assert!(matches!(refused, Err(ArtifactError::Unfit { .. })), "{name}: {text}");
            let kept = std::fs::read_to_string(destination.join(name)).expect("there");
            assert_eq!((kept.as_str(), count(home.path())), (text, 1));
        }
    }

    #[test]
    fn run_folder_with_a_foreign_entry_is_refused() {
        let home = home();
        let destination = home.path().join("run");
        let folder = RunFolder::begin(&destination).expect("begun");
        write(&folder, SUMMARY, &summary());
        folder.finish().expect("finished");
        drop(RunFolder::begin(&destination).expect("a run folder is accepted"));
        std::fs::create_dir(destination.join(INPUT)).expect("made");
        let refused = RunFolder::begin(&destination);
        assert!(matches!(refused, Err(ArtifactError::Unfit { .. })), "a folder is no input");
    }

    #[test]
    fn empty_folder_is_used() {
        let home = home();
        let folder = RunFolder::begin(home.path()).expect("begun");
        write(&folder, SUMMARY, &summary());
        folder.finish().expect("finished");
        assert!(home.path().join(SUMMARY).is_file());
    }

    #[test]
    fn comparison_and_run_replace_each_other() {
        let home = home();
        let destination = home.path().join("run");
        for _ in 0..2 {
            let folder = RunFolder::begin(&destination).expect("begun");
            write(&folder, COMPARISON, &json!({"schema": 1, "schemes": []}));
            for scheme in Scheme::NAMES {
                let run = RunFolder::begin(&folder.path(scheme)).expect("begun");
                write(&run, SUMMARY, &summary());
                run.finish().expect("finished");
            }
            folder.finish().expect("finished");
            assert!(destination.join("broadcast").join(SUMMARY).is_file());
        }
        std::fs::write(destination.join("passbook/thesis.txt"), "precious").expect("written");
        let refused = RunFolder::begin(&destination);
        assert!(matches!(refused, Err(ArtifactError::Unfit { .. })), "a name proves nothing");
        std::fs::remove_file(destination.join("passbook/thesis.txt")).expect("removed");

        let folder = RunFolder::begin(&destination).expect("begun");
        write(&folder, SUMMARY, &summary());
        folder.finish().expect("finished");
        assert_eq!(count(&destination), 1);
    }

    #[test]
    fn impossible_destination_is_refused_before_the_run() {
        let home = home();
        for impossible in ["missing/run".to_owned(), "x".repeat(300)] {
            let refused = RunFolder::begin(&home.path().join(impossible));
            assert!(matches!(refused, Err(ArtifactError::Unfit { .. })));
        }
        let here = std::env::current_dir().expect("a folder");
        assert!(matches!(RunFolder::begin(&here), Err(ArtifactError::Unfit { .. })));
    }

    #[test]
    fn foreign_folder_that_appears_meanwhile_is_kept() {
        let home = home();
        let destination = home.path().join("run");
        let folder = RunFolder::begin(&destination).expect("begun");
        write(&folder, SUMMARY, &summary());
        std::fs::create_dir(&destination).expect("made");
        std::fs::write(destination.join("thesis.txt"), "precious").expect("written");
        let refused = folder.finish().expect_err("not a run folder").to_string();
        assert!(destination.join("thesis.txt").is_file());
        let (_, kept) = refused.split_once("the run is in ").expect("where it is");
        let (kept, _) = kept.split_once(';').expect("what to do");
        assert!(Path::new(kept).join(SUMMARY).is_file(), "{refused}");
    }

    #[test]
    fn dropped_folder_leaves_nothing() {
        let home = home();
        drop(RunFolder::begin(&home.path().join("run")).expect("begun"));
        assert_eq!(count(home.path()), 0);
    }

    #[test]
    fn second_run_into_one_destination_is_refused() {
        let home = home();
        let destination = home.path().join("run");
        let first = RunFolder::begin(&destination).expect("begun");
        let second = RunFolder::begin(&destination);
        assert!(matches!(second, Err(ArtifactError::InUse { .. })), "{second:?}");
        let other = RunFolder::begin(&home.path().join("other")).expect("another destination");
        write(&first, SUMMARY, &summary());
        first.finish().expect("finished");
        write(&other, SUMMARY, &summary());
        other.finish().expect("finished");
        assert_eq!(count(home.path()), 2);
    }

    #[test]
    fn remains_of_a_dead_run_are_removed_and_nothing_else() {
        let home = home();
        let hidden = |name: &str| home.path().join(format!("{HIDDEN}{name}"));
        for name in ["run", "other", "foreign"] {
            std::fs::create_dir(hidden(name)).expect("made");
            std::fs::write(hidden(name).join(HISTORY), "half").expect("written");
        }
        // The dead left their locks, which nobody holds.
        for name in ["run.lock", "other.lock"] {
            std::fs::write(hidden(name), "").expect("written");
        }
        drop(RunFolder::begin(&home.path().join("run")).expect("begun"));
        assert!(hidden("foreign").join(HISTORY).is_file());
        assert_eq!(count(home.path()), 1);
    }
}
