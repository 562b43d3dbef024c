//! Passbook branches that do nothing but take deposits, as benches and allocation tests measure them.

use std::time::Duration;

use bank::{Ack, Read};
use bank::{BranchId, Money, Operation, Outcome, RequestId, SessionId, Version};
use replication::passbook::Settings;
use replication::{Attempt, Passbook, Request, Ticket, Token};

use crate::net::{Delivery, Net, Started};

/// A cluster in one thread.
pub struct Machines {
    net: Net<Passbook>,
    /// What customers carry: what the first of them was shown.
    token: Option<Token>,
    /// Writes that were answered with success.
    pub acknowledged: u64,
}

/// The branch that is asked.
const ASKED: BranchId = BranchId(1);

impl Machines {
    /// `branches` branches that know each other.
    pub fn start(branches: u32) -> Self {
        let ids: Vec<BranchId> = (1..=branches).map(BranchId).collect();
        let start = |id: &BranchId| {
            let settings = Settings::in_memory(*id, &ids, Money::ZERO, id.0.into());
            let mut first = Vec::new();
            let replica =
                Passbook::start(settings, Vec::new(), &mut first).expect("an empty journal");
            Started { id: *id, replica, first }
        };
        let net = Net::start(Delivery::Instant, ids.iter().map(start).collect());
        assert!(net.replicas().iter().all(Passbook::is_ready), "all have met");
        Self { net, token: None, acknowledged: 0 }
    }

    /// What customers ask who together make `writes` deposits, each with the token that they carry.
    pub fn requests(&mut self, writes: u64) -> Vec<(Ticket, Request)> {
        let request = |session| {
            let ticket = self.net.draw_ticket();
            let request = RequestId { session: SessionId(session), number: ticket.0 };
            let request = Request {
                attempt: Some(Attempt { request, attempt: 1 }),
                operation: Operation::deposit(1),
                token: self.token.clone(),
                ack: Ack::All,
                read: Read::Session,
                deadline: self.net.later(Duration::from_secs(10)),
            };
            (ticket, request)
        };
        (0..writes).map(request).collect()
    }

    /// All of them at the first branch, where they arrive together; until all branches have acknowledged
    /// them.
    pub fn submit(&mut self, requests: Vec<(Ticket, Request)>) {
        self.net.pass(Duration::from_millis(1));
        self.net.ask_together(ASKED, requests);
        self.net.rest();
        while let Some(reply) = self.net.next_reply() {
            assert_eq!(reply.answer.outcome, Outcome::Ok);
            self.acknowledged += 1;
            if self.token.is_none() {
                let receipt = reply.receipt.expect("a branch that serves");
                let version = Version::clone(&receipt.version);
                self.token = Some(Token { cluster: receipt.cluster, version });
            }
        }
    }

    /// `writes` deposits that arrive together.
    pub fn deposit(&mut self, writes: u64) {
        let requests = self.requests(writes);
        self.submit(requests);
    }

    /// Messages between branches since they met.
    pub const fn messages(&self) -> u64 {
        self.net.messages()
    }

    /// What every branch holds.
    pub fn balances(&self) -> Vec<Money> {
        self.net.stats().into_iter().map(|stats| stats.balance).collect()
    }
}
