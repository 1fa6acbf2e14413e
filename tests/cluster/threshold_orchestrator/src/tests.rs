// SPDX-License-Identifier: BSD-2-Clause
//! The Byzantine checks against real signed votes, without a network.

use std::collections::HashMap;
use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use threshold_consensus::byzantine::ByzantineDetector;
use threshold_consensus::digest;
use threshold_consensus::vote_processor::{RoundOutcome, VoteProcessor};
use threshold_storage::etcd::EtcdStorage;
use threshold_storage::postgres::PostgresStorage;
use threshold_types::{
    NodeId, SignatureProtocol, Transaction, TransactionState, TxId, ViolationType, Vote, VoteProcessingResult,
};
use tokio::sync::Mutex;

use crate::auto_voter::signed_vote;

struct Bench {
    keys: Vec<Ed25519KeyPair>,
    detector: Arc<Mutex<ByzantineDetector>>,
    processor: VoteProcessor,
    postgres: Arc<PostgresStorage>,
    transaction: Transaction,
}

impl Bench {
    /// Five nodes, three of which decide.
    async fn new() -> Bench {
        let random = SystemRandom::new();
        let keys: Vec<_> = (0..5)
            .map(|_| Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref()).unwrap())
            .collect();
        let nodes: Vec<NodeId> = (1..=5).map(NodeId).collect();
        let public: HashMap<_, _> =
            nodes.iter().zip(&keys).map(|(node, key)| (*node, key.public_key().as_ref().to_vec())).collect();
        let postgres = Arc::new(PostgresStorage::default());
        let etcd = EtcdStorage::new(3, nodes);
        let detector = ByzantineDetector::new(etcd.clone(), postgres.clone(), public, 0);
        let detector = Arc::new(Mutex::new(detector));
        let processor = VoteProcessor::new(detector.clone(), etcd, postgres.clone());
        let transaction = Transaction {
            id: TxId("tx-1".into()),
            to: "somebody".into(),
            amount: 1,
            protocol: SignatureProtocol::FROST,
            sign: true,
        };
        postgres.create_transaction(&transaction).await.unwrap();
        Bench { keys, detector, processor, postgres, transaction }
    }

    fn vote(&self, node: u64, approve: bool) -> Vote {
        self.vote_for(node, approve, digest(&self.transaction))
    }

    fn vote_for(&self, node: u64, approve: bool, value: u64) -> Vote {
        signed_vote(NodeId(node), &self.keys[node as usize - 1], &self.transaction.id, approve, value)
    }

    async fn process(&self, vote: Vote) -> VoteProcessingResult {
        self.processor.process_vote(vote).await.unwrap()
    }

    async fn state(&self) -> TransactionState {
        self.postgres.get_transaction(&self.transaction.id).await.unwrap().1
    }
}

fn rejected(violation_type: ViolationType) -> VoteProcessingResult {
    VoteProcessingResult::Rejected { violation_type }
}

#[tokio::test]
async fn three_equal_votes_decide() {
    let bench = Bench::new().await;
    assert_eq!(bench.process(bench.vote(1, true)).await, VoteProcessingResult::Accepted { count: 1 });
    assert_eq!(bench.process(bench.vote(2, false)).await, VoteProcessingResult::Accepted { count: 1 });
    assert_eq!(bench.process(bench.vote(3, true)).await, VoteProcessingResult::Accepted { count: 2 });
    let VoteProcessingResult::ConsensusReached(result) = bench.process(bench.vote(4, true)).await else {
        panic!("three approvals decide");
    };
    assert!(result.approved);
    assert_eq!(bench.state().await, TransactionState::Approved);
    assert_eq!(bench.process(bench.vote(5, true)).await, VoteProcessingResult::Accepted { count: 4 });
    assert_eq!(bench.processor.wait_for_outcome(&bench.transaction.id).await, RoundOutcome::Decided(result));
}

