//! When a person or a supervisor wants the process to end.

#[cfg(unix)]
use std::future::poll_fn;
use std::io;
#[cfg(unix)]
use std::task::Poll;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask this process to end: INT (Ctrl-C), TERM and HUP. From [`EndSignals::listen`] on they have no
/// other effect.
#[cfg(unix)]
#[derive(Debug)]
pub struct EndSignals(Vec<Signal>);

#[cfg(unix)]
impl EndSignals {
    /// Listens from now on. HUP is left alone where it was ignored when the process started, as nohup does; that is
    /// known on Linux only. Needs a runtime.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn listen() -> io::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let hangup = (!ignores_hangup(&status)).then(SignalKind::hangup);
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()].into_iter().chain(hangup);
        kinds.map(signal).collect::<io::Result<_>>().map(Self)
    }

    /// Waits for the next one. Of several that come at once some may be missed.
    pub async fn next(&mut self) {
        poll_fn(|context| {
            let has_come = |signal: &mut Signal| signal.poll_recv(context).is_ready();
            if self.0.iter_mut().any(has_come) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Reads the mask of ignored signals from the text of `/proc/self/status`: its lowest bit is HUP.
#[cfg(unix)]
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

/// The signals that ask this process to end: Ctrl-C.
#[cfg(not(unix))]
#[derive(Debug)]
pub struct EndSignals {}

#[cfg(not(unix))]
impl EndSignals {
    /// Listens from now on. Needs a runtime.
    ///
    /// # Errors
    /// None here.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Waits for the first of [`EndSignals`]. Where none can be listened to, for ever.
pub async fn asked_to_end() {
    match EndSignals::listen() {
        Ok(mut signals) => signals.next().await,
        Err(_) => std::future::pending().await,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn ignored_hangup_is_read_from_the_status_of_the_process() {
        let status = |mask: &str| format!("Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\n");
        assert!(ignores_hangup(&status("0000000000001001")));
        assert!(!ignores_hangup(&status("0000000000001000")));
        assert!(!ignores_hangup(""));
    }
}
