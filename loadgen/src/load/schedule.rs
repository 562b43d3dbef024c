//! Which customer performs which operation next, and when it is due. No clock: times count from the start of the load.
//!
//! A worker asks its schedule for operations until it returns `None`, and performs each of them concurrently. Whenever
//! one has completed, it asks again. An operation's due time depends on the schedule and on earlier completions, never on
//! when the worker asks. An open loop fits in as a variant that gives the next arrival to the customer that has become idle.

use std::collections::BTreeMap;
use std::iter::Zip;
use std::ops::RangeInclusive;
use std::time::Duration;

use bank::{BranchId, CustomerId, Operation};
use exercise::{Event, Input};

use crate::scenario::{Events, Replay, ReplayOrder, Stop, Synthetic, ThinkTimes, Workload};

/// An operation that a customer has to perform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// Index of the session within its schedule. A session belongs to one customer and has one operation in flight.
    pub(super) session: usize,
    pub(super) customer: CustomerId,
    /// Position of the operation in its customer's sequence, from 1.
    pub(super) number: u64,
    pub(super) event: Event,
    /// When the operation has to begin.
    pub(super) at: Duration,
}

/// The end of an operation that was due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completion {
    pub(super) session: usize,
    pub(super) ended: Duration,
    /// The customer backs off for at least this long.
    pub(super) backoff: Duration,
}

/// The operations of one worker.
#[derive(Debug)]
pub enum Schedule {
    /// Customers who each wait for an answer and think before the next operation.
    ClosedLoop(ClosedLoop),
    /// The operations of a file.
    Script(Script),
}

impl Schedule {
    fn script(lists: Vec<List>, order: ReplayOrder) -> Self {
        Self::Script(Script { lists, order, begun: 0 })
    }

    /// The next operation: of the customer whose operation completed, or, without a completion, of a session that has
    /// not begun. `None` if there is nothing to do, at least until another operation completes.
    pub(super) fn next(&mut self, completion: Option<Completion>) -> Option<Due> {
        match self {
            Self::ClosedLoop(closed_loop) => closed_loop.next(completion),
            Self::Script(script) => script.next(completion),
        }
    }

    /// How many sessions there are.
    pub(super) fn sessions(&self) -> usize {
        match self {
            Self::ClosedLoop(closed_loop) => closed_loop.customers.len(),
            Self::Script(script) => script.lists.len(),
        }
    }

    /// How long the measured window is; `None` if it lasts until the last answer.
    pub(super) fn window(&self) -> Option<Duration> {
        match self {
            Self::ClosedLoop(closed_loop) => closed_loop.until,
            Self::Script(_) => None,
        }
    }
}

/// Every customer performs one operation after another, with think times in between.
#[derive(Debug)]
pub struct ClosedLoop {
    customers: Vec<ClosedLoopCustomer>,
    /// How many customers have begun.
    begun: usize,
    /// No operation is due at this instant or later.
    until: Option<Duration>,
}

#[derive(Debug)]
struct ClosedLoopCustomer {
    id: CustomerId,
    start: Duration,
    /// With their positions in the customer's sequence.
    events: Zip<RangeInclusive<u64>, Events>,
    think_times: ThinkTimes,
}

impl ClosedLoop {
    fn new(synthetic: &Synthetic, branches: &[BranchId], part: Part) -> Self {
        let (last, until) = match synthetic.stop {
            Stop::Events(events) => (events, None),
            Stop::After(duration) => (u64::MAX, Some(duration)),
        };
        let ids = (1..=synthetic.customers).map(CustomerId).filter(|id| part.has(*id));
        let customer = |id| ClosedLoopCustomer {
            id,
            start: synthetic.start_of(id),
            events: (1..=last).zip(synthetic.events(id, branches)),
            think_times: synthetic.think_times(id),
        };
        Self { customers: ids.map(customer).collect(), begun: 0, until }
    }

