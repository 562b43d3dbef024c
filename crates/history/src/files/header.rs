//! The first line of a recorded file.

use serde::{Deserialize, Serialize};

use crate::{ErrorLimit, Header};

/// The version of the format. Fields may be added; one that is renamed or removed raises it.
const SCHEMA: u32 = 1;

/// As the file has it: borrowed to write, owned when read.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HeaderLine<F, H> {
    schema: u32,
    file: F,
    #[serde(flatten)]
    header: H,
}

/// What can be read of the header in any version of the format.
#[derive(Debug, Deserialize)]
pub(super) struct SchemaLine {
    schema: u32,
}

impl SchemaLine {
    /// Why this version cannot read the file, if so.
    pub(super) fn mismatch(&self) -> Option<String> {
        let Self { schema } = self;
        (*schema != SCHEMA).then(|| format!("schema {schema}; this version reads schema {SCHEMA}"))
    }
}

impl<'h> HeaderLine<&'h str, &'h Header> {
    pub(super) const fn of(header: &'h Header, file: &'h str) -> Self {
        Self { schema: SCHEMA, file, header }
    }
}

impl HeaderLine<String, Header> {
    /// What it means, or what is wrong with it.
    pub(super) fn header(self, expected: &str) -> Result<Header, String> {
        let Self { file, mut header, .. } = self;
        if file != expected {
            return Err(format!("this is a {file:?} file; expected {expected:?}"));
        }
        if let Some(ErrorLimit { max_share, .. }) = header.error_limit
            && !(0.0..=1.0).contains(&max_share)
        {
            return Err(format!("\"max_share\" is {max_share}; expected a fraction from 0 to 1"));
        }
        let count = header.branches.len();
        header.branches.sort_unstable();
        header.branches.dedup();
        if count == 0 || header.branches.len() != count {
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