#[tokio::test]
async fn three_refusals_reject() {
    let bench = Bench::new().await;
    for node in 1..=3 {
        bench.process(bench.vote(node, false)).await;
    }
    assert_eq!(bench.state().await, TransactionState::Rejected);
}

#[tokio::test]
async fn the_same_vote_twice_counts_once() {
    let bench = Bench::new().await;
    bench.process(bench.vote(1, true)).await;
    assert_eq!(bench.process(bench.vote(1, true)).await, VoteProcessingResult::Idempotent);
    assert_eq!(bench.process(bench.vote(2, true)).await, VoteProcessingResult::Accepted { count: 2 });
}

#[tokio::test]
async fn two_different_votes_of_one_node_abort_an_open_round() {
    let bench = Bench::new().await;
    bench.process(bench.vote(1, true)).await;
    assert_eq!(bench.process(bench.vote(1, false)).await, rejected(ViolationType::DoubleVote));
    assert_eq!(bench.state().await, TransactionState::AbortedByzantine);
}

#[tokio::test]
async fn a_double_vote_after_the_decision_changes_nothing() {
    let bench = Bench::new().await;
    for node in 1..=3 {
        bench.process(bench.vote(node, true)).await;
    }
    assert_eq!(bench.process(bench.vote(1, false)).await, rejected(ViolationType::DoubleVote));
    assert_eq!(bench.state().await, TransactionState::Approved);
}

#[tokio::test]
async fn forged_votes_are_invalid_signatures() {
    let bench = Bench::new().await;
    let mut changed = bench.vote(1, false);
    changed.approve = true;
    assert_eq!(bench.process(changed).await, rejected(ViolationType::InvalidSignature));
    // Signed properly, but by somebody else than the node it speaks for.
    let stolen = signed_vote(NodeId(1), &bench.keys[1], &bench.transaction.id, true, 7);
    assert_eq!(bench.process(stolen).await, rejected(ViolationType::InvalidSignature));
    let stranger = signed_vote(NodeId(9), &bench.keys[1], &bench.transaction.id, true, 7);
    assert_eq!(bench.process(stranger).await, rejected(ViolationType::InvalidSignature));
    assert_eq!(bench.process(bench.vote(1, true)).await, VoteProcessingResult::Accepted { count: 1 });
}

#[tokio::test]
async fn malformed_votes_are_malformed() {
    let bench = Bench::new().await;
    let mut short = bench.vote(1, true);
    short.signature.truncate(10);
    assert_eq!(bench.process(short).await, rejected(ViolationType::MalformedMessage));
    let mut nameless = bench.vote(1, true);
    nameless.tx_id = TxId(String::new());
    assert_eq!(bench.process(nameless).await, rejected(ViolationType::MalformedMessage));
}

#[tokio::test]
async fn a_minority_is_found_before_and_after_the_decision() {
    let bench = Bench::new().await;
    bench.process(bench.vote_for(1, true, 7)).await;
    for node in 2..=4 {
        bench.process(bench.vote(node, true)).await;
    }
    assert_eq!(bench.process(bench.vote_for(5, true, 8)).await, rejected(ViolationType::MinorityVote));
    assert_eq!(bench.detector.lock().await.silent_nodes(&bench.transaction.id).await.unwrap(), []);
}

#[tokio::test]
async fn only_those_who_said_nothing_are_silent() {
    let bench = Bench::new().await;
    bench.process(bench.vote(1, true)).await;
    let mut malformed = bench.vote(2, true);
    malformed.signature.clear();
    bench.process(malformed).await;
    let silent = bench.detector.lock().await.silent_nodes(&bench.transaction.id).await.unwrap();
    assert_eq!(silent, [NodeId(3), NodeId(4), NodeId(5)]);
}

#[tokio::test]
async fn a_violation_that_cannot_be_recorded_is_an_error() {
    let bench = Bench::new().await;
    bench.process(bench.vote(1, true)).await;
    bench.postgres.fail_next_violation();
    assert!(bench.processor.process_vote(bench.vote(1, false)).await.is_err());
}
