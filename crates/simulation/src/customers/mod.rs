//! Customers: each does one operation after another, and asks again if no answer comes.

#[cfg(test)]
mod tests;

use std::time::Duration;

use rand_pcg::Pcg64Mcg;

use super::agenda::{Agenda, Arrival, Event};
use super::chance::{Luck, PerMille};
use super::plan::{self, Plan, Script, Step};
use bank::{Answer, Operation, Outcome};
use replication::passbook::Session;
use replication::{Attempt, Receipt, Token};

/// What a customer is woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// To begin the next operation.
    Begin,
    /// An attempt has taken too long.
    Timeout(Attempt),
    /// To ask once more, after an attempt that was answered with "unknown".
    AskAgain(Attempt),
}

/// One attempt at an operation. Its session and number name the operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CustomerRequest {
    pub(super) attempt: Attempt,
    /// The branch counts the timeout from when the attempt arrives.
    pub(super) step: Step,
    /// What the customer carries.
    pub(super) token: Option<Token>,
}

/// A request on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) customer: usize,
    pub(super) request: CustomerRequest,
    /// Whether another copy of it is on its way.
    pub(super) copy: bool,
}

/// The answer to one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) attempt: Attempt,
    pub(super) answer: Answer,
    pub(super) receipt: Option<Receipt>,
}

/// Something a customer has done that others need to know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CustomerEvent {
    /// An operation begins with its first attempt.
    Begins(CustomerRequest),
    /// An attempt is not waited for any more; there is another.
    Retries {
        next: Attempt,
        /// The one before was answered with "unknown"; otherwise no answer came in time.
        after_unknown: bool,
    },
    /// An answer is taken as final.
    Takes { operation: Operation, response: Response },
}

#[derive(Debug)]
struct Customer {
    session: Session,
    script: Script,
    random: Pcg64Mcg,
    /// How many steps are behind.
    done: usize,
    current: Option<Current>,
    /// How often the step was begun anew.
    anew: u32,
}

/// An operation that is not answered.
#[derive(Debug)]
struct Current {
    request: CustomerRequest,
    /// The attempt was answered with "unknown", and another will be made.
    resting: bool,
}

/// All customers.
#[derive(Debug)]
pub(super) struct Customers {
    plan: plan::Network,
    all: Vec<Customer>,
}

impl Customers {
    /// All begin at once, each with the time to think that their first step gives them.
    pub(super) fn new(plan: &Plan, agenda: &mut Agenda) -> Self {
        let new = |script: &Script| Customer {
            session: Session::new(script.session),
            random: Luck::Customer.of(plan.seed, script.session.0),
            script: script.clone(),
            done: 0,
            current: None,
            anew: 0,
        };
        let all: Vec<Customer> = plan.customers.iter().map(new).collect();
        for (who, customer) in all.iter().enumerate() {
            if let Some(step) = customer.script.steps.first() {
                agenda.after(step.think, Event::Customer(who, Wake::Begin));
            }
        }
        Self { plan: plan.network, all }
    }

    /// Whether all have done everything.
    pub(super) fn are_done(&self) -> bool {
        self.all.iter().all(|customer| customer.done >= customer.script.steps.len())
    }

    /// How many steps are not done.
    pub(super) fn left(&self) -> usize {
        self.all.iter().map(|customer| customer.script.steps.len() - customer.done).sum()
    }

    /// Nothing of theirs is lost or doubled from now on.
    pub(super) const fn heal(&mut self) {
        self.plan.customer_loss = PerMille::NEVER;
        self.plan.customer_twice = PerMille::NEVER;
    }

    /// A customer is woken.
    pub(super) fn wake(
        &mut self,
        who: usize,
        wake: Wake,
        agenda: &mut Agenda,
    ) -> Option<CustomerEvent> {
        match wake {
            Wake::Begin => self.begin(who, agenda),
            Wake::Timeout(attempt) => {
                let current = self.waiting(who, attempt)?;
                if attempt.attempt < current.request.step.attempts {
                    return Some(self.retry(who, false, agenda));
                }
                let answer = Answer { outcome: Outcome::Unknown, balance: None };
                self.take(who, Response { attempt, answer, receipt: None }, agenda)
            }
            Wake::AskAgain(attempt) => {
                let current = self.all[who].current.as_ref()?;
                (current.request.attempt == attempt).then(|| self.retry(who, true, agenda))
            }
        }
    }

