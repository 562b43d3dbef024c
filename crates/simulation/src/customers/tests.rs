use super::*;
use bank::{Ack, Member, Money, Read, Rejection, SessionId};

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
    let mut plan = Plan::from_seed(3, Some(plan::FaultProfile::Healthy));
    plan.customers = vec![Script { session: SessionId(5), steps }];
    let mut agenda = Agenda::default();
    (Customers::new(&plan, &mut agenda), agenda)
}

/// Lets time go on until a customer says something; requests that arrive meanwhile.
fn until_said(
    customers: &mut Customers,
    agenda: &mut Agenda,
) -> (Option<CustomerEvent>, Vec<Sending>) {
    let mut arrived = Vec::new();
    while let Some(event) = agenda.next() {
        match event {
            Event::Customer(who, wake) => {
                let said = customers.wake(who, wake, agenda);
                if said.is_some() {
                    return (said, arrived);
                }
            }
            Event::Arrives { what: Arrival::Request(sending), .. } => arrived.push(*sending),
            _ => {}
        }
    }
    (None, arrived)
}

const fn response(attempt: Attempt, answer: Answer) -> Response {
    Response { attempt, answer, receipt: None }
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
        attempts.extend(arrived.iter().map(|sending| sending.request.attempt.attempt));
        match said.expect("not done") {
            CustomerEvent::Begins(asked) => assert_eq!(asked.attempt.attempt, 1),
            CustomerEvent::Retries { .. } => {}
            CustomerEvent::Takes { response: Response { attempt, answer, .. }, .. } => {
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
        Some(CustomerEvent::Begins(asked)) => asked.attempt,
        other => panic!("{other:?}"),
    };
    let second = match until_said(&mut customers, &mut agenda).0 {
        Some(CustomerEvent::Retries { next, after_unknown: false }) => next,
        other => panic!("{other:?}"),
    };
    let ok = answer(Outcome::Ok);
    assert_eq!(customers.receive(0, response(first, ok), &mut agenda), None);
    let taken = customers.receive(0, response(second, ok), &mut agenda);
    let operation = Operation::deposit(5);
    assert_eq!(taken, Some(CustomerEvent::Takes { operation, response: response(second, ok) }));
    assert_eq!(customers.receive(0, response(second, ok), &mut agenda), None, "taken already");
}

#[test]
fn unknown_is_asked_again_and_only_a_retryable_rejection_is_done_anew() {
    let (mut customers, mut agenda) = world(vec![step(2, 1)]);
    let attempt = match until_said(&mut customers, &mut agenda).0 {
        Some(CustomerEvent::Begins(asked)) => asked.attempt,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        customers.receive(0, response(attempt, answer(Outcome::Unknown)), &mut agenda),
        None
    );
    let second = match until_said(&mut customers, &mut agenda).0 {
        Some(CustomerEvent::Retries { next, after_unknown: true }) => next,
        other => panic!("{other:?}"),
    };
    let passing = answer(Outcome::Rejected(Rejection::Contended));
    assert!(customers.receive(0, response(second, passing), &mut agenda).is_some());
    let again = match until_said(&mut customers, &mut agenda).0 {
        Some(CustomerEvent::Begins(asked)) => asked.attempt,
        other => panic!("{other:?}"),
    };
    assert_eq!((again.request.number, again.attempt), (2, 1));
    assert!(customers.receive(0, response(again, passing), &mut agenda).is_some());
    assert!(customers.are_done(), "once more is enough");
}
