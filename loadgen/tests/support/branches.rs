//! `branch serve` on ports of a test's own. Linux.

#![allow(dead_code, reason = "each test file is a crate of its own and uses a part")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use tokio::net::TcpSocket;

use testkit::processes::Process;

/// The `branch` binary, which belongs to the other package.
pub(crate) fn branch() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_loadgen")).with_file_name("branch");
    assert!(path.is_file(), "there is no {}: cargo build --bin branch", path.display());
    path
}

/// Ports of branches, each of which can be ended and started again where it was.
pub(crate) struct Addresses {
    pub(crate) all: Vec<SocketAddr>,
    /// They keep the ports while nobody listens there: bound for reuse, they are in no branch's way.
    _reserved: Vec<TcpSocket>,
}

impl Addresses {
    pub(crate) fn reserve(branches: usize) -> Self {
        let reserve = || {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.set_reuseaddr(true).expect("a socket option");
            socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
            socket
        };
        let reserved: Vec<TcpSocket> = std::iter::repeat_with(reserve).take(branches).collect();
        let address = |socket: &TcpSocket| socket.local_addr().expect("bound");
        Self { all: reserved.iter().map(address).collect(), _reserved: reserved }
    }

    pub(crate) fn of(&self, id: usize) -> SocketAddr {
        self.all[id - 1]
    }

    /// `branch serve` as branch `id`, with these branches as its peers.
    pub(crate) fn serve(&self, id: usize, peers: &[usize], more: &[&str]) -> Process {
        let mut command = Command::new(branch());
        command.args(["serve", "--id", &id.to_string(), "--listen", &self.of(id).to_string()]);
        for peer in peers {
            command.args(["--peer", &format!("{peer}={}", self.of(*peer))]);
        }
        Process::start(command.args(more))
    }
}
