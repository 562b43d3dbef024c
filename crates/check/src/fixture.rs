//! Short runs for the tests of the properties.

use crate::judge::examine;
use crate::properties::CHECKS;
use crate::{Finding, Property, RunIndex, Verdict};
use bank::{Ack, Read};
use bank::{
    BranchId, CustomerId, Entry, Member, Money, Operation, Outcome, Rejection, RequestId, Seq,
    SessionId, Version,
};
use history::{
    BranchOrigin, ErrorLimit, FinalState, Header, Ledgers, Logged, OperationRecord, Run,
};
use history::{Customers, ReferenceModel, Server, Settings};

/// A run that is written down by hand. Branches are 1, 2, …; a customer has one session.
#[derive(Clone)]
pub(crate) struct Fixture {
    pub(crate) settings: Settings,
    pub(crate) reference_model: Option<ReferenceModel>,
    pub(crate) opening: i64,
    pub(crate) calls: Vec<OperationRecord<'static>>,
    pub(crate) logs: Vec<Vec<Logged<'static>>>,
    /// Logs that are missing, and logs that may lack their end.
    pub(crate) lost: Vec<usize>,
    pub(crate) cut: Vec<usize>,
    pub(crate) complete: bool,
    pub(crate) finals: Option<Vec<FinalState>>,
    pub(crate) rights: Option<Vec<i64>>,
    pub(crate) error_limit: Option<ErrorLimit>,
}

/// An answered call of `customer` at `branch`, from `at.0` to `at.1` milliseconds.
pub(crate) fn ok(
    customer: u64,
    operation: Operation,
    branch: u32,
    at: (u64, u64),
) -> OperationRecord<'static> {
    let asked =
        OperationRecord::new(CustomerId(customer), 0, BranchId(branch), operation, Outcome::Ok);
    OperationRecord {
        session: SessionId(customer * 100),
        invoked: at.0 * 1_000_000,
        completed: Some(at.1 * 1_000_000),
        ..asked
    }
}

/// A query of `customer` that shows a balance and no version.
pub(crate) fn read(customer: u64, balance: i64) -> OperationRecord<'static> {
    let balance = Some(Money::new(balance));
    OperationRecord { balance, ..ok(customer, Operation::Query, 1, (0, 1)) }
}

/// The same, refused for insufficient funds.
pub(crate) fn refused(
    customer: u64,
    operation: Operation,
    branch: u32,
    at: (u64, u64),
) -> OperationRecord<'static> {
    let outcome = Outcome::Rejected(Rejection::InsufficientFunds);
    OperationRecord { outcome, ..ok(customer, operation, branch, at) }
}

/// The same, never answered.
pub(crate) fn unanswered(
    customer: u64,
    operation: Operation,
    branch: u32,
    at: u64,
) -> OperationRecord<'static> {
    OperationRecord {
        outcome: Outcome::Unknown,
        completed: None,
        ..ok(customer, operation, branch, (at, at))
    }
}

/// What an answer carries beside its outcome.
pub(crate) trait Shown {
    /// The sequence number of the write's log entry.
    fn entry(self, seq: u64) -> Self;
    /// The version, and the balance that it makes.
    fn shows(self, version: &'static [u64], balance: i64) -> Self;
    /// The upper end of a refusal's proof.
    fn at_most(self, version: &'static [u64]) -> Self;
}

impl Shown for OperationRecord<'static> {
    fn entry(self, seq: u64) -> Self {
        Self { seq: Some(Seq(seq)), ..self }
    }

    fn shows(self, version: &'static [u64], balance: i64) -> Self {
        Self { version: Some(version), balance: Some(Money::new(balance)), ..self }
    }

    fn at_most(self, version: &'static [u64]) -> Self {
        Self { at_most: Some(version), ..self }
    }
}

/// An entry for request `number` of `customer`, made upon `version`.
pub(crate) fn logged(
    seq: u64,
    entry: Entry,
    (customer, number): (u64, u64),
    version: &'static [u64],
) -> Logged<'static> {
    let request = Some(RequestId { session: SessionId(customer * 100), number });
    Logged { seq: Seq(seq), entry, request, version: Some(version) }
}

