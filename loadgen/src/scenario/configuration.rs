//! The configuration of a run.

use std::path::PathBuf;
use std::time::Duration;

use bank::{Ack, Read};
use replication::Scheme;
use serde::{Serialize, Serializer};
use thiserror::Error;

use super::{Recording, Share, Synthetic, Wire, Workload};

/// A run, from its arguments.
#[derive(Clone, Debug, Serialize)]
pub struct Scenario {
    /// What customers do. It has a place of its own in `summary.json`.
    #[serde(skip)]
    pub workload: Workload,
    /// Where the branches are.
    pub cluster: ClusterChoice,
    /// The contract by which customers ask.
    #[serde(serialize_with = "by_name")]
    pub wire: Wire,
    /// When writes are answered.
    pub ack: Ack,
    /// What queries are answered from.
    pub read: Read,
    /// After this long without an answer an operation's outcome is unknown.
    #[serde(rename = "timeout_s", serialize_with = "seconds")]
    pub timeout: Duration,
    /// For how long servers of a running cluster that cannot be reached are tried again.
    #[serde(rename = "wait_s", serialize_with = "seconds")]
    pub wait: Option<Duration>,
    /// Bytes of the largest answer that is accepted; a larger one is unknown.
    #[serde(rename = "max_message_bytes")]
    pub message_bytes_max: usize,
    /// The largest share of operations that may fail or stay unanswered; all of them turns the check off.
    pub max_error_share: Share,
    /// Threads that perform operations; `None` chooses from the cores and the target.
    pub workers: Option<u8>,
    /// Which operations are traced: customers decide, branches follow.
    pub trace_sample: Share,
    /// How much of what customers see is recorded.
    #[serde(rename = "record")]
    pub recording: Recording,
    /// Whether the report can tell what every customer received, which keeps all of it in memory.
    #[serde(skip)]
    pub keep_answers: bool,
    /// Whether a run passes that could not be checked because not all of it was recorded.
    pub unchecked_ok: bool,
    /// The run folder.
    #[serde(skip)]
    pub out: Option<PathBuf>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            workload: Workload::Synthetic(Synthetic::default()),
            cluster: ClusterChoice::Embedded(Scheme::default()),
            wire: Wire::default(),
            ack: Ack::default(),
            read: Read::default(),
            timeout: Duration::from_secs(10),
            wait: None,
            // The default of gRPC libraries.
            message_bytes_max: 4 << 20,
            max_error_share: Share::ONE_PERCENT,
            workers: None,
            trace_sample: Share::ONE_PERCENT,
            recording: Recording::default(),
            keep_answers: false,
            unchecked_ok: false,
            out: None,
        }
    }
}

impl Scenario {
    /// This workload on these branches; everything else has its default.
    pub fn new(workload: Workload, cluster: ClusterChoice) -> Self {
        Self { workload, cluster, ..Self::default() }
    }
}

/// A text that is no value of a setting, and what was expected instead.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected {0}")]
pub struct SettingError(pub(super) &'static str);

/// Where the branches are.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClusterChoice {
    /// In threads of this process.
    Embedded(#[serde(serialize_with = "by_name")] Scheme),
    /// In a process each, started for the run.
    Processes(#[serde(serialize_with = "by_name")] Scheme),
    /// They run already, at these addresses, in the order of the branches.
    Running {
        /// `host:port` of each.
        targets: Vec<String>,
    },
}

impl ClusterChoice {
    /// The same under another scheme. Branches that run already keep theirs.
    #[must_use]
    pub fn under(&self, scheme: Scheme) -> Self {
        match self {
            Self::Embedded(_) => Self::Embedded(scheme),
            Self::Processes(_) => Self::Processes(scheme),
            Self::Running { .. } => self.clone(),
        }
    }

    /// The scheme of a cluster that is started for the run.
    pub const fn scheme(&self) -> Option<Scheme> {
        match self {
            Self::Embedded(scheme) | Self::Processes(scheme) => Some(*scheme),
            Self::Running { .. } => None,
        }
    }
}

fn by_name<T, S>(value: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Copy + Into<&'static str>,
    S: Serializer,
{
    serializer.serialize_str((*value).into())
}

/// A time, or an optional one, in seconds.
pub(crate) fn seconds<T, S>(time: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Copy + Into<Option<Duration>>,
    S: Serializer,
{
    let time: Option<Duration> = (*time).into();
    time.map(|time| time.as_secs_f64()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scenario::Stop;

    #[test]
    fn every_setting_is_serialized_with_its_unit() {
        let settings = serde_json::to_value(Scenario::default()).expect("serializable");
        let expected = json!({
            "cluster": {"embedded": "passbook"},
            "wire": "passbook",
            "ack": "all",
            "read": "session",
            "timeout_s": 10.0,
            "wait_s": null,
            "max_message_bytes": 4_194_304,
            "max_error_share": 0.01,
            "workers": null,
            "trace_sample": 0.01,
            "record": "all",
            "unchecked_ok": false,
        });
        assert_eq!(settings, expected);
    }

    #[test]
    fn workload_is_serialized_by_its_kind() {
        let synthetic = Synthetic { stop: Stop::Events(7), ..Synthetic::default() };
        let workload = serde_json::to_value(Workload::Synthetic(synthetic)).expect("serializable");
        let expected = json!({
            "kind": "synthetic",
            "customers": 500,
            "events_each": 7,
            "mix": "40:30:30",
            "max_amount": 100,
            "roam": 0.2,
            "seed": 1,
            "think": "0s",
            "think_mean_s": 0.0,
        });
        assert_eq!(workload, expected);
        let stop = Stop::After(Duration::from_millis(1_500));
        let timed = Workload::Synthetic(Synthetic { stop, ..Synthetic::default() });
        let timed = serde_json::to_value(timed).expect("serializable");
        assert_eq!((&timed["duration_s"], &timed["events_each"]), (&json!(1.5), &json!(null)));
    }
}
