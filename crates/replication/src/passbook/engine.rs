//! The engine: routes each event to the components, and their decisions to each other.

use super::acknowledgements::Acknowledgements;
use super::collects::{Collect, CollectKey, Collects, show_ledger};
use super::escrow::{BorrowRequest, Escrow, NextStep};
use super::gate::{Deferred, TokenGate};
use super::local_log::OwnEntry;
use super::peers::Peers;
use super::pushes::Pushes;
use super::relay::Relay;
use super::requests::{Awaiting, PendingQuery, PendingWrite};
use super::sessions::{Admission, Sessions, State};
use super::{
    Context, Corrupt, Effect, Hello, Input, LocalLog, Message, Mutant, Note, Record, Stop,
};
use crate::{LogStatus, ReplicaStats, Request, Ticket, Token};
use bank::{Entry, Member, Operation, Outcome, Read, Rejection, Row, Write, WriteKind};

/// The components of one branch.
#[derive(Debug)]
pub(super) struct Engine {
    log: LocalLog,
    peers: Peers,
    pushes: Pushes,
    relay: Relay,
    sessions: Sessions,
    gate: TokenGate,
    escrow: Escrow,
    collects: Collects,
    acknowledgements: Acknowledgements,
    /// A tick was requested.
    is_armed: bool,
    is_stopped: bool,
}

impl Engine {
    pub(super) fn new(ctx: &Context) -> Self {
        let log = LocalLog::new(ctx);
        Self {
            escrow: Escrow::new(log.visible().share(ctx.me), ctx.members()),
            log,
            peers: Peers::new(ctx),
            pushes: Pushes::new(ctx.members()),
            relay: Relay::new(ctx),
            sessions: Sessions::default(),
            gate: TokenGate::default(),
            collects: Collects::default(),
            acknowledgements: Acknowledgements::default(),
            is_armed: false,
            is_stopped: false,
        }
    }

    pub(super) const fn log(&self) -> &LocalLog {
        &self.log
    }

    pub(super) const fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// How many requests have no answer.
    pub(super) fn open_requests(&self) -> usize {
        self.gate.len() + self.escrow.len() + self.collects.queries() + self.acknowledgements.len()
    }

    pub(super) fn stats(&self, ctx: &Context) -> ReplicaStats {
        let connected = ctx.others().filter(|peer| self.peers.is_up(*peer));
        self.log.stats(connected.map(|peer| self.pushes.of(peer).acknowledged.of(ctx.me)).min())
    }

    pub(super) fn status(&self) -> LogStatus {
        self.log.status(self.escrow.rights())
    }

    fn stop(&mut self, ctx: &mut Context, reason: Stop) {
        self.is_stopped = true;
        ctx.effects.push(Effect::Stop(reason));
    }

    pub(super) fn on(&mut self, ctx: &mut Context, input: Input) {
        let other = |branch| ctx.settings.member(branch).filter(|peer| *peer != ctx.me);
        match input {
            Input::Submit { ticket, request } => self.submit(ctx, ticket, request),
            Input::Abandon { ticket } => self.abandon(ctx, ticket),
            Input::PeerUp { peer } if let Some(peer) = other(peer) => self.peer_up(ctx, peer),
            Input::PeerDown { peer } if let Some(peer) = other(peer) => self.peer_down(ctx, peer),
            Input::Peer { from, message } if let Some(from) = other(from) => {
                self.handle_message(ctx, from, message);
            }
            // Of a branch that is not a peer.
            Input::PeerUp { .. } | Input::PeerDown { .. } | Input::Peer { .. } => {}
            Input::Persisted { upto } => {
                if self.log.persisted(ctx, upto) {
                    self.peers.send_hellos(ctx, &self.log);
                }
            }
            Input::Room(room) => ctx.journal.set_room(room),
            Input::Tick => self.tick(ctx),
        }
    }

    // Requests.

    fn submit(&mut self, ctx: &mut Context, ticket: Ticket, mut request: Request) {
        request.deadline = request.deadline.min(ctx.now.after(ctx.settings.timing.horizon));
        match request.operation {
            Operation::Query => self.submit_query(ctx, ticket, request),
            Operation::Write(write) => self.submit_write(ctx, ticket, write, request),
        }
    }

