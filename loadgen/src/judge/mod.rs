//! The verdict of a run: its `output.json`, read back from disk, against what the branches hold.

mod folder;

use std::path::Path;

use passbook::bank::{Money, Operation, Outcome};
use passbook::check::{
    BranchState, Customers, Evidence, Finding, Judged, Observation, Server, Settings, Verdict,
    conservation, convergence, final_balance, overdraft, read_your_writes, sequential,
};
use passbook::files::{Input, OutputError, observe};
use passbook::replicate::{Ack, Read};

use crate::customers::Record;

pub use folder::{Counterexample, HISTORY, JudgeError, JudgedRun, LEDGER, judge_folder};

/// What customers did: one after another, or at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// Never two operations at the same time.
    None,
    /// Any number of customers at the same time.
    Many,
    /// Any number of customers write at the same time; when all has settled, all query.
    QueriesLast,
}

/// Judges the output at `path`, which answers `performed`. `records` adds what the file has no place for: the
/// balances that came with the answers to writes, and the reasons of rejections.
pub fn judge(
    path: &Path,
    performed: &Input,
    records: &[Record],
    branches: &[BranchState],
    concurrency: Concurrency,
    ack: Ack,
) -> Result<Vec<Judged>, OutputError> {
    let mut observations = observe(performed, path)?;
    add_from_records(&mut observations, records);
    let evidence = Evidence {
        opening: performed.opening,
        observations: &observations,
        branches,
        branches_total: performed.branches.len(),
    };
    let settings = Settings {
        // Whoever gave the answers, the file has balances only, and no sessions.
        server: Server::Foreign,
        read: Read::Local,
        ack: if performed.branches.len() == 1 { Ack::All } else { ack },
        customers: match concurrency {
            Concurrency::None => Customers::One,
            Concurrency::Many | Concurrency::QueriesLast => Customers::Many,
        },
    };
    let mut checks = Vec::new();
    let mut check = |finding: Finding| {
        let promised = settings.promises(finding.property);
        checks.push(Judged { finding, promised });
    };
    match concurrency {
        Concurrency::None => check(sequential(&evidence)),
        Concurrency::QueriesLast => check(final_balance(&evidence)),
        Concurrency::Many => {}
    }
    check(conservation(&evidence));
    check(convergence(&evidence));
    check(overdraft(&evidence));
    // Queries that are answered last show writes that stand after them in the file.
    if concurrency != Concurrency::QueriesLast {
        check(read_your_writes(&evidence));
    }
    Ok(checks)
}

/// The worst verdict on what was promised.
pub fn verdict(checks: &[Judged]) -> Verdict {
    let promised = checks.iter().filter(|check| check.promised);
    promised.map(|check| check.finding.verdict).max().unwrap_or(Verdict::Unknown)
}

fn add_from_records(observations: &mut [Observation], records: &[Record]) {
    let answers = records.iter().flat_map(|record| &record.done).map(|done| done.answer);
    for (seen, answer) in observations.iter_mut().zip(answers) {
        if seen.operation != Operation::Query {
            seen.balance = answer.balance;
        }
        if let (Outcome::Rejected(read), Outcome::Rejected(reason)) =
            (&mut seen.outcome, answer.outcome)
        {
            *read = reason;
        }
    }
}

/// What was performed, in the seeds' form: the events of `records` on branches that all began at `opening`.
pub fn performed(
    records: &[Record],
    branches: Vec<passbook::bank::BranchId>,
    opening: Money,
) -> Input {
    let block = |record: &Record| passbook::files::Block {
        id: record.customer,
        events: record.done.iter().map(|done| done.event).collect(),
    };
    Input { customers: records.iter().map(block).collect(), branches, opening }
}

#[cfg(test)]
mod tests {
    use passbook::check::Property;

    use super::*;

    fn check(property: Property, verdict: Verdict, promised: bool) -> Judged {
        let evidence =
            Evidence { opening: Money::ZERO, observations: &[], branches: &[], branches_total: 0 };
        let finding = Finding { property, verdict, ..sequential(&evidence) };
        Judged { finding, promised }
    }

    #[test]
    fn the_worst_promised_verdict_counts_and_no_promise_is_no_pass() {
        let pass = check(Property::Conservation, Verdict::Pass, true);
        let unknown = check(Property::Convergence, Verdict::Unknown, true);
        let broken = check(Property::Overdraft, Verdict::Fail, true);
        let observed = check(Property::ReadYourWrites, Verdict::Fail, false);
        assert_eq!(verdict(&[pass.clone(), observed.clone()]), Verdict::Pass);
        assert_eq!(verdict(&[pass.clone(), unknown.clone()]), Verdict::Unknown);
        assert_eq!(verdict(&[unknown, broken, pass]), Verdict::Fail);
        assert_eq!(verdict(&[observed]), Verdict::Unknown);
    }
}
