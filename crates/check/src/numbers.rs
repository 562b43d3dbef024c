//! Numbers as people read them.

/// A whole number with thousands separators: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count of the things that `singular` and `plural` name: `1 customer`, `1,234 customers`.
pub fn counted(number: impl TryInto<u64>, singular: &str, plural: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{} {}", grouped(number), if number == 1 { singular } else { plural })
}

/// A fraction in per cent with at most four decimals: `0.125` is `12.5%`.
pub fn percent(fraction: f64) -> String {
    let digits = format!("{:.4}", fraction * 100.0);
    format!("{}%", digits.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_has_thousands_separators() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn count_of_one_is_singular() {
        assert_eq!(counted(1_usize, "customer", "customers"), "1 customer");
        assert_eq!(counted(0_u64, "customer", "customers"), "0 customers");
        assert_eq!(counted(1_234_u64, "customer", "customers"), "1,234 customers");
    }

    #[test]
    fn a_fraction_in_per_cent_has_no_needless_digits() {
        let written =
            [(0.0, "0%"), (0.07, "7%"), (0.125, "12.5%"), (1.0, "100%"), (1e-6, "0.0001%")];
        for (fraction, text) in written {
            assert_eq!(percent(fraction), text);
        }
    }
}
