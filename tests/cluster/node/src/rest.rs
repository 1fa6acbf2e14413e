// SPDX-License-Identifier: BSD-2-Clause
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use threshold_orchestrator::dkg_service::DkgResult;
use threshold_orchestrator::health_checker::HealthStatus;
use threshold_orchestrator::presig_service::PresignatureStats;
use threshold_orchestrator::signing_coordinator::CombinedSignature;
use threshold_types::{Error, NodeId, ProtocolType, SignatureProtocol, Transaction, TxId};

use crate::node::{Fault, Node};

pub fn router(node: Arc<Node>) -> Router {
    Router::new()
        .route("/transactions", post(submit).get(list))
        .route("/transactions/{id}", get(show))
        .route("/transactions/{id}/sign", post(sign))
        .route("/dkg", post(dkg))
        .route("/faults", post(fault))
        .route("/health", get(health))
        .route("/status", get(status))
        .route("/nodes", get(nodes))
        .route("/presignatures", get(presignatures))
        .route("/metrics", get(metrics))
        .route("/truth", get(truth))
        .with_state(node)
}

const LISTED_MAX: i64 = 1000;

type Answer<T> = Result<T, Refusal>;

struct Refusal(Error);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::InvalidState(_) => StatusCode::CONFLICT,
            Error::ConfigError(_) | Error::Unsupported(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(json!({"error": self.0.to_string()}))).into_response()
    }
}

#[derive(Deserialize)]
struct NewTransaction {
    id: Option<String>,
    to: String,
    amount: u64,
    #[serde(default = "frost")]
    protocol: SignatureProtocol,
    #[serde(default = "yes")]
    sign: bool,
}

fn frost() -> SignatureProtocol {
    SignatureProtocol::FROST
}

fn yes() -> bool {
    true
}

impl NewTransaction {
    fn build(self) -> Transaction {
        let id = TxId(self.id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()));
        Transaction { id, to: self.to, amount: self.amount, protocol: self.protocol, sign: self.sign }
    }
}

async fn submit(State(node): State<Arc<Node>>, Json(new): Json<NewTransaction>) -> (StatusCode, Json<Value>) {
    accepted(&node, new, None)
}

fn accepted(node: &Arc<Node>, new: NewTransaction, fault: Option<Fault>) -> (StatusCode, Json<Value>) {
    let transaction = new.build();
    let id = transaction.id.clone();
    node.submit(transaction, fault);
    (StatusCode::ACCEPTED, Json(json!({"id": id})))
}

async fn show(State(node): State<Arc<Node>>, Path(id): Path<String>) -> Answer<Json<Value>> {
    let (transaction, state) = node.transaction(&TxId(id)).await?;
    Ok(Json(json!({"transaction": transaction, "state": state})))
}

#[derive(Deserialize)]
struct InState {
    state: String,
}

async fn list(State(node): State<Arc<Node>>, Query(wanted): Query<InState>) -> Answer<Json<Vec<Transaction>>> {
    Ok(Json(node.postgres.list_transactions(&wanted.state, LISTED_MAX).await?))
}

/// Signs inside the request: a client that hangs up drops the call where it is suspended.
async fn sign(State(node): State<Arc<Node>>, Path(id): Path<String>) -> Answer<Json<CombinedSignature>> {
    Ok(Json(node.sign(&TxId(id)).await?))
}

#[derive(Deserialize)]
struct NewDkg {
    protocol: ProtocolType,
    threshold: u32,
    total_nodes: u32,
}

async fn dkg(State(node): State<Arc<Node>>, Json(new): Json<NewDkg>) -> Answer<Json<DkgResult>> {
    Ok(Json(node.dkg.initiate_dkg(new.protocol, new.threshold, new.total_nodes).await?))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NewFault {
    DropPeer { drop_peer: u64 },
    Partition { partition: bool },
    UnknownCertificate { unknown_certificate: bool },
    InTransaction { fault: Fault, transaction: NewTransaction },
}

async fn fault(State(node): State<Arc<Node>>, Json(new): Json<NewFault>) -> Answer<(StatusCode, Json<Value>)> {
    match new {
        NewFault::InTransaction { fault, transaction } => Ok(accepted(&node, transaction, Some(fault))),
        NewFault::DropPeer { drop_peer } => {
            node.engine.close_connection(NodeId(drop_peer)).await.map_err(Error::from)?;
            Ok((StatusCode::OK, Json(json!({"dropped": drop_peer}))))
        }
        NewFault::Partition { partition } => {
            node.engine.sever(partition);
            Ok((StatusCode::OK, Json(json!({"partition": partition}))))
        }
        NewFault::UnknownCertificate { unknown_certificate } => {
            node.engine.present_unknown_certificate(unknown_certificate).await.map_err(Error::from)?;
            Ok((StatusCode::OK, Json(json!({"unknown_certificate": unknown_certificate}))))
        }
    }
}

/// `tasks` and `open_rounds` are zero when nothing will happen any more by itself.
async fn health(State(node): State<Arc<Node>>) -> Json<Value> {
    Json(json!({
        "node_id": node.id,
        "has_key": node.keys.frost.newest().is_some(),
        "tasks": node.task_count(),
        "open_rounds": node.monitor.open_rounds(),
        "status": node.health.last().await,
    }))
}

/// How things are now, not when the node looked last.
async fn status(State(node): State<Arc<Node>>) -> Answer<Json<HealthStatus>> {
    let status = node.health.get_health_status().await?;
    node.health.record_status(&status).await;
    Ok(Json(status))
}

async fn presignatures(State(node): State<Arc<Node>>) -> Json<PresignatureStats> {
    Json(node.presignatures.get_stats().await)
}

async fn nodes(State(node): State<Arc<Node>>) -> Answer<Json<Value>> {
    let mut nodes = Vec::new();
    for (id, address) in node.etcd.clone().get_members().await? {
        nodes.push(json!({"id": id, "address": address, "healthy": node.health.is_node_healthy(id).await?}));
    }
    Ok(Json(nodes.into()))
}

async fn truth(State(node): State<Arc<Node>>) -> Json<Value> {
    Json(books::truth(&node.id.0.to_string()))
}

/// As little as the wallet says about itself: the process, and some gauges.
async fn metrics(State(node): State<Arc<Node>>) -> String {
    let mut page = String::new();
    let mut gauge = |name: &str, value: f64| page += &format!("# TYPE {name} gauge\n{name} {value}\n");
    if let Some((cpu_seconds, memory_bytes)) = process() {
        gauge("process_cpu_seconds_total", cpu_seconds);
        gauge("process_resident_memory_bytes", memory_bytes);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        gauge("process_open_fds", open.count() as f64);
    }
    gauge("orchestrator_open_rounds", node.monitor.open_rounds() as f64);
    gauge("orchestrator_tasks", node.task_count() as f64);
    gauge("orchestrator_sessions", node.router.session_count() as f64);
    page
}

fn process() -> Option<(f64, f64)> {
    const TICKS_PER_SECOND: f64 = 100.0;
    const PAGE_BYTES: f64 = 4096.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the name in brackets: field 3 is the first; utime, stime and rss are 14, 15 and 24.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    Some(((field(14)? + field(15)?) / TICKS_PER_SECOND, field(24)? * PAGE_BYTES))
}
