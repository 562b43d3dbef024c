//! The bank does what it is asked, or refuses for a reason that the run explains.

use bank::{OperationKind, Outcome, Rejection, WriteKind};
use history::{BranchOrigin, OperationRecord, Server};

use crate::examination::{Examination, Gap};
use crate::{RunIndex, Violation, grouped, percent};

/// How many failures are named with a violation.
const NAMED: usize = 3;

/// Of each kind of operation at least one must be done or justly refused, and no more than the limit of all may fail or
/// stay unanswered. A refusal for lack of money is no failure. A rejection as contended is none where money was short: a
/// withdrawal was refused for lack of money, or what was or may have been paid out left less than the largest
/// withdrawal asked for, deposits not counted. A contended query is none either if a write was under way meanwhile: a
/// snapshot needs an instant at which no money moves. Nor is a rejection as out of range where deposits may have gone
/// beyond the range.
///
/// Fails on branches that the run started while all of them lived; otherwise too many failures leave it unknown. Algorithm: the
/// sums of what was moved, the instants of writes in order, and then a count; n log n.
pub(crate) fn examine(run: &RunIndex<'_>) -> Examination {
    let Some(limit) = run.header().error_limit else {
        let reason = "the history does not say how many operations may fail";
        return Examination::not_applicable(reason);
    };
    if limit.max_share >= 1.0 {
        let reason = "turned off: all operations may fail (--max-error-share 100%)";
        return Examination::not_applicable(reason);
    }
    let mut examination = Examination::default();
    // What is missing may be what was done, or what failed.
    if !run.history().is_complete() {
        return examination;
    }
    let money = Money::of(run);
    let mut kinds = KINDS.map(|_| Tally::default());
    let mut all = Tally::default();
    for (place, call) in run.calls() {
        let is_served = call.outcome == Outcome::Ok || money.explains(&call);
        let kind = call.operation.kind();
        let tallies = KINDS.iter().zip(&mut kinds).filter(|((of, _), _)| *of == kind);
        for tally in tallies.map(|(_, tally)| tally).chain([&mut all]) {
            tally.add(place, call.outcome, is_served);
        }
    }
    let silent = KINDS.iter().zip(&kinds).filter(|(_, tally)| tally.serves_nothing());
    let mut broken: Vec<Violation> =
        silent.map(|((_, names), tally)| tally.violation(run, names, "")).collect();
    if all.failed_share() > limit.max_share {
        let limit = format!(", more than {} (--max-error-share)", percent(limit.max_share));
        broken.push(all.violation(run, "operations", &limit));
    }
    match (broken.first(), excuse(limit.branches)) {
        (Some(Violation { description, .. }), Some(excuse)) => {
            examination.gap(Gap::Blame, format!("{description}; {excuse}"));
        }
        _ => broken.into_iter().for_each(|violation| examination.violate(|| violation)),
    }
    examination.summarize(all.note(limit.max_share), "the bank did not do what it was asked");
    examination
}

/// The kinds of operations in the order of reports, each with its plural.
const KINDS: [(OperationKind, &str); 3] = [
    (OperationKind::Deposit, "deposits"),
    (OperationKind::Withdraw, "withdrawals"),
    (OperationKind::Query, "queries"),
];

/// What the account may have held.
struct Money {
    opening: i128,
    /// Deposits that were done, or may have been.
    paid_in: i128,
    /// Whether there may have been less than somebody wanted to withdraw.
    may_be_short: bool,
    /// When writes that were done, or may have been, were sent, ascending. Empty if no query was contended.
    begun: Vec<u64>,
    /// When those of them that were answered were, ascending.
    ended: Vec<u64>,
    /// The largest balance that the bank can hold.
    most: i128,
}

fn is_contended_query(call: &OperationRecord<'_>) -> bool {
    call.operation.kind() == OperationKind::Query
        && call.outcome == Outcome::Rejected(Rejection::Contended)
}

