//! What a run writes, estimated before it begins.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;

use crate::scenario::{Recording, Scenario};

/// On the disk for each recorded operation while the folder is made: 600 in its files and 100 in the spools they are made
/// from. Measured with 1 to 10 branches, which differ by 60.
const BYTES_PER_OPERATION: u64 = 700;
/// A run that writes less is not worth a line.
const WORTH_A_LINE_BYTES: u64 = 100_000_000;
/// So is one that is over sooner, where the number of its operations is not known.
const WORTH_A_LINE_TIME: Duration = Duration::from_mins(1);
/// With less free space than this, a run of unknown size is warned of.
const LITTLE_SPACE_BYTES: u64 = 1_000_000_000;

/// What a run will write, and the space that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskUse {
    folder: PathBuf,
    /// How many operations are recorded; `None` if time decides.
    operations: Option<u64>,
    /// How long it lasts, where that decides.
    duration: Option<Duration>,
    /// `None` if the operating system does not say.
    free_bytes: Option<u64>,
}

impl DiskUse {
    /// That of `scenario`, with the space that is free now; `None` if it records nothing.
    pub fn of(scenario: &Scenario) -> Option<Self> {
        let planned = scenario.workload.operations();
        let duration = scenario.workload.duration();
        let operations = match scenario.recording {
            Recording::Nothing => return None,
            Recording::All => planned,
            Recording::First(most) => Some(planned.map_or(most, |planned| planned.min(most))),
        };
        let temporary = std::env::temp_dir();
        let folder = scenario.out.clone().unwrap_or(temporary);
        let free_bytes = fs4::available_space(existing(&folder)).ok();
        Some(Self { folder, operations, duration, free_bytes })
    }

    /// A line for people: always if `verbose`, otherwise if it is much or may not fit.
    pub fn line(&self, verbose: bool) -> Option<String> {
        let bytes = self.operations.map(|count| count.saturating_mul(BYTES_PER_OPERATION));
        let (is_worth_it, needed) = match bytes {
            Some(bytes) => (bytes >= WORTH_A_LINE_BYTES, bytes),
            None => (self.duration >= Some(WORTH_A_LINE_TIME), LITTLE_SPACE_BYTES),
        };
        let is_short = self.free_bytes.is_some_and(|free| free < needed);
        let amount =
            bytes.map_or_else(|| format!("{BYTES_PER_OPERATION} bytes per operation"), size);
        let free = self.free_bytes.map_or_else(|| "an unknown amount".to_owned(), size);
        let (warning, advice) = if is_short {
            ("warning: ", "; free up space or give an --out on another disk")
        } else {
            ("", "")
        };
        (verbose || is_worth_it || is_short).then(|| {
            let folder = self.folder.display();
            format!("{warning}this run writes about {amount} to {folder}; {free} free{advice}")
        })
    }
}

/// The nearest folder on the way to `path` that exists.
fn existing(path: &Path) -> &Path {
    let there = path.ancestors().find(|path| path.is_dir());
    there.unwrap_or(Path::new("."))
}

/// A size for people, in decimal units.
fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().si().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk_use(operations: Option<u64>, seconds: u64, free_bytes: u64) -> DiskUse {
        DiskUse {
            folder: "run".into(),
            operations,
            duration: operations.is_none().then_some(Duration::from_secs(seconds)),
            free_bytes: Some(free_bytes),
        }
    }

    #[test]
    fn large_or_unfitting_runs_get_a_line_and_small_ones_if_verbose() {
        let small = disk_use(Some(1_000), 0, 3_000_000_000);
        assert_eq!(small.line(false), None);
        let line = small.line(true).expect("verbose");
        assert_eq!(line, "this run writes about 700.0 kB to run; 3.0 GB free");
        let large = disk_use(Some(200_000), 0, 3_000_000_000).line(false).expect("large");
        assert_eq!(large, "this run writes about 140.0 MB to run; 3.0 GB free");
        let unfitting = disk_use(Some(1_000), 0, 600_000).line(false).expect("it does not fit");
        assert!(unfitting.starts_with("warning: "), "{unfitting}");
    }

    #[test]
    fn runs_of_unknown_size_get_bytes_per_operation() {
        assert_eq!(disk_use(None, 10, 3_000_000_000).line(false), None);
        let expected = "this run writes about 700 bytes per operation to run; 3.0 GB free";
        for (seconds, verbose) in [(10, true), (60, false)] {
            let line = disk_use(None, seconds, 3_000_000_000).line(verbose);
            assert_eq!(line.as_deref(), Some(expected));
        }
        let little = disk_use(None, 10, 900_000_000).line(false).expect("little space");
        assert!(little.starts_with("warning: "), "{little}");
    }
}
