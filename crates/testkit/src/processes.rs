//! Processes in tests: what they say, who their children are, that nothing of them stays. Linux.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a failure takes, never a pass.
const PATIENCE: Duration = Duration::from_mins(1);

/// Ends with the test.
pub struct Process {
    child: Child,
    pub stdout: BufReader<std::process::ChildStdout>,
    said: Arc<Mutex<String>>,
    listening: Option<JoinHandle<()>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_remove("OTEL_EXPORTER_OTLP_ENDPOINT");
        let mut child = command.spawn().expect("started");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let said: Arc<Mutex<String>> = Arc::default();
        let heard = Arc::clone(&said);
        let listening = std::thread::spawn(move || {
            for line in stderr.lines() {
                let line = line.expect("text");
                heard.lock().expect("nobody died").push_str(&(line + "\n"));
            }
        });
        Self { child, stdout, said, listening: Some(listening) }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on standard error so far.
    pub fn said(&self) -> String {
        self.said.lock().expect("nobody died").clone()
    }

    /// What `branch cluster` says of `count` branches: their ids and ports, in its order.
    pub fn started(&mut self, count: usize) -> Vec<(u32, u16)> {
        let line = |_| {
            let mut line = String::new();
            self.stdout.read_line(&mut line).expect("a line");
            let words = line.trim_end().strip_prefix("Branch ");
            let words = words.and_then(|rest| rest.split_once(" server started on port "));
            let (id, port) = words.unwrap_or_else(|| panic!("{line:?} is no started line"));
            (id.parse().expect("an id"), port.parse().expect("a port"))
        };
        (0..count).map(line).collect()
    }

    /// Waits until it has ended; how, and what it said on standard error.
    pub fn ended(self) -> (ExitStatus, String) {
        let (status, _, said) = self.reported();
        (status, said)
    }

    /// As [`Process::ended`], and before that what it said on standard output that nobody has read.
    pub fn reported(mut self) -> (ExitStatus, String, String) {
        let status = until("the process ends", || self.child.try_wait().expect("a child"));
        // Branches have the same standard error: it ends with the last of them.
        self.listening.take().expect("asked once").join().expect("read");
        let mut report = String::new();
        self.stdout.read_to_string(&mut report).expect("text");
        (status, report, self.said())
    }
}

/// What `command` prints and how it ends, for a snapshot: the same on every machine and terminal.
pub fn transcript(command: &mut Command) -> String {
    command.env("COLUMNS", "100").env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE");
    command.env_remove("OTEL_EXPORTER_OTLP_ENDPOINT");
    let output = command.output().expect("started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let ending = output.status.code().map_or_else(|| "killed".to_owned(), |code| code.to_string());
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    format!("exit code: {ending}\n----- stdout -----\n{stdout}----- stderr -----\n{stderr}")
}

/// Looks again and again until `look` finds something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} until {what}");
        std::thread::yield_now();
    }
}

/// The parent and the state of a process.
fn stat(pid: u32) -> Option<(u32, char)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything.
    let mut fields = text[text.rfind(')')? + 1..].split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

/// Whether it runs: one that ended and that nobody has asked after does not.
pub fn runs(pid: u32) -> bool {
    stat(pid).is_some_and(|(_, state)| !matches!(state, 'Z' | 'X'))
}

/// The running processes that `parent` started.
pub fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("Linux");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut found: Vec<u32> =
        names.filter(|pid| stat(*pid).is_some_and(|(of, _)| of == parent) && runs(*pid)).collect();
    found.sort_unstable();
    found
}

pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status().expect("kill");
    assert!(sent.success(), "kill {name} {pid}");
}

pub fn listens(port: u16) -> bool {
    TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok()
}

/// Waits until none of these processes runs, and all of these ports can be had again.
pub fn nothing_stays(pids: &[u32], ports: &[u16]) {
    for pid in pids {
        until("a branch process ends", || (!runs(*pid)).then_some(()));
    }
    for port in ports {
        until("a port refuses connections", || (!listens(*port)).then_some(()));
        until("a port is free", || TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).ok());
    }
}

/// The ports on which these processes listen.
pub fn ports(pids: &[u32]) -> Vec<u16> {
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux");
    let mut found = Vec::new();
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields[1], fields[3], fields[9]);
        if state == "0A" && pids.iter().any(|pid| holds(*pid, inode)) {
            let (_, port) = local.split_once(':').expect("address:port");
            found.push(u16::from_str_radix(port, 16).expect("hexadecimal"));
        }
    }
    found
}

fn holds(pid: u32, inode: &str) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let wanted = format!("socket:[{inode}]");
    entries.flatten().any(|entry| {
        fs::read_link(entry.path()).is_ok_and(|target| target.to_str() == Some(wanted.as_str()))
    })
}
