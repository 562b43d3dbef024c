//! The slowest traced write, as bars over time.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use opentelemetry::Value;
use opentelemetry::trace::{SpanId, SpanKind, TraceId};
use passbook::bank::{CustomerId, Operation};
use passbook::telemetry::KeptTrace;
use passbook::telemetry::SpanData;

use super::text::milliseconds;

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
}

fn integer(span: &SpanData, name: &str) -> Option<i64> {
    span.attributes.iter().find(|attribute| attribute.key.as_str() == name).and_then(|attribute| {
        match attribute.value {
            Value::I64(value) => Some(value),
            _ => None,
        }
    })
}

/// The operation that a customer's span is about.
fn operation(span: &SpanData) -> &str {
    let named = |attribute: &&opentelemetry::KeyValue| attribute.key.as_str() == "bank.operation";
    match span.attributes.iter().find(named).map(|attribute| &attribute.value) {
        Some(Value::String(text)) => text.as_str(),
        _ => "",
    }
}

fn took(span: &SpanData) -> Duration {
    span.end_time.duration_since(span.start_time).unwrap_or_default()
}

/// The customer's own span of a trace.
fn root(trace: &KeptTrace) -> Option<&SpanData> {
    trace.spans.iter().find(|span| span.parent_span_id == SpanId::INVALID)
}

impl Waterfall {
    /// The write whose customer waited longest, among `traces`.
    pub fn slowest_write(traces: &[KeptTrace]) -> Option<Self> {
        let query = Operation::Query.name();
        let writes = traces.iter().filter_map(|trace| Some((trace, root(trace)?)));
        let (trace, root) = writes
            .filter(|(_, root)| operation(root) != query)
            .max_by_key(|(_, root)| took(root))?;
        let mut children: HashMap<SpanId, Vec<&SpanData>> = HashMap::new();
        for span in &trace.spans {
            children.entry(span.parent_span_id).or_default().push(span);
        }
        for siblings in children.values_mut() {
            siblings.sort_by_key(|span| span.start_time);
        }
        let mut rows = Vec::new();
        let straggler = trace.spans.iter().find_map(|span| integer(span, "bank.fanout.straggler"));
        add_rows(root, &children, root.start_time, straggler, 0, &mut rows);
        let hidden = rows.len().saturating_sub(ROWS_MAX);
        rows.truncate(ROWS_MAX);
        let kind = operation(root);
        let number = |name| integer(root, name).unwrap_or_default();
        let title = format!(
            "{kind} {} by customer {} (operation {}) at branch {}",
            number("bank.amount"),
            number("bank.customer"),
            number("bank.number"),
            number("bank.branch"),
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
                "  {:label_width$}  {}{}{}  {:>10}",
                bar.label,
                " ".repeat(before),
                "━".repeat(filled),
                " ".repeat(after),
                milliseconds(bar.took),
            );
        }
        if self.hidden > 0 {
            let _ = writeln!(text, "  … and {} more spans in the trace", self.hidden);
        }
        text
    }
}

fn add_rows(
    span: &SpanData,
    children: &HashMap<SpanId, Vec<&SpanData>>,
    begun: SystemTime,
    straggler: Option<i64>,
    depth: usize,
    rows: &mut Vec<Bar>,
) {
    let branch = integer(span, "bank.branch").unwrap_or_default();
    let what = match (&span.span_kind, integer(span, "bank.peer")) {
        (SpanKind::Client, None) => format!("customer calls branch {branch}"),
        (SpanKind::Client, Some(peer)) if Some(peer) == straggler => {
            format!("to branch {peer} (straggler)")
        }
        (SpanKind::Client, Some(peer)) => format!("to branch {peer}"),
        (SpanKind::Internal, _) => {
            let number = |name| integer(span, name).unwrap_or_default();
            let (acked, width) = (number("bank.fanout.acked"), number("bank.fanout.width"));
            format!("fan-out, {acked} of {width} acknowledged")
        }
        _ if depth > 1 => format!("branch {branch} applies"),
        _ => format!("branch {branch} serves"),
    };
    rows.push(Bar {
        label: format!("{}{what}", "  ".repeat(depth)),
        from: span.start_time.duration_since(begun).unwrap_or_default(),
        took: took(span),
    });
    for child in children.get(&span.span_context.span_id()).into_iter().flatten() {
        add_rows(child, children, begun, straggler, depth + 1, rows);
    }
}

/// Which trace shows an operation, where it was traced and kept.
#[derive(Clone, Debug, Default)]
pub struct TraceOf(HashMap<(CustomerId, u64), TraceId>);

impl TraceOf {
    /// Of the operations in `traces`.
    pub fn new(traces: &[KeptTrace]) -> Self {
        let name = |trace: &KeptTrace| {
            let root = root(trace)?;
            let customer = u64::try_from(integer(root, "bank.customer")?).ok()?;
            let number = u64::try_from(integer(root, "bank.number")?).ok()?;
            Some(((CustomerId(customer), number), trace.id))
        };
        Self(traces.iter().filter_map(name).collect())
    }

    /// The trace's id in hexadecimal.
    pub fn get(&self, operation: (CustomerId, u64)) -> Option<String> {
        self.0.get(&operation).map(ToString::to_string)
    }
}
