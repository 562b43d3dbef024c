//! The command line. Parsing does no I/O but to resolve the host of --metrics-listen, to read the input file of a
//! replay and to check that its output can be written.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bank::{Ack, Read};
use clap::{ArgAction, Args, Parser, Subcommand};
use exercise::{Input, check_writable, is_standard_input, source_name};
use humantime::format_duration;
use loadgen::Scenario;
use loadgen::scenario::{
    ClusterChoice, Mix, Recording, Replay, ReplayOrder, Share, Stop, Style, Synthetic, ThinkTime,
    Wire, Workload, broadcast_reads,
};
use passbook::address::resolve;
use passbook::arguments::{SchemeArguments, named};
use passbook::cluster::port_of;
use replication::Scheme;

use crate::cli::offline::{CheckArguments, GuaranteesArguments};
use crate::cli::terminal::Verbosity;
use crate::cli::values::{
    parse_duration, parse_message_size, parse_seed, parse_target, parse_timeout, parse_wait,
};

/// The run folder where none is named.
const OUT: &str = "passbook-run";
/// Sums of instants and this stay representable.
const DURATION_MAX: Duration = Duration::from_hours(365 * 24);

/// Loads a replicated bank with customers, measures it honestly, and judges what they saw.
///
/// Without a command, synthetic customers work on a bank of gRPC branches that is started for the run.
///
/// Exit codes: 0 passed, 1 the run could not be done, 2 bad arguments or input, 3 the correctness gate
/// failed, 5 the verdict is unknown, 130 interrupted.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    allow_negative_numbers = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) synthetic: SyntheticArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Replay an input file, its customers one after another
    Replay(Box<ReplayArguments>),
    /// Judge a recorded run again, or an output.json that any program made
    Check(CheckArguments),
    /// Tell what a run promises with given settings, and why
    Guarantees(GuaranteesArguments),
}

/// A run that is asked for.
#[derive(Debug)]
pub(crate) struct Task {
    /// Under the first of the schemes.
    pub(crate) scenario: Scenario,
    /// All that it is to be done under; none for branches that run already.
    pub(crate) schemes: Vec<Scheme>,
    /// What is to be said of its input.
    pub(crate) warnings: Vec<String>,
    /// Where `/metrics` is served.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// How long `/metrics` is served after the report.
    pub(crate) metrics_linger: Option<Duration>,
}

#[derive(Args, Debug)]
pub(crate) struct ReplayArguments {
    /// The input file; - is standard input
    input: PathBuf,
    /// Where the answers go [default: output.json, unless --out or several schemes are given]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Whether customers wait for each other: one after another, or all writes at once and then all queries
    #[arg(long, default_value_t = ReplayOrder::default(), value_parser = named::<ReplayOrder>())]
    order: ReplayOrder,
    /// How answers are laid out: auto is per-event if an event names its branch, else grouped; lines is
    /// Python's notation
    #[arg(long, default_value_t = Style::default(), value_parser = named::<Style>())]
    style: Style,
    /// Write a run folder as well [default of several schemes: passbook-run]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    common: CommonArguments,
}

