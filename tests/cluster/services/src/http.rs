// SPDX-License-Identifier: BSD-2-Clause
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::Result;

/// One request on one connection. Dropped before its end, it hangs up.
pub async fn request(method: Method, address: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", address)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))?;
    // Not spawned: the connection lives and dies with this future.
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await?.to_bytes();
        let value = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into());
        Result::Ok((status, value))
    };
    tokio::pin!(connection);
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = &mut connection => {
            ended?;
            exchange.await
        }
    }
}

pub async fn get(address: &str, path: &str) -> Result<Value> {
    Ok(request(Method::GET, address, path, None).await?.1)
}

pub async fn post(address: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
    request(Method::POST, address, path, Some(body)).await
}
