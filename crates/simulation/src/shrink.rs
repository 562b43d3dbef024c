//! Makes a failing plan smaller: what can be left out without the failure going away is left out.

use super::chance::{PerMille, Span};
use super::plan::Plan;
use super::world::run;
use bank::Member;
use check::Property;
use replication::passbook::Mutant;

/// A plan that was made smaller.
#[derive(Clone, Debug)]
pub struct SmallerPlan {
    /// What is left; running it violates the same property as before.
    pub plan: Plan,
    /// How many runs it took.
    pub tries: usize,
}

/// Leaves out faults, customers, operations, branches and troubles of the network, one at a time, while
/// the same property is still violated. At most `tries` runs; nothing if the plan does not fail.
pub fn shrink(plan: &Plan, mutant: Option<Mutant>, tries: usize) -> Option<SmallerPlan> {
    let property = run(plan, mutant).violation?.property;
    let mut shrinking =
        Shrinking { plan: plan.clone(), property, mutant, tries: 1, tries_max: tries };
    while shrinking.round() {}
    Some(SmallerPlan { plan: shrinking.plan, tries: shrinking.tries })
}

struct Shrinking {
    plan: Plan,
    property: Property,
    mutant: Option<Mutant>,
    tries: usize,
    tries_max: usize,
}

impl Shrinking {
    /// Whether something could be left out.
    fn round(&mut self) -> bool {
        // From the end: what is late is most often not needed.
        let mut smaller = self.drop_each(|plan| &mut plan.customers);
        smaller |= self.drop_each(|plan| &mut plan.faults);
        for customer in (0..self.plan.customers.len()).rev() {
            smaller |= self.drop_each(|plan| &mut plan.customers[customer].steps);
        }
        smaller |= self.fewer_branches();
        self.calmer() || smaller
    }

    /// Leaves out halves of a list, then quarters, and at last single pieces.
    fn drop_each<T>(&mut self, list: impl Fn(&mut Plan) -> &mut Vec<T>) -> bool {
        let mut smaller = false;
        let mut chunk = list(&mut self.plan).len().div_ceil(2);
        while chunk > 0 {
            let mut end = list(&mut self.plan).len();
            while end > 0 {
                let begin = end.saturating_sub(chunk);
                let mut tried = self.plan.clone();
                list(&mut tried).drain(begin..end);
                smaller |= self.keep_if_failing(tried);
                end = begin.min(list(&mut self.plan).len());
            }
            chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
        }
        smaller
    }

    /// Leaves out the last branch, if nobody speaks of it.
    fn fewer_branches(&mut self) -> bool {
        let Some(last) = self.plan.branches.checked_sub(1).filter(|last| *last > 0) else {
            return false;
        };
        let last = Member(last);
        let mut steps = self.plan.customers.iter().flat_map(|customer| &customer.steps);
        let mut faults = self.plan.faults.iter();
        if steps.any(|step| step.branch == last)
            || faults.any(|timed| timed.fault.branches().contains(&last))
        {
            return false;
        }
        let mut tried = self.plan.clone();
        tried.branches = last.0;
        self.keep_if_failing(tried)
    }

    /// Takes away what makes a story long: losses, slowness, thinking, several attempts.
    fn calmer(&mut self) -> bool {
        let calm: [fn(&mut Plan); 11] = [
            |plan| plan.network.loss = PerMille::NEVER,
            |plan| plan.network.twice = PerMille::NEVER,
            |plan| plan.network.ordered = true,
            |plan| plan.network.slow = PerMille::NEVER,
            |plan| plan.network.customer_loss = PerMille::NEVER,
            |plan| plan.network.customer_twice = PerMille::NEVER,
            |plan| plan.network.busy = PerMille::NEVER,
            |plan| plan.network.delay = Span::micros(1_000, 1_000),
            |plan| plan.disk.slow = PerMille::NEVER,
            |plan| plan.steps_mut().for_each(|step| step.anew = 0),
            |plan| plan.steps_mut().for_each(|step| step.attempts = 1),
        ];
        let mut smaller = false;
        for change in calm {
            let mut tried = self.plan.clone();
            change(&mut tried);
            smaller |= tried != self.plan && self.keep_if_failing(tried);
        }
        smaller
    }

    fn keep_if_failing(&mut self, tried: Plan) -> bool {
        if self.tries >= self.tries_max {
            return false;
        }
        self.tries += 1;
        let violated = run(&tried, self.mutant).violation;
        let same = violated.is_some_and(|violation| violation.property == self.property);
        if same {
            self.plan = tried;
        }
        same
    }
}
