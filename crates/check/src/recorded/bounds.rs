//! What a balance may be: bounds from the instants at which writes began and were answered, and from versions.

use super::RunIndex;
use super::index::change;
use crate::{Finding, Named};
use bank::{Outcome, Rejection, WriteKind};
use history::{Log, OperationRecord};

/// The amount of a withdrawal that was refused for insufficient funds. Such a refusal is a read: at some instant of
/// the call the balance was less than this.
pub(super) fn refused_amount(call: &OperationRecord<'_>) -> Option<i128> {
    let write = call.write().filter(|write| write.kind == WriteKind::Withdraw)?;
    let is_refused = call.outcome == Outcome::Rejected(Rejection::InsufficientFunds);
    is_refused.then(|| write.amount.minor_units().into())
}

/// Money that went in and out, both counted upwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) into: i128,
    pub(super) out: i128,
}

impl Moved {
    pub(super) fn add(&mut self, kind: WriteKind, amount: i128) {
        match kind {
            WriteKind::Deposit => self.into += amount,
            WriteKind::Withdraw => self.out += amount,
        }
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self { into: self.into - other.into, out: self.out - other.out }
    }
}

/// A withdrawal was refused although the balance was `least` or more during all of the call.
pub(super) fn wrong_refusal(run: &RunIndex<'_>, place: usize, least: i128) -> (Vec<Named>, String) {
    let words = run.words(place);
    let story =
        format!("{words} was refused, but there was {least} or more at every instant of it");
    (vec![run.name(place)], story)
}

/// What had been moved by when. Sound for rejection: a read holds at least what was acknowledged before it
/// began, and at most what began before it ended. Sorting costs n log n.
#[derive(Debug)]
pub(super) struct Bounds {
    begun: Vec<(u64, Moved)>,
    acknowledged: Vec<(u64, Moved)>,
}

