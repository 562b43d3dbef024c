//! Requests to end a run before it is done.

use std::io;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What is asked of a run. Each further signal asks for the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Go on until the run is done.
    #[default]
    Relaxed,
    /// Send nothing new, wait for the last answers and until the branches have settled, then report.
    Drain,
    /// Wait for nothing, and report what is known.
    Report,
    /// End without a report.
    Leave,
}

impl Urgency {
    /// What the next signal asks for.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::Relaxed => Self::Drain,
            Self::Drain => Self::Report,
            Self::Report | Self::Leave => Self::Leave,
        }
    }
}

/// Ends a run early. Clones belong to the same run.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    urgency: watch::Sender<Urgency>,
    drain: CancellationToken,
    report: CancellationToken,
    write_failed: CancellationToken,
}

impl Interrupt {
    /// Asks for the next urgency, and returns it.
    pub fn raise(&self) -> Urgency {
        self.urgency.send_modify(|urgency| *urgency = urgency.next());
        let urgency = *self.urgency.borrow();
        if urgency >= Urgency::Drain {
            self.drain.cancel();
        }
        if urgency >= Urgency::Report {
            self.report.cancel();
        }
        urgency
    }

    /// Whether anybody asked for the end.
    pub fn is_raised(&self) -> bool {
        *self.urgency.borrow() > Urgency::Relaxed
    }

    /// Waits until the end is asked for once more than now.
    pub async fn raised_again(&self) {
        // The sender lives in `self`.
        let _ = self.urgency.subscribe().changed().await;
    }

    /// Cancelled when nothing new is to be sent.
    pub const fn drain(&self) -> &CancellationToken {
        &self.drain
    }

    /// Cancelled when nothing is to be waited for.
    pub const fn report(&self) -> &CancellationToken {
        &self.report
    }

    /// The record cannot be written, so the run cannot be judged: sends nothing new.
    pub fn fail_writing(&self) {
        self.write_failed.cancel();
        self.drain.cancel();
    }

    /// Skips what is still to be waited for if the record cannot be written: nobody would read it.
    pub fn skip_if_unwritable(&self) {
        if self.write_failed.is_cancelled() {
            self.report.cancel();
        }
    }

    /// Hands `result` through and, if it is an error, ends the run.
    ///
    /// # Errors
    /// That of `result`.
    pub fn watch_writing<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|_| self.fail_writing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signal_asks_for_the_next_urgency() {
        let interrupt = Interrupt::default();
        let cancelled = || (interrupt.drain().is_cancelled(), interrupt.report().is_cancelled());
        assert_eq!((interrupt.is_raised(), cancelled()), (false, (false, false)));
        assert_eq!((interrupt.raise(), cancelled()), (Urgency::Drain, (true, false)));
        assert!(interrupt.is_raised());
        assert_eq!((interrupt.raise(), cancelled()), (Urgency::Report, (true, true)));
        for _ in 0..2 {
            assert_eq!(interrupt.clone().raise(), Urgency::Leave);
        }
    }

    #[test]
    fn write_error_drains_and_then_skips_waiting() {
        let interrupt = Interrupt::default();
        interrupt.skip_if_unwritable();
        assert!(!interrupt.report().is_cancelled());
        assert!(interrupt.watch_writing(Ok(())).is_ok() && !interrupt.drain().is_cancelled());
        assert!(interrupt.watch_writing::<()>(Err(io::Error::other("full"))).is_err());
        assert!(interrupt.drain().is_cancelled() && !interrupt.report().is_cancelled());
        interrupt.skip_if_unwritable();
        assert!(interrupt.report().is_cancelled());
        assert!(!interrupt.is_raised(), "nobody asked for the end");
    }

    #[tokio::test]
    async fn waiting_for_a_signal_ends_with_the_next_one() {
        let interrupt = Interrupt::default();
        interrupt.raise();
        // In the order in which they are polled first.
        let ((), urgency) =
            tokio::join!(biased; interrupt.raised_again(), async { interrupt.raise() });
        assert_eq!(urgency, Urgency::Report);
    }
}