impl Money {
    fn of(run: &RunIndex<'_>) -> Self {
        // Contracts of other programs have balances of 32 bits.
        let most = match run.settings().server {
            Server::Foreign => i32::MAX.into(),
            Server::Passbook | Server::Broadcast => i64::MAX.into(),
        };
        let opening = run.opening();
        let (mut paid_in, mut paid_out, mut largest) = (0_i128, 0_i128, 0_i128);
        let mut is_refused = false;
        let (mut begun, mut ended) = (Vec::new(), Vec::new());
        // Mostly no query is contended, and many instants are much memory.
        let needs_instants = run.calls().any(|(_, call)| is_contended_query(&call));
        for (_, call) in run.calls() {
            let Some(write) = call.write() else { continue };
            let amount = i128::from(write.amount.minor_units());
            let mut moved = 0;
            if !matches!(call.outcome, Outcome::Rejected(_)) {
                moved = amount;
                if needs_instants {
                    begun.push(call.invoked);
                    ended.extend(call.completed);
                }
            }
            match write.kind {
                WriteKind::Deposit => paid_in += moved,
                WriteKind::Withdraw => {
                    paid_out += moved;
                    largest = largest.max(amount);
                    is_refused |= call.outcome == Outcome::Rejected(Rejection::InsufficientFunds);
                }
            }
        }
        begun.sort_unstable();
        ended.sort_unstable();
        let may_be_short = is_refused || opening - paid_out < largest;
        Self { opening, paid_in, may_be_short, begun, ended, most }
    }

    /// Whether a write was under way at some instant of `call`.
    fn moves_during(&self, call: &OperationRecord<'_>) -> bool {
        let begun = self.begun.partition_point(|at| call.completed.is_none_or(|end| *at <= end));
        begun > self.ended.partition_point(|at| *at < call.invoked)
    }

    /// Whether what the run moved explains why this was rejected.
    fn explains(&self, call: &OperationRecord<'_>) -> bool {
        let Outcome::Rejected(reason) = call.outcome else { return false };
        let amount = |of: WriteKind| {
            let write = call.write().filter(|write| write.kind == of);
            write.map(|write| i128::from(write.amount.minor_units()))
        };
        match reason {
            Rejection::InsufficientFunds => amount(WriteKind::Withdraw).is_some(),
            Rejection::Contended => {
                self.may_be_short || (is_contended_query(call) && self.moves_during(call))
            }
            Rejection::OutOfRange => {
                let added = amount(WriteKind::Deposit).unwrap_or_default();
                self.opening + self.paid_in + added > self.most
            }
            Rejection::BadRequest
            | Rejection::RightsUnavailable
            | Rejection::TooFewBranches
            | Rejection::Overloaded
            | Rejection::NotReady
            | Rejection::Stale
            | Rejection::ForeignPassbook
            | Rejection::NotServed => false,
        }
    }
}

/// What became of operations.
#[derive(Default)]
struct Tally {
    sent: u64,
    failed: u64,
    /// The failed ones by why they were rejected; `None` for those of unknown outcome.
    reasons: Vec<(Option<Rejection>, u64)>,
    /// The places of the first that failed.
    first: Vec<usize>,
}

impl Tally {
    fn add(&mut self, place: usize, outcome: Outcome, is_served: bool) {
        self.sent += 1;
        if is_served {
            return;
        }
        self.failed += 1;
        if self.first.len() < NAMED {
            self.first.push(place);
        }
        let reason = match outcome {
            Outcome::Rejected(reason) => Some(reason),
            Outcome::Ok | Outcome::Unknown => None,
        };
        match self.reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.reasons.push((reason, 1)),
        }
    }

    const fn serves_nothing(&self) -> bool {
        self.sent > 0 && self.failed == self.sent
    }

    #[expect(
        clippy::as_conversions,
        clippy::cast_precision_loss,
        reason = "a share of more than 2^53 operations needs no more digits"
    )]
    fn failed_share(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { self.failed as f64 / self.sent as f64 }
    }

    fn note(&self, max_share: f64) -> String {
        let (sent, failed) = (grouped(self.sent), grouped(self.failed));
        match self.failed {
            0 => format!("{sent} operations done or justly refused"),
            _ => format!(
                "{failed} of {sent} operations failed or were not answered; {} may",
                percent(max_share)
            ),
        }
    }

    fn violation(&self, run: &RunIndex<'_>, names: &str, limit: &str) -> Violation {
        let reasons = self.reasons.iter().map(|(reason, count)| {
            let count = grouped(*count);
            match reason {
                Some(reason) => format!("{count} rejected ({})", reason.name()),
                None => format!("{count} of unknown outcome"),
            }
        });
        let reasons = reasons.collect::<Vec<_>>().join(", ");
        let first = self.first.first().map(|place| format!("; first {}", run.words(*place)));
        let description = format!(
            "{} of {} {names} failed or were not answered{limit}: {reasons}{}",
            grouped(self.failed),
            grouped(self.sent),
            first.unwrap_or_default()
        );
        run.violation(self.first.iter().copied(), description)
    }
}

