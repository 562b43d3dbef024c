//! The judge of recorded runs: healthy ones never alarm, and a single thing that is wrong is found by the property
//! that it breaks.

use bank::Read;
use bank::{Entry, Money, Operation, Outcome, RequestId, SessionId};
use check::{Property, Verdict};
use proptest::prelude::*;
use testkit::recorded::{Dice, RawEntry, Recording, Shape, change, kept, record};

fn shapes() -> impl Strategy<Value = Shape> {
    let reads = prop_oneof![Just(Read::Session), Just(Read::Local), Just(Read::Snapshot)];
    let mixes = prop_oneof![Just((40, 30)), Just((10, 70)), Just((30, 60)), Just((5, 15))];
    let openings = prop_oneof![Just(0_i64), Just(50), Just(1_000), Just(1_000_000)];
    (1..6_usize, 1..12_usize, 1..150_usize, openings, reads, mixes, 0..15_usize).prop_map(
        |(branches, sessions, operations, opening, read, mix, unanswered)| Shape {
            branches,
            sessions,
            operations,
            opening,
            read,
            mix,
            unanswered,
        },
    )
}

fn verdict(recording: &Recording, property: Property) -> Verdict {
    let judged = recording.judge();
    let found = judged.iter().find(|judged| judged.finding.property == property);
    found.expect("every property is judged").finding.verdict
}

/// What the session of the call at `place` had been shown before it.
fn shown_before(recording: &Recording, place: usize) -> Vec<u64> {
    let session = recording.calls[place].call.session;
    let mut known = vec![0; recording.logs.len()];
    for raw in recording.calls[..place].iter().filter(|raw| raw.call.session == session) {
        for (known, shown) in known.iter_mut().zip(raw.version.iter().flatten()) {
            *known = (*known).max(*shown);
        }
    }
    known
}

fn balance(recording: &Recording, version: &[u64]) -> i64 {
    let prefix = |(log, seq): (&Vec<RawEntry>, &u64)| -> i64 {
        let entries = log.iter().take(usize::try_from(*seq).expect("few"));
        entries.map(|raw| change(raw.entry)).sum()
    };
    recording.opening + recording.logs.iter().zip(version).map(prefix).sum::<i64>()
}

/// What is put in, and what has to find it. Nothing where the run has no place for it.
type Corruption = fn(&mut Recording, &mut Dice) -> Option<Property>;

