//! What is judged when a branch has taken in an input, when it ends, and when everything has ended.

use super::records::Observer;
use super::{
    Action, Violation, amnesia, causal, durable, entries, name, requests, require, rights, rows,
};
use bank::{Chain, Ledger, Member, Row, Seq, Version};
use check::Property;
use replication::Passbook;
use replication::passbook::Storage;

/// What a branch shows of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(super) visible: &'a Ledger,
    pub(super) staged: &'a Row,
    pub(super) durable: &'a Version,
    pub(super) is_ready: bool,
    pub(super) open_requests: usize,
}

impl<'a> View<'a> {
    pub(crate) fn of(replica: &'a Passbook) -> Self {
        Self {
            visible: replica.visible(),
            staged: replica.staged(),
            durable: replica.durable(),
            is_ready: replica.is_ready(),
            open_requests: replica.open_requests(),
        }
    }
}

/// What a branch showed when it was last looked at.
#[derive(Debug)]
pub(super) struct LastView {
    visible: Version,
    staged: (Seq, Chain),
}

impl Observer {
    /// A branch has taken in an input, and the observer was told of its effects.
    pub(crate) fn look(&mut self, branch: Member, view: &View<'_>) -> Result<(), Violation> {
        let journal = &self.journals[branch.index()];
        if view.is_ready {
            amnesia::may_serve(&self.truth, journal, self.storage, branch)?;
        }
        // A branch that does not serve yet shows nothing, and one that lost entries shows less than it did.
        if !view.is_ready || amnesia::has_forgotten(&self.truth, journal, branch) {
            return Ok(());
        }
        durable::is_true(journal, branch, view.durable)?;
        let staged = (view.staged.seq, view.staged.chain);
        let seen = self.seen[branch.index()].as_ref();
        if seen
            .is_some_and(|seen| seen.visible == **view.visible.version() && seen.staged == staged)
        {
            return Ok(());
        }
        self.inspect(branch, view)?;
        let visible = Version::clone(view.visible.version());
        for (member, seq) in visible.iter() {
            self.shown.raise(member, seq);
        }
        self.effective.raise(branch, visible.of(branch));
        self.seen[branch.index()] = Some(LastView { visible, staged });
        Ok(())
    }

    fn inspect(&self, branch: Member, view: &View<'_>) -> Result<(), Violation> {
        let shows = Action::of(branch, "shows");
        let version = view.visible.version();
        causal::whole(&self.truth, shows, view.visible.rows())?;
        let seen = self.seen[branch.index()].as_ref();
        for row in view.visible.rows() {
            let before = seen.map(|seen| seen.visible.of(row.origin));
            if before == Some(row.seq) {
                continue;
            }
            rows::is_true(&self.truth, shows, row)?;
            rows::has_not_shrunk(shows, row.origin, before.unwrap_or_default(), row.seq)?;
            durable::may_be_seen(&self.truth, &self.journals, shows, (row.origin, row.seq))?;
        }
        // Received rows may be lost in a crash, what took effect of the own log may not.
        rows::has_not_shrunk(shows, branch, self.effective.of(branch), version.of(branch))?;
        durable::is_written_down(&self.journals[branch.index()], shows, version)?;
        causal::is_closed(&self.truth, shows, version)?;
        rights::are_kept(&self.truth, shows, version)?;

        let stages = Action::of(branch, "has written down");
        rows::is_true(&self.truth, stages, view.staged)?;
        let (length, staged) = (self.truth.length(branch), view.staged);
        require(Property::OneWriter, staged.origin == branch && staged.seq == length, || {
            let (staged, origin) = (entries(staged.seq), name(staged.origin));
            format!("{stages} {staged} of {origin}, and wrote {length} of its own")
        })?;
        let mut with_staged = Version::clone(version);
        with_staged.raise(branch, staged.seq);
        rights::are_kept(&self.truth, stages, &with_staged)
    }

    /// A branch ends in the middle of a step, and what it has not answered with it.
    pub(super) fn close(&mut self, branch: Member) {
        // That step may have shown what is durable, and it cannot be lost any more.
        let durable = self.journals[branch.index()].durable().of(branch);
        self.effective.raise(branch, durable);
        self.tickets.end(branch);
        self.seen[branch.index()] = None;
    }

    /// A branch's process has ended. `surviving` records of its journal will be read at the next start; they
    /// include all that were synced. In memory mode the branch is gone for good: if it is started again
    /// and had written to its log, it must stop before it serves.
    pub(crate) fn crashed(&mut self, branch: Member, surviving: usize) -> Result<(), Violation> {
        self.close(branch);
        let journal = &mut self.journals[branch.index()];
        match self.storage {
            Storage::Memory => {
                journal.cut(0);
                journal.lose();
            }
            Storage::Journal => journal.cut(surviving),
        }
        if journal.is_lost() {
            return Ok(());
        }
        let left = journal.staged().of(branch);
        let seen = self.shown.of(branch).max(self.effective.of(branch));
        durable::nothing_seen_is_lost(branch, left, seen)?;
        self.truth.cut(branch, left);
        Ok(())
    }

