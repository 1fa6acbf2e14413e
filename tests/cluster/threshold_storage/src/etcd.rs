// SPDX-License-Identifier: BSD-2-Clause
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use threshold_types::{Error, NodeId, PeerId, Result, TxId, Vote};

use crate::gateway::{Answer, Gateway, decoded, encoded, number};

/// A node that has said nothing for so long is not active any more, and its locks are gone.
pub const HEARTBEAT_SECONDS: i64 = 6;

const CONFIG_THRESHOLD: &str = "/mpc/config/threshold";
const CLUSTER_THRESHOLD: &str = "/mpc/cluster/threshold";
const HEARTBEATS: &str = "/mpc/heartbeats/";
const MEMBERS: &str = "/mpc/members/";
const BANNED: &str = "/mpc/banned/";
const LOCKS: &str = "/mpc/locks/";

/// A client of the store; clones talk to the same one. Methods take `&mut self` as an etcd client's do.
///
/// Votes are under the node that counts them: no node believes what another one counted. Configuration,
/// members, heartbeats, bans and locks are one for all.
#[derive(Clone)]
pub struct EtcdStorage {
    gateway: Gateway,
    me: NodeId,
    /// What this node's heartbeat and locks hang on; 0 before the first heartbeat.
    lease: Arc<AtomicI64>,
}

impl EtcdStorage {
    /// Connects with the first request.
    pub fn new(endpoints: &[String], me: NodeId) -> Self {
        EtcdStorage { gateway: Gateway::new(endpoints), me, lease: Arc::default() }
    }

    // ---- votes and their numbers --------------------------------------------------------------

    /// Keeps the first vote of a node; returns the one that was there before, if any.
    pub async fn store_vote(&mut self, vote: &Vote) -> Result<Option<Vote>> {
        let call = books::begin("store_vote");
        let key = encoded(format!("{}votes/{}", self.round(&vote.tx_id), vote.node_id.0));
        let text = books::attempt!(call, serde_json::to_vec(vote).map_err(unserializable));
        let request = json!({
            "compare": [{"key": key, "target": "CREATE", "create_revision": "0"}],
            "success": [{"request_put": {"key": key, "value": encoded(text)}}],
            "failure": [{"request_range": {"key": key}}],
        });
        let Answer { value, repeated } = books::attempt!(call, self.gateway.ask("/v3/kv/txn", &request).await);
        if value["succeeded"] == true {
            return call.close(Ok(None));
        }
        let before: Vote = books::attempt!(call, first(&value["responses"][0]["response_range"]));
        // It may be our own from an attempt that had no answer.
        call.close(Ok(if repeated && before == *vote { None } else { Some(before) }))
    }

    /// Counts the votes that say the same of the same value: one transaction that enters the voter and counts.
    pub async fn increment_vote_count(&mut self, vote: &Vote) -> Result<u64> {
        let call = books::begin("increment_vote_count");
        let counted = format!("{}counts/{}/{}/", self.round(&vote.tx_id), vote.approve, vote.value);
        let (from, to) = prefix(&counted);
        let request = json!({"success": [
            {"request_put": {"key": encoded(format!("{counted}{}", vote.node_id.0)), "value": ""}},
            {"request_range": {"key": from, "range_end": to, "count_only": true}},
        ]});
        let answer = books::attempt!(call, self.gateway.ask("/v3/kv/txn", &request).await);
        call.close(Ok(number(&answer.value["responses"][1]["response_range"]["count"]) as u64))
    }

    pub async fn get_votes(&mut self, txid: &TxId) -> Result<Vec<Vote>> {
        self.range(&format!("{}votes/", self.round(txid)), true).await?.iter().map(parsed).collect()
    }

    /// Nothing is left of the round, not even with the others' counts.
    pub async fn forget(&mut self, txid: &TxId) -> Result<()> {
        let (key, range_end) = prefix(&self.round(txid));
        self.gateway.ask("/v3/kv/deleterange", &json!({"key": key, "range_end": range_end})).await?;
        Ok(())
    }

    // ---- the cluster --------------------------------------------------------------------------