    fn submit_query(&mut self, ctx: &mut Context, ticket: Ticket, request: Request) {
        let Request { token, read, deadline, .. } = request;
        let is_foreign =
            token.as_ref().is_some_and(|token| TokenGate::is_foreign(ctx, &self.log, token));
        if !ctx.is_ready() {
            self.log.reply(ctx, ticket, Outcome::Rejected(Rejection::NotReady));
        } else if is_foreign {
            self.log.reply(ctx, ticket, Outcome::Rejected(Rejection::ForeignPassbook));
        } else if read == Read::Local {
            self.log.reply(ctx, ticket, Outcome::Ok);
        } else {
            let query = PendingQuery { ticket, read, deadline };
            self.pass_gate(ctx, token, Deferred::Query(query));
        }
    }

    fn submit_write(&mut self, ctx: &mut Context, ticket: Ticket, write: Write, request: Request) {
        let pending = PendingWrite::new(ticket, write, &request);
        if !ctx.is_ready() {
            // An earlier incarnation may have executed it.
            ctx.reply_unknown(ticket);
            return;
        }
        let admission = request.attempt.map_or(Admission::New { abandoned: None }, |attempt| {
            self.sessions.admit(ctx, attempt, write, ticket)
        });
        match admission {
            Admission::New { abandoned } => {
                if let Some(older) = abandoned {
                    self.abandon(ctx, older);
                }
            }
            Admission::Waits { under } => {
                if let Some(waiting) = self.write_mut(under) {
                    *waiting = pending;
                }
                ctx.reply_unknown(under);
                return;
            }
            Admission::Staged(seq) => {
                let awaiting = Awaiting { seq, ticket, deadline: pending.deadline };
                if ctx.has(Mutant::JournaledIsAcknowledged) {
                    awaiting.reply(ctx, self.log.visible(), pending.ack.needed(ctx.members()));
                } else {
                    let deferred = Deferred::Acknowledgement(pending.ack, awaiting);
                    self.pass_gate(ctx, request.token, deferred);
                }
                return;
            }
            Admission::Rejected(rejection) => {
                self.log.reply(ctx, ticket, Outcome::Rejected(rejection));
                return;
            }
            // A rejection that cannot be remembered would not be definite.
            Admission::Superseded | Admission::Full => {
                ctx.reply_unknown(ticket);
                return;
            }
        }
        let is_foreign = |token| TokenGate::is_foreign(ctx, &self.log, token);
        if write.amount.is_negative() {
            self.reject(ctx, &pending, Rejection::BadRequest);
        } else if request.token.as_ref().is_some_and(is_foreign) {
            self.reject(ctx, &pending, Rejection::ForeignPassbook);
        } else {
            self.pass_gate(ctx, request.token, Deferred::Write(pending));
        }
    }

    /// The customer has stopped waiting: a write that is not in the log is not executed.
    fn abandon(&mut self, ctx: &mut Context, ticket: Ticket) {
        if let Some(deferred) = self.gate.remove(ticket) {
            self.expire_deferred(ctx, &deferred);
        } else if let Some(pending) = self.escrow.remove(ticket) {
            self.expire(ctx, &pending);
        }
    }

    fn write_mut(&mut self, ticket: Ticket) -> Option<&mut PendingWrite> {
        self.gate.write_mut(ticket).or_else(|| self.escrow.write_mut(ticket))
    }

    fn pass_gate(&mut self, ctx: &mut Context, token: Option<Token>, deferred: Deferred) {
        let is_covered =
            |token: &Token| TokenGate::is_covered(ctx, self.log.version(), token, &deferred);
        match token.filter(|token| !is_covered(token)) {
            None => self.proceed(ctx, deferred),
            Some(_) if self.is_crowded(ctx) => self.reject_overloaded(ctx, &deferred),
            Some(token) => self.gate.wait(token, deferred),
        }
    }

    /// Whether as many customers wait as may.
    fn is_crowded(&self, ctx: &Context) -> bool {
        self.gate.len() + self.escrow.len() + self.collects.waiting() >= ctx.settings.limits.waiting
    }

