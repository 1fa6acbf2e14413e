// SPDX-License-Identifier: BSD-2-Clause
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ring::signature::{ED25519, ED25519_PUBLIC_KEY_LEN, UnparsedPublicKey};
use serde_json::json;
use threshold_storage::etcd::EtcdStorage;
use threshold_storage::postgres::PostgresStorage;
use threshold_types::{
    ByzantineCheckResult, ByzantineViolation, Error, NodeId, PeerId, Result, TxId, ViolationType, Vote, unix_millis,
};
use uuid::Uuid;

const SIGNATURE_LEN: usize = 64;
const TX_ID_MAX: usize = 128;

pub struct ByzantineDetector {
    etcd: EtcdStorage,
    postgres: Arc<PostgresStorage>,
    /// The vote key of each node, from the configuration: the key inside a vote proves nothing by itself.
    keys: HashMap<NodeId, Vec<u8>>,
    decided: HashMap<TxId, u64>,
    accused: HashMap<TxId, HashSet<NodeId>>,
    violations: HashMap<PeerId, u64>,
    /// So many violations get a peer banned; 0: never.
    ban_after: u64,
}

impl ByzantineDetector {
    pub fn new(
        etcd: EtcdStorage,
        postgres: Arc<PostgresStorage>,
        keys: HashMap<NodeId, Vec<u8>>,
        ban_after: u64,
    ) -> Self {
        ByzantineDetector {
            etcd,
            postgres,
            keys,
            decided: HashMap::new(),
            accused: HashMap::new(),
            violations: HashMap::new(),
            ban_after,
        }
    }

    pub async fn check_vote(&mut self, vote: &Vote) -> Result<ByzantineCheckResult> {
        let call = books::begin("check_vote");
        if books::attempt!(call, self.etcd.is_peer_banned(&vote.peer_id).await) {
            return call.close(Err(Error::ByzantineError(format!("{} is banned", vote.peer_id.0))));
        }
        if let Err(why) = well_formed(vote) {
            let violation = violation(vote, ViolationType::MalformedMessage, json!({"why": why}));
            books::attempt!(call, self.handle_byzantine_violation(&violation).await);
            return call.close(Ok(ByzantineCheckResult::Rejected(ViolationType::MalformedMessage)));
        }
        if !self.is_signed_by_its_node(vote) {
            let violation = violation(vote, ViolationType::InvalidSignature, json!({"signature": vote.signature}));
            books::attempt!(call, self.handle_byzantine_violation(&violation).await);
            return call.close(Ok(ByzantineCheckResult::Rejected(ViolationType::InvalidSignature)));
        }
        if let Some(first) = books::attempt!(call, self.etcd.store_vote(vote).await) {
            if (first.approve, first.value) == (vote.approve, vote.value) {
                return call.close(Ok(ByzantineCheckResult::Idempotent));
            }
            let evidence = json!({"first": summary(&first), "second": summary(vote)});
            let violation = violation(vote, ViolationType::DoubleVote, evidence);
            books::attempt!(call, self.handle_byzantine_violation(&violation).await);
            return call.close(Ok(ByzantineCheckResult::Rejected(ViolationType::DoubleVote)));
        }
        if let Some(&value) = self.decided.get(&vote.tx_id)
            && value != vote.value
        {
            let violation = violation(vote, ViolationType::MinorityVote, json!({"decided": value}));
            books::attempt!(call, self.handle_byzantine_violation(&violation).await);
            return call.close(Ok(ByzantineCheckResult::Rejected(ViolationType::MinorityVote)));
        }
        let count = books::attempt!(call, self.etcd.increment_vote_count(vote).await);
        let threshold = books::attempt!(call, self.etcd.get_config_threshold().await) as u64;
        if count < threshold || self.decided.contains_key(&vote.tx_id) {
            return call.close(Ok(ByzantineCheckResult::Accepted { count }));
        }
        self.decided.insert(vote.tx_id.clone(), vote.value);
        // Those who voted for another value before it was decided are found out now.
        for earlier in books::attempt!(call, self.etcd.get_votes(&vote.tx_id).await) {
            if earlier.value != vote.value {
                let violation = violation(&earlier, ViolationType::MinorityVote, json!({"decided": vote.value}));
                books::attempt!(call, self.handle_byzantine_violation(&violation).await);
            }
        }
        call.close(Ok(ByzantineCheckResult::ThresholdReached { value: vote.value, count }))
    }

