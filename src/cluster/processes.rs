//! A cluster of one OS process per branch, which ends when the process that started it ends.
//!
//! How the two talk is in [`super::member`]. Children are in process groups of their own: Ctrl-C in a
//! terminal reaches the parent alone, which ends them in order.

use std::cell::OnceCell;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::member::{Said, send};
use super::ports::{PortError, port_of};
use crate::branch::Peer;
use bank::{BranchId, Money};
use replication::{Locking, Scheme};

/// How long all branches together may take to bind, and then to connect.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long they may take to end in order: somewhat more than a branch allows itself.
const END_LIMIT: Duration = Duration::from_secs(15);
/// How long they may take once somebody is in a hurry.
const HURRY_LIMIT: Duration = Duration::from_secs(1);
/// Between two looks at processes that are ending.
const POLL: Duration = Duration::from_millis(2);
/// What a child says at most: that it listens, that it serves, that it ended, and one thing too many.
const LINES: usize = 4;

/// What to start.
#[derive(Clone, Debug)]
pub struct ProcessSpec {
    /// The `branch` binary.
    pub binary: PathBuf,
    /// The branches, each id once.
    pub branches: Vec<BranchId>,
    /// What each holds at the start.
    pub opening: Money,
    /// How they keep their accounts the same.
    pub scheme: Scheme,
    /// Branch N listens on this port + N; 0 takes free ports.
    pub base_port: u16,
}

/// A cluster of processes could not be started or did not end well.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// The binary is not there.
    #[error(
        "there is no {}, the program of a branch; build it beside this one: cargo build --bin branch",
        path.display()
    )]
    NoBinary {
        /// Where it was expected.
        path: PathBuf,
    },
    /// A process could not be started.
    #[error("failed to start {} for branch {branch}: {cause}", binary.display())]
    Spawn {
        /// For which branch.
        branch: BranchId,
        /// What was to be started.
        binary: PathBuf,
        /// The operating system's error.
        cause: io::Error,
    },
    /// There is no such port.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The port is taken, or may not be had.
    #[error(
        "branch {branch} cannot listen on port {port}: {reason}; end the program that has the port \
         (a connection that has just ended may hold it for a minute) or give another --base-port"
    )]
    Bind {
        /// Which branch.
        branch: BranchId,
        /// On which port.
        port: u16,
        /// Why not.
        reason: String,
    },
    /// It does not say what a branch says at its start.
    #[error("branch {branch} did not get ready within {START_LIMIT:?}")]
    NotReady {
        /// Which branch.
        branch: BranchId,
    },
    /// It says something else.
    #[error("branch {branch} said {line:?}; is the branch binary of the same version as this one?")]
    Nonsense {
        /// Which branch.
        branch: BranchId,
        /// What it said.
        line: String,
    },
    /// It ended before it was told to.
    #[error("branch {branch} (process {pid}) ended by itself: {how}")]
    Ended {
        /// Which branch.
        branch: BranchId,
        /// Its process.
        pid: u32,
        /// What the operating system says.
        how: String,
    },
    /// It did not end when it was told to.
    #[error("branch {branch} (process {pid}) did not end in time and was killed")]
    Killed {
        /// Which branch.
        branch: BranchId,
        /// Its process.
        pid: u32,
    },
}

/// Where the `branch` binary should be: beside the running program.
pub fn branch_binary() -> Result<PathBuf, ProcessError> {
    let name = format!("branch{}", std::env::consts::EXE_SUFFIX);
    let own = std::env::current_exe().unwrap_or_default();
    let path = own.parent().unwrap_or(Path::new("")).join(name);
    if path.is_file() { Ok(path) } else { Err(ProcessError::NoBinary { path }) }
}

/// A cluster of processes at work. They end when it is told to, when it is dropped, and when this
/// process ends.
#[derive(Debug)]
pub struct ProcessCluster {
    processes: Vec<BranchProcess>,
    lines: mpsc::Receiver<Line>,
}

#[derive(Debug)]
struct BranchProcess {
    id: BranchId,
    port: u16,
    child: Child,
    /// Closed, it ends the child.
    lifeline: Option<ChildStdin>,
}

/// A line of the process with this index; `None` after its last.
type Line = (usize, Option<String>);

impl ProcessCluster {
    /// Starts a process for every branch. Returns when all serve; none connects before all listen.
    pub async fn start(spec: &ProcessSpec) -> Result<Self, ProcessError> {
        let (sender, lines) = mpsc::channel(LINES * spec.branches.len().max(1));
        let mut cluster = Self { processes: Vec::new(), lines };
        for (index, id) in spec.branches.iter().enumerate() {
            let port = port_of(spec.base_port, *id)?;
            let (child, lifeline) = spawn(spec, *id, port, index, &sender).map_err(|cause| {
                ProcessError::Spawn { branch: *id, binary: spec.binary.clone(), cause }
            })?;
            cluster.processes.push(BranchProcess {
                id: *id,
                port,
                child,
                lifeline: Some(lifeline),
            });
        }
        cluster.wait_for_all(|said| matches!(said, Said::Listening(_))).await?;
        let addresses = cluster.addresses();
        for process in &mut cluster.processes {
            let others = addresses.iter().filter(|(id, _)| *id != process.id);
            let peers: Vec<Peer> =
                others.map(|(id, address)| Peer { id: *id, address: *address }).collect();
            if let Some(Err(_)) = process.lifeline.as_mut().map(|line| send(&peers, line)) {
                return Err(process.ended());
            }
        }
        cluster.wait_for_all(|said| *said == Said::Serving).await?;
        Ok(cluster)
    }

