// SPDX-License-Identifier: BSD-2-Clause
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use threshold_types::{Error, Result};
use tokio::time::{Instant, sleep, timeout_at};

/// An answer that takes longer comes from nobody, and another member is asked.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// A cluster that elects a leader is back within this time.
const PATIENCE: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_millis(100);

/// etcd's v3 API by its JSON gateway. Clones share connections.
#[derive(Clone)]
pub struct Gateway(Arc<Members>);

struct Members {
    client: Client<HttpConnector, Full<Bytes>>,
    endpoints: Vec<String>,
    /// The member that answered last.
    preferred: AtomicUsize,
}

pub struct Answer {
    pub value: Value,
    /// An earlier attempt had no answer: what was asked for may have been done twice.
    pub repeated: bool,
}

impl Gateway {
    pub fn new(endpoints: &[String]) -> Self {
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Gateway(Arc::new(Members { client, endpoints: endpoints.to_vec(), preferred: AtomicUsize::new(0) }))
    }

    /// Asks one member after the other until one answers or patience ends.
    pub async fn ask(&self, path: &str, body: &Value) -> Result<Answer> {
        let body = Bytes::from(body.to_string());
        let limit = Instant::now() + PATIENCE;
        let mut repeated = false;
        loop {
            let at = self.0.preferred.load(Ordering::Relaxed);
            let endpoint = &self.0.endpoints[at % self.0.endpoints.len()];
            let url = format!("{endpoint}{path}");
            let asked = self.0.ask(&url, body.clone());
            let why = match timeout_at(limit.min(Instant::now() + ANSWER_LIMIT), asked).await {
                Ok(Ok((StatusCode::OK, value))) => return Ok(Answer { value, repeated }),
                Ok(Ok((status, value))) if !status.is_server_error() => {
                    return Err(Error::StorageError(format!("etcd {path}: {status} {value}")));
                }
                Ok(Ok((status, value))) => format!("{status} {}", value["error"]),
                Ok(Err(why)) => why,
                Err(_) => "no answer".into(),
            };
            repeated = true;
            let _ = self.0.preferred.compare_exchange(at, at.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed);
            if Instant::now() + PAUSE >= limit {
                return Err(Error::StorageError(format!("etcd {path} at {endpoint}: {why}")));
            }
            sleep(PAUSE).await;
        }
    }
}

impl Members {
    async fn ask(&self, url: &str, body: Bytes) -> std::result::Result<(StatusCode, Value), String> {
        let request = Request::builder().method(Method::POST).uri(url).body(Full::new(body));
        let request = request.map_err(|e| e.to_string())?;
        let response = self.client.request(request).await.map_err(|e| e.to_string())?;
        let status = response.status();
        let bytes = response.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
        Ok((status, serde_json::from_slice(&bytes).map_err(|e| e.to_string())?))
    }
}

pub fn encoded(bytes: impl AsRef<[u8]>) -> Value {
    STANDARD.encode(bytes).into()
}

pub fn decoded(value: &Value) -> Result<Vec<u8>> {
    let text = value.as_str().unwrap_or_default();
    STANDARD.decode(text).map_err(|e| Error::SerializationError(format!("etcd: {e}")))
}

/// Whole numbers of 64 bits are text in this API, and a zero is left out.
pub fn number(value: &Value) -> i64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}
