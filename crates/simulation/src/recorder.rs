//! Records what customers see as a `history::Run`, and has it judged by `check`.
//!
//! Simulated customers mix read modes, and what a run promises follows from the weakest of them. So a run is judged once
//! for each mode: all writes, and the queries that are at least as strong. Leaving out queries changes no write, so each
//! of these is a run of its own. That with snapshots only is made in any case: refusals have to be linearizable too.

use bank::{Ack, CustomerId, Member, Operation, Outcome, Read, Seq, StatusCode, Version};
use check::{Property, Verdict};
use history::{
    Customers, FinalState, Header, InvalidRecord, Logged, OwnedRecord, Run, Server, Settings,
};
use replication::{Instant, Passbook, Replication as _};

use super::customers::{CustomerRequest, Response};
use super::network::branch_id;
use super::observer::{Observer, Violation};
use super::plan::Plan;

/// From the weakest to the strongest.
const READS: [Read; 3] = [Read::Local, Read::Session, Read::Snapshot];

#[derive(Debug)]
struct SeenOperation {
    record: OwnedRecord,
    /// The place in [`READS`] of the mode of a query. `None` for a write.
    strength: Option<usize>,
}

/// What customers have seen so far.
#[derive(Debug)]
pub(super) struct Recorder {
    /// By customer.
    seen: Vec<Vec<SeenOperation>>,
    /// The weakest acknowledgement level of all writes.
    ack: Ack,
}

/// How a log is handed to `check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Logs {
    /// As the observer knows it, also where no branch has it any more.
    True,
    /// As an auditor finds it: that of a branch that is gone is lost.
    Found,
}

impl Recorder {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { seen: plan.customers.iter().map(|_| Vec::new()).collect(), ack: Ack::All }
    }

    /// A customer begins an operation.
    pub(super) fn begins(&mut self, who: usize, now: Instant, first: &CustomerRequest) {
        let (request, step) = (first.attempt.request, first.step);
        let seen = &mut self.seen[who];
        let customer = CustomerId(number(who + 1));
        let (position, branch) = (number(seen.len() + 1), branch_id(step.branch));
        let record = OwnedRecord::new(customer, position, branch, step.operation, Outcome::Unknown);
        let record = OwnedRecord {
            session: request.session,
            number: request.number,
            invoked: nanos(now),
            completed: None,
            code: StatusCode::DeadlineExceeded,
            ..record
        };
        let is_query = step.operation == Operation::Query;
        let strength = READS.iter().position(|read| is_query && *read == step.read);
        if !is_query {
            let weaker = Ack::ALL.iter().find(|ack| [step.ack, self.ack].contains(ack));
            self.ack = weaker.copied().unwrap_or_default();
        }
        seen.push(SeenOperation { record, strength });
    }

    /// A customer takes an answer as final. One that says "unknown" is none.
    pub(super) fn takes(&mut self, who: usize, now: Instant, response: &Response) {
        let Response { attempt, answer, receipt } = response;
        let receipt = receipt.as_ref();
        let Some(SeenOperation { record, .. }) = self.seen[who].last_mut() else { return };
        record.attempt = attempt.attempt;
        if answer.outcome == Outcome::Unknown {
            return;
        }
        record.completed = Some(nanos(now));
        (record.outcome, record.code) = (answer.outcome, StatusCode::Ok);
        record.balance = answer.balance;
        record.seq = receipt.and_then(|receipt| receipt.seq);
        record.version = receipt.map(|receipt| seqs(&receipt.version));
        record.at_most = receipt.and_then(|receipt| receipt.at_most.as_deref()).map(seqs);
    }

    /// Everything has ended: the first promise to customers that was broken, if any was.
    pub(super) fn judge(
        &self,
        plan: &Plan,
        observer: &Observer,
        alive: &[(Member, &Passbook)],
    ) -> Result<(), Violation> {
        let all = alive.len() == usize::from(plan.branches);
        let occurs = |strength: usize| {
            self.seen.iter().flatten().any(|seen| seen.strength == Some(strength))
        };
        let found = (!all).then_some((0, Logs::Found));
        let strengths = (0..READS.len()).filter(|at| *at + 1 == READS.len() || occurs(*at));
        for (strength, logs) in strengths.map(|strength| (strength, Logs::True)).chain(found) {
            // What a branch that is gone took along is in its log, and not in what the others hold.
            let finals = if all || logs == Logs::Found { alive } else { &[] };
            let run = self.run(plan, observer, (strength, logs), finals);
            broken_promise(&run.map_err(|why| invalid(&why))?)?;
        }
        Ok(())
    }

    fn run(
        &self,
        plan: &Plan,
        observer: &Observer,
        (strength, logs): (usize, Logs),
        alive: &[(Member, &Passbook)],
    ) -> Result<Run, InvalidRecord> {
        let settings = Settings {
            server: Server::Passbook,
            ack: self.ack,
            read: READS[strength],
            customers: Customers::Many,
        };
        let header = Header::new(settings, plan.opening, plan.members().map(branch_id));
        let mut run = Run::new(header);
        let strong = |seen: &&SeenOperation| seen.strength.is_none_or(|found| found >= strength);
        for SeenOperation { record, .. } in self.seen.iter().flatten().filter(strong) {
            run.history.push(record)?;
        }
        for (member, log) in plan.members().zip(observer.logs()) {
            let gone = !alive.iter().any(|(branch, _)| *branch == member);
            if logs == Logs::Found && gone {
                continue;
            }
            for (seq, written) in (1..).map(Seq).zip(log) {
                let version = seqs(&written.dependencies);
                let (entry, request) = (written.entry, written.request);
                let logged = Logged { seq, entry, request, version: Some(&version) };
                run.ledgers.push(member, &logged)?;
            }
            run.ledgers.whole(member);
        }
        run.finals = alive.iter().map(|(branch, replica)| final_state(*branch, replica)).collect();
        Ok(run)
    }
}

