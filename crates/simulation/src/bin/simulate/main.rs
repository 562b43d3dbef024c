//! `simulate`: the passbook scheme under thousands of seeds, and the transcript of a seed that fails.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it runs seeds in threads and measures them"
)]

mod seeds;

use std::fmt;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};
use replication::passbook::Mutant;
use seeds::{Failure, Report};
use simulation::{Counter, FaultProfile, Plan, Transcript, shrink};
use strum::VariantArray as _;

/// With as many seeds of all kinds, everything that is counted must have been seen.
const SEEDS_THAT_SEE_EVERYTHING: u64 = 10_000;
/// How many runs the search for a smaller plan may take.
const TRIES_MAX: usize = 3_000;

const EXIT_CODES: &str = "\
Exit codes:
  0  every property held
  1  the report could not be written
  2  the arguments are wrong
  3  a property did not hold, or a run panicked; or with 10,000 seeds or more of all kinds
     something that is counted was never seen";

/// Runs the passbook scheme on a simulated network and simulated disks, and judges it.
///
/// Each seed is a run of its own: branches, customers and what goes wrong are drawn from it. Of the seeds that
/// fail, the first is made smaller and printed with its transcript.
#[derive(Debug, Parser)]
#[command(name = "simulate", version, after_long_help = EXIT_CODES)]
struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Only runs of this kind; otherwise each seed chooses
    #[arg(long, value_parser = profile_parser())]
    mix: Option<FaultProfile>,
    /// Put this fault into every branch
    #[cfg(feature = "mutants")]
    #[arg(long, value_parser = mutant_parser())]
    mutant: Option<Mutant>,
    /// How many threads, 1 to 1024 and never more than seeds; as many as the machine has cores if not given
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print the transcript of the first seed, whether it fails or not, and run no other
    #[arg(long)]
    story: bool,
}

impl Arguments {
    /// What is wrong with them together.
    fn mistake(&self) -> Option<String> {
        let last = self.first.checked_add(self.seeds - 1);
        (last.is_none() && !self.story).then(|| {
            format!(
                "{} seeds from {} on go past the last one, {}; give a smaller --first or fewer --seeds",
                self.seeds,
                self.first,
                u64::MAX
            )
        })
    }

    /// The command that prints the transcript of a seed.
    fn again(&self, seed: u64) -> String {
        let program = std::env::args().next().unwrap_or_else(|| "simulate".to_owned());
        let mix = self.mix.map_or(String::new(), |mix| format!(" --mix {}", mix.name()));
        let mutant = self.mutant().map_or(String::new(), |it| format!(" --mutant {}", it.name()));
        format!("{program} --first {seed} --story{mix}{mutant}")
    }

    /// Threads that find nothing to do are not started.
    fn threads(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = self.threads.map_or_else(cores, usize::from);
        usize::try_from(self.seeds).map_or(threads, |seeds| threads.min(seeds))
    }

    #[cfg(feature = "mutants")]
    const fn mutant(&self) -> Option<Mutant> {
        self.mutant
    }

    #[cfg(not(feature = "mutants"))]
    #[expect(clippy::unused_self, reason = "with the feature, it is an argument")]
    const fn mutant(&self) -> Option<Mutant> {
        None
    }
}

fn profile_parser() -> impl TypedValueParser<Value = FaultProfile> {
    PossibleValuesParser::new(FaultProfile::VARIANTS.iter().map(|profile| profile.name()))
        .try_map(|name| name.parse())
}

#[cfg(feature = "mutants")]
fn mutant_parser() -> impl TypedValueParser<Value = Mutant> {
    let names = Mutant::ALL.iter().map(|mutant| mutant.name());
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Mutant>())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(mistake) = arguments.mistake() {
        Arguments::command().error(ErrorKind::ValueValidation, mistake).exit();
    }
    let done = if arguments.story { print_transcript(&arguments) } else { simulate(&arguments) };
    match done {
        Ok(code) => code,
        // Whoever reads has heard enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed as well.
            let _ = writeln!(io::stderr(), "error: failed to write: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(what: impl fmt::Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    write!(stdout, "{what}").and_then(|()| stdout.flush())
}

fn print_transcript(arguments: &Arguments) -> io::Result<ExitCode> {
    let plan = Plan::from_seed(arguments.first, arguments.mix);
    let transcript = Transcript::of(&plan, arguments.mutant());
    print(&transcript)?;
    Ok(if transcript.result.violation.is_some() { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

fn simulate(arguments: &Arguments) -> io::Result<ExitCode> {
    let began = Instant::now();
    let found = seeds::run(arguments);
    let seconds = began.elapsed().as_secs_f64();
    report(arguments, &found, seconds)?;
    if let Some((seed, failed)) = found.failed.first_key_value() {
        print(format!("\nseed {seed} fails: {failed}\nagain: {}\n", arguments.again(*seed)))?;
        if matches!(failed, Failure::Violated(_)) {
            print_smaller(arguments, *seed)?;
        }
        return Ok(ExitCode::from(3));
    }
    let never = found.counters.never();
    if arguments.mix.is_none() && arguments.seeds >= SEEDS_THAT_SEE_EVERYTHING && !never.is_empty()
    {
        let names: Vec<&str> = never.into_iter().map(Counter::name).collect();
        print(format!("\nnever seen, so nothing is known of it: {}\n", names.join(", ")))?;
        return Ok(ExitCode::from(3));
    }
    Ok(ExitCode::SUCCESS)
}

fn report(arguments: &Arguments, found: &Report, seconds: f64) -> io::Result<()> {
    let failed = u64::try_from(found.failed.len()).unwrap_or(u64::MAX);
    let passed = arguments.seeds.saturating_sub(failed);
    let steps = found.counters.of(Counter::Steps);
    let [withdrawals, contended] =
        [Counter::Withdrawals, Counter::ContendedWithdrawals].map(|seen| found.counters.of(seen));
    // Only for the eye.
    let per_second = |count: u64| Duration::from_millis(count).as_secs_f64() * 1e3 / seconds;
    print(format!(
        "{passed} of {} seeds passed in {seconds:.1} s: {:.0} seeds/s, {:.0} steps/s\n\
         contended: {contended} of {withdrawals} withdrawals\n{}",
        arguments.seeds,
        per_second(arguments.seeds),
        per_second(steps),
        found.counters
    ))?;
    for (property, seeds) in found.by_property() {
        let first: Vec<String> = seeds.iter().take(5).map(u64::to_string).collect();
        let (count, first) = (seeds.len(), first.join(", "));
        print(format!("{count:>14}  seeds fail by {property}, first {first}\n"))?;
    }
    Ok(())
}

fn print_smaller(arguments: &Arguments, seed: u64) -> io::Result<()> {
    let plan = Plan::from_seed(seed, arguments.mix);
    let Some(shrunk) = shrink(&plan, arguments.mutant(), TRIES_MAX) else {
        return print("it did not fail when it was run again\n");
    };
    print(format!("the same with what can be left out left out ({} tries):\n\n", shrunk.tries))?;
    print(Transcript::of(&shrunk.plan, arguments.mutant()))
}
