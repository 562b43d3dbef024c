//! Histograms with fixed buckets, for scraping; reports use `HdrHistogram` instead.

use std::marker::PhantomData;
use std::time::Duration;

/// The most buckets that a scale has, with the one beyond all bounds.
const BUCKETS_MAX: usize = 19;

/// What a histogram counts, and in which buckets.
pub trait Scale {
    /// What is recorded.
    type Value;
    /// Upper bounds of the buckets, in the unit of [`Self::raw`].
    const BOUNDS: &'static [u64];
    /// How many of that unit are one of the metric's.
    const PER_UNIT: f64;

    /// The value as an integer.
    fn raw(value: Self::Value) -> u64;
}

/// Latencies, kept in nanoseconds and scraped in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency;

impl Scale for Latency {
    type Value = Duration;
    /// 50 µs to 10 s: the conventional bounds start at 5 ms, which on one machine is already slow.
    const BOUNDS: &'static [u64] = &[
        50_000,
        100_000,
        200_000,
        400_000,
        700_000,
        1_000_000,
        2_000_000,
        4_000_000,
        7_000_000,
        10_000_000,
        20_000_000,
        40_000_000,
        100_000_000,
        250_000_000,
        500_000_000,
        1_000_000_000,
        2_500_000_000,
        10_000_000_000,
    ];
    const PER_UNIT: f64 = 1e9;

    fn raw(value: Duration) -> u64 {
        u64::try_from(value.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Sizes: numbers of things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size;

impl Scale for Size {
    type Value = u64;
    const BOUNDS: &'static [u64] =
        &[0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384];
    const PER_UNIT: f64 = 1.0;

    fn raw(value: u64) -> u64 {
        value
    }
}

/// Counts of values by bucket. It has one writer; readers are given a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram<S> {
    counts: [u64; BUCKETS_MAX],
    sum: u64,
    scale: PhantomData<S>,
}

/// A histogram of latencies.
pub type Latencies = Histogram<Latency>;

/// A histogram of sizes.
pub type Sizes = Histogram<Size>;

impl<S: Scale> Histogram<S> {
    /// Counts one value.
    pub fn record(&mut self, value: S::Value) {
        let raw = S::raw(value);
        self.counts[S::BOUNDS.partition_point(|bound| *bound < raw)] += 1;
        self.sum = self.sum.saturating_add(raw);
    }

    /// Adds all counts of another.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The values as a metric.
    pub fn scrape(&self) -> Scrape {
        let bounds = S::BOUNDS.iter().map(|bound| in_units::<S>(*bound));
        Scrape {
            sum: in_units::<S>(self.sum),
            count: self.count(),
            buckets: bounds.chain([f64::INFINITY]).zip(self.counts).collect(),
        }
    }
}

/// A histogram in the unit of its metric: seconds, or things.
#[derive(Clone, Debug, PartialEq)]
pub struct Scrape {
    /// The sum of all values.
    pub sum: f64,
    /// How many values there are.
    pub count: u64,
    /// The upper bound of each bucket and its own count. The last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "beyond 2^53 the last digits are rounded: a mean needs no more"
)]
fn in_units<S: Scale>(raw: u64) -> f64 {
    raw as f64 / S::PER_UNIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_counts_in_the_bucket_whose_bound_it_reaches() {
        let mut latencies = Latencies::default();
        for nanoseconds in [1, 50_000, 50_001, 20_000_000_000] {
            latencies.record(Duration::from_nanos(nanoseconds));
        }
        let once = latencies.scrape();
        assert_eq!(once.buckets[..2], [(0.000_05, 2), (0.000_1, 1)]);
        assert_eq!((once.buckets.len(), once.buckets.last()), (19, Some(&(f64::INFINITY, 1))));
        let mut twice = latencies.clone();
        twice.merge(&latencies);
        assert_eq!(twice.count(), 8);
        assert!((twice.scrape().sum - 40.000_200_004).abs() < 1e-9);
    }

    #[test]
    fn size_counts_in_the_bucket_whose_bound_it_reaches() {
        let mut sizes = Sizes::default();
        for size in [0, 1, 3, 4, 1_000_000] {
            sizes.record(size);
        }
        let Scrape { sum, count, mut buckets } = sizes.scrape();
        buckets.retain(|(_, count)| *count > 0);
        assert_eq!(buckets, [(0.0, 1), (1.0, 1), (4.0, 2), (f64::INFINITY, 1)]);
        assert_eq!((count, sum), (5, 1_000_008.0));
    }
}
