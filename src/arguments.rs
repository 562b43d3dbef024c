//! Arguments that the programs of this workspace have in common.

use std::error::Error;
use std::str::FromStr;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use replication::{Fanout, Locking, Scheme};
use strum::VariantNames;

/// Parses the name of a variant. `--help` lists all names.
pub fn named<T>() -> impl TypedValueParser<Value = T>
where
    T: VariantNames + FromStr<Err: Error + Send + Sync + 'static> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(T::VARIANTS).try_map(|name| name.parse())
}

/// How the branches of a cluster replicate.
#[derive(Args, Clone, Debug, Default)]
pub struct SchemeArguments {
    #[arg(long, value_name = "SCHEME,…", value_delimiter = ',', value_parser = named::<Scheme>(),
        help = format!(
            "How branches keep their accounts the same: passbook, right under any concurrency, in memory, so that a \
             branch that ends is not let in again; broadcast as the exercise has it. The branches of a cluster have the \
             same. Of several, such as broadcast,passbook, loadgen gives each a run of its own with the same workload, \
             and shows in one table what each costs and whether it was right [default: {}]",
            Scheme::default().name()
        ))]
    replication: Vec<Scheme>,
    #[arg(long, value_parser = named::<Fanout>(), help = format!(
        "Broadcast: in which order a branch sends a write to its peers [default: {}]",
        Fanout::default().name()
    ))]
    fanout: Option<Fanout>,
    /// Broadcast: a branch's other customers wait from applying a write until the last peer has answered
    #[arg(long)]
    lock: bool,
}

impl SchemeArguments {
    /// The first of these options that is given.
    pub fn given(&self) -> Option<&'static str> {
        match (&self.replication[..], self.fanout, self.lock) {
            ([_, ..], _, _) => Some("--replication"),
            ([], Some(_), _) => Some("--fanout"),
            ([], None, true) => Some("--lock"),
            ([], None, false) => None,
        }
    }

    /// Whether several schemes are named.
    pub fn has_several(&self) -> bool {
        self.replication.len() > 1
    }

    /// The schemes that are named, in their order, or the default if none is.
    ///
    /// # Errors
    /// The options contradict each other. The message says what to do.
    pub fn schemes(&self) -> Result<Vec<Scheme>, String> {
        let (fanout, locking) = (self.fanout.unwrap_or_default(), Locking::asked(self.lock));
        let broadcast = Scheme::Broadcast { fanout, locking };
        let mut schemes: Vec<Scheme> = Vec::new();
        for named in &self.replication {
            if schemes.iter().any(|scheme| scheme.name() == named.name()) {
                let name = named.name();
                return Err(format!("--replication names {name} twice; name each scheme once"));
            }
            schemes.push(if *named == Scheme::Passbook { *named } else { broadcast });
        }
        let advice = if schemes.is_empty() {
            schemes.push(Scheme::default());
            "add --replication broadcast"
        } else {
            "leave it out"
        };
        let option = match (self.fanout, self.lock) {
            (Some(_), _) => "--fanout",
            (None, true) => "--lock",
            (None, false) => return Ok(schemes),
        };
        if schemes.contains(&broadcast) {
            Ok(schemes)
        } else {
            Err(format!("{option} is for --replication broadcast; {advice}"))
        }
    }

    /// The only scheme that is named, or the default if none is.
    ///
    /// # Errors
    /// As [`Self::schemes`], or there are several.
    pub fn scheme(&self) -> Result<Scheme, String> {
        match self.schemes()?[..] {
            [scheme] => Ok(scheme),
            _ => Err(
                "--replication names several schemes, but branches keep their accounts by one; \
                      give one (loadgen runs each of a list)"
                    .to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        scheme: SchemeArguments,
    }

    fn schemes(line: &str) -> Result<Vec<Scheme>, String> {
        let program = Program::try_parse_from(line.split(' '));
        program.map_err(|error| error.to_string())?.scheme.schemes()
    }

    #[test]
    fn schemes_keep_their_order_and_default_to_passbook() {
        assert_eq!(schemes("loadgen"), Ok(vec![Scheme::Passbook]));
        let broadcast =
            Scheme::Broadcast { fanout: Fanout::Sequential, locking: Locking::UntilPropagated };
        let both = schemes("loadgen --replication broadcast,passbook --fanout sequential --lock");
        assert_eq!(both, Ok(vec![broadcast, Scheme::Passbook]));
        for name in Scheme::NAMES {
            let one = schemes(&format!("loadgen --replication {name}"));
            assert_eq!(one, Ok(vec![name.parse().expect("a scheme")]));
        }
    }

    #[test]
    fn contradiction_is_refused_with_advice() {
        for (line, expected) in [
            ("--fanout parallel", "--fanout is for --replication broadcast; add --replication br"),
            ("--lock", "--lock is for --replication broadcast; add --replication broadcast"),
            (
                "--replication passbook --lock",
                "--lock is for --replication broadcast; leave it out",
            ),
            ("--replication passbook,passbook", "names passbook twice; name each scheme once"),
            ("--replication raft", "[possible values: passbook, broadcast]"),
        ] {
            let refused = schemes(&format!("loadgen {line}")).expect_err("refused");
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn branch_takes_one_scheme_only() {
        let several = Program::try_parse_from(["branch", "--replication", "passbook,broadcast"]);
        let refused = several.expect("parsed").scheme.scheme().expect_err("refused");
        assert!(refused.contains("give one"), "{refused}");
    }
}
