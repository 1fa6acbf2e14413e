// SPDX-License-Identifier: BSD-2-Clause
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use threshold_types::{NodeId, PeerId, Result, TxId, Vote};
use tokio::sync::Mutex;

use crate::Latency;

/// A client of the store; clones talk to the same one. Methods take `&mut self` as an etcd client's do.
#[derive(Clone)]
pub struct EtcdStorage {
    store: Arc<Store>,
}

struct Store {
    keys: Mutex<Keys>,
    latency: Latency,
    threshold: usize,
    nodes: Vec<NodeId>,
}

#[derive(Default)]
struct Keys {
    votes: HashMap<TxId, HashMap<NodeId, Vote>>,
    counts: HashMap<TxId, HashMap<(bool, u64), u64>>,
    banned: HashSet<PeerId>,
}

impl EtcdStorage {
    pub fn new(threshold: usize, nodes: Vec<NodeId>) -> Self {
        EtcdStorage { store: Arc::new(Store { keys: Mutex::default(), latency: Latency::default(), threshold, nodes }) }
    }

    /// Keeps the first vote of a node; returns the one that was there before, if any.
    pub async fn store_vote(&mut self, vote: &Vote) -> Result<Option<Vote>> {
        let call = books::begin("store_vote");
        self.store.latency.wait().await;
        let mut keys = self.store.keys.lock().await;
        let votes = keys.votes.entry(vote.tx_id.clone()).or_default();
        let before = votes.get(&vote.node_id).cloned();
        if before.is_none() {
            votes.insert(vote.node_id, vote.clone());
        }
        call.close(Ok(before))
    }

    /// Counts the votes that say the same of the same value.
    pub async fn increment_vote_count(&mut self, vote: &Vote) -> Result<u64> {
        let call = books::begin("increment_vote_count");
        self.store.latency.wait().await;
        let mut keys = self.store.keys.lock().await;
        let counts = keys.counts.entry(vote.tx_id.clone()).or_default();
        let count = counts.entry((vote.approve, vote.value)).or_default();
        *count += 1;
        call.close(Ok(*count))
    }

    pub async fn get_votes(&mut self, txid: &TxId) -> Result<Vec<Vote>> {
        self.store.latency.wait().await;
        let keys = self.store.keys.lock().await;
        Ok(keys.votes.get(txid).map(|votes| votes.values().cloned().collect()).unwrap_or_default())
    }

    pub async fn get_active_nodes(&mut self) -> Result<Vec<NodeId>> {
        let call = books::begin("get_active_nodes");
        self.store.latency.wait().await;
        call.close(Ok(self.store.nodes.clone()))
    }

    pub async fn get_config_threshold(&mut self) -> Result<usize> {
        let call = books::begin("get_config_threshold");
        self.store.latency.wait().await;
        call.close(Ok(self.store.threshold))
    }

    pub async fn get_cluster_threshold(&mut self) -> Result<u32> {
        let call = books::begin("get_cluster_threshold");
        self.store.latency.wait().await;
        call.close(Ok(self.store.threshold as u32))
    }

    pub async fn is_peer_banned(&mut self, peer: &PeerId) -> Result<bool> {
        let call = books::begin("is_peer_banned");
        self.store.latency.wait().await;
        let banned = self.store.keys.lock().await.banned.contains(peer);
        call.close(Ok(banned))
    }

    pub async fn ban_peer(&mut self, peer: &PeerId) -> Result<()> {
        self.store.latency.wait().await;
        self.store.keys.lock().await.banned.insert(peer.clone());
        Ok(())
    }

    pub async fn forget(&mut self, txid: &TxId) {
        let mut keys = self.store.keys.lock().await;
        keys.votes.remove(txid);
        keys.counts.remove(txid);
    }
}
