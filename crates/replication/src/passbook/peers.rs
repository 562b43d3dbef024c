//! Peers: their streams, incarnations and the hello that begins each stream.
//!
//! The hello is the first message both ways on a new stream. No other message is processed before it.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use super::{Context, Effect, Hello, Incarnation, LocalLog, Message, Mutant, Record, Stop};
use crate::{ClusterId, Instant};
use bank::Member;

/// The state of the stream to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Down,
    /// It is open, and the peer's hello has not arrived; ours is repeated at this instant.
    Opening(Instant),
    /// The peer's hello has arrived.
    Up,
}

#[derive(Clone, Debug)]
struct Peer {
    stream: Stream,
    /// The incarnation that belongs to the cluster. `None` before the first hello.
    incarnation: Option<Incarnation>,
    /// The branches that the peer cannot reach, as it reported.
    unreachable: Vec<Member>,
}

/// All branches of the cluster by member; the stream to this branch itself is never up.
#[derive(Debug)]
pub(super) struct Peers {
    me: Member,
    peers: Vec<Peer>,
}

impl Peers {
    pub(super) fn new(ctx: &Context) -> Self {
        let peer = Peer { stream: Stream::Down, incarnation: None, unreachable: Vec::new() };
        Self { me: ctx.me, peers: vec![peer; ctx.members()] }
    }

    fn members(&self) -> impl Iterator<Item = (Member, &Peer)> {
        (0..).map(Member).zip(&self.peers)
    }

    pub(super) fn is_up(&self, peer: Member) -> bool {
        self.peers[peer.index()].stream == Stream::Up
    }

    /// Whether all other branches are up.
    pub(super) fn are_all_up(&self) -> bool {
        self.members().all(|(member, _)| member == self.me || self.is_up(member))
    }

    /// How many branches are up, this one included.
    pub(super) fn connected(&self) -> usize {
        1 + self.peers.iter().filter(|peer| peer.stream == Stream::Up).count()
    }

    /// Whether a hello is awaited on some stream.
    pub(super) fn is_any_opening(&self) -> bool {
        self.peers.iter().any(|peer| matches!(peer.stream, Stream::Opening(_)))
    }

    /// The other branches that are not up.
    pub(super) fn unreachable(&self) -> Vec<Member> {
        let others = self.members().filter(|(member, _)| *member != self.me);
        let down = others.filter(|(_, peer)| peer.stream != Stream::Up);
        down.map(|(member, _)| member).collect()
    }

    pub(super) fn set_unreachable(&mut self, peer: Member, unreachable: Vec<Member>) {
        self.peers[peer.index()].unreachable = unreachable;
    }

    /// Whether `origin` cannot push to `to` itself, as far as is known here.
    pub(super) fn is_cut_off(&self, origin: Member, to: Member) -> bool {
        let peer = &self.peers[origin.index()];
        origin != self.me && (peer.stream != Stream::Up || peer.unreachable.contains(&to))
    }

    /// Whether there may be a branch that `origin` cannot push to.
    pub(super) fn may_be_cut_off(&self, origin: Member) -> bool {
        let peer = &self.peers[origin.index()];
        peer.stream != Stream::Up || !peer.unreachable.is_empty()
    }

    fn reset(&mut self, peer: Member, stream: Stream) {
        let peer = &mut self.peers[peer.index()];
        peer.stream = stream;
        peer.unreachable.clear();
    }

    /// A new stream is open.
    pub(super) fn open(&mut self, ctx: &Context, peer: Member) {
        let before_hello = ctx.has(Mutant::BeforeHello);
        let repeat_at = ctx.now.after(ctx.settings.timing.hello_repeat);
        let stream = if before_hello && self.peers[peer.index()].incarnation.is_some() {
            Stream::Up
        } else {
            Stream::Opening(repeat_at)
        };
        self.reset(peer, stream);
    }

    /// The stream is closed. Returns whether it was up.
    pub(super) fn close(&mut self, peer: Member) -> bool {
        let was_up = self.is_up(peer);
        self.reset(peer, Stream::Down);
        was_up
    }

    pub(super) fn send_hello(&self, ctx: &mut Context, log: &LocalLog, to: Member) {
        let peer = &self.peers[to.index()];
        let copy = &log.visible().rows()[to.index()];
        let hello = Hello {
            configuration: ctx.settings.configuration().into(),
            incarnation: ctx.settings.incarnation,
            yours: peer.incarnation,
            durable: ctx.journal.durable().clone(),
            your_log: (copy.seq, copy.chain),
            heard: peer.stream == Stream::Up,
        };
        ctx.send(to, Message::Hello(hello));
    }

