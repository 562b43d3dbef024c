//! The first line of a recorded file.

use serde::{Deserialize, Serialize};

use crate::{BranchOrigin, Customers, ErrorLimit, ReferenceModel, Server, Settings};
use bank::{Ack, Read};
use bank::{BranchId, Money};

/// The version of the format. Fields may be added; one that is renamed or removed raises it.
const SCHEMA: u32 = 1;

/// What a run was set to.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// What the account held at the start.
    pub opening: Money,
    /// All branches, ascending.
    pub branches: Vec<BranchId>,
    /// What promises depend on.
    pub settings: Settings,
    /// What each branch had the rights to at the start, by member, where the cluster had a past. Otherwise each
    /// had its equal share of the opening balance.
    pub rights: Option<Vec<i64>>,
    /// What `output.json` must be right as, beside what the history shows.
    pub edition: Option<ReferenceModel>,
    /// How many operations may fail; `None` in files that were written before there was such a limit.
    pub error_limit: Option<ErrorLimit>,
}

/// As the file has it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HeaderLine {
    schema: u32,
    file: String,
    opening_balance: i64,
    branches: Vec<u32>,
    replication: String,
    ack: String,
    read: String,
    customers: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    rights: Option<Vec<i64>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    edition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    error_limit: Option<ErrorLimitLine>,
}

/// How many operations may fail, as the file has it.
#[derive(Debug, Serialize, Deserialize)]
struct ErrorLimitLine {
    max_share: f64,
    branches: String,
}

impl ErrorLimitLine {
    fn of(limit: ErrorLimit) -> Self {
        let ErrorLimit { max_share, branches } = limit;
        Self { max_share, branches: branches.name().to_owned() }
    }

    fn limit(&self) -> Result<ErrorLimit, String> {
        let Self { max_share, branches } = self;
        if !(0.0..=1.0).contains(max_share) {
            return Err(format!("\"max_share\" is {max_share}; expected a fraction from 0 to 1"));
        }
        let branches = named(&BranchOrigin::ALL, BranchOrigin::name, "branches", branches)?;
        Ok(ErrorLimit { max_share: *max_share, branches })
    }
}

impl HeaderLine {
    pub(super) fn of(header: &Header, file: &str) -> Self {
        let Settings { server, ack, read, customers } = header.settings;
        Self {
            schema: SCHEMA,
            file: file.to_owned(),
            opening_balance: header.opening.minor_units(),
            branches: header.branches.iter().map(|branch| branch.0).collect(),
            replication: server.name().to_owned(),
            ack: ack.name().to_owned(),
            read: read.name().to_owned(),
            customers: customers.name().to_owned(),
            rights: header.rights.clone(),
            edition: header.edition.map(|edition| edition.name().to_owned()),
            error_limit: header.error_limit.map(ErrorLimitLine::of),
        }
    }

    /// What it means, or what is wrong with it.
    pub(super) fn header(&self, file: &str) -> Result<Header, String> {
        if self.schema != SCHEMA {
            let found = self.schema;
            return Err(format!("schema {found}; this version reads schema {SCHEMA}"));
        }
        if self.file != file {
            return Err(format!("this is a {:?} file; expected {file:?}", self.file));
        }
        let mut branches: Vec<BranchId> = self.branches.iter().copied().map(BranchId).collect();
        branches.sort_unstable();
        branches.dedup();
        if branches.is_empty() || branches.len() != self.branches.len() {
            return Err("expected each branch once in \"branches\", and at least one".to_owned());
        }
        let settings = Settings {
            server: named(&Server::ALL, Server::name, "replication", &self.replication)?,
            ack: named(Ack::ALL, Ack::name, "ack", &self.ack)?,
            read: named(Read::ALL, Read::name, "read", &self.read)?,
            customers: named(&Customers::ALL, Customers::name, "customers", &self.customers)?,
        };
        let edition = self.edition.as_deref();
        let edition =
            edition.map(|text| named(&ReferenceModel::ALL, ReferenceModel::name, "edition", text));
        Ok(Header {
            opening: Money::new(self.opening_balance),
            rights: self.rights(branches.len())?,
            branches,
            settings,
            edition: edition.transpose()?,
            error_limit: self.error_limit.as_ref().map(ErrorLimitLine::limit).transpose()?,
        })
    }

    fn rights(&self, branches: usize) -> Result<Option<Vec<i64>>, String> {
        let Some(rights) = &self.rights else { return Ok(None) };
        if rights.len() != branches {
            let found = rights.len();
            return Err(format!("\"rights\" are of {found} branches; there are {branches}"));
        }
        let together: i128 = rights.iter().copied().map(i128::from).sum();
        if together > self.opening_balance.into() {
            let opening = self.opening_balance;
            return Err(format!(
                "\"rights\" are {together} together; expected at most the opening balance, {opening}"
            ));
        }
        Ok(Some(rights.clone()))
    }
}

fn named<T: Copy>(
    all: &[T],
    name: impl Fn(T) -> &'static str,
    field: &str,
    text: &str,
) -> Result<T, String> {
    all.iter().copied().find(|one| name(*one) == text).ok_or_else(|| {
        let known: Vec<&str> = all.iter().copied().map(name).collect();
        format!("{field:?} is {text:?}; expected one of {}", known.join(", "))
    })
}
