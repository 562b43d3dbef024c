//! An order in which every refusal with a proof stands where it was proved, with no need to try any.
//!
//! A proof names two versions. Whatever of the later one had happened, there was too little; so its refusal may stand
//! anywhere after the entries of the earlier one and before those beyond the later one, as a read stands after the
//! entries that it shows and before all others. With what entries were made upon that is a partial order, which an
//! honest bank's instants keep. In such an order each operation has an earliest instant: no earlier than its question,
//! nor than what must come before it. If none is after its answer, the earliest instants are an order of everything.
//! If one is, or the bank did not tell the truth, nothing is proved. nN.

use super::problem::Problem;
use super::refusals::{Lowest, has_instant};
use crate::compact::CompactIndex;

/// A read or a refusal, which stands between entries.
struct Cut<'a> {
    invoked: u64,
    completed: u64,
    from: &'a [u64],
    upto: &'a [u64],
}

/// Between two entries of a log, or at an end of it.
#[derive(Clone, Copy)]
struct Gap {
    /// The last of the entries before it that moves money, counted from 1.
    moved: u32,
    /// How many entries there are up to the next that moves money.
    still: u32,
    /// Cuts that must come before the next entry and have not.
    pending: u32,
    /// The earliest instant of those that have.
    instant: u64,
    /// The first of the cuts that wait for it.
    waiting: CompactIndex,
}

struct Sweep<'a> {
    problem: &'a Problem<'a>,
    cuts: Vec<Cut<'a>>,
    /// By log and place in it.
    gaps: Vec<Gap>,
    /// By cut: the next that waits for the same gap.
    next: Vec<CompactIndex>,
    /// How much of each log has been put in order.
    known: Vec<usize>,
    /// By log and waiting log: how much of the one the other waits for.
    waits: Vec<usize>,
    instants: Vec<u64>,
    order: Vec<usize>,
    placed: usize,
}

/// Whether there is such an order, with no balance below zero, in which also the refusals
/// without a proof find their instant.
pub(super) fn explains(problem: &Problem<'_>) -> bool {
    // Without a proof this order is no better than others.
    if !problem.refusals.iter().any(|refusal| refusal.proof.is_some()) {
        return false;
    }
    let Some(mut sweep) = Sweep::of(problem) else { return false };
    if sweep.run().is_none() {
        return false;
    }
    let Sweep { mut order, instants, .. } = sweep;
    // Stable: what comes first in the order stays first at one instant.
    order.sort_by_key(|entry| instants[*entry]);
    let balances = problem.balances(&order);
    if !problem.is_solvent(&order, &balances) {
        return false;
    }
    let lowest = Lowest::of(&balances);
    let instants: Vec<u64> = order.iter().map(|entry| instants[*entry]).collect();
    let mut rest = problem.refusals.iter().filter(|refusal| refusal.proof.is_none());
    rest.all(|refusal| has_instant(refusal, &instants, &lowest))
}

impl<'a> Sweep<'a> {
    fn of(problem: &'a Problem<'_>) -> Option<Self> {
        let reads = problem.levels.iter().flat_map(|level| {
            level.reads.iter().map(|read| {
                let (invoked, completed) = problem.window(*read);
                Cut { invoked, completed, from: &level.version, upto: &level.version }
            })
        });
        let refusals = problem.refusals.iter().filter_map(|refusal| {
            let (from, upto) = refusal.proof?;
            let (invoked, completed) = (refusal.invoked, refusal.completed);
            Some(Cut { invoked, completed, from, upto })
        });
        let cuts: Vec<Cut<'a>> = reads.chain(refusals).collect();
        let width = problem.width();
        let mut sweep = Self {
            problem,
            next: vec![CompactIndex::NONE; cuts.len()],
            cuts,
            gaps: gaps(problem),
            known: vec![0; width],
            waits: vec![0; width * width],
            instants: vec![0; problem.items.len()],
            order: Vec::with_capacity(problem.items.len()),
            placed: 0,
        };
        for cut in 0..sweep.cuts.len() {
            for member in 0..width {
                let gap = sweep.upper(cut, member)?;
                sweep.gaps[gap].pending += 1;
            }
        }
        Some(sweep)
    }

    /// The gap of a log before which so many of its entries stand.
    fn gap(&self, member: usize, before: usize) -> usize {
        self.problem.offsets[member] + member + before
    }

    /// How many entries of a log must come before a cut. Grants need not.
    fn lower(&self, cut: usize, member: usize) -> Option<usize> {
        let before = usize::try_from(self.cuts[cut].from[member]).ok()?;
        usize::try_from(self.gaps[self.gap(member, before)].moved).ok()
    }

