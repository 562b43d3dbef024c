//! What each session had written and been shown, call by call: the ground of the four session guarantees
//! (Terry et al., 1994).

use bank::{Outcome, Rejection};
use history::OperationRecord;

use crate::examination::{Examination, Gap};
use crate::{RunIndex, Violation, grouped};

/// What a session knows, as versions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session<'s> {
    /// The join of its acknowledged writes.
    pub(crate) written: &'s [u64],
    /// The join of the versions that it was shown.
    pub(crate) read: &'s [u64],
}

/// An entry of a log by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogPosition {
    pub(crate) member: usize,
    pub(crate) seq: u64,
}

/// What is known of a log, and what had to be known of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lack {
    pub(crate) member: usize,
    pub(crate) has: u64,
    pub(crate) needs: u64,
}

/// Whether an answer has to show what its session knows: other refusals are given before anything is looked at.
pub(crate) const fn is_guarded(call: &OperationRecord<'_>) -> bool {
    matches!(call.outcome, Outcome::Ok | Outcome::Rejected(Rejection::InsufficientFunds))
}

/// Visits all calls, with what the session of each knew when it was made. n operations at N branches cost nN.
pub(crate) fn walk<'a>(
    run: &RunIndex<'a>,
    mut visit: impl FnMut(usize, &OperationRecord<'a>, Session<'_>),
) {
    let width = run.width;
    let history = run.history();
    let mut written = vec![0_u64; history.sessions() * width];
    let mut read = written.clone();
    for (place, call) in run.calls() {
        let base = history.session_of(place) * width;
        let (written, read) = (&mut written[base..][..width], &mut read[base..][..width]);
        visit(place, &call, Session { written, read });
        if let Some(LogPosition { member, seq }) = logged_as(run, place, &call) {
            written[member] = written[member].max(seq);
        }
        for (known, shown) in read.iter_mut().zip(call.version.unwrap_or_default()) {
            *known = (*known).max(*shown);
        }
    }
}

/// The entry of an acknowledged write, by its answer or by the log.
pub(crate) fn logged_as(
    run: &RunIndex<'_>,
    place: usize,
    call: &OperationRecord<'_>,
) -> Option<LogPosition> {
    if call.write().is_none() || call.outcome != Outcome::Ok {
        return None;
    }
    match call.seq {
        Some(seq) => Some(LogPosition { member: run.history().member_of(place), seq: seq.0 }),
        None => run
            .entry_of(place)
            .map(|at| LogPosition { member: at.member, seq: run.logged(at).seq.0 }),
    }
}

/// The first branch of which `version` knows less than `known`.
///
/// The engine has the same function. It is written twice on purpose: a judge that shares the engine's cannot see its
/// faults.
pub(crate) fn first_missing(version: &[u64], known: &[u64]) -> Option<usize> {
    version.iter().zip(known).position(|(shown, known)| shown < known)
}

/// The first earlier call of the same session that `matches`.
pub(crate) fn earlier<'a>(
    run: &RunIndex<'a>,
    place: usize,
    matches: impl Fn(usize, &OperationRecord<'a>) -> bool,
) -> Option<usize> {
    let session = run.history().session_of(place);
    run.session(session).take_while(|call| *call < place).find(|c| matches(*c, &run.call(*c)))
}

impl Lack {
    /// The call that cannot be, and the earlier one from which its session knows more.
    pub(crate) fn violation(
        self,
        run: &RunIndex<'_>,
        place: usize,
        earlier: Option<usize>,
        verb: &str,
    ) -> Violation {
        let Self { member, has, needs } = self;
        let since = earlier.map_or_else(String::new, |call| format!(" since {}", run.words(call)));
        let description = format!(
            "{} {verb} {has} entries of branch {}; {needs} had to be known there{since}",
            run.words(place),
            run.branch(member)
        );
        run.violation([place].into_iter().chain(earlier), description)
    }
}

/// What a branch knew when it made a write.
#[derive(Clone, Copy, Debug)]
struct WriteContext<'a> {
    version: &'a [u64],
    /// The entries of its own log before it, if that is known.
    own: Option<LogPosition>,
    /// Whether it is from the log. The answer's version may be of later: it can prove a violation, and not that there
    /// is none.
    is_exact: bool,
}

impl<'a> WriteContext<'a> {
    fn of(run: &RunIndex<'a>, place: usize, call: &OperationRecord<'a>) -> Option<Self> {
        if let Some(at) = run.entry_of(place) {
            let seq = u64::try_from(at.entry).unwrap_or(u64::MAX);
            let own = run.is_numbered(at.member).then_some(LogPosition { member: at.member, seq });
            if let Some(version) = run.logged(at).version {
                return Some(Self { version, own, is_exact: own.is_some() });
            }
        }
        let version = call.version.filter(|_| call.outcome == Outcome::Ok)?;
        Some(Self { version, own: None, is_exact: false })
    }

    fn of_member(&self, member: usize) -> u64 {
        self.own.filter(|own| own.member == member).map_or(self.version[member], |own| own.seq)
    }

    fn lack(&self, known: &[u64]) -> Option<Lack> {
        let known = known.iter().copied().enumerate();
        let mut lacks =
            known.map(|(member, needs)| Lack { member, has: self.of_member(member), needs });
        lacks.find(|lack| lack.has < lack.needs)
    }
}

/// Compares every write that was made with what its session knew, of which `part` selects what counts. `shows` is the
/// number of entries of a log that an earlier call made known. `missing` is reported if no write had anything to be
/// compared with.
pub(crate) fn writes_upon(
    run: &RunIndex<'_>,
    part: impl for<'s> Fn(Session<'s>) -> &'s [u64],
    shows: impl Fn(usize, &OperationRecord<'_>, usize) -> u64,
    missing: &str,
) -> Examination {
    let mut examination = Examination::default();
    let (mut exact, mut vague) = (0_u64, 0_u64);
    let mut has_evidence = false;
    walk(run, |place, call, session| {
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
        let known = part(session);
        let Some(context) = WriteContext::of(run, place, call) else {
            vague += 1;
            return;
        };
        has_evidence |= known.iter().any(|seq| *seq > 0);
        match context.lack(known) {
            Some(lack) => examination.violate(|| {
                let shows_more =
                    |at, call: &OperationRecord<'_>| shows(at, call, lack.member) > lack.has;
                lack.violation(run, place, earlier(run, place, shows_more), "was made upon")
            }),
            None if context.is_exact || known.iter().all(|known| *known == 0) => exact += 1,
            None => vague += 1,
        }
    });
    examination.summarize(
        format!("{} writes, each applied after everything its customer had seen", grouped(exact)),
        "a write was made where less was known than its customer knew",
    );
    examination.gap_if(Gap::Answers, run.missing_context(vague, "writes"));
    examination.needs_evidence(has_evidence, missing);
    examination
}

/// How many entries of a log a call shows.
pub(crate) fn shown(call: &OperationRecord<'_>, member: usize) -> u64 {
    call.version.map_or(0, |version| version[member])
}

/// Which entry of a log a call wrote; 0 if it wrote none.
pub(crate) fn wrote(
    run: &RunIndex<'_>,
    place: usize,
    call: &OperationRecord<'_>,
    member: usize,
) -> u64 {
    logged_as(run, place, call).filter(|own| own.member == member).map_or(0, |own| own.seq)
}
