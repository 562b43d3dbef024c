//! I5: what is acknowledged is durable on as many branches as was said.

use super::accounted::Acknowledged;
use super::disk::Disk;
use super::{Deed, Property, Violation, name, seqs};
use bank::{Member, Version};

/// An answer came no sooner than it was asked for, and is true.
pub(super) fn is_durable(
    disks: &[Disk],
    answer: &Acknowledged,
    needed: usize,
) -> Result<(), Violation> {
    let Acknowledged { request, branch, seq, achieved } = *answer;
    Property::Acknowledged.unless(achieved >= needed, || {
        format!("{request} is answered when {achieved} branches hold it, and asked for {needed}")
    })?;
    let holders = disks.iter().filter(|disk| disk.ever_durable().of(branch) >= seq).count();
    Property::Acknowledged.unless(holders >= achieved, || {
        format!(
            "{request} is told that {achieved} branches hold entry {} of {}; it is durable on {holders}",
            seq.0, name(branch)
        )
    })
}

/// A branch says what is durable: here `at` itself or, passed on, at another one.
pub(super) fn is_true(
    disks: &[Disk],
    deed: Deed,
    at: Member,
    said: &Version,
) -> Result<(), Violation> {
    let disk = disks.get(at.index());
    // What is passed on may be about an earlier life of a branch that is gone.
    let durable =
        disk.map(|disk| if at == deed.branch { disk.durable() } else { disk.ever_durable() });
    let missing = durable.and_then(|durable| durable.first_missing(said));
    Property::Acknowledged.unless(durable.is_some() && missing.is_none(), || {
        format!(
            "{deed} {} durable on {}; that is {}",
            seqs(said),
            name(at),
            durable.map(seqs).unwrap_or_default()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::disk::Mark;
    use super::super::scene::request;
    use super::super::truth::tests::version;
    use super::*;
    use bank::Seq;

    fn disks() -> [Disk; 3] {
        let mut disks = [0, 1, 2].map(|member| Disk::new(Member(member), 3));
        disks[0].append(Mark::Own);
        disks[0].sync_all();
        disks[1].append(Mark::Rows(vec![(Member(0), Seq(1))]));
        disks[1].sync_all();
        disks[2].append(Mark::Rows(vec![(Member(0), Seq(1))]));
        disks
    }

    #[test]
    fn an_acknowledgement_is_counted_on_disks() {
        let answer = |achieved| {
            let (branch, seq) = (Member(0), Seq(1));
            Acknowledged { request: request(1, 1), branch, seq, achieved }
        };
        let mut disks = disks();
        is_durable(&disks, &answer(2), 2).expect("two hold it");
        let found = is_durable(&disks, &answer(2), 3).expect_err("too soon");
        assert_eq!(found.property, Property::Acknowledged);
        let found = is_durable(&disks, &answer(3), 3).expect_err("the third has not synced");
        assert_eq!(found.property, Property::Acknowledged);
        disks[2].sync_all();
        is_durable(&disks, &answer(3), 3).expect("all hold it");
        disks[1].cut(0);
        is_durable(&disks, &answer(3), 3).expect("who held it counts, even if it is gone since");
    }

    #[test]
    fn what_is_said_to_be_durable_is() {
        let mut disks = disks();
        let says = |branch| Deed::of(Member(branch), "says that it has");
        let found = |disks: &[Disk], from, at, seqs: &[u64]| {
            is_true(disks, says(from), Member(at), &version(seqs)).err().map(|found| found.property)
        };
        assert_eq!(found(&disks, 1, 1, &[1, 0, 0]), None);
        assert_eq!(found(&disks, 2, 2, &[1, 0, 0]), Some(Property::Acknowledged));
        assert_eq!(found(&disks, 0, 2, &[1, 0, 0]), Some(Property::Acknowledged), "passed on");
        assert_eq!(found(&disks, 0, 9, &[0, 0, 0]), Some(Property::Acknowledged), "nobody");
        disks[1].cut(0);
        assert_eq!(found(&disks, 0, 1, &[1, 0, 0]), None, "of an earlier life");
        assert_eq!(found(&disks, 1, 1, &[1, 0, 0]), Some(Property::Acknowledged));
    }
}
