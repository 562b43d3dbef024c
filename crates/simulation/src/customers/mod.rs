//! Customers: each does one operation after another, and asks again if no answer comes.

#[cfg(test)]
mod tests;

use std::time::Duration;

use rand_pcg::Pcg64Mcg;

use super::agenda::{Agenda, Coming, Event};
use super::chance::{Luck, PerMille};
use super::judge::Asked;
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

/// A request on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sending {
    /// Whose.
    pub(super) customer: usize,
    /// Which attempt.
    pub(super) attempt: Attempt,
    /// What, and for how long: the branch counts from when it arrives.
    pub(super) step: Step,
    /// What the customer carries.
    pub(super) token: Option<Token>,
    /// Whether another copy of it is on its way.
    pub(super) copy: bool,
}

/// Something a customer has done that others need to know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// An operation begins.
    Asks(Asked),
    /// An attempt is not waited for any more; there is another.
    Retries {
        /// Which.
        next: Attempt,
        /// The one before was answered with "unknown"; otherwise no answer came in time.
        told: bool,
    },
    /// An answer is taken for final.
    Takes {
        /// Of which attempt.
        attempt: Attempt,
        /// To what.
        operation: Operation,
        /// What.
        answer: Answer,
        /// From what.
        receipt: Option<Receipt>,
    },
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
    attempt: Attempt,
    step: Step,
    token: Option<Token>,
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
    pub(super) fn wake(&mut self, who: usize, wake: Wake, agenda: &mut Agenda) -> Option<Said> {
        match wake {
            Wake::Begin => self.begin(who, agenda),
            Wake::Timeout(attempt) => {
                let current = self.all[who].current.as_ref()?;
                if current.attempt != attempt || current.resting {
                    return None;
                }
                if attempt.attempt < current.step.attempts {
                    return Some(self.retry(who, false, agenda));
                }
                let answer = Answer { outcome: Outcome::Unknown, balance: None };
                self.take(who, attempt, answer, None, agenda)
            }
            Wake::AskAgain(attempt) => {
                let current = self.all[who].current.as_ref()?;
                (current.attempt == attempt).then(|| self.retry(who, true, agenda))
            }
        }
    }

    /// An answer reaches a customer. One to an earlier attempt is not listened to.
    pub(super) fn hear(
        &mut self,
        who: usize,
        attempt: Attempt,
        answer: Answer,
        receipt: Option<Receipt>,
        agenda: &mut Agenda,
    ) -> Option<Said> {
        let customer = &mut self.all[who];
        let current = customer.current.as_ref()?;
        if current.attempt != attempt || current.resting {
            return None;
        }
        let outcome = customer.session.answered(attempt, answer.outcome, receipt.as_ref())?;
        match outcome {
            Outcome::Unknown => self.unknown_answer(who, answer, receipt, agenda),
            Outcome::Ok | Outcome::Rejected(_) => self.take(who, attempt, answer, receipt, agenda),
        }
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

    fn begin(&mut self, who: usize, agenda: &mut Agenda) -> Option<Said> {
        let customer = &mut self.all[who];
        let step = *customer.script.steps.get(customer.done)?;
        let attempt = customer.session.begin();
        let token = customer.session.token().cloned();
        let asked = Asked {
            attempt,
            branch: step.branch,
            operation: step.operation,
            ack: step.ack,
            read: step.read,
            token: token.clone(),
        };
        customer.current = Some(Current { attempt, step, token, resting: false });
        self.send(who, agenda);
        Some(Said::Asks(asked))
    }

    fn send(&mut self, who: usize, agenda: &mut Agenda) {
        let plan = self.plan;
        let customer = &mut self.all[who];
        let Some(current) = &customer.current else {
            return;
        };
        let random = &mut customer.random;
        let lost = plan.customer_loss.happens(random);
        let twice = plan.customer_twice.happens(random);
        for copy in [false, true] {
            let delay = plan.customer_delay.draw(random);
            let sent = if copy { twice } else { !lost };
            if sent {
                let sending = Sending {
                    customer: who,
                    attempt: current.attempt,
                    step: current.step,
                    token: current.token.clone(),
                    copy,
                };
                let what = Coming::Request(Box::new(sending));
                agenda.after(delay, Event::Comes { to: current.step.branch, life: None, what });
            }
        }
        let timeout = Event::Customer(who, Wake::Timeout(current.attempt));
        agenda.after(current.step.timeout, timeout);
    }

    /// The branch says that it does not know: so there is no need to wait for the timeout, but a little.
    fn unknown_answer(
        &mut self,
        who: usize,
        answer: Answer,
        receipt: Option<Receipt>,
        agenda: &mut Agenda,
    ) -> Option<Said> {
        let customer = &mut self.all[who];
        let current = customer.current.as_mut()?;
        if current.attempt.attempt >= current.step.attempts {
            let attempt = current.attempt;
            return self.take(who, attempt, answer, receipt, agenda);
        }
        current.resting = true;
        let wait = self.plan.customer_delay.draw(&mut customer.random);
        agenda.after(wait, Event::Customer(who, Wake::AskAgain(current.attempt)));
        None
    }

    fn retry(&mut self, who: usize, told: bool, agenda: &mut Agenda) -> Said {
        let customer = &mut self.all[who];
        let attempt = customer.session.retry();
        if let Some(current) = &mut customer.current {
            current.attempt = attempt;
            current.resting = false;
        }
        self.send(who, agenda);
        Said::Retries { next: attempt, told }
    }

    fn take(
        &mut self,
        who: usize,
        attempt: Attempt,
        answer: Answer,
        receipt: Option<Receipt>,
        agenda: &mut Agenda,
    ) -> Option<Said> {
        let customer = &mut self.all[who];
        let Step { operation, anew, .. } = customer.current.take()?.step;
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
        Some(Said::Takes { attempt, operation, answer, receipt })
    }
}
