//! Asks branches again and again until their answers hold still.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// What one branch has answered.
#[derive(Clone, Debug)]
pub(super) struct PollState<T> {
    /// The answer before the last.
    pub(super) before: Option<T>,
    /// The last answer; `None` if it has not answered.
    pub(super) last: Option<T>,
    /// When the last answer was asked for.
    asked: Option<Instant>,
}

/// How often and how long branches are asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// From an answer, or a failed call, to the next call of the same branch.
    pub(super) pause: Duration,
    /// After this long, what has been answered must do.
    pub(super) limit: Duration,
}

/// Asks the branches from 0 to `branches`, each on its own, so that one that does not answer does not hold up the
/// others. `ask` returns `None` where a call failed; it is repeated. Ends when `is_settled` holds for the answers of
/// all, and still does after each has been asked once more: what was on its way between two of them has arrived
/// then. Ends also at the limit of `pace`, and when `hurry` is cancelled.
pub(super) async fn poll<T, F>(
    branches: usize,
    ask: impl Fn(usize) -> F,
    is_settled: impl Fn(&[PollState<T>]) -> bool,
    pace: Pace,
    hurry: &CancellationToken,
) -> Vec<PollState<T>>
where
    F: Future<Output = Option<T>>,
{
    let mut polled: Vec<PollState<T>> =
        (0..branches).map(|_| PollState { before: None, last: None, asked: None }).collect();
    let ask = &ask;
    let call = |branch: usize, pause: Duration| async move {
        sleep(pause).await;
        let asked = Instant::now();
        (branch, asked, ask(branch).await)
    };
    let asking = async {
        let mut calls: FuturesUnordered<_> =
            (0..branches).map(|branch| call(branch, Duration::ZERO)).collect();
        let mut settled_since = None;
        while let Some((branch, asked, answer)) = calls.next().await {
            if let (Some(polled), Some(answer)) = (polled.get_mut(branch), answer) {
                polled.before = polled.last.replace(answer);
                polled.asked = Some(asked);
            }
            if is_settled(&polled) {
                let since = *settled_since.get_or_insert_with(Instant::now);
                if polled.iter().all(|polled| polled.asked >= Some(since)) {
                    break;
                }
            } else {
                settled_since = None;
            }
            calls.push(call(branch, pace.pause));
        }
    };
    tokio::select! {
        // What has been answered by the limit is in `polled`.
        _ = timeout(pace.limit, asking) => {}
        () = hurry.cancelled() => {}
    }
    polled
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use super::*;

    const PACE: Pace = Pace { pause: Duration::from_millis(1), limit: Duration::from_mins(1) };

    fn all_equal(polled: &[PollState<u32>]) -> bool {
        polled.iter().all(|branch| branch.last.is_some() && branch.last == polled[0].last)
    }

    #[tokio::test]
    async fn failed_calls_are_repeated_until_all_have_settled() {
        // Branch 1 fails nine times of ten, and branch 0 is behind at first.
        let calls = [Cell::new(0), Cell::new(0)];
        let ask = |branch: usize| {
            let call = calls[branch].replace(calls[branch].get() + 1);
            let answer = match branch {
                0 => Some(call.min(3)),
                _ => (call % 10 == 9).then_some(3),
            };
            std::future::ready(answer)
        };
        let polled = poll(2, ask, all_equal, PACE, &CancellationToken::new()).await;
        let last: Vec<_> = polled.iter().map(|branch| branch.last).collect();
        assert_eq!(last, [Some(3), Some(3)]);
        assert_eq!(polled[1].before, Some(3), "asked once more after all were equal");
    }

    #[tokio::test]
    async fn silent_branch_costs_the_others_nothing() {
        let hurry = CancellationToken::new();
        let calls = Cell::new(0);
        let ask = |branch: usize| {
            let (calls, hurry) = (&calls, &hurry);
            async move {
                if branch == 1 {
                    return pending().await;
                }
                calls.set(calls.get() + 1);
                if calls.get() == 5 {
                    hurry.cancel();
                }
                Some(calls.get())
            }
        };
        let polled = poll(2, ask, all_equal, PACE, &hurry).await;
        assert!(polled[0].last >= Some(4), "{polled:?}");
        assert_eq!(polled[1].last, None);
    }

    #[tokio::test]
    async fn polling_ends_at_its_limit() {
        let pace = Pace { limit: Duration::from_millis(5), ..PACE };
        let ask = |_| std::future::ready(None::<u32>);
        let polled = poll(1, ask, all_equal, pace, &CancellationToken::new()).await;
        assert_eq!(polled[0].last, None);
        assert!(poll(0, ask, |_| true, PACE, &CancellationToken::new()).await.is_empty());
    }
}
