//! Time: what is repeated, what is given up, and when to look again.
//!
//! While anything can become due the branch looks once a tick. That is coarse, and costs a steady stream of
//! writes nothing.

use super::borrow::Errand;
use super::peers::{Outstanding, Stream};
use super::{Effect, Passbook, Step};

impl Passbook {
    pub(super) fn tick(&mut self, step: &mut Step<'_>) {
        self.armed = false;
        self.expire_waiters(step);
        self.expire_withdrawals(step);
        self.expire_snapshots(step);
        self.expire_answers(step);
        self.watch_hub(step);
        self.repeat_to_peers(step);
        self.time_out_asks(step);
        self.end_rest(step);
        self.repeat_collect(step);
        self.start_collect(step);
    }

    fn repeat_to_peers(&mut self, step: &mut Step<'_>) {
        let timing = self.settings.timing;
        for to in self.others() {
            let peer = &mut self.peers[to.index()];
            if let Stream::Opening(at) = peer.stream
                && at <= step.now
                && self.journal.is_recovered()
            {
                peer.stream = Stream::Opening(step.now.after(timing.hello_repeat));
                self.say_hello(step, to);
            } else if let Some(Outstanding { repeat_at, patience }) = peer.outstanding
                && repeat_at <= step.now
            {
                self.push(step, to, (patience * 2).min(timing.push_repeat_max));
            }
        }
    }

    /// Asks to be woken if anything can become due.
    pub(super) fn arm(&mut self, step: &mut Step<'_>) {
        if !self.armed && self.can_become_due() {
            self.armed = true;
            step.effects.push(Effect::WakeAt(step.now.after(self.settings.timing.tick)));
        }
    }

    fn can_become_due(&self) -> bool {
        self.open_requests() > 0
            || self.collect.is_some()
            || self.is_being_passed_on()
            || !matches!(self.errand, Errand::Idle)
            || self
                .peers
                .iter()
                .any(|peer| peer.outstanding.is_some() || matches!(peer.stream, Stream::Opening(_)))
    }
}
