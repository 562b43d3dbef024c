//! What reads show, from the least to the most.

use super::is_read;
use crate::index::{describe_version, prefix_sums};
use crate::{RunIndex, Violation};

/// Reads that show the same money.
#[derive(Debug)]
pub(super) struct Level {
    /// What they show, with what those of lower levels show as well.
    pub(super) version: Vec<u64>,
    pub(super) reads: Vec<usize>,
}

/// Of each log, how many of its first entries move money. A snapshot is of money, and grants may be made meanwhile:
/// of two snapshots each may have one that the other lacks.
struct Moving(Vec<Vec<u64>>);

impl Moving {
    fn of(run: &RunIndex<'_>) -> Self {
        Self(prefix_sums(run.logs(), |entry| u64::from(entry.delta() != 0)))
    }

    /// How many of the first `seq` entries. Those that the log does not have all count.
    fn upto(&self, member: usize, seq: u64) -> u64 {
        let counts = &self.0[member];
        let last = u64::try_from(counts.len() - 1).unwrap_or(u64::MAX);
        let known = usize::try_from(seq.min(last)).unwrap_or_default();
        counts[known] + seq.saturating_sub(last)
    }

    fn total(&self, version: &[u64]) -> u128 {
        version.iter().enumerate().map(|(member, seq)| u128::from(self.upto(member, *seq))).sum()
    }

    /// Whether `more` shows all the money that `less` shows.
    fn covers(&self, more: &[u64], less: &[u64]) -> bool {
        let pairs = more.iter().zip(less).enumerate();
        pairs.into_iter().all(|(m, (more, less))| self.upto(m, *more) >= self.upto(m, *less))
    }
}

/// Sorts reads by what they show. Fails with two that cannot be sorted.
pub(super) fn levels(run: &RunIndex<'_>) -> Result<Vec<Level>, Violation> {
    let moving = Moving::of(run);
    let mut reads: Vec<(u128, usize, &[u64])> = run
        .calls()
        .filter(|(_, call)| is_read(call))
        .filter_map(|(place, call)| call.version.map(|v| (moving.total(v), place, v)))
        .collect();
    reads.sort_unstable_by_key(|(total, place, _)| (*total, *place));
    let mut levels: Vec<Level> = Vec::new();
    let mut before = 0;
    for (total, place, version) in reads {
        let Some(level) = levels.last_mut() else {
            levels.push(Level { version: version.to_vec(), reads: vec![place] });
            before = total;
            continue;
        };
        if !moving.covers(version, &level.version) {
            return Err(fork(run, place, level.reads[0]));
        }
        if total == before {
            join(&mut level.version, version);
            level.reads.push(place);
        } else {
            let mut version = version.to_vec();
            join(&mut version, &level.version);
            levels.push(Level { version, reads: vec![place] });
        }
        before = total;
    }
    Ok(levels)
}

fn join(known: &mut [u64], shown: &[u64]) {
    for (known, shown) in known.iter_mut().zip(shown) {
        *known = (*known).max(*shown);
    }
}

/// Two reads of which each shows money that the other lacks.
fn fork(run: &RunIndex<'_>, one: usize, other: usize) -> Violation {
    let [first, second] = [one, other].map(|place| {
        let version = run.call(place).version.unwrap_or_default();
        format!("{} was shown {}", run.words(place), describe_version(version))
    });
    let description =
        format!("{first}, and {second}: each has what the other lacks, so neither came first");
    run.violation([one, other], description)
}
