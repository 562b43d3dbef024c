//! The relay: in a large cluster one branch forwards what the others push, and reports who holds it.
//!
//! Of N branches that all write, each would push to all others and get their acknowledgements: 2 N (N - 1)
//! messages a round, and messages are what a write costs. With a relay each pushes to the relay only. The relay
//! pushes all rows to all branches and reports to each how much of its log the others hold: about 5 N. Branches
//! that the relay cannot reach get pushes directly, and so do all branches while the relay is slow.
//!
//! The relay works only in memory. There a branch that ends does not come back, so what it was known to hold
//! stays true. With a journal it may come back with less, and then it must report for itself.

use super::peers::Peers;
use super::pushes::Pushes;
use super::{Context, LocalLog, Message, Mutant, Storage};
use crate::{ClusterId, Instant};
use bank::{Ack, Member, Seq, Version};

/// How much of a branch's log is held by all branches that the relay reaches, and by a majority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Levels {
    all: Seq,
    majority: Seq,
}

/// Whether the relay forwards what this branch pushes to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Forwarding {
    #[default]
    InTime,
    /// The own log up to `seq` had not been forwarded at `since`.
    Watched { seq: Seq, since: Instant },
    /// The relay exceeded its patience, and has not reported since.
    Late,
}

#[derive(Debug)]
pub(super) struct Relay {
    /// The branch that is the relay and the prover. `None` in a small cluster.
    at: Option<Member>,
    forwarding: Forwarding,
    /// As the relay: some branch may hold more than at the last report.
    progressed: bool,
    /// As the relay: what was reported to each branch, by member.
    reported: Vec<Levels>,
    /// How much of one log each branch holds. Recomputed for each report.
    holders: Vec<Seq>,
}

impl Relay {
    pub(super) fn new(ctx: &Context) -> Self {
        let members = ctx.members();
        Self {
            at: (members >= ctx.settings.relay_from).then_some(Member(0)),
            forwarding: Forwarding::default(),
            progressed: false,
            reported: vec![Levels::default(); members],
            holders: Vec::new(),
        }
    }

    /// The branch that collects for this one. `None` if this branch collects itself.
    pub(super) fn prover(&self, ctx: &Context) -> Option<Member> {
        self.at.filter(|at| *at != ctx.me)
    }

    /// Whether this branch forwards what the others push.
    pub(super) fn is_here(&self, ctx: &Context) -> bool {
        self.at == Some(ctx.me) && ctx.settings.storage == Storage::Memory
    }

    /// Whether `to` gets the rows of this branch from the relay.
    pub(super) fn reaches(&self, ctx: &Context, peers: &Peers, to: Member) -> bool {
        let forwards =
            ctx.settings.storage == Storage::Memory && self.forwarding != Forwarding::Late;
        self.prover(ctx).is_some_and(|relay| {
            forwards && relay != to && peers.is_up(relay) && !peers.is_cut_off(relay, to)
        })
    }

    /// A stream was opened or closed: the peer has no report.
    pub(super) fn reset(&mut self, peer: Member) {
        self.reported[peer.index()] = Levels::default();
    }

    /// Some branch may hold more, or counts no longer.
    pub(super) const fn progressed(&mut self) {
        self.progressed = true;
    }

    /// How much of the own log all branches have that the relay reaches. `None` if it reaches none.
    fn forwarded(&self, ctx: &Context, peers: &Peers, pushes: &Pushes) -> Option<Seq> {
        let reached = ctx.others().filter(|to| peers.is_up(*to) && self.reaches(ctx, peers, *to));
        reached.map(|to| pushes.of(to).known.of(ctx.me)).min()
    }

    /// Whether the relay has not forwarded the whole own log.
    pub(super) fn is_pending(
        &self,
        ctx: &Context,
        log: &LocalLog,
        peers: &Peers,
        pushes: &Pushes,
    ) -> bool {
        self.forwarded(ctx, peers, pushes).is_some_and(|seq| seq < log.own().seq)
    }