    fn reject_overloaded(&mut self, ctx: &mut Context, deferred: &Deferred) {
        let overloaded = Rejection::Overloaded;
        match deferred {
            Deferred::Write(pending) => self.reject(ctx, pending, overloaded),
            // Enough branches may hold it: an unknown outcome cannot be rejected.
            Deferred::Acknowledgement(_, awaiting) => ctx.reply_unknown(awaiting.ticket),
            Deferred::Query(query) => {
                self.log.reply(ctx, query.ticket, Outcome::Rejected(overloaded));
            }
        }
    }

    /// Everything that the customer has seen is visible.
    fn proceed(&mut self, ctx: &mut Context, deferred: Deferred) {
        match deferred {
            Deferred::Write(pending) => self.execute(ctx, pending),
            Deferred::Acknowledgement(ack, awaiting) => self.acknowledgements.wait(ack, awaiting),
            Deferred::Query(query) if query.read != Read::Snapshot => {
                self.log.reply(ctx, query.ticket, Outcome::Ok);
            }
            Deferred::Query(_) if self.is_crowded(ctx) => self.reject_overloaded(ctx, &deferred),
            Deferred::Query(query) => {
                self.collects.wait(ctx, query);
                self.start_collect(ctx);
            }
        }
    }

    fn execute(&mut self, ctx: &mut Context, pending: PendingWrite) {
        let Write { kind, amount } = pending.write;
        if self.refuse(ctx, &pending) {
            return;
        }
        let is_covered = match kind {
            WriteKind::Deposit if !self.log.can_hold(amount) => {
                return self.reject(ctx, &pending, Rejection::OutOfRange);
            }
            WriteKind::Deposit => true,
            WriteKind::Withdraw => self.escrow.covers(ctx, self.log.visible(), amount),
        };
        if is_covered {
            self.append(ctx, &pending);
        } else if self.is_crowded(ctx) {
            self.reject(ctx, &pending, Rejection::Overloaded);
        } else if self.escrow.wait(ctx, pending) {
            self.borrow(ctx);
        }
    }

    /// Answers a write that must not be staged. Returns whether it did.
    fn refuse(&mut self, ctx: &mut Context, pending: &PendingWrite) -> bool {
        if pending.is_expired(ctx) {
            self.expire(ctx, pending);
            return true;
        }
        let rejection = pending.rejection(ctx, self.peers.connected());
        if let Some(rejection) = rejection {
            self.reject(ctx, pending, rejection);
        }
        rejection.is_some()
    }

    /// Appends a write to the log. The answer follows when enough branches hold it.
    fn append(&mut self, ctx: &mut Context, pending: &PendingWrite) {
        let PendingWrite { ticket, request, write, ack, deadline } = *pending;
        let entry = match write.kind {
            WriteKind::Deposit => Entry::Deposit(write.amount),
            WriteKind::Withdraw => Entry::Withdraw(write.amount),
        };
        self.escrow.entry_staged(ctx, &entry);
        let seq = self.log.stage(ctx, entry, request);
        let needed = ack.needed(ctx.members()) - 1;
        ctx.note(Note::Staged { ticket, seq, needed });
        self.sessions.set_state(request, State::Staged(seq));
        self.acknowledgements.wait(ack, Awaiting { seq, ticket, deadline });
    }

    /// Answers "no", which is definite: the write is not executed now or later.
    fn reject(&mut self, ctx: &mut Context, pending: &PendingWrite, rejection: Rejection) {
        self.sessions.set_state(pending.request, State::Rejected(rejection));
        self.log.reply(ctx, pending.ticket, Outcome::Rejected(rejection));
    }

    /// Gives up on a write before it is staged. Its next attempt begins anew.
    fn expire(&mut self, ctx: &mut Context, pending: &PendingWrite) {
        self.sessions.set_state(pending.request, State::Expired);
        ctx.reply_unknown(pending.ticket);
    }

    fn expire_deferred(&mut self, ctx: &mut Context, deferred: &Deferred) {
        match deferred {
            Deferred::Write(pending) => self.expire(ctx, pending),
            Deferred::Acknowledgement(..) | Deferred::Query(_) => {
                ctx.reply_unknown(deferred.ticket());
            }
        }
    }

    // Borrowing and collecting.

    /// The next step for the withdrawals that wait.
    fn borrow(&mut self, ctx: &mut Context) {
        self.pay_covered(ctx);
        let next = self.escrow.next_step(ctx, self.log.visible(), &self.peers);
        self.take_step(ctx, next);
    }

