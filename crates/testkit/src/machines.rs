//! Passbook branches without sockets: what one sends is what another takes in, in order.

use std::collections::VecDeque;
use std::time::Duration;

use bank::{Ack, Read};
use bank::{BranchId, Money, Operation, Outcome, RequestId, SessionId, Version};
use replication::passbook::{Effect, Input, Message, Settings};
use replication::{Attempt, Instant, Passbook, Replication, Request, Ticket, Token};

/// A cluster in one thread.
pub struct Machines {
    ids: Vec<BranchId>,
    replicas: Vec<Passbook>,
    wire: VecDeque<(usize, BranchId, Message)>,
    effects: Vec<Effect>,
    now: Instant,
    tickets: u64,
    /// What customers carry: what the first of them was shown.
    token: Option<Token>,
    /// Writes that were answered with success.
    pub acknowledged: u64,
    /// Messages between branches since they met.
    pub messages: u64,
}

impl Machines {
    /// `branches` branches that know each other.
    pub fn start(branches: u32) -> Self {
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
        let mut machines = Self {
            ids,
            replicas,
            wire,
            effects,
            now,
            tickets: 0,
            token: None,
            acknowledged: 0,
            messages: 0,
        };
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

    /// What customers ask who together make `writes` deposits, each with the token that they carry.
    pub fn requests(&mut self, writes: u64) -> Vec<(Ticket, Request)> {
        let request = |session| {
            self.tickets += 1;
            let request = RequestId { session: SessionId(session), number: self.tickets };
            let request = Request {
                attempt: Some(Attempt { request, attempt: 1 }),
                operation: Operation::deposit(1),
                token: self.token.clone(),
                ack: Ack::All,
                read: Read::Session,
                deadline: self.now.after(Duration::from_secs(10)),
            };
            (Ticket(self.tickets), request)
        };
        (0..writes).map(request).collect()
    }

    /// All of them at the first branch, where they arrive before it gets to say anything; until all
    /// branches have acknowledged them.
    pub fn submit(&mut self, requests: Vec<(Ticket, Request)>) {
        self.now = self.now.after(Duration::from_millis(1));
        for (ticket, request) in requests {
            let input = Input::Submit { ticket, request };
            self.replicas[0].on(self.now, input, &mut self.effects);
        }
        self.settle(0);
        self.deliver();
    }

    /// `writes` deposits that arrive together.
    pub fn deposit(&mut self, writes: u64) {
        let requests = self.requests(writes);
        self.submit(requests);
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
                Effect::Reply { answer, receipt, .. } => {
                    assert_eq!(answer.outcome, Outcome::Ok);
                    self.acknowledged += 1;
                    if self.token.is_none() {
                        let receipt = receipt.expect("a branch that serves");
                        let version = Version::clone(&receipt.version);
                        self.token = Some(Token { cluster: receipt.cluster, version });
                    }
                }
                Effect::Refuse { peer, why } => panic!("branch {from}: branch {peer} {why}"),
                Effect::Stop(stop) => panic!("branch {from} stopped: {stop}"),
                Effect::Persist { .. } | Effect::WakeAt(_) | Effect::Note(_) => {}
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
    pub fn balances(&self) -> Vec<Money> {
        self.replicas.iter().map(|replica| replica.stats().balance).collect()
    }
}