    fn next(&mut self, completion: Option<Completion>) -> Option<Due> {
        if let Some(Completion { session, ended, backoff }) = completion {
            let think_time = self.customers.get_mut(session)?.think_times.next();
            return self.due(session, ended + backoff.max(think_time.unwrap_or_default()));
        }
        while let Some(customer) = self.customers.get(self.begun) {
            let (session, start) = (self.begun, customer.start);
            self.begun += 1;
            if let Some(due) = self.due(session, start) {
                return Some(due);
            }
        }
        None
    }

    fn due(&mut self, session: usize, at: Duration) -> Option<Due> {
        let customer = self.customers.get_mut(session)?;
        if self.until.is_some_and(|until| at >= until) {
            return None;
        }
        let (number, event) = customer.events.next()?;
        Some(Due { session, customer: customer.id, number, event, at })
    }
}

/// Lists of operations, each performed in its order.
#[derive(Debug)]
pub struct Script {
    lists: Vec<List>,
    order: ReplayOrder,
    /// How many lists have begun.
    begun: usize,
}

#[derive(Debug)]
struct List {
    customer: CustomerId,
    /// With their positions in the customer's sequence.
    events: std::vec::IntoIter<(u64, Event)>,
}

impl Script {
    fn next(&mut self, completion: Option<Completion>) -> Option<Due> {
        match (completion, self.order) {
            (Some(Completion { session, ended, backoff }), order) => {
                self.due(session, ended + backoff).or_else(|| match order {
                    ReplayOrder::Sequential => self.begin(ended),
                    ReplayOrder::Concurrent => None,
                })
            }
            (None, ReplayOrder::Sequential) if self.begun > 0 => None,
            (None, _) => self.begin(Duration::ZERO),
        }
    }

    /// Begins the next list.
    fn begin(&mut self, at: Duration) -> Option<Due> {
        let session = self.begun;
        self.begun += 1;
        self.due(session, at)
    }

    fn due(&mut self, session: usize, at: Duration) -> Option<Due> {
        let list = self.lists.get_mut(session)?;
        let (number, event) = list.events.next()?;
        Some(Due { session, customer: list.customer, number, event, at })
    }
}

/// The customers of one worker: those whose numbers leave `index` when divided by the number of workers.
#[derive(Clone, Copy)]
struct Part {
    index: u64,
    workers: u64,
}

impl Part {
    fn all(workers: usize) -> impl Iterator<Item = Self> {
        let workers = u64::try_from(workers).unwrap_or(u64::MAX).max(1);
        (0..workers).map(move |index| Self { index, workers })
    }

    fn has(self, customer: CustomerId) -> bool {
        customer.0 % self.workers == self.index
    }
}

/// How many customers of a workload can be busy at once. More workers than that have nothing to do.
pub fn customers_at_once(workload: &Workload) -> usize {
    match workload {
        Workload::Synthetic(synthetic) => {
            usize::try_from(synthetic.customers).unwrap_or(usize::MAX)
        }
        Workload::Replay(Replay { order: ReplayOrder::Sequential, .. }) => 1,
        Workload::Replay(Replay { input, order: ReplayOrder::Concurrent, .. }) => {
            input.customers.len()
        }
    }
}

/// The schedules of a workload, step by step, each with one for every worker. Branches settle between two steps.
pub fn schedules(workload: &Workload, branches: &[BranchId], workers: usize) -> Vec<Vec<Schedule>> {
    match workload {
        Workload::Synthetic(synthetic) => {
            let closed_loop = |part| ClosedLoop::new(synthetic, branches, part);
            vec![Part::all(workers).map(closed_loop).map(Schedule::ClosedLoop).collect()]
        }
        Workload::Replay(Replay { input, order: order @ ReplayOrder::Sequential, .. }) => {
            // One operation is in flight at a time: one worker performs them all.
            vec![vec![Schedule::script(blocks(input), *order)]]
        }
        Workload::Replay(Replay { input, order: order @ ReplayOrder::Concurrent, .. }) => {
            let step = |queries: bool| {
                let lists = |part| by_customer(input, part, queries);
                Part::all(workers).map(|part| Schedule::script(lists(part), *order)).collect()
            };
            vec![step(false), step(true)]
        }
    }
}

