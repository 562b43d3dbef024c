//! The same workload under several schemes, one after another, each on branches of its own.

use exercise::write_json;
use replication::Scheme;

use crate::record::run_folder::{COMPARISON, RunFolder};
use crate::report::Comparison;
use crate::run::{Hooks, Progress, RunError, run};
use crate::scenario::Scenario;

/// Performs `scenario` under each of `schemes`. Its run folder then holds one for each scheme, by name, and
/// what they came to beside each other. Blocks, as [`run`] does.
///
/// A run that cannot be done ends all. Who interrupts a run keeps the later ones from being begun, and so does a run
/// whose record cannot be written; then nothing is kept on disk.
pub fn run_each(
    scenario: &Scenario,
    schemes: &[Scheme],
    hooks: Hooks<'_>,
) -> Result<Comparison, RunError> {
    let folder = scenario.out.as_deref().map(RunFolder::begin).transpose()?;
    let Hooks { progress, interrupt, metrics, tracing, replica } = hooks;
    let (mut reports, mut not_run) = (Vec::new(), Vec::new());
    for scheme in schemes {
        let name = scheme.name();
        if interrupt.drain().is_cancelled() && !reports.is_empty() {
            not_run.push(name);
            continue;
        }
        let scenario = Scenario {
            cluster: scenario.cluster.under(*scheme),
            out: folder.as_ref().map(|folder| folder.path(name)),
            ..scenario.clone()
        };
        let hooks = Hooks {
            progress: &mut |told| progress(&Progress { scheme: Some(name), ..told.clone() }),
            interrupt: interrupt.clone(),
            metrics,
            tracing,
            replica: replica.clone(),
        };
        match run(&scenario, hooks) {
            Ok(report) if report.record_error().is_some() => {
                interrupt.fail_writing();
                reports.push(report);
            }
            Ok(report) => reports.push(report),
            Err(RunError::Interrupted) if !reports.is_empty() => not_run.push(name),
            Err(RunError::Interrupted) => return Err(RunError::Interrupted),
            Err(error) => return Err(RunError::Under { scheme: name, cause: Box::new(error) }),
        }
    }
    let mut comparison = Comparison::new(reports, not_run);
    if let Some(folder) = folder.filter(|_| comparison.record_error().is_none()) {
        let written = folder.write(COMPARISON, |file| write_json(file, &comparison.figures()));
        match written.and_then(|()| folder.finish()) {
            Ok(place) => comparison.set_folder(place),
            Err(error) => comparison.record_error = Some(error.to_string()),
        }
    }
    Ok(comparison)
}