#[derive(Args, Debug)]
pub(crate) struct SyntheticArguments {
    /// Customers, all at once; each does one operation at a time
    #[arg(long, short = 'c', visible_alias = "concurrency", value_name = "N",
        default_value_t = Synthetic::default().customers,
        value_parser = clap::value_parser!(u64).range(1..=20_000))]
    customers: u64,
    /// Branches of the cluster [default: 3; with --target as many as there are addresses; with --base-port there is
    /// none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=300))]
    branches: Option<u32>,
    /// Operations of each customer [default: 100]
    #[arg(long, value_name = "N", conflicts_with = "duration",
        value_parser = clap::value_parser!(u64).range(1..))]
    events: Option<u64>,
    /// Work this long instead of a number of operations, such as 30s
    #[arg(long, short = 'z', value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Weights of deposits, withdrawals and queries
    #[arg(long, value_name = "D:W:Q", default_value_t = Synthetic::default().mix)]
    mix: Mix,
    /// The share of operations at another branch than the customer's own, such as 20% or 0.2
    #[arg(long, value_name = "SHARE", default_value_t = Synthetic::default().roam)]
    roam: Share,
    /// What every branch holds at the start, at most 2^62: branches that are written to at once must not pass 2^63
    /// together [default: 1000000; what they hold if they run already]
    #[arg(long, value_name = "MONEY", value_parser = clap::value_parser!(i64).range(0..=1 << 62))]
    opening_balance: Option<i64>,
    /// Decides what customers do; "random" draws one and the report tells it
    #[arg(long, value_name = "SEED", default_value_t = Synthetic::default().seed,
        value_parser = parse_seed)]
    seed: u64,
    /// Time between an answer and the customer's next operation: a mean such as 10ms (exponential),
    /// constant:10ms or uniform:5ms..15ms
    #[arg(long, value_name = "TIME", default_value_t = Synthetic::default().think)]
    think: ThinkTime,
    /// The largest amount of a deposit or withdrawal; amounts are uniform from 1
    #[arg(long, value_name = "MONEY", default_value_t = Synthetic::default().max_amount,
        value_parser = clap::value_parser!(i64).range(1..=i64::from(i32::MAX)))]
    max_amount: i64,
    /// How much of what customers see is recorded, and so can be checked: all, none, or so many operations
    #[arg(long, value_name = "all|none|N", default_value_t = Scenario::default().recording)]
    record: Recording,
    /// Exit with 0 also if not everything could be checked because --record said so
    #[arg(long)]
    unchecked_ok: bool,
    #[command(flatten)]
    common: CommonArguments,
    /// The run folder for input.json, output.json, summary.json and traces. An older run there is replaced, anything
    /// else is refused
    #[arg(long, value_name = "DIR", default_value = OUT)]
    out: PathBuf,
}

#[derive(Args, Debug)]
struct CommonArguments {
    #[command(flatten)]
    scheme: SchemeArguments,
    /// How many branches hold a write when its customer is answered
    #[arg(long, default_value = Scenario::default().ack.name(), value_parser = named::<Ack>())]
    ack: Ack,
    /// Passbook: what a query is answered from: all that the customer was shown, what the branch knows, or what was
    /// true of all branches at one instant [default: session]
    #[arg(long, value_parser = named::<Read>())]
    read: Option<Read>,
    /// A running cluster instead of an embedded one: all its addresses, in the order of the branches
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',', value_parser = parse_target)]
    target: Vec<String>,
    /// A cluster of one process per branch instead of an embedded one
    #[arg(long, conflicts_with = "target")]
    process: bool,
    /// A running cluster on 127.0.0.1, such as `branch cluster` starts: branch N at this port + N. How many there are
    /// comes from the input file, or from --branches
    #[arg(long, value_name = "PORT", conflicts_with_all = ["target", "process"],
        value_parser = clap::value_parser!(u16).range(1..))]
    base_port: Option<u16>,
    /// By which contract customers ask; all but passbook need nothing more of a server than its answers
    #[arg(long, default_value = Scenario::default().wire.name(), value_parser = named::<Wire>())]
    wire: Wire,
    /// An operation without an answer after this long is unknown; an attempt to connect takes no longer, from 100ms
    /// to 10s
    #[arg(long, short = 't', value_name = "TIME", value_parser = parse_timeout,
        default_value = format_duration(Scenario::default().timeout).to_string())]
    timeout: Duration,
    /// Wait so long for servers of a running cluster that cannot be reached yet, such as 10s [default: do not]
    #[arg(long, value_name = "TIME", value_parser = parse_wait)]
    wait: Option<Duration>,
    /// The largest answer that is accepted, such as 64KiB or 4MiB; a larger one is unknown
    #[arg(long, value_name = "SIZE", value_parser = parse_message_size,
        default_value = format!("{}MiB", Scenario::default().message_bytes_max >> 20))]
    max_message: usize,
    /// The share of operations that may fail or stay unanswered before the run does not pass; 100% turns the check
    /// off. Refusals for lack of money are no failures, nor are those as contended or as out of range that the amounts
    /// explain
    #[arg(long, value_name = "SHARE", default_value_t = Scenario::default().max_error_share)]
    max_error_share: Share,
    /// Threads that perform operations, each with its own connections and its part of the customers; not more than there
    /// are customers [default: half of the cores, from 1 to 4; 1 if the branches are embedded]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    workers: Option<u8>,
    /// The share of operations that are traced, such as 1% or 0.01
    #[arg(long, value_name = "SHARE", default_value_t = Scenario::default().trace_sample)]
    trace_sample: Share,
    /// Serve /metrics here until the report is printed
    #[arg(long, value_name = "HOST:PORT", value_parser = resolve)]
    metrics_listen: Option<SocketAddr>,
    /// Serve /metrics this long after the report, such as 15s, so that the last values are scraped; a signal ends it
    #[arg(long, value_name = "TIME", requires = "metrics_listen", value_parser = parse_duration)]
    metrics_linger: Option<Duration>,
    /// Print what each customer received
    #[arg(long, short, action = ArgAction::SetTrue, conflicts_with = "quiet")]
    verbose: bool,
    /// Print one line: the verdict, the properties that it rests on, and the seed
    #[arg(long, short, action = ArgAction::SetTrue)]
    quiet: bool,
}

