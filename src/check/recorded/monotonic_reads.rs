//! A customer is never shown less than before.

use super::session::{earlier, first_missing, is_guarded, shown, tell, walk};
use super::Facts;
use crate::check::{Finding, Property};

/// What I was shown at one branch I am shown at every other from then on: money that I have seen arrive does not
/// vanish again when I walk down the road.
///
/// Algorithm: the join of the versions that a session was shown must be covered by each later answer's; nN.
/// Balances without versions say nothing of it.
pub(super) fn monotonic_reads(facts: &Facts<'_>) -> Finding {
    let mut finding = Finding::new(Property::MonotonicReads);
    let (mut covered, mut untold) = (0_u64, 0_u64);
    walk(facts, |place, call, known| {
        if !is_guarded(call) {
            return;
        }
        let Some(version) = call.version else {
            untold += 1;
            return;
        };
        match first_missing(version, known.read) {
            None => covered += 1,
            Some(member) => finding.violate_with(|| {
                let has = version[member];
                let before = earlier(facts, place, |_, call| shown(call, member) > has);
                tell(facts, place, before, "was shown", (member, has, known.read[member]))
            }),
        }
    });
    finding.note = match finding.violations_total {
        0 => format!("{covered} answers, none less than those before"),
        _ => "a customer was shown less than before".to_owned(),
    };
    if untold > 0 {
        finding.cannot_tell(format!("{untold} answers do not say what they were made from"));
    }
    facts.close(&mut finding);
    finding
}
