//! No answer shows a write that was sent only after the answer had come.

use crate::RunIndex;
use crate::evidence::is_guarded;
use crate::examination::{Examination, Gap};
use crate::index::Place;

/// An answer can show only what its branch knew when it answered, so every write that it shows was sent before it came.
/// If not, the version was invented, or an entry was logged before its customer asked for it.
///
/// Algorithm: the latest instant at which one of the first k entries of a log was asked for, for every k, looked up at
/// the versions of each answer; n operations at N branches cost nN. Instants are those of the one clock of the run.
pub(crate) fn examine(run: &RunIndex<'_>) -> Examination {
    let mut examination = Examination::default();
    let latest: Vec<Vec<u64>> = (0..run.width).map(|member| latest_requests(run, member)).collect();
    let (mut past, mut hidden) = (0_u64, 0_u64);
    let mut has_evidence = false;
    for (place, call) in run.calls() {
        let Some(completed) = call.completed.filter(|_| is_guarded(&call)) else { continue };
        let mut is_past = call.version.is_some();
        let versions = call.version.into_iter().chain(call.at_most);
        for (member, seq) in versions.flat_map(|version| version.iter().enumerate()) {
            let entries = usize::try_from(*seq).unwrap_or(usize::MAX);
            let Some(asked) = latest[member].get(entries) else {
                hidden += 1;
                is_past = false;
                continue;
            };
            has_evidence |= *asked > 0;
            if *asked > completed {
                is_past = false;
                examination.violate(|| {
                    let log = (0..entries).map(|entry| Place { member, entry });
                    let writes = log.filter_map(|entry| run.call_of(entry));
                    let sent = |write: &usize| run.call(*write).invoked;
                    let write = writes.max_by_key(sent).unwrap_or(place);
                    let late = sent(&write).saturating_sub(completed);
                    let (answer, write_in_words) = (run.words(place), run.words(write));
                    let text = format!(
                        "{answer} was shown {write_in_words}, which was sent {late} ns after that answer"
                    );
                    run.violation([place, write], text)
                });
            }
        }
        past += u64::from(is_past);
    }
    examination.summarize(
        format!("{past} answers, each of writes that had been sent before it"),
        "an answer shows a write that was sent after it",
    );
    examination.gap_if(Gap::Ledgers, run.missing_context(hidden, "versions"));
    examination.needs_evidence(has_evidence, "no answer shows a write of this run");
    examination
}

/// By number of entries: the latest instant at which one of the first entries of a log was asked for.
fn latest_requests(run: &RunIndex<'_>, member: usize) -> Vec<u64> {
    let entries = (0..run.logs()[member].len()).map(|entry| Place { member, entry });
    let mut latest = 0;
    let instants = entries.map(|entry| {
        latest = run.call_of(entry).map_or(latest, |call| latest.max(run.call(call).invoked));
        latest
    });
    std::iter::once(0).chain(instants).collect()
}

#[cfg(test)]
mod tests {
    use crate::fixture::Fixture;
    use crate::{Property, Verdict};

    const FUTURE_READS: Property = Property::FutureReads;

    #[test]
    fn answer_that_shows_a_later_write_fails() {
        let mut run = Fixture::healthy();
        assert_eq!(run.verdict(FUTURE_READS), Verdict::Pass);
        let answered = run.calls[4].completed.expect("answered");
        run.calls[3].invoked = answered + 1;
        run.calls[3].completed = Some(answered + 2);
        run.fails(FUTURE_READS, (2, 3), "which was sent 1 ns after that answer");
        assert_eq!(run.verdict(Property::Value), Verdict::Pass);
    }

    #[test]
    fn version_beyond_a_lost_log_is_unknown() {
        let mut run = Fixture::healthy();
        run.lost = vec![1];
        run.is_unknown(FUTURE_READS, "the ledger of branch 2 is missing");
    }

    #[test]
    fn answers_without_versions_are_no_evidence() {
        let mut run = Fixture::healthy();
        run.calls.iter_mut().for_each(|call| (call.version, call.at_most) = (None, None));
        run.is_not_judged(FUTURE_READS, "no answer shows a write of this run");
    }
}