impl Arguments {
    pub(crate) fn verbosity(&self) -> Verbosity {
        let (verbose, quiet) = match &self.command {
            Some(Command::Replay(replay)) => (replay.common.verbose, replay.common.quiet),
            Some(Command::Check(check)) => (false, check.quiet),
            Some(Command::Guarantees(_)) => (false, false),
            None => (self.synthetic.common.verbose, self.synthetic.common.quiet),
        };
        match (verbose, quiet) {
            (_, true) => Verbosity::Quiet,
            (true, _) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        }
    }
}

impl ReplayArguments {
    /// The run that is asked for, or one message that says what is wrong.
    pub(crate) fn into_task(self) -> Result<Task, String> {
        let (input, warnings) = Input::read(&self.input).map_err(|error| error.to_string())?;
        let warnings = warnings.iter().map(|warning| warning.in_file(&self.input)).collect();
        let has_several = self.common.scheme.has_several();
        let (output, out) = match (self.output, self.out) {
            (Some(_), _) if has_several => {
                return Err(
                    "-o takes the answers of one run, but --replication names several schemes; use \
                     --out DIR, which holds the answers under each, or name one scheme"
                        .to_owned(),
                );
            }
            (None, None) if has_several => (None, Some(PathBuf::from(OUT))),
            (None, None) => (Some(PathBuf::from("output.json")), None),
            given => given,
        };
        if let Some(output) = &output {
            check_output(output, &self.input, out.as_deref())?;
        }
        let workload = Workload::Replay(Replay {
            path: source_name(&self.input).into(),
            input,
            output,
            order: self.order,
            style: self.style,
        });
        self.common.into_task(Scenario { workload, out, ..Scenario::default() }, warnings)
    }
}

/// An output that cannot be written, or would destroy something, must not cost a run.
fn check_output(output: &Path, input: &Path, out: Option<&Path>) -> Result<(), String> {
    if is_standard_input(output) {
        return Err("-o - is no file; give -o a path, such as /dev/stdout".to_owned());
    }
    if output.is_dir() {
        return Err(format!("{}: is a folder; give -o the path of a file", output.display()));
    }
    let resolved = |path: &Path| path.canonicalize().ok();
    if resolved(output).is_some_and(|output| Some(output) == resolved(input)) {
        return Err(format!("{}: is the input itself; give another -o", output.display()));
    }
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let folder = folder.display();
        return Err(format!("{folder}: there is no such folder; make it or give another -o"));
    }
    let folder = folder.unwrap_or(Path::new("."));
    if out.and_then(resolved).is_some_and(|out| resolved(folder) == Some(out)) {
        return Err(format!(
            "{}: is in the run folder, which is replaced as a whole; give another -o",
            output.display()
        ));
    }
    check_writable(output)
        .map_err(|error| format!("cannot write {}: {error}; give another -o", output.display()))
}

