//! What a balance may be: bounds from the instants at which writes began and were answered, and from versions.

use std::ops::RangeInclusive;

use bank::{Money, OperationKind, Outcome, Rejection, Write};
use history::OperationRecord;

use crate::examination::{Examination, Gap};
use crate::index::prefix_sums;
use crate::{RunIndex, Violation};

/// The least and the greatest balance.
pub(crate) type Range = RangeInclusive<i128>;

/// The amount of a withdrawal that was refused for insufficient funds. Such a refusal is a read: at some instant of
/// the call the balance was less than this.
pub(crate) fn refused_amount(call: &OperationRecord<'_>) -> Option<i128> {
    let is_refused = call.operation.kind() == OperationKind::Withdraw
        && call.outcome == Outcome::Rejected(Rejection::InsufficientFunds);
    is_refused.then(|| call.operation.amount().minor_units().into())
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
    let what = format!("was refused, but there was {least} or more at every instant of it");
    run.violation_by(place, what)
}

/// What balances may be, and how those that are compared lie within that. Sound for rejection: a read holds at least
/// what was acknowledged before it began, and at most what began before it ended. Sorting costs n log n.
#[derive(Debug)]
pub(crate) struct Bounds<'r, 'a> {
    run: &'r RunIndex<'a>,
    /// What had been moved by writes that had begun by when.
    begun: Vec<(u64, Moved)>,
    /// What had been moved by writes that had been acknowledged by when.
    acknowledged: Vec<(u64, Moved)>,
    /// By session: its own writes.
    own: Vec<OwnWrites>,
    shown: u64,
    refused: u64,
    narrowest: Option<i128>,
    widest: i128,
}

/// The money that one session moved, as far as its calls were added.
#[derive(Clone, Copy, Debug, Default)]
struct OwnWrites {
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

impl<'r, 'a> Bounds<'r, 'a> {
    /// Nothing is collected where every balance has a version and nothing was refused.
    pub(crate) fn of(run: &'r RunIndex<'a>) -> Self {
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
        Self {
            run,
            begun: summed(begun),
            acknowledged: summed(acknowledged),
            own: vec![OwnWrites::default(); run.history().sessions()],
            shown: 0,
            refused: 0,
            narrowest: None,
            widest: 0,
        }
    }

    /// By writes that were sent no later than the call was answered, and not refused.
    fn begun(&self, call: &OperationRecord<'_>) -> Moved {
        until(&self.begun, |at| call.completed.is_none_or(|end| at <= end))
    }

    /// By writes that were acknowledged before the call was sent.
    fn acknowledged(&self, call: &OperationRecord<'_>) -> Moved {
        until(&self.acknowledged, |at| at < call.invoked)
    }

    /// What an answer may show if nothing is demanded: anything of what had begun by then.
    pub(crate) fn of_begun(&self, call: &OperationRecord<'_>) -> Range {
        let (opening, begun) = (self.run.opening(), self.begun(call));
        opening - begun.out..=opening + begun.into
    }

    /// What an answer may show if all is demanded that was acknowledged before its question.
    pub(crate) fn of_acknowledged(&self, call: &OperationRecord<'_>) -> Range {
        let (before, all) = (self.acknowledged(call), self.of_begun(call));
        all.start() + before.into..=all.end() - before.out
    }

    /// Adds a call to what its session has written. Calls are added in their order.
    pub(crate) fn add_own(&mut self, place: usize, call: &OperationRecord<'_>) {
        let own = &mut self.own[self.run.history().session_of(place)];
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

    fn own(&self, place: usize) -> &OwnWrites {
        &self.own[self.run.history().session_of(place)]
    }

    /// Whether the session of a call has a write that was added and not rejected.
    pub(crate) fn has_written(&self, place: usize) -> bool {
        self.own(place).begun != Moved::default()
    }

    /// What an answer may show if its customer's own writes are demanded, those that were added.
    pub(crate) fn of_own(&self, place: usize, call: &OperationRecord<'_>) -> Range {
        let own = self.own(place);
        let others = self.begun(call).without(own.begun);
        let settled = self.run.opening() + own.settled;
        settled - own.open.out - others.out..=settled + own.open.into + others.into
    }

    /// The same if what was acknowledged to others before the question is demanded as well.
    pub(crate) fn of_own_and_acknowledged(
        &self,
        place: usize,
        call: &OperationRecord<'_>,
    ) -> Range {
        let before = self.acknowledged(call).without(self.own(place).acknowledged);
        let all = self.of_own(place, call);
        all.start() + before.into.max(0)..=all.end() - before.out.max(0)
    }

    /// Compares a balance that was shown with its bounds. What is missing of the history may have moved any amount.
    pub(crate) fn compare(
        &mut self,
        examination: &mut Examination,
        place: usize,
        balance: Money,
        bounds: &Range,
    ) {
        let (least, most) = (bounds.start(), bounds.end());
        let (run, shown, width) = (self.run, i128::from(balance.minor_units()), most - least);
        self.shown += 1;
        self.narrowest = Some(self.narrowest.map_or(width, |narrowest| narrowest.min(width)));
        self.widest = self.widest.max(width);
        if run.history().is_complete() && !bounds.contains(&shown) {
            let what = || {
                format!("was shown {shown}; it must be {least} to {most}, whatever was on its way")
            };
            examination.violate(|| run.violation_by(place, what()));
        }
    }

    /// Compares the amount of a refused withdrawal with the balance, which was `least` or more during the call.
    pub(crate) fn compare_refusal(
        &mut self,
        examination: &mut Examination,
        place: usize,
        amount: i128,
        least: i128,
    ) {
        self.refused += 1;
        if self.run.history().is_complete() && least >= amount {
            examination.violate(|| wrong_refusal(self.run, place, least));
        }
    }

    /// Whether nothing was compared.
    pub(crate) const fn is_unused(&self) -> bool {
        self.shown == 0 && self.refused == 0
    }

    /// How many balances and refusals are within how wide bounds; empty if nothing was compared.
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

fn summed(mut moves: Vec<(u64, Moved)>) -> Vec<(u64, Moved)> {
    moves.sort_unstable_by_key(|(at, _)| *at);
    let mut sum = Moved::default();
    for (_, moved) in &mut moves {
        sum = sum.plus(*moved);
        *moved = sum;
    }
    moves
}

/// The last of ascending sums that counts.
pub(crate) fn until<T: Copy + Default>(sums: &[(u64, T)], counts: impl Fn(u64) -> bool) -> T {
    let count = sums.partition_point(|(at, _)| counts(*at));
    count.checked_sub(1).map_or_else(T::default, |last| sums[last].1)
}

/// By log: the sums of deposits in its first entries.
pub(crate) struct Deposits(Vec<Vec<i128>>);

impl Deposits {
    pub(crate) fn of(run: &RunIndex<'_>) -> Self {
        Self(prefix_sums(run.logs(), |entry| entry.delta().max(0)))
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
