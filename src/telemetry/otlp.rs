//! Export by OTLP, each node of the bank as a service of its own.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_otlp::{ExporterBuildError, RetryPolicy, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use thiserror::Error;
use tonic::transport::{Channel, Endpoint};

use super::kept::{by_service, service_resource};

/// A collector that does not answer within this loses the batch; it must not hold up the next.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(2);

/// Where spans are exported to, as the environment says.
#[derive(Clone, Debug)]
pub struct OtlpEndpoint {
    text: String,
    endpoint: Endpoint,
}

/// The environment names an endpoint that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OtlpEndpointError {
    /// Not an address.
    #[error("{variable}={value} is not an http:// address; use one such as http://localhost:4317")]
    Address {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// Not gRPC.
    #[error("OTEL_EXPORTER_OTLP_PROTOCOL={0} is not spoken here; use grpc, on port 4317 as a rule")]
    Protocol(String),
}

impl OtlpEndpoint {
    /// Reads `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, else `OTEL_EXPORTER_OTLP_ENDPOINT`, by way of `read`.
    /// `None` if neither is set, or `OTEL_SDK_DISABLED` is `true`.
    pub fn from_variables(
        read: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, OtlpEndpointError> {
        let disabled = read("OTEL_SDK_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let read = |name| read(name).filter(|value| !value.is_empty());
        let names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
        let mut set = names.into_iter().filter_map(|name| Some((name, read(name)?)));
        let Some((variable, value)) = set.next().filter(|_| !disabled) else {
            return Ok(None);
        };
        let protocol = read("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
            .or_else(|| read("OTEL_EXPORTER_OTLP_PROTOCOL"));
        if let Some(protocol) = protocol.filter(|protocol| protocol != "grpc") {
            return Err(OtlpEndpointError::Protocol(protocol));
        }
        match Endpoint::from_shared(value.clone()) {
            Ok(endpoint) if value.starts_with("http://") => {
                Ok(Some(Self { text: value, endpoint }))
            }
            _ => Err(OtlpEndpointError::Address { variable, value }),
        }
    }
}

impl fmt::Display for OtlpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What became of the spans that were to be exported.
#[derive(Debug, Default)]
pub(super) struct Exported {
    pub(super) accepted: AtomicU64,
    pub(super) failed: AtomicU64,
}

/// One exporter per service over one channel.
pub(super) struct PerService {
    channel: Channel,
    exporters: Mutex<HashMap<String, Arc<opentelemetry_otlp::SpanExporter>>>,
    exported: Arc<Exported>,
}

impl PerService {
    /// To be called within the runtime that shall drive the channel.
    pub(super) fn new(endpoint: &OtlpEndpoint, exported: Arc<Exported>) -> Self {
        let endpoint = endpoint.endpoint.clone();
        let endpoint = endpoint.connect_timeout(EXPORT_TIMEOUT).timeout(EXPORT_TIMEOUT);
        Self { channel: endpoint.connect_lazy(), exporters: Mutex::default(), exported }
    }

    fn exporter(
        &self,
        service: &str,
    ) -> Result<Arc<opentelemetry_otlp::SpanExporter>, ExporterBuildError> {
        let mut exporters = self.exporters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exporter) = exporters.get(service) {
            return Ok(Arc::clone(exporter));
        }
        let mut exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_channel(self.channel.clone())
            .with_timeout(EXPORT_TIMEOUT)
            .with_retry_policy(RetryPolicy::disabled())
            .build()?;
        exporter.set_resource(&service_resource(service));
        let exporter = Arc::new(exporter);
        exporters.insert(service.to_owned(), Arc::clone(&exporter));
        Ok(exporter)
    }
}

impl fmt::Debug for PerService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerService").finish_non_exhaustive()
    }
}

impl SpanExporter for PerService {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut result: OTelSdkResult = Ok(());
        for (service, spans) in by_service(batch) {
            let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
            // All services share one collector: if it failed the first it is not asked for the rest.
            if result.is_ok() {
                result = match self.exporter(&service) {
                    Ok(exporter) => exporter.export(spans).await,
                    Err(error) => Err(OTelSdkError::InternalFailure(error.to_string())),
                };
            }
            let counter =
                if result.is_ok() { &self.exported.accepted } else { &self.exported.failed };
            counter.fetch_add(count, Ordering::Relaxed);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Option<String>, OtlpEndpointError> {
        let endpoint = OtlpEndpoint::from_variables(|name| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        });
        Ok(endpoint?.map(|endpoint| endpoint.to_string()))
    }

    #[test]
    fn the_endpoint_of_traces_goes_before_the_general_one() {
        let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4317");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b:4317");
        assert_eq!(from(&[]), Ok(None));
        assert_eq!(from(&[general]), Ok(Some("http://a:4317".to_owned())));
        assert_eq!(from(&[general, traces]), Ok(Some("http://b:4317".to_owned())));
        assert_eq!(from(&[general, ("OTEL_SDK_DISABLED", "true")]), Ok(None));
    }

    #[test]
    fn what_cannot_be_spoken_is_said() {
        for value in ["localhost:4317", "https://a:4317", "http://"] {
            assert!(from(&[("OTEL_EXPORTER_OTLP_ENDPOINT", value)]).is_err(), "{value}");
        }
        let http = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
        let error = from(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318"), http]);
        assert!(matches!(error, Err(OtlpEndpointError::Protocol(_))));
    }
}
