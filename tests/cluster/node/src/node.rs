// SPDX-License-Identifier: BSD-2-Clause
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as SyncMutex};
use std::time::Duration;

use ring::signature::Ed25519KeyPair;
use serde::{Deserialize, Serialize};
use threshold_consensus::byzantine::ByzantineDetector;
use threshold_consensus::vote_processor::{RoundOutcome, VoteProcessor};
use threshold_network::quic_engine::{Identity, QuicEngine};
use threshold_orchestrator::auto_voter::{AutoVoter, VoteFault, VoteRequest};
use threshold_orchestrator::dkg_service::{DkgService, KeyStore};
use threshold_orchestrator::health_checker::HealthChecker;
use threshold_orchestrator::heartbeat_service::HeartbeatService;
use threshold_orchestrator::message_router::MessageRouter;
use threshold_orchestrator::presig_service::PresignatureService;
use threshold_orchestrator::signing_coordinator::{CombinedSignature, SigningCoordinator};
use threshold_orchestrator::timeout_monitor::TimeoutMonitor;
use threshold_orchestrator::wire::Message;
use threshold_storage::etcd::EtcdStorage;
use threshold_storage::postgres::PostgresStorage;
use threshold_types::{Error, NodeId, Result, Transaction, TransactionState, TxId};
use tokio::sync::{Mutex, mpsc};

use crate::config::Config;

pub struct Node {
    pub id: NodeId,
    pub engine: Arc<QuicEngine>,
    pub router: Arc<MessageRouter>,
    pub postgres: Arc<PostgresStorage>,
    pub dkg: DkgService,
    pub keys: Arc<KeyStore>,
    pub monitor: TimeoutMonitor,
    pub presignatures: Arc<PresignatureService>,
    pub health: HealthChecker,
    pub etcd: EtcdStorage,
    heartbeat: HeartbeatService,
    voter: AutoVoter,
    signing: SigningCoordinator,
    processor: Arc<VoteProcessor>,
    /// One round is opened at a time, so that no vote is counted in a round that is half open.
    opening: Mutex<()>,
    /// Transactions whose votes this node gives up on at the first suspension, for a test.
    impatient: SyncMutex<HashSet<TxId>>,
    tasks: AtomicUsize,
}

/// Something is being done; `idle` waits for it, however it ends.
struct Task(Arc<Node>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.tasks.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a test may ask a node to do wrong in a transaction that it submits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A double vote whose violation cannot be recorded here.
    UnrecordedViolation,
    /// The first vote that is recorded here panics.
    PanicVote,
    /// Every vote of a peer is dropped here where it first suspends.
    CancelVotes,
    #[serde(untagged)]
    Vote(VoteFault),
}

impl Node {
    pub async fn start(config: &Config) -> Result<Arc<Node>> {
        let (me, nodes) = (config.node_id, config.nodes());
        let (vote_key, vote_keys) = vote_keys(config)?;
        let (inbox, messages) = mpsc::channel(1024);
        let peers = config.endpoints.iter().filter(|(node, _)| **node != me).map(|(node, at)| (*node, *at));
        let identity = Identity::load(&config.cert_dir, me, &nodes)?;
        let engine = QuicEngine::start(identity, config.quic_listen, peers, inbox)?;

        let postgres = Arc::new(PostgresStorage::connect(&config.postgres_url).await?);
        let etcd = EtcdStorage::new(&config.etcd_endpoints, me);
        let heartbeat = HeartbeatService::new(etcd.clone());
        join_cluster(config, etcd.clone(), &heartbeat).await?;
        let others = nodes.iter().copied().filter(|node| *node != me).collect();
        let detector = ByzantineDetector::new(etcd.clone(), postgres.clone(), vote_keys, config.ban_after);
        let detector = Arc::new(Mutex::new(detector));
        let processor = Arc::new(VoteProcessor::new(detector.clone(), etcd.clone(), postgres.clone()));
        let router = MessageRouter::new(me, engine.clone());
        let keys = Arc::new(KeyStore::default());
        let presignatures = PresignatureService::new(me, nodes.clone(), engine.clone(), router.clone(), keys.clone());
        let presignatures = Arc::new(presignatures);
        let health =
            HealthChecker::new(me, others, etcd.clone(), postgres.clone(), engine.clone(), presignatures.clone());
        let node = Arc::new(Node {
            id: me,
            dkg: DkgService::new(me, nodes.iter().copied().collect(), engine.clone(), router.clone(), keys.clone()),
            monitor: TimeoutMonitor::new(me, detector, processor.clone(), postgres.clone()),
            health,
            etcd,
            heartbeat,
            voter: AutoVoter::new(me, vote_key, engine.clone(), processor.clone()),
            signing: SigningCoordinator::new(
                me,
                nodes,
                config.threshold,
                engine.clone(),
                router.clone(),
                keys.clone(),
                presignatures.clone(),
                processor.clone(),
                postgres.clone(),
            ),
            engine,
            router,
            postgres,
            presignatures,
            keys,
            processor,
            opening: Mutex::default(),
            impatient: SyncMutex::default(),
            tasks: AtomicUsize::new(0),
        });
        tokio::spawn(node.clone().receive(messages));
        node.resume().await?;
        let (monitored, beating, looked_at) = (node.clone(), node.clone(), node.clone());
        tokio::spawn(async move { monitored.monitor.run().await });
        let refilled = node.presignatures.clone();
        tokio::spawn(async move { refilled.run_generation_loop().await });
        tokio::spawn(async move { beating.heartbeat.run().await });
        tokio::spawn(async move { looked_at.health.run().await });
        Ok(node)
    }

