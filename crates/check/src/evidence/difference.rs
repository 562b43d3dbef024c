//! Which writes explain that branches hold more or less than they should.

use std::collections::BTreeMap;

use crate::RunIndex;
use bank::{BranchId, Outcome, Write};

/// A write of the history whose fate is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecidedWrite {
    /// The index of its operation in the history.
    pub(crate) place: usize,
    /// The branch that was asked.
    pub(crate) branch: BranchId,
    pub(crate) write: Write,
    pub(crate) outcome: Outcome,
}

/// Branches that hold the same wrong balance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Difference<'a> {
    /// What they hold.
    pub(crate) held: i128,
    /// The nearest balance that they may hold.
    pub(crate) expected: i128,
    /// All that hold it.
    pub(crate) branches: &'a [BranchId],
    /// Whether there is no other branch.
    pub(crate) is_everywhere: bool,
    /// Whether writes of others than this run's customers may explain it: no branch holds what it should, and there is
    /// no log that shows who wrote.
    pub(crate) others_may_write: bool,
}

/// The writes that explain a difference.
#[derive(Clone, Debug)]
pub(crate) struct Explanation {
    /// The indexes of their operations in the history.
    pub(crate) places: Vec<usize>,
    pub(crate) text: String,
}

/// How the balance of branches came to be wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// They lack an accepted write.
    Missing,
    /// They applied an accepted write twice.
    Doubled,
    /// They applied a write that was refused.
    Refused,
}

impl Fault {
    const ALL: [Self; 3] = [Self::Missing, Self::Doubled, Self::Refused];

    /// By how much it changes a balance, if it can happen to that write.
    fn effect(self, DecidedWrite { write, outcome, .. }: &DecidedWrite) -> Option<i128> {
        match (self, outcome) {
            (Self::Missing, Outcome::Ok) => Some(-write.delta()),
            (Self::Doubled, Outcome::Ok) | (Self::Refused, Outcome::Rejected(_)) => {
                Some(write.delta())
            }
            _ => None,
        }
    }

    fn describe(self, difference: &Difference<'_>) -> String {
        let at = list(difference.branches);
        match (self, difference.is_everywhere) {
            (Self::Missing, true) => "was never applied".to_owned(),
            (Self::Missing, false) => format!("never reached {at}"),
            (Self::Doubled, true) => "was applied twice".to_owned(),
            (Self::Doubled, false) => format!("was applied twice at {at}"),
            (Self::Refused, true) => "was applied although it was refused".to_owned(),
            (Self::Refused, false) => format!("was applied at {at} although it was refused"),
        }
    }
}

impl Difference<'_> {
    const fn amount(&self) -> i128 {
        self.held - self.expected
    }

    /// Which branches hold what, and by how much that is wrong.
    pub(crate) fn describe(&self) -> String {
        let verb = if self.branches.len() == 1 { "holds" } else { "hold" };
        let direction = if self.amount() < 0 { "less" } else { "more" };
        let (held, amount) = (self.held, self.amount().unsigned_abs());
        format!("{} {verb} {held}, {amount} {direction} than", list(self.branches))
    }

    /// Which of `writes` explain it: one that is missing, doubled, or applied although it was refused. If there is none,
    /// two that are both missing or both doubled. Names an example of each, and how many others fit. A bank that paid out
    /// what it did not have is reported as such. n log n in the number of writes.
    pub(crate) fn explain(&self, run: &RunIndex<'_>, writes: &[DecidedWrite]) -> Explanation {
        if self.expected < 0 && self.held >= 0 {
            let text = "more was paid out than there was, and the balance stopped short of that";
            return Explanation { places: Vec::new(), text: text.to_owned() };
        }
        let mut places = Vec::new();
        let mut reasons = Vec::new();
        for fault in Fault::ALL {
            let fits = |seen: &&DecidedWrite| fault.effect(seen) == Some(self.amount());
            let Some(first) = writes.iter().find(fits) else { continue };
            // The branch that was asked is the last that would lack it.
            let is_elsewhere = |seen: &&DecidedWrite| !self.branches.contains(&seen.branch);
            let example = writes.iter().filter(fits).find(is_elsewhere).unwrap_or(first);
            let others = match writes.iter().filter(fits).count() - 1 {
                0 => String::new(),
                1 => " (1 other write fits as well)".to_owned(),
                n => format!(" (for example; {n} other writes fit as well)"),
            };
            places.push(example.place);
            reasons.push(format!("{} {}{others}", run.words(example.place), fault.describe(self)));
        }
        if !reasons.is_empty() {
            return Explanation { places, text: format!("as if {}", reasons.join(", or ")) };
        }
        for fault in [Fault::Missing, Fault::Doubled] {
            if let Some((one, other)) = pair(writes, fault, self.amount()) {
                let how = fault.describe(self).replacen("was", "were", 1);
                let [first, second] = [one, other].map(|write| run.words(write.place));
                let text = format!("as if, for example, {first} and {second} {how}");
                return Explanation { places: vec![one.place, other.place], text };
            }
        }
        let text = if self.others_may_write {
            "no one or two writes explain that: somebody else is writing to this cluster, or more \
             writes are lost or doubled"
        } else {
            "no one or two writes explain that: more writes are lost or doubled"
        };
        Explanation { places, text: text.to_owned() }
    }
}

