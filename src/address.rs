//! Addresses as people write them: `127.0.0.1:50051`, `localhost:50051`, `[::1]:50051`.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use thiserror::Error;

/// A text that is not an address.
#[derive(Debug, Error)]
pub enum AddressError {
    /// It has another form.
    #[error("expected HOST:PORT, such as localhost:50051")]
    Form,
    /// Its host has no address.
    #[error("cannot resolve {host}: {cause}; give HOST:PORT, such as 127.0.0.1:50051")]
    Unresolved {
        /// The host.
        host: String,
        /// Why.
        cause: io::Error,
    },
}

/// The address that `text` names. Asks the resolver unless the host is a number. Of several addresses it returns the
/// first of IPv4: those who listen at `localhost` and those who connect to it have to choose the same one.
pub fn resolve(text: &str) -> Result<SocketAddr, AddressError> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').ok_or(AddressError::Form)?;
    let port: u16 = port.parse().map_err(|_| AddressError::Form)?;
    if host.is_empty() || host.contains(['/', '@', ' ', ':', '[']) {
        return Err(AddressError::Form);
    }
    let unresolved = |cause| AddressError::Unresolved { host: host.to_owned(), cause };
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(unresolved)?.collect();
    let address = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    address.copied().ok_or_else(|| unresolved(io::ErrorKind::NotFound.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_resolved() {
        for (text, expected) in [
            ("127.0.0.1:50051", "127.0.0.1:50051"),
            ("localhost:0", "127.0.0.1:0"),
            ("localhost:9464", "127.0.0.1:9464"),
            ("[::1]:9464", "[::1]:9464"),
        ] {
            assert_eq!(resolve(text).expect(text).to_string(), expected);
        }
    }

    #[test]
    fn a_text_that_is_no_address_is_refused() {
        for text in
            ["", ":9464", "localhost", "localhost:", "localhost:99999", "http://localhost:1", "::1"]
        {
            let error = resolve(text).expect_err(text).to_string();
            assert!(error.contains("expected HOST:PORT"), "{text}: {error}");
        }
        let error = resolve("no.such.host.invalid:1").expect_err("reserved name").to_string();
        assert!(error.starts_with("cannot resolve no.such.host.invalid: "), "{error}");
    }
}
