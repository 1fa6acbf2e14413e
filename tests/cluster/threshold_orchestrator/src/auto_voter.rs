// SPDX-License-Identifier: BSD-2-Clause
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::{Deserialize, Serialize};
use threshold_consensus::digest;
use threshold_consensus::vote_processor::VoteProcessor;
use threshold_network::quic_engine::QuicEngine;
use threshold_types::{NodeId, Result, Transaction, TxId, Vote, VoteProcessingResult, unix_millis};

use crate::wire::Message;

/// How a node misbehaves in one transaction, on request of a test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoteFault {
    DoubleVote,
    InvalidSignature,
    MinorityVote,
    MalformedMessage,
    Timeout,
}

pub enum VoteRequest {
    /// Make up our own mind and tell everybody.
    Cast(Transaction),
    /// A vote of a peer.
    Received(Vote),
}

pub struct AutoVoter {
    me: NodeId,
    key: Ed25519KeyPair,
    engine: Arc<QuicEngine>,
    processor: Arc<VoteProcessor>,
    faults: Mutex<HashMap<TxId, VoteFault>>,
}

impl AutoVoter {
    pub fn new(me: NodeId, key: Ed25519KeyPair, engine: Arc<QuicEngine>, processor: Arc<VoteProcessor>) -> Self {
        AutoVoter { me, key, engine, processor, faults: Mutex::default() }
    }

    /// Every vote of this node and of its peers goes through here. None: there was nothing to vote on.
    pub async fn process_vote_request(&self, request: VoteRequest) -> Result<Option<VoteProcessingResult>> {
        let call = books::begin("process_vote_request");
        let votes = match request {
            VoteRequest::Received(vote) => vec![vote],
            VoteRequest::Cast(transaction) => {
                let votes = self.own_votes(&transaction);
                for vote in &votes {
                    let message = Message::Vote(transaction.clone(), vote.clone());
                    let message = books::attempt!(call, message.encode());
                    books::attempt!(call, self.engine.broadcast(&message).await);
                }
                votes
            }
        };
        let mut result = None;
        for vote in votes {
            result = Some(books::attempt!(call, self.processor.process_vote(vote).await));
        }
        call.close(Ok(result))
    }

    pub fn misbehave(&self, txid: &TxId, fault: VoteFault) {
        self.faults.lock().expect("no panic under this lock").insert(txid.clone(), fault);
    }

    /// One vote, unless this node was told to misbehave.
    fn own_votes(&self, transaction: &Transaction) -> Vec<Vote> {
        let value = digest(transaction);
        let approve = approves(self.me, transaction);
        let fault = self.faults.lock().expect("no panic under this lock").remove(&transaction.id);
        match fault {
            None => vec![self.sign(transaction, approve, value)],
            Some(VoteFault::Timeout) => vec![],
            Some(VoteFault::DoubleVote) => {
                vec![self.sign(transaction, approve, value), self.sign(transaction, !approve, value)]
            }
            Some(VoteFault::MinorityVote) => vec![self.sign(transaction, approve, !value)],
            Some(VoteFault::InvalidSignature) => {
                let mut vote = self.sign(transaction, approve, value);
                vote.signature[0] ^= 1;
                vec![vote]
            }
            Some(VoteFault::MalformedMessage) => {
                let mut vote = self.sign(transaction, approve, value);
                vote.signature.truncate(10);
                vec![vote]
            }
        }
    }

    fn sign(&self, transaction: &Transaction, approve: bool, value: u64) -> Vote {
        signed_vote(self.me, &self.key, &transaction.id, approve, value)
    }
}

pub fn signed_vote(node: NodeId, key: &Ed25519KeyPair, txid: &TxId, approve: bool, value: u64) -> Vote {
    let mut vote = Vote {
        tx_id: txid.clone(),
        node_id: node,
        peer_id: node.into(),
        round_id: 1,
        approve,
        value,
        signature: Vec::new(),
        public_key: key.public_key().as_ref().to_vec(),
        timestamp: unix_millis(),
    };
    vote.signature = key.sign(&vote.signed_bytes()).as_ref().to_vec();
    vote
}

/// Each node has a limit of its own, so amounts between the limits divide the cluster.
fn approves(node: NodeId, transaction: &Transaction) -> bool {
    transaction.amount <= 8_000 + 1_000 * node.0
}
