// SPDX-License-Identifier: BSD-2-Clause
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use threshold_network::quic_engine::QuicEngine;
use threshold_storage::etcd::EtcdStorage;
use threshold_storage::postgres::PostgresStorage;
use threshold_types::{NodeId, Result};
use tokio::sync::Mutex;

use crate::presig_service::PresignatureService;

const INTERVAL: Duration = Duration::from_secs(5);
/// Where something is wrong, somebody waits for it to get well.
const WHILE_UNHEALTHY: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Serialize)]
pub struct HealthStatus {
    pub active_nodes: usize,
    pub threshold: u32,
    pub connected_peers: usize,
    pub pending_transactions: usize,
    pub presignatures: usize,
    /// The others can be reached, and they are enough to decide.
    pub healthy: bool,
}

/// Looks at the cluster now and then, as this node sees it.
pub struct HealthChecker {
    me: NodeId,
    peers: BTreeSet<NodeId>,
    etcd: EtcdStorage,
    postgres: Arc<PostgresStorage>,
    engine: Arc<QuicEngine>,
    presignatures: Arc<PresignatureService>,
    last: Mutex<Option<HealthStatus>>,
}

impl HealthChecker {
    pub fn new(
        me: NodeId,
        peers: BTreeSet<NodeId>,
        etcd: EtcdStorage,
        postgres: Arc<PostgresStorage>,
        engine: Arc<QuicEngine>,
        presignatures: Arc<PresignatureService>,
    ) -> Self {
        HealthChecker { me, peers, etcd, postgres, engine, presignatures, last: Mutex::default() }
    }

    pub async fn get_health_status(&self) -> Result<HealthStatus> {
        let call = books::begin("get_health_status");
        let mut etcd = self.etcd.clone();
        let active = books::attempt!(call, etcd.get_active_nodes().await);
        let threshold = books::attempt!(call, etcd.get_cluster_threshold().await);
        let pending = books::attempt!(call, self.postgres.get_transactions_by_state("pending").await);
        let presignatures = self.presignatures.get_stats().await;
        let connected_peers = self.engine.connected_peers().len();
        call.close(Ok(HealthStatus {
            active_nodes: active.len(),
            threshold,
            connected_peers,
            pending_transactions: pending.len(),
            presignatures: presignatures.current_size,
            healthy: active.len() >= threshold as usize,
        }))
    }

    /// It says so itself, and, unless it is this node, it can be reached.
    pub async fn is_node_healthy(&self, node: NodeId) -> Result<bool> {
        let call = books::begin("is_node_healthy");
        let active = books::attempt!(call, self.etcd.clone().get_active_nodes().await);
        let reached = node == self.me || self.engine.connected_peers().contains(&node);
        call.close(Ok(reached && active.contains(&node)))
    }

    pub async fn run(&self) {
        let mut unwell = BTreeSet::new();
        loop {
            let status = self.get_health_status().await;
            let healthy = matches!(&status, Ok(status) if status.active_nodes == self.peers.len() + 1);
            match status {
                Ok(status) => self.record_status(&status).await,
                Err(error) => tracing::warn!(%error, "health"),
            }
            for peer in &self.peers {
                let well = self.is_node_healthy(*peer).await.unwrap_or(false);
                if well && unwell.remove(peer) {
                    tracing::info!(%peer, "is well again");
                } else if !well && unwell.insert(*peer) {
                    tracing::warn!(%peer, "is not active or cannot be reached");
                }
            }
            tokio::time::sleep(if healthy { INTERVAL } else { WHILE_UNHEALTHY }).await;
        }
    }

    /// For those who do not want to wait for a look of their own.
    pub async fn record_status(&self, status: &HealthStatus) {
        let call = books::begin("record_status");
        books::gauge("mpc_connected_peers", &[], status.connected_peers as i64);
        *self.last.lock().await = Some(status.clone());
        call.finish(true);
    }

    /// What was recorded last.
    pub async fn last(&self) -> Option<HealthStatus> {
        self.last.lock().await.clone()
    }
}
