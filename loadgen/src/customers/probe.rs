//! What listens at an address that does not talk gRPC.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::error::CallError;

/// How long the server has for its first bytes.
const LIMIT: Duration = Duration::from_secs(1);
/// How every HTTP/2 client begins: the preface and an empty SETTINGS frame.
const HTTP2_CLIENT: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// A `ClientHello` of TLS 1.2 without extensions. A server of TLS answers with a handshake or an alert.
const TLS_CLIENT: &[u8] = &{
    let mut hello = [0; 50];
    // A handshake record of 45 bytes: a ClientHello of 41 bytes for TLS 1.2.
    let head = [0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3];
    let mut index = 0;
    while index < head.len() {
        hello[index] = head[index];
        index += 1;
    }
    // 32 random bytes and the length of the session id stay zero; then one cipher suite and no compression.
    let tail = [2, 0x00, 0x2f, 1, 0];
    index = 0;
    while index < tail.len() {
        hello[45 + index] = tail[index];
        index += 1;
    }
    hello
};

/// The message of `error`, with what listens at `address` if the connection failed and the server's first bytes
/// tell.
pub(crate) async fn explained(address: &str, error: &CallError) -> String {
    let listener = if error.is_disconnected() { probe(address).await } else { None };
    listener.map_or_else(|| error.to_string(), |listener| format!("{listener} ({error})"))
}

/// What listens at `address`, if it is known and no server of gRPC without TLS.
pub(super) async fn probe(address: &str) -> Option<&'static str> {
    let answer = first_bytes(address, HTTP2_CLIENT).await?;
    if answer.starts_with(b"HTTP/1") {
        return Some("the server answers with HTTP/1; gRPC needs HTTP/2");
    }
    if is_tls(&answer) {
        return Some(EXPECTS_TLS);
    }
    // Many servers of TLS close the connection without a word to whoever does not begin with it.
    let is_closed = answer.is_empty();
    let is_tls = is_closed && first_bytes(address, TLS_CLIENT).await.is_some_and(|it| is_tls(&it));
    is_tls.then_some(EXPECTS_TLS)
}

const EXPECTS_TLS: &str = "the server expects TLS, which loadgen does not speak";

/// Whether an answer begins with a handshake or an alert of TLS.
fn is_tls(answer: &[u8]) -> bool {
    matches!(answer, [0x15 | 0x16, 3, ..])
}

/// What the server sends first to a client that begins with `hello`; empty if it closes the connection. `None` if
/// it cannot be reached or sends nothing in time.
async fn first_bytes(address: &str, hello: &[u8]) -> Option<Vec<u8>> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(hello).await.ok()?;
        let mut answer = [0; 16];
        // A reset is one of the ways to close.
        let length = stream.read(&mut answer).await.unwrap_or(0);
        Some(answer[..length].to_vec())
    };
    timeout(LIMIT, exchange).await.ok().flatten()
}