impl Bounds {
    /// Nothing is collected where every balance has a version and nothing was refused.
    pub(super) fn of(run: &RunIndex<'_>) -> Self {
        let bare = |call: &OperationRecord<'_>| call.balance.is_some() && call.version.is_none();
        let needs = |call: &OperationRecord<'_>| bare(call) || refused_amount(call).is_some();
        if !run.calls().any(|(_, call)| needs(&call)) {
            return Self { begun: Vec::new(), acknowledged: Vec::new() };
        }
        let (mut begun, mut acknowledged) = (Vec::new(), Vec::new());
        for (_, call) in run.calls() {
            let Some(write) = call.write() else { continue };
            let mut moved = Moved::default();
            moved.add(write.kind, write.amount.minor_units().into());
            match call.outcome {
                Outcome::Rejected(_) => continue,
                Outcome::Ok => acknowledged.extend(call.completed.map(|at| (at, moved))),
                Outcome::Unknown => {}
            }
            begun.push((call.invoked, moved));
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
    pub(super) fn of_begun(&self, run: &RunIndex<'_>, call: &OperationRecord<'_>) -> (i128, i128) {
        let begun = self.begun(call.completed.unwrap_or(u64::MAX));
        (run.opening() - begun.out, run.opening() + begun.into)
    }

    /// What an answer may show if all is demanded that was acknowledged before its question.
    pub(super) fn of_acknowledged(
        &self,
        run: &RunIndex<'_>,
        call: &OperationRecord<'_>,
    ) -> (i128, i128) {
        let before = self.acknowledged(call.invoked);
        let (least, most) = self.of_begun(run, call);
        (least + before.into, most - before.out)
    }
}

/// Own money in and out, by session.
#[derive(Debug)]
pub(super) struct Own(Vec<Written>);

#[derive(Clone, Copy, Debug, Default)]
struct Written {
    /// By acknowledged writes.
    settled: i128,
    /// By those before the last one that was taken in.
    acknowledged: Moved,
    /// By the last one that was taken in, if it is acknowledged.
    last: Moved,
    /// By unanswered ones.
    open: Moved,
    /// By both.
    begun: Moved,
}

impl Own {
    pub(super) fn of(run: &RunIndex<'_>) -> Self {
        Self(vec![Written::default(); run.history().sessions()])
    }

    /// Takes a call's own write in.
    pub(super) fn pass(&mut self, run: &RunIndex<'_>, place: usize, call: &OperationRecord<'_>) {
        let own = &mut self.0[run.history().session_of(place)];
        let last = std::mem::take(&mut own.last);
        own.acknowledged.into += last.into;
        own.acknowledged.out += last.out;
        let Some(write) = call.write() else { return };
        let mut moved = Moved::default();
        moved.add(write.kind, write.amount.minor_units().into());
        match call.outcome {
            Outcome::Rejected(_) => return,
            Outcome::Ok => {
                own.settled += moved.into - moved.out;
                own.last = moved;
            }
            Outcome::Unknown => own.open.add(write.kind, write.amount.minor_units().into()),
        }
        own.begun.add(write.kind, write.amount.minor_units().into());
    }

    /// Whether the session of a call has a write that was taken in and not rejected.
    pub(super) fn has_written(&self, run: &RunIndex<'_>, place: usize) -> bool {
        self.0[run.history().session_of(place)].begun != Moved::default()
    }

    /// What an answer may show if its customer's own writes are demanded, those that were taken in.
    pub(super) fn bounds(
        &self,
        run: &RunIndex<'_>,
        bounds: &Bounds,
        place: usize,
        call: &OperationRecord<'_>,
    ) -> (i128, i128) {
        let own = self.0[run.history().session_of(place)];
        let others = bounds.begun(call.completed.unwrap_or(u64::MAX)).without(own.begun);
        let settled = run.opening() + own.settled;
        (settled - own.open.out - others.out, settled + own.open.into + others.into)
    }

    /// The same if what others were told before the question is demanded as well.
    pub(super) fn bounds_of_all(
        &self,
        run: &RunIndex<'_>,
        bounds: &Bounds,
        place: usize,
        call: &OperationRecord<'_>,
    ) -> (i128, i128) {
        let own = self.0[run.history().session_of(place)];
        let before = bounds.acknowledged(call.invoked).without(own.acknowledged);
        let (least, most) = self.bounds(run, bounds, place, call);
        (least + before.into.max(0), most - before.out.max(0))
    }
}

fn summed(mut moves: Vec<(u64, Moved)>) -> Vec<(u64, Moved)> {
    moves.sort_unstable_by_key(|(at, _)| *at);
    let mut sum = Moved::default();
    for (_, moved) in &mut moves {
        sum.into += moved.into;
        sum.out += moved.out;
        *moved = sum;
    }
    moves
}

fn until(moves: &[(u64, Moved)], counts: impl Fn(u64) -> bool) -> Moved {
    let count = moves.partition_point(|(at, _)| counts(*at));
    count.checked_sub(1).map_or_else(Moved::default, |last| moves[last].1)
}

/// By log: what its first entries paid in.
pub(super) struct Deposits(Vec<Vec<i128>>);

impl Deposits {
    pub(super) fn of(run: &RunIndex<'_>) -> Self {
        let summed = |log: &Log| {
            let mut sum = 0;
            let sums = log.entries().map(|logged| {
                sum += change(logged.entry).max(0);
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
    pub(super) fn most_of_proof(
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
pub(super) struct Judgement {
    shown: u64,
    refused: u64,
    narrowest: Option<i128>,
    widest: i128,
}

impl Judgement {
    pub(super) fn judge(
        &mut self,
        run: &RunIndex<'_>,
        finding: &mut Finding,
        place: usize,
        shown: i128,
        (least, most): (i128, i128),
    ) {
        self.shown += 1;
        let wide = most - least;
        self.narrowest = Some(self.narrowest.map_or(wide, |narrowest| narrowest.min(wide)));
        self.widest = self.widest.max(wide);
        // What is missing of the history may have moved any amount.
        if run.history().is_complete() && !(least..=most).contains(&shown) {
            finding.violate_with(|| {
                let story = format!(
                    "{} was shown {shown}; it must be {least} to {most}, whatever was on its way",
                    run.words(place)
                );
                (vec![run.name(place)], story)
            });
        }
    }

    /// Of a refused withdrawal of `amount`, where the balance was `least` or more during all of the call.
    pub(super) fn judge_refusal(
        &mut self,
        run: &RunIndex<'_>,
        finding: &mut Finding,
        place: usize,
        amount: i128,
        least: i128,
    ) {
        self.refused += 1;
        if run.history().is_complete() && least >= amount {
            finding.violate_with(|| wrong_refusal(run, place, least));
        }
    }

    /// Whether there was nothing to compare.
    pub(super) const fn is_empty(&self) -> bool {
        self.shown == 0 && self.refused == 0
    }

    /// What balances and refusals within their bounds amount to.
    pub(super) fn told(&self) -> String {
        let (shown, refused, widest) = (self.shown, self.refused, self.widest);
        let balances = self.narrowest.map(|narrowest| match widest {
            0 => format!("{shown} balances, exact"),
            _ => format!("{shown} balances within bounds that are {narrowest} to {widest} wide"),
        });
        let refusals = (refused > 0).then(|| format!("refusals within bounds: {refused}"));
        balances.into_iter().chain(refusals).collect::<Vec<String>>().join("; ")
    }

    /// Bounds that are wider than one value prove nothing.
    pub(super) fn close(&self, finding: &mut Finding) {
        if self.widest > 0 {
            finding.cannot_tell(finding.note.clone());
        }
    }
}
