//! Who knows an entry knows everything that its branch knew when it wrote it.

use super::truth::Truth;
use super::{Action, Violation, first_missing, name, require, words};
use bank::{Row, Version};
use check::Property;

/// A version is causally closed. What a log depends on only grows along it, so its last entry suffices.
pub(super) fn is_closed(truth: &Truth, action: Action, version: &Version) -> Result<(), Violation> {
    for (origin, seq) in version.iter() {
        let Some(logged) = truth.entry(origin, seq) else {
            continue;
        };
        let missing = first_missing(version, &logged.dependencies);
        require(Property::Causal, missing.is_none(), || {
            let (of, length) =
                missing.map(|of| (name(of), logged.dependencies.of(of))).unwrap_or_default();
            format!(
                "{action} {version}, and entry {seq} of {} was written where entry {length} of {of} was known",
                name(origin)
            )
        })?;
    }
    Ok(())
}

/// The version of a whole ledger: one row of every branch, in their order.
pub(super) fn whole(truth: &Truth, action: Action, rows: &[Row]) -> Result<Version, Violation> {
    let in_order = rows.iter().enumerate().all(|(place, row)| row.origin.index() == place);
    require(Property::Causal, in_order && rows.len() == truth.members(), || {
        format!(
            "{action} a ledger without the rows of all branches in their order: {}",
            words::rows(rows)
        )
    })?;
    Ok(rows.iter().map(|row| row.seq).collect())
}

#[cfg(test)]
mod tests {
    use super::super::truth::tests::{version, write};
    use super::*;
    use bank::{Entry, Member, Money};

    #[test]
    fn an_entry_without_what_it_depends_on_is_found() {
        let action = Action::of(Member(2), "shows");
        let mut truth = Truth::new(3, Money::ZERO);
        write(&mut truth, 0, Entry::Deposit(Money::new(1)), &[0, 0, 0]);
        write(&mut truth, 1, Entry::Deposit(Money::new(1)), &[0, 0, 0]);
        write(&mut truth, 1, Entry::Deposit(Money::new(1)), &[1, 1, 0]);
        for closed in [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 2, 0]] {
            is_closed(&truth, action, &version(&closed)).expect("closed");
        }
        let found = is_closed(&truth, action, &version(&[0, 2, 0])).expect_err("not closed");
        assert_eq!(found.property, Property::Causal);
        assert_eq!(
            found.detail,
            "branch 3 shows [0 2 0], and entry 2 of branch 2 was written where entry 1 of branch 1 was known"
        );
    }

    #[test]
    fn a_ledger_with_a_row_left_out_is_found() {
        let action = Action::of(Member(1), "shows");
        let truth = Truth::new(2, Money::ZERO);
        let rows = [Row::empty(Member(0)), Row::empty(Member(1))];
        assert_eq!(whole(&truth, action, &rows), Ok(version(&[0, 0])));
        let found = whole(&truth, action, &rows[..1]).expect_err("a row is missing");
        assert_eq!(found.property, Property::Causal);
        let twice = [rows[0].clone(), rows[0].clone()];
        assert_eq!(whole(&truth, action, &twice).expect_err("twice").property, Property::Causal);
    }
}
