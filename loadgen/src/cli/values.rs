//! From the text of an argument to its value, with what was expected where that fails.

use std::time::Duration;

use bytesize::ByteSize;

/// A given seed, or one that is drawn.
#[expect(clippy::disallowed_methods, reason = "the report shows the seed")]
pub(crate) fn parse_seed(text: &str) -> Result<u64, String> {
    match text {
        "random" => Ok(rand::random()),
        _ => text.parse().map_err(|_| "expected a whole number or random".to_owned()),
    }
}

pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "expected a time such as 30s, 500ms or 2m".to_owned())
}

pub(crate) fn parse_timeout(text: &str) -> Result<Duration, String> {
    let timeout = parse_duration(text)?;
    let is_allowed = (Duration::from_millis(1)..=Duration::from_mins(1)).contains(&timeout);
    is_allowed.then_some(timeout).ok_or_else(|| "expected a time from 1ms to 60s".to_owned())
}

pub(crate) fn parse_wait(text: &str) -> Result<Duration, String> {
    let wait = parse_duration(text)?;
    let is_allowed = (Duration::from_millis(1)..=Duration::from_hours(24)).contains(&wait);
    is_allowed.then_some(wait).ok_or_else(|| "expected a time from 1ms to 24h".to_owned())
}

/// A limit on the size of an answer. Below 1 KiB no error of a server would fit either.
pub(crate) fn parse_message_size(text: &str) -> Result<usize, String> {
    let size = text.parse::<ByteSize>().ok();
    let size = size.filter(|size| (ByteSize::kib(1)..=ByteSize::gib(1)).contains(size));
    size.and_then(|size| usize::try_from(size.as_u64()).ok())
        .ok_or_else(|| "expected a size from 1KiB to 1GiB, such as 4MiB".to_owned())
}

pub(crate) fn parse_target(text: &str) -> Result<String, String> {
    let address = text.trim();
    let parts = address.rsplit_once(':');
    let named = parts.is_some_and(|(host, port)| {
        let plain = !host.is_empty() && !host.contains(['/', '@', ' ']);
        plain && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    let missing = || "expected HOST:PORT, such as 127.0.0.1:50051".to_owned();
    named.then(|| address.to_owned()).ok_or_else(missing)
}
