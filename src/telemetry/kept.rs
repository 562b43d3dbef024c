//! The traces of a run, kept in memory up to a bound, whole ones only.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::trace::TraceId;
use opentelemetry::{Context, KeyValue};
use opentelemetry_proto::tonic::trace::v1::TracesData;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::{Counts, names};

/// All spans of one trace, in the order in which they ended.
#[derive(Clone, Debug)]
pub struct KeptTrace {
    /// The trace.
    pub id: TraceId,
    /// Its spans.
    pub spans: Vec<SpanData>,
}

impl KeptTrace {
    /// Writes the trace as one line of OTLP JSON, its spans grouped by service.
    pub fn write_otlp_line(&self, to: &mut impl Write) -> io::Result<()> {
        let mut resource_spans = Vec::new();
        for (service, spans) in by_service(self.spans.clone()) {
            let resource = (&service_resource(&service)).into();
            resource_spans.extend(group_spans_by_resource_and_scope(spans, &resource));
        }
        serde_json::to_writer(&mut *to, &TracesData { resource_spans })?;
        to.write_all(b"\n")
    }
}

/// The service a span belongs to: the bank's node that made it.
pub fn service_of(span: &SpanData) -> &str {
    let node = span.attributes.iter().find(|a| a.key.as_str() == names::attribute::NODE);
    match node.map(|attribute| &attribute.value) {
        Some(opentelemetry::Value::String(node)) => node.as_str(),
        _ => "passbook",
    }
}

pub(super) fn by_service(spans: Vec<SpanData>) -> Vec<(String, Vec<SpanData>)> {
    let mut services: Vec<(String, Vec<SpanData>)> = Vec::new();
    for span in spans {
        let service = service_of(&span);
        match services.iter_mut().find(|(other, _)| other == service) {
            Some((_, spans)) => spans.push(span),
            None => services.push((service.to_owned(), vec![span])),
        }
    }
    services
}

pub(super) fn service_resource(service: &str) -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", service.to_owned()),
            KeyValue::new("service.namespace", "passbook"),
        ])
        .build()
}

/// What was kept since the last look.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Whole traces, in the order in which their first span ended.
    pub traces: Vec<KeptTrace>,
    /// Spans of traces that were not begun because of the bound.
    pub beyond_bound: u64,
}

impl Kept {
    /// How many spans there are.
    pub fn spans(&self) -> usize {
        self.traces.iter().map(|trace| trace.spans.len()).sum()
    }
}

#[derive(Debug, Default)]
struct Store {
    traces: HashMap<TraceId, Vec<SpanData>>,
    /// Traces by their first span's end: the order of the file.
    order: Vec<TraceId>,
    spans: usize,
    beyond_bound: u64,
    /// From the beginning; what was exported is counted elsewhere.
    totals: Counts,
}

/// Keeps every ended span, in the thread that ended it: there is no queue that could overflow.
///
/// When the bound is reached no further trace is begun, but traces that were begun are completed.
#[derive(Clone, Debug)]
pub struct KeptTraces {
    store: Arc<Mutex<Store>>,
    bound: usize,
}

impl KeptTraces {
    /// Begins traces until `bound` spans are kept.
    pub fn new(bound: usize) -> Self {
        Self { store: Arc::default(), bound }
    }

    /// Takes out what was kept and begins anew; totals go on.
    pub fn take(&self) -> Kept {
        let store = {
            let mut store = self.lock();
            let totals = store.totals;
            std::mem::replace(&mut *store, Store { totals, ..Store::default() })
        };
        let mut traces = store.traces;
        let trace = |id| traces.remove(&id).map(|spans| KeptTrace { id, spans });
        let traces = store.order.into_iter().filter_map(trace).collect();
        Kept { traces, beyond_bound: store.beyond_bound }
    }

    /// The numbers of spans from the beginning. Where nothing is to be kept, none is beyond the bound.
    pub(super) fn totals(&self) -> Counts {
        self.lock().totals
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Store> {
        // A panic elsewhere leaves the store whole: each change to it is one call.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpanProcessor for KeptTraces {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        let id = span.span_context.trace_id();
        let mut store = self.lock();
        store.totals.ended += 1;
        if self.bound == 0 {
            return;
        }
        if let Some(spans) = store.traces.get_mut(&id) {
            spans.push(span);
        } else if store.spans < self.bound {
            store.traces.insert(id, vec![span]);
            store.order.push(id);
        } else {
            store.beyond_bound += 1;
            store.totals.beyond_bound += 1;
            return;
        }
        store.spans += 1;
        store.totals.kept += 1;
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState};
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
    use std::time::SystemTime;

    use super::*;

    fn span(trace: u128, id: u64, node: &'static str) -> SpanData {
        let (trace, id) = (TraceId::from(trace), SpanId::from(id));
        SpanData {
            span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "a span".into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: vec![KeyValue::new(names::attribute::NODE, node)],
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder("passbook").build(),
        }
    }

    #[test]
    fn beyond_the_bound_begun_traces_are_completed_and_no_new_one_begins() {
        let kept = KeptTraces::new(2);
        for (trace, id) in [(1, 1), (2, 2), (3, 3), (1, 4), (3, 5)] {
            kept.on_end(span(trace, id, "customers"));
        }
        let taken = kept.take();
        let sizes: Vec<usize> = taken.traces.iter().map(|trace| trace.spans.len()).collect();
        assert_eq!((sizes, taken.spans(), taken.beyond_bound), (vec![2, 1], 3, 2));
        assert_eq!(
            (kept.take().spans(), kept.totals()),
            (0, Counts { ended: 5, kept: 3, beyond_bound: 2, ..Counts::default() })
        );
    }

    #[test]
    fn without_a_bound_to_fill_spans_are_only_counted() {
        let kept = KeptTraces::new(0);
        kept.on_end(span(1, 1, "customers"));
        assert_eq!(kept.totals(), Counts { ended: 1, ..Counts::default() });
        assert_eq!((kept.take().spans(), kept.take().beyond_bound), (0, 0));
    }

    #[test]
    fn a_trace_is_one_line_of_otlp_json_grouped_by_service() {
        let spans = vec![span(7, 1, "branch-2"), span(7, 2, "customers"), span(7, 3, "branch-2")];
        let mut line = Vec::new();
        KeptTrace { id: TraceId::from(7_u128), spans }.write_otlp_line(&mut line).expect("written");
        let text = String::from_utf8(line).expect("text");
        assert_eq!(text.matches('\n').count(), 1);
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let groups = json["resourceSpans"].as_array().expect("groups");
        assert_eq!(groups.len(), 2);
        let resource = groups[0]["resource"]["attributes"].as_array().expect("attributes");
        let name = resource.iter().find(|attribute| attribute["key"] == "service.name");
        assert_eq!(name.expect("named")["value"]["stringValue"], "branch-2");
        assert_eq!(groups[0]["scopeSpans"][0]["spans"].as_array().map(Vec::len), Some(2));
    }
}