    /// Waits until every process has printed the `expected` line.
    async fn wait_for_all(&mut self, expected: fn(&Said) -> bool) -> Result<(), ProcessError> {
        let deadline = Instant::now() + START_LIMIT;
        let mut waiting = vec![true; self.processes.len()];
        while let Some(slowest) = waiting.iter().position(|waiting| *waiting) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(Some((index, line))) = timeout(left, self.lines.recv()).await else {
                return Err(ProcessError::NotReady { branch: self.processes[slowest].id });
            };
            let process = &mut self.processes[index];
            let (branch, port) = (process.id, process.port);
            let Some(line) = line else { return Err(process.ended()) };
            match serde_json::from_str(&line) {
                Ok(Said::Failed(reason)) => {
                    return Err(ProcessError::Bind { branch, port, reason });
                }
                Ok(said) if expected(&said) => {
                    if let Said::Listening(port) = said {
                        process.port = port;
                    }
                    waiting[index] = false;
                }
                _ => return Err(ProcessError::Nonsense { branch, line }),
            }
        }
        Ok(())
    }

    /// Where each branch listens, in the order they were given.
    pub fn addresses(&self) -> Vec<(BranchId, SocketAddr)> {
        let address =
            |process: &BranchProcess| SocketAddr::from((Ipv4Addr::LOCALHOST, process.port));
        self.processes.iter().map(|process| (process.id, address(process))).collect()
    }

    /// Waits until a branch ends by itself; for ever, if none does.
    pub async fn ended_by_itself(&mut self) -> ProcessError {
        loop {
            match self.lines.recv().await {
                Some((index, None)) => return self.processes[index].ended(),
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Ends all branches in order and waits for them, at most fifteen seconds. Blocks. A branch that
    /// ended before, and not in order, is an error.
    pub fn end(mut self) -> Result<(), ProcessError> {
        self.end_all(|| false).into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// As [`ProcessCluster::end`], and returns an error for each branch that did not end in order. Once `hurry`
    /// returns true, waits a second more and not fifteen.
    pub fn end_all(&mut self, hurry: impl Fn() -> bool) -> Vec<(BranchId, ProcessError)> {
        let mut errors = Vec::new();
        // Checks all before ending any: a process that is told to end must not be taken for lost.
        for process in &mut self.processes {
            // One that ended in order was asked to, maybe by the signal that this process got as well.
            if matches!(process.child.try_wait(), Ok(Some(status)) if !status.success()) {
                errors.push((process.id, process.ended()));
            }
        }
        for process in &mut self.processes {
            process.lifeline = None;
        }
        let latest = Instant::now() + END_LIMIT;
        let hurried = OnceCell::new();
        let deadline = || {
            if hurry() {
                latest.min(*hurried.get_or_init(Instant::now) + HURRY_LIMIT)
            } else {
                latest
            }
        };
        for mut process in self.processes.drain(..) {
            if process.ends_by(deadline).is_none() {
                // It may end just now.
                let _ = process.child.kill();
                let _ = process.child.wait();
                let (branch, pid) = (process.id, process.child.id());
                errors.push((branch, ProcessError::Killed { branch, pid }));
            }
        }
        errors
    }

    /// The branches whose processes have ended.
    pub fn ended(&mut self) -> Vec<BranchId> {
        let has_ended =
            |process: &mut BranchProcess| matches!(process.child.try_wait(), Ok(Some(_)));
        self.processes.iter_mut().filter_map(|m| has_ended(m).then_some(m.id)).collect()
    }
}

impl Drop for ProcessCluster {
    fn drop(&mut self) {
        // Whoever wanted to know how it ended has called `end`.
        let _ = self.end_all(|| false);
    }
}

impl BranchProcess {
    /// The error for a process that closed its standard output or has ended.
    fn ended(&mut self) -> ProcessError {
        let deadline = Instant::now() + Duration::from_secs(1);
        let status = self.ends_by(|| deadline);
        let how = status.map_or_else(|| "it says nothing more".to_owned(), |s| s.to_string());
        ProcessError::Ended { branch: self.id, pid: self.child.id(), how }
    }

    /// Waits until it has ended, or until `deadline`, which may move.
    #[expect(
        clippy::disallowed_methods,
        reason = "the standard library waits for a child without a limit only"
    )]
    fn ends_by(&mut self, deadline: impl Fn() -> Instant) -> Option<ExitStatus> {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline() => std::thread::sleep(POLL),
                _ => return None,
            }
        }
    }
}

fn spawn(
    spec: &ProcessSpec,
    id: BranchId,
    port: u16,
    index: usize,
    sender: &mpsc::Sender<Line>,
) -> io::Result<(Child, ChildStdin)> {
    let mut command = Command::new(&spec.binary);
    command.args(["member", "--id", &id.to_string(), "--port", &port.to_string()]);
    command.args(["--opening-balance", &spec.opening.minor_units().to_string()]);
    command.args(["--replication", spec.scheme.name()]);
    if let Scheme::Broadcast { fanout, locking } = spec.scheme {
        command.args(["--fanout", fanout.name()]);
        if locking == Locking::UntilPropagated {
            command.arg("--lock");
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn()?;
    let (Some(lifeline), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("it has no pipes"));
    };
    let sender = sender.clone();
    // Ends with the child. If it cannot be had, the child ends with its lifeline.
    let reader = std::thread::Builder::new().name("passbook-member".to_owned());
    reader.spawn(move || forward_lines(stdout, index, &sender))?;
    Ok((child, lifeline))
}

/// Forwards the lines that a child prints, until its output ends or the cluster has ended.
fn forward_lines(stdout: ChildStdout, index: usize, sender: &mpsc::Sender<Line>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if sender.blocking_send((index, Some(line))).is_err() {
            return;
        }
    }
    // The receiver is gone if the cluster has ended.
    let _ = sender.blocking_send((index, None));
}
