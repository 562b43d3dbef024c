//! A fixed-bucket histogram of counts, for scraping.

/// Upper bounds of the buckets.
const BOUNDS: [u32; 16] =
    [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384];

/// Counts of sizes by bucket. One writer; whoever wants to read is handed a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Per bucket, the last one beyond all bounds.
    counts: [u64; BOUNDS.len() + 1],
    sum: u64,
}

impl Sizes {
    /// Counts one size.
    pub fn record(&mut self, size: u64) {
        self.counts[BOUNDS.partition_point(|bound| u64::from(*bound) < size)] += 1;
        self.sum = self.sum.saturating_add(size);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum. Beyond 2^53 the last digits are rounded.
    #[expect(
        clippy::as_conversions,
        clippy::cast_precision_loss,
        reason = "a mean needs no more digits than a float has"
    )]
    pub const fn sum(&self) -> f64 {
        self.sum as f64
    }

    /// Each bucket's upper bound (the last is infinite) and its own count.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS.into_iter().map(f64::from);
        bounds.chain([f64::INFINITY]).zip(self.counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_falls_into_the_bucket_whose_bound_it_does_not_exceed() {
        let mut sizes = Sizes::default();
        for size in [0, 1, 3, 4, 1_000_000] {
            sizes.record(size);
        }
        let filled: Vec<(f64, u64)> =
            sizes.buckets().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.0, 1), (1.0, 1), (4.0, 2), (f64::INFINITY, 1)]);
        assert_eq!((sizes.count(), sizes.sum()), (5, 1_000_008.0));
    }
}
