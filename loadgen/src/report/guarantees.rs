//! What settings promise, for people.

use std::fmt::Write;

use bank::{Ack, Read};
use check::{Guarantee, guarantees};
use history::{Customers, Server, Settings};
use strum::VariantArray as _;

use super::checks::wrapped;

/// Where reasons begin, and what other settings change.
const REASON: usize = 27;

/// The promises of `settings`, each with its reason, and what it would change to set one of them otherwise.
/// Writing into a `String` cannot fail, so results are ignored here.
pub fn render_guarantees(settings: Settings) -> String {
    let mut text = format!("with {}\n\n", words(settings));
    let all = guarantees(settings);
    for (promised, head) in [
        (true, "promised: what breaks one of these fails the run"),
        (false, "not promised: only observed"),
    ] {
        let _ = writeln!(text, "{head}");
        for said in all.iter().filter(|said| said.promised == promised) {
            let begin = format!("  {:<25}", said.property.name());
            wrapped(&mut text, &begin, REASON, said.reason);
        }
        text.push('\n');
    }
    text.push_str("with one setting changed\n");
    for (option, other) in others(settings) {
        wrapped(&mut text, &format!("  {option:<25}"), REASON, &difference(&all, other));
    }
    text
}

fn words(settings: Settings) -> String {
    let Settings { server, ack, read, customers } = settings;
    let server = match server {
        Server::Passbook | Server::Broadcast => format!("replication {}", server.name()),
        Server::Foreign => "answers that tell status and balance only".to_owned(),
    };
    let customers = match customers {
        Customers::One => "customers one after another",
        Customers::Many => "customers at the same time",
    };
    format!("{server}, ack {}, read {}, {customers}", ack.name(), read.name())
}

/// Everything that differs in one setting, as the options of a run call it.
fn others(settings: Settings) -> Vec<(String, Settings)> {
    let mut others = Vec::new();
    for server in Server::VARIANTS.iter().copied().filter(|server| *server != settings.server) {
        let option = match server {
            Server::Passbook | Server::Broadcast => format!("--replication {}", server.name()),
            Server::Foreign => "--wire bank".to_owned(),
        };
        let read = if server == Server::Passbook { Read::default() } else { Read::Local };
        others.push((option, Settings { server, read, ..settings }));
    }
    for ack in Ack::ALL.iter().copied().filter(|ack| *ack != settings.ack) {
        if settings.server != Server::Foreign {
            others.push((format!("--ack {}", ack.name()), Settings { ack, ..settings }));
        }
    }
    for read in Read::ALL.iter().copied().filter(|read| *read != settings.read) {
        if settings.server == Server::Passbook {
            others.push((format!("--read {}", read.name()), Settings { read, ..settings }));
        }
    }
    let (option, customers) = match settings.customers {
        Customers::One => ("--customers 2", Customers::Many),
        Customers::Many => ("--customers 1", Customers::One),
    };
    others.push((option.to_owned(), Settings { customers, ..settings }));
    others
}

/// What `other` promises more and what less.
fn difference(all: &[Guarantee], other: Settings) -> String {
    let changed = |promised: bool| {
        let others = guarantees(other);
        let pairs = all.iter().zip(others);
        let changed = pairs.filter(|(here, there)| here.promised != there.promised);
        let names: Vec<&str> = changed
            .filter(|(_, there)| there.promised == promised)
            .map(|(_, there)| there.property.name())
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    match (changed(true), changed(false)) {
        (None, None) => "the same".to_owned(),
        (Some(more), None) => format!("also {more}"),
        (None, Some(less)) => format!("without {less}"),
        (Some(more), Some(less)) => format!("also {more}; without {less}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Settings = Settings {
        server: Server::Passbook,
        ack: Ack::All,
        read: Read::Session,
        customers: Customers::Many,
    };

    #[test]
    fn every_property_is_told_once_with_its_reason() {
        let told = render_guarantees(DEFAULT);
        for said in guarantees(DEFAULT) {
            let line = format!("\n  {:<25}", said.property.name());
            assert_eq!(told.matches(&line).count(), 1, "{told}");
        }
        assert!(told.starts_with("with replication passbook, ack all, read session, customers at"));
        assert!(told.lines().all(|line| line.chars().count() <= 100), "{told}");
    }

    #[test]
    fn what_another_setting_changes_is_told() {
        let told = render_guarantees(DEFAULT);
        assert!(told.contains("\n  --read snapshot          also linearizable\n"), "{told}");
        assert!(told.contains("\n  --read local             without monotonic reads\n"), "{told}");
        assert!(told.contains("\n  --ack majority           the same\n"), "{told}");
        let broadcast = Settings { server: Server::Broadcast, read: Read::Local, ..DEFAULT };
        let told = render_guarantees(broadcast);
        assert!(told.contains("\n  --replication passbook   also value, durability"), "{told}");
        assert!(!told.contains("--read"), "{told}");
    }
}
