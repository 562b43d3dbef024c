//! A customer's side of the protocol: what they carry, and which answer they take.

use crate::{Attempt, Receipt, Token};
use bank::{Outcome, RequestId, SessionId, Version};

/// A customer who does one operation at a time. A request that was not answered may be sent again, as
/// another attempt, to the branch that it was first sent to, and to no other.
#[derive(Clone, Debug)]
pub struct Session {
    last: Attempt,
    token: Option<Token>,
}

impl Session {
    /// A customer with an empty passbook. `id` must be random.
    pub const fn new(id: SessionId) -> Self {
        let request = RequestId { session: id, number: 0 };
        Self { last: Attempt { request, attempt: 0 }, token: None }
    }

    /// What the customer carries; nothing before the first answer.
    pub const fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// The name of the next operation's first attempt.
    pub const fn begin(&mut self) -> Attempt {
        self.last.request.number += 1;
        self.last.attempt = 1;
        self.last
    }

    /// The name of the same operation's next attempt.
    pub const fn retry(&mut self) -> Attempt {
        self.last.attempt += 1;
        self.last
    }

    /// The name of the last attempt.
    pub const fn last(&self) -> Attempt {
        self.last
    }

    /// Takes in what `attempt` was answered. Only the last attempt's answer counts: an earlier one may
    /// speak of a time before the request was done after all.
    pub fn answered(
        &mut self,
        attempt: Attempt,
        outcome: Outcome,
        receipt: Option<&Receipt>,
    ) -> Option<Outcome> {
        if attempt != self.last {
            return None;
        }
        if let Some(receipt) = receipt {
            self.learn(receipt);
        }
        Some(outcome)
    }

    fn learn(&mut self, receipt: &Receipt) {
        let token = self.token.get_or_insert_with(|| Token {
            cluster: receipt.cluster,
            version: Version::zero(receipt.version.members()),
        });
        token.version.join(&receipt.version);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ClusterId;
    use bank::Seq;

    fn receipt(seqs: &[u64]) -> Receipt {
        let version: Version = seqs.iter().copied().map(Seq).collect();
        let version = Arc::new(version);
        Receipt { cluster: ClusterId(1), version, at_most: None, seq: None, achieved: 0 }
    }

    #[test]
    fn only_the_last_attempt_counts() {
        let mut session = Session::new(SessionId(7));
        let first = session.begin();
        let second = session.retry();
        assert_eq!(session.answered(first, Outcome::Ok, Some(&receipt(&[9, 9]))), None);
        assert_eq!(session.token(), None, "what it shows is not taken in either");
        let taken = session.answered(second, Outcome::Ok, Some(&receipt(&[1, 2])));
        assert_eq!(taken, Some(Outcome::Ok));
        let next = session.begin();
        assert_eq!((next.request.number, next.attempt), (2, 1));
        assert_eq!(session.answered(second, Outcome::Ok, None), None);
    }

    #[test]
    fn the_passbook_only_grows() {
        let mut session = Session::new(SessionId(7));
        for seqs in [[3, 0], [1, 2]] {
            let attempt = session.begin();
            session.answered(attempt, Outcome::Ok, Some(&receipt(&seqs)));
        }
        let expected: Version = [3, 2].map(Seq).into_iter().collect();
        assert_eq!(session.token().map(|token| &token.version), Some(&expected));
    }
}
