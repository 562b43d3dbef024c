//! What log entries were made upon.

use crate::RunIndex;

/// What the entries of one log were made upon.
pub(crate) struct Dependencies {
    /// Where the join of all that entries were made upon grows.
    pub(crate) steps: Vec<Step>,
    /// By entry, how many of the steps are at or before it.
    step_of: Vec<u32>,
    /// How many entries are known with what they were made upon.
    pub(crate) known: u64,
}

/// What the entries of a log up to one of them were made upon.
pub(crate) struct Step {
    /// The index of that entry, from 0.
    pub(crate) entry: u64,
    /// The join of all up to there; its own component is 0.
    pub(crate) upon: Vec<u64>,
}

impl Dependencies {
    pub(crate) fn of(run: &RunIndex<'_>, member: usize) -> Self {
        let mut steps: Vec<Step> = Vec::new();
        let mut step_of = Vec::new();
        let mut join = vec![0; run.width];
        let mut last: Option<*const u64> = None;
        let mut known = 0;
        let is_numbered = run.is_numbered(member);
        for (entry, logged) in (0_u64..).zip(run.logs()[member].entries()) {
            let Some(upon) = logged.version.filter(|_| is_numbered) else { break };
            if last != Some(upon.as_ptr()) {
                last = Some(upon.as_ptr());
                let mut grows = steps.is_empty();
                for (at, (known, made)) in join.iter_mut().zip(upon).enumerate() {
                    // What claims to be made upon itself or later can never be closed.
                    let made = if at == member && *made <= entry { 0 } else { *made };
                    grows |= made > *known;
                    *known = made.max(*known);
                }
                if grows {
                    steps.push(Step { entry, upon: join.clone() });
                }
            }
            step_of.push(u32::try_from(steps.len()).unwrap_or(u32::MAX));
            known = entry + 1;
        }
        Self { steps, step_of, known }
    }

    /// What the first `seq` entries depend on.
    pub(crate) fn upto(&self, seq: u64) -> Option<&[u64]> {
        let entry = usize::try_from(seq.checked_sub(1)?).ok()?;
        let step = self.step_of.get(entry)?;
        let step = usize::try_from(*step).ok()?.checked_sub(1)?;
        Some(&self.steps[step].upon)
    }
}
