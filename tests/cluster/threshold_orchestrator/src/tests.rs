// SPDX-License-Identifier: BSD-2-Clause
//! The Byzantine checks against real signed votes and real services, without a network between nodes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use services::etcd::Member;
use services::postgres::Postgres;
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
    etcd: EtcdStorage,
    /// The last field: the services end when everything that uses them has.
    services: Services,
}

/// etcd and PostgreSQL of one test, in a folder of its own.
struct Services {
    folder: PathBuf,
    etcd: Vec<Member>,
    postgres: Option<Postgres>,
}

impl Services {
    async fn start() -> Services {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("mpc-cluster-test-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let mut services = Services { folder: folder.clone(), etcd: vec![], postgres: None };
        let etcd = services::etcd::up(&folder, 1, |members| {
            services.etcd = members.to_vec();
            Ok(())
        });
        etcd.await.unwrap();
        let roles = ["node_1".to_string()];
        let postgres = services::postgres::up(&folder, &roles, |server| {
            services.postgres = Some(server.clone());
            Ok(())
        });
        postgres.await.unwrap();
        services
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        let processes = self.etcd.iter().map(|member| &member.process);
        for process in processes.chain(self.postgres.iter().map(|server| &server.process)) {
            process.signal(libc::SIGQUIT);
        }
        let all: Vec<_> = self.etcd.iter().map(|member| member.process.clone()).collect();
        let all: Vec<_> = all.into_iter().chain(self.postgres.iter().map(|server| server.process.clone())).collect();
        while all.iter().any(|process| process.is_running()) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
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
        let services = Services::start().await;
        let server = services.postgres.as_ref().unwrap();
        let postgres = Arc::new(PostgresStorage::connect(&server.url("node_1")).await.unwrap());
        let endpoint = [format!("http://{}", services.etcd[0].client)];
        for node in &nodes {
            let mut etcd = EtcdStorage::new(&endpoint, *node);
            etcd.send_heartbeat().await.unwrap();
            etcd.join("nowhere", 3).await.unwrap();
        }
        let etcd = EtcdStorage::new(&endpoint, NodeId(1));
        let detector = ByzantineDetector::new(etcd.clone(), postgres.clone(), public, 0);
        let detector = Arc::new(Mutex::new(detector));
        let processor = VoteProcessor::new(detector.clone(), etcd.clone(), postgres.clone());
        let transaction = Transaction {
            id: TxId("tx-1".into()),
            to: "somebody".into(),
            amount: 1,
            protocol: SignatureProtocol::FROST,
            sign: true,
        };
        postgres.create_transaction(&transaction).await.unwrap();
        Bench { keys, detector, processor, postgres, transaction, etcd, services }
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
        self.postgres.get_transaction(&self.transaction.id).await.unwrap().unwrap().1
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

#[tokio::test]
async fn what_the_cluster_agreed_on_is_what_the_first_one_said() {
    let mut bench = Bench::new().await;
    bench.etcd.join("elsewhere", 4).await.unwrap();
    assert_eq!(bench.etcd.get_cluster_threshold().await.unwrap(), 3);
    assert_eq!(bench.etcd.get_config_threshold().await.unwrap(), 3);
    let nodes: Vec<_> = (1..=5).map(NodeId).collect();
    assert_eq!(bench.etcd.get_active_nodes().await.unwrap(), nodes);
    let members = bench.etcd.get_members().await.unwrap();
    assert_eq!(members[0], (NodeId(1), "elsewhere".to_string()));
    assert_eq!(members[4], (NodeId(5), "nowhere".to_string()));
}

#[tokio::test]
async fn a_lock_is_one_nodes_at_a_time_and_ends_with_it() {
    let bench = Bench::new().await;
    let endpoint = [format!("http://{}", bench.services.etcd[0].client)];
    let (mut one, mut two) = (EtcdStorage::new(&endpoint, NodeId(1)), EtcdStorage::new(&endpoint, NodeId(2)));
    one.send_heartbeat().await.unwrap();
    two.send_heartbeat().await.unwrap();
    assert!(one.acquire_lock("a").await.unwrap());
    assert!(one.acquire_lock("a").await.unwrap());
    assert!(!two.acquire_lock("a").await.unwrap());
    two.release_lock("a").await.unwrap();
    assert!(!two.acquire_lock("a").await.unwrap());
    one.release_lock("a").await.unwrap();
    assert!(two.acquire_lock("a").await.unwrap());
    two.leave().await.unwrap();
    assert!(one.acquire_lock("a").await.unwrap());
    assert!(!one.get_active_nodes().await.unwrap().contains(&NodeId(2)));
}

#[tokio::test]
async fn a_banned_peer_is_not_heard() {
    let mut bench = Bench::new().await;
    let vote = bench.vote(2, true);
    bench.etcd.ban_peer(&vote.peer_id).await.unwrap();
    assert!(bench.etcd.is_peer_banned(&vote.peer_id).await.unwrap());
    assert!(bench.processor.process_vote(vote).await.is_err());
}

#[tokio::test]
async fn what_is_forgotten_is_nowhere() {
    let mut bench = Bench::new().await;
    bench.process(bench.vote(1, true)).await;
    let other = TxId("tx-1/x".into());
    let mut vote = bench.vote(2, true);
    vote.tx_id = other.clone();
    bench.etcd.store_vote(&vote).await.unwrap();
    let txid = bench.transaction.id.clone();
    bench.detector.lock().await.forget(&txid).await.unwrap();
    bench.postgres.forget(&txid).await.unwrap();
    assert_eq!(bench.etcd.get_votes(&txid).await.unwrap(), []);
    assert_eq!(bench.etcd.get_votes(&other).await.unwrap(), [vote]);
    assert_eq!(bench.postgres.get_transaction(&txid).await.unwrap(), None);
}

#[tokio::test]
async fn the_database_knows_who_is_in_which_state() {
    let bench = Bench::new().await;
    let txid = &bench.transaction.id;
    assert_eq!(bench.postgres.get_transactions_by_state("pending").await.unwrap(), [bench.transaction.clone()]);
    assert!(!bench.postgres.create_transaction(&bench.transaction).await.unwrap());
    bench.postgres.update_transaction_state(txid, TransactionState::Failed).await.unwrap();
    assert_eq!(bench.postgres.get_transactions_by_state("pending").await.unwrap(), []);
    let final_already = bench.postgres.update_transaction_state(txid, TransactionState::Signed).await;
    assert!(final_already.unwrap_err().to_string().contains("already failed"));
    let unknown = bench.postgres.update_transaction_state(&TxId("nobody".into()), TransactionState::Signed).await;
    assert!(unknown.unwrap_err().to_string().contains("not found"));
}

#[tokio::test]
async fn the_database_comes_back() {
    let mut bench = Bench::new().await;
    let server = bench.services.postgres.as_mut().unwrap();
    services::postgres::restart(server).await.unwrap();
    assert_eq!(bench.state().await, TransactionState::Pending);
}