/// Two writes of the same kind that make the difference together.
fn pair(
    writes: &[DecidedWrite],
    fault: Fault,
    amount: i128,
) -> Option<(&DecidedWrite, &DecidedWrite)> {
    // By effect the first two writes that have it.
    let mut by_effect: BTreeMap<i128, (&DecidedWrite, Option<&DecidedWrite>)> = BTreeMap::new();
    for seen in writes {
        let Some(effect) = fault.effect(seen) else { continue };
        if effect.signum() == amount.signum() {
            let entry = by_effect.entry(effect).or_insert((seen, None));
            if !std::ptr::eq(entry.0, seen) && entry.1.is_none() {
                entry.1 = Some(seen);
            }
        }
    }
    by_effect.iter().find_map(|(effect, (one, same))| {
        let rest = amount - effect;
        if rest == *effect {
            return same.map(|other| (*one, other));
        }
        by_effect.get(&rest).map(|(other, _)| (*one, *other))
    })
}

/// Branches in words: `branch 1`, or `branches 1, 2 and 3`.
fn list(branches: &[BranchId]) -> String {
    let names: Vec<String> = branches.iter().map(ToString::to_string).collect();
    match names.split_last() {
        None => "no branch".to_owned(),
        Some((only, [])) => format!("branch {only}"),
        Some((last, before)) => format!("branches {} and {last}", before.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, ok, refused, unanswered};
    use bank::Operation;
    use history::OperationRecord;

    /// What explains that branch 2, or all branches, hold `amount` too much.
    fn explain(
        amount: i128,
        is_everywhere: bool,
        writes: &[OperationRecord<'static>],
    ) -> (Vec<u64>, String) {
        let branches = [BranchId(2)];
        let difference = Difference {
            held: 100 + amount,
            expected: 100,
            branches: &branches,
            is_everywhere,
            others_may_write: is_everywhere,
        };
        let Explanation { places, text } = explained(&difference, writes);
        (places.iter().map(|place| writes[*place].customer.0).collect(), text)
    }

    fn explained(difference: &Difference<'_>, writes: &[OperationRecord<'static>]) -> Explanation {
        let run = Fixture { calls: writes.to_vec(), ..Fixture::new(0, 2) }.run();
        let decided = writes.iter().enumerate().filter_map(|(place, call)| {
            let OperationRecord { branch, outcome, .. } = *call;
            Some(DecidedWrite { place, branch, write: call.write()?, outcome })
        });
        difference.explain(&RunIndex::of(&run), &decided.collect::<Vec<_>>())
    }

    fn withdrawal(customer: u64, amount: i64) -> OperationRecord<'static> {
        ok(customer, Operation::withdraw(amount), 1, (0, 1))
    }

    fn deposit(customer: u64, amount: i64) -> OperationRecord<'static> {
        ok(customer, Operation::deposit(amount), 1, (0, 1))
    }

    fn three() -> [OperationRecord<'static>; 4] {
        [
            withdrawal(1, 78),
            deposit(2, 5),
            refused(3, Operation::withdraw(500), 1, (0, 1)),
            unanswered(4, Operation::deposit(33), 1, 0),
        ]
    }

    #[test]
    fn a_difference_of_one_amount_names_the_write() {
        for (amount, everywhere, customer, text) in [
            (
                78,
                false,
                1,
                "as if operation 1 of customer 1 (withdraw 78 at branch 1) never reached branch 2",
            ),
            (
                78,
                true,
                1,
                "as if operation 1 of customer 1 (withdraw 78 at branch 1) was never applied",
            ),
            (
                -78,
                false,
                1,
                "as if operation 1 of customer 1 (withdraw 78 at branch 1) was applied twice at branch 2",
            ),
            (
                5,
                true,
                2,
                "as if operation 1 of customer 2 (deposit 5 at branch 1) was applied twice",
            ),
            (
                -500,
                true,
                3,
                "as if operation 1 of customer 3 (withdraw 500 at branch 1) was applied although it was refused",
            ),
        ] {
            assert_eq!(explain(amount, everywhere, &three()), (vec![customer], text.to_owned()));
        }
    }

    #[test]
    fn a_difference_that_no_write_has_is_not_explained() {
        // Neither an unanswered write nor two of different kinds.
        for amount in [33, -83, 77, 156] {
            let (named, text) = explain(amount, false, &three());
            assert!(named.is_empty(), "{text}");
            assert_eq!(text, "no one or two writes explain that: more writes are lost or doubled");
        }
        assert!(explain(33, true, &three()).1.contains("somebody else is writing to this cluster"));
    }

    #[test]
    fn a_balance_that_should_be_negative_and_is_not_was_clipped() {
        let branches = [BranchId(2)];
        let clipped = Difference {
            held: 0,
            expected: -78,
            branches: &branches,
            is_everywhere: true,
            others_may_write: true,
        };
        let Explanation { places, text } = explained(&clipped, &three());
        assert_eq!((places.len(), text.starts_with("more was paid out")), (0, true), "{text}");
        let below = Difference { held: -1, expected: -79, ..clipped };
        assert!(explained(&below, &three()).text.ends_with("was never applied"));
    }

    #[test]
    fn several_writes_that_fit_are_counted() {
        let mut writes = vec![withdrawal(1, 78), withdrawal(9, 78)];
        writes[0].branch = BranchId(2);
        let (named, text) = explain(78, false, &writes);
        assert_eq!(named, [9], "branch 2 was asked for the other one itself");
        assert!(text.contains("(1 other write fits as well)"), "{text}");
        writes.push(deposit(5, 78));
        let (named, text) = explain(78, false, &writes);
        assert_eq!(named, [9, 5]);
        assert!(text.contains(", or operation 1 of customer 5"), "{text}");
    }

    #[test]
    fn two_writes_explain_what_one_does_not() {
        let writes = [deposit(1, 20), deposit(2, 7)];
        let (named, text) = explain(-27, false, &writes);
        assert_eq!((named.len(), text.contains("and operation 1")), (2, true), "{text}");
        assert!(text.ends_with("never reached branch 2"), "{text}");
        assert!(explain(27, true, &writes).1.ends_with("were applied twice"));
        // The same write twice is not two writes.
        assert!(explain(-40, false, &writes).0.is_empty());
        let twins = [deposit(1, 20), deposit(2, 20)];
        assert_eq!(explain(-40, false, &twins).0, [1, 2]);
    }

    #[test]
    fn branches_are_listed_with_the_difference() {
        let branches = [1, 2, 3].map(BranchId);
        let all = Difference {
            held: 90,
            expected: 100,
            branches: &branches,
            is_everywhere: true,
            others_may_write: true,
        };
        assert_eq!(all.describe(), "branches 1, 2 and 3 hold 90, 10 less than");
        let one = Difference { held: 120, branches: &branches[..1], ..all };
        assert_eq!(one.describe(), "branch 1 holds 120, 20 more than");
    }
}