    /// Stops to rely on the relay if it exceeds its patience.
    pub(super) fn watch(&mut self, ctx: &Context, log: &LocalLog, peers: &Peers, pushes: &Pushes) {
        let Some(forwarded) = self.forwarded(ctx, peers, pushes) else {
            return;
        };
        let all = log.own().seq;
        self.forwarding = match self.forwarding {
            Forwarding::Watched { seq, since } if forwarded < seq => {
                if since.after(ctx.settings.timing.relay_patience) <= ctx.now {
                    Forwarding::Late
                } else {
                    self.forwarding
                }
            }
            _ if forwarded < all => Forwarding::Watched { seq: all, since: ctx.now },
            _ => Forwarding::InTime,
        };
    }

    /// As the relay, reports to each branch who holds its log, as soon as that raises a level of
    /// acknowledgement.
    pub(super) fn report_holders(&mut self, ctx: &mut Context, peers: &Peers, pushes: &Pushes) {
        let progressed = std::mem::take(&mut self.progressed);
        let Some(cluster) = ctx.cluster.filter(|_| progressed && self.is_here(ctx)) else {
            return;
        };
        for to in ctx.others() {
            let here = ctx.journal.durable().of(to);
            let before = self.reported[to.index()];
            // All branches hold the whole of most logs, and that was reported.
            if !peers.is_up(to) || before.all >= here {
                continue;
            }
            let levels = self.levels(ctx, peers, pushes, to, here);
            if levels.all > before.all || levels.majority > before.majority {
                self.reported[to.index()] = levels;
                let held = holders(ctx, pushes, to, here);
                ctx.send(to, Message::Held { cluster, held });
            }
        }
    }

    /// The levels that the log of `of` has reached. This branch holds it up to `here`.
    fn levels(
        &mut self,
        ctx: &Context,
        peers: &Peers,
        pushes: &Pushes,
        of: Member,
        here: Seq,
    ) -> Levels {
        self.holders.clear();
        self.holders.push(here);
        let others = ctx.others().filter(|other| *other != of && peers.is_up(*other));
        self.holders.extend(others.map(|other| pushes.of(other).acknowledged.of(of)));
        self.holders.sort_unstable_by(|a, b| b.cmp(a));
        let all = self.holders.last().copied().unwrap_or_default();
        // Besides the branch itself.
        let others = Ack::Majority.needed(ctx.members()) - 1;
        let majority = others.checked_sub(1).and_then(|last| self.holders.get(last));
        Levels { all, majority: majority.copied().unwrap_or_default() }
    }

    /// The relay reports who holds the own log. Returns whether to believe it: only in memory, and of the same
    /// incarnations. What an incarnation in memory holds, it holds to its end.
    pub(super) fn accept_report(&mut self, ctx: &Context, cluster: ClusterId) -> bool {
        let accepted = ctx.settings.storage == Storage::Memory && ctx.cluster == Some(cluster);
        if accepted {
            self.forwarding = Forwarding::InTime;
        }
        accepted
    }
}

