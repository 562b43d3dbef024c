use super::*;
use bank::{Ack, Read};
use bank::{Member, Money, Operation, Rejection, SessionId};

fn step(attempts: u32, anew: u32) -> Step {
    Step {
        branch: Member(0),
        operation: Operation::deposit(5),
        ack: Ack::All,
        read: Read::Session,
        think: Duration::from_millis(1),
        timeout: Duration::from_millis(100),
        attempts,
        anew,
    }
}

fn world(steps: Vec<Step>) -> (Customers, Agenda) {
    let mut plan = Plan::from_seed(3, Some(plan::Mix::Healthy));
    plan.customers = vec![Script { session: SessionId(5), steps }];
    let mut agenda = Agenda::default();
    (Customers::new(&plan, &mut agenda), agenda)
}

/// Lets time go on until a customer says something; requests that arrive meanwhile.
fn until_said(customers: &mut Customers, agenda: &mut Agenda) -> (Option<Said>, Vec<Sending>) {
    let mut arrived = Vec::new();
    while let Some(event) = agenda.next() {
        match event {
            Event::Customer(who, wake) => {
                let said = customers.wake(who, wake, agenda);
                if said.is_some() {
                    return (said, arrived);
                }
            }
            Event::Comes { what: Coming::Request(sending), .. } => arrived.push(*sending),
            _ => {}
        }
    }
    (None, arrived)
}

fn answer(outcome: Outcome) -> Answer {
    Answer { outcome, balance: Some(Money::new(7)) }
}

#[test]
fn who_is_not_answered_retries_and_at_last_does_not_know() {
    let (mut customers, mut agenda) = world(vec![step(3, 0)]);
    let mut attempts = Vec::new();
    loop {
        let (said, arrived) = until_said(&mut customers, &mut agenda);
        attempts.extend(arrived.iter().map(|sending| sending.attempt.attempt));
        match said.expect("not done") {
            Said::Asks(asked) => assert_eq!(asked.attempt.attempt, 1),
            Said::Retries { .. } => {}
            Said::Takes { attempt, answer, .. } => {
                assert_eq!((attempt.attempt, answer.outcome), (3, Outcome::Unknown));
                break;
            }
        }
    }
    assert_eq!(attempts, [1, 2, 3]);
    assert!(customers.are_done());
    assert_eq!(until_said(&mut customers, &mut agenda).0, None);
}

#[test]
fn an_answer_to_an_earlier_attempt_is_not_taken() {
    let (mut customers, mut agenda) = world(vec![step(3, 0)]);
    let first = match until_said(&mut customers, &mut agenda).0 {
        Some(Said::Asks(asked)) => asked.attempt,
        other => panic!("{other:?}"),
    };
    let second = match until_said(&mut customers, &mut agenda).0 {
        Some(Said::Retries { next, told: false }) => next,
        other => panic!("{other:?}"),
    };
    let ok = answer(Outcome::Ok);
    assert_eq!(customers.hear(0, first, ok, None, &mut agenda), None);
    let taken = customers.hear(0, second, ok, None, &mut agenda);
    let operation = Operation::deposit(5);
    assert_eq!(taken, Some(Said::Takes { attempt: second, operation, answer: ok, receipt: None }));
    assert_eq!(customers.hear(0, second, ok, None, &mut agenda), None, "taken already");
}

#[test]
fn unknown_is_asked_again_and_only_a_retryable_rejection_is_done_anew() {
    let (mut customers, mut agenda) = world(vec![step(2, 1)]);
    let attempt = match until_said(&mut customers, &mut agenda).0 {
        Some(Said::Asks(asked)) => asked.attempt,
        other => panic!("{other:?}"),
    };
    assert_eq!(customers.hear(0, attempt, answer(Outcome::Unknown), None, &mut agenda), None);
    let second = match until_said(&mut customers, &mut agenda).0 {
        Some(Said::Retries { next, told: true }) => next,
        other => panic!("{other:?}"),
    };
    let contended = answer(Outcome::Rejected(Rejection::Contended));
    assert!(customers.hear(0, second, contended, None, &mut agenda).is_some());
    let again = match until_said(&mut customers, &mut agenda).0 {
        Some(Said::Asks(asked)) => asked.attempt,
        other => panic!("{other:?}"),
    };
    assert_eq!((again.request.number, again.attempt), (2, 1));
    assert!(customers.hear(0, again, contended, None, &mut agenda).is_some());
    assert!(customers.are_done(), "once more is enough");
}
