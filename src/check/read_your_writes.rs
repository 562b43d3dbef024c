//! What a customer is shown contains what that customer has written.

use super::possible::change;
use super::{Evidence, Finding, Observation, Property};
use crate::bank::{Operation, Outcome};

/// Bounds every balance that a customer was shown: it is the opening balance + that customer's own
/// writes up to then + some of what the others wrote. So it is at least what it would be with all of
/// the others' withdrawals and none of their deposits, and at most the reverse.
///
/// A balance outside of the bounds proves a violation. One inside proves nothing if the others moved
/// much: balances alone show no more. With one customer the bounds meet and the check is exact.
pub fn read_your_writes(evidence: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Property::ReadYourWrites);
    let everybody = Moved::by(evidence.observations);
    let mut shown = 0_u64;
    let mut slack_least: Option<i128> = None;
    let same_customer = |a: &Observation, b: &Observation| a.customer == b.customer;
    for session in evidence.observations.chunk_by(same_customer) {
        let others = everybody.without(&Moved::by(session));
        // Own writes that were never answered may count or not.
        let mut own = Moved::default();
        let mut settled = i128::from(evidence.opening.minor_units());
        for seen in session {
            if let Operation::Write(write) = seen.operation {
                match seen.outcome {
                    Outcome::Ok => settled += change(write),
                    Outcome::Unknown => own.add(change(write)),
                    Outcome::Rejected(_) => {}
                }
            }
            let Some(balance) = seen.balance.map(|money| i128::from(money.minor_units())) else {
                continue;
            };
            let least = settled - own.out - others.out;
            let most = settled + own.into + others.into;
            shown += 1;
            let slack = most - least;
            slack_least = Some(slack_least.map_or(slack, |least| least.min(slack)));
            if balance < least || balance > most {
                finding.violate(Some(seen), || {
                    format!(
                        "{seen} was shown {balance}; with its own writes it is {least} to {most}"
                    )
                });
            }
        }
    }
    finding.note = match slack_least {
        _ if finding.violations_total > 0 => {
            "a customer was shown a balance without their own writes".to_owned()
        }
        None => "no answer carried a balance".to_owned(),
        Some(0) => format!("{shown} balances, exact"),
        Some(slack) => {
            format!("{shown} balances within their bounds, which are {slack} wide or more")
        }
    };
    let unanswered = evidence.observations.iter().filter(|seen| seen.outcome == Outcome::Unknown);
    match unanswered.count() {
        0 => {}
        n => finding.cannot_tell(format!("{n} operations were never answered")),
    }
    finding
}

/// Money that went in and out, both counted upwards. Unanswered writes count: they may have happened.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    into: i128,
    out: i128,
}

impl Moved {
    fn by(observations: &[Observation]) -> Self {
        let mut moved = Self::default();
        for seen in observations {
            if let (Operation::Write(write), Outcome::Ok | Outcome::Unknown) =
                (seen.operation, seen.outcome)
            {
                moved.add(change(write));
            }
        }
        moved
    }

    fn add(&mut self, change: i128) {
        self.into += change.max(0);
        self.out += (-change).max(0);
    }

    fn without(&self, other: &Self) -> Self {
        Self { into: self.into - other.into, out: self.out - other.out }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::testing::{evidence, ok, unanswered};
    use super::*;

    fn judge(seen: &[Observation]) -> Finding {
        read_your_writes(&evidence(100, seen, &[]))
    }

    #[test]
    fn a_lone_customer_must_be_shown_exactly_their_writes() {
        let shown = |balance| {
            judge(&[ok(1, Operation::deposit(10), None), ok(1, Operation::Query, Some(balance))])
        };
        assert_eq!(shown(110).verdict, Verdict::Pass);
        assert!(shown(110).note.contains("exact"));
        assert_eq!(shown(100).verdict, Verdict::Fail);
        assert_eq!(shown(120).verdict, Verdict::Fail);
    }

    #[test]
    fn others_widen_the_bounds_by_what_they_moved() {
        let shown = |balance| {
            judge(&[
                ok(1, Operation::deposit(50), None),
                ok(1, Operation::Query, Some(balance)),
                ok(2, Operation::withdraw(20), None),
                unanswered(2, Operation::deposit(5)),
            ])
            .verdict
        };
        assert_eq!(shown(130), Verdict::Unknown, "an answer is missing");
        assert_eq!(shown(155), Verdict::Unknown);
        assert_eq!(shown(129), Verdict::Fail);
        assert_eq!(shown(156), Verdict::Fail);
    }

    #[test]
    fn a_write_that_was_not_yet_made_is_not_demanded() {
        let seen = [ok(1, Operation::Query, Some(100)), ok(1, Operation::deposit(10), None)];
        assert_eq!(judge(&seen).verdict, Verdict::Pass);
    }

    #[test]
    fn an_own_unanswered_write_may_show_or_not() {
        let shown = |balance| {
            judge(&[unanswered(1, Operation::deposit(9)), ok(1, Operation::Query, Some(balance))])
                .verdict
        };
        assert_eq!(shown(100), Verdict::Unknown);
        assert_eq!(shown(109), Verdict::Unknown);
        assert_eq!(shown(110), Verdict::Fail);
    }
}
