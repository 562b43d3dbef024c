//! Numbers for people.

use std::time::Duration;

use bank::Money;
use check::{counted, grouped};

/// A duration as people compare them: always in milliseconds, digits by size.
pub(super) fn milliseconds(time: Duration) -> String {
    let value = time.as_secs_f64() * 1_000.0;
    match value {
        0.0..10.0 => format!("{value:.3} ms"),
        10.0..100.0 => format!("{value:.2} ms"),
        100.0..1_000.0 => format!("{value:.1} ms"),
        _ => format!("{} ms", decimals(value, 0)),
    }
}

/// A rate per second: with decimals below 100, where rounding would hide a difference.
pub fn rate(per_second: f64) -> String {
    decimals(per_second, if per_second < 100.0 { 2 } else { 0 })
}

/// A number with so many digits after the point, and groups of three before it.
pub(super) fn decimals(value: f64, digits: usize) -> String {
    let plain = format!("{value:.digits$}");
    let in_groups = |whole: &str| whole.parse().map_or_else(|_| whole.to_owned(), grouped);
    match plain.split_once('.') {
        Some((whole, fraction)) => format!("{}.{fraction}", in_groups(whole)),
        None => in_groups(&plain),
    }
}

pub(super) fn money(amount: Money) -> String {
    let units = amount.minor_units();
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(units.unsigned_abs()))
}

pub(super) fn operations(number: u64) -> String {
    counted(number, "operation", "operations")
}

/// A count of things in memory.
pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(milliseconds(Duration::from_micros(1_234)), "1.234 ms");
        assert_eq!(milliseconds(Duration::from_millis(250)), "250.0 ms");
        assert_eq!(milliseconds(Duration::from_secs(10)), "10,000 ms");
        assert_eq!(money(Money::new(-1_234_567)), "-1,234,567");
        assert_eq!(decimals(1_234.567_8, 3), "1,234.568");
        assert_eq!(
            (operations(1), operations(1_000)),
            ("1 operation".into(), "1,000 operations".into())
        );
    }

    #[test]
    fn rate_below_100_has_decimals_and_above_has_none() {
        for (per_second, expected) in
            [(0.0, "0.00"), (0.5, "0.50"), (12.345, "12.35"), (99.5, "99.50"), (88_571.6, "88,572")]
        {
            assert_eq!(rate(per_second), expected);
        }
    }
}
