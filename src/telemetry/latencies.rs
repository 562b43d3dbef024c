//! A fixed-bucket histogram for scraping; reports use `HdrHistogram` instead.

use std::time::Duration;

/// Upper bounds of the buckets in nanoseconds, 50 µs to 10 s: the conventional ones start at 5 ms, which
/// on one machine is already slow.
const BOUNDS_NS: [u64; 18] = [
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

/// Counts of latencies by bucket. One writer; whoever wants to read is handed a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// Per bucket, the last one beyond all bounds.
    counts: [u64; BOUNDS_NS.len() + 1],
    sum: Duration,
}

impl Latencies {
    /// Counts one latency.
    pub fn record(&mut self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.counts[BOUNDS_NS.partition_point(|bound| *bound < nanoseconds)] += 1;
        self.sum = self.sum.saturating_add(latency);
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum in seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.sum.as_secs_f64()
    }

    /// Each bucket's upper bound in seconds (the last is infinite) and its own count.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS_NS.iter().map(|bound| Duration::from_nanos(*bound).as_secs_f64());
        bounds.chain([f64::INFINITY]).zip(self.counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_falls_into_the_bucket_whose_bound_it_does_not_exceed() {
        let mut latencies = Latencies::default();
        for nanoseconds in [1, 50_000, 50_001, 20_000_000_000] {
            latencies.record(Duration::from_nanos(nanoseconds));
        }
        let buckets = latencies.buckets();
        assert_eq!((buckets[0].1, buckets[1].1), (2, 1));
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, 1)));
        let mut twice = latencies.clone();
        twice.merge(&latencies);
        assert_eq!(twice.count(), 8);
        assert!((twice.sum_seconds() - 2.0 * latencies.sum_seconds()).abs() < 1e-9);
    }
}
