//! What is judged when a branch has taken in an input, when it ends, and when everything has ended.

use std::sync::Arc;

use super::accounted::Acknowledged;
use super::timeline::Moment;
use super::watch::Judge;
use super::{
    Deed, Property, Violation, amnesia, closed, convergence, durable, endings, entries, name,
    refusals, rights, rows, value,
};
use bank::{Chain, Ledger, Member, Money, Operation, RequestId, Row, Seq, Version};
use replication::passbook::Storage;
use replication::{Passbook, Replication as _};

/// What a branch shows of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) visible: &'a Ledger,
    pub(super) staged: &'a Row,
    pub(super) durable: &'a Version,
    pub(super) is_ready: bool,
    pub(super) open_requests: usize,
    /// The lowest balance that it tells auditors.
    pub(super) lowest: Money,
}

impl<'a> View<'a> {
    pub(super) fn of(replica: &'a Passbook) -> Self {
        Self {
            visible: replica.visible(),
            staged: replica.staged(),
            durable: replica.durable(),
            is_ready: replica.is_ready(),
            open_requests: replica.open_requests(),
            lowest: replica.stats().lowest_balance,
        }
    }
}

/// What a branch showed when it was last looked at.
#[derive(Debug)]
pub(super) struct Seen {
    visible: Version,
    staged: (Seq, Chain),
}

/// What a branch has said of the whole cluster in the step that it is in. Its own entries may have become
/// visible in the same step, so it is decided when the step is over.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) branch: Member,
    pub(super) request: RequestId,
    pub(super) since: Moment,
    pub(super) what: Claimed,
}

/// That there was too little money, or that this was all of it.
#[derive(Debug)]
pub(super) enum Claimed {
    TooLittle(Operation),
    Snapshot(Arc<Version>),
}

impl Judge {
    /// A branch has finished a step.
    pub(super) fn look(&mut self, branch: Member, view: &View<'_>) -> Result<(), Violation> {
        let disk = &self.disks[branch.index()];
        let forgotten = amnesia::has_forgotten(&self.truth, disk, branch);
        if view.is_ready {
            amnesia::may_serve(&self.truth, disk, self.storage, branch)?;
        }
        // A branch that does not serve yet shows nothing, and one that lost entries shows less than it did.
        if view.is_ready && !forgotten {
            durable::is_true(disk, branch, view.durable)?;
            let seen = self.seen[branch.index()].as_ref();
            let staged = (view.staged.seq, view.staged.chain);
            let unchanged = seen.is_some_and(|seen| {
                seen.visible == **view.visible.version() && seen.staged == staged
            });
            if !unchanged {
                self.inspect(branch, view)?;
                let visible = Version::clone(view.visible.version());
                self.shown.join(&visible);
                self.timeline.publish(&self.truth, branch, visible.of(branch));
                self.seen[branch.index()] = Some(Seen { visible, staged });
            }
        }
        self.decide(branch)
    }

    fn inspect(&self, branch: Member, view: &View<'_>) -> Result<(), Violation> {
        let shows = Deed::of(branch, "shows");
        let version = view.visible.version();
        let disk = &self.disks[branch.index()];
        closed::whole(&self.truth, shows, view.visible.rows())?;
        let seen = self.seen[branch.index()].as_ref();
        for row in view.visible.rows() {
            let before = seen.map(|seen| seen.visible.of(row.origin));
            if before == Some(row.seq) {
                continue;
            }
            rows::is_true(&self.truth, shows, row)?;
            rows::has_not_shrunk(shows, row.origin, before.unwrap_or_default(), row.seq)?;
            let row = (row.origin, row.seq);
            durable::may_be_seen(&self.truth, &self.disks, shows, row)?;
        }
        // Received rows may be lost in a crash, what took effect of the own log may not.
        let effective = self.timeline.length(branch);
        rows::has_not_shrunk(shows, branch, effective, version.of(branch))?;
        durable::is_written_down(disk, shows, version)?;
        closed::is_closed(&self.truth, shows, version)?;
        value::adds_up(&self.truth, shows, view.visible)?;
        rights::are_kept(&self.truth, shows, version)?;
        rights::no_debt_is_told(branch, view.lowest)?;

        let stages = Deed::of(branch, "has written down");
        rows::is_true(&self.truth, stages, view.staged)?;
        let (length, staged) = (self.truth.length(branch), view.staged);
        Property::OneWriter.unless(staged.origin == branch && staged.seq == length, || {
            format!(
                "{stages} {} of {}, and wrote {} of its own",
                entries(staged.seq),
                name(staged.origin),
                length.0
            )
        })?;
        if staged.seq != version.of(branch) {
            let mut version = Version::clone(version);
            version.raise(branch, staged.seq);
            rights::are_kept(&self.truth, stages, &version)?;
        }
        Ok(())
    }

