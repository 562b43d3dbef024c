//! The balance of an answer is that of the writes it is made from.

use crate::RunIndex;
use crate::examination::{Examination, Gap};
use crate::index::describe_version;

/// A balance that a customer is shown must be the opening balance plus exactly the deposits, minus exactly the
/// withdrawals, that the answer's version names. If it is not, somebody added wrongly, or the version lies.
///
/// Algorithm: sums over prefixes of each log, looked up at the version; n operations at N branches cost nN. Of a
/// balance without a version nothing is known here.
pub(crate) fn examine(run: &RunIndex<'_>) -> Examination {
    let mut examination = Examination::default();
    let (mut exact, mut hidden, mut bare) = (0_u64, 0_u64, 0_u64);
    for (place, call) in run.calls() {
        let Some(shown) = call.balance.map(|balance| i128::from(balance.minor_units())) else {
            continue;
        };
        let Some(version) = call.version else {
            bare += 1;
            continue;
        };
        let mut expected = Some(run.opening());
        for (member, seq) in version.iter().enumerate() {
            let sum = run.sum(member, *seq);
            if sum.is_none() && run.is_whole(member) {
                examination.violate(|| {
                    let (branch, has) = (run.branch(member), run.logs()[member].len());
                    let what =
                        format!("was shown entry {seq} of branch {branch}, whose log has {has}");
                    run.violation_by(place, what)
                });
            }
            expected = expected.zip(sum).map(|(all, sum)| all + sum);
        }
        match expected {
            None => hidden += 1,
            Some(expected) if expected == shown => exact += 1,
            Some(expected) => examination.violate(|| {
                let version = describe_version(version);
                let what = format!(
                    "was shown {shown}; the writes of its version {version} make {expected}"
                );
                run.violation_by(place, what)
            }),
        }
    }
    examination.summarize(
        format!("{exact} balances are those of their versions"),
        "a balance is not that of the writes it is made from",
    );
    let missing = run.missing_entries().unwrap_or_default();
    let what = format!("balances need entries that are not there; {missing}");
    examination.gap_of(Gap::Ledgers, hidden, &what);
    let what = "balances do not say which writes they are made from";
    examination.gap_of(Gap::Answers, bare, what);
    examination.needs_evidence(exact > 0, "no answer shows a balance");
    examination
}

#[cfg(test)]
mod tests {
    use crate::Property;
    use crate::fixture::Fixture;
    use bank::Money;

    const VALUE: Property = Property::Value;

    #[test]
    fn a_balance_that_is_not_that_of_its_version_is_found() {
        let mut scene = Fixture::healthy();
        scene.calls[4].balance = Some(Money::new(170));
        scene.fails(VALUE, (2, 3), "was shown 170; the writes of its version [1 1] make 130");
    }

    #[test]
    fn a_version_beyond_the_log_is_found_and_one_beyond_a_lost_log_is_unknown() {
        let mut scene = Fixture::healthy();
        scene.calls[4].version = Some(&[1, 2]);
        scene.fails(VALUE, (2, 3), "entry 2 of branch 2, whose log has 1");
        scene.lost = vec![1];
        scene.is_unknown(VALUE, "the ledger of branch 2 is missing");
    }

    #[test]
    fn of_a_bare_balance_nothing_is_known() {
        let mut scene = Fixture::healthy();
        scene.calls[4].version = None;
        scene.is_unknown(VALUE, "1 balances do not say which writes they are made from");
    }
}