/// Why failures are not certain to be the fault of the bank, if so.
const fn excuse(branches: BranchOrigin) -> Option<&'static str> {
    match branches {
        BranchOrigin::Started => None,
        BranchOrigin::Ended => Some("a branch ended before the run did"),
        BranchOrigin::Interrupted => {
            Some("the run was ended before its last operations were answered")
        }
        BranchOrigin::Running => Some("the branches were not started by this run"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, ok, refused, unanswered};
    use crate::{Property, Verdict};
    use bank::Operation;
    use history::ErrorLimit;

    const AVAILABILITY: Property = Property::Availability;

    /// So many deposits, done by customers 1, 2, ….
    fn deposits(count: u64) -> Vec<OperationRecord<'static>> {
        (1..=count).map(|customer| ok(customer, Operation::deposit(1), 1, (0, 1))).collect()
    }

    fn rejected(
        customer: u64,
        operation: Operation,
        reason: Rejection,
    ) -> OperationRecord<'static> {
        OperationRecord { outcome: Outcome::Rejected(reason), ..ok(customer, operation, 1, (2, 3)) }
    }

    fn scene(opening: i64, calls: Vec<OperationRecord<'static>>) -> Fixture {
        Fixture { calls, ..Fixture::new(opening, 1) }
    }

    fn limited(scene: Fixture, max_share: f64, branches: BranchOrigin) -> Fixture {
        Fixture { error_limit: Some(ErrorLimit { max_share, branches }), ..scene }
    }

    #[test]
    fn more_failures_than_the_limit_fail_and_as_many_pass() {
        let with = |failures: u64| {
            let mut calls = deposits(100 - failures);
            calls.extend((0..failures).map(|n| unanswered(200 + n, Operation::deposit(1), 1, 2)));
            scene(0, calls)
        };
        assert_eq!(with(1).verdict(AVAILABILITY), Verdict::Pass);
        let why = "2 of 100 operations failed or were not answered, more than 1% \
                   (--max-error-share): 2 of unknown outcome; first operation 1 of customer 200";
        with(2).fails(AVAILABILITY, (200, 1), why);
        assert_eq!(with(2).judge(AVAILABILITY).violations[0].operations.len(), 2);
    }

    #[test]
    fn a_share_is_compared_exactly_with_its_limit() {
        let mut calls = deposits(71);
        calls.extend((0..29).map(|n| unanswered(200 + n, Operation::deposit(1), 1, 2)));
        let run = |limit| limited(scene(0, calls.clone()), limit, BranchOrigin::Started);
        assert_eq!(run(29.0 / 100.0).verdict(AVAILABILITY), Verdict::Pass);
        assert_eq!(run(28.0 / 100.0).verdict(AVAILABILITY), Verdict::Fail);
    }

    #[test]
    fn a_kind_of_which_nothing_is_done_fails_however_rare() {
        let mut calls = deposits(999);
        calls.push(unanswered(1_000, Operation::Query, 1, 2));
        scene(0, calls.clone()).fails(
            AVAILABILITY,
            (1_000, 1),
            "1 of 1 queries failed or were not answered: 1 of unknown outcome",
        );
        calls.push(ok(1_001, Operation::Query, 1, (2, 3)));
        assert_eq!(scene(0, calls).verdict(AVAILABILITY), Verdict::Pass);
    }

    #[test]
    fn a_refusal_for_lack_of_money_is_no_failure() {
        let refusals = (1..9).map(|customer| refused(customer, Operation::withdraw(5), 1, (0, 1)));
        assert_eq!(scene(0, refusals.collect()).verdict(AVAILABILITY), Verdict::Pass);
        let deposit = refused(1, Operation::deposit(5), 1, (0, 1));
        assert_eq!(scene(0, vec![deposit]).verdict(AVAILABILITY), Verdict::Fail);
    }

    #[test]
    fn contended_is_no_failure_where_money_is_short() {
        let contended = |opening| {
            let other = ok(1, Operation::withdraw(60), 1, (0, 1));
            scene(opening, vec![other, rejected(2, Operation::withdraw(50), Rejection::Contended)])
        };
        assert_eq!(contended(119).verdict(AVAILABILITY), Verdict::Pass);
        let why = "1 rejected (contended: others moved the money meanwhile)";
        contended(120).fails(AVAILABILITY, (2, 1), why);
        // Another withdrawal was refused for lack of money.
        let mut short = contended(120);
        short.calls.push(refused(3, Operation::withdraw(5), 1, (4, 5)));
        assert_eq!(short.verdict(AVAILABILITY), Verdict::Pass);
    }

    #[test]
    fn a_contended_query_is_no_failure_while_a_write_is_under_way() {
        let during = |sent, answered| {
            let query = rejected(2, Operation::Query, Rejection::Contended);
            scene(0, vec![ok(1, Operation::deposit(1), 1, (sent, answered)), query])
        };
        for (sent, answered) in [(0, 2), (0, 9), (3, 9)] {
            assert_eq!(during(sent, answered).verdict(AVAILABILITY), Verdict::Pass);
        }
        for (sent, answered) in [(0, 1), (4, 9)] {
            during(sent, answered).fails(AVAILABILITY, (2, 1), "1 of 1 queries failed");
        }
        let mut open = during(0, 1);
        open.calls.extend(deposits(200));
        open.calls.push(unanswered(300, Operation::deposit(1), 1, 1));
        assert_eq!(open.verdict(AVAILABILITY), Verdict::Pass, "it may still be under way");
    }

    #[test]
    fn out_of_range_is_no_failure_where_deposits_may_exceed_it() {
        let beyond = |opening, server| {
            let deposit = rejected(1, Operation::deposit(2), Rejection::OutOfRange);
            let mut scene = scene(opening, vec![deposit]);
            scene.settings.server = server;
            scene.verdict(AVAILABILITY)
        };
        assert_eq!(beyond(i64::MAX - 1, Server::Passbook), Verdict::Pass);
        assert_eq!(beyond(i64::MAX - 2, Server::Passbook), Verdict::Fail);
        assert_eq!(beyond(i64::from(i32::MAX), Server::Passbook), Verdict::Fail);
        assert_eq!(beyond(i64::from(i32::MAX), Server::Foreign), Verdict::Pass);
    }

    #[test]
    fn failures_of_branches_that_may_be_down_are_unknown() {
        let failed = scene(0, vec![unanswered(1, Operation::Query, 1, 0)]);
        for (branches, excuse) in [
            (BranchOrigin::Ended, "a branch ended before the run did"),
            (BranchOrigin::Running, "the branches were not started by this run"),
        ] {
            limited(failed.clone(), 0.01, branches).is_unknown(AVAILABILITY, excuse);
            let served = scene(0, deposits(1));
            assert_eq!(limited(served, 0.01, branches).verdict(AVAILABILITY), Verdict::Pass);
        }
        assert_eq!(failed.verdict(AVAILABILITY), Verdict::Fail);
    }

    #[test]
    fn without_a_limit_or_with_all_allowed_it_is_not_judged() {
        let failed = scene(0, vec![unanswered(1, Operation::Query, 1, 0)]);
        let off = limited(failed.clone(), 1.0, BranchOrigin::Started).judge(AVAILABILITY);
        assert_eq!(off.verdict, Verdict::NotJudged);
        assert!(off.note.contains("--max-error-share 100%"), "{off:?}");
        let old = Fixture { error_limit: None, ..failed };
        assert_eq!(old.verdict(AVAILABILITY), Verdict::NotJudged);
    }
}
