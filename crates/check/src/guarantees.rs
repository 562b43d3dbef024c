//! What the settings of a run promise, in one table.

use history::{Customers, Server, Settings};

use super::{CHECKS, Property};
use bank::{Ack, Read};

/// What the settings say of one property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guarantee {
    /// The property.
    pub property: Property,
    /// Whether it is promised. What holds all the same is observed.
    pub promised: bool,
    /// Why, in a sentence.
    pub reason: &'static str,
}

/// Each property of a recorded run under these settings, in the order of reports.
pub fn guarantees(settings: Settings) -> Vec<Guarantee> {
    CHECKS.iter().map(|check| guarantee(settings, check.property)).collect()
}

/// Whether these settings promise a property.
pub fn promises(settings: Settings, property: Property) -> bool {
    guarantee(settings, property).promised
}

/// What settings say of a property, with the reason.
enum Answer {
    Promised(&'static str),
    NotPromised(&'static str),
}

use Answer::{NotPromised, Promised};

fn guarantee(settings: Settings, property: Property) -> Guarantee {
    let answer = match settings.server {
        Server::Passbook => of_passbook(settings, property),
        Server::Broadcast | Server::Foreign => of_balances(settings, property),
    };
    let (promised, reason) = match answer {
        Promised(reason) => (true, reason),
        NotPromised(reason) => (false, reason),
    };
    Guarantee { property, promised, reason }
}

fn of_passbook(settings: Settings, property: Property) -> Answer {
    match (property, settings.read, settings.ack) {
        (Property::Value, ..) => {
            Promised("an answer's balance is computed from the rows that its version names")
        }
        (Property::BalanceBounds, ..) => Promised(
            "a refusal is proved by the rows of all branches, and every balance has a version",
        ),
        (Property::Conservation, ..) => {
            Promised("each request is in one log, once, and balances are the sums of the logs")
        }
        (Property::Overdraft, ..) => Promised("a branch pays out only what it has the rights to"),
        (Property::Convergence, ..) => {
            Promised("a longer row replaces a shorter one, so all end with the same rows")
        }
        (Property::Durability, _, Ack::All) => {
            Promised("every branch held the write before the answer")
        }
        (Property::Durability, _, Ack::Majority) => {
            Promised("more than half of the branches held the write before the answer")
        }
        (Property::Durability, _, Ack::Local) => {
            Promised("the branch that was asked held the write before the answer, and only it")
        }
        (Property::ReadYourWrites, Read::Local, Ack::All) => {
            Promised("every branch holds a write before its customer goes on")
        }
        (Property::ReadYourWrites | Property::MonotonicReads, Read::Local, _) => {
            NotPromised("a local read does not wait for what the customer knows")
        }
        (
            Property::ReadYourWrites | Property::MonotonicReads,
            Read::Session | Read::Snapshot,
            _,
        ) => Promised("a read waits until the branch knows what the customer's passbook names"),
        (Property::MonotonicWrites | Property::WritesFollowReads, ..) => {
            Promised("a write waits until the branch knows what the customer's passbook names")
        }
        (Property::FutureReads, ..) => {
            Promised("a branch logs a write only when it has received it")
        }
        (Property::Causal, ..) => Promised("a push carries all that its rows depend on"),
        (Property::Linearizable, Read::Snapshot, _) => {
            Promised("a snapshot was true of all branches at one instant of the query")
        }
        (Property::Linearizable, Read::Session | Read::Local, _) => NotPromised(
            "a read shows what one branch knows, which may be less than what others were told",
        ),
        // The same whatever answers carry.
        _ => of_balances(settings, property),
    }
}

/// Of answers that carry a balance and nothing else: those of such a scheme, or an `output.json`.
fn of_balances(settings: Settings, property: Property) -> Answer {
    match (property, settings.customers, settings.ack) {
        (Property::Conservation | Property::Convergence, ..) => {
            Promised("every branch applies every accepted write")
        }
        (Property::Overdraft, ..) => Promised("a withdrawal beyond the balance must be refused"),
        (Property::BalanceBounds, _, Ack::All) => {
            Promised("every branch has applied a write before it is acknowledged")
        }
        (Property::BalanceBounds, _, Ack::Majority | Ack::Local) => {
            Promised("no branch applies a write that nobody has asked for")
        }
        (Property::ReadYourWrites | Property::Sequential, Customers::One, Ack::All) => {
            Promised("every branch has applied a write before its customer goes on")
        }
        (Property::ReadYourWrites, Customers::Many, Ack::All) => {
            NotPromised("what others move meanwhile hides it: a balance can only be held to bounds")
        }
        (Property::ReadYourWrites, _, Ack::Majority | Ack::Local)
        | (Property::Sequential, Customers::One, Ack::Majority | Ack::Local) => {
            NotPromised("a customer may come to a branch before a write does")
        }
        (Property::Sequential, Customers::Many, _) => {
            NotPromised("customers who ask at once have no order")
        }
        (Property::FinalBalance, ..) => Promised("queries are asked when all has settled"),
        (Property::Availability, ..) => Promised(
            "a bank does what it is asked, or refuses for lack of money, as contended or as out of range where the amounts explain it",
        ),
        (Property::OutputFile, ..) => Promised("the file is written from what customers received"),
        (Property::Value, ..) => NotPromised("a balance does not say which writes it is made from"),
        (Property::Durability | Property::FutureReads, ..) => {
            NotPromised("there is no log to find a write in")
        }
        (
            Property::MonotonicReads
            | Property::MonotonicWrites
            | Property::WritesFollowReads
            | Property::Causal,
            ..,
        ) => NotPromised("nothing keeps writes in an order, and a balance does not show it"),
        (Property::Linearizable, ..) => NotPromised("branches apply a write at different instants"),
        (
            Property::OneWriter
            | Property::Rights
            | Property::DurableBeforeVisible
            | Property::Acknowledged
            | Property::Deadline
            | Property::Answered
            | Property::Amnesia,
            ..,
        ) => NotPromised("no answer and no log shows it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::VariantArray as _;

    fn all() -> impl Iterator<Item = Settings> {
        Server::VARIANTS.iter().copied().flat_map(|server| {
            Ack::ALL.iter().copied().flat_map(move |ack| {
                Read::ALL.iter().copied().flat_map(move |read| {
                    let with = move |customers| Settings { server, ack, read, customers };
                    Customers::VARIANTS.iter().copied().map(with)
                })
            })
        })
    }

    #[test]
    fn something_is_said_about_every_check_in_its_order() {
        let checked: Vec<Property> = CHECKS.iter().map(|check| check.property).collect();
        for settings in all() {
            let said: Vec<Property> =
                guarantees(settings).iter().map(|said| said.property).collect();
            assert_eq!(said, checked, "{settings:?}");
        }
    }

    #[test]
    fn only_snapshots_promise_to_be_linearizable_and_money_is_always_promised() {
        for settings in all() {
            let snapshots = settings.server == Server::Passbook && settings.read == Read::Snapshot;
            assert_eq!(promises(settings, Property::Linearizable), snapshots, "{settings:?}");
            assert!(promises(settings, Property::Conservation));
            assert!(promises(settings, Property::Overdraft));
            assert!(promises(settings, Property::Availability));
        }
    }

    #[test]
    fn a_local_read_shows_ones_own_writes_where_all_acknowledge_and_an_order_nowhere() {
        for settings in all().filter(|settings| settings.read == Read::Local) {
            let (by_all, alone) = (settings.ack == Ack::All, settings.customers == Customers::One);
            let told = alone || settings.server == Server::Passbook;
            assert_eq!(
                promises(settings, Property::ReadYourWrites),
                by_all && told,
                "{settings:?}"
            );
            assert_eq!(promises(settings, Property::Sequential), by_all && alone, "{settings:?}");
            assert!(!promises(settings, Property::MonotonicReads), "{settings:?}");
        }
    }

    #[test]
    fn writes_keep_their_order_whatever_a_read_shows() {
        let settings = Settings {
            server: Server::Passbook,
            ack: Ack::Local,
            read: Read::Local,
            customers: Customers::Many,
        };
        assert!(promises(settings, Property::MonotonicWrites));
        assert!(promises(settings, Property::Causal));
    }
}