const CORRUPTIONS: [(&str, Corruption); 11] = [
    ("a write is gone from the log", |run, dice| {
        let (member, place) = acknowledged(run, dice)?;
        run.logs[member].remove(place);
        Some(Property::Conservation)
    }),
    ("the same, found as a loss", |run, dice| {
        let (member, place) = acknowledged(run, dice)?;
        run.logs[member].remove(place);
        Some(Property::Durability)
    }),
    ("two entries have changed places", |run, dice| {
        let (member, place) = acknowledged(run, dice)?;
        let other = place.checked_sub(1)?;
        run.logs[member].swap(place, other);
        Some(Property::Conservation)
    }),
    ("a balance is another", |run, dice| {
        let place = answered(run, dice, |_, _| true)?;
        let call = &mut run.calls[place].call;
        let wrong = call.balance?.minor_units() + if dice.percent(50) { 1 } else { -1 };
        call.balance = Some(Money::new(wrong));
        Some(Property::Value)
    }),
    ("a version is another", |run, dice| {
        let place = answered(run, dice, |_, _| true)?;
        let shown = balance(run, run.calls[place].version.as_ref()?);
        let member = dice.roll(run.logs.len());
        let mut version = run.calls[place].version.clone()?;
        version[member] = version[member].checked_sub(1)?;
        // Without a grant nothing is missing of the money.
        let differs = balance(run, &version) != shown;
        run.calls[place].version = Some(version);
        differs.then_some(Property::Value)
    }),
    ("a customer is shown less than before", |run, dice| {
        let is_shown = |run: &Recording, place| shown_before(run, place).iter().any(|seq| *seq > 0);
        let place = answered(run, dice, is_shown)?;
        show_less(run, place);
        Some(Property::MonotonicReads)
    }),
    ("a write was made upon less than its customer had seen", |run, dice| {
        let place = answered(run, dice, |run, place| {
            let own = run.calls[place].member;
            let mut known = shown_before(run, place);
            known[own] = 0;
            run.calls[place].call.seq.is_some() && known.iter().any(|seq| *seq > 0)
        })?;
        let mut known = shown_before(run, place);
        let raw = &run.calls[place];
        known[raw.member] = 0;
        let member = known.iter().position(|seq| *seq > 0)?;
        let entry = usize::try_from(raw.call.seq?.0 - 1).ok()?;
        run.logs[raw.member][entry].version[member] = known[member] - 1;
        Some(Property::WritesFollowReads)
    }),
    ("a retry was applied twice", |run, dice| {
        let (member, place) = acknowledged(run, dice)?;
        let mut again = run.logs[member][place].clone();
        again.version[member] = kept(run.logs[member].len());
        run.logs[member].push(again);
        Some(Property::Conservation)
    }),
    ("a refused write was carried out", |run, dice| {
        let refused =
            |raw: &&testkit::recorded::RawCall| matches!(raw.call.outcome, Outcome::Rejected(_));
        let refused: Vec<_> = run.calls.iter().filter(refused).cloned().collect();
        let raw = refused.get(dice.roll(refused.len()))?;
        let entry = Entry::Withdraw(raw.call.write()?.amount);
        let version = run.logs.iter().map(|log| kept(log.len())).collect();
        let request = Some(raw.call.request());
        run.logs[raw.member].push(RawEntry { entry, request, version });
        Some(Property::Conservation)
    }),
    ("money came from nobody", |run, dice| {
        let member = dice.roll(run.logs.len());
        let version = run.logs.iter().map(|log| kept(log.len())).collect();
        let request = Some(RequestId { session: SessionId(3), number: 1 });
        let entry = Entry::Deposit(Money::new(9));
        run.logs[member].push(RawEntry { entry, request, version });
        Some(Property::Conservation)
    }),
    ("rights were spent that nobody granted", |run, dice| {
        let is_grant = |raw: &RawEntry| matches!(raw.entry, Entry::Grant { .. });
        let places = run.logs.iter().enumerate().flat_map(|(member, log)| {
            let grants = log.iter().enumerate().filter(|(_, raw)| is_grant(raw));
            grants.map(move |(place, _)| (member, place)).collect::<Vec<_>>()
        });
        let places: Vec<_> = places.collect();
        let (member, place) = *places.get(dice.roll(places.len()))?;
        if let Entry::Grant { to, .. } = run.logs[member][place].entry {
            run.logs[member][place].entry = Entry::Grant { to, amount: Money::ZERO };
        }
        Some(Property::Overdraft)
    }),
];

/// An entry whose customer was told of it.
fn acknowledged(run: &Recording, dice: &mut Dice) -> Option<(usize, usize)> {
    let told = run.calls.iter().filter_map(|raw| {
        let seq = raw.call.seq.filter(|_| raw.call.outcome == Outcome::Ok)?;
        Some((raw.member, usize::try_from(seq.0 - 1).ok()?))
    });
    let told: Vec<_> = told.collect();
    told.get(dice.roll(told.len())).copied()
}

fn answered(
    run: &Recording,
    dice: &mut Dice,
    which: impl Fn(&Recording, usize) -> bool,
) -> Option<usize> {
    let is_it = |place: &usize| run.calls[*place].version.is_some() && which(run, *place);
    let places: Vec<usize> = (0..run.calls.len()).filter(is_it).collect();
    places.get(dice.roll(places.len())).copied()
}

