//! By which contract customers ask.

/// A contract between customers and branches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// All contracts.
    pub const ALL: [Self; 3] = [Self::Passbook, Self::Bank, Self::BankService];

    /// The name used in arguments and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passbook => "passbook",
            Self::Bank => "bank",
            Self::BankService => "bankservice",
        }
    }
}
