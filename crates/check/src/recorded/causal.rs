//! What is shown contains everything that it depends on.

use super::RunIndex;
use super::index::Place;
use super::session::first_missing;
use super::value::words;
use crate::{Finding, Named, Property};

/// A version that is shown with an entry is shown with everything that the entry was made upon: nobody sees
/// money paid out without seeing where it came from.
///
/// Algorithm: of each log, the join of what its first entries were made upon, kept where it changes; a version is
/// closed if it covers, for every log, that join at its own component. What entries were made upon is held to
/// the same. (n + entries that change it) × N².
pub(super) fn causal(run: &RunIndex<'_>) -> Finding {
    let mut finding = Finding::new(Property::Causal);
    let dependencies: Vec<Dependencies> =
        (0..run.width).map(|member| Dependencies::of(run, member)).collect();
    let (mut closed, mut untold, mut bare) = (0_u64, 0_u64, 0_u64);
    let mut cache = Cache::default();
    for (place, call) in run.calls() {
        let Some(version) = call.version else {
            bare += u64::from(call.balance.is_some());
            continue;
        };
        match cache.judge(&dependencies, version) {
            Closure::Closed => closed += 1,
            Closure::Untold => untold += 1,
            Closure::Lacks(lack) => finding.violate_with(|| {
                let who = format!("{} was shown {}", run.words(place), words(version));
                lack.tell(run, Some(place), &who)
            }),
        }
    }
    for (member, log) in dependencies.iter().enumerate() {
        for (from, upon) in &log.steps {
            // Its own log before the entry is always there.
            let mut upon = upon.clone();
            upon[member] = *from;
            if let Closure::Lacks(lack) = closure(&dependencies, &upon) {
                finding.violate_with(|| {
                    let branch = run.branch(member);
                    let who = format!(
                        "entry {} of branch {branch} was made upon {}",
                        from + 1,
                        words(&upon)
                    );
                    let place = usize::try_from(*from)
                        .ok()
                        .and_then(|entry| run.call_of(Place { member, entry }));
                    lack.tell(run, place, &who)
                });
            }
        }
    }
    finding.note = match finding.violations_total {
        0 => format!("{closed} answers show all that they depend on"),
        _ => "an answer shows an entry without what that depends on".to_owned(),
    };
    if untold > 0 || bare > 0 {
        let why = run.missing_entries();
        let why = why.unwrap_or_else(|| "logs and answers do not say it".to_owned());
        let count = untold + bare;
        finding.cannot_tell(format!("what {count} answers rest on is not known: {why}"));
    }
    run.close(&mut finding);
    if closed == 0 && dependencies.iter().all(|log| log.steps.is_empty()) {
        finding.not_judged("no answer shows a balance");
    }
    finding
}

/// What the entries of one log were made upon.
pub(super) struct Dependencies {
    /// From which entry on, counted from 0, and the join of all up to there; its own component is 0.
    steps: Vec<(u64, Vec<u64>)>,
    /// By entry, which of the steps holds: the index after it.
    step_of: Vec<u32>,
    /// How many entries are known with what they were made upon.
    known: u64,
}

impl Dependencies {
    pub(super) fn of(run: &RunIndex<'_>, member: usize) -> Self {
        let mut steps: Vec<(u64, Vec<u64>)> = Vec::new();
        let mut step_of = Vec::new();
        let mut join = vec![0; run.width];
        let mut last: Option<*const u64> = None;
        let mut known = 0;
        let there = run.is_numbered(member);
        for (place, logged) in (0_u64..).zip(run.logs()[member].entries()) {
            let Some(upon) = logged.version.filter(|_| there) else { break };
            if last != Some(upon.as_ptr()) {
                last = Some(upon.as_ptr());
                let mut grows = steps.is_empty();
                for (at, (known, made)) in join.iter_mut().zip(upon).enumerate() {
                    // What claims to be made upon itself or later can never be closed.
                    let made = if at == member && *made <= place { 0 } else { *made };
                    grows |= made > *known;
                    *known = made.max(*known);
                }
                if grows {
                    steps.push((place, join.clone()));
                }
            }
            step_of.push(u32::try_from(steps.len()).unwrap_or(u32::MAX));
            known = place + 1;
        }
        Self { steps, step_of, known }
    }

