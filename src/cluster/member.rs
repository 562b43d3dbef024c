//! What a branch process and the process that started it send each other, and the child's end of it.
//!
//! Each message is a line of JSON. The child sends [`Said::Listening`] (or [`Said::Failed`]) on its standard output
//! as soon as it has bound its port. The parent, when all have, sends each its peers on its standard input. The
//! child sends [`Said::Serving`]. Standard input stays open from then on: it ends when the parent ends, however that
//! ends, and the child ends with it.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::branch::Peer;

/// What a child sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Said {
    /// It has this port and connects to nobody yet.
    Listening(u16),
    /// It could not have its port.
    Failed(String),
    /// It has tried to connect to every peer and answers customers.
    Serving,
}

/// Sends a message to the process at the other end of a pipe.
///
/// # Errors
/// The other process has ended.
pub fn send(message: &impl Serialize, to: &mut impl Write) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

/// A child's hold on its parent.
#[derive(Debug)]
pub struct Lifeline {
    peers: oneshot::Receiver<Vec<Peer>>,
    cut: CancellationToken,
}

impl Lifeline {
    /// Listens to `parent` in a thread of its own from now on. Nobody else may read from it.
    pub fn hold(mut parent: impl BufRead + Send + 'static) -> io::Result<Self> {
        let (sender, peers) = oneshot::channel();
        let cut = CancellationToken::new();
        let cutting = cut.clone();
        // Not joined: it waits for the parent, and the process may end before it.
        std::thread::Builder::new().name("passbook-lifeline".to_owned()).spawn(move || {
            let mut line = String::new();
            if parent.read_line(&mut line).is_ok()
                && let Ok(peers) = serde_json::from_str(&line)
            {
                // Nobody listens any more if the branch is ending already.
                let _ = sender.send(peers);
                // Whatever else the parent sends means nothing; that it ends does.
                let _ = io::copy(&mut parent, &mut io::sink());
            }
            cutting.cancel();
        })?;
        Ok(Self { peers, cut })
    }

    /// The fellow branches and where they listen; `None` if the parent ended or sent something else.
    pub async fn peers(&mut self) -> Option<Vec<Peer>> {
        (&mut self.peers).await.ok()
    }

    /// Is cancelled when the parent ends.
    pub fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use bank::BranchId;

    fn sent(message: &impl Serialize) -> String {
        let mut line = Vec::new();
        send(message, &mut line).expect("memory");
        String::from_utf8(line).expect("text")
    }

    #[test]
    fn message_of_a_child_is_one_line_that_reads_back() {
        let failed = Said::Failed("in use\n(98)".into());
        for said in [Said::Listening(50_054), failed, Said::Serving] {
            let line = sent(&said);
            assert_eq!(line.lines().count(), 1, "{line}");
            assert_eq!(serde_json::from_str::<Said>(&line).expect(&line), said);
        }
        for nonsense in ["", "listening", r#"{"listening":70000}"#, r#""hello""#] {
            assert!(serde_json::from_str::<Said>(nonsense).is_err(), "{nonsense}");
        }
    }

    #[tokio::test]
    async fn peers_arrive_and_the_end_of_the_parent_cuts_the_lifeline() {
        let address = SocketAddr::from(([127, 0, 0, 1], 50_052));
        for peers in [vec![Peer { id: BranchId(2), address }], Vec::new()] {
            let mut lifeline = Lifeline::hold(io::Cursor::new(sent(&peers))).expect("a thread");
            assert_eq!(lifeline.peers().await, Some(peers));
            lifeline.cut().cancelled().await;
        }
    }

    #[tokio::test]
    async fn parent_that_ends_early_or_sends_nonsense_is_gone() {
        for text in ["", r#"[{"id":2,"address":"127.0"#, "hello\n"] {
            let mut lifeline = Lifeline::hold(io::Cursor::new(text)).expect("a thread");
            assert_eq!(lifeline.peers().await, None, "{text}");
            lifeline.cut().cancelled().await;
        }
    }
}
