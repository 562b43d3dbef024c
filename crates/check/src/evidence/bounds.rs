//! What a balance may be: bounds from the instants at which writes began and were answered, and from versions.

use std::ops::RangeInclusive;

use bank::{Outcome, Rejection, Write, WriteKind};
use history::{Log, OperationRecord};

use crate::examination::{Examination, Gap};
use crate::{RunIndex, Violation};

/// The least and the greatest balance.
pub(crate) type Range = RangeInclusive<i128>;

/// The amount of a withdrawal that was refused for insufficient funds. Such a refusal is a read: at some instant of
/// the call the balance was less than this.
pub(crate) fn refused_amount(call: &OperationRecord<'_>) -> Option<i128> {
    let write = call.write().filter(|write| write.kind == WriteKind::Withdraw)?;
    let is_refused = call.outcome == Outcome::Rejected(Rejection::InsufficientFunds);
    is_refused.then(|| write.amount.minor_units().into())
}

/// Money that went in and out, both counted upwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Moved {
    into: i128,
    out: i128,
}

impl Moved {
    fn of(write: Write) -> Self {
        Self { into: write.delta().max(0), out: -write.delta().min(0) }
    }

    const fn plus(self, other: Self) -> Self {
        Self { into: self.into + other.into, out: self.out + other.out }
    }

    const fn without(self, other: Self) -> Self {
        Self { into: self.into - other.into, out: self.out - other.out }
    }
}

/// A refusal of a withdrawal although the balance was `least` or more during all of the call.
pub(crate) fn wrong_refusal(run: &RunIndex<'_>, place: usize, least: i128) -> Violation {
    let words = run.words(place);
    let story =
        format!("{words} was refused, but there was {least} or more at every instant of it");
    run.violation([place], story)
}

/// What had been moved by when. Sound for rejection: a read holds at least what was acknowledged before it
/// began, and at most what began before it ended. Sorting costs n log n.
#[derive(Debug)]
pub(crate) struct Bounds {
    begun: Vec<(u64, Moved)>,
    acknowledged: Vec<(u64, Moved)>,
}

impl Bounds {
    /// Nothing is collected where every balance has a version and nothing was refused.
    pub(crate) fn of(run: &RunIndex<'_>) -> Self {
        let bare = |call: &OperationRecord<'_>| call.balance.is_some() && call.version.is_none();
        let needs = |call: &OperationRecord<'_>| bare(call) || refused_amount(call).is_some();
        let (mut begun, mut acknowledged) = (Vec::new(), Vec::new());
        if run.calls().any(|(_, call)| needs(&call)) {
            for (_, call) in run.calls() {
                let Some(write) = call.write() else { continue };
                match call.outcome {
                    Outcome::Rejected(_) => continue,
                    Outcome::Ok => {
                        acknowledged.extend(call.completed.map(|at| (at, Moved::of(write))));
                    }
                    Outcome::Unknown => {}
                }
                begun.push((call.invoked, Moved::of(write)));
            }
        }
        Self { begun: summed(begun), acknowledged: summed(acknowledged) }
    }

    /// By writes that were sent no later than at `instant`, and not refused.
    fn begun(&self, instant: u64) -> Moved {
        until(&self.begun, |at| at <= instant)
    }

    /// By writes that were acknowledged before `instant`.
    fn acknowledged(&self, instant: u64) -> Moved {
        until(&self.acknowledged, |at| at < instant)
    }

    /// What an answer may show if nothing is demanded: anything of what had begun by then.
    pub(crate) fn of_begun(&self, run: &RunIndex<'_>, call: &OperationRecord<'_>) -> Range {
        let begun = self.begun(call.completed.unwrap_or(u64::MAX));
        run.opening() - begun.out..=run.opening() + begun.into
    }

    /// What an answer may show if all is demanded that was acknowledged before its question.
    pub(crate) fn of_acknowledged(&self, run: &RunIndex<'_>, call: &OperationRecord<'_>) -> Range {
        let before = self.acknowledged(call.invoked);
        let all = self.of_begun(run, call);
        all.start() + before.into..=all.end() - before.out
    }
}

/// Own money in and out, by session.
#[derive(Debug)]
pub(crate) struct OwnWrites(Vec<Written>);

#[derive(Clone, Copy, Debug, Default)]
struct Written {
    /// By acknowledged writes.
    settled: i128,
    /// By those before the last one that was added.
    acknowledged: Moved,
    /// By the last one that was added, if it is acknowledged.
    last: Moved,
    /// By unanswered ones.
    open: Moved,
    /// By both.
    begun: Moved,
}

impl OwnWrites {
    pub(crate) fn of(run: &RunIndex<'_>) -> Self {
        Self(vec![Written::default(); run.history().sessions()])
    }

    /// Adds the write of a call, if it is one.
    pub(crate) fn add(&mut self, run: &RunIndex<'_>, place: usize, call: &OperationRecord<'_>) {
        let own = &mut self.0[run.history().session_of(place)];
        own.acknowledged = own.acknowledged.plus(std::mem::take(&mut own.last));
        let Some(write) = call.write() else { return };
        let moved = Moved::of(write);
        match call.outcome {
            Outcome::Rejected(_) => return,
            Outcome::Ok => {
                own.settled += write.delta();
                own.last = moved;
            }
            Outcome::Unknown => own.open = own.open.plus(moved),
        }
        own.begun = own.begun.plus(moved);
    }

    /// Whether the session of a call has a write that was added and not rejected.
    pub(crate) fn has_written(&self, run: &RunIndex<'_>, place: usize) -> bool {
        self.0[run.history().session_of(place)].begun != Moved::default()
    }