    /// What this node had not begun to vote on when it ended is timed out, unless a vote brings it back.
    async fn resume(&self) -> Result<()> {
        for transaction in self.postgres.get_transactions_by_state("pending").await? {
            self.monitor.watch(&transaction.id);
        }
        Ok(())
    }

    pub async fn stop(&self) {
        if let Err(error) = self.heartbeat.end().await {
            tracing::warn!(%error, "leaving the cluster");
        }
        self.engine.shut_down().await;
    }

    pub fn task_count(&self) -> usize {
        self.tasks.load(Ordering::Relaxed)
    }

    pub async fn idle(&self) {
        while self.task_count() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Begins a transaction that this node coordinates.
    pub fn submit(self: &Arc<Self>, transaction: Transaction, fault: Option<Fault>) {
        let txid = &transaction.id;
        match fault {
            None => (),
            Some(Fault::Vote(fault)) => self.voter.misbehave(txid, fault),
            Some(Fault::UnrecordedViolation) => {
                self.voter.misbehave(txid, VoteFault::DoubleVote);
                self.postgres.fail_next_violation();
            }
            Some(Fault::PanicVote) => self.postgres.poison(txid),
            Some(Fault::CancelVotes) => _ = self.impatient().insert(txid.clone()),
        }
        let node = self.clone();
        self.spawn(async move { node.coordinate(transaction).await });
    }

    /// Signs an approved transaction and sees it through to its end.
    pub async fn sign(&self, txid: &TxId) -> Result<CombinedSignature> {
        let (transaction, state) = self.transaction(txid).await?;
        if state != TransactionState::Approved {
            return Err(Error::InvalidState(format!("{txid} is {}", state.name())));
        }
        let signed = self.signing.sign_transaction(txid, &transaction.unsigned_bytes(), transaction.protocol).await;
        self.conclude(txid, signed).await
    }

    pub async fn transaction(&self, txid: &TxId) -> Result<(Transaction, TransactionState)> {
        self.postgres.get_transaction(txid).await?.ok_or_else(|| Error::NotFound(txid.to_string()))
    }

    /// A task that stays known until it ends. Its error is only worth a line; its panic is tokio's.
    pub fn spawn(self: &Arc<Self>, work: impl Future<Output = Result<()>> + Send + 'static) {
        self.tasks.fetch_add(1, Ordering::Relaxed);
        let task = Task(self.clone());
        tokio::spawn(async move {
            let _task = task;
            if let Err(error) = work.await {
                tracing::info!(%error, "task");
            }
        });
    }

    /// Only one node coordinates a transaction, whoever else was asked for it.
    async fn coordinate(self: Arc<Self>, transaction: Transaction) -> Result<()> {
        let (mut etcd, lock) = (self.etcd.clone(), format!("transactions/{}", transaction.id));
        if !etcd.acquire_lock(&lock).await? {
            return Err(Error::InvalidState(format!("another node coordinates {}", transaction.id)));
        }
        let coordinated = self.coordinate_alone(transaction).await;
        etcd.release_lock(&lock).await?;
        coordinated
    }

    async fn coordinate_alone(self: &Arc<Self>, transaction: Transaction) -> Result<()> {
        self.open_round(&transaction).await?;
        self.engine.broadcast(&Message::VoteRequest(transaction.clone()).encode()?).await?;
        self.vote(VoteRequest::Cast(transaction.clone()));
        let txid = &transaction.id;
        let approved = match self.processor.wait_for_outcome(txid).await {
            RoundOutcome::Decided(result) => result.approved,
            _ => return self.announce(txid, TransactionState::Failed).await,
        };
        if !approved || !transaction.sign {
            return Ok(());
        }
        let signed = self.signing.sign_transaction(txid, &transaction.unsigned_bytes(), transaction.protocol).await;
        self.conclude(txid, signed).await.map(drop)
    }

    async fn conclude(&self, txid: &TxId, signed: Result<CombinedSignature>) -> Result<CombinedSignature> {
        if signed.is_err() {
            self.postgres.update_transaction_state(txid, TransactionState::Failed).await?;
            self.announce(txid, TransactionState::Failed).await?;
            return signed;
        }
        self.processor.submit(txid)?;
        self.postgres.update_transaction_state(txid, TransactionState::Submitted).await?;
        self.processor.confirm(txid)?;
        self.postgres.update_transaction_state(txid, TransactionState::Confirmed).await?;
        self.announce(txid, TransactionState::Confirmed).await?;
        signed
    }

    async fn announce(&self, txid: &TxId, state: TransactionState) -> Result<()> {
        self.engine.broadcast(&Message::StateChanged(txid.clone(), state).encode()?).await?;
        Ok(())
    }

    async fn open_round(&self, transaction: &Transaction) -> Result<()> {
        let _one_at_a_time = self.opening.lock().await;
        if !self.postgres.create_transaction(transaction).await? {
            return Ok(());
        }
        self.monitor.watch(&transaction.id);
        self.postgres.update_transaction_state(&transaction.id, TransactionState::Pending).await?;
        self.postgres.create_voting_round(&transaction.id).await?;
        self.postgres.update_transaction_state(&transaction.id, TransactionState::Voting).await
    }

    /// In a task of its own, so that a panic in it ends nothing else.
    fn vote(self: &Arc<Self>, request: VoteRequest) {
        let node = self.clone();
        self.spawn(async move { node.voter.process_vote_request(request).await.map(drop) });
    }

    /// Polled once, and dropped if that was not enough.
    fn vote_without_patience(self: &Arc<Self>, request: VoteRequest) {
        let node = self.clone();
        self.spawn(async move {
            let voting = node.voter.process_vote_request(request);
            match tokio::time::timeout(Duration::ZERO, voting).await {
                Ok(result) => result.map(drop),
                Err(_) => Err(Error::Timeout("a vote that nobody waited for".into())),
            }
        });
    }

    async fn receive(self: Arc<Self>, mut messages: mpsc::Receiver<(NodeId, Vec<u8>)>) {
        while let Some((from, bytes)) = messages.recv().await {
            match Message::decode(&bytes) {
                Ok(message) => {
                    let node = self.clone();
                    self.spawn(async move { node.handle(from, message).await });
                }
                Err(error) => tracing::warn!(%from, %error, "unreadable message"),
            }
        }
    }

    async fn handle(self: Arc<Self>, from: NodeId, message: Message) -> Result<()> {
        match message {
            Message::VoteRequest(transaction) => {
                self.open_round(&transaction).await?;
                self.vote(VoteRequest::Cast(transaction));
                Ok(())
            }
            Message::Vote(transaction, vote) => {
                self.open_round(&transaction).await?;
                if self.impatient().contains(&transaction.id) {
                    self.vote_without_patience(VoteRequest::Received(vote));
                } else {
                    self.vote(VoteRequest::Received(vote));
                }
                Ok(())
            }
            Message::DkgInvitation(invitation) => {
                let session_id = invitation.session_id;
                self.dkg.invited(invitation);
                self.dkg.join_dkg_ceremony(session_id).await.map(drop)
            }
            Message::SigningInvitation(invitation) => self.signing.contribute(from, invitation).await,
            Message::Session(id, bytes) => self.router.handle_incoming_message(from, id, bytes).await,
            Message::SignatureShare(share) => self.signing.handle_signature_share(share).await,
            Message::PresignatureInvitation(invitation) => self.presignatures.contribute(from, invitation).await,
            Message::StateChanged(txid, state) => self.state_changed(&txid, state).await,
        }
    }

    /// The coordinator's word counts only after this node's own round has ended.
    async fn state_changed(&self, txid: &TxId, state: TransactionState) -> Result<()> {
        if !matches!(self.processor.outcome_by_hearsay(txid).await, RoundOutcome::Decided(_)) {
            return Ok(());
        }
        if state == TransactionState::Confirmed {
            self.processor.submit(txid)?;
            self.postgres.update_transaction_state(txid, TransactionState::Submitted).await?;
            self.processor.confirm(txid)?;
        }
        self.postgres.update_transaction_state(txid, state).await
    }

    fn impatient(&self) -> std::sync::MutexGuard<'_, HashSet<TxId>> {
        self.impatient.lock().expect("no panic under this lock")
    }
}

/// This node is active from here on. All nodes must agree on how many decide.
async fn join_cluster(config: &Config, mut etcd: EtcdStorage, heartbeat: &HeartbeatService) -> Result<()> {
    heartbeat.begin().await?;
    etcd.join(&config.quic_listen.to_string(), config.threshold).await?;
    let agreed = etcd.get_cluster_threshold().await?;
    if agreed as usize != config.threshold {
        return Err(Error::ConfigError(format!("THRESHOLD is {}, but {agreed} in the cluster", config.threshold)));
    }
    Ok(())
}

/// This node's secret vote key, and the public one of every node.
fn vote_keys(config: &Config) -> Result<(Ed25519KeyPair, HashMap<NodeId, Vec<u8>>)> {
    let read = |name: String| {
        std::fs::read(config.cert_dir.join(&name)).map_err(|e| Error::ConfigError(format!("{name}: {e}")))
    };
    let secret = Ed25519KeyPair::from_pkcs8(&read(format!("{}.vote.pk8", config.node_id))?)
        .map_err(|e| Error::ConfigError(format!("vote key: {e}")))?;
    let mut public = HashMap::new();
    for node in config.nodes() {
        public.insert(node, read(format!("{node}.vote.pub"))?);
    }
    Ok((secret, public))
}
