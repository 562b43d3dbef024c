//! Replicas with a fault, to test that it is detected.

use replication::{Instant, LogStatus, ReplicaStats, Replication};

/// What goes wrong at a replica: by default nothing.
pub trait ReplicaFault<R: Replication>: Send {
    /// Handles an input in place of the replica.
    fn on(&mut self, replica: &mut R, now: Instant, input: R::Input, effects: &mut Vec<R::Effect>) {
        replica.on(now, input, effects);
    }

    /// Settles in place of the replica.
    fn settle(&mut self, replica: &mut R, now: Instant, effects: &mut Vec<R::Effect>) {
        replica.settle(now, effects);
    }
}

/// A replica that forwards what its fault does not change.
pub struct ForwardingReplica<R, F> {
    pub replica: R,
    pub fault: F,
}

impl<R: Replication, F: ReplicaFault<R>> Replication for ForwardingReplica<R, F> {
    type Input = R::Input;
    type Effect = R::Effect;

    fn on(&mut self, now: Instant, input: R::Input, effects: &mut Vec<R::Effect>) {
        self.fault.on(&mut self.replica, now, input, effects);
    }

    fn settle(&mut self, now: Instant, effects: &mut Vec<R::Effect>) {
        self.fault.settle(&mut self.replica, now, effects);
    }

    fn stats(&self) -> ReplicaStats {
        self.replica.stats()
    }

    fn log_status(&self) -> Option<LogStatus> {
        self.replica.log_status()
    }

    fn name(&self) -> &'static str {
        self.replica.name()
    }

    fn is_ready(&self) -> bool {
        self.replica.is_ready()
    }
}