/// Takes an entry that the customer had been shown out of an answer, and the money with it.
fn show_less(run: &mut Recording, place: usize) {
    let known = shown_before(run, place);
    let member = known.iter().position(|seq| *seq > 0).expect("something was shown");
    let mut version = run.calls[place].version.clone().expect("an answer");
    version[member] = known[member] - 1;
    run.calls[place].call.balance = Some(Money::new(balance(run, &version)));
    run.calls[place].version = Some(version);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_healthy_run_never_alarms(shape in shapes(), seed: u64) {
        let recording = record(shape, seed);
        for judged in recording.judge() {
            let finding = &judged.finding;
            // What the settings do not promise may fail, and what a run does not have is not judged.
            if judged.promised {
                prop_assert!(finding.verdict <= Verdict::Pass, "{:?}", finding);
            }
        }
    }

    #[test]
    fn one_thing_that_is_wrong_is_found(shape in shapes(), seed: u64) {
        let recording = record(Shape { read: Read::Session, ..shape }, seed);
        let mut dice = Dice(seed ^ 0x5555);
        for (what, corrupt) in CORRUPTIONS {
            let mut wrong = recording.clone();
            if let Some(property) = corrupt(&mut wrong, &mut dice) {
                prop_assert_eq!(verdict(&wrong, property), Verdict::Fail, "{}", what);
            }
        }
    }
}

#[test]
fn a_large_run_near_zero_is_decided_where_refusals_tell_their_proofs() {
    let shape = Shape {
        branches: 3,
        sessions: 200,
        operations: 30_000,
        opening: 100,
        read: Read::Snapshot,
        mix: (30, 60),
        unanswered: 0,
    };
    let mut recording = record(shape, 5);
    assert_eq!(verdict(&recording, Property::Linearizable), Verdict::Pass);
    // One that was refused although there was enough for it does not pass.
    let refused = |raw: &&mut testkit::recorded::RawCall| raw.at_most.is_some();
    let call = &mut recording.calls.iter_mut().filter(refused).last().expect("a refusal").call;
    call.operation = Operation::withdraw(0);
    assert_ne!(verdict(&recording, Property::Linearizable), Verdict::Pass);
}

#[test]
fn every_kind_of_corruption_has_been_tried() {
    let shape = Shape {
        branches: 3,
        sessions: 8,
        operations: 400,
        opening: 60,
        read: Read::Session,
        mix: (30, 60),
        unanswered: 3,
    };
    let recording = record(shape, 1);
    for (what, corrupt) in CORRUPTIONS {
        let tried = (0..20).any(|seed| corrupt(&mut recording.clone(), &mut Dice(seed)).is_some());
        assert!(tried, "{what}");
    }
}

#[test]
fn an_answer_without_the_customers_own_write_breaks_read_your_writes() {
    let shape = Shape {
        branches: 3,
        sessions: 1,
        operations: 60,
        opening: 1_000,
        read: Read::Session,
        mix: (60, 0),
        unanswered: 0,
    };
    let mut recording = record(shape, 4);
    let query = |raw: &testkit::recorded::RawCall| raw.call.operation == Operation::Query;
    let first = recording.calls.iter().position(|raw| raw.call.seq.is_some()).expect("a deposit");
    let query = recording.calls[first..].iter().position(query).expect("a query") + first;
    assert_eq!(verdict(&recording, Property::ReadYourWrites), Verdict::Pass);
    show_less(&mut recording, query);
    assert_eq!(verdict(&recording, Property::ReadYourWrites), Verdict::Fail);
}

#[test]
fn most_snapshots_with_refusals_are_explained() {
    let shape = Shape {
        branches: 3,
        sessions: 10,
        operations: 1_000,
        opening: 60,
        read: Read::Snapshot,
        mix: (30, 40),
        unanswered: 2,
    };
    let passed = (0..50)
        .filter(|seed| verdict(&record(shape, *seed), Property::Linearizable) == Verdict::Pass);
    let passed = passed.count();
    assert!(passed > 30, "{passed} of 50");
}
