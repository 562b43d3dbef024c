//! What a branch process and the process that started it say to each other, and the child's end of it.
//!
//! The child says on its standard output `listening 50054` (or `failed …`) as soon as it has bound its
//! port. The parent, when all have, tells each on its standard input `peer 2=127.0.0.1:50052` for every
//! fellow branch and then `start`. The child says `serving`. Standard input stays open from then on: it
//! ends when the parent ends, however that ends, and the child ends with it.

use std::fmt;
use std::io::{self, BufRead, BufWriter, Write};
use std::net::SocketAddr;
use std::str::FromStr;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::branch::Peer;
use bank::BranchId;

/// What a child says, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It has this port and connects to nobody yet.
    Listening(u16),
    /// It could not have its port.
    Failed(String),
    /// It has tried to connect to every peer and answers customers.
    Serving,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening(port) => write!(f, "listening {port}"),
            Self::Failed(reason) => write!(f, "failed {reason}"),
            Self::Serving => f.write_str("serving"),
        }
    }
}

impl FromStr for Said {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("listening", port) => port.parse().map(Self::Listening).map_err(|_| ()),
            ("failed", reason) => Ok(Self::Failed(reason.to_owned())),
            ("serving", "") => Ok(Self::Serving),
            _ => Err(()),
        }
    }
}

/// What a parent says once: who the fellow branches are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orders {
    /// The fellow branches and where they listen.
    pub peers: Vec<Peer>,
}

const START: &str = "start";

impl Orders {
    /// Says all of it.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut to = BufWriter::new(to);
        for Peer { id, address } in &self.peers {
            writeln!(to, "peer {id}={address}")?;
        }
        writeln!(to, "{START}")?;
        to.flush()
    }

    /// Hears all of it; `None` if the parent ended or said something else before the end of it.
    fn read(from: &mut impl BufRead) -> Option<Self> {
        let mut peers = Vec::new();
        loop {
            let mut line = String::new();
            from.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let line = line.trim_end();
            if line == START {
                return Some(Self { peers });
            }
            let (id, address) = line.strip_prefix("peer ")?.split_once('=')?;
            let id = BranchId(id.parse().ok()?);
            peers.push(Peer { id, address: address.parse::<SocketAddr>().ok()? });
        }
    }
}

/// A child's hold on its parent.
#[derive(Debug)]
pub struct Lifeline {
    orders: oneshot::Receiver<Orders>,
    cut: CancellationToken,
}

impl Lifeline {
    /// Listens to `parent` in a thread of its own from now on. Nobody else may read from it.
    pub fn hold(mut parent: impl BufRead + Send + 'static) -> io::Result<Self> {
        let (tell, orders) = oneshot::channel();
        let cut = CancellationToken::new();
        let cutting = cut.clone();
        // Not joined: it waits for the parent, and the process may end before it.
        std::thread::Builder::new().name("passbook-lifeline".to_owned()).spawn(move || {
            if let Some(orders) = Orders::read(&mut parent) {
                // Nobody listens any more if the branch is ending already.
                let _ = tell.send(orders);
                // Whatever else the parent says means nothing; that it ends does.
                let _ = io::copy(&mut parent, &mut io::sink());
            }
            cutting.cancel();
        })?;
        Ok(Self { orders, cut })
    }

    /// What the parent said; `None` if it ended instead.
    pub async fn orders(&mut self) -> Option<Orders> {
        (&mut self.orders).await.ok()
    }

    /// Is cancelled when the parent ends.
    pub fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard() {
        let lines = [Said::Listening(50_054), Said::Failed("in use (98)".into()), Said::Serving];
        for said in lines {
            assert_eq!(said.to_string().parse(), Ok(said));
        }
        for nonsense in ["", "listening", "listening 70000", "serving soon", "hello"] {
            assert_eq!(nonsense.parse::<Said>(), Err(()), "{nonsense}");
        }
    }

    #[tokio::test]
    async fn orders_arrive_and_the_end_of_the_parent_cuts_the_lifeline() {
        let address = SocketAddr::from(([127, 0, 0, 1], 50_052));
        let orders = Orders { peers: vec![Peer { id: BranchId(2), address }] };
        let mut text = Vec::new();
        orders.write(&mut text).expect("memory");
        let mut lifeline = Lifeline::hold(io::Cursor::new(text)).expect("a thread");
        assert_eq!(lifeline.orders().await, Some(orders));
        lifeline.cut().cancelled().await;
    }

    #[tokio::test]
    async fn a_parent_that_ends_early_or_talks_nonsense_is_gone() {
        for text in ["", "peer 2=127.0.0.1:50052\n", "peer 2\nstart\n", "hello\n"] {
            let mut lifeline = Lifeline::hold(io::Cursor::new(text)).expect("a thread");
            assert_eq!(lifeline.orders().await, None, "{text}");
            lifeline.cut().cancelled().await;
        }
    }
}