    /// What an answer may show if its customer's own writes are demanded, those that were added.
    pub(crate) fn bounds(
        &self,
        run: &RunIndex<'_>,
        bounds: &Bounds,
        place: usize,
        call: &OperationRecord<'_>,
    ) -> Range {
        let own = self.0[run.history().session_of(place)];
        let others = bounds.begun(call.completed.unwrap_or(u64::MAX)).without(own.begun);
        let settled = run.opening() + own.settled;
        settled - own.open.out - others.out..=settled + own.open.into + others.into
    }

    /// The same if what was acknowledged to others before the question is demanded as well.
    pub(crate) fn bounds_of_all(
        &self,
        run: &RunIndex<'_>,
        bounds: &Bounds,
        place: usize,
        call: &OperationRecord<'_>,
    ) -> Range {
        let own = self.0[run.history().session_of(place)];
        let before = bounds.acknowledged(call.invoked).without(own.acknowledged);
        let all = self.bounds(run, bounds, place, call);
        all.start() + before.into.max(0)..=all.end() - before.out.max(0)
    }
}

fn summed(mut moves: Vec<(u64, Moved)>) -> Vec<(u64, Moved)> {
    moves.sort_unstable_by_key(|(at, _)| *at);
    let mut sum = Moved::default();
    for (_, moved) in &mut moves {
        sum = sum.plus(*moved);
        *moved = sum;
    }
    moves
}

fn until(moves: &[(u64, Moved)], counts: impl Fn(u64) -> bool) -> Moved {
    let count = moves.partition_point(|(at, _)| counts(*at));
    count.checked_sub(1).map_or_else(Moved::default, |last| moves[last].1)
}

/// By log: the sums of deposits in its first entries.
pub(crate) struct Deposits(Vec<Vec<i128>>);

impl Deposits {
    pub(crate) fn of(run: &RunIndex<'_>) -> Self {
        let summed = |log: &Log| {
            let mut sum = 0;
            let sums = log.entries().map(|logged| {
                sum += logged.entry.delta().max(0);
                sum
            });
            std::iter::once(0).chain(sums).collect()
        };
        Self(run.logs().iter().map(summed).collect())
    }

    fn upto(&self, member: usize, seq: u64) -> Option<i128> {
        self.0[member].get(usize::try_from(seq).ok()?).copied()
    }

    /// The most that there can be between the two versions of a refusal's proof: with all deposits of the later
    /// one, and only the withdrawals of the earlier one. `None` if there is no proof, its versions are not in that
    /// order, or no log has them.
    pub(crate) fn most_of_proof(
        &self,
        run: &RunIndex<'_>,
        call: &OperationRecord<'_>,
    ) -> Option<i128> {
        let (version, at_most) = call.version.zip(call.at_most)?;
        let members = version.iter().zip(at_most).enumerate();
        members.into_iter().try_fold(run.opening(), |most, (member, (least, later))| {
            let between = self.upto(member, *later)? - self.upto(member, *least)?;
            (least <= later).then_some(most + run.sum(member, *least)? + between)
        })
    }
}

/// How balances without versions, and refusals, compare with their bounds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Comparison {
    shown: u64,
    refused: u64,
    narrowest: Option<i128>,
    widest: i128,
}

impl Comparison {
    /// Compares a balance that was shown with its bounds.
    pub(crate) fn compare(
        &mut self,
        run: &RunIndex<'_>,
        examination: &mut Examination,
        place: usize,
        shown: i128,
        bounds: &Range,
    ) {
        let (least, most) = (bounds.start(), bounds.end());
        self.shown += 1;
        let width = most - least;
        self.narrowest = Some(self.narrowest.map_or(width, |narrowest| narrowest.min(width)));
        self.widest = self.widest.max(width);
        // What is missing of the history may have moved any amount.
        if run.history().is_complete() && !bounds.contains(&shown) {
            examination.violate(|| {
                let story = format!(
                    "{} was shown {shown}; it must be {least} to {most}, whatever was on its way",
                    run.words(place)
                );
                run.violation([place], story)
            });
        }
    }

    /// Compares a refused withdrawal of `amount` with the balance during the call, which was `least` or more.
    pub(crate) fn compare_refusal(
        &mut self,
        run: &RunIndex<'_>,
        examination: &mut Examination,
        place: usize,
        amount: i128,
        least: i128,
    ) {
        self.refused += 1;
        if run.history().is_complete() && least >= amount {
            examination.violate(|| wrong_refusal(run, place, least));
        }
    }

    /// Whether there was nothing to compare.
    pub(crate) const fn is_empty(&self) -> bool {
        self.shown == 0 && self.refused == 0
    }

    /// How many balances and refusals are within how wide bounds; empty if there are none.
    pub(crate) fn describe(&self) -> String {
        let (shown, refused, widest) = (self.shown, self.refused, self.widest);
        let balances = self.narrowest.map(|narrowest| match widest {
            0 => format!("{shown} balances, exact"),
            _ => format!("{shown} balances within bounds that are {narrowest} to {widest} wide"),
        });
        let refusals = (refused > 0).then(|| format!("refusals within bounds: {refused}"));
        balances.into_iter().chain(refusals).collect::<Vec<String>>().join("; ")
    }

    /// Adds a gap with this note if some bounds are wider than one value: they prove nothing.
    pub(crate) fn report_width(&self, examination: &mut Examination, note: &str) {
        if self.widest > 0 {
            examination.gap(Gap::Values, note);
        }
    }
}
