//! The four session guarantees (Terry et al., 1994).

use std::collections::BTreeMap;

use super::accounted::Known;
use super::{Property, Violation, name, seqs};
use bank::Read;
use bank::{Member, Operation, Seq, SessionId, Version};

/// What a customer has done and seen, by the answers that they took.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// Their acknowledged writes.
    pub(super) written: Version,
    /// Everything that an answer showed them.
    pub(super) read: Version,
}

/// All customers.
#[derive(Debug)]
pub(super) struct Sessions {
    members: usize,
    histories: BTreeMap<SessionId, History>,
}

impl Sessions {
    pub(super) const fn new(members: usize) -> Self {
        Self { members, histories: BTreeMap::new() }
    }

    pub(super) fn history(&mut self, session: SessionId) -> &mut History {
        let nothing =
            || History { written: Version::zero(self.members), read: Version::zero(self.members) };
        self.histories.entry(session).or_insert_with(nothing)
    }
}

/// A write was made where everything is known that its customer had written and seen when they asked.
pub(super) fn is_written_in_order(
    known: &Known,
    (branch, seq): (Member, Seq),
    dependencies: &Version,
) -> Result<(), Violation> {
    let write = || {
        format!(
            "{} is entry {} of {}, written where {} was known",
            known.asked.attempt.request,
            seq.0,
            name(branch),
            seqs(dependencies)
        )
    };
    Property::MonotonicWrites.unless(dependencies.covers(&known.written), || {
        format!("{}, and its customer had written {} before", write(), seqs(&known.written))
    })?;
    Property::WritesFollowReads.unless(dependencies.covers(&known.read), || {
        format!("{}, and its customer had seen {} before", write(), seqs(&known.read))
    })
}

/// An answer shows everything that its customer had written and seen when they asked. A local read promises
/// nothing.
pub(super) fn is_no_less(known: &Known, shown: &Version) -> Result<(), Violation> {
    let query = known.asked.operation == Operation::Query;
    if query && known.asked.read == Read::Local {
        return Ok(());
    }
    let request = known.asked.attempt.request;
    Property::ReadYourWrites.unless(shown.covers(&known.written), || {
        format!(
            "{request} is shown {}, and its customer had written {} before",
            seqs(shown),
            seqs(&known.written)
        )
    })?;
    Property::MonotonicReads.unless(shown.covers(&known.read), || {
        format!(
            "{request} is shown {}, and its customer had seen {} before",
            seqs(shown),
            seqs(&known.read)
        )
    })
}

/// The answer to a write shows that write.
pub(super) fn shows_itself(branch: Member, seq: Seq, shown: &Version) -> Result<(), Violation> {
    Property::ReadYourWrites.unless(shown.of(branch) >= seq, || {
        format!("entry {} of {} is answered with {}", seq.0, name(branch), seqs(shown))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Asked;
    use super::super::accounted::Requests;
    use super::super::scene::{question, request};
    use super::super::truth::tests::version;
    use super::*;

    /// A request of somebody who has written `[1, 0]` and seen `[1, 2]`.
    fn with_known<T>(operation: Operation, read: Read, then: impl FnOnce(&Known) -> T) -> T {
        let mut requests = Requests::default();
        let asked = Asked { read, ..question(request(1, 3), 0, operation) };
        requests.ask(asked, 0, version(&[1, 2]), version(&[1, 0]));
        then(requests.get(request(1, 3)).expect("asked"))
    }

    fn shown(operation: Operation, read: Read, seqs: &[u64]) -> Option<Property> {
        with_known(operation, read, |known| is_no_less(known, &version(seqs)))
            .err()
            .map(|violation| violation.property)
    }

    fn written(dependencies: &[u64]) -> Option<Property> {
        with_known(Operation::deposit(1), Read::Session, |known| {
            is_written_in_order(known, (Member(0), Seq(2)), &version(dependencies))
        })
        .err()
        .map(|violation| violation.property)
    }

    #[test]
    fn a_read_that_lacks_an_own_write_or_an_earlier_read_is_found() {
        for read in [Read::Session, Read::Snapshot] {
            assert_eq!(shown(Operation::Query, read, &[1, 2]), None);
            assert_eq!(shown(Operation::Query, read, &[0, 2]), Some(Property::ReadYourWrites));
            assert_eq!(shown(Operation::Query, read, &[1, 1]), Some(Property::MonotonicReads));
        }
        let deposit = Operation::deposit(1);
        assert_eq!(shown(deposit, Read::Local, &[1, 1]), Some(Property::MonotonicReads));
    }

    #[test]
    fn a_local_read_may_show_less() {
        assert_eq!(shown(Operation::Query, Read::Local, &[0, 0]), None);
    }

    #[test]
    fn a_write_made_before_what_it_follows_is_found() {
        assert_eq!(written(&[1, 2]), None);
        assert_eq!(written(&[0, 2]), Some(Property::MonotonicWrites));
        assert_eq!(written(&[1, 1]), Some(Property::WritesFollowReads));
    }

    #[test]
    fn an_answer_without_the_write_that_it_answers_is_found() {
        shows_itself(Member(1), Seq(2), &version(&[0, 2])).expect("it shows it");
        let found = shows_itself(Member(1), Seq(2), &version(&[9, 1])).expect_err("it does not");
        assert_eq!(found.property, Property::ReadYourWrites);
    }

    #[test]
    fn every_customer_has_a_history_of_their_own() {
        let mut sessions = Sessions::new(2);
        sessions.history(SessionId(1)).read.raise(Member(0), Seq(3));
        assert_eq!(sessions.history(SessionId(1)).read, version(&[3, 0]));
        assert_eq!(sessions.history(SessionId(2)).read, version(&[0, 0]));
    }
}