    /// Enters this node, and what it was configured with unless another node was first.
    pub async fn join(&mut self, address: &str, threshold: usize) -> Result<()> {
        for key in [CONFIG_THRESHOLD, CLUSTER_THRESHOLD] {
            let request = json!({
                "compare": [{"key": encoded(key), "target": "CREATE", "create_revision": "0"}],
                "success": [{"request_put": {"key": encoded(key), "value": encoded(threshold.to_string())}}],
            });
            self.gateway.ask("/v3/kv/txn", &request).await?;
        }
        let key = encoded(format!("{MEMBERS}{}", self.me.0));
        self.gateway.ask("/v3/kv/put", &json!({"key": key, "value": encoded(format!("\"{address}\""))})).await?;
        Ok(())
    }

    /// Where the nodes said that they are, whether or not they are active.
    pub async fn get_members(&mut self) -> Result<Vec<(NodeId, String)>> {
        let entries = self.range(MEMBERS, true).await?;
        entries.iter().map(|entry| Ok((node_of(entry, MEMBERS)?, parsed(entry)?))).collect()
    }

    /// Those whose heartbeat is not too old.
    pub async fn get_active_nodes(&mut self) -> Result<Vec<NodeId>> {
        let call = books::begin("get_active_nodes");
        let entries = books::attempt!(call, self.range(HEARTBEATS, false).await);
        let nodes: Result<Vec<NodeId>> = entries.iter().map(|entry| node_of(entry, HEARTBEATS)).collect();
        if let Ok(nodes) = &nodes {
            books::gauge("mpc_active_nodes", &[("cluster", books::CLUSTER)], nodes.len() as i64);
        }
        call.close(nodes)
    }

    /// Keeps this node active for a while longer.
    pub async fn send_heartbeat(&mut self) -> Result<()> {
        let call = books::begin("send_heartbeat");
        let lease = self.lease.load(Ordering::Relaxed);
        if lease != 0 {
            let request = json!({"ID": lease.to_string()});
            let answer = books::attempt!(call, self.gateway.ask("/v3/lease/keepalive", &request).await);
            if number(&answer.value["result"]["TTL"]) > 0 {
                return call.close(Ok(()));
            }
        }
        let request = json!({"TTL": HEARTBEAT_SECONDS.to_string()});
        let granted = books::attempt!(call, self.gateway.ask("/v3/lease/grant", &request).await);
        let lease = number(&granted.value["ID"]);
        let key = encoded(format!("{HEARTBEATS}{}", self.me.0));
        let request = json!({"key": key, "value": "", "lease": lease.to_string()});
        books::attempt!(call, self.gateway.ask("/v3/kv/put", &request).await);
        self.lease.store(lease, Ordering::Relaxed);
        call.close(Ok(()))
    }

    /// Whoever waits for a heartbeat need not wait any longer; locks are free.
    pub async fn leave(&mut self) -> Result<()> {
        let lease = self.lease.swap(0, Ordering::Relaxed);
        if lease != 0 {
            self.gateway.ask("/v3/lease/revoke", &json!({"ID": lease.to_string()})).await?;
        }
        Ok(())
    }

    pub async fn get_config_threshold(&mut self) -> Result<usize> {
        let call = books::begin("get_config_threshold");
        call.close(self.configured(CONFIG_THRESHOLD).await)
    }

    /// As all members have it, whichever is asked.
    pub async fn get_cluster_threshold(&mut self) -> Result<u32> {
        let call = books::begin("get_cluster_threshold");
        let key = CLUSTER_THRESHOLD.to_string();
        let request = json!({"key": encoded(&key)});
        let answer = books::attempt!(call, self.gateway.ask("/v3/kv/range", &request).await);
        let threshold: Result<u32> = first(&answer.value).map_err(|_| Error::NotFound(format!("{key} in etcd")));
        if let Ok(threshold) = &threshold {
            books::gauge("mpc_consensus_threshold", &[("cluster", books::CLUSTER)], i64::from(*threshold));
        }
        call.close(threshold)
    }

