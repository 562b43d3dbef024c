//! What `/metrics` shows of a run.

use passbook::branch::BranchHandle;
use passbook::cluster;
use passbook::telemetry::{Family, SpanCounters, Value, names};

use crate::load::{Kind, Look};

/// The customers' metrics, those of an embedded cluster's branches, and the spans'.
pub async fn families(
    look: &Look,
    branches: &[BranchHandle],
    spans: Option<&SpanCounters>,
) -> Vec<Family> {
    let kinds = || Kind::ALL.iter().zip(&look.live);
    let operation = |kind: &Kind| vec![("operation", kind.name().to_owned())];
    let operations = kinds().flat_map(|(kind, live)| {
        [("ok", live.ok), ("rejected", live.rejected), ("unknown", live.unknown)].map(
            |(outcome, count)| {
                let mut labels = operation(kind);
                labels.push(("outcome", outcome.to_owned()));
                (labels, Value::Counter(count))
            },
        )
    });
    let response =
        kinds().map(|(kind, live)| (operation(kind), Value::Histogram(live.response.scrape())));
    let service =
        kinds().map(|(kind, live)| (operation(kind), Value::Histogram(live.service.scrape())));
    let active = Value::Gauge(i64::try_from(look.active).unwrap_or(i64::MAX));
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
