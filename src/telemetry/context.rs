//! W3C trace context in gRPC metadata.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tonic::metadata::{MetadataKey, MetadataMap};

struct Metadata<'a>(&'a MetadataMap);

impl Extractor for Metadata<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
}

struct MetadataMut<'a>(&'a mut MetadataMap);

impl Injector for MetadataMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        // An empty tracestate says nothing.
        if value.is_empty() {
            return;
        }
        if let (Ok(key), Ok(value)) = (MetadataKey::from_bytes(key.as_bytes()), value.parse()) {
            self.0.insert(key, value);
        }
    }
}

/// The caller's context, if the caller's operation is traced. For all others this is one look-up.
pub fn extract(metadata: &MetadataMap) -> Option<Context> {
    metadata.get("traceparent")?;
    let context =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Metadata(metadata));
    let sampled = context.span().span_context().is_sampled();
    sampled.then_some(context)
}

/// Puts `context` into the metadata of an outgoing call.
pub fn inject(context: &Context, metadata: &mut MetadataMap) {
    TraceContextPropagator::new().inject_context(context, &mut MetadataMut(metadata));
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

    use super::*;

    fn context(flags: TraceFlags) -> Context {
        let (trace, span) = (TraceId::from(7_u128), SpanId::from(9_u64));
        let span = SpanContext::new(trace, span, flags, false, TraceState::NONE);
        Context::new().with_remote_span_context(span)
    }

    #[test]
    fn a_sampled_context_arrives() {
        let mut metadata = MetadataMap::new();
        inject(&context(TraceFlags::SAMPLED), &mut metadata);
        let arrived = extract(&metadata).expect("sampled");
        assert_eq!(arrived.span().span_context().trace_id(), TraceId::from(7_u128));
        assert_eq!(arrived.span().span_context().span_id(), SpanId::from(9_u64));
        assert_eq!(metadata.len(), 1, "no empty tracestate");
    }

    #[test]
    fn unsampled_missing_and_broken_contexts_are_none() {
        let mut metadata = MetadataMap::new();
        assert!(extract(&metadata).is_none());
        inject(&context(TraceFlags::default()), &mut metadata);
        assert!(extract(&metadata).is_none());
        metadata.insert("traceparent", "00-zz".parse().expect("ascii"));
        assert!(extract(&metadata).is_none());
    }
}