    /// The gap that a cut must not be after. It may be after grants.
    fn upper(&self, cut: usize, member: usize) -> Option<usize> {
        let before = usize::try_from(self.cuts[cut].upto[member]).ok()?;
        let gap = self.gap(member, before);
        Some(gap + usize::try_from(self.gaps[gap].still).ok()?)
    }

    /// Puts everything in order. Nothing if something comes too late, or what must come before it never does.
    fn run(&mut self) -> Option<()> {
        let mut logs: Vec<usize> = (0..self.problem.width()).collect();
        let mut cuts: Vec<usize> = (0..self.cuts.len()).collect();
        loop {
            if let Some(cut) = cuts.pop() {
                self.look_at_cut(cut, &mut logs)?;
            } else if let Some(member) = logs.pop() {
                while self.look_at_log(member, &mut logs, &mut cuts)? {}
            } else {
                break;
            }
        }
        let all = self.order.len() == self.problem.items.len() && self.placed == self.cuts.len();
        all.then_some(())
    }

    /// A cut has its place when all entries before it have.
    fn look_at_cut(&mut self, cut: usize, logs: &mut Vec<usize>) -> Option<()> {
        let mut instant = self.cuts[cut].invoked;
        for member in 0..self.problem.width() {
            let needs = self.lower(cut, member)?;
            if self.known[member] < needs {
                let gap = self.gap(member, needs);
                self.next[cut] =
                    std::mem::replace(&mut self.gaps[gap].waiting, CompactIndex::of(cut));
                return Some(());
            }
            if let Some(last) = needs.checked_sub(1) {
                instant = instant.max(self.instants[self.problem.offsets[member] + last]);
            }
        }
        if instant > self.cuts[cut].completed {
            return None;
        }
        self.placed += 1;
        for member in 0..self.problem.width() {
            let place = self.upper(cut, member)?;
            let gap = &mut self.gaps[place];
            gap.pending -= 1;
            gap.instant = gap.instant.max(instant);
            if gap.pending == 0 && place == self.gap(member, self.known[member]) {
                logs.push(member);
            }
        }
        Some(())
    }

    /// The next entry of a log has its place when all that comes before it has; whether it has.
    fn look_at_log(
        &mut self,
        member: usize,
        logs: &mut Vec<usize>,
        cuts: &mut Vec<usize>,
    ) -> Option<bool> {
        let (problem, before) = (self.problem, self.known[member]);
        let gap = self.gaps[self.gap(member, before)];
        if before == problem.len(member) || gap.pending > 0 {
            return Some(false);
        }
        let entry = problem.offsets[member] + before;
        let item = &problem.items[entry];
        let mut instant = item.invoked.max(gap.instant);
        if before > 0 {
            instant = instant.max(self.instants[entry - 1]);
        }
        for (other, needs) in problem.upon(member, before).into_iter().flatten().enumerate() {
            let needs = usize::try_from(*needs).ok()?;
            if other == member || needs == 0 {
                continue;
            }
            if self.known[other] < needs {
                self.waits[other * problem.width() + member] = needs;
                return Some(false);
            }
            instant = instant.max(self.instants[problem.offsets[other] + needs - 1]);
        }
        if instant > item.completed {
            return None;
        }
        self.instants[entry] = instant;
        self.order.push(entry);
        self.known[member] = before + 1;
        let here = self.gap(member, before + 1);
        let first = std::mem::replace(&mut self.gaps[here].waiting, CompactIndex::NONE);
        let mut waiting = first.get();
        while let Some(cut) = waiting {
            cuts.push(cut);
            waiting = self.next[cut].get();
        }
        for (other, needs) in
            self.waits[member * problem.width()..][..problem.width()].iter_mut().enumerate()
        {
            if *needs == before + 1 {
                *needs = 0;
                logs.push(other);
            }
        }
        Some(true)
    }
}

