//! Hashes over the prefixes of the own log that a peer may hold.

use std::collections::VecDeque;

use bank::{Chain, Seq};

#[derive(Debug)]
pub(super) struct Chains {
    known: VecDeque<(Seq, Chain)>,
    most: usize,
}

impl Chains {
    pub(super) const fn new(most: usize) -> Self {
        Self { known: VecDeque::new(), most }
    }

    pub(super) fn publish(&mut self, seq: Seq, chain: Chain) {
        if self.known.back().is_none_or(|(last, _)| *last < seq) {
            if self.known.len() == self.most {
                self.known.pop_front();
            }
            self.known.push_back((seq, chain));
        }
    }

    /// Every peer has acknowledged `seq`: none will come back with a shorter copy.
    pub(super) fn acknowledged(&mut self, seq: Seq) {
        while self.known.pop_front_if(|(known, _)| *known < seq).is_some() {}
    }

    /// Whether a copy with this length and hash is of another log. A copy shorter than what is kept counts as
    /// one of this log.
    pub(super) fn is_other_log(&self, seq: Seq, chain: Chain) -> bool {
        match self.known.binary_search_by_key(&seq, |(known, _)| *known) {
            Ok(place) => self.known[place].1 != chain,
            Err(_) => self.known.front().is_some_and(|(oldest, _)| *oldest <= seq),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_kept_from_the_least_acknowledged_within_bounds() {
        let mut chains = Chains::new(3);
        for seq in 1..=5 {
            chains.publish(Seq(seq), Chain(seq * 10));
        }
        assert!(!chains.is_other_log(Seq(4), Chain(40)));
        assert!(chains.is_other_log(Seq(4), Chain(41)));
        assert!(!chains.is_other_log(Seq(1), Chain(99)), "forgotten");
        chains.acknowledged(Seq(5));
        assert!(!chains.is_other_log(Seq(4), Chain(41)), "no peer has so little");
        assert!(chains.is_other_log(Seq(6), Chain(60)), "never published");
    }
}