    fn take_step(&mut self, ctx: &mut Context, next: NextStep) {
        match next {
            NextStep::Nothing => {}
            NextStep::Prove => self.start_collect(ctx),
            NextStep::Reject(rejection) => {
                while let Some(pending) = self.escrow.pop() {
                    self.reject(ctx, &pending, rejection);
                }
            }
        }
    }

    /// Pays out to the withdrawals that wait, as far as the rights go.
    fn pay_covered(&mut self, ctx: &mut Context) {
        while let Some(pending) = self.escrow.pop_covered(ctx, self.log.visible()) {
            if !self.refuse(ctx, &pending) {
                self.append(ctx, &pending);
            }
        }
    }

    fn start_collect(&mut self, ctx: &mut Context) {
        let (all_up, prover) = (self.peers.are_all_up(), self.relay.prover(ctx));
        let withdrawals = self.escrow.proof_request();
        if let Some(collect) = self.collects.start(ctx, &self.log, all_up, prover, withdrawals) {
            self.finish_collect(ctx, &collect);
        }
    }

    fn finish_collect(&mut self, ctx: &mut Context, collect: &Collect) {
        ctx.note(Note::CollectEnded { complete: true });
        if let Some(clock) = collect.withdrawals_upto.filter(|_| self.escrow.is_proving()) {
            self.refuse_proved(ctx, collect, clock);
        }
        self.collects.answer_snapshots(ctx, &self.log, collect);
        self.start_collect(ctx);
    }

    /// Refuses the withdrawals that a collect decides against, and continues with the others.
    fn refuse_proved(&mut self, ctx: &mut Context, collect: &Collect, clock: u64) {
        let rejection = Rejection::InsufficientFunds;
        for pending in self.escrow.judge(ctx, &collect.proof, clock) {
            if ctx.journal.has_room() {
                self.sessions.set_state(pending.request, State::Rejected(rejection));
                let outcome = Outcome::Rejected(rejection);
                collect.proof.reply_refused(ctx, pending.ticket, outcome);
            } else {
                // The proof is not in the journal, so an answer could not show it.
                self.reject(ctx, &pending, Rejection::Overloaded);
            }
        }
        while let Some(pending) = self.escrow.pop_contended() {
            self.reject(ctx, &pending, Rejection::Contended);
        }
        if self.escrow.rest(ctx) {
            self.borrow(ctx);
        }
    }

    // Peers.

    fn peer_up(&mut self, ctx: &mut Context, peer: Member) {
        self.peer_down(ctx, peer);
        self.peers.open(ctx, peer);
        if ctx.journal.is_recovered() {
            self.peers.send_hello(ctx, &self.log, peer);
        }
    }

    fn peer_down(&mut self, ctx: &mut Context, peer: Member) {
        let was_up = self.peers.close(peer);
        self.pushes.reset(ctx, peer);
        self.relay.reset(peer);
        if !was_up {
            return;
        }
        self.pushes.peer_lost(ctx, &self.peers);
        self.relay.progressed();
        self.collects.peer_lost(ctx, &self.log, peer);
        if self.escrow.is_proving() {
            let next = self.escrow.prove(ctx, &self.peers);
            self.take_step(ctx, next);
        }
        if self.escrow.peer_lost(peer) {
            self.borrow(ctx);
        }
    }