    /// What the first `seq` entries depend on.
    pub(super) fn upto(&self, seq: u64) -> Option<&[u64]> {
        let entry = usize::try_from(seq.checked_sub(1)?).ok()?;
        let step = self.step_of.get(entry)?;
        let step = usize::try_from(*step).ok()?.checked_sub(1)?;
        Some(&self.steps[step].1)
    }
}

enum Closure {
    Closed,
    Untold,
    Lacks(Lack),
}

/// Which entry a version has without what it was made upon.
#[derive(Clone, Copy)]
struct Lack {
    /// Whose entry.
    origin: usize,
    /// The last of the log that is shown.
    upto: u64,
    /// Of whose log something is missing.
    of: usize,
    has: u64,
    needs: u64,
}

impl Lack {
    fn tell(self, run: &RunIndex<'_>, place: Option<usize>, who: &str) -> (Vec<Named>, String) {
        let Self { origin, upto, of, has, needs } = self;
        let (branch, other) = (run.branch(origin), run.branch(of));
        // The first entry of that log that needs more than is shown.
        let log = &run.logs()[origin];
        let needy = |entry: &usize| log.entry(*entry).version.is_some_and(|upon| upon[of] > has);
        let entry = (0..usize::try_from(upto).unwrap_or(0).min(log.len())).find(needy);
        let call = entry.and_then(|entry| run.call_of(Place { member: origin, entry }));
        let named = [place, call].into_iter().flatten().map(|call| run.name(call)).collect();
        let number = entry.map_or(upto, |entry| u64::try_from(entry + 1).unwrap_or(upto));
        let story = format!(
            "{who}: with entry {number} of branch {branch}, which was made upon {needs} entries of branch {other}, but with {has} of those only"
        );
        (named, story)
    }
}

fn closure(dependencies: &[Dependencies], version: &[u64]) -> Closure {
    let mut untold = false;
    for (origin, (log, seq)) in dependencies.iter().zip(version).enumerate() {
        if *seq == 0 {
            continue;
        }
        untold |= *seq > log.known;
        let Some(upon) = log.upto((*seq).min(log.known)) else {
            untold = true;
            continue;
        };
        if let Some(of) = first_missing(version, upon) {
            let (has, needs) = (version[of], upon[of]);
            return Closure::Lacks(Lack { origin, upto: *seq, of, has, needs });
        }
    }
    if untold { Closure::Untold } else { Closure::Closed }
}

/// Answers that follow each other often show the same.
#[derive(Default)]
struct Cache {
    closed: Vec<u64>,
}

impl Cache {
    fn judge(&mut self, dependencies: &[Dependencies], version: &[u64]) -> Closure {
        if !self.closed.is_empty() && self.closed == version {
            return Closure::Closed;
        }
        let judged = closure(dependencies, version);
        if matches!(judged, Closure::Closed) {
            self.closed.clear();
            self.closed.extend_from_slice(version);
        }
        judged
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, Shown as _};
    use crate::{Property, Verdict};

    const CAUSAL: Property = Property::Causal;

    #[test]
    fn an_entry_shown_without_what_it_was_made_upon_is_found() {
        let mut scene = Fixture::healthy();
        scene.calls[4] = scene.calls[4].shows(&[0, 1], 80);
        scene.fails(
            CAUSAL,
            (2, 3),
            "entry 1 of branch 2, which was made upon 1 entries of branch 1",
        );
        // The other way round nothing depends on it.
        let mut fine = Fixture::healthy();
        fine.calls[4] = fine.calls[4].shows(&[1, 0], 150);
        assert_eq!(fine.verdict(CAUSAL), Verdict::Pass);
    }

    #[test]
    fn an_entry_made_upon_what_is_not_closed_is_found() {
        let mut scene = Fixture::healthy();
        scene.logs[0].push(super::super::fixture::granted(2, 1, 1, &[1, 1]));
        assert_eq!(scene.verdict(CAUSAL), Verdict::Pass);
        scene.logs[1][0].version = Some(&[2, 0]);
        let finding = scene.judge(CAUSAL);
        assert_eq!(finding.verdict, Verdict::Fail, "each is made upon the other");
    }

    #[test]
    fn without_what_entries_were_made_upon_nothing_is_proved() {
        let mut scene = Fixture::healthy();
        scene.logs[1][0].version = None;
        scene.is_unknown(CAUSAL, "logs and answers do not say it");
    }
}
