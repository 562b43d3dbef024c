//! An instant for every entry and read, such that the chain of reads, the logs and real time are kept.
//!
//! Each operation has a window from its question to its answer. What must come before it can only make its
//! earliest instant later. If that is after the answer, no order exists; if it is so for none, the earliest
//! instants are one (scheduling with release times and deadlines, where nothing takes time).

use super::problem::Problem;

/// An operation that has to come after one which was asked after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Late {
    pub(super) call: usize,
    pub(super) by: usize,
}

/// An order in which everything but perhaps the refusals is explained.
pub(super) struct Witness {
    /// The instant of each entry in that order, ascending.
    pub(super) instants: Vec<u64>,
    /// The balance before the first, and after each.
    pub(super) balances: Vec<i128>,
    /// Whether no balance in it is below zero.
    pub(super) is_solvent: bool,
    /// The earliest and the latest instant of each entry, by entry, with no regard to what it was made upon.
    pub(super) earliest: Vec<u64>,
    pub(super) latest: Vec<u64>,
}

/// An order of the entries that keeps levels, logs and, if asked for, what entries were made upon.
struct Order {
    entries: Vec<usize>,
    /// How many entries come before the reads of each level.
    ends: Vec<usize>,
    /// Whether what entries were made upon is kept.
    upon: bool,
}

/// How many ways there are to choose instants. The first has withdrawals early and deposits late; each of the
/// others has everything at the same part of its window, from early to late.
pub(super) const WAYS: u64 = 6;

/// Finds an order, its instants chosen in one of the [`WAYS`], or shows that there is none.
pub(super) fn witness(problem: &Problem<'_>, way: u64) -> Result<Witness, Late> {
    let plain = order(problem, false);
    let earliest = forward(problem, &plain, |entry| problem.items[entry].invoked)?;
    let latest = backward(problem, &plain);
    // With what entries were made upon no balance is below zero, if no rights were overspent.
    let causal = Some(order(problem, true)).filter(|order| order.upon);
    let causal = causal.and_then(|order| chosen(problem, &order, way));
    let (order, instants) = causal.or_else(|| chosen(problem, &plain, way)).unwrap_or_default();
    let balances = problem.balances(&order);
    let is_solvent = order.len() == problem.items.len() && problem.is_solvent(&order, &balances);
    Ok(Witness { instants, balances, is_solvent, earliest, latest })
}

/// The order by instants that are chosen in one of the ways, which matters to refusals only.
fn chosen(problem: &Problem<'_>, order: &Order, way: u64) -> Option<(Vec<usize>, Vec<u64>)> {
    let early = forward(problem, order, |entry| problem.items[entry].invoked).ok()?;
    let times = if problem.refusals.is_empty() {
        early
    } else {
        let late = backward(problem, order);
        let wanted = |entry: usize| {
            let (early, late) = (early[entry], late[entry]);
            match way.checked_sub(1) {
                None if problem.items[entry].change > 0 => late,
                None => early,
                Some(part) => early + (late - early) / (WAYS - 2) * part,
            }
        };
        forward(problem, order, wanted).ok()?
    };
    let mut sorted = order.entries.clone();
    // Stable: what comes first in the order stays first at one instant.
    sorted.sort_by_key(|entry| times[*entry]);
    let instants = sorted.iter().map(|entry| times[*entry]).collect();
    Some((sorted, instants))
}

fn order(problem: &Problem<'_>, mut upon: bool) -> Order {
    let width = problem.width();
    let mut known = vec![0_usize; width];
    let mut entries = Vec::with_capacity(problem.items.len());
    let mut ends = Vec::with_capacity(problem.levels.len());
    let all: Vec<u64> =
        (0..width).map(|member| u64::try_from(problem.len(member)).unwrap_or(u64::MAX)).collect();
    let versions = problem.levels.iter().map(|level| &level.version[..]).chain([&all[..]]);
    for version in versions {
        let mut moved = true;
        while moved {
            moved = false;
            for member in 0..width {
                let upto = usize::try_from(version[member]).unwrap_or(usize::MAX);
                while known[member] < upto && (!upon || is_ready(problem, &known, member)) {
                    entries.push(problem.offsets[member] + known[member]);
                    known[member] += 1;
                    moved = true;
                }
            }
            let done = known
                .iter()
                .zip(version)
                .all(|(known, upto)| usize::try_from(*upto).is_ok_and(|upto| *known >= upto));
            if !moved && !done {
                // Not closed: an order that keeps it does not exist.
                upon = false;
                moved = true;
            } else if done {
                break;
            }
        }
        ends.push(entries.len());
    }
    Order { entries, ends, upon }
}