    /// Decides what a branch has said of the whole cluster.
    pub(super) fn decide(&mut self, branch: Member) -> Result<(), Violation> {
        for claim in self.claims.extract_if(.., |claim| claim.branch == branch) {
            match claim.what {
                Claimed::TooLittle(operation) => {
                    refusals::is_due(&self.timeline, claim.request, operation, claim.since)?;
                }
                Claimed::Snapshot(version) => refusals::was_true(
                    &self.truth,
                    &self.timeline,
                    claim.request,
                    claim.since,
                    &version,
                )?,
            }
        }
        Ok(())
    }

    /// A branch ends in the middle of a step, and what it has not answered with it.
    pub(super) fn close(&mut self, branch: Member) -> Result<(), Violation> {
        // That step may have shown what is durable, and it cannot be lost any more.
        let durable = self.disks[branch.index()].durable().of(branch);
        self.timeline.publish(&self.truth, branch, durable);
        self.tickets.end(branch);
        self.seen[branch.index()] = None;
        self.decide(branch)
    }

    /// A branch's process has ended, with `surviving` records in its journal.
    pub(super) fn end(&mut self, branch: Member, surviving: usize) -> Result<(), Violation> {
        self.close(branch)?;
        let disk = &mut self.disks[branch.index()];
        match self.storage {
            Storage::Memory => {
                disk.cut(0);
                disk.lose();
            }
            Storage::Journal => disk.cut(surviving),
        }
        if !disk.is_lost() {
            let left = disk.staged().of(branch);
            let seen = self.shown.of(branch).max(self.timeline.length(branch));
            durable::nothing_seen_is_lost(branch, left, seen)?;
            for lost in self.truth.cut(branch, left) {
                lost.request.into_iter().for_each(|request| self.requests.vanish(request));
            }
        }
        Ok(())
    }

    /// Everything has ended.
    pub(super) fn finish(&mut self, alive: &[(Member, View<'_>)]) -> Result<(), Violation> {
        for (branch, view) in alive {
            amnesia::may_stay(&self.truth, &self.disks[branch.index()], *branch)?;
            self.look(*branch, view)?;
            endings::none_is_open(*branch, view.open_requests)?;
            if self.storage == Storage::Journal {
                convergence::serves(*branch, view)?;
            }
        }
        self.tickets.are_answered()?;
        convergence::is_reached(&self.truth, alive)?;
        let Some((_, last)) = alive.first() else {
            return Ok(());
        };
        let dead = self.truth.members().saturating_sub(alive.len());
        let kept = |write: &Acknowledged| write.is_kept(dead, last.visible.version());
        self.acknowledged.iter().try_for_each(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{Double, Scene, broken, request};
    use super::*;
    use bank::{Entry, Money};

    /// Branch 0 has paid in 5, branch 1 has seen that and paid in 1.
    fn scene(storage: Storage) -> Scene {
        let mut scene = Scene::new(storage);
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
        assert_eq!(found(|it| it.durable.raise(Member(0), Seq(2))), Some(Property::Durable));
        let mut scene = scene(Storage::Journal);
        scene.write(1, request(2, 2), Operation::deposit(1));
        let own = scene.branches[1].staged.clone();
        scene.branches[1].visible.join(&own).expect("one log");
        assert_eq!(broken(scene.look(1)), Some(Property::Durable), "its own");
        let foreign = scene.branches[1].visible.rows()[1].clone();
        scene.judge.synced(Member(1), u64::MAX);
        scene.branches[0].visible.join(&foreign).expect("one log");
        assert_eq!(broken(scene.look(0)), Some(Property::Durable), "not written down");
    }

    #[test]
    fn an_own_entry_that_took_effect_is_not_missing_after_a_crash() {
        let mut scene = scene(Storage::Journal);
        scene.look(0).expect("as it should be");
        scene.judge.crashed(Member(0), 9).expect("all is durable");
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
        assert_eq!(found, Some(Property::Closed));
    }

    #[test]
    fn a_ledger_of_another_cluster_is_found() {
        let found = found(|it| it.visible = Double::new(1, 3, 20).visible);
        assert_eq!(found, Some(Property::Closed));
    }

    #[test]
    fn a_balance_that_is_not_that_of_the_rows_is_found() {
        let found = found(|it| {
            let rows = it.visible.rows().to_vec();
            it.visible = Double::new(1, 2, 21).visible;
            for row in &rows {
                it.take(row);
            }
        });
        assert_eq!(found, Some(Property::Value));
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
        let mut scene = Scene::new(Storage::Memory);
        let grant = Entry::Grant { to: Member(1), amount: Money::new(11) };
        scene.try_write(0, grant, None).expect("the next entry");
        assert_eq!(broken(scene.finish()), Some(Property::Rights));
        assert_eq!(broken(scene.look(0)), Some(Property::Rights));
    }
}