impl SyntheticArguments {
    /// The run that is asked for, or one message that says what is wrong.
    pub(crate) fn into_task(self) -> Result<Task, String> {
        if self.common.base_port.is_some() && self.branches.is_none() {
            return Err("--base-port does not tell how many branches there are; add --branches N"
                .to_owned());
        }
        if !self.common.target.is_empty() && self.branches.is_some() {
            return Err("--branches is for the embedded cluster; with --target the addresses \
                        say how many there are: leave it out"
                .to_owned());
        }
        let default = Synthetic::default();
        let stop = match (self.events, self.duration) {
            (_, Some(duration)) if duration.is_zero() => {
                return Err("--duration is zero; give a time such as 30s".to_owned());
            }
            (_, Some(duration)) if duration > DURATION_MAX => {
                return Err(
                    "--duration is longer than 365 days; give a time such as 30s".to_owned()
                );
            }
            (_, Some(duration)) => Stop::After(duration),
            (Some(events), None) => Stop::Events(events),
            (None, None) => default.stop,
        };
        let synthetic = Synthetic {
            customers: self.customers,
            branches: self.branches.unwrap_or(default.branches),
            stop,
            mix: self.mix,
            roam: self.roam,
            opening: self.opening_balance,
            seed: self.seed,
            think: self.think,
            max_amount: self.max_amount,
        };
        let scenario = Scenario {
            workload: Workload::Synthetic(synthetic),
            recording: self.record,
            unchecked_ok: self.unchecked_ok,
            out: Some(self.out),
            ..Scenario::default()
        };
        self.common.into_task(scenario, Vec::new())
    }
}

/// Where the branches of `workload` listen if their ports follow their ids.
fn local_targets(base: u16, workload: &Workload) -> Result<Vec<String>, String> {
    let target = |id| port_of(base, id).map(|port| format!("127.0.0.1:{port}"));
    let targets: Result<Vec<String>, _> = workload.branch_ids().into_iter().map(target).collect();
    targets.map_err(|error| error.to_string())
}

impl CommonArguments {
    /// `scenario` with these settings, under the first of its schemes.
    fn into_task(self, scenario: Scenario, warnings: Vec<String>) -> Result<Task, String> {
        self.wire.carries(self.ack, self.read)?;
        let targets = match self.base_port {
            Some(base) => local_targets(base, &scenario.workload)?,
            None => self.target,
        };
        if self.wait.is_some() && targets.is_empty() {
            return Err("--wait is for a cluster that runs already; add --target or --base-port, or leave it out"
                .to_owned());
        }
        let (schemes, cluster) = if targets.is_empty() {
            let schemes = self.scheme.schemes()?;
            if schemes.iter().any(|scheme| matches!(scheme, Scheme::Broadcast { .. })) {
                broadcast_reads(self.read)?;
            }
            if let Some(opening) = scenario.workload.opening() {
                self.wire.check_opening(opening)?;
            }
            let choice =
                if self.process { ClusterChoice::Processes } else { ClusterChoice::Embedded };
            let cluster = choice(schemes[0]);
            (schemes, cluster)
        } else if let Some(option) = self.scheme.given() {
            // Running branches were told at their start how they keep their accounts the same.
            return Err(format!(
                "{option} is for a cluster that is started for the run; running branches were told \
                 theirs when they were started: leave it out"
            ));
        } else {
            (Vec::new(), ClusterChoice::Running { targets })
        };
        let scenario = Scenario {
            cluster,
            wire: self.wire,
            ack: self.ack,
            read: self.read.unwrap_or(scenario.read),
            timeout: self.timeout,
            wait: self.wait,
            message_bytes_max: self.max_message,
            max_error_share: self.max_error_share,
            workers: self.workers,
            trace_sample: self.trace_sample,
            keep_answers: self.verbose,
            ..scenario
        };
        let (metrics_listen, metrics_linger) = (self.metrics_listen, self.metrics_linger);
        Ok(Task { scenario, schemes, warnings, metrics_listen, metrics_linger })
    }
}