    fn handle_message(&mut self, ctx: &mut Context, from: Member, message: Message) {
        match message {
            Message::Hello(hello) => self.handle_hello(ctx, from, hello),
            _ if !self.peers.is_up(from) => {}
            Message::Push { rows, unreachable } => self.handle_push(ctx, from, rows, unreachable),
            Message::Acknowledge { incarnation, durable } => {
                if self.peers.is_incarnation(from, incarnation) {
                    self.pushes.peer_acknowledges(ctx, from, &durable);
                    self.relay.progressed();
                }
            }
            Message::Held { cluster, held } => {
                if self.relay.accept_report(ctx, cluster) {
                    self.pushes.relay_reports(ctx, from, self.log.staged().seq, &held);
                }
            }
            Message::Borrow { id, priority, target } => {
                let request = BorrowRequest { id, priority, target };
                if let Some(grant) = self.escrow.grant_rights(ctx, &self.log, from, request) {
                    self.escrow.entry_staged(ctx, &grant);
                    self.log.stage(ctx, grant, None);
                }
            }
            Message::Decline { id } => {
                if self.escrow.declined(from, id) {
                    self.borrow(ctx);
                }
            }
            Message::Collect { id, round, known } => {
                show_ledger(ctx, &self.log, from, CollectKey { id, round }, &known);
            }
            Message::Collected { id, round, rows } => {
                let key = CollectKey { id, round };
                self.collects.collected(ctx, &self.log, from, key, &rows);
                self.pushes.peer_shows(from, &rows);
                if self.take_in(ctx, from, rows)
                    && let Some(collect) = self.collects.advance(ctx, &self.log)
                {
                    self.finish_collect(ctx, &collect);
                }
            }
            Message::Prove { id, known } => {
                self.collects.prove_for(ctx, from, id, known);
                self.start_collect(ctx);
            }
            Message::Proved { id, first, second } => {
                if let Some(collect) = self.collects.proved(from, id, &first, &second)
                    && self.take_in(ctx, from, first)
                {
                    self.finish_collect(ctx, &collect);
                }
            }
            Message::Unproved { id } => {
                if self.collects.unproved(ctx, &self.log, from, id) {
                    if self.escrow.is_proving() {
                        let next = self.escrow.give_up(Rejection::RightsUnavailable);
                        self.take_step(ctx, next);
                    }
                    self.start_collect(ctx);
                }
            }
        }
    }

    fn handle_hello(&mut self, ctx: &mut Context, from: Member, hello: Hello) {
        match self.peers.greet(ctx, &self.log, from, &hello) {
            Err(reason) => self.stop(ctx, reason),
            Ok(false) => {}
            Ok(true) => {
                self.pushes.peer_up(ctx, from, hello.durable);
                self.relay.reset(from);
                self.relay.progressed();
            }
        }
    }

    fn handle_push(
        &mut self,
        ctx: &mut Context,
        from: Member,
        rows: Vec<Row>,
        unreachable: Vec<Member>,
    ) {
        if !unreachable.is_empty() {
            self.pushes.peer_cut_off();
        }
        self.peers.set_unreachable(from, unreachable);
        self.pushes.peer_shows(from, &rows);
        if ctx.journal.has_room() && self.receive(ctx, from, rows) {
            self.pushes.owe_acknowledgement(from, ctx.journal.appended());
        }
    }

    /// Merges rows that a collect showed, if there is room for them. Returns whether the branch continues.
    fn take_in(&mut self, ctx: &mut Context, from: Member, rows: Vec<Row>) -> bool {
        !ctx.journal.has_room() || self.receive(ctx, from, rows)
    }

    /// Merges rows of other branches. Returns whether the branch continues.
    fn receive(&mut self, ctx: &mut Context, from: Member, rows: Vec<Row>) -> bool {
        let Self { log, escrow, pushes, peers, .. } = self;
        let rights = escrow.rights();
        let received = log.receive(ctx, from, rows, |ctx, merge| {
            escrow.row_merged(ctx, &merge);
            pushes.row_merged(peers, &merge);
        });
        if let Err(reason) = received {
            self.stop(ctx, reason);
            return false;
        }
        if self.escrow.rights() > rights {
            self.pay_covered(ctx);
            if self.escrow.rights_arrived(ctx, self.log.visible()) {
                self.borrow(ctx);
            }
        }
        true
    }

    // Disk and time.

    fn tick(&mut self, ctx: &mut Context) {
        self.is_armed = false;
        self.expire_requests(ctx);
        self.relay.watch(ctx, &self.log, &self.peers, &self.pushes);
        for to in ctx.others() {
            if !self.peers.repeat_hello(ctx, &self.log, to) {
                self.pushes.repeat(ctx, &self.log, &self.peers, to);
            }
        }
        if self.escrow.tick(ctx.now) {
            self.borrow(ctx);
        }
        self.collects.repeat(ctx, &self.log);
        self.start_collect(ctx);
    }

    fn expire_requests(&mut self, ctx: &mut Context) {
        let mut position = 0;
        while let Some(deferred) = self.gate.expire(&mut position, ctx.now) {
            self.expire_deferred(ctx, &deferred);
        }
        while let Some(pending) = self.escrow.pop_expired(ctx) {
            self.expire(ctx, &pending);
        }
        self.collects.expire(ctx);
        self.acknowledgements.expire(ctx);
    }

