//! What the answers must be right as, beside what their versions show.

use super::RunIndex;
use crate::{Finding, Property, final_balance, sequential};
use history::ReferenceModel;

/// Judges all answers by `model`: in the order in which they were asked where customers came one after another,
/// customer by customer where all came at once. A history with gaps is no account's.
pub(super) fn reference_model(run: &RunIndex<'_>, model: ReferenceModel) -> Finding {
    let history = run.history();
    if !history.is_complete() {
        let mut finding = Finding::new(match model {
            ReferenceModel::Sequential => Property::Sequential,
            ReferenceModel::FinalBalance => Property::FinalBalance,
        });
        run.close(&mut finding);
        return finding;
    }
    let mut places: Vec<usize> = (0..history.len()).collect();
    match model {
        ReferenceModel::Sequential => places.sort_by_key(|place| history.call(*place).invoked),
        ReferenceModel::FinalBalance => places.sort_by_key(|place| history.asked_as(*place)),
    }
    let operations = places.iter().map(|place| (*place, run.call(*place)));
    match model {
        ReferenceModel::Sequential => sequential(run.header().opening, operations),
        ReferenceModel::FinalBalance => final_balance(run.header().opening, operations),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, ok};
    use crate::{Judged, Property, Verdict, judge};
    use bank::{Money, Operation};
    use history::ReferenceModel;

    fn first(scene: &Fixture) -> Judged {
        judge(&scene.run()).swap_remove(0)
    }

    /// The second customer's query stands first in the file and was asked last.
    fn scene(edition: ReferenceModel, shown: i64) -> Fixture {
        let mut scene = Fixture { reference_model: Some(edition), ..Fixture::new(100, 1) };
        scene.calls =
            vec![ok(2, Operation::Query, 1, (4, 5)), ok(1, Operation::deposit(10), 1, (0, 1))];
        scene.calls[0].balance = Some(Money::new(shown));
        scene
    }

    #[test]
    fn one_after_another_is_in_the_order_of_the_questions() {
        let right = first(&scene(ReferenceModel::Sequential, 110));
        assert_eq!(right.finding.property, Property::Sequential);
        assert_eq!(right.finding.verdict, Verdict::Pass, "{right:?}");
        let wrong = first(&scene(ReferenceModel::Sequential, 100)).finding;
        assert_eq!(wrong.verdict, Verdict::Fail);
        assert!(wrong.violations[0].operations[0].place == 0, "{wrong:?}");
    }

    #[test]
    fn all_at_once_shows_the_end_and_gaps_prove_nothing() {
        let right = first(&scene(ReferenceModel::FinalBalance, 110));
        assert_eq!(right.finding.property, Property::FinalBalance);
        assert_eq!((right.finding.verdict, right.promised), (Verdict::Pass, true));
        let wrong = first(&scene(ReferenceModel::FinalBalance, 100));
        assert_eq!(wrong.finding.verdict, Verdict::Fail);
        let gaps = Fixture { complete: false, ..scene(ReferenceModel::FinalBalance, 100) };
        assert_eq!(first(&gaps).finding.verdict, Verdict::Unknown);
    }
}