    /// Sends the hello on all open streams: it was held back during the recovery.
    pub(super) fn send_hellos(&self, ctx: &mut Context, log: &LocalLog) {
        for to in ctx.others() {
            if self.peers[to.index()].stream != Stream::Down {
                self.send_hello(ctx, log, to);
            }
        }
    }

    /// Repeats the hello if that is due. Returns whether it was.
    pub(super) fn repeat_hello(&mut self, ctx: &mut Context, log: &LocalLog, to: Member) -> bool {
        let stream = &mut self.peers[to.index()].stream;
        let due =
            matches!(*stream, Stream::Opening(at) if at <= ctx.now) && ctx.journal.is_recovered();
        if due {
            *stream = Stream::Opening(ctx.now.after(ctx.settings.timing.hello_repeat));
            self.send_hello(ctx, log, to);
        }
        due
    }

    /// A peer reports its configuration, its incarnation and what it knows of this branch. It is ignored without
    /// a stream, and if the peer does not belong to the cluster. Returns whether the stream is up from now on, and
    /// was not before. Fails if this branch must stop.
    pub(super) fn greet(
        &mut self,
        ctx: &mut Context,
        log: &LocalLog,
        from: Member,
        hello: &Hello,
    ) -> Result<bool, Stop> {
        let checked = !ctx.has(Mutant::IncarnationUnchecked);
        let peer = &mut self.peers[from.index()];
        let branch = ctx.branch(from);
        if !ctx.journal.is_recovered()
            || peer.stream == Stream::Down
            || hello.durable.members() != hello.configuration.branches.len()
        {
            return Ok(false);
        }
        if let Some(why) = ctx.settings.configuration().mismatch(&hello.configuration) {
            ctx.effects.push(Effect::Refuse { peer: branch, why });
            return Ok(false);
        }
        if checked && hello.yours.is_some_and(|known| known != ctx.settings.incarnation) {
            return Err(Stop::OtherIncarnation { peer: branch });
        }
        if let Some(stop) = log.amnesia(branch, hello.your_log.0, hello.your_log.1) {
            return Err(stop);
        }
        if checked && peer.incarnation.is_some_and(|known| known != hello.incarnation) {
            // The peer comes back without its memory. Our own hello reports that to it.
            return Ok(false);
        }
        let is_up_now = peer.stream != Stream::Up;
        if peer.incarnation.replace(hello.incarnation).is_none() {
            let record = Record::Bound { peer: from, incarnation: hello.incarnation };
            ctx.persist_incarnation(record);
            ctx.cluster = self.cluster(ctx);
        }
        if is_up_now {
            self.reset(from, Stream::Up);
        }
        if !hello.heard {
            self.send_hello(ctx, log, from);
        }
        Ok(is_up_now)
    }

    /// Whether this is the peer's incarnation that belongs to the cluster.
    pub(super) fn is_incarnation(&self, peer: Member, incarnation: Incarnation) -> bool {
        self.peers[peer.index()].incarnation == Some(incarnation)
    }

    /// A peer's incarnation was found in the journal. Returns `None` if there is no such peer.
    pub(super) fn bind(&mut self, peer: Member, incarnation: Incarnation) -> Option<()> {
        self.peers.get_mut(peer.index())?.incarnation = Some(incarnation);
        Some(())
    }

    /// The cluster's identity: a hash of its configuration and all incarnations. `None` until all are known.
    /// In memory a restarted cluster has another one.
    pub(super) fn cluster(&self, ctx: &Context) -> Option<ClusterId> {
        let settings = &ctx.settings;
        let mut hasher = SipHasher13::new();
        hasher.write_u64(settings.configuration_hash());
        for (member, peer) in self.members() {
            let own = (member == self.me).then_some(settings.incarnation);
            hasher.write_u64(own.or(peer.incarnation)?.0);
        }
        Some(ClusterId(hasher.finish()))
    }

    /// Peers of which all are up.
    #[cfg(test)]
    pub(super) fn connected_to_all(ctx: &Context) -> Self {
        let mut peers = Self::new(ctx);
        ctx.others().for_each(|member| peers.reset(member, Stream::Up));
        peers
    }
}

#[cfg(test)]
mod tests {
    use super::super::Storage;
    use super::*;
    use bank::{BranchId, Chain, Money, Seq, Version};
    use std::sync::Arc;

