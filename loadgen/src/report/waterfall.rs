//! The slowest traced write, as bars over time.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use bank::Operation;
use opentelemetry::trace::{SpanId, SpanKind, TraceId};
use opentelemetry::{KeyValue, Value};
use passbook::telemetry::names::{self, attribute};
use passbook::telemetry::{KeptTrace, SpanData};

use super::numbers::milliseconds;

/// Columns of the widest bar.
const WIDTH: usize = 32;
/// Rows at most: a fan-out to 50 branches would fill the screen.
const ROWS_MAX: usize = 24;

/// The bars of one trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waterfall {
    /// The trace.
    pub trace_id: TraceId,
    /// How long the customer waited.
    pub took: Duration,
    title: String,
    rows: Vec<Bar>,
    hidden: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Bar {
    label: String,
    from: Duration,
    took: Duration,
    waited: Option<Duration>,
    is_straggler: bool,
}

fn value<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a Value> {
    let named = attributes.iter().find(|attribute| attribute.key.as_str() == name);
    named.map(|attribute| &attribute.value)
}

fn integer(attributes: &[KeyValue], name: &str) -> Option<i64> {
    match value(attributes, name) {
        Some(Value::I64(value)) => Some(*value),
        _ => None,
    }
}

/// The operation that a customer's span is about.
fn operation(span: &SpanData) -> Option<&str> {
    match value(&span.attributes, attribute::OPERATION) {
        Some(Value::String(text)) => Some(text.as_str()),
        _ => None,
    }
}

fn took(span: &SpanData) -> Duration {
    span.end_time.duration_since(span.start_time).unwrap_or_default()
}

/// The customer's own span of a trace, if it is an operation's.
fn root(trace: &KeptTrace) -> Option<&SpanData> {
    let root = trace.spans.iter().find(|span| span.parent_span_id == SpanId::INVALID);
    root.filter(|span| operation(span).is_some())
}

/// What other traces have that is linked to this one, each with the span that it is linked to: pushes that
/// carried the write, with how long that waited for them, and collects that began for another request too.
fn linked(traces: &[KeptTrace], of: TraceId) -> impl Iterator<Item = (SpanId, Shown<'_>)> {
    let spans = traces.iter().flat_map(|trace| &trace.spans);
    spans.flat_map(move |span| {
        let links = span.links.iter().filter(move |link| link.span_context.trace_id() == of);
        links.map(move |link| {
            let waited = integer(&link.attributes, attribute::WAIT_US);
            let waited = waited.and_then(|waited| u64::try_from(waited).ok());
            let waited = waited.map(Duration::from_micros);
            (link.span_context.span_id(), Shown { span, waited })
        })
    })
}

/// A span as it is shown.
#[derive(Clone, Copy)]
struct Shown<'a> {
    span: &'a SpanData,
    /// How long what it carries had waited when it began, if that is known.
    waited: Option<Duration>,
}

impl Waterfall {
    /// The write whose customer waited longest, among `traces`.
    pub fn slowest_write(traces: &[KeptTrace]) -> Option<Self> {
        let query = Operation::Query.name();
        let writes = traces.iter().filter_map(|trace| Some((trace, root(trace)?)));
        let (trace, root) = writes
            .filter(|(_, root)| operation(root) != Some(query))
            .max_by_key(|(_, root)| took(root))?;
        let mut children: HashMap<SpanId, Vec<Shown<'_>>> = HashMap::new();
        let own =
            trace.spans.iter().map(|span| (span.parent_span_id, Shown { span, waited: None }));
        for (parent, shown) in own.chain(linked(traces, trace.id)) {
            children.entry(parent).or_default().push(shown);
        }
        for siblings in children.values_mut() {
            siblings.sort_by_key(|shown| shown.span.start_time);
        }
        let mut rows = Vec::new();
        let straggler = |span: &SpanData| integer(&span.attributes, attribute::FANOUT_STRAGGLER);
        let straggler = trace.spans.iter().find_map(straggler);
        let root_shown = Shown { span: root, waited: None };
        add_rows(root_shown, &children, root.start_time, straggler, 0, &mut rows);
        let hidden = rows.len().saturating_sub(ROWS_MAX);
        // The last ones, but never the one that the write waited for.
        while rows.len() > ROWS_MAX
            && let Some(place) = rows.iter().rposition(|bar| !bar.is_straggler)
        {
            rows.remove(place);
        }
        let kind = operation(root).unwrap_or_default();
        let number = |name| integer(&root.attributes, name).unwrap_or_default();
        let title = format!(
            "{kind} {} by customer {} (operation {}) at branch {}",
            number(attribute::AMOUNT),
            number(attribute::CUSTOMER),
            number(attribute::NUMBER),
            number(attribute::BRANCH),
        );
        Some(Self { trace_id: trace.id, took: took(root), title, rows, hidden })
    }

