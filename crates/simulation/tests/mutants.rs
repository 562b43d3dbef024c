//! Every rule of the passbook scheme is needed: with one left out or misread, the simulation finds what the
//! rule is there to prevent. Needs the feature `mutants`.

use replication::passbook::Mutant;
use simulation::{Mix, Plan, Property, run};

const SEEDS: u64 = 2_000;

/// What must find a mutant, and in which kind of run it shows if not in all.
fn caught_by(mutant: Mutant) -> (&'static [Property], Option<Mix>) {
    use Property as P;
    match mutant {
        Mutant::AcknowledgeBeforePersisting
        | Mutant::CountConnected
        | Mutant::RelayReportsPushed => (&[P::Acknowledged], None),
        // Counted as held where it is not, or missing under what follows it.
        Mutant::DropPush => (&[P::Acknowledged, P::Closed, P::Convergence], None),
        Mutant::ApplyRetryTwice | Mutant::DedupeLostAtRestart | Mutant::DedupeKeepsLast => {
            (&[P::Accounted], None)
        }
        // The late first attempt of a rejected request has to come after the answer to the second.
        Mutant::RejectionsNotRemembered => (&[P::Accounted], Some(Mix::Lossy)),
        Mutant::ReuseSeqAfterRestart => (&[P::OneWriter], None),
        Mutant::JournalCutInTheMiddle => (&[P::OneWriter, P::Closed], None),
        Mutant::PushWithoutClosure | Mutant::PushRowByRow | Mutant::ProofOfOwnRows => {
            (&[P::Closed], None)
        }
        Mutant::OneCollect | Mutant::AskerJoinsCollect => (&[P::Snapshot, P::Refusal], None),
        // What others know of the own row is missing in what a refusal shows.
        Mutant::CollectWithoutOwnRow => (&[P::Snapshot, P::Refusal, P::Closed], None),
        // A reply of the first round has to be late or doubled.
        Mutant::CollectNotTiedToRound => (&[P::Snapshot, P::Refusal], Some(Mix::Lossy)),
        Mutant::DeclinedByAllIsProof => (&[P::Refusal], None),
        Mutant::CollectShowsStaged | Mutant::NoSyncAfterReplay | Mutant::VisibleBeforeDurable => {
            (&[P::Durable], None)
        }
        Mutant::IgnoreTokenOnReads => (&[P::ReadYourWrites, P::MonotonicReads], None),
        Mutant::IgnoreTokenOnWrites => (&[P::MonotonicWrites, P::WritesFollowReads], None),
        Mutant::GrantWithoutDebiting | Mutant::GrantCountedTwice | Mutant::PayOutOfBalance => {
            (&[P::Rights], None)
        }
        Mutant::SwappedSign => (&[P::Value], None),
        // What it had and lost is taken for held, and what depends on it is pushed.
        Mutant::BeforeHello => (&[P::Acknowledged, P::Closed], None),
        Mutant::IncarnationUnchecked => (&[P::Amnesia], None),
        Mutant::JournaledIsAcknowledged => (&[P::Acknowledged, P::ReadYourWrites], None),
        Mutant::StageAfterDeadline => (&[P::Deadline], None),
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "how soon each is caught is of interest when plans change")]
fn every_mutant_is_caught_by_the_property_that_is_meant_to() {
    for mutant in Mutant::ALL.iter().copied() {
        let (properties, mix) = caught_by(mutant);
        let caught = (0..SEEDS).find_map(|seed| {
            let violation = run(&Plan::from_seed(seed, mix), Some(mutant)).violation?;
            Some((seed, violation))
        });
        let name = mutant.name();
        let (seed, violation) =
            caught.unwrap_or_else(|| panic!("{name} is not caught within {SEEDS} seeds"));
        assert!(
            properties.contains(&violation.property),
            "{name} is caught at seed {seed} by {:?}, which is not meant to: {}",
            violation.property,
            violation.detail
        );
        println!("{name}: {:?} at seed {seed}", violation.property);
    }
}