    pub async fn handle_byzantine_violation(&mut self, violation: &ByzantineViolation) -> Result<()> {
        let call = books::begin("handle_byzantine_violation")
            .counts("mpc_byzantine_violations_total", &[("type", violation.violation_type.name())]);
        if let Some(node) = violation.node_id {
            self.accused.entry(violation.tx_id.clone()).or_default().insert(node);
        }
        tracing::warn!(peer = violation.peer_id.0, kind = violation.violation_type.name(), "byzantine violation");
        let booked = |error| unrecorded(violation, error);
        books::attempt!(call, self.postgres.record_byzantine_violation(violation).await.map_err(booked));
        let count = self.violations.entry(violation.peer_id.clone()).or_default();
        *count += 1;
        if self.ban_after > 0 && *count >= self.ban_after {
            books::attempt!(call, self.etcd.ban_peer(&violation.peer_id).await.map_err(booked));
        }
        call.close(Ok(()))
    }

    /// Who has said nothing at all about this transaction, neither right nor wrong.
    pub async fn silent_nodes(&mut self, txid: &TxId) -> Result<Vec<NodeId>> {
        let heard: HashSet<NodeId> = self.etcd.get_votes(txid).await?.iter().map(|vote| vote.node_id).collect();
        let accused = self.accused.get(txid);
        let nodes = self.etcd.get_active_nodes().await?;
        let is_silent = |node: &NodeId| !heard.contains(node) && accused.is_none_or(|them| !them.contains(node));
        Ok(nodes.into_iter().filter(is_silent).collect())
    }

    pub async fn forget(&mut self, txid: &TxId) -> Result<()> {
        self.decided.remove(txid);
        self.accused.remove(txid);
        self.etcd.forget(txid).await
    }

    fn is_signed_by_its_node(&self, vote: &Vote) -> bool {
        self.keys.get(&vote.node_id).is_some_and(|key| {
            *key == vote.public_key
                && UnparsedPublicKey::new(&ED25519, key).verify(&vote.signed_bytes(), &vote.signature).is_ok()
        })
    }
}

fn well_formed(vote: &Vote) -> std::result::Result<(), &'static str> {
    if vote.tx_id.0.is_empty() || vote.tx_id.0.len() > TX_ID_MAX {
        return Err("length of tx_id");
    }
    if vote.signature.len() != SIGNATURE_LEN {
        return Err("length of signature");
    }
    if vote.public_key.len() != ED25519_PUBLIC_KEY_LEN {
        return Err("length of public_key");
    }
    if vote.peer_id != PeerId::from(vote.node_id) {
        return Err("peer_id and node_id disagree");
    }
    Ok(())
}

fn violation(vote: &Vote, violation_type: ViolationType, evidence: serde_json::Value) -> ByzantineViolation {
    ByzantineViolation {
        id: Uuid::new_v4(),
        peer_id: vote.peer_id.clone(),
        node_id: Some(vote.node_id),
        tx_id: vote.tx_id.clone(),
        violation_type,
        evidence,
        detected_at: unix_millis(),
    }
}

/// Somebody has to look at the log: the database does not have it.
fn unrecorded(violation: &ByzantineViolation, error: Error) -> Error {
    let kind = match error {
        Error::StorageError(_) => "storage",
        Error::SerializationError(_) => "serialization",
        _ => "other",
    };
    let labels = [("type", violation.violation_type.name()), ("error", kind)];
    books::count("mpc_byzantine_recording_failures_total", &labels);
    error
}

fn summary(vote: &Vote) -> serde_json::Value {
    json!({"approve": vote.approve, "value": vote.value, "timestamp": vote.timestamp, "signature": vote.signature})
}
