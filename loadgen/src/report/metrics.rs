//! What `/metrics` shows of a run.

use bank::OperationKind;
use passbook::branch::BranchHandle;
use passbook::cluster;
use passbook::telemetry::{Family, SpanCounters, Value, names};

use crate::load::{KINDS, LoadProgress};

/// The customers' metrics, those of an embedded cluster's branches, and the spans'.
pub async fn families(
    progress: &LoadProgress,
    branches: &[BranchHandle],
    spans: Option<&SpanCounters>,
) -> Vec<Family> {
    let kinds = || KINDS.iter().zip(&progress.live);
    let operation = |kind: &OperationKind| vec![("operation", kind.name().to_owned())];
    let operations = kinds().flat_map(|(kind, live)| {
        [("ok", live.ok), ("rejected", live.rejected), ("unknown", live.unknown)].map(
            |(outcome, count)| {
                let mut labels = operation(kind);
                labels.push(("outcome", outcome.to_owned()));
                (labels, Value::Counter(count))
            },
        )
    });
    let response = kinds()
        .map(|(kind, live)| (operation(kind), Value::Histogram(Box::new(live.response.clone()))));
    let service = kinds()
        .map(|(kind, live)| (operation(kind), Value::Histogram(Box::new(live.service.clone()))));
    let active = Value::Gauge(i64::try_from(progress.active).unwrap_or(i64::MAX));
    let mut families = vec![
        Family::new(names::CUSTOMER_OPERATIONS, operations),
        Family::new(names::CUSTOMER_RESPONSE, response),
        Family::new(names::CUSTOMER_SERVICE, service),
        Family::new(names::CUSTOMERS_ACTIVE, [(Vec::new(), active)]),
    ];
    families.extend(cluster::families(branches).await);
    families.extend(spans.map(SpanCounters::family));
    families
}
