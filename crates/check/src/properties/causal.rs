//! What is shown contains everything that it depends on.

use crate::evidence::{Dependencies, Lack, first_missing};
use crate::examination::{Examination, Gap};
use crate::index::{Place, describe_version};
use crate::{RunIndex, Violation};

/// A version that is shown with an entry is shown with everything that the entry was made upon: nobody sees
/// money paid out without seeing where it came from.
///
/// Algorithm: of each log, the join of what its first entries were made upon, kept where it changes; a version is
/// closed if it covers, for every log, that join at its own component. What entries were made upon is held to
/// the same. (n + entries that change it) × N².
pub(crate) fn examine(run: &RunIndex<'_>) -> Examination {
    let mut examination = Examination::default();
    let dependencies: Vec<Dependencies> =
        (0..run.width).map(|member| Dependencies::of(run, member)).collect();
    let (mut closed, mut unknown) = (0_u64, 0_u64);
    // Answers that follow each other often show the same.
    let mut last_closed: &[u64] = &[];
    for (place, call) in run.calls() {
        let Some(version) = call.version else {
            unknown += u64::from(call.balance.is_some());
            continue;
        };
        if !last_closed.is_empty() && last_closed == version {
            closed += 1;
            continue;
        }
        match is_closed(&dependencies, version) {
            Ok(true) => {
                closed += 1;
                last_closed = version;
            }
            Ok(false) => unknown += 1,
            Err(open) => examination.violate(|| {
                let shown = format!("{} was shown {}", run.words(place), describe_version(version));
                open.violation(run, Some(place), &shown)
            }),
        }
    }
    for (member, log) in dependencies.iter().enumerate() {
        for step in &log.steps {
            // Its own log before the entry is always there.
            let mut upon = step.upon.clone();
            upon[member] = step.entry;
            if let Err(open) = is_closed(&dependencies, &upon) {
                examination.violate(|| {
                    let branch = run.branch(member);
                    let seq = step.entry + 1;
                    let upon = describe_version(&upon);
                    let made = format!("entry {seq} of branch {branch} was made upon {upon}");
                    let entry = usize::try_from(step.entry).ok();
                    let place = entry.and_then(|entry| run.call_of(Place { member, entry }));
                    open.violation(run, place, &made)
                });
            }
        }
    }
    examination.summarize(
        format!("{closed} answers show all that they depend on"),
        "an answer shows an entry without what that depends on",
    );
    examination.gap_if(Gap::Answers, run.missing_context(unknown, "answers"));
    let has_evidence = closed > 0 || dependencies.iter().any(|log| !log.steps.is_empty());
    examination.needs_evidence(has_evidence, "no answer shows a balance");
    examination
}

/// A version with an entry and without what that was made upon.
#[derive(Clone, Copy)]
struct OpenVersion {
    /// The branch that wrote the entry.
    origin: usize,
    /// The last entry of that log that is shown.
    upto: u64,
    /// What is missing.
    lack: Lack,
}

impl OpenVersion {
    fn violation(self, run: &RunIndex<'_>, place: Option<usize>, what: &str) -> Violation {
        let Self { origin, upto, lack: Lack { member, has, needs } } = self;
        let (branch, other) = (run.branch(origin), run.branch(member));
        // The first entry of that log that needs more than is shown.
        let log = &run.logs()[origin];
        let needs_more =
            |entry: &usize| log.entry(*entry).version.is_some_and(|upon| upon[member] > has);
        let entry = (0..usize::try_from(upto).unwrap_or(0).min(log.len())).find(needs_more);
        let call = entry.and_then(|entry| run.call_of(Place { member: origin, entry }));
        let number = entry.map_or(upto, |entry| u64::try_from(entry + 1).unwrap_or(upto));
        let description = format!(
            "{what}: with entry {number} of branch {branch}, which was made upon {needs} entries of branch {other}, but with {has} of those only"
        );
        run.violation(place.into_iter().chain(call), description)
    }
}

/// Whether a version is known to contain everything that its entries depend on. Fails if it does not.
fn is_closed(dependencies: &[Dependencies], version: &[u64]) -> Result<bool, OpenVersion> {
    let mut is_unknown = false;
    for (origin, (log, seq)) in dependencies.iter().zip(version).enumerate() {
        if *seq == 0 {
            continue;
        }
        is_unknown |= *seq > log.known;
        let Some(upon) = log.upto((*seq).min(log.known)) else {
            is_unknown = true;
            continue;
        };
        if let Some(member) = first_missing(version, upon) {
            let lack = Lack { member, has: version[member], needs: upon[member] };
            return Err(OpenVersion { origin, upto: *seq, lack });
        }
    }
    Ok(!is_unknown)
}
#[cfg(test)]
mod tests {
    use crate::fixture::{Fixture, Shown as _};
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
        scene.logs[0].push(crate::fixture::granted(2, 1, 1, &[1, 1]));
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
