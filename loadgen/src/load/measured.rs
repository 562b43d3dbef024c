//! What was measured beside the operations themselves.

use std::time::Duration;

use super::generator_load::GeneratorLoad;
use super::silence::Silence;

/// The measured window of a run, and what happened in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Its length. With a duration it is that duration, or shorter if the run was interrupted; otherwise it lasts
    /// from the instant the first operation was due to the last answer.
    pub window: Duration,
    /// The longest time without any answer.
    pub silence: Option<Silence>,
    /// What the generator took and missed.
    pub generator: GeneratorLoad,
}

impl Measured {
    /// The window of this worker and that of `other`, which worked at the same time. Silences are those of all workers,
    /// so neither has one.
    #[must_use]
    pub(super) fn beside(self, other: &Self) -> Self {
        let window = self.window.max(other.window);
        Self { window, silence: None, generator: self.generator.beside(other.generator) }
    }

    /// This window and `next`, which began when this one had ended.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        let shifted =
            next.silence.map(|silence| Silence { from: silence.from + self.window, ..silence });
        let longest = |silence: &Silence| silence.lasted;
        Self {
            window: self.window + next.window,
            silence: self.silence.into_iter().chain(shifted).max_by_key(longest),
            generator: self.generator.then(next.generator),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_of_all_workers_lasts_as_long_as_the_longest() {
        let of = |seconds| Measured { window: Duration::from_secs(seconds), ..Measured::default() };
        assert_eq!(of(2).beside(&of(3)).beside(&of(1)), of(3));
    }

    #[test]
    fn windows_in_a_row_keep_the_longest_silence() {
        let seconds = Duration::from_secs;
        let measured = |from, lasted| Measured {
            window: seconds(10),
            silence: Some(Silence {
                from: seconds(from),
                lasted: seconds(lasted),
                ..Silence::default()
            }),
            ..Measured::default()
        };
        let both = measured(1, 2).then(measured(3, 4));
        assert_eq!(both.window, seconds(20));
        let silence = both.silence.expect("two");
        assert_eq!((silence.from, silence.lasted), (seconds(13), seconds(4)));
        let first = Measured::default().then(measured(1, 2));
        assert_eq!(first, measured(1, 2));
    }
}