    /// What a customer waits for, if it is the answer to this attempt.
    fn waiting(&mut self, who: usize, attempt: Attempt) -> Option<&mut Current> {
        let current = self.all[who].current.as_mut();
        current.filter(|current| current.request.attempt == attempt && !current.resting)
    }

    /// An answer reaches a customer. One to an earlier attempt is ignored.
    pub(super) fn receive(
        &mut self,
        who: usize,
        response: Response,
        agenda: &mut Agenda,
    ) -> Option<CustomerEvent> {
        self.waiting(who, response.attempt)?;
        let Response { attempt, answer, receipt } = &response;
        let session = &mut self.all[who].session;
        let outcome = session.answered(*attempt, answer.outcome, receipt.as_ref())?;
        let current = self.waiting(who, response.attempt)?;
        let is_last = response.attempt.attempt >= current.request.step.attempts;
        if outcome != Outcome::Unknown || is_last {
            return self.take(who, response, agenda);
        }
        // The branch reports that it does not know: no need to wait for the timeout, but a little.
        current.resting = true;
        let wait = self.plan.customer_delay.draw(&mut self.all[who].random);
        agenda.after(wait, Event::Customer(who, Wake::AskAgain(response.attempt)));
        None
    }

    /// How long an answer to a customer takes; nothing if it is lost.
    pub(super) fn answer_delay(&mut self, who: usize) -> Option<Duration> {
        let random = &mut self.all[who].random;
        let lost = self.plan.customer_loss.happens(random);
        let delay = self.plan.customer_delay.draw(random);
        (!lost).then_some(delay)
    }

    /// How long it takes a branch to hear that a customer has stopped waiting; nothing if it does not.
    pub(super) fn hang_up_delay(&mut self, who: usize) -> Option<Duration> {
        let random = &mut self.all[who].random;
        let heard = PerMille(500).happens(random);
        let delay = self.plan.customer_delay.draw(random);
        heard.then_some(delay)
    }

    fn begin(&mut self, who: usize, agenda: &mut Agenda) -> Option<CustomerEvent> {
        let customer = &mut self.all[who];
        let step = *customer.script.steps.get(customer.done)?;
        let attempt = customer.session.begin();
        let request = CustomerRequest { attempt, step, token: customer.session.token().cloned() };
        customer.current = Some(Current { request: request.clone(), resting: false });
        self.send(who, agenda);
        Some(CustomerEvent::Begins(request))
    }

    fn send(&mut self, who: usize, agenda: &mut Agenda) {
        let plan = self.plan;
        let customer = &mut self.all[who];
        let Some(Current { request, .. }) = &customer.current else {
            return;
        };
        let random = &mut customer.random;
        let lost = plan.customer_loss.happens(random);
        let twice = plan.customer_twice.happens(random);
        for copy in [false, true] {
            let delay = plan.customer_delay.draw(random);
            let sent = if copy { twice } else { !lost };
            if sent {
                let sending = Sending { customer: who, request: request.clone(), copy };
                let what = Arrival::Request(Box::new(sending));
                agenda.arrives_after(delay, request.step.branch, what);
            }
        }
        let timeout = Event::Customer(who, Wake::Timeout(request.attempt));
        agenda.after(request.step.timeout, timeout);
    }

    fn retry(&mut self, who: usize, after_unknown: bool, agenda: &mut Agenda) -> CustomerEvent {
        let customer = &mut self.all[who];
        let next = customer.session.retry();
        if let Some(current) = &mut customer.current {
            current.request.attempt = next;
            current.resting = false;
        }
        self.send(who, agenda);
        CustomerEvent::Retries { next, after_unknown }
    }

    fn take(
        &mut self,
        who: usize,
        response: Response,
        agenda: &mut Agenda,
    ) -> Option<CustomerEvent> {
        let customer = &mut self.all[who];
        let Step { operation, anew, .. } = customer.current.take()?.request.step;
        let answer = response.answer;
        let is_retryable = matches!(answer.outcome, Outcome::Rejected(why) if why.is_retryable());
        if is_retryable && customer.anew < anew {
            customer.anew += 1;
        } else {
            customer.anew = 0;
            customer.done += 1;
        }
        if let Some(step) = customer.script.steps.get(customer.done) {
            agenda.after(step.think, Event::Customer(who, Wake::Begin));
        }
        Some(CustomerEvent::Takes { operation, response })
    }
}
