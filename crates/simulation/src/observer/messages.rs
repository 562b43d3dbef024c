//! What branches say to each other.

use super::records::Observer;
use super::{Action, Violation, acknowledged, causal, durable, name, rows};
use bank::{BranchId, Member, Row, Version};
use check::Property;
use replication::passbook::{Message, Mismatch, Round};

impl Observer {
    /// A branch has sent a message.
    pub(crate) fn sent(
        &mut self,
        from: Member,
        to: Member,
        message: &Message,
    ) -> Result<(), Violation> {
        match message {
            Message::Hello(hello) => {
                let says = Action::of(from, "says hello with");
                acknowledged::is_true(&self.journals, says, from, &hello.durable)?;
                rows::is_true_chain(&self.truth, says, to, hello.your_log)
            }
            Message::Push { rows, .. } => {
                rows.iter().try_for_each(|row| self.row(Action::of(from, "pushes"), row))
            }
            Message::Acknowledge { durable, .. } => {
                let says = Action::of(from, "acknowledges");
                acknowledged::is_true(&self.journals, says, from, durable)
            }
            Message::Collect { id, round, known } => {
                self.asked.insert((from, *id, *round), known.clone());
                Ok(())
            }
            Message::Collected { id, round, rows } => {
                self.lets_see(Action::of(from, "lets its peers collect"), (to, *id, *round), rows)
            }
            Message::Held { held, .. } => {
                let says = Action::of(from, "says who holds a log:");
                held.iter().try_for_each(|(member, seq)| {
                    let mut of_one = Version::zero(self.truth.members());
                    of_one.raise(to, seq);
                    acknowledged::is_true(&self.journals, says, member, &of_one)
                })
            }
            Message::Prove { id, known } => {
                self.asked.insert((from, *id, Round::First), known.clone());
                Ok(())
            }
            Message::Proved { id, first, second } => {
                second.iter().try_for_each(|row| self.row(Action::of(from, "proves with"), row))?;
                self.lets_see(Action::of(from, "shows in a proof"), (to, *id, Round::First), first)
            }
            Message::Borrow { .. } | Message::Decline { .. } | Message::Unproved { .. } => Ok(()),
        }
    }

    /// A branch does not take another's hello. All are started alike, so this is always a violation.
    pub(crate) fn refused(by: Member, peer: BranchId, why: &Mismatch) -> Violation {
        let detail = format!("{} refuses branch {peer}, which {why}", name(by));
        Violation { property: Property::Amnesia, detail }
    }

    /// A ledger without what the one who asked for it sees already: together they are closed.
    fn lets_see(
        &mut self,
        action: Action,
        asked: (Member, u64, Round),
        rows: &[Row],
    ) -> Result<(), Violation> {
        rows.iter().try_for_each(|row| self.row(action, row))?;
        let known = self.asked.get(&asked).cloned();
        let mut together = known.unwrap_or_else(|| Version::zero(self.truth.members()));
        for row in rows {
            together.raise(row.origin, row.seq);
        }
        causal::is_closed(&self.truth, action, &together)
    }

    /// Somebody lets go of a row or takes it in.
    pub(super) fn row(&mut self, action: Action, row: &Row) -> Result<(), Violation> {
        rows::is_true(&self.truth, action, row)?;
        durable::may_be_seen(&self.truth, &self.journals, action, (row.origin, row.seq))?;
        self.shown.raise(row.origin, row.seq);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, NOW, broken, request};
    use super::*;
    use bank::{Chain, Money, Operation};
    use replication::passbook::{Record, Storage};

    /// Branch 0 has paid in 5, and it is durable if `synced`.
    fn scene(synced: bool) -> (Fixture, Row) {
        let mut scene = Fixture::new(Storage::Journal);
        scene.write(0, request(1, 1), Operation::deposit(5));
        if synced {
            scene.sync(0);
        }
        let row = scene.branches[0].own().clone();
        (scene, row)
    }

    fn taken_in(scene: &mut Fixture, row: Row) -> Option<Property> {
        broken(scene.observer.recorded(NOW, Member(1), &Record::Received { rows: vec![row] }))
    }

    fn pushed(scene: &mut Fixture, row: Row) -> Option<Property> {
        let push = Message::Push { rows: vec![row], unreachable: Vec::new() };
        broken(scene.observer.sent(Member(0), Member(1), &push))
    }

    #[test]
    fn only_true_and_durable_rows_travel() {
        let (mut scene, row) = self::scene(false);
        assert_eq!(pushed(&mut scene, row.clone()), Some(Property::DurableBeforeVisible));
        assert_eq!(taken_in(&mut scene, row), Some(Property::DurableBeforeVisible));
        let (mut scene, row) = self::scene(true);
        let other = Row { chain: Chain(1), ..row.clone() };
        assert_eq!(pushed(&mut scene, other.clone()), Some(Property::OneWriter));
        assert_eq!(taken_in(&mut scene, other), Some(Property::OneWriter));
        assert_eq!(pushed(&mut scene, row.clone()), None);
        assert_eq!(taken_in(&mut scene, row), None);
    }

    #[test]
    fn a_branch_that_refuses_one_that_was_started_like_it_is_found() {
        let why = Mismatch::Opening { theirs: Money::new(5), ours: Money::new(6) };
        let found = Observer::refused(Member(0), BranchId(2), &why);
        assert_eq!(found.property, Property::Amnesia);
    }
}
