//! The customers of an input file.

use std::path::PathBuf;

use exercise::{Input, Notation, Shape};
use serde::{Serialize, Serializer};
use strum::{Display, EnumString, VariantNames};

/// An input file and where its output goes.
#[derive(Clone, Debug, Serialize)]
pub struct Replay {
    /// The file's name, for messages.
    #[serde(skip)]
    pub path: PathBuf,
    /// Its content.
    #[serde(rename = "customers", serialize_with = "customers_of")]
    pub input: Input,
    /// Where `output.json` goes, apart from the run folder.
    #[serde(skip)]
    pub output: Option<PathBuf>,
    /// Whether customers wait for each other.
    pub order: ReplayOrder,
    /// How the answers are laid out and written.
    pub style: Style,
}

fn customers_of<S: Serializer>(input: &Input, serializer: S) -> Result<S::Ok, S::Error> {
    input.customers.len().serialize(serializer)
}

/// How the answers of a replay are laid out and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, VariantNames, Serialize)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Style {
    /// Per event if any event names a branch, else grouped.
    #[default]
    Auto,
    /// An element a block of the file.
    Grouped,
    /// An element an event.
    PerEvent,
    /// Grouped, in Python's notation, a customer a line.
    Lines,
}

impl Style {
    /// Which elements there are for `input`.
    pub fn shape(self, input: &Input) -> Shape {
        match self {
            Self::Auto => Shape::auto(input),
            Self::Grouped | Self::Lines => Shape::Grouped,
            Self::PerEvent => Shape::PerEvent,
        }
    }

    /// How they are written.
    pub const fn notation(self, order: ReplayOrder) -> Notation {
        match (self, order) {
            (Self::Lines, ReplayOrder::Sequential) => Notation::PythonLines,
            (Self::Lines, ReplayOrder::Concurrent) => Notation::PythonLinesWithMoney,
            (Self::Auto | Self::Grouped | Self::PerEvent, _) => Notation::Json,
        }
    }
}

/// Whether the customers of an input file wait for each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, VariantNames, Serialize)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum ReplayOrder {
    /// The next customer begins when the one before has been answered everything.
    #[default]
    Sequential,
    /// All write at once, each in their order; everything settles; then all query.
    Concurrent,
}
