//! A refusal for insufficient funds needs an instant with less than its amount.

use super::problem::{Problem, Refusal};
use super::schedule::Witness;
use crate::Violation;
use crate::evidence::wrong_refusal;

/// So many are looked at one by one: each may cost as much as all entries of its time.
const LOOKED_AT: usize = 1_000;

/// How many refusals have no instant in this order, and may have one in another. Fails with one that has none in any.
pub(super) fn unexplained(problem: &Problem<'_>, witness: &Witness) -> Result<usize, Violation> {
    if problem.refusals.is_empty() {
        return Ok(0);
    }
    let lowest = Lowest::of(&witness.balances);
    let mut open = 0;
    for refusal in &problem.refusals {
        if has_instant(refusal, &witness.instants, &lowest) {
            continue;
        }
        open += 1;
        if open <= LOOKED_AT {
            let least = least(problem, witness, refusal);
            if least >= refusal.amount {
                return Err(wrong_refusal(problem.run, refusal.call, least));
            }
        }
    }
    Ok(open)
}

/// Whether there is an instant with less than its amount in this order.
pub(super) fn has_instant(refusal: &Refusal<'_>, instants: &[u64], lowest: &Lowest) -> bool {
    let first = instants.partition_point(|at| *at < refusal.invoked);
    let last = instants.partition_point(|at| *at <= refusal.completed);
    lowest.within(first, last) < refusal.amount
}

/// The least that there can have been while it was asked, in any order: of each log the worst prefix that its
/// windows allow, each log by itself.
fn least(problem: &Problem<'_>, witness: &Witness, refusal: &Refusal<'_>) -> i128 {
    let mut least = problem.opening();
    for member in 0..problem.width() {
        let range = problem.offsets[member]..problem.offsets[member + 1];
        let (earliest, latest) = (&witness.earliest[range.clone()], &witness.latest[range]);
        let must = latest.partition_point(|at| *at < refusal.invoked);
        let may = earliest.partition_point(|at| *at <= refusal.completed).max(must);
        let log = problem.log(member);
        let mut sum: i128 = log[..must].iter().map(|item| item.change).sum();
        let mut worst = sum;
        for item in &log[must..may] {
            sum += item.change;
            worst = worst.min(sum);
        }
        least += worst;
    }
    least
}

/// The least of any range of balances (a segment tree).
pub(super) struct Lowest {
    tree: Vec<i128>,
    leaves: usize,
}

impl Lowest {
    pub(super) fn of(balances: &[i128]) -> Self {
        let leaves = balances.len();
        let mut tree = vec![i128::MAX; leaves];
        tree.extend_from_slice(balances);
        for node in (1..leaves).rev() {
            tree[node] = tree[2 * node].min(tree[2 * node + 1]);
        }
        Self { tree, leaves }
    }

    /// Both ends included.
    fn within(&self, first: usize, last: usize) -> i128 {
        let (mut left, mut right) = (first + self.leaves, last + self.leaves + 1);
        let mut lowest = i128::MAX;
        while left < right {
            if left % 2 == 1 {
                lowest = lowest.min(self.tree[left]);
                left += 1;
            }
            if right % 2 == 1 {
                right -= 1;
                lowest = lowest.min(self.tree[right]);
            }
            left /= 2;
            right /= 2;
        }
        lowest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_every_range_is_found() {
        let balances = [5, 3, 8, -1, 4, 4, 9];
        let lowest = Lowest::of(&balances);
        for first in 0..balances.len() {
            for last in first..balances.len() {
                let expected = balances[first..=last].iter().min().copied();
                assert_eq!(Some(lowest.within(first, last)), expected, "{first}..={last}");
            }
        }
    }
}
