//! What an option that other load generators have is called here.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};

/// Options of other programs, and what to use instead. Each `--option` that the text names exists.
struct Hint {
    /// Separated by blanks.
    theirs: &'static str,
    ours: &'static str,
}

impl Hint {
    fn theirs(&self) -> impl Iterator<Item = &'static str> {
        self.theirs.split_whitespace()
    }
}

const TARGET: &str = "--target HOST:PORT,… (every branch, in their order) and --base-port PORT (branches on 127.0.0.1)";

const HINTS: [Hint; 13] = [
    Hint {
        theirs: "--vus -u --users --threads --clients --connections -w --concurrent --parallel \
            --parallelism -j --jobs --num-users --sessions",
        ours: "--customers N (customers at once, each with one operation in flight)",
    },
    Hint {
        theirs: "-n --requests --number --num-requests --total --iterations -i --count --repeat \
            --loops --operations --transactions",
        ours: "--events N (operations of each customer; all of them are --customers times as many)",
    },
    Hint {
        theirs: "--host -H --hosts --address --addr --addresses -a --url --uri --server --endpoint \
            --endpoints --port -p",
        ours: TARGET,
    },
    Hint {
        theirs: "--rps --qps --rate -r -R --arrival-rate --rate-limit --rate-max --throughput",
        ours: "no rate, because customers wait for their answers (closed loop); --think TIME makes them pause",
    },
    Hint {
        theirs: "--run-time --runtime --time --length -d -T --test-duration",
        ours: "--duration TIME (such as 30s)",
    },
    Hint {
        theirs: "--deadline --request-timeout --rpc-timeout --max-time -m",
        ours: "--timeout TIME (for each operation)",
    },
    Hint {
        theirs: "--proto --protoset --import-paths --call --method --service --rpc",
        ours: "--wire WIRE (the contract of the bank: passbook, bank or bankservice)",
    },
    Hint {
        theirs: "--data --body --payload --workload --scenario --script",
        ours: "--mix D:W:Q (weights of deposits, withdrawals and queries) and the command replay FILE",
    },
    Hint {
        theirs: "--output-format --format -O --json --csv --summary-export --report",
        ours: "--out DIR (the run folder, with summary.json)",
    },
    Hint {
        theirs: "--output -o --output-dir",
        ours: "--out DIR (the run folder); the command replay has -o FILE",
    },
    Hint {
        theirs: "--nodes --replicas --servers --num-branches",
        ours: "--branches N (of the cluster that is started for the run)",
    },
    Hint {
        theirs: "--metrics --metrics-port --prometheus --prometheus-port",
        ours: "--metrics-listen HOST:PORT",
    },
    Hint {
        theirs: "--insecure --plaintext --tls --cacert --cert --key --skipTLS --skip-tls",
        ours: "no TLS: every connection is in plain text",
    },
];

/// The message for an option that other load generators have and `command` has not, or for an address that is given
/// without an option. `arguments` are those of the process, without its name.
pub(crate) fn hint(
    error: &Error,
    command: &Command,
    arguments: impl IntoIterator<Item = OsString>,
) -> Option<String> {
    if let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidSubcommand) {
        let is_address = given.contains(':');
        let message = || format!("unexpected address {given}; loadgen has {TARGET}");
        return is_address.then(message);
    }
    let given = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(given)) if error.kind() == ErrorKind::UnknownArgument => given,
        _ => return None,
    };
    let name = given.split('=').next().unwrap_or(given);
    let Hint { ours, .. } = HINTS.iter().find(|hint| hint.theirs().any(|theirs| theirs == name))?;
    // A subcommand comes first if there is one.
    let subcommand = arguments.into_iter().next();
    let subcommand = subcommand.and_then(|name| command.find_subcommand(name));
    Some(match subcommand {
        Some(subcommand) if !has_options(subcommand, ours) => {
            let subcommand = subcommand.get_name();
            format!("unknown option {name} of {subcommand}; loadgen without a command has {ours}")
        }
        _ => format!("unknown option {name}; loadgen has {ours}"),
    })
}

/// Whether `command` has all options that `text` names.
fn has_options(command: &Command, text: &str) -> bool {
    let mut named = text.split_whitespace().filter_map(|word| word.strip_prefix("--"));
    named.all(|name| command.get_arguments().any(|a| a.get_long() == Some(name)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::arguments::Arguments;

    fn hint_for(arguments: &[&str]) -> Option<String> {
        let mut command = Arguments::command();
        let line = std::iter::once(&"loadgen").chain(arguments);
        let error = command.try_get_matches_from_mut(line).expect_err("refused");
        hint(&error, &command, arguments.iter().map(OsString::from))
    }

    #[test]
    fn every_option_in_a_hint_exists() {
        let command = Arguments::command();
        for Hint { ours, .. } in &HINTS {
            assert!(has_options(&command, ours), "{ours}");
        }
        assert!(!has_options(&command, "--threads N"));
    }

    #[test]
    fn no_option_with_a_hint_exists_and_each_has_one_hint() {
        let command = Arguments::command();
        let all: Vec<&str> = HINTS.iter().flat_map(Hint::theirs).collect();
        for (index, name) in all.iter().enumerate() {
            assert!(!all[..index].contains(name), "{name} is there twice");
            let long = name.strip_prefix("--");
            let short = name.strip_prefix('-').and_then(|short| short.chars().next());
            let is_ours = |a: &clap::Arg| match long {
                Some(long) => a.get_long_and_visible_aliases().unwrap_or_default().contains(&long),
                None => a.get_short() == short,
            };
            assert!(!command.get_arguments().any(is_ours), "{name} is an option of loadgen");
        }
    }

    #[test]
    fn options_of_other_programs_have_the_hint_that_fits() {
        for (arguments, expected) in [
            (["-n", "100"], "unknown option -n; loadgen has --events N"),
            (["--vus", "3"], "unknown option --vus; loadgen has --customers N"),
            (["--users=3", ""], "unknown option --users; loadgen has --customers N"),
            (["--threads", "3"], "unknown option --threads; loadgen has --customers N"),
            (["--clients", "3"], "unknown option --clients; loadgen has --customers N"),
            (["--host", "here"], "unknown option --host; loadgen has --target HOST:PORT"),
            (["--address", "here"], "unknown option --address; loadgen has --target HOST:PORT"),
            (["--rps", "3"], "unknown option --rps; loadgen has no rate"),
            (["replay", "--vus"], "unknown option --vus of replay; loadgen without a command has"),
            (["check", "--host"], "unknown option --host of check; loadgen without a command has"),
            (["replay", "--host"], "unknown option --host; loadgen has --target"),
            (["guarantees", "--vus"], "unknown option --vus; loadgen has --customers"),
            (["-c5", "http://a:1"], "unexpected address http://a:1; loadgen has --target"),
        ] {
            let hint = hint_for(&arguments).expect("a hint");
            assert!(hint.starts_with(expected), "{hint} lacks {expected}");
        }
        for arguments in [["--custommers", "3"], ["-c", "x"], ["ghost", ""]] {
            assert_eq!(hint_for(&arguments), None, "clap's own message is better");
        }
    }
}