fn final_state(member: Member, replica: &Passbook) -> FinalState {
    let stats = replica.stats();
    FinalState {
        branch: branch_id(member),
        balance: stats.balance,
        lowest_balance: Some(stats.lowest_balance),
        settled: true,
        version: Some(Version::clone(replica.visible().version())),
    }
}

/// The first violation of what the settings of the run promise.
fn broken_promise(run: &Run) -> Result<(), Violation> {
    let judged = check::judge(run).into_iter();
    let mut broken =
        judged.filter(|judged| judged.promised && judged.finding.verdict == Verdict::Fail);
    broken.next().map_or(Ok(()), |judged| {
        let property = judged.finding.property;
        let first = judged.finding.violations.into_iter().next();
        let detail = first.map_or(judged.finding.note, |violation| violation.description);
        Err(Violation { property, detail })
    })
}

/// An answer that does not fit into the run, such as one with a version of another cluster.
fn invalid(why: &InvalidRecord) -> Violation {
    Violation { property: Property::Causal, detail: format!("an answer is invalid: {why}") }
}

fn seqs(version: &Version) -> Vec<u64> {
    version.iter().map(|(_, seq)| seq.0).collect()
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn nanos(instant: Instant) -> u64 {
    u64::try_from(instant.0.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::observer::fixture::{Fixture, operation, request};
    use super::super::plan::FaultProfile;
    use super::*;
    use bank::Rejection;
    use replication::passbook::Storage;

    /// Customers of two branches that began with 20, and what the branches wrote.
    struct Recording {
        plan: Plan,
        scene: Fixture,
        recorder: Recorder,
        now: u64,
    }

    impl Recording {
        fn new() -> Self {
            let mut plan = Plan::from_seed(1, Some(FaultProfile::Healthy));
            plan.branches = 2;
            plan.opening = bank::Money::new(20);
            let scene = Fixture::new(Storage::Memory);
            Self { recorder: Recorder::new(&plan), plan, scene, now: 0 }
        }

        fn instant(&mut self) -> Instant {
            self.now += 1;
            Instant(std::time::Duration::from_micros(self.now))
        }

        /// An operation that is answered from what the branch shows, after `meanwhile`.
        fn ask(
            &mut self,
            new: &CustomerRequest,
            outcome: Outcome,
            meanwhile: impl FnOnce(&mut Fixture) -> Option<u64>,
        ) {
            let now = self.instant();
            let who = usize::try_from(new.attempt.request.session.0 - 1).expect("few");
            self.recorder.begins(who, now, new);
            self.scene.ask(new);
            let seq = meanwhile(&mut self.scene);
            let (mut answer, receipt) = self.scene.answer(new.step.branch.0, seq, 2);
            answer.outcome = outcome;
            let now = self.instant();
            let attempt = new.attempt;
            self.recorder.takes(who, now, &Response { attempt, answer, receipt: Some(receipt) });
        }

        /// Customer `who` pays in 5 at a branch, which alone knows it.
        fn deposit(&mut self, who: u64, number: u64, branch: u16) {
            let deposit = operation(request(who, number), branch, Operation::deposit(5));
            self.ask(&deposit, Outcome::Ok, |scene| {
                let entry = bank::Entry::Deposit(bank::Money::new(5));
                let request = Some(deposit.attempt.request);
                scene.try_write(branch, entry, request).expect("the next entry");
                Some(scene.branches[usize::from(branch)].own().seq.0)
            });
        }

        fn query(&mut self, who: u64, number: u64, branch: u16, read: Read) {
            let mut query = operation(request(who, number), branch, Operation::Query);
            query.step.read = read;
            self.ask(&query, Outcome::Ok, |_| None);
        }

        fn broken(&self) -> Option<Property> {
            let found = self.recorder.judge(&self.plan, &self.scene.observer, &[]);
            found.err().map(|violation| violation.property)
        }
    }

    #[test]
    fn each_query_is_held_to_its_own_read_mode() {
        for (read, expected) in [
            (Read::Local, None),
            (Read::Session, Some(Property::ReadYourWrites)),
            (Read::Snapshot, Some(Property::ReadYourWrites)),
        ] {
            let mut recording = Recording::new();
            recording.deposit(1, 1, 0);
            recording.query(1, 2, 1, read);
            assert_eq!(recording.broken(), expected, "{read:?}");
        }
    }

    #[test]
    fn only_snapshots_have_to_show_what_others_did() {
        for (read, expected) in
            [(Read::Session, None), (Read::Snapshot, Some(Property::Linearizable))]
        {
            let mut recording = Recording::new();
            recording.deposit(1, 1, 0);
            recording.query(2, 1, 1, read);
            recording.query(2, 2, 1, Read::Local);
            assert_eq!(recording.broken(), expected, "{read:?}");
        }
    }

    #[test]
    fn refusal_is_judged_whatever_queries_there_are() {
        let refused = |amount| {
            let mut recording = Recording::new();
            recording.query(1, 1, 0, Read::Local);
            let withdraw = operation(request(2, 1), 0, Operation::withdraw(amount));
            let insufficient = Outcome::Rejected(Rejection::InsufficientFunds);
            recording.ask(&withdraw, insufficient, |_| None);
            recording.broken()
        };
        assert_eq!(refused(21), None);
        assert_eq!(refused(20), Some(Property::BalanceBounds));
    }

    #[test]
    fn unanswered_write_may_be_in_the_log_or_not() {
        for is_written in [false, true] {
            let mut recording = Recording::new();
            recording.query(2, 1, 1, Read::Session);
            let deposit = operation(request(1, 1), 0, Operation::deposit(5));
            recording.ask(&deposit, Outcome::Unknown, |scene| {
                let entry = bank::Entry::Deposit(bank::Money::new(5));
                let request = is_written.then_some(deposit.attempt.request)?;
                scene.try_write(0, entry, Some(request)).expect("the next entry");
                None
            });
            assert_eq!(recording.broken(), None);
        }
    }
}
