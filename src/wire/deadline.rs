//! How long the caller waits, from the `grpc-timeout` header.

use std::time::Duration;

use tonic::metadata::MetadataMap;

/// The time the caller gives, or `None` if it says nothing that the gRPC specification knows: one to
/// eight digits and a unit.
pub fn timeout(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Option<Duration> {
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", text.parse().expect("ascii"));
        timeout(&metadata)
    }

    #[test]
    fn every_unit_is_read_and_nonsense_is_none() {
        assert_eq!(parse("2H"), Some(Duration::from_hours(2)));
        assert_eq!(parse("3M"), Some(Duration::from_mins(3)));
        assert_eq!(parse("10S"), Some(Duration::from_secs(10)));
        assert_eq!(parse("99999999m"), Some(Duration::from_millis(99_999_999)));
        assert_eq!(parse("5u"), Some(Duration::from_micros(5)));
        assert_eq!(parse("7n"), Some(Duration::from_nanos(7)));
        for nonsense in ["", "S", "1", "123456789S", "-1S", "1x"] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
        assert_eq!(timeout(&MetadataMap::new()), None);
    }

    #[test]
    fn what_tonic_sends_is_understood() {
        let mut request = tonic::Request::new(());
        request.set_timeout(Duration::from_millis(1234));
        assert_eq!(timeout(request.metadata()), Some(Duration::from_millis(1234)));
    }
}