    /// What the write was.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The bars, a line each.
    pub fn render(&self) -> String {
        let label_width = self.rows.iter().map(|bar| bar.label.chars().count()).max().unwrap_or(0);
        let whole = self.rows.iter().map(|bar| bar.from + bar.took).max().unwrap_or_default();
        let column = |at: Duration| {
            let share =
                at.as_nanos() * u128::try_from(WIDTH).unwrap_or(1) / whole.as_nanos().max(1);
            usize::try_from(share).unwrap_or(WIDTH).min(WIDTH)
        };
        let mut text = String::new();
        for bar in &self.rows {
            let from = column(bar.from).min(WIDTH - 1);
            let until = column(bar.from + bar.took).max(from + 1);
            let (before, filled, after) = (from, until - from, WIDTH - until);
            let _ = writeln!(
                text,
                "  {:label_width$}  {}{}{}  {:>10}{}",
                bar.label,
                " ".repeat(before),
                "━".repeat(filled),
                " ".repeat(after),
                milliseconds(bar.took),
                bar.waited.map(|w| format!(", after {}", milliseconds(w))).unwrap_or_default(),
            );
        }
        if self.hidden > 0 {
            let _ = writeln!(text, "  … and {} more spans in the trace", self.hidden);
        }
        text
    }
}

fn add_rows(
    Shown { span, waited }: Shown<'_>,
    children: &HashMap<SpanId, Vec<Shown<'_>>>,
    begun: SystemTime,
    straggler: Option<i64>,
    depth: usize,
    rows: &mut Vec<Bar>,
) {
    let number = |name| integer(&span.attributes, name);
    let branch = number(attribute::BRANCH).unwrap_or_default();
    let peer = number(attribute::PEER);
    let is_straggler = peer.is_some() && peer == straggler;
    let what = match (&span.span_kind, peer) {
        (SpanKind::Client, None) => format!("customer calls branch {branch}"),
        (SpanKind::Client, Some(peer)) => {
            let pushed = if span.name == names::span::PUSH { "push " } else { "" };
            let last = if is_straggler { " (straggler)" } else { "" };
            format!("{pushed}to branch {peer}{last}")
        }
        (SpanKind::Internal, _) if span.name == names::span::BORROW => {
            "borrow rights of other branches".to_owned()
        }
        (SpanKind::Internal, _) if span.name == names::span::COLLECT => {
            let by = number(attribute::COLLECT_PROVER);
            let by = by.map(|prover| format!(" by way of branch {prover}"));
            format!("collect the ledgers of all branches{}", by.unwrap_or_default())
        }
        (SpanKind::Internal, _) => {
            let acked = number(attribute::FANOUT_ACKED).unwrap_or_default();
            let width = number(attribute::FANOUT_WIDTH).unwrap_or_default();
            let relayed = number(attribute::FANOUT_RELAYED).filter(|relayed| *relayed != 0);
            let relayed = relayed.map(|relayed| format!(", {relayed} by way of others"));
            let told = number(attribute::FANOUT_VIA).map(|via| format!(", told by branch {via}"));
            let details: String = relayed.into_iter().chain(told).collect();
            format!("fan-out, {acked} of {width} acknowledged{details}")
        }
        _ if depth > 1 => format!("branch {branch} applies"),
        _ => format!("branch {branch} serves"),
    };
    rows.push(Bar {
        label: format!("{}{what}", "  ".repeat(depth)),
        from: span.start_time.duration_since(begun).unwrap_or_default(),
        took: took(span),
        waited,
        is_straggler,
    });
    for child in children.get(&span.span_context.span_id()).into_iter().flatten() {
        add_rows(*child, children, begun, straggler, depth + 1, rows);
    }
}
