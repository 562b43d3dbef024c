//! By which contract customers ask.

use bank::{Ack, Money, Read};
use check::grouped;
use history::{Customers, Server, Settings};
use passbook::wire::exercise::to_int32;
use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};

/// A contract between customers and branches.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    EnumString,
    IntoStaticStr,
    VariantArray,
    VariantNames
)]
#[strum(serialize_all = "lowercase")]
pub enum Wire {
    /// Our own, `passbook.v1.Bank`.
    #[default]
    Passbook,
    /// `bank.Bank` of another program of the exercise.
    Bank,
    /// `BankService.BankService` of another program of the exercise.
    BankService,
}

impl Wire {
    /// The name used in arguments and reports.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// All contracts but this one.
    pub fn others(self) -> impl Iterator<Item = Self> {
        let all = <Self as VariantArray>::VARIANTS.iter().copied();
        all.filter(move |other| *other != self)
    }

    /// Only our own contract has a place for what is asked for. The error names it, and says what to do.
    pub fn carries(self, ack: Ack, read: Option<Read>) -> Result<(), String> {
        let ack = (ack != Ack::All).then(|| format!("--ack {}", ack.name()));
        match ack.or_else(|| read.map(asked)) {
            Some(asked) if self != Self::Passbook => Err(format!(
                "{asked} cannot be asked for over --wire {}; leave it out, or use --wire passbook",
                self.name()
            )),
            _ => Ok(()),
        }
    }

    /// Only our own contract carries balances of 64 bits. The error advises what to do.
    pub fn check_opening(self, opening: Money) -> Result<(), String> {
        match self {
            Self::Bank | Self::BankService if to_int32(opening).is_err() => Err(format!(
                "--wire {} carries balances up to 2,147,483,647; lower the opening balance of {}, or use --wire \
                 passbook",
                self.name(),
                grouped(opening.minor_units().unsigned_abs())
            )),
            Self::Passbook | Self::Bank | Self::BankService => Ok(()),
        }
    }

    /// What promises depend on, where customers ask `branches` branches under the scheme of this name.
    pub fn settings(
        self,
        replication: &str,
        branches: usize,
        ack: Ack,
        read: Read,
        customers: Customers,
    ) -> Settings {
        let server = match self {
            Self::Passbook => replication.parse().ok(),
            Self::Bank | Self::BankService => None,
        };
        let server = server.unwrap_or(Server::Foreign);
        // Without tokens to carry all that a branch has is what it knows.
        let read = if server == Server::Passbook { read } else { Read::Local };
        let ack = if branches == 1 { Ack::All } else { ack };
        Settings { server, ack, read, customers }
    }
}

/// Under broadcast there is nothing to choose. The error says what to do.
pub fn broadcast_reads(read: Option<Read>) -> Result<(), String> {
    match read.map(asked) {
        None => Ok(()),
        Some(asked) => Err(format!(
            "{asked} is for --replication passbook; a query under broadcast is answered from what the branch \
             knows: leave it out"
        )),
    }
}

fn asked(read: Read) -> String {
    format!("--read {}", read.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_needs_a_contract_that_carries_it() {
        assert_eq!(Wire::Passbook.carries(Ack::Local, Some(Read::Snapshot)), Ok(()));
        assert_eq!(Wire::Bank.carries(Ack::All, None), Ok(()));
        for (ack, read) in [(Ack::Local, None), (Ack::All, Some(Read::Session))] {
            let refused = Wire::Bank.carries(ack, read).expect_err("it has no place for it");
            assert!(refused.contains("cannot be asked for over --wire bank"), "{refused}");
        }
        assert!(broadcast_reads(Some(Read::Local)).is_err());
    }

    #[test]
    fn answers_without_versions_are_a_foreign_servers_and_one_branch_is_all() {
        let settings = |wire: Wire, replication, branches| {
            wire.settings(replication, branches, Ack::Local, Read::Snapshot, Customers::Many)
        };
        let own = settings(Wire::Passbook, "passbook", 3);
        assert_eq!((own.server, own.ack, own.read), (Server::Passbook, Ack::Local, Read::Snapshot));
        let broadcast = settings(Wire::Passbook, "broadcast", 1);
        assert_eq!(
            (broadcast.server, broadcast.ack, broadcast.read),
            (Server::Broadcast, Ack::All, Read::Local)
        );
        for (wire, replication) in
            [(Wire::Bank, "passbook"), (Wire::Passbook, "of another program")]
        {
            assert_eq!(settings(wire, replication, 3).server, Server::Foreign);
        }
    }
}