    pub(super) fn settle(&mut self, ctx: &mut Context) {
        self.log.settle(ctx);
        if self.log.take_change() {
            let mut position = 0;
            while let Some(deferred) = self.gate.release(&mut position, self.log.version()) {
                self.proceed(ctx, deferred);
            }
            self.log.settle(ctx);
        }
        self.answer_acknowledged(ctx);
        self.pushes.acknowledge_all(ctx, &self.log);
        self.relay.report_holders(ctx, &self.peers, &self.pushes);
        self.pushes.push_all(ctx, &self.log, &self.peers, &self.relay);
        self.arm(ctx);
    }

    fn answer_acknowledged(&mut self, ctx: &mut Context) {
        if self.acknowledgements.is_empty() {
            return;
        }
        let (own, connected) = (ctx.journal.durable().of(ctx.me), self.peers.connected());
        let held = ctx.others().map(|peer| self.pushes.of(peer).acknowledged.of(ctx.me));
        self.log.acknowledged(self.acknowledgements.count(own, held));
        self.acknowledgements.answer(ctx, self.log.visible(), connected);
    }

    /// Requests a tick if anything can become due. One tick at a time is coarse, and costs a steady stream of
    /// writes nothing.
    fn arm(&mut self, ctx: &mut Context) {
        let can_become_due = || {
            self.open_requests() > 0
                || self.collects.is_active()
                || self.relay.is_pending(ctx, &self.log, &self.peers, &self.pushes)
                || !self.escrow.is_idle()
                || self.pushes.is_any_outstanding()
                || self.peers.is_any_opening()
        };
        if !self.is_armed && can_become_due() {
            self.is_armed = true;
            ctx.effects.push(Effect::WakeAt(ctx.now.after(ctx.settings.timing.tick)));
        }
    }

    // Start.

    /// Begins an incarnation.
    pub(super) fn found(&mut self, ctx: &mut Context) {
        let (incarnation, configuration) =
            (ctx.settings.incarnation, ctx.settings.configuration_hash());
        ctx.persist_incarnation(Record::Founded { incarnation, configuration });
        ctx.journal.founded();
        ctx.cluster = self.peers.cluster(ctx);
    }

    /// Replays one record of the journal. `number` counts from 1.
    pub(super) fn replay(
        &mut self,
        ctx: &mut Context,
        number: u64,
        record: Record,
    ) -> Result<(), Corrupt> {
        let broken = Corrupt::Broken { record: number };
        if matches!(record, Record::Founded { .. }) != (number == 1) {
            return Err(Corrupt::Misplaced { record: number });
        }
        match record {
            Record::Founded { incarnation, configuration } => {
                if configuration != ctx.settings.configuration_hash() {
                    return Err(Corrupt::OtherConfiguration);
                }
                ctx.settings.incarnation = incarnation;
            }
            Record::Bound { peer, incarnation } => {
                self.peers.bind(peer, incarnation).ok_or(broken)?;
            }
            Record::Own { seq, entry, request, chain } => {
                self.escrow.entry_staged(ctx, &entry);
                self.log.replay_own(ctx, &OwnEntry { seq, entry, request, chain }).ok_or(broken)?;
                let write = match entry {
                    Entry::Deposit(amount) => Write { kind: WriteKind::Deposit, amount },
                    Entry::Withdraw(amount) => Write { kind: WriteKind::Withdraw, amount },
                    Entry::Grant { .. } => return Ok(()),
                };
                if let Some(request) = request {
                    self.sessions.replayed(ctx, request, write, seq);
                }
            }
            Record::Received { rows } => {
                for row in &rows {
                    let merge = self.log.replay_received(row).ok_or(broken)?;
                    if merge.is_new {
                        self.escrow.row_merged(ctx, &merge);
                    }
                }
            }
        }
        Ok(())
    }

    /// This many records were replayed: the whole journal.
    pub(super) fn replayed(&mut self, ctx: &mut Context, records: u64) {
        self.log.replayed(ctx, records);
        ctx.cluster = self.peers.cluster(ctx);
    }
}
