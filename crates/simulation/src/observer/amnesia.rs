//! A branch that lost its memory is stopped, and no other is.

use super::journal::Journal;
use super::truth::Truth;
use super::{Violation, covers, name, require};
use bank::Member;
use check::Property;
use replication::passbook::{Stop, Storage};

/// Whether a branch has forgotten entries that it wrote. One that had written none may begin anew: nobody
/// served before all knew it, so nothing depends on what it was.
pub(super) fn has_forgotten(truth: &Truth, journal: &Journal, branch: Member) -> bool {
    journal.is_lost() && journal.staged().of(branch) < truth.length(branch)
}

/// A branch stops itself only if it was lost, and nothing ever makes two logs of one branch.
pub(super) fn may_stop(journal: &Journal, branch: Member, why: &Stop) -> Result<(), Violation> {
    if let Stop::Fork { .. } = why {
        return require(Property::OneWriter, false, || format!("{} stops: {why}", name(branch)));
    }
    require(Property::Amnesia, journal.is_lost(), || {
        format!("{} stops and has lost nothing: {why}", name(branch))
    })
}

/// A branch writes to its log, and knows all of it.
pub(super) fn may_write(truth: &Truth, journal: &Journal, branch: Member) -> Result<(), Violation> {
    require(Property::Amnesia, !has_forgotten(truth, journal, branch), || {
        format!(
            "{} came back without all {} entries of its log, and writes to it",
            name(branch),
            truth.length(branch).0
        )
    })
}

/// A branch serves. In memory mode it does so only after every other one has recognized it, so it must not
/// have forgotten what it acknowledged to them either: that counts as held. One with a journal serves at
/// once, and nobody can know better before it has met the others.
pub(super) fn may_serve(
    truth: &Truth,
    journal: &Journal,
    storage: Storage,
    branch: Member,
) -> Result<(), Violation> {
    let in_memory = storage == Storage::Memory;
    let forgot_others = journal.is_lost() && !covers(journal.staged(), journal.ever_durable());
    let forgot = has_forgotten(truth, journal, branch) || forgot_others;
    require(Property::Amnesia, !(in_memory && forgot), || {
        format!(
            "{} serves, and came back with {} where it had acknowledged {}",
            name(branch),
            journal.staged(),
            journal.ever_durable()
        )
    })
}

/// A branch is still there when all have met.
pub(super) fn may_stay(truth: &Truth, journal: &Journal, branch: Member) -> Result<(), Violation> {
    require(Property::Amnesia, !has_forgotten(truth, journal, branch), || {
        format!(
            "in the end {} is not stopped, and came back without all {} entries of its log",
            name(branch),
            truth.length(branch).0
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::journal::Mark;
    use super::super::truth::tests::write;
    use super::*;
    use bank::{BranchId, Entry, Money, Seq};

    const ME: Member = Member(0);

    fn branch() -> (Truth, Journal) {
        let mut truth = Truth::new(1, Money::ZERO);
        write(&mut truth, 0, Entry::Deposit(Money::new(1)), &[0]);
        let mut journal = Journal::new(ME, 1);
        journal.append(Mark::Own);
        (truth, journal)
    }

    fn lost(result: Result<(), Violation>) {
        assert_eq!(result.expect_err("it lost its memory").property, Property::Amnesia);
    }

    #[test]
    fn a_branch_that_forgot_entries_must_not_go_on() {
        let (truth, mut journal) = branch();
        journal.cut(0);
        journal.lose();
        lost(may_write(&truth, &journal, ME));
        lost(may_stay(&truth, &journal, ME));
        lost(may_serve(&truth, &journal, Storage::Memory, ME));
        may_serve(&truth, &journal, Storage::Journal, ME).expect("nobody can know yet");
        let why = Stop::LostEntries { peer: BranchId(2), theirs: Seq(1), ours: Seq(0) };
        may_stop(&journal, ME, &why).expect("as it must");
    }

    #[test]
    fn a_branch_that_knows_everything_must_not_stop() {
        let (truth, journal) = branch();
        may_write(&truth, &journal, ME).expect("it knows everything");
        may_stay(&truth, &journal, ME).expect("it knows everything");
        may_serve(&truth, &journal, Storage::Memory, ME).expect("it knows everything");
        lost(may_stop(&journal, ME, &Stop::OtherLog { peer: BranchId(2) }));
    }

    #[test]
    fn a_branch_that_had_written_nothing_may_begin_anew_or_be_stopped() {
        let truth = Truth::new(1, Money::ZERO);
        let mut journal = Journal::new(ME, 1);
        journal.lose();
        may_write(&truth, &journal, ME).expect("it knows everything");
        may_serve(&truth, &journal, Storage::Memory, ME).expect("it knows everything");
        may_stop(&journal, ME, &Stop::OtherIncarnation { peer: BranchId(2) })
            .expect("another knew it");
    }

    #[test]
    fn a_branch_that_forgot_what_it_acknowledged_must_not_serve() {
        let truth = Truth::new(2, Money::ZERO);
        let mut journal = Journal::new(ME, 2);
        journal.append(Mark::Rows(vec![(Member(1), Seq(4))]));
        journal.sync_all();
        may_serve(&truth, &journal, Storage::Memory, ME).expect("it holds what it acknowledged");
        journal.cut(0);
        journal.lose();
        lost(may_serve(&truth, &journal, Storage::Memory, ME));
    }

    #[test]
    fn a_fork_is_never_right() {
        let (_, mut journal) = branch();
        journal.lose();
        let found =
            may_stop(&journal, ME, &Stop::Fork { origin: BranchId(3) }).expect_err("a fork");
        assert_eq!(found.property, Property::OneWriter);
    }
}
