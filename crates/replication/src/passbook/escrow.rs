//! Escrow: a branch pays out only what it has rights to, and rights move to the oldest withdrawal first.
//!
//! A withdrawal beyond the rights of its branch waits here. The branch sends borrow requests to the branches
//! that are known to have rights, the richest first, as many as cover what is missing. A branch that gets one
//! grants what it can unless an older withdrawal waits there. So nobody declines the oldest of all, and it
//! finishes. What grants do not cover is settled by a proof ([`super::collects`]).

use std::collections::BTreeMap;

use super::local_log::Merge;
use super::peers::Peers;
use super::proof::Proof;
use super::requests::PendingWrite;
use super::{Context, LocalLog, Message, Mutant, Note, Priority, ROUNDS_MAX};
use crate::{Instant, Ticket};
use bank::{Entry, Ledger, Member, Money, Rejection, Total};

/// A withdrawal that waits for rights.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    pending: PendingWrite,
    /// How many proofs did not settle it.
    rounds: u32,
}

/// An open request to another branch.
#[derive(Clone, Copy, Debug)]
struct OpenRequest {
    id: u64,
    of: Member,
    granted_before: Total,
    until: Instant,
}

/// What this branch does for the withdrawals that wait.
#[derive(Debug, Default)]
enum Activity {
    /// None waits.
    #[default]
    Idle,
    /// It borrows. The next step follows when no request is open.
    Borrowing(Vec<OpenRequest>),
    /// A collect must show whether there is enough money.
    Proving,
    /// Money moved during the proof. Other branches may proceed with it until this instant.
    Resting(Instant),
}

/// What the engine must do next for the withdrawals that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextStep {
    Nothing,
    /// Start a collect.
    Prove,
    /// Reject all of them.
    Reject(Rejection),
}

/// A request of another branch for rights.
#[derive(Clone, Copy, Debug)]
pub(super) struct BorrowRequest {
    pub(super) id: u64,
    pub(super) priority: Priority,
    pub(super) target: Total,
}

/// Withdrawals that wait for a proof.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProofRequest {
    /// The Lamport clock of the youngest of them.
    pub(super) clock: u64,
    pub(super) tickets: Vec<Ticket>,
}

#[derive(Debug)]
pub(super) struct Escrow {
    /// What this branch may pay out, in minor units: share + deposits − withdrawals − granted + received. Staged
    /// entries count.
    rights: i128,
    /// The oldest first.
    waiting: BTreeMap<Priority, Waiting>,
    activity: Activity,
    /// The branches that got a request in this pass, by member.
    asked: Vec<bool>,
    /// The branches that may get a request, with their rights. Recomputed by each step of a pass.
    richest: Vec<(i128, Member)>,
    /// Lamport's clock.
    clock: u64,
}

impl Escrow {
    /// `share` is this branch's share of the opening balance.
    pub(super) fn new(share: i128, members: usize) -> Self {
        Self {
            rights: share,
            waiting: BTreeMap::new(),
            activity: Activity::Idle,
            asked: vec![false; members],
            richest: Vec::with_capacity(members),
            clock: 0,
        }
    }

    pub(super) const fn rights(&self) -> i128 {
        self.rights
    }