    const B: Member = Member(1);
    const C: Member = Member(2);

    fn opened() -> (Context, Peers, LocalLog) {
        let ctx = Context::of_first(3, 90);
        let log = LocalLog::new(&ctx);
        let mut peers = Peers::new(&ctx);
        peers.open(&ctx, B);
        (ctx, peers, log)
    }

    fn hello(ctx: &Context, incarnation: u64) -> Hello {
        Hello {
            configuration: Arc::new(ctx.settings.configuration()),
            incarnation: Incarnation(incarnation),
            yours: None,
            durable: Version::zero(3),
            your_log: (Seq::ZERO, Chain::default()),
            heard: false,
        }
    }

    #[test]
    fn peer_is_up_after_its_hello_and_bound_once() {
        let (mut ctx, mut peers, log) = opened();
        let first = hello(&ctx, 7);
        let ctx = &mut ctx;
        assert!(!peers.is_up(B));
        assert_eq!(peers.greet(ctx, &log, B, &first), Ok(true));
        let bound = Record::Bound { peer: B, incarnation: Incarnation(7) };
        assert!(matches!(&ctx.effects[..], [Effect::Persist { record }, ..] if *record == bound));
        assert_eq!(ctx.sent().len(), 1, "it waits for a hello");
        let heard = Hello { heard: true, ..first.clone() };
        assert_eq!(peers.greet(ctx, &log, B, &heard), Ok(false));
        assert_eq!(peers.greet(ctx, &log, C, &first), Ok(false), "there is no stream");
        assert_eq!(ctx.effects, []);
        assert_eq!((peers.connected(), peers.unreachable()), (2, vec![C]));
    }

    #[test]
    fn other_incarnation_of_a_peer_stays_out() {
        let (mut ctx, mut peers, log) = opened();
        let (first, other) = (hello(&ctx, 7), hello(&ctx, 8));
        let ctx = &mut ctx;
        peers.greet(ctx, &log, B, &first).expect("no amnesia");
        assert!(peers.close(B));
        peers.open(ctx, B);
        assert_eq!(peers.greet(ctx, &log, B, &other), Ok(false));
        assert!(!peers.is_up(B) && peers.is_incarnation(B, Incarnation(7)));
    }

    #[test]
    fn branch_known_by_another_incarnation_stops() {
        let (mut ctx, mut peers, log) = opened();
        let other = Hello { yours: Some(Incarnation(99)), ..hello(&ctx, 7) };
        let stop = Stop::OtherIncarnation { peer: BranchId(2) };
        let greeting = peers.greet(&mut ctx, &log, B, &other);
        assert_eq!(greeting, Err(stop));
    }

    #[test]
    fn peer_with_another_opening_balance_is_refused() {
        let (mut ctx, mut peers, log) = opened();
        let mut configuration = ctx.settings.configuration();
        configuration.opening = Money::new(1);
        let other = Hello { configuration: Arc::new(configuration), ..hello(&ctx, 7) };
        let ctx = &mut ctx;
        assert_eq!(peers.greet(ctx, &log, B, &other), Ok(false));
        assert!(matches!(ctx.effects[..], [Effect::Refuse { peer: BranchId(2), .. }]));
    }

    #[test]
    fn hello_waits_for_the_recovery_and_is_repeated() {
        let (mut ctx, mut peers, mut log) = opened();
        ctx.settings.storage = Storage::Journal;
        ctx.pass(ctx.settings.timing.hello_repeat);
        assert!(peers.repeat_hello(&mut ctx, &log, B));
        assert!(!peers.repeat_hello(&mut ctx, &log, B), "just sent");
        log.replayed(&mut ctx, 1);
        ctx.pass(ctx.settings.timing.hello_repeat);
        assert!(!peers.repeat_hello(&mut ctx, &log, B), "not synced");
        assert_eq!(ctx.sent().len(), 1);
    }

    #[test]
    fn cluster_has_an_identity_once_all_incarnations_are_known() {
        let (ctx, mut peers, _) = opened();
        peers.bind(B, Incarnation(2));
        assert_eq!(peers.cluster(&ctx), None);
        peers.bind(C, Incarnation(3));
        let cluster = peers.cluster(&ctx);
        assert!(cluster.is_some());
        peers.bind(C, Incarnation(4));
        assert_ne!(peers.cluster(&ctx), cluster);
    }
}