    pub async fn is_peer_banned(&mut self, peer: &PeerId) -> Result<bool> {
        let call = books::begin("is_peer_banned");
        let request = json!({"key": encoded(format!("{BANNED}{}", peer.0)), "count_only": true, "serializable": true});
        let answer = books::attempt!(call, self.gateway.ask("/v3/kv/range", &request).await);
        call.close(Ok(number(&answer.value["count"]) > 0))
    }

    pub async fn ban_peer(&mut self, peer: &PeerId) -> Result<()> {
        let key = encoded(format!("{BANNED}{}", peer.0));
        self.gateway.ask("/v3/kv/put", &json!({"key": key, "value": ""})).await?;
        Ok(())
    }

    // ---- locks --------------------------------------------------------------------------------

    /// Says whether the lock is this node's now. It ends with release_lock, or with this node.
    pub async fn acquire_lock(&mut self, name: &str) -> Result<bool> {
        let call = books::begin("acquire_lock");
        let (key, lease) = (encoded(format!("{LOCKS}{name}")), self.lease.load(Ordering::Relaxed));
        let me = encoded(self.me.0.to_string());
        let request = json!({
            "compare": [{"key": key, "target": "CREATE", "create_revision": "0"}],
            "success": [{"request_put": {"key": key, "value": me, "lease": lease.to_string()}}],
            "failure": [{"request_range": {"key": key}}],
        });
        let answer = books::attempt!(call, self.gateway.ask("/v3/kv/txn", &request).await).value;
        let owner = &answer["responses"][0]["response_range"]["kvs"][0]["value"];
        call.close(Ok(answer["succeeded"] == true || *owner == me))
    }

    /// Nothing happens to a lock of another node.
    pub async fn release_lock(&mut self, name: &str) -> Result<()> {
        let call = books::begin("release_lock");
        let key = encoded(format!("{LOCKS}{name}"));
        let request = json!({
            "compare": [{"key": key, "target": "VALUE", "value": encoded(self.me.0.to_string())}],
            "success": [{"request_delete_range": {"key": key}}],
        });
        call.close(self.gateway.ask("/v3/kv/txn", &request).await.map(drop))
    }

    // ---- keys and values ----------------------------------------------------------------------

    /// The round of a transaction as this node sees it.
    fn round(&self, txid: &TxId) -> String {
        // A name with a slash in it must not be inside another round.
        format!("/mpc/nodes/{}/rounds/{}/", self.me.0, txid.0.replace('%', "%25").replace('/', "%2f"))
    }

    /// Read from the member that is asked: it does not change any more.
    async fn configured<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        let request = json!({"key": encoded(key), "serializable": true});
        first(&self.gateway.ask("/v3/kv/range", &request).await?.value)
    }

    async fn range(&self, of: &str, values: bool) -> Result<Vec<Value>> {
        let (key, range_end) = prefix(of);
        let request = json!({"key": key, "range_end": range_end, "keys_only": !values});
        let mut answer = self.gateway.ask("/v3/kv/range", &request).await?.value;
        Ok(match answer["kvs"].take() {
            Value::Array(entries) => entries,
            _ => vec![],
        })
    }
}

/// From the prefix itself to the first key behind all that begin with it.
fn prefix(of: &str) -> (Value, Value) {
    let mut end = of.as_bytes().to_vec();
    *end.last_mut().expect("no empty prefix") += 1;
    (encoded(of), encoded(end))
}

fn first<T: DeserializeOwned>(range: &Value) -> Result<T> {
    match range["kvs"].get(0) {
        Some(entry) => parsed(entry),
        None => Err(Error::NotFound("a key in etcd".into())),
    }
}

fn parsed<T: DeserializeOwned>(entry: &Value) -> Result<T> {
    serde_json::from_slice(&decoded(&entry["value"])?).map_err(unserializable)
}

fn node_of(entry: &Value, prefix: &str) -> Result<NodeId> {
    let key = String::from_utf8_lossy(&decoded(&entry["key"])?).into_owned();
    let number = key.strip_prefix(prefix).and_then(|number| number.parse().ok());
    number.map(NodeId).ok_or_else(|| Error::SerializationError(format!("etcd: {key}")))
}

fn unserializable(error: serde_json::Error) -> Error {
    Error::SerializationError(error.to_string())
}