/// A list for each block of the file that has operations.
fn blocks(input: &Input) -> Vec<List> {
    let mut events = input.events();
    let blocks = input.customers.iter().map(|block| {
        let mine = events.by_ref().take(block.events.len());
        let mine: Vec<_> = mine.map(|(_, number, event)| (number, *event)).collect();
        List { customer: block.id, events: mine.into_iter() }
    });
    blocks.filter(|list| list.events.len() > 0).collect()
}

/// A list for each customer in `part`, of its queries or of its writes.
fn by_customer(input: &Input, part: Part, queries: bool) -> Vec<List> {
    let mut lists: BTreeMap<CustomerId, Vec<(u64, Event)>> = BTreeMap::new();
    for (customer, number, event) in input.events() {
        if part.has(customer) && (event.operation == Operation::Query) == queries {
            lists.entry(customer).or_default().push((number, *event));
        }
    }
    let list = |(customer, events): (_, Vec<_>)| List { customer, events: events.into_iter() };
    lists.into_iter().map(list).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::{Style, ThinkTime};

    const BRANCHES: [BranchId; 2] = [BranchId(1), BranchId(2)];
    const SERVICE: Duration = Duration::from_millis(2);

    fn synthetic(customers: u64, stop: Stop, think: ThinkTime) -> Workload {
        let default = Synthetic::default();
        Workload::Synthetic(Synthetic { customers, branches: 2, stop, seed: 7, think, ..default })
    }

    fn replay(order: ReplayOrder) -> Workload {
        let text = r#"[
            {"id":1,"type":"customer","events":[{"interface":"query"},{"interface":"deposit","money":1}]},
            {"id":2,"type":"customer","events":[{"interface":"deposit","money":2,"branch":1}]},
            {"id":3,"type":"customer","events":[]},
            {"id":1,"type":"customer","events":[{"interface":"query"}]},
            {"id":1,"type":"branch","balance":0}]"#;
        let (input, _) = Input::parse(Path::new("in"), text.as_bytes()).expect("valid");
        let (path, style) = ("in".into(), Style::Auto);
        Workload::Replay(Replay { path, input, output: None, order, style })
    }

    fn ended(due: &Due, backoff: Duration) -> Completion {
        Completion { session: due.session, ended: due.at + SERVICE, backoff }
    }

    /// Performs everything, the operation that is due first first, each in the same time. Returns the operations as they
    /// were performed, and how many were in flight or waiting at most.
    fn perform(schedule: &mut Schedule) -> (Vec<Due>, usize) {
        let mut waiting: Vec<Due> = std::iter::from_fn(|| schedule.next(None)).collect();
        let (most, mut performed) = (waiting.len(), Vec::new());
        while let Some(first) = (0..waiting.len()).min_by_key(|index| waiting[*index].at) {
            let due = waiting.swap_remove(first);
            waiting.extend(schedule.next(Some(ended(&due, Duration::ZERO))));
            performed.push(due);
        }
        assert_eq!(schedule.next(None), None, "nothing is left");
        (performed, most)
    }

    fn numbers(performed: &[Due]) -> Vec<(u64, u64)> {
        performed.iter().map(|due| (due.customer.0, due.number)).collect()
    }

    #[test]
    fn closed_loop_waits_for_the_answer_and_the_think_time() {
        let think = Duration::from_millis(10);
        let workload = synthetic(2, Stop::Events(3), ThinkTime::Constant(think));
        let mut schedule = schedules(&workload, &BRANCHES, 1).remove(0).remove(0);
        assert_eq!((schedule.sessions(), schedule.window()), (2, None));
        let (performed, most) = perform(&mut schedule);
        assert_eq!(numbers(&performed), [(1, 1), (2, 1), (1, 2), (2, 2), (1, 3), (2, 3)]);
        let at: Vec<Duration> = performed.iter().map(|due| due.at).collect();
        let millis = [0, 5, 12, 17, 24, 29].map(Duration::from_millis);
        assert_eq!((&at[..], most), (&millis[..], 2));
    }

    #[test]
    fn backoff_longer_than_the_think_time_delays_the_next() {
        let think = Duration::from_millis(10);
        let workload = synthetic(1, Stop::Events(3), ThinkTime::Constant(think));
        let mut schedule = schedules(&workload, &BRANCHES, 1).remove(0).remove(0);
        let first = schedule.next(None).expect("an operation");
        let second = schedule.next(Some(ended(&first, think * 4))).expect("an operation");
        assert_eq!(second.at, SERVICE + think * 4);
        let third = schedule.next(Some(ended(&second, think / 2))).expect("an operation");
        assert_eq!(third.at, second.at + SERVICE + think);
    }

    #[test]
    fn nothing_is_due_when_the_duration_has_passed() {
        let duration = Duration::from_millis(20);
        let think = ThinkTime::Constant(Duration::from_millis(50));
        let workload = synthetic(5, Stop::After(duration), think);
        let mut schedule = schedules(&workload, &BRANCHES, 1).remove(0).remove(0);
        assert_eq!(schedule.window(), Some(duration));
        let (performed, most) = perform(&mut schedule);
        assert_eq!(
            (performed.len(), most),
            (2, 2),
            "customers would begin at 0, 10, 20, 30, 40 ms"
        );
    }

    #[test]
    fn operations_of_a_seed_are_the_same_over_any_workers() {
        let workload = synthetic(7, Stop::Events(20), ThinkTime::NONE);
        let operations = |workers| {
            let mut schedules = schedules(&workload, &BRANCHES, workers).remove(0);
            assert_eq!(schedules.len(), workers);
            let mut all: Vec<_> = schedules.iter_mut().flat_map(|one| perform(one).0).collect();
            all.sort_by_key(|due| (due.customer, due.number));
            all.iter().map(|due| (due.customer, due.number, due.event)).collect::<Vec<_>>()
        };
        let alone = operations(1);
        assert_eq!(alone.len(), 140);
        for workers in [2, 3, 9] {
            assert_eq!(operations(workers), alone, "{workers}");
        }
    }

    #[test]
    fn sequential_script_performs_block_after_block() {
        let steps = schedules(&replay(ReplayOrder::Sequential), &[], 4);
        let [step] = &mut { steps }[..] else { panic!("one step") };
        let [schedule] = &mut step[..] else { panic!("one worker") };
        assert_eq!(schedule.sessions(), 3, "a block without operations has none");
        let (performed, most) = perform(schedule);
        assert_eq!((numbers(&performed), most), (vec![(1, 1), (1, 2), (2, 1), (1, 3)], 1));
        let sessions: Vec<usize> = performed.iter().map(|due| due.session).collect();
        assert_eq!(sessions, [0, 0, 1, 2], "a block is a session of its own");
        assert!(performed.is_sorted_by_key(|due| due.at) && performed[3].at == SERVICE * 3);
    }

    #[test]
    fn concurrent_script_performs_writes_and_then_queries() {
        let numbers_of = |workers| {
            let steps = schedules(&replay(ReplayOrder::Concurrent), &[], workers);
            let numbers = |step: Vec<Schedule>| {
                step.into_iter().map(|mut one| numbers(&perform(&mut one).0)).collect::<Vec<_>>()
            };
            steps.into_iter().map(numbers).collect::<Vec<_>>()
        };
        assert_eq!(numbers_of(1), [[vec![(1, 2), (2, 1)]], [vec![(1, 1), (1, 3)]]]);
        let two = [[vec![(2, 1)], vec![(1, 2)]], [vec![], vec![(1, 1), (1, 3)]]];
        assert_eq!(numbers_of(2), two);
    }
}
