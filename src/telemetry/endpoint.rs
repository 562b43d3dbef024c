//! `/metrics` over HTTP.

use std::future::Future;
use std::io;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Family, encode};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `/metrics` on `listener` until `shutdown`; `scrape` is asked for the values each time.
pub async fn serve_metrics<F, Fut>(
    listener: TcpListener,
    shutdown: CancellationToken,
    scrape: F,
) -> io::Result<()>
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Vec<Family>> + Send,
{
    let handler = move || {
        let scrape = scrape.clone();
        async move {
            match encode(scrape().await) {
                Ok(body) => ([(header::CONTENT_TYPE, OPEN_METRICS)], body).into_response(),
                Err(error) => {
                    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
                }
            }
        }
    };
    let router = Router::new().route("/metrics", get(handler));
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { shutdown.cancelled().await })
        .await
}