fn is_ready(problem: &Problem<'_>, known: &[usize], member: usize) -> bool {
    let Some(upon) = problem.upon(member, known[member]) else { return true };
    upon.iter().zip(known).enumerate().all(|(other, (needs, known))| {
        other == member || usize::try_from(*needs).is_ok_and(|needs| needs <= *known)
    })
}

/// The instant of each entry: when it is wanted, or as soon after as what must come before it allows. Fails if
/// something has to come after its answer.
fn forward(
    problem: &Problem<'_>,
    order: &Order,
    wanted: impl Fn(usize) -> u64,
) -> Result<Vec<u64>, Late> {
    let mut instants = vec![0; problem.items.len()];
    // The call whose question is the reason for an instant; NONE is one past the last call.
    let none = problem.run.history().len();
    let mut reasons = vec![none; problem.items.len()];
    let (mut base, mut late, mut next) = ((0, none), None, 0);
    let mut see = |call: Option<usize>, completed: u64, (instant, by): (u64, usize)| {
        if instant > completed && late.is_none() && by != none {
            late = call.map(|call| Late { call, by });
        }
    };
    let mut members = Members::of(problem);
    for (level, end) in order.ends.iter().enumerate() {
        let mut highest = base;
        for entry in order.entries[next..*end].iter().copied() {
            let item = &problem.items[entry];
            let wish = wanted(entry);
            let mut at = (wish, item.call.unwrap_or(none));
            if base.0 > at.0 {
                at = base;
            }
            let (member, place) = members.place(entry);
            for before in problem.predecessors(member, place, order.upon) {
                if instants[before] > at.0 {
                    at = (instants[before], reasons[before]);
                }
            }
            see(item.call, item.completed, at);
            (instants[entry], reasons[entry]) = at;
            highest = highest.max(at);
        }
        next = *end;
        base = highest;
        let reads = problem.levels.get(level).map_or(&[][..], |level| &level.reads);
        for read in reads.iter().copied() {
            let (invoked, completed) = problem.window(read);
            let at = if highest.0 > invoked { highest } else { (invoked, read) };
            see(Some(read), completed, at);
            base = base.max(at);
        }
    }
    late.map_or(Ok(instants), Err)
}

/// The latest instant of each entry.
fn backward(problem: &Problem<'_>, order: &Order) -> Vec<u64> {
    let mut latest: Vec<u64> = problem.items.iter().map(|item| item.completed).collect();
    let mut base = u64::MAX;
    let mut members = Members::of(problem);
    for (level, end) in order.ends.iter().enumerate().rev() {
        let reads = problem.levels.get(level).map_or(&[][..], |level| &level.reads);
        for read in reads {
            base = base.min(problem.window(*read).1);
        }
        let begin = level.checked_sub(1).map_or(0, |before| order.ends[before]);
        let mut lowest = base;
        for entry in order.entries[begin..*end].iter().copied().rev() {
            let at = latest[entry].min(base);
            latest[entry] = at;
            lowest = lowest.min(at);
            let (member, place) = members.place(entry);
            for before in problem.predecessors(member, place, order.upon) {
                latest[before] = latest[before].min(at);
            }
        }
        base = lowest;
    }
    latest
}

/// Finds the log of an entry and its index there.
struct Members<'a> {
    offsets: &'a [usize],
    last: usize,
}

impl<'a> Members<'a> {
    fn of(problem: &'a Problem<'_>) -> Self {
        Self { offsets: &problem.offsets, last: 0 }
    }

    fn place(&mut self, entry: usize) -> (usize, usize) {
        if !(self.offsets[self.last]..self.offsets[self.last + 1]).contains(&entry) {
            self.last = self.offsets.partition_point(|offset| *offset <= entry) - 1;
        }
        (self.last, entry - self.offsets[self.last])
    }
}
