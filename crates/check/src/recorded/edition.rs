//! What the answers must be right as, beside what their versions show.

use super::Facts;
use crate::{Evidence, Finding, Property, final_balance, sequential};
use history::{Edition, Observation};

/// Judges all answers as those of `edition`: in the order in which they were asked where customers came one after
/// another, customer by customer where all came at once. A history with gaps is no account's.
pub(super) fn edition(facts: &Facts<'_>, edition: Edition) -> Finding {
    let (property, judge): (_, fn(&Evidence<'_>) -> Finding) = match edition {
        Edition::Sequential => (Property::Sequential, sequential),
        Edition::FinalBalance => (Property::FinalBalance, final_balance),
    };
    if !facts.case.history.is_complete() {
        let mut finding = Finding::new(property);
        facts.close(&mut finding);
        return finding;
    }
    let mut places: Vec<usize> = (0..facts.case.history.len()).collect();
    match edition {
        Edition::Sequential => places.sort_by_key(|place| facts.call(*place).invoked),
        Edition::FinalBalance => places.sort_by_key(|place| facts.case.history.asked_as(*place)),
    }
    let observations: Vec<Observation> =
        places.into_iter().map(|place| facts.observation(place)).collect();
    judge(&Evidence {
        opening: facts.case.opening,
        observations: &observations,
        branches: &[],
        branches_total: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::super::scene::{Scene, ok};
    use crate::{Judged, Property, Verdict, judge};
    use bank::{Money, Operation};
    use history::Edition;

    fn first(scene: &Scene) -> Judged {
        scene.with(judge).swap_remove(0)
    }

    /// The second customer's query stands first in the file and was asked last.
    fn scene(edition: Edition, shown: i64) -> Scene {
        let mut scene = Scene { edition: Some(edition), ..Scene::new(100, 1) };
        scene.calls =
            vec![ok(2, Operation::Query, 1, (4, 5)), ok(1, Operation::deposit(10), 1, (0, 1))];
        scene.calls[0].balance = Some(Money::new(shown));
        scene
    }

    #[test]
    fn one_after_another_is_in_the_order_of_the_questions() {
        let right = first(&scene(Edition::Sequential, 110));
        assert_eq!(right.finding.property, Property::Sequential);
        assert_eq!(right.finding.verdict, Verdict::Pass, "{right:?}");
        let wrong = first(&scene(Edition::Sequential, 100)).finding;
        assert_eq!(wrong.verdict, Verdict::Fail);
        assert!(wrong.violations[0].operations[0].place.is_some(), "{wrong:?}");
    }

    #[test]
    fn all_at_once_shows_the_end_and_gaps_prove_nothing() {
        let right = first(&scene(Edition::FinalBalance, 110));
        assert_eq!(right.finding.property, Property::FinalBalance);
        assert_eq!((right.finding.verdict, right.promised), (Verdict::Pass, true));
        let wrong = first(&scene(Edition::FinalBalance, 100));
        assert_eq!(wrong.finding.verdict, Verdict::Fail);
        let gaps = Scene { complete: false, ..scene(Edition::FinalBalance, 100) };
        assert_eq!(first(&gaps).finding.verdict, Verdict::Unknown);
    }
}
