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
/// A request of HTTP/1 that needs no resource.
const HTTP1_CLIENT: &[u8] = b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// A `ClientHello` of TLS 1.2, to which a server answers with its own hello or with an alert.
const TLS_CLIENT: &[u8] = &[
    0x16, 3, 1, 0, 90, // a record of the handshake, 90 bytes
    1, 0, 0, 86, 3, 3, // ClientHello, 86 bytes, TLS 1.2
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // the first half of the random bytes
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // the second half
    0, // no session
    0, 12, 0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0, 0x9c, 0, 0x2f, // cipher suites
    1, 0, // no compression
    0, 33, // 33 bytes of extensions
    0, 10, 0, 6, 0, 4, 0, 0x1d, 0, 0x17, // groups: x25519, secp256r1
    0, 13, 0, 10, 0, 8, 4, 3, 8, 4, 4, 1, 2, 1, // signature algorithms
    0, 16, 0, 5, 0, 3, 2, b'h', b'2', // application protocol h2
];

/// The message of `error`, with what listens at `address` if the connection failed and the server's first bytes
/// tell.
pub(crate) async fn explain(address: &str, error: &CallError) -> String {
    let listener = if error.is_disconnected() { probe(address).await } else { None };
    listener.map_or_else(|| error.to_string(), |listener| format!("{listener} ({error})"))
}

/// What listens at `address`. `None` if it is HTTP/2 without TLS, or cannot be recognized.
pub(super) async fn probe(address: &str) -> Option<&'static str> {
    let answer = first_bytes(address, HTTP2_CLIENT).await?;
    if is_http2(&answer) {
        None
    } else if is_tls(&answer) || is_tls(&first_bytes(address, TLS_CLIENT).await?) {
        Some("the server expects TLS; loadgen connects without it")
    } else if is_http1(&answer) || is_http1(&first_bytes(address, HTTP1_CLIENT).await?) {
        Some("the server answers with HTTP/1; gRPC needs HTTP/2")
    } else {
        None
    }
}

/// Whether an answer begins with a SETTINGS frame, as every server of HTTP/2 does.
fn is_http2(answer: &[u8]) -> bool {
    answer.get(3) == Some(&4)
}

fn is_http1(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1")
}

/// Whether an answer begins with a handshake or an alert of TLS.
fn is_tls(answer: &[u8]) -> bool {
    matches!(answer, [0x15 | 0x16, 3, ..])
}

/// What the server sends first to a client that begins with `hello`; empty if it closes the connection. `None` if
/// it cannot be reached or sends nothing in time.
async fn first_bytes(address: &str, hello: &[u8]) -> Option<Vec<u8>> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let mut answer = [0; 16];
        // A reset is one of the ways to close.
        let length = match stream.write_all(hello).await {
            Ok(()) => stream.read(&mut answer).await.unwrap_or(0),
            Err(_) => 0,
        };
        Some(answer[..length].to_vec())
    };
    timeout(LIMIT, exchange).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What `probe` reports of a server that answers a client by its first bytes with `answer` and hangs up.
    async fn probed(answer: fn(&[u8]) -> &'static [u8]) -> Option<&'static str> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        #[expect(clippy::disallowed_methods, reason = "it is aborted below")]
        let server = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a client");
                let mut hello = [0; 256];
                let length = stream.read(&mut hello).await.expect("a hello");
                stream.write_all(answer(&hello[..length])).await.expect("written");
            }
        });
        let listener = probe(&address).await;
        server.abort();
        listener
    }

    #[tokio::test]
    async fn servers_without_http2_are_named() {
        let http1 = "the server answers with HTTP/1; gRPC needs HTTP/2";
        let tls = "the server expects TLS; loadgen connects without it";
        assert_eq!(probed(|_| b"HTTP/1.1 400 Bad Request\r\n\r\n").await, Some(http1));
        assert_eq!(probed(|_| b"\x15\x03\x01\x00\x02\x02\x46").await, Some(tls));
        // These two are silent unless the client begins as they expect.
        let picky = |hello: &[u8]| -> &'static [u8] {
            if hello.starts_with(b"OPTIONS") {
                b"HTTP/1.0 501 Not Implemented\r\n\r\n"
            } else {
                b""
            }
        };
        assert_eq!(probed(picky).await, Some(http1));
        let silent = |hello: &[u8]| -> &'static [u8] {
            if hello.starts_with(&[0x16, 3]) { b"\x16\x03\x03\x00\x41\x02" } else { b"" }
        };
        assert_eq!(probed(silent).await, Some(tls));
    }

    #[tokio::test]
    async fn servers_of_http2_and_of_nothing_known_are_not_named() {
        assert_eq!(probed(|_| b"\0\0\0\x04\0\0\0\0\0").await, None);
        assert_eq!(probed(|_| b"SSH-2.0-OpenSSH_9.6\r\n").await, None);
        assert_eq!(probed(|_| b"").await, None);
    }
}
