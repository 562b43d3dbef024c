//! The first line of a recorded file.

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Customers, ErrorLimit, Header, ReferenceModel, Server, Settings};
use bank::{Ack, BranchId, Money, Read};

/// The version of the format. Fields may be added; one that is renamed or removed raises it.
const SCHEMA: u32 = 1;

/// As the file has it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HeaderLine<'h> {
    #[serde(deserialize_with = "known_schema")]
    schema: u32,
    file: Cow<'h, str>,
    opening_balance: Money,
    branches: Cow<'h, [BranchId]>,
    replication: Server,
    ack: Ack,
    read: Read,
    customers: Customers,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    rights: Option<Cow<'h, [i64]>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    edition: Option<ReferenceModel>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    error_limit: Option<ErrorLimit>,
}

/// Refuses another schema before the rest is read, which may not be readable then.
fn known_schema<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from)? {
        SCHEMA => Ok(SCHEMA),
        other => Err(D::Error::custom(format!("schema {other}; this version reads {SCHEMA}"))),
    }
}

impl<'h> HeaderLine<'h> {
    pub(super) fn of(header: &'h Header, file: &'h str) -> Self {
        let Settings { server, ack, read, customers } = header.settings;
        Self {
            schema: SCHEMA,
            file: file.into(),
            opening_balance: header.opening,
            branches: Cow::Borrowed(&header.branches),
            replication: server,
            ack,
            read,
            customers,
            rights: header.rights.as_deref().map(Cow::Borrowed),
            edition: header.reference_model,
            error_limit: header.error_limit,
        }
    }

    /// What it means, or what is wrong with it.
    pub(super) fn header(self, file: &str) -> Result<Header, String> {
        if self.file != file {
            return Err(format!("this is a {:?} file; expected {file:?}", self.file));
        }
        if let Some(ErrorLimit { max_share, .. }) = self.error_limit
            && !(0.0..=1.0).contains(&max_share)
        {
            return Err(format!("\"max_share\" is {max_share}; expected a fraction from 0 to 1"));
        }
        let Self { replication: server, ack, read, customers, .. } = self;
        let settings = Settings { server, ack, read, customers };
        let branches = self.branches.iter().copied();
        let header = Header {
            rights: self.rights.map(Cow::into_owned),
            reference_model: self.edition,
            error_limit: self.error_limit,
            ..Header::new(settings, self.opening_balance, branches)
        };
        if header.branches.is_empty() || header.branches.len() != self.branches.len() {
            return Err("expected each branch once in \"branches\", and at least one".to_owned());
        }
        check_rights(&header)?;
        Ok(header)
    }
}

fn check_rights(Header { rights, branches, opening, .. }: &Header) -> Result<(), String> {
    let Some(rights) = rights else { return Ok(()) };
    let (found, expected) = (rights.len(), branches.len());
    if found != expected {
        return Err(format!("\"rights\" are of {found} branches; there are {expected}"));
    }
    let together: i128 = rights.iter().copied().map(i128::from).sum();
    if together > opening.minor_units().into() {
        return Err(format!(
            "\"rights\" are {together} together; expected at most the opening balance, {opening}"
        ));
    }
    Ok(())
}