    /// How many withdrawals wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.activity, Activity::Idle)
    }

    pub(super) const fn is_proving(&self) -> bool {
        matches!(self.activity, Activity::Proving)
    }

    /// An entry was appended to the own log.
    pub(super) fn entry_staged(&mut self, ctx: &Context, entry: &Entry) {
        self.rights += match *entry {
            Entry::Grant { .. } if ctx.has(Mutant::GrantWithoutDebiting) => 0,
            Entry::Grant { amount, .. } => -i128::from(amount.minor_units()),
            Entry::Deposit(_) | Entry::Withdraw(_) => entry.delta(),
        };
    }

    /// A row of another branch was merged, which may grant rights.
    pub(super) fn row_merged(&mut self, ctx: &Context, merge: &Merge) {
        if merge.is_new {
            self.rights += merge.granted.signed() - merge.granted_before.signed();
        } else if ctx.has(Mutant::GrantCountedTwice) {
            self.rights += merge.granted_before.signed();
        }
    }

    /// Whether the rights of this branch cover a withdrawal.
    pub(super) fn covers(&self, ctx: &Context, visible: &Ledger, amount: Money) -> bool {
        let limit = if ctx.has(Mutant::PayOutOfBalance) { visible.total() } else { self.rights };
        i128::from(amount.minor_units()) <= limit
    }

    /// A withdrawal that is not covered begins to wait. Its priority is fixed until it ends. Returns whether a
    /// pass over the other branches begins with it.
    pub(super) fn wait(&mut self, ctx: &mut Context, pending: PendingWrite) -> bool {
        self.clock += 1;
        let priority = Priority { clock: self.clock, member: ctx.me };
        self.waiting.insert(priority, Waiting { pending, rounds: 0 });
        ctx.note(Note::ShortOfRights { ticket: pending.ticket });
        let begins = self.is_idle();
        if begins {
            self.asked.fill(false);
        }
        begins
    }

    /// Removes the oldest withdrawal if the rights cover it.
    pub(super) fn pop_covered(&mut self, ctx: &Context, visible: &Ledger) -> Option<PendingWrite> {
        let oldest = self.waiting.first_entry()?;
        let amount = oldest.get().pending.write.amount;
        self.covers(ctx, visible, amount).then(|| self.pop()).flatten()
    }

    /// Removes the oldest withdrawal.
    pub(super) fn pop(&mut self) -> Option<PendingWrite> {
        self.waiting.pop_first().map(|(_, waiting)| waiting.pending)
    }

    fn pop_if(&mut self, is_due: impl Fn(&Waiting) -> bool) -> Option<PendingWrite> {
        let mut due = self.waiting.extract_if(.., |_, waiting| is_due(waiting));
        due.next().map(|(_, waiting)| waiting.pending)
    }

    /// Removes a withdrawal whose deadline has passed.
    pub(super) fn pop_expired(&mut self, ctx: &Context) -> Option<PendingWrite> {
        self.pop_if(|waiting| waiting.pending.is_expired(ctx))
    }

    /// Removes a withdrawal for which too many proofs came to nothing.
    pub(super) fn pop_contended(&mut self) -> Option<PendingWrite> {
        self.pop_if(|waiting| waiting.rounds >= ROUNDS_MAX)
    }

    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<PendingWrite> {
        self.pop_if(|waiting| waiting.pending.ticket == ticket)
    }

    pub(super) fn write_mut(&mut self, ticket: Ticket) -> Option<&mut PendingWrite> {
        let mut waiting = self.waiting.values_mut().map(|waiting| &mut waiting.pending);
        waiting.find(|pending| pending.ticket == ticket)
    }

    /// The next step for the withdrawals that wait, once the rights here are paid out: borrow from branches
    /// that got no request in this pass, or prove that there is too little money.
    pub(super) fn next_step(
        &mut self,
        ctx: &mut Context,
        visible: &Ledger,
        peers: &Peers,
    ) -> NextStep {
        self.activity = Activity::Idle;
        let amounts = self.waiting.values().map(|waiting| waiting.pending.write.amount);
        let (Some((&priority, _)), Some(least)) =
            (self.waiting.first_key_value(), amounts.clone().min())
        else {
            return NextStep::Nothing;
        };
        let wanted: i128 = amounts.map(|amount| i128::from(amount.minor_units())).sum();
        self.richest.clear();
        for peer in ctx.others().filter(|peer| !self.asked[peer.index()] && peers.is_up(*peer)) {
            let rights = visible.rights(peer);
            if rights > 0 {
                self.richest.push((rights, peer));
            }
        }
        self.richest.sort_unstable_by(|a, b| b.cmp(a));
        let grantable: i128 = self.richest.iter().map(|(rights, _)| rights).sum();
        if self.richest.is_empty() || self.rights + grantable < i128::from(least.minor_units()) {
            return self.prove(ctx, peers);
        }
        self.send_requests(ctx, visible, priority, wanted - self.rights);
        NextStep::Nothing
    }

    /// Sends requests to the richest branches, as many as are known to cover what is missing together.
    fn send_requests(
        &mut self,
        ctx: &mut Context,
        visible: &Ledger,
        priority: Priority,
        mut missing: i128,
    ) {
        let until = ctx.now.after(ctx.settings.timing.ask_timeout);
        let mut requests = Vec::new();
        for (position, &(rights, of)) in self.richest.iter().enumerate() {
            if missing <= 0 {
                break;
            }
            let is_last = position + 1 == self.richest.len();
            let need = if is_last { missing } else { missing.min(rights) };
            let need = Money::new(i64::try_from(need).unwrap_or(i64::MAX));
            missing -= rights;
            let granted_before = visible.rows()[of.index()].granted.to(ctx.me);
            let id = ctx.next_id();
            let target = granted_before.plus(need);
            self.asked[of.index()] = true;
            requests.push(OpenRequest { id, of, granted_before, until });
            ctx.send(of, Message::Borrow { id, priority, target });
            ctx.note(Note::BorrowRequested { of: ctx.branch(of) });
        }
        self.activity = Activity::Borrowing(requests);
    }

    /// No branch is known to have rights. A branch that cannot be reached may hold the money: that is not the
    /// same as too little money.
    pub(super) fn prove(&mut self, ctx: &Context, peers: &Peers) -> NextStep {
        if !peers.are_all_up() {
            self.give_up(Rejection::RightsUnavailable)
        } else if ctx.has(Mutant::DeclinedByAllIsProof) {
            self.give_up(Rejection::InsufficientFunds)
        } else {
            self.activity = Activity::Proving;
            NextStep::Prove
        }
    }

    /// Nothing can be done for the withdrawals that wait.
    pub(super) fn give_up(&mut self, rejection: Rejection) -> NextStep {
        self.activity = Activity::Idle;
        NextStep::Reject(rejection)
    }

    /// Another branch asks for rights. Returns the entry that grants them; declines otherwise. A granted
    /// request is answered by the push of that entry.
    pub(super) fn grant_rights(
        &mut self,
        ctx: &mut Context,
        log: &LocalLog,
        to: Member,
        request: BorrowRequest,
    ) -> Option<Entry> {
        let BorrowRequest { id, priority, target } = request;
        self.clock = self.clock.max(priority.clock);
        let missing = target.signed().saturating_sub(log.staged().granted.to(to).signed());
        if missing <= 0 {
            // A repeated request: the grant is in the log already.
            return None;
        }
        let is_older_here = self.waiting.first_key_value().is_some_and(|(own, _)| *own < priority);
        let amount = i64::try_from(missing.min(self.rights)).unwrap_or(i64::MAX);
        if is_older_here || amount <= 0 || !ctx.journal.has_room() || !ctx.is_ready() {
            ctx.send(to, Message::Decline { id });
            return None;
        }
        Some(Entry::Grant { to, amount: Money::new(amount) })
    }

    /// A branch declined a request. Returns whether the next step follows.
    pub(super) fn declined(&mut self, from: Member, id: u64) -> bool {
        self.close_requests(|request| request.of == from && request.id == id)
    }

    /// A branch is lost, and grants nothing any more. Returns whether the next step follows.
    pub(super) fn peer_lost(&mut self, peer: Member) -> bool {
        self.close_requests(|request| request.of == peer)
    }

    /// Closes requests that took too long, and ends a rest. Returns whether the next step follows.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        let rested = matches!(self.activity, Activity::Resting(until) if until <= now);
        if rested {
            self.asked.fill(false);
        }
        rested || self.close_requests(|request| request.until <= now)
    }

    /// Rights have arrived, and were paid out. Returns whether the next step follows.
    pub(super) fn rights_arrived(&mut self, ctx: &Context, visible: &Ledger) -> bool {
        let rows = visible.rows();
        let granted = |of: Member| rows[of.index()].granted.to(ctx.me);
        let none_waits = self.waiting.is_empty();
        self.close_requests(|request| granted(request.of) > request.granted_before)
            || (none_waits && matches!(self.activity, Activity::Borrowing(_)))
    }

    fn close_requests(&mut self, is_closed: impl Fn(&OpenRequest) -> bool) -> bool {
        let Activity::Borrowing(requests) = &mut self.activity else {
            return false;
        };
        requests.retain(|request| !is_closed(request));
        requests.is_empty()
    }

    /// What a collect must prove. `None` unless withdrawals wait for a proof.
    pub(super) fn proof_request(&self) -> Option<ProofRequest> {
        self.is_proving().then(|| ProofRequest {
            clock: self.clock,
            tickets: self.waiting.values().map(|waiting| waiting.pending.ticket).collect(),
        })
    }

    /// Removes the withdrawals, of those up to `clock`, for which the proof shows that there was too little
    /// money. The proof came to nothing for the others.
    pub(super) fn judge(&mut self, ctx: &Context, proof: &Proof, clock: u64) -> Vec<PendingWrite> {
        let balance = proof.balance_at_most();
        let upto = Priority { clock, member: ctx.me };
        let refused = self.waiting.extract_if(..=upto, |_, waiting| {
            let is_refused = balance < i128::from(waiting.pending.write.amount.minor_units());
            waiting.rounds += u32::from(!is_refused);
            is_refused
        });
        refused.map(|(_, waiting)| waiting.pending).collect()
    }

    /// The proof did not settle the withdrawals that still wait: the money moved. Returns whether a new pass
    /// begins at once. Otherwise it begins after a rest.
    pub(super) fn rest(&mut self, ctx: &mut Context) -> bool {
        let rounds = self.waiting.values().map(|waiting| waiting.rounds).max();
        match rounds {
            None => {
                self.activity = Activity::Idle;
                false
            }
            Some(0 | 1) => {
                self.asked.fill(false);
                true
            }
            Some(rounds) => {
                self.activity = Activity::Resting(ctx.rest_until(rounds));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClusterId;
    use bank::{Ack, BranchId, Row, Write, WriteKind};
    use std::time::Duration;

    const B: Member = Member(1);
    const C: Member = Member(2);

    struct Fixture {
        ctx: Context,
        log: LocalLog,
        peers: Peers,
        escrow: Escrow,
    }

    /// Branch 1 of three that have 10 each.
    fn fixture() -> Fixture {
        let mut ctx = Context::of_first(3, 30);
        ctx.cluster = Some(ClusterId(9));
        let log = LocalLog::new(&ctx);
        let peers = Peers::connected_to_all(&ctx);
        Fixture { ctx, log, peers, escrow: Escrow::new(10, 3) }
    }

    fn withdrawal(ticket: u64, amount: i64) -> PendingWrite {
        let write = Write { kind: WriteKind::Withdraw, amount: Money::new(amount) };
        let deadline = Instant(Duration::from_secs(30));
        PendingWrite { ticket: Ticket(ticket), request: None, write, ack: Ack::Local, deadline }
    }

    impl Fixture {
        fn wait(&mut self, ticket: u64, amount: i64) -> bool {
            self.escrow.wait(&mut self.ctx, withdrawal(ticket, amount))
        }

        fn next_step(&mut self) -> NextStep {
            let Self { ctx, log, peers, escrow } = self;
            escrow.next_step(ctx, log.visible(), peers)
        }

        /// The receivers of borrow requests with what each must have granted then.
        fn requests(&mut self) -> Vec<(u32, u64, u128)> {
            let requests = self.ctx.sent().into_iter().filter_map(|(to, message)| match message {
                Message::Borrow { id, target, .. } => Some((to.0, id, target.0)),
                _ => None,
            });
            requests.collect()
        }

        fn covered(&mut self) -> Option<u64> {
            let Self { ctx, log, escrow, .. } = self;
            escrow.pop_covered(ctx, log.visible()).map(|pending| pending.ticket.0)
        }
    }

    fn granted_by(origin: Member, amount: u128) -> Merge {
        let granted = Total(amount);
        Merge { origin, granted_before: Total::ZERO, granted, is_new: true }
    }

    #[test]
    fn rights_follow_own_entries_and_grants_received() {
        let Fixture { mut escrow, ctx, .. } = fixture();
        let amount = Money::new(4);
        for entry in
            [Entry::Deposit(amount), Entry::Withdraw(amount), Entry::Grant { to: B, amount }]
        {
            escrow.entry_staged(&ctx, &entry);
        }
        assert_eq!(escrow.rights(), 6);
        escrow.row_merged(&ctx, &granted_by(B, 5));
        escrow.row_merged(&ctx, &Merge { is_new: false, ..granted_by(B, 5) });
        assert_eq!(escrow.rights(), 11, "a repeated row grants nothing");
    }

    #[test]
    fn richest_branches_get_requests_for_what_is_missing() {
        let mut fixture = fixture();
        let mut row = Row::empty(C);
        row.append(&Entry::Deposit(Money::new(3)), None);
        let Fixture { ctx, log, .. } = &mut fixture;
        log.receive(ctx, C, vec![row], |_, _| {}).expect("no fork");
        assert!(fixture.wait(1, 15));
        assert_eq!(fixture.next_step(), NextStep::Nothing);
        let requests = fixture.requests();
        assert!(matches!(requests[..], [(3, _, 5)]), "C has enough: {requests:?}");
        assert!(!fixture.wait(2, 15), "the pass goes on");
    }

    #[test]
    fn next_branch_is_asked_when_one_declines_and_then_a_proof() {
        let mut fixture = fixture();
        fixture.wait(1, 15);
        fixture.next_step();
        let (_, id, _) = fixture.requests()[0];
        assert!(!fixture.escrow.declined(B, id), "B was not asked");
        assert!(fixture.escrow.declined(C, id));
        assert_eq!(fixture.next_step(), NextStep::Nothing);
        assert!(fixture.escrow.peer_lost(B));
        assert_eq!(fixture.next_step(), NextStep::Prove);
        let request = ProofRequest { clock: 1, tickets: vec![Ticket(1)] };
        assert_eq!(fixture.escrow.proof_request(), Some(request));
    }

    #[test]
    fn oldest_withdrawal_is_paid_first_when_rights_arrive() {
        let mut fixture = fixture();
        fixture.wait(1, 15);
        fixture.wait(2, 12);
        fixture.next_step();
        fixture.escrow.row_merged(&fixture.ctx, &granted_by(C, 3));
        assert_eq!(fixture.covered(), None, "the younger does not overtake");
        fixture.escrow.row_merged(&fixture.ctx, &granted_by(B, 2));
        assert_eq!(fixture.covered(), Some(1));
    }

    #[test]
    fn unreachable_branch_makes_rights_unavailable() {
        let mut fixture = fixture();
        fixture.peers.close(C);
        fixture.wait(1, 1_000);
        let unavailable = NextStep::Reject(Rejection::RightsUnavailable);
        assert_eq!(fixture.next_step(), unavailable);
        assert!(fixture.escrow.is_idle());
    }

    #[test]
    fn older_withdrawal_here_declines_a_younger_one() {
        let mut fixture = fixture();
        fixture.wait(1, 15);
        let Fixture { mut ctx, log, mut escrow, .. } = fixture;
        let request = |id, clock| {
            let priority = Priority { clock, member: B };
            BorrowRequest { id, priority, target: Total(20) }
        };
        assert_eq!(escrow.grant_rights(&mut ctx, &log, B, request(7, 40)), None);
        assert_eq!(ctx.sent(), [(BranchId(2), Message::Decline { id: 7 })]);
        let grant = escrow.grant_rights(&mut ctx, &log, B, request(8, 0));
        assert_eq!(grant, Some(Entry::Grant { to: B, amount: Money::new(10) }), "what is there");
        escrow.wait(&mut ctx, withdrawal(2, 15));
        escrow.next_step(&mut ctx, log.visible(), &fixture.peers);
        let youngest = escrow.waiting.last_key_value().map(|(priority, _)| priority.clock);
        assert_eq!(youngest, Some(41), "younger than all that this branch knows");
    }

    #[test]
    fn repeated_request_grants_nothing_more() {
        let Fixture { mut ctx, mut log, mut escrow, .. } = fixture();
        let priority = Priority { clock: 1, member: B };
        let request = BorrowRequest { id: 1, priority, target: Total(4) };
        let grant = escrow.grant_rights(&mut ctx, &log, B, request).expect("a grant");
        log.stage(&mut ctx, grant, None);
        assert_eq!(escrow.grant_rights(&mut ctx, &log, B, request), None);
        assert_eq!(ctx.sent(), [], "the push is the answer");
    }

    #[test]
    fn proof_refuses_what_the_balance_never_covered() {
        let mut fixture = fixture();
        fixture.wait(1, 31);
        fixture.wait(2, 30);
        fixture.wait(3, 31);
        let proof = Proof::new(&fixture.ctx, fixture.log.visible().rows());
        let Fixture { mut ctx, mut escrow, .. } = fixture;
        let refused = escrow.judge(&ctx, &proof, 2);
        assert_eq!(refused.iter().map(|pending| pending.ticket.0).collect::<Vec<_>>(), [1]);
        assert!(escrow.rest(&mut ctx), "the first time at once");
        escrow.judge(&ctx, &proof, 2);
        assert!(!escrow.rest(&mut ctx));
        assert!(!escrow.tick(ctx.now));
        ctx.pass(ctx.settings.timing.rest * 4);
        assert!(escrow.tick(ctx.now));
        for _ in 2..ROUNDS_MAX {
            assert!(escrow.pop_contended().is_none());
            escrow.judge(&ctx, &proof, 2);
        }
        assert_eq!(escrow.pop_contended().map(|pending| pending.ticket.0), Some(2));
    }

    #[test]
    fn waiting_withdrawal_expires_at_its_deadline() {
        let mut fixture = fixture();
        fixture.wait(1, 15);
        let Fixture { mut ctx, mut escrow, .. } = fixture;
        assert!(escrow.pop_expired(&ctx).is_none());
        ctx.pass(Duration::from_secs(30));
        assert!(escrow.pop_expired(&ctx).is_some());
    }
}
