//! What is visible of a branch's own log is durable there, and so nothing that was seen is lost.

use super::journal::Journal;
use super::truth::Truth;
use super::{Action, Violation, covers, entries, name, require};
use bank::{Member, Seq, Version};
use check::Property;

/// So much of a branch's log may be shown: it was written, and is on that branch's journal.
pub(super) fn may_be_seen(
    truth: &Truth,
    journals: &[Journal],
    action: Action,
    (origin, seq): (Member, Seq),
) -> Result<(), Violation> {
    let written = truth.length(origin);
    require(Property::OneWriter, seq <= written, || {
        format!("{action} {} of {}, which wrote {}", entries(seq), name(origin), written.0)
    })?;
    let durable =
        journals.get(origin.index()).map_or(Seq::ZERO, |journal| journal.ever_durable().of(origin));
    require(Property::DurableBeforeVisible, seq <= durable, || {
        format!(
            "{action} {} of {}, of which {} are durable there",
            entries(seq),
            name(origin),
            durable.0
        )
    })
}

/// A branch knows of itself how much is on its journal.
pub(super) fn is_true(journal: &Journal, branch: Member, said: &Version) -> Result<(), Violation> {
    require(Property::DurableBeforeVisible, covers(journal.durable(), said), || {
        format!("{} takes {} for durable; {} is on its disk", name(branch), said, journal.durable())
    })
}

/// What a branch shows is in its journal.
pub(super) fn is_written_down(
    journal: &Journal,
    action: Action,
    version: &Version,
) -> Result<(), Violation> {
    require(Property::DurableBeforeVisible, covers(journal.staged(), version), || {
        format!("{action} {} and has written down {}", version, journal.staged())
    })
}

/// A crash has left a branch with `left` entries of its own; `seen` were seen by others.
pub(super) fn nothing_seen_is_lost(branch: Member, left: Seq, seen: Seq) -> Result<(), Violation> {
    require(Property::DurableBeforeVisible, seen <= left, || {
        format!(
            "a crash leaves {} with {} entries, and {} were seen by others or by customers",
            name(branch),
            left.0,
            seen.0
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::journal::Mark;
    use super::super::truth::tests::{version, write};
    use super::*;
    use bank::{Entry, Money};

    #[test]
    fn what_is_shown_is_on_disk_where_it_was_written() {
        let action = Action::of(Member(1), "shows");
        let mut truth = Truth::new(2, Money::ZERO);
        let mut disks = [0, 1].map(|member| Journal::new(Member(member), 2));
        let found = |truth: &Truth, disks: &[Journal]| {
            let seen = (Member(0), Seq(1));
            may_be_seen(truth, disks, action, seen).err().map(|found| found.property)
        };
        assert_eq!(found(&truth, &disks), Some(Property::OneWriter));
        write(&mut truth, 0, Entry::Deposit(Money::new(1)), &[0, 0]);
        disks[0].append(Mark::Own);
        assert_eq!(found(&truth, &disks), Some(Property::DurableBeforeVisible));
        disks[0].sync_all();
        assert_eq!(found(&truth, &disks), None);
    }

    #[test]
    fn a_branch_that_overrates_its_disk_is_found() {
        let mut disk = Journal::new(Member(0), 2);
        disk.append(Mark::Own);
        let shows = Action::of(Member(0), "shows");
        is_written_down(&disk, shows, &version(&[1, 0])).expect("it is");
        let found = is_written_down(&disk, shows, &version(&[1, 1])).expect_err("it is not");
        assert_eq!(found.property, Property::DurableBeforeVisible);
        let found = is_true(&disk, Member(0), &version(&[1, 0])).expect_err("not synced");
        assert_eq!(found.property, Property::DurableBeforeVisible);
        disk.sync_all();
        is_true(&disk, Member(0), &version(&[1, 0])).expect("synced");
    }

    #[test]
    fn losing_what_was_seen_is_found() {
        nothing_seen_is_lost(Member(0), Seq(2), Seq(2)).expect("nothing was lost");
        let found = nothing_seen_is_lost(Member(0), Seq(1), Seq(2)).expect_err("lost");
        assert_eq!(found.property, Property::DurableBeforeVisible);
    }
}
