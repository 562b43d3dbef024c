//! What is acknowledged is durable on as many branches as was reported.

use super::journal::Journal;
use super::requests::Request;
use super::{Action, Violation, covers, name, require};
use bank::{Ack, Member, RequestId, Seq, Version};
use check::Property;

/// A write is answered as entry `seq`, held by `achieved` branches: no sooner than it was asked for, and that is true.
pub(super) fn is_durable(
    journals: &[Journal],
    id: RequestId,
    request: &Request,
    seq: Seq,
    achieved: u32,
) -> Result<(), Violation> {
    let achieved = usize::try_from(achieved).unwrap_or(usize::MAX);
    let needed = match request.ack {
        Ack::Local => 1,
        Ack::Majority => journals.len() / 2 + 1,
        Ack::All => journals.len(),
    };
    require(Property::Acknowledged, achieved >= needed, || {
        format!("{id} is answered when {achieved} branches hold it, and asked for {needed}")
    })?;
    let holds = |journal: &&Journal| journal.ever_durable().of(request.branch) >= seq;
    let holders = journals.iter().filter(holds).count();
    require(Property::Acknowledged, holders >= achieved, || {
        format!(
            "{id} is answered with {achieved} branches holding entry {seq} of {}; it is durable on {holders}",
            name(request.branch)
        )
    })
}

/// A branch reports what is durable: here `at` itself or, forwarded, at another one.
pub(super) fn is_true(
    journals: &[Journal],
    action: Action,
    at: Member,
    reported: &Version,
) -> Result<(), Violation> {
    let journal = journals.get(at.index());
    // What is forwarded may be about an earlier incarnation of a branch that is gone.
    let durable = if at == action.branch { Journal::durable } else { Journal::ever_durable };
    let durable = journal.map(durable);
    let holds = durable.is_some_and(|durable| covers(durable, reported));
    require(Property::Acknowledged, holds, || {
        let durable = durable.map(Version::to_string).unwrap_or_default();
        format!("{action} {reported} durable on {}; that is {durable}", name(at))
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::request;
    use super::super::journal::Mark;
    use super::super::truth::tests::version;
    use super::*;
    use bank::Operation;

    fn disks() -> [Journal; 3] {
        let mut disks = [0, 1, 2].map(|member| Journal::new(Member(member), 3));
        disks[0].append(Mark::Own);
        disks[0].sync_all();
        disks[1].append(Mark::Rows(vec![(Member(0), Seq(1))]));
        disks[1].sync_all();
        disks[2].append(Mark::Rows(vec![(Member(0), Seq(1))]));
        disks
    }

    #[test]
    fn an_acknowledgement_is_counted_on_disks() {
        let is_durable = |disks: &[Journal], achieved, ack| {
            let (branch, operation) = (Member(0), Operation::deposit(1));
            let asked = Request { branch, operation, ack, deadline: None };
            super::is_durable(disks, request(1, 1), &asked, Seq(1), achieved)
        };
        let mut disks = disks();
        is_durable(&disks, 2, Ack::Majority).expect("two hold it");
        let found = is_durable(&disks, 2, Ack::All).expect_err("too soon");
        assert_eq!(found.property, Property::Acknowledged);
        let found = is_durable(&disks, 3, Ack::All).expect_err("the third has not synced");
        assert_eq!(found.property, Property::Acknowledged);
        disks[2].sync_all();
        is_durable(&disks, 3, Ack::All).expect("all hold it");
        disks[1].cut(0);
        is_durable(&disks, 3, Ack::All).expect("who held it counts, even if it is gone since");
    }

    #[test]
    fn what_is_said_to_be_durable_is() {
        let mut disks = disks();
        let says = |branch| Action::of(Member(branch), "says that it has");
        let found = |disks: &[Journal], from, at, seqs: &[u64]| {
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
