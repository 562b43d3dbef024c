//! Every order of a small history, tried (Wing and Gong, 1993; with memory of what was tried: Lowe, 2017).

use std::collections::HashSet;

use super::problem::Problem;

/// More operations than this are not searched: a set of them is a word.
const MOST: usize = 64;
/// More sets than this are not tried.
const TRIED_MAX: usize = 1 << 18;

enum Does<'a> {
    Entry { member: usize, place: usize, change: i128 },
    Read(&'a [u64]),
    Refuse(i128),
}

struct Step<'a> {
    invoked: u64,
    completed: u64,
    does: Does<'a>,
}

/// Whether some order explains everything; nothing if there is too much to try.
pub(super) fn search(problem: &Problem<'_>) -> Option<bool> {
    let steps = steps(problem);
    let count = u32::try_from(steps.len()).ok().filter(|_| steps.len() <= MOST)?;
    let all = u64::MAX.checked_shr(u64::BITS - count).unwrap_or(0);
    let mut tried = HashSet::from([0_u64]);
    let mut open = vec![(0_u64, problem.opening(), vec![0_u64; problem.width()])];
    while let Some((done, balance, known)) = open.pop() {
        if done == all {
            return Some(true);
        }
        let rest = || (0_u64..).zip(&steps).filter(|(bit, _)| done & (1 << bit) == 0);
        let first_answer = rest().map(|(_, step)| step.completed).min().unwrap_or(u64::MAX);
        for (bit, step) in rest().filter(|(_, step)| step.invoked <= first_answer) {
            let mut next = (done | (1 << bit), balance, known.clone());
            let may = match step.does {
                Does::Entry { member, place, change } => {
                    let in_order = u64::try_from(place).is_ok_and(|place| known[member] == place);
                    next.1 += change;
                    next.2[member] += 1;
                    in_order && (change >= 0 || next.1 >= 0)
                }
                Does::Read(version) => known == version,
                Does::Refuse(amount) => balance < amount,
            };
            if may && tried.insert(next.0) {
                open.push(next);
            }
        }
        if tried.len() > TRIED_MAX {
            return None;
        }
    }
    Some(false)
}

fn steps<'a>(problem: &'a Problem<'_>) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    for member in 0..problem.width() {
        for (place, item) in problem.log(member).iter().enumerate() {
            let does = Does::Entry { member, place, change: item.change };
            steps.push(Step { invoked: item.invoked, completed: item.completed, does });
            if steps.len() > MOST {
                return steps;
            }
        }
    }
    for level in &problem.levels {
        for (invoked, completed) in level.reads.iter().map(|read| problem.window(*read)) {
            steps.push(Step { invoked, completed, does: Does::Read(&level.version) });
        }
    }
    for refusal in &problem.refusals {
        let (invoked, completed) = (refusal.invoked, refusal.completed);
        steps.push(Step { invoked, completed, does: Does::Refuse(refusal.amount) });
    }
    steps
}