/// The gaps of all logs.
fn gaps(problem: &Problem<'_>) -> Vec<Gap> {
    let mut gaps = Vec::with_capacity(problem.items.len() + problem.width());
    for member in 0..problem.width() {
        let log = problem.log(member);
        let mut gap =
            Gap { moved: 0, still: 0, pending: 0, instant: 0, waiting: CompactIndex::NONE };
        let begin = gaps.len();
        gaps.push(gap);
        for (place, item) in (1..).zip(log) {
            if item.change != 0 {
                gap.moved = place;
            }
            gaps.push(gap);
        }
        for (place, item) in log.iter().enumerate().rev() {
            if item.change == 0 {
                gaps[begin + place].still = gaps[begin + place + 1].still + 1;
            }
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::super::chain::levels;
    use super::*;
    use crate::RunIndex;
    use crate::fixture::{Fixture, Shown as _, granted, logged, ok, paid_in, paid_out, refused};
    use bank::Operation;

    fn is_explained(scene: &Fixture) -> bool {
        let run = scene.run();
        let run = RunIndex::of(&run);
        let levels = levels(&run).expect("reads in a chain");
        explains(&Problem::of(&run, levels))
    }

    /// A deposit at each branch, and two refusals meanwhile, each of which has seen only one of them.
    fn crossing(upto: &'static [u64]) -> Fixture {
        let mut scene = Fixture::new(0, 2);
        scene.calls = vec![
            ok(1, Operation::deposit(5), 1, (0, 9)).entry(1).shows(&[1, 0], 5),
            ok(2, Operation::deposit(5), 2, (0, 9)).entry(1).shows(&[0, 1], 5),
            refused(3, Operation::withdraw(50), 1, (1, 8)).shows(&[1, 0], 5).at_most(upto),
            refused(4, Operation::withdraw(50), 2, (1, 8)).shows(&[0, 1], 5).at_most(upto),
        ];
        scene.logs[0] = vec![logged(1, paid_in(5), (1, 1), &[0, 0])];
        scene.logs[1] = vec![logged(1, paid_in(5), (2, 1), &[0, 0])];
        scene
    }

    #[test]
    fn refusals_that_each_have_seen_what_the_other_has_not_stand_within_their_proofs() {
        assert!(is_explained(&crossing(&[1, 1])));
        // Were their proofs instants, neither could stand before the other.
        let mut scene = crossing(&[1, 1]);
        scene.calls[2].at_most = Some(&[1, 0]);
        scene.calls[3].at_most = Some(&[0, 1]);
        assert!(!is_explained(&scene));
    }

    #[test]
    fn what_proves_nothing_is_no_proof() {
        let mut scene = crossing(&[1, 1]);
        for place in [2, 3] {
            scene.calls[place].operation = Operation::withdraw(10);
        }
        assert!(!is_explained(&scene), "with both deposits there was enough");
        assert!(!is_explained(&crossing(&[2, 1])), "no log has it");
        let mut scene = crossing(&[1, 0]);
        scene.calls[2].version = Some(&[1, 1]);
        scene.calls[3].version = Some(&[1, 1]);
        assert!(!is_explained(&scene), "it ends before it begins");
    }

    #[test]
    fn a_proof_of_another_time_is_too_late_or_too_early() {
        let mut scene = crossing(&[1, 1]);
        scene.calls[2].completed = Some(1_000_000);
        scene.calls[0].invoked = 2_000_000;
        assert!(!is_explained(&scene), "it shows what was asked after its answer");
        let mut scene = crossing(&[1, 1]);
        scene.calls[0].completed = Some(500_000);
        scene.calls[3].at_most = Some(&[0, 1]);
        assert!(!is_explained(&scene), "it lacks what was acknowledged before its question");
    }

    #[test]
    fn reads_entries_and_what_those_were_made_upon_are_kept() {
        // Branch 2 pays out what branch 1 has got and granted; then somebody is refused, and somebody reads.
        let scene = |shown: &'static [u64]| {
            let mut scene = Fixture::new(0, 2);
            scene.calls = vec![
                ok(1, Operation::deposit(10), 1, (0, 9)).entry(1).shows(&[1, 0], 10),
                ok(2, Operation::withdraw(10), 2, (0, 9)).entry(1).shows(&[2, 1], 0),
                refused(3, Operation::withdraw(1), 1, (1, 8)).shows(&[1, 1], 0).at_most(&[2, 1]),
                ok(4, Operation::Query, 1, (2, 7)).shows(shown, 10),
            ];
            scene.logs[0] =
                vec![logged(1, paid_in(10), (1, 1), &[0, 0]), granted(2, 1, 10, &[1, 0])];
            scene.logs[1] = vec![logged(1, paid_out(10), (2, 1), &[2, 0])];
            is_explained(&scene)
        };
        assert!(scene(&[1, 0]) && scene(&[2, 0]) && scene(&[0, 0]));
        assert!(!scene(&[0, 1]), "a payment before what it was paid from");
    }

    #[test]
    fn those_that_tell_no_proof_must_find_their_instant() {
        let mut scene = crossing(&[1, 1]);
        scene.calls.push(refused(5, Operation::withdraw(10), 1, (0, 8)));
        assert!(is_explained(&scene));
        scene.calls.push(refused(6, Operation::withdraw(10), 1, (10, 11)));
        assert!(!is_explained(&scene));
    }
}
