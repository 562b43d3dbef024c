//! What reads show, from the least to the most.

use super::super::Facts;
use super::super::value::words;
use super::is_read;

/// Reads that show the same.
#[derive(Debug)]
pub(super) struct Level<'a> {
    pub(super) version: &'a [u64],
    pub(super) reads: Vec<usize>,
}

/// Sorts reads by what they show. Two that cannot be sorted are the error.
pub(super) fn levels<'a>(facts: &Facts<'a>) -> Result<Vec<Level<'a>>, (usize, usize)> {
    let total = |version: &[u64]| version.iter().map(|seq| u128::from(*seq)).sum::<u128>();
    let mut reads: Vec<(u128, usize, &'a [u64])> = facts
        .calls()
        .filter(|(_, call)| is_read(call))
        .filter_map(|(place, call)| call.version.map(|version| (total(version), place, version)))
        .collect();
    reads.sort_unstable_by_key(|(total, place, _)| (*total, *place));
    let mut levels: Vec<Level<'a>> = Vec::new();
    for (_, place, version) in reads {
        match levels.last_mut() {
            Some(level) if level.version == version => level.reads.push(place),
            Some(level) if level.version.iter().zip(version).any(|(less, more)| less > more) => {
                return Err((place, level.reads[0]));
            }
            _ => levels.push(Level { version, reads: vec![place] }),
        }
    }
    Ok(levels)
}

pub(super) fn fork(facts: &Facts<'_>, one: usize, other: usize) -> String {
    let shown = |place| words(facts.call(place).version.unwrap_or_default());
    format!(
        "{} was shown {}, and {} was shown {}: each has what the other lacks, so neither came first",
        facts.words(one),
        shown(one),
        facts.words(other),
        shown(other)
    )
}
