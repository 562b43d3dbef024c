//! What was acknowledged is still there at the end.

use bank::{Ack, Outcome, Seq};
use history::Extent;

use crate::RunIndex;
use crate::examination::{Examination, Gap};

/// An acknowledged write is there at the end, whatever was killed or restarted meanwhile: in
/// the log of its branch or, if that is lost, at as many of the others as its acknowledgement promised.
///
/// Algorithm: the join of the history with the logs; for a lost log, what the others came to know of it. Linear.
pub(crate) fn examine(run: &RunIndex<'_>) -> Examination {
    let mut examination = Examination::default();
    let survivors: Vec<Survivors> = (0..run.width).map(|m| Survivors::of(run, m)).collect();
    let (mut held, mut by_others, mut unknown) = (0_u64, 0_u64, 0_u64);
    for (place, call) in run.calls() {
        if call.write().is_none() || call.outcome != Outcome::Ok {
            continue;
        }
        let member = run.history().member_of(place);
        let gone =
            |why: String| run.violation_by(place, format!("was acknowledged and is gone: {why}"));
        match run.extent(member) {
            Extent::Whole | Extent::Cut if run.entry_of(place).is_some() => held += 1,
            Extent::Whole => examination
                .violate(|| gone(format!("the log of branch {} does not have it", call.branch))),
            Extent::Cut | Extent::Missing => {
                match call.seq.and_then(|seq| survivors[member].hold(seq)) {
                    Some(true) => by_others += 1,
                    Some(false) => examination.violate(|| {
                        gone(format!("branch {} is lost, and too few others have it", call.branch))
                    }),
                    None => unknown += 1,
                }
            }
        }
    }
    let holds = if by_others > 0 {
        format!(
            "{held} acknowledged writes are in the logs, and other branches hold {by_others} of a lost log"
        )
    } else {
        format!("{held} acknowledged writes are there")
    };
    examination.summarize(holds, "an acknowledged write is gone");
    let why = run.missing_entries().unwrap_or_default();
    let what = format!("acknowledged writes cannot be found: {why}");
    examination.gap_of(Gap::Ledgers, unknown, &what);
    examination.needs_evidence(held + by_others > 0, "no write was acknowledged");
    examination
}

/// How much of a lost branch's log the others hold.
struct Survivors {
    /// What each of them holds, ascending.
    held: Vec<Seq>,
    /// How many of them must hold a write; nothing can be demanded if that is none.
    needed: usize,
}

impl Survivors {
    fn of(run: &RunIndex<'_>, member: usize) -> Self {
        let lost = run.history().branches().get(member);
        let others = run.finals().iter().filter(|last| Some(&last.branch) != lost);
        let held = others.filter_map(|last| last.version.as_ref()?.iter().nth(member));
        let mut held: Vec<Seq> = held.map(|(_, seq)| seq).collect();
        held.sort_unstable();
        // Each branch that cannot be asked may have been one of those that held it.
        let not_asked = run.width - held.len();
        let needed = match run.settings().ack {
            Ack::All => held.len(),
            ack @ (Ack::Majority | Ack::Local) => {
                acknowledgements(ack, run.width).saturating_sub(not_asked)
            }
        };
        Self { held, needed }
    }

    fn hold(&self, seq: Seq) -> Option<bool> {
        (self.needed > 0).then(|| {
            let holders = self.held.len() - self.held.partition_point(|held| *held < seq);
            holders >= self.needed
        })
    }
}

/// How many of `branches` hold a write when it is acknowledged.
///
/// The engine counts the same. It is written twice on purpose: a judge that shares the engine's count cannot see its
/// faults.
const fn acknowledgements(ack: Ack, branches: usize) -> usize {
    match ack {
        Ack::Local => 1,
        Ack::Majority => branches / 2 + 1,
        Ack::All => branches,
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::Fixture;
    use crate::{Property, Verdict};
    use bank::Ack;
    use bank::Seq;

    const DURABILITY: Property = Property::Durability;

    #[test]
    fn a_write_that_is_gone_from_its_log_is_found() {
        let mut scene = Fixture::healthy();
        scene.logs[1].clear();
        scene.fails(DURABILITY, (2, 2), "the log of branch 2 does not have it");
    }

    #[test]
    fn of_a_lost_branch_the_others_must_have_what_was_acknowledged() {
        let mut scene = Fixture { lost: vec![1], ..Fixture::healthy() };
        let mut finals = scene.run().finals;
        finals.pop();
        scene.finals = Some(finals.clone());
        assert_eq!(scene.verdict(DURABILITY), Verdict::Pass);
        finals[0].version = Some([1, 0].map(Seq).into_iter().collect());
        scene.finals = Some(finals);
        scene.fails(DURABILITY, (2, 2), "branch 2 is lost, and too few others have it");
        scene.settings.ack = Ack::Local;
        scene.is_unknown(DURABILITY, "1 acknowledged writes cannot be found");
    }

    #[test]
    fn without_an_acknowledged_write_nothing_is_judged() {
        let mut scene = Fixture::healthy();
        scene.calls.retain(|call| call.write().is_none());
        scene.logs.iter_mut().for_each(Vec::clear);
        scene.is_not_judged(DURABILITY, "no write was acknowledged");
    }
}
