//! When everything has healed, all branches hold the same, and that is everything that happened.

use super::steps::View;
use super::truth::Truth;
use super::{Property, Violation, name, or_nothing, seqs};
use bank::{Chain, Member};

/// All branches that serve show the same ledger, have no more written down, and have it on disk.
pub(super) fn is_reached(truth: &Truth, alive: &[(Member, View<'_>)]) -> Result<(), Violation> {
    let Some((first, model)) = alive.first() else {
        return Ok(());
    };
    for (branch, view) in alive {
        let version = view.visible.version();
        let same = version == model.visible.version()
            && chains(view).eq(chains(model))
            && view.visible.total() == model.visible.total();
        Property::Convergence.unless(same, || {
            format!(
                "in the end {} shows {} and {} shows {}",
                name(*first),
                contents(model),
                name(*branch),
                contents(view)
            )
        })?;
        let all = truth.length(*branch);
        Property::Convergence.unless(
            view.staged.seq == all && version.of(*branch) == all,
            || {
                format!(
                    "in the end {} shows {} entries of its own, has {} written down, and wrote {}",
                    name(*branch),
                    version.of(*branch).0,
                    view.staged.seq.0,
                    all.0
                )
            },
        )?;
        Property::Convergence.unless(view.durable == &**version, || {
            format!(
                "in the end {} shows {} and has {} on disk",
                name(*branch),
                seqs(version),
                seqs(view.durable)
            )
        })?;
    }
    let expected = truth.balance(model.visible.version());
    Property::Accounted.unless(expected == Some(model.visible.total()), || {
        format!(
            "in the end {} shows {}; the logs say {}",
            name(*first),
            contents(model),
            or_nothing(expected)
        )
    })
}

/// A branch with a journal serves when everything has healed. In memory mode one may have died before the
/// others met it, and those then wait for it forever.
pub(super) fn serves(branch: Member, view: &View<'_>) -> Result<(), Violation> {
    Property::Convergence
        .unless(view.is_ready, || format!("in the end {} does not serve", name(branch)))
}

fn chains(view: &View<'_>) -> impl Iterator<Item = Chain> {
    view.visible.rows().iter().map(|row| row.chain)
}

fn contents(view: &View<'_>) -> String {
    let chains: Vec<String> = chains(view).map(|chain| format!("{:x}", chain.0)).collect();
    format!(
        "{} with a balance of {} and the chains {}",
        seqs(view.visible.version()),
        view.visible.total(),
        chains.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::scene::Double;
    use super::super::truth::tests::write;
    use super::*;
    use bank::{Entry, Money, Seq};

    const ENTRY: Entry = Entry::Deposit(Money::new(5));

    fn two() -> (Truth, Double, Double) {
        let mut truth = Truth::new(2, Money::new(10));
        write(&mut truth, 0, ENTRY, &[0, 0]);
        let (mut one, mut two) = (Double::new(0, 2, 10), Double::new(1, 2, 10));
        one.write(&ENTRY, None);
        one.publish();
        two.take(one.own());
        (truth, one, two)
    }

    fn found(truth: &Truth, one: &Double, two: &Double) -> Option<Property> {
        let alive = [(Member(0), one.view()), (Member(1), two.view())];
        is_reached(truth, &alive).err().map(|violation| violation.property)
    }

    #[test]
    fn all_the_same_and_all_of_it_is_convergence() {
        let (truth, one, two) = two();
        assert_eq!(found(&truth, &one, &two), None);
        assert_eq!(is_reached(&truth, &[]), Ok(()), "nobody is left");
    }

    #[test]
    fn a_branch_that_differs_is_found() {
        let (truth, one, two) = two();
        assert_eq!(found(&truth, &one, &Double::new(1, 2, 10)), Some(Property::Convergence));
        let mut staged = two.clone();
        staged.write(&ENTRY, None);
        assert_eq!(found(&truth, &one, &staged), Some(Property::Convergence));
        let mut volatile = two.clone();
        volatile.durable.set(Member(0), Seq(0));
        assert_eq!(found(&truth, &one, &volatile), Some(Property::Convergence));
    }

    #[test]
    fn a_branch_that_never_serves_is_found() {
        let branch = Double::new(0, 2, 10);
        serves(Member(0), &branch.view()).expect("it does");
        let starting = Double { is_ready: false, ..branch };
        let found = serves(Member(0), &starting.view()).expect_err("it does not");
        assert_eq!(found.property, Property::Convergence);
    }

    #[test]
    fn all_the_same_and_all_wrong_is_found() {
        let (mut truth, one, two) = two();
        write(&mut truth, 0, ENTRY, &[1, 0]);
        assert_eq!(found(&truth, &one, &two), Some(Property::Convergence), "one is left out");
        let mut other = Truth::new(2, Money::new(10));
        write(&mut other, 0, Entry::Deposit(Money::new(6)), &[0, 0]);
        assert_eq!(found(&other, &one, &two), Some(Property::Accounted));
    }
}
