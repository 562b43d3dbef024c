//! From the text of an argument to its value, with what was expected where that fails.

use std::time::Duration;

use bank::{Ack, Read};
use bytesize::ByteSize;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use loadgen::scenario::{Recording, ReplayOrder, Style, Wire};
use replication::Fanout;

/// Where the seed comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seed {
    Given(u64),
    Random,
}

pub(crate) fn parse_seed(text: &str) -> Result<Seed, String> {
    match text {
        "random" => Ok(Seed::Random),
        _ => text
            .parse()
            .map(Seed::Given)
            .map_err(|_| "expected a whole number or random".to_owned()),
    }
}

pub(crate) fn parse_recording(text: &str) -> Result<Recording, String> {
    match text {
        "all" => Ok(Recording::All),
        "none" => Ok(Recording::Nothing),
        _ => text
            .parse()
            .map(|operations| match operations {
                0 => Recording::Nothing,
                _ => Recording::First(operations),
            })
            .map_err(|_| "expected all, none or a number of operations".to_owned()),
    }
}

pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "expected a time such as 30s, 500ms or 2m".to_owned())
}

pub(crate) fn parse_timeout(text: &str) -> Result<Duration, String> {
    let timeout = parse_duration(text)?;
    if (Duration::from_millis(1)..=Duration::from_mins(1)).contains(&timeout) {
        Ok(timeout)
    } else {
        Err("expected a time from 1ms to 60s".to_owned())
    }
}

pub(crate) fn parse_wait(text: &str) -> Result<Duration, String> {
    let wait = parse_duration(text)?;
    let allowed = Duration::from_millis(1)..=Duration::from_hours(24);
    allowed
        .contains(&wait)
        .then_some(wait)
        .ok_or_else(|| "expected a time from 1ms to 24h".to_owned())
}

/// A limit on the size of an answer. Below 1 KiB no error of a server would fit either.
pub(crate) fn parse_message_size(text: &str) -> Result<usize, String> {
    let size = text.parse::<ByteSize>().ok();
    let size = size.filter(|size| (ByteSize::kib(1)..=ByteSize::gib(1)).contains(size));
    size.and_then(|size| usize::try_from(size.as_u64()).ok())
        .ok_or_else(|| "expected a size from 1KiB to 1GiB, such as 4MiB".to_owned())
}

pub(crate) fn parse_target(text: &str) -> Result<String, String> {
    let address = text.trim();
    let parts = address.rsplit_once(':');
    let named = parts.is_some_and(|(host, port)| {
        let plain = !host.is_empty() && !host.contains(['/', '@', ' ']);
        plain && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    let missing = || "expected HOST:PORT, such as 127.0.0.1:50051".to_owned();
    named.then(|| address.to_owned()).ok_or_else(missing)
}

pub(crate) fn fanout_parser() -> impl TypedValueParser<Value = Fanout> {
    PossibleValuesParser::new(Fanout::ALL.map(Fanout::name))
        .map(|name| Fanout::ALL.into_iter().find(|f| f.name() == name).unwrap_or(Fanout::Parallel))
}

pub(crate) fn style_parser() -> impl TypedValueParser<Value = Style> {
    PossibleValuesParser::new(Style::ALL.map(Style::name)).map(|name| {
        Style::ALL.into_iter().find(|style| style.name() == name).unwrap_or(Style::Auto)
    })
}

pub(crate) fn order_parser() -> impl TypedValueParser<Value = ReplayOrder> {
    PossibleValuesParser::new(ReplayOrder::ALL.map(ReplayOrder::name)).map(|name| {
        let order = ReplayOrder::ALL.into_iter().find(|order| order.name() == name);
        order.unwrap_or(ReplayOrder::Sequential)
    })
}

pub(crate) fn wire_parser() -> impl TypedValueParser<Value = Wire> {
    PossibleValuesParser::new(Wire::ALL.map(Wire::name))
        .map(|name| Wire::ALL.into_iter().find(|wire| wire.name() == name).unwrap_or_default())
}

pub(crate) fn read_parser() -> impl TypedValueParser<Value = Read> {
    PossibleValuesParser::new(Read::ALL.map(Read::name))
        .map(|name| Read::ALL.into_iter().find(|read| read.name() == name).unwrap_or_default())
}

pub(crate) fn ack_parser() -> impl TypedValueParser<Value = Ack> {
    PossibleValuesParser::new(Ack::ALL.map(Ack::name))
        .map(|name| Ack::ALL.into_iter().find(|ack| ack.name() == name).unwrap_or(Ack::All))
}