/// How much of the log of `of` each branch is known to hold, by member. This branch holds it up to `here`.
fn holders(ctx: &Context, pushes: &Pushes, of: Member, here: Seq) -> Version {
    let members = (0..).map(Member).take(ctx.members());
    let held = members.map(|member| {
        if member == ctx.me {
            here
        } else if ctx.has(Mutant::RelayReportsPushed) {
            pushes.of(member).pushed.of(of)
        } else {
            pushes.of(member).acknowledged.of(of)
        }
    });
    held.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bank::{BranchId, Entry, Money, Row};

    const A: Member = Member(0);
    const B: Member = Member(1);
    const C: Member = Member(2);
    const D: Member = Member(3);

    struct Fixture {
        ctx: Context,
        log: LocalLog,
        peers: Peers,
        pushes: Pushes,
        relay: Relay,
    }

    /// Branch 1 of four that are connected; the relay is this branch or, by `at`, another.
    fn fixture(at: Member) -> Fixture {
        let mut ctx = Context::of_first(4, 0);
        ctx.settings.relay_from = 0;
        ctx.cluster = Some(ClusterId(9));
        let log = LocalLog::new(&ctx);
        let relay = Relay { at: Some(at), ..Relay::new(&ctx) };
        let peers = Peers::connected_to_all(&ctx);
        Fixture { ctx, log, peers, pushes: Pushes::new(4), relay }
    }

    fn deposit(fixture: &mut Fixture) {
        let entry = Entry::Deposit(Money::new(1));
        fixture.log.stage(&mut fixture.ctx, entry, None);
        fixture.log.settle(&mut fixture.ctx);
    }

    fn version(seqs: [u64; 4]) -> Version {
        seqs.map(Seq).into_iter().collect()
    }

    /// What the relay reports to B.
    fn reports(fixture: &mut Fixture) -> Vec<Version> {
        let Fixture { ctx, peers, pushes, relay, .. } = fixture;
        relay.progressed();
        relay.report_holders(ctx, peers, pushes);
        let held = ctx.sent().into_iter().filter_map(|(to, message)| match message {
            Message::Held { held, .. } if to == BranchId(2) => Some(held),
            _ => None,
        });
        held.collect()
    }

    #[test]
    fn relay_reports_a_majority_and_then_all() {
        let mut fixture = fixture(A);
        let mut row = Row::empty(B);
        row.append(&Entry::Deposit(Money::new(1)), None);
        let Fixture { ctx, log, .. } = &mut fixture;
        log.receive(ctx, B, vec![row], |_, _| {}).expect("no fork");
        log.settle(ctx);
        assert_eq!(reports(&mut fixture), [], "B and the relay are two of four");
        fixture.pushes.peer_acknowledges(&mut fixture.ctx, C, &version([0, 1, 0, 0]));
        assert_eq!(reports(&mut fixture), [version([1, 0, 1, 0])]);
        assert_eq!(reports(&mut fixture), [], "reported once");
        fixture.pushes.peer_acknowledges(&mut fixture.ctx, D, &version([0, 1, 0, 0]));
        assert_eq!(reports(&mut fixture), [version([1, 0, 1, 1])]);
    }

    #[test]
    fn late_relay_is_bypassed_until_it_reports() {
        let mut fixture = fixture(B);
        deposit(&mut fixture);
        let patience = fixture.ctx.settings.timing.relay_patience;
        let Fixture { mut ctx, log, peers, pushes, mut relay } = fixture;
        assert!(relay.reaches(&ctx, &peers, C) && !relay.reaches(&ctx, &peers, B));
        relay.watch(&ctx, &log, &peers, &pushes);
        assert!(relay.is_pending(&ctx, &log, &peers, &pushes));
        ctx.pass(patience);
        relay.watch(&ctx, &log, &peers, &pushes);
        assert!(!relay.reaches(&ctx, &peers, C));
        assert!(!relay.accept_report(&ctx, ClusterId(8)), "another cluster");
        assert!(!relay.reaches(&ctx, &peers, C));
        assert!(relay.accept_report(&ctx, ClusterId(9)));
        assert!(relay.reaches(&ctx, &peers, C));
    }

    #[test]
    fn branch_that_the_relay_cannot_reach_gets_pushes_directly() {
        let Fixture { ctx, mut peers, relay, .. } = fixture(B);
        peers.set_unreachable(B, vec![C]);
        assert!(!relay.reaches(&ctx, &peers, C) && relay.reaches(&ctx, &peers, D));
        peers.close(B);
        assert!(!relay.reaches(&ctx, &peers, D));
    }

    #[test]
    fn relay_with_a_journal_proves_and_forwards_nothing() {
        let Fixture { mut ctx, peers, mut relay, .. } = fixture(B);
        ctx.settings.storage = Storage::Journal;
        assert_eq!(relay.prover(&ctx), Some(B));
        assert!(!relay.reaches(&ctx, &peers, C));
        assert!(!relay.accept_report(&ctx, ClusterId(9)));
    }
}
