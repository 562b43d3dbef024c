//! Passbook branches without sockets: what one sends is what another takes in, in order.

use std::collections::VecDeque;
use std::time::Duration;

use passbook::bank::{BranchId, Money, Operation, Outcome, RequestId, SessionId};
use passbook::replicate::passbook::Settings;
use passbook::replicate::{
    Ack, Attempt, Effect, Input, Instant, Message, Passbook, Read, Replication, Request, Ticket,
};

/// A cluster in one thread.
pub(crate) struct Machines {
    ids: Vec<BranchId>,
    replicas: Vec<Passbook>,
    wire: VecDeque<(usize, BranchId, Message)>,
    effects: Vec<Effect>,
    now: Instant,
    tickets: u64,
    /// Writes that were answered with success.
    pub(crate) acknowledged: u64,
    /// Messages between branches since they met.
    pub(crate) messages: u64,
}

impl Machines {
    /// `branches` branches that know each other.
    pub(crate) fn start(branches: u32) -> Self {
        let ids: Vec<BranchId> = (1..=branches).map(BranchId).collect();
        let mut effects = Vec::new();
        let start = |id: &BranchId| {
            let settings = Settings::in_memory(*id, &ids, Money::ZERO, id.0.into());
            Passbook::start(settings, Vec::new(), &mut effects).expect("an empty journal")
        };
        let replicas = ids.iter().map(start).collect();
        effects.clear();
        let wire = VecDeque::new();
        let now = Instant::default();
        let mut machines =
            Self { ids, replicas, wire, effects, now, tickets: 0, acknowledged: 0, messages: 0 };
        for place in 0..machines.ids.len() {
            for peer in machines.ids.clone() {
                machines.replicas[place].on(now, Input::PeerUp { peer }, &mut machines.effects);
            }
            machines.settle(place);
        }
        machines.deliver();
        machines.messages = 0;
        assert!(machines.replicas.iter().all(Passbook::is_ready), "all have met");
        machines
    }

    /// `writes` deposits at the first branch, which all arrive before it gets to say anything; until
    /// all branches have acknowledged them.
    pub(crate) fn deposit(&mut self, writes: u64) {
        self.now = self.now.after(Duration::from_millis(1));
        for session in 0..writes {
            self.tickets += 1;
            let ticket = Ticket(self.tickets);
            let request = RequestId { session: SessionId(session), number: self.tickets };
            let request = Request {
                attempt: Some(Attempt { request, attempt: 1 }),
                operation: Operation::deposit(1),
                token: None,
                ack: Ack::All,
                read: Read::Session,
                deadline: self.now.after(Duration::from_secs(10)),
            };
            let input = Input::Submit { ticket, request };
            self.replicas[0].on(self.now, input, &mut self.effects);
        }
        self.settle(0);
        self.deliver();
    }

    fn settle(&mut self, place: usize) {
        self.replicas[place].settle(self.now, &mut self.effects);
        let from = self.ids[place];
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Send { to, message } => {
                    let to = self.ids.binary_search(&to).expect("a branch");
                    self.wire.push_back((to, from, message));
                    self.messages += 1;
                }
                Effect::Reply { answer, .. } => {
                    assert_eq!(answer.outcome, Outcome::Ok);
                    self.acknowledged += 1;
                }
                Effect::Stop(stop) => panic!("branch {from} stopped: {stop}"),
                Effect::Persist { .. } | Effect::WakeAt(_) => {}
            }
        }
    }

    fn deliver(&mut self) {
        while let Some((to, from, message)) = self.wire.pop_front() {
            self.replicas[to].on(self.now, Input::Peer { from, message }, &mut self.effects);
            self.settle(to);
        }
    }

    /// What every branch holds.
    pub(crate) fn balances(&self) -> Vec<Money> {
        self.replicas.iter().map(|replica| replica.audit().balance).collect()
    }
}