pub(crate) fn granted(seq: u64, to: u16, amount: i64, version: &'static [u64]) -> Logged<'static> {
    let entry = Entry::Grant { to: Member(to), amount: Money::new(amount) };
    Logged { seq: Seq(seq), entry, request: None, version: Some(version) }
}

pub(crate) const fn paid_in(amount: i64) -> Entry {
    Entry::Deposit(Money::new(amount))
}

pub(crate) const fn paid_out(amount: i64) -> Entry {
    Entry::Withdraw(Money::new(amount))
}

impl Fixture {
    pub(crate) fn new(opening: i64, branches: usize) -> Self {
        Self {
            settings: Settings {
                server: Server::Passbook,
                ack: Ack::All,
                read: Read::Session,
                customers: Customers::Many,
            },
            reference_model: None,
            opening,
            calls: Vec::new(),
            logs: vec![Vec::new(); branches],
            lost: Vec::new(),
            cut: Vec::new(),
            complete: true,
            finals: None,
            rights: None,
            error_limit: Some(ErrorLimit { max_share: 0.01, branches: BranchOrigin::Started }),
        }
    }

    /// Two branches and two customers; nothing is wrong.
    pub(crate) fn healthy() -> Self {
        let mut scene = Self::new(100, 2);
        scene.calls = vec![
            ok(1, Operation::deposit(50), 1, (0, 2)).entry(1).shows(&[1, 0], 150),
            ok(1, Operation::Query, 2, (3, 4)).shows(&[1, 0], 150),
            ok(2, Operation::Query, 2, (3, 5)).shows(&[1, 0], 150),
            ok(2, Operation::withdraw(20), 2, (6, 8)).entry(1).shows(&[1, 1], 130),
            ok(2, Operation::Query, 1, (9, 10)).shows(&[1, 1], 130),
            refused(1, Operation::withdraw(500), 1, (11, 12)).shows(&[1, 1], 130),
        ];
        scene.logs[0] = vec![logged(1, paid_in(50), (1, 1), &[0, 0])];
        scene.logs[1] = vec![logged(1, paid_out(20), (2, 2), &[1, 0])];
        scene
    }

    /// The run, with the operations of each session numbered from 1.
    pub(crate) fn run(&self) -> Run {
        let branches: Vec<BranchId> = (1..).take(self.logs.len()).map(BranchId).collect();
        let finals = self.finals.clone().unwrap_or_else(|| self.settled(&branches));
        let header = Header {
            rights: self.rights.clone(),
            reference_model: self.reference_model,
            error_limit: self.error_limit,
            ..Header::new(self.settings, Money::new(self.opening), branches)
        };
        let mut run = Run { ledgers: self.ledgers(), finals, ..Run::new(header) };
        for (place, call) in self.calls.iter().enumerate() {
            let before = self.calls[..place].iter();
            let number = 1 + before.filter(|other| other.session == call.session).count();
            let number = u64::try_from(number).expect("few");
            let call = OperationRecord { number, position: number, ..*call };
            run.history.push(&call).expect("a call that fits");
        }
        if !self.complete {
            run.history.cut();
        }
        run
    }

    fn ledgers(&self) -> Ledgers {
        let mut ledgers = Ledgers::missing(self.logs.len());
        for (member, log) in (0..).map(Member).zip(&self.logs) {
            if self.lost.contains(&member.index()) {
                continue;
            }
            for logged in log {
                ledgers.push(member, logged).expect("an entry that fits");
            }
            if !self.cut.contains(&member.index()) {
                ledgers.whole(member);
            }
        }
        ledgers
    }

    /// What branches hold if all of them know all logs.
    pub(crate) fn settled(&self, branches: &[BranchId]) -> Vec<FinalState> {
        let entries = self.logs.iter().flatten();
        let net: i128 = entries.map(|logged| logged.entry.delta()).sum();
        let balance = i64::try_from(net).expect("small") + self.opening;
        let seqs = self.logs.iter().map(|log| Seq(u64::try_from(log.len()).expect("few")));
        let version: Version = seqs.collect();
        let last = |branch: &BranchId| FinalState {
            branch: *branch,
            balance: Money::new(balance),
            lowest_balance: Some(Money::new(balance.min(self.opening))),
            settled: true,
            version: Some(version.clone()),
        };
        branches.iter().map(last).collect()
    }

    pub(crate) fn judge(&self, property: Property) -> Finding {
        let check = CHECKS.iter().find(|check| check.property == property).expect("a check");
        let run = self.run();
        examine(&RunIndex::of(&run), check)
    }

    pub(crate) fn verdict(&self, property: Property) -> Verdict {
        self.judge(property).verdict
    }

    /// It fails with a description that has `words` in it, and that names the operation `(customer, event)`.
    pub(crate) fn fails(&self, property: Property, operation: (u64, u64), words: &str) {
        let finding = self.judge(property);
        assert_eq!(finding.verdict, Verdict::Fail, "{finding:?}");
        let violation = &finding.violations[0];
        assert!(violation.description.contains(words), "{}", violation.description);
        let (customer, event) = operation;
        assert_eq!(violation.operation(), Some((CustomerId(customer), event)), "{violation:?}");
    }

    /// Nothing is proved, and the note has `words` in it.
    pub(crate) fn is_unknown(&self, property: Property, words: &str) {
        let finding = self.judge(property);
        assert_eq!(finding.verdict, Verdict::Unknown, "{finding:?}");
        assert!(finding.note.contains(words), "{}", finding.note);
    }

    /// There is no evidence, and the note names what is missing with `words` in it.
    pub(crate) fn is_not_judged(&self, property: Property, words: &str) {
        let finding = self.judge(property);
        assert_eq!(finding.verdict, Verdict::NotJudged, "{finding:?}");
        assert!(finding.note.contains(words), "{}", finding.note);
    }
}
