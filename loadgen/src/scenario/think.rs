//! Think time: how long a customer waits between an answer and its next operation.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::SettingError;

/// The longest think time that is accepted: sums of instants and think times stay representable.
const THINK_MAX: Duration = Duration::from_hours(24);

/// The distribution of think times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThinkTime {
    /// Every think time is the same; zero means that customers do not think.
    Constant(Duration),
    /// Exponential with this mean, as if independent users arrived. No draw exceeds 37 means, the
    /// largest value that 53 random bits give.
    Exponential(Duration),
    /// Uniform from the first to the second, inclusive.
    Uniform(Duration, Duration),
}

impl ThinkTime {
    /// Customers do not think.
    pub const NONE: Self = Self::Constant(Duration::ZERO);

    /// The mean of the distribution.
    pub fn mean(self) -> Duration {
        match self {
            Self::Constant(mean) | Self::Exponential(mean) => mean,
            Self::Uniform(least, most) => (least + most) / 2,
        }
    }

    /// When customer `index` (from 0) of `customers` begins, after the run begins. The first operations
    /// are spread evenly over one mean think time: customers that began together would stay together.
    pub fn start_of(self, index: u64, customers: u64) -> Duration {
        let nanoseconds = self.mean().as_nanos().saturating_mul(u128::from(index));
        let offset = nanoseconds / u128::from(customers.max(1));
        u64::try_from(offset).map_or(Duration::ZERO, Duration::from_nanos)
    }

    /// An endless sequence of think times. The same `seed` gives the same ones.
    pub fn draws(self, seed: u64) -> ThinkTimes {
        ThinkTimes { think: self, random: Pcg64Mcg::seed_from_u64(seed) }
    }
}

impl fmt::Display for ThinkTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = humantime::format_duration;
        match self {
            Self::Constant(Duration::ZERO) => f.write_str("0s"),
            Self::Constant(value) => write!(f, "constant:{}", time(*value)),
            Self::Exponential(mean) => write!(f, "exponential:{}", time(*mean)),
            Self::Uniform(least, most) => write!(f, "uniform:{}..{}", time(*least), time(*most)),
        }
    }
}

impl Serialize for ThinkTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_struct("ThinkTime", 2)?;
        record.serialize_field("think", &self.to_string())?;
        record.serialize_field("think_mean_s", &self.mean().as_secs_f64())?;
        record.end()
    }
}

const EXPECTED: SettingError = SettingError(
    "a mean such as 10ms (exponential), constant:10ms or uniform:5ms..15ms, each at most 1 day",
);

impl FromStr for ThinkTime {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        let time = |text: &str| {
            let time = humantime::parse_duration(text).ok();
            time.filter(|time| *time <= THINK_MAX).ok_or(EXPECTED)
        };
        let think = match text.split_once(':') {
            None => Self::Exponential(time(text)?),
            Some(("exponential", mean)) => Self::Exponential(time(mean)?),
            Some(("constant", value)) => Self::Constant(time(value)?),
            Some(("uniform", range)) => {
                let (least, most) = range.split_once("..").ok_or(EXPECTED)?;
                let (least, most) = (time(least)?, time(most)?);
                if least > most {
                    return Err(EXPECTED);
                }
                Self::Uniform(least, most)
            }
            Some(_) => return Err(EXPECTED),
        };
        let is_zero =
            matches!(think, Self::Exponential(_) | Self::Uniform(..)) && think.mean().is_zero();
        Ok(if is_zero { Self::NONE } else { think })
    }
}

/// The think times of one customer, drawn one by one. It never ends.
#[derive(Clone, Debug)]
pub struct ThinkTimes {
    think: ThinkTime,
    random: Pcg64Mcg,
}

impl Iterator for ThinkTimes {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(match self.think {
            ThinkTime::Constant(value) => value,
            ThinkTime::Exponential(mean) => {
                // 1 − u is in (0, 1], so its logarithm is finite.
                let u: f64 = self.random.random();
                mean.mul_f64(-(1.0 - u).ln())
            }
            ThinkTime::Uniform(least, most) => self.random.random_range(least..=most),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEAN: Duration = Duration::from_millis(10);
    const DRAWS: u32 = 20_000;

    fn drawn(think: ThinkTime) -> Vec<Duration> {
        let draws = usize::try_from(DRAWS).expect("few");
        think.draws(1).take(draws).collect()
    }

    #[test]
    fn think_time_text_is_parsed_and_printed_alike() {
        let milliseconds = Duration::from_millis;
        for (text, expected, printed) in [
            ("10ms", ThinkTime::Exponential(MEAN), "exponential:10ms"),
            ("exponential:10ms", ThinkTime::Exponential(MEAN), "exponential:10ms"),
            ("constant:10ms", ThinkTime::Constant(MEAN), "constant:10ms"),
            (
                "uniform:5ms..15ms",
                ThinkTime::Uniform(milliseconds(5), milliseconds(15)),
                "uniform:5ms..15ms",
            ),
            ("0s", ThinkTime::NONE, "0s"),
            ("constant:0s", ThinkTime::NONE, "0s"),
            ("uniform:0s..0s", ThinkTime::NONE, "0s"),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
            assert_eq!(expected.to_string(), printed);
            assert_eq!(printed.parse(), Ok(expected), "{printed}");
        }
        for wrong in
            ["", "10", "normal:10ms", "constant:", "uniform:5ms", "uniform:2s..1s", "9999999y"]
        {
            assert_eq!(wrong.parse::<ThinkTime>(), Err(EXPECTED), "{wrong}");
        }
    }

    #[test]
    fn think_times_have_the_mean_and_range_of_their_distribution() {
        let uniform = ThinkTime::Uniform(MEAN / 2, MEAN * 3 / 2);
        for think in [ThinkTime::Constant(MEAN), ThinkTime::Exponential(MEAN), uniform] {
            let drawn = drawn(think);
            let mean = drawn.iter().sum::<Duration>() / DRAWS;
            assert!(mean.abs_diff(MEAN) < MEAN / 20, "{think}: mean {mean:?}");
            let (least, most) = (drawn.iter().min(), drawn.iter().max());
            let (least, most) = (*least.expect("drawn"), *most.expect("drawn"));
            match think {
                ThinkTime::Constant(_) => assert_eq!((least, most), (MEAN, MEAN)),
                ThinkTime::Exponential(_) => assert!(least < MEAN / 100 && most < MEAN * 37),
                ThinkTime::Uniform(from, to) => assert!(least >= from && most <= to),
            }
        }
        let exponential = drawn(ThinkTime::Exponential(MEAN));
        let beyond_mean = exponential.iter().filter(|time| **time > MEAN).count();
        assert!((7_000..7_700).contains(&beyond_mean), "1/e of 20,000 is 7,358: {beyond_mean}");
    }

    #[test]
    fn starts_are_spread_over_one_mean_think_time() {
        let think = ThinkTime::Constant(MEAN);
        let starts: Vec<_> = (0..4).map(|index| think.start_of(index, 4)).collect();
        let expected = [0, 2_500, 5_000, 7_500].map(Duration::from_micros);
        assert_eq!(starts, expected);
        assert_eq!(ThinkTime::NONE.start_of(3, 4), Duration::ZERO);
    }
}