    /// Everything has healed and nothing moves any more. `alive` are the branches that serve; the others
    /// were stopped for good. A branch in memory that came back is among them unless it has stopped, or
    /// nobody is left who knew it before. What they then hold is compared by `check`.
    pub(crate) fn finish<'a>(
        &mut self,
        alive: impl IntoIterator<Item = (Member, View<'a>)>,
    ) -> Result<(), Violation> {
        for (branch, view) in alive {
            amnesia::may_stay(&self.truth, &self.journals[branch.index()], branch)?;
            self.look(branch, &view)?;
            requests::none_is_open(branch, view.open_requests)?;
            // In memory mode one may have died before the others met it, and those then wait for it forever.
            require(
                Property::Convergence,
                view.is_ready || self.storage == Storage::Memory,
                || format!("in the end {} does not serve", name(branch)),
            )?;
            let (version, length) = (view.visible.version(), self.truth.length(branch));
            let is_settled = version.of(branch) == length && view.durable == &**version;
            require(Property::Convergence, is_settled, || {
                format!(
                    "in the end {} shows {version}, has {} on disk, and wrote {length} entries",
                    name(branch),
                    view.durable
                )
            })?;
        }
        self.tickets.are_answered()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Double, Fixture, broken, request};
    use super::*;
    use bank::{Entry, Money, Operation};

    /// Branch 0 has paid in 5, branch 1 has seen that and paid in 1.
    fn scene(storage: Storage) -> Fixture {
        let mut scene = Fixture::new(storage);
        scene.write(0, request(1, 1), Operation::deposit(5));
        scene.sync(0);
        scene.push(0, 1, 0).expect("durable");
        scene.write(1, request(2, 1), Operation::deposit(1));
        scene.sync(1);
        scene
    }

    /// What is found when branch 1, which showed nothing before, shows itself as `change` makes it.
    fn found(change: impl FnOnce(&mut Double)) -> Option<Property> {
        let mut scene = scene(Storage::Journal);
        change(&mut scene.branches[1]);
        broken(scene.look(1))
    }

    #[test]
    fn a_branch_as_it_should_be_is_let_pass() {
        assert_eq!(found(|_| {}), None);
    }

    #[test]
    fn more_than_its_disk_has_is_found() {
        assert_eq!(
            found(|it| it.durable.raise(Member(0), Seq(2))),
            Some(Property::DurableBeforeVisible)
        );
        let mut scene = scene(Storage::Journal);
        scene.write(1, request(2, 2), Operation::deposit(1));
        let own = scene.branches[1].staged.clone();
        scene.branches[1].visible.join(&own).expect("one log");
        assert_eq!(broken(scene.look(1)), Some(Property::DurableBeforeVisible), "its own");
        let foreign = scene.branches[1].visible.rows()[1].clone();
        scene.observer.synced(Member(1), usize::MAX);
        scene.branches[0].visible.join(&foreign).expect("one log");
        assert_eq!(broken(scene.look(0)), Some(Property::DurableBeforeVisible), "not written down");
    }

    #[test]
    fn an_own_entry_that_took_effect_is_not_missing_after_a_crash() {
        let mut scene = scene(Storage::Journal);
        scene.look(0).expect("as it should be");
        scene.observer.crashed(Member(0), 9).expect("all is durable");
        let fresh = Double::new(0, 2, 20);
        scene.branches[0].visible = fresh.visible;
        assert_eq!(broken(scene.look(0)), Some(Property::OneWriter));
    }

    #[test]
    fn its_own_entry_without_what_it_depends_on_is_found() {
        let found = found(|it| {
            it.visible = Double::new(1, 2, 20).visible;
            it.publish();
        });
        assert_eq!(found, Some(Property::Causal));
    }

    #[test]
    fn a_ledger_of_another_cluster_is_found() {
        let found = found(|it| it.visible = Double::new(1, 3, 20).visible);
        assert_eq!(found, Some(Property::Causal));
    }

    #[test]
    fn another_staged_row_than_what_was_written_is_found() {
        let another = found(|it| it.staged.chain = Chain(1));
        assert_eq!(another, Some(Property::OneWriter));
        let shorter = found(|it| it.staged = Row::empty(Member(1)));
        assert_eq!(shorter, Some(Property::OneWriter));
        let foreign = found(|it| it.staged = it.visible.rows()[0].clone());
        assert_eq!(foreign, Some(Property::OneWriter));
    }

    #[test]
    fn an_overdraft_that_nobody_looked_at_is_found_in_the_end() {
        let mut scene = Fixture::new(Storage::Memory);
        let grant = Entry::Grant { to: Member(1), amount: Money::new(11) };
        scene.try_write(0, grant, None).expect("the next entry");
        assert_eq!(broken(scene.finish()), Some(Property::Rights));
        assert_eq!(broken(scene.look(0)), Some(Property::Rights));
    }
}
