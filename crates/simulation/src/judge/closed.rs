//! I2: who knows an entry knows everything that its branch knew when it wrote it.

use super::truth::Truth;
use super::{Deed, Property, Violation, name, seqs, words};
use bank::{Row, Version};

/// A version is causally closed. What a log depends on only grows along it, so its last entry suffices.
pub(super) fn is_closed(truth: &Truth, deed: Deed, version: &Version) -> Result<(), Violation> {
    for (origin, seq) in version.iter() {
        let Some(logged) = truth.entry(origin, seq) else {
            continue;
        };
        if let Some(missing) = version.first_missing(&logged.dependencies) {
            return Err(Property::Closed.violated(format!(
                "{deed} {}, and entry {} of {} was written where entry {} of {} was known",
                seqs(version),
                seq.0,
                name(origin),
                logged.dependencies.of(missing).0,
                name(missing)
            )));
        }
    }
    Ok(())
}

/// The version of a whole ledger: one row of every branch, in their order.
pub(super) fn whole(truth: &Truth, deed: Deed, rows: &[Row]) -> Result<Version, Violation> {
    let in_order = rows.iter().enumerate().all(|(place, row)| row.origin.index() == place);
    Property::Closed.unless(in_order && rows.len() == truth.members(), || {
        format!(
            "{deed} a ledger without the rows of all branches in their order: {}",
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
        let deed = Deed::of(Member(2), "shows");
        let mut truth = Truth::new(3, Money::ZERO);
        write(&mut truth, 0, Entry::Deposit(Money::new(1)), &[0, 0, 0]);
        write(&mut truth, 1, Entry::Deposit(Money::new(1)), &[0, 0, 0]);
        write(&mut truth, 1, Entry::Deposit(Money::new(1)), &[1, 1, 0]);
        for closed in [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 2, 0]] {
            is_closed(&truth, deed, &version(&closed)).expect("closed");
        }
        let found = is_closed(&truth, deed, &version(&[0, 2, 0])).expect_err("not closed");
        assert_eq!(found.property, Property::Closed);
        assert_eq!(
            found.detail,
            "branch 3 shows [0 2 0], and entry 2 of branch 2 was written where entry 1 of branch 1 was known"
        );
    }

    #[test]
    fn a_ledger_with_a_row_left_out_is_found() {
        let deed = Deed::of(Member(1), "shows");
        let truth = Truth::new(2, Money::ZERO);
        let rows = [Row::empty(Member(0)), Row::empty(Member(1))];
        assert_eq!(whole(&truth, deed, &rows), Ok(version(&[0, 0])));
        let found = whole(&truth, deed, &rows[..1]).expect_err("a row is missing");
        assert_eq!(found.property, Property::Closed);
        let twice = [rows[0].clone(), rows[0].clone()];
        assert_eq!(whole(&truth, deed, &twice).expect_err("twice").property, Property::Closed);
    }
}
