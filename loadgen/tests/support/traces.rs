//! Reading the spans of a run.

#![allow(dead_code, reason = "each test file is a crate of its own and uses a part")]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span, TracesData};

pub(crate) fn spans_of(groups: Vec<ResourceSpans>) -> Vec<(String, Span)> {
    let mut spans = Vec::new();
    for group in groups {
        let attributes = group.resource.expect("a resource").attributes;
        let service = attributes.iter().find(|attribute| attribute.key == "service.name");
        let service = match service.and_then(|name| name.value.clone()?.value) {
            Some(Value::StringValue(name)) => name,
            other => panic!("a service's name is {other:?}"),
        };
        let scopes = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.extend(scopes.map(|span| (service.clone(), span)));
    }
    spans
}

pub(crate) fn read_traces(path: &Path) -> Vec<(String, Span)> {
    let text = std::fs::read_to_string(path).expect("the traces file");
    let lines =
        text.lines().map(|line| serde_json::from_str::<TracesData>(line).expect("OTLP JSON"));
    lines.flat_map(|traces| spans_of(traces.resource_spans)).collect()
}

pub(crate) fn number(attributes: &[KeyValue], name: &str) -> Option<i64> {
    let attribute = attributes.iter().find(|attribute| attribute.key == name);
    match attribute?.value.clone()?.value {
        Some(Value::IntValue(value)) => Some(value),
        _ => None,
    }
}

pub(crate) fn integer(span: &Span, name: &str) -> i64 {
    let found = number(&span.attributes, name);
    found.unwrap_or_else(|| panic!("no number {name}: {span:?}"))
}

/// The children of a span in a trace, with the services they belong to.
pub(crate) struct Trace<'a> {
    pub(crate) children: HashMap<&'a [u8], Vec<&'a (String, Span)>>,
    pub(crate) size: usize,
}

impl<'a> Trace<'a> {
    pub(crate) fn root(&self) -> &'a (String, Span) {
        self.only_child(&[])
    }

    pub(crate) fn only_child(&self, of: &[u8]) -> &'a (String, Span) {
        let children = self.children_of(of);
        assert_eq!(children.len(), 1, "one child of {of:?}: {children:?}");
        children[0]
    }

    pub(crate) fn children_of(&self, of: &[u8]) -> Vec<&'a (String, Span)> {
        self.children.get(of).cloned().unwrap_or_default()
    }
}

pub(crate) fn by_trace(spans: &[(String, Span)]) -> Vec<Trace<'_>> {
    let mut traces: BTreeMap<&[u8], Trace<'_>> = BTreeMap::new();
    for named in spans {
        let span = &named.1;
        let trace = traces
            .entry(&span.trace_id)
            .or_insert_with(|| Trace { children: HashMap::new(), size: 0 });
        trace.children.entry(&span.parent_span_id).or_default().push(named);
        trace.size += 1;
    }
    traces.into_values().collect()
}

/// What a passbook run left behind: the customers' traces, and by span the pushes that are linked to it.
pub(crate) struct Pushed<'a> {
    pub(crate) operations: Vec<Trace<'a>>,
    pub(crate) pushes: HashMap<&'a [u8], Vec<&'a Span>>,
}

/// Sorts the spans of a passbook run, and looks at each push by itself.
pub(crate) fn pushed(spans: &[(String, Span)]) -> Pushed<'_> {
    let (alone, operations): (Vec<_>, Vec<_>) =
        by_trace(spans).into_iter().partition(|trace| trace.root().1.name == "push");
    let mut pushes: HashMap<&[u8], Vec<&Span>> = HashMap::new();
    for trace in &alone {
        let (service, push) = trace.root();
        assert_eq!(trace.size, 1, "a push is a trace of its own");
        assert_eq!(*service, format!("branch-{}", integer(push, "bank.branch")));
        assert_eq!(push.status.as_ref().map_or(0, |status| status.code), 0, "complete: {push:?}");
        assert!(integer(push, "passbook.push.rows") > 0);
        let links = i64::try_from(push.links.len()).expect("few");
        assert!(links > 0 && integer(push, "passbook.push.writes") >= links, "{push:?}");
        for link in &push.links {
            assert!(number(&link.attributes, "passbook.wait_us").expect("a wait") >= 0);
            pushes.entry(&link.span_id).or_default().push(push);
        }
    }
    Pushed { operations, pushes }
}

/// Looks at what a branch did for an operation, and returns its names: nothing else is in the trace.
pub(crate) fn served<'a>(trace: &Trace<'a>) -> Vec<&'a str> {
    let (service, root) = trace.root();
    assert_eq!((service.as_str(), root.kind()), ("customers", SpanKind::Client));
    let branch = format!("branch-{}", integer(root, "bank.branch"));
    let (service, serving) = trace.only_child(&root.span_id);
    assert_eq!((service, serving.kind()), (&branch, SpanKind::Server));
    let within = trace.children_of(&serving.span_id);
    assert_eq!(trace.size, 2 + within.len(), "an orphan");
    for (service, span) in &within {
        assert_eq!(service, &branch);
        assert!(span.start_time_unix_nano >= serving.start_time_unix_nano);
        assert!(trace.children_of(&span.span_id).is_empty());
    }
    within.into_iter().map(|(_, span)| span.name.as_str()).collect()
}
