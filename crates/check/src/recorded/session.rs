//! What each session had written and been shown, call by call: the ground of the four session guarantees
//! (Terry et al., 1994).

use super::RunIndex;
use crate::{Finding, Named, Property};
use bank::{Outcome, Rejection};
use history::OperationRecord;

/// What a session knows, as versions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'s> {
    /// The join of its acknowledged writes.
    pub(super) written: &'s [u64],
    /// The join of the versions that it was shown.
    pub(super) read: &'s [u64],
}

/// Whether an answer has to show what its session knows: other refusals are given before anything is looked at.
pub(super) const fn is_guarded(call: &OperationRecord<'_>) -> bool {
    matches!(call.outcome, Outcome::Ok | Outcome::Rejected(Rejection::InsufficientFunds))
}

/// Goes through all calls, with what the session of each knew when it was made. nN.
pub(super) fn walk<'a>(
    run: &RunIndex<'a>,
    mut each: impl FnMut(usize, &OperationRecord<'a>, Known<'_>),
) {
    let width = run.width;
    let history = run.history();
    let mut written = vec![0_u64; history.sessions() * width];
    let mut read = written.clone();
    for (place, call) in run.calls() {
        let base = history.session_of(place) * width;
        let (written, read) = (&mut written[base..][..width], &mut read[base..][..width]);
        each(place, &call, Known { written, read });
        if let Some((member, seq)) = written_as(run, place, &call) {
            written[member] = written[member].max(seq);
        }
        for (known, shown) in read.iter_mut().zip(call.version.unwrap_or_default()) {
            *known = (*known).max(*shown);
        }
    }
}

/// Which entry an acknowledged write is, by its answer or by the log.
pub(super) fn written_as(
    run: &RunIndex<'_>,
    place: usize,
    call: &OperationRecord<'_>,
) -> Option<(usize, u64)> {
    if call.write().is_none() || call.outcome != Outcome::Ok {
        return None;
    }
    match call.seq {
        Some(seq) => Some((run.history().member_of(place), seq.0)),
        None => run.entry_of(place).map(|at| (at.member, run.logged(at).seq.0)),
    }
}

/// The first branch of which `version` knows less than `known`.
pub(super) fn first_missing(version: &[u64], known: &[u64]) -> Option<usize> {
    version.iter().zip(known).position(|(shown, known)| shown < known)
}

/// The earlier call of the same session for which `shows` holds.
pub(super) fn earlier<'a>(
    run: &RunIndex<'a>,
    place: usize,
    shows: impl Fn(usize, &OperationRecord<'a>) -> bool,
) -> Option<usize> {
    let session = run.history().session_of(place);
    run.session(session).take_while(|call| *call < place).find(|c| shows(*c, &run.call(*c)))
}

/// The call that cannot be, the earlier one that says so, and both in words.
pub(super) fn tell(
    run: &RunIndex<'_>,
    place: usize,
    before: Option<usize>,
    what: &str,
    (member, has, needs): (usize, u64, u64),
) -> (Vec<Named>, String) {
    let named = [Some(place), before].into_iter().flatten().map(|call| run.name(call)).collect();
    let who = before.map_or_else(String::new, |call| format!(" since {}", run.words(call)));
    let story = format!(
        "{} {what} {has} entries of branch {}; {needs} had to be known there{who}",
        run.words(place),
        run.branch(member)
    );
    (named, story)
}

/// What a write was made upon.
#[derive(Clone, Copy, Debug)]
struct Made<'a> {
    version: &'a [u64],
    /// Its own log, up to before it, if that is known.
    own: Option<(usize, u64)>,
    /// By the log. The answer's version may be of later and can only convict.
    exact: bool,
}

impl<'a> Made<'a> {
    fn of(run: &RunIndex<'a>, place: usize, call: &OperationRecord<'a>) -> Option<Self> {
        if let Some(at) = run.entry_of(place) {
            let before = u64::try_from(at.entry).unwrap_or(u64::MAX);
            let own = run.is_numbered(at.member).then_some((at.member, before));
            if let Some(version) = run.logged(at).version {
                return Some(Self { version, own, exact: own.is_some() });
            }
        }
        let version = call.version.filter(|_| call.outcome == Outcome::Ok)?;
        Some(Self { version, own: None, exact: false })
    }

    fn of_member(&self, member: usize) -> u64 {
        match self.own {
            Some((own, before)) if own == member => before,
            _ => self.version[member],
        }
    }

    fn first_missing(&self, known: &[u64]) -> Option<usize> {
        (0..known.len()).find(|member| self.of_member(*member) < known[*member])
    }
}

/// Holds every write that was made to what its session knew: `of` says which part of that. `missing` says what evidence
/// there is none of if no write had anything to be held to.
pub(super) fn writes_upon(
    run: &RunIndex<'_>,
    property: Property,
    of: impl for<'k> Fn(Known<'k>) -> &'k [u64],
    shows: impl Fn(usize, &OperationRecord<'_>, usize) -> u64,
    missing: &str,
) -> Finding {
    let mut finding = Finding::new(property);
    let (mut exact, mut vague) = (0_u64, 0_u64);
    let mut is_examined = false;
    walk(run, |place, call, known| {
        // An unanswered write may be in what is missing of a log.
        let may_be = match call.outcome {
            Outcome::Ok => true,
            Outcome::Rejected(_) => false,
            Outcome::Unknown => {
                run.entry_of(place).is_some() || !run.is_whole(run.history().member_of(place))
            }
        };
        if call.write().is_none() || !may_be {
            return;
        }
        let known = of(known);
        let Some(made) = Made::of(run, place, call) else {
            vague += 1;
            return;
        };
        is_examined |= known.iter().any(|seq| *seq > 0);
        match made.first_missing(known) {
            Some(member) => finding.violate_with(|| {
                let has = made.of_member(member);
                let before = earlier(run, place, |at, call| shows(at, call, member) > has);
                tell(run, place, before, "was made upon", (member, has, known[member]))
            }),
            None if made.exact || known.iter().all(|known| *known == 0) => exact += 1,
            None => vague += 1,
        }
    });
    finding.note = match finding.violations_total {
        0 => format!("{exact} writes made upon what their customers knew"),
        _ => "a write was made where less was known than its customer knew".to_owned(),
    };
    if vague > 0 {
        let why = run.missing_entries();
        let why = why.unwrap_or_else(|| "logs and answers do not say it".to_owned());
        finding.cannot_tell(format!("what {vague} writes rest on is not known: {why}"));
    }
    run.close(&mut finding);
    if !is_examined {
        finding.not_judged(missing);
    }
    finding
}

/// What a call shows of a log, for the stories.
pub(super) fn shown(call: &OperationRecord<'_>, member: usize) -> u64 {
    call.version.map_or(0, |version| version[member])
}

/// Which entry of a log a call wrote, for the stories.
pub(super) fn wrote(
    run: &RunIndex<'_>,
    place: usize,
    call: &OperationRecord<'_>,
    member: usize,
) -> u64 {
    match written_as(run, place, call) {
        Some((own, seq)) if own == member => seq,
        _ => 0,
    }
}
