// SPDX-License-Identifier: BSD-2-Clause
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use threshold_consensus::byzantine::ByzantineDetector;
use threshold_consensus::vote_processor::VoteProcessor;
use threshold_storage::postgres::PostgresStorage;
use threshold_types::{ByzantineViolation, NodeId, Result, TransactionState, TxId, ViolationType, unix_millis};
use uuid::Uuid;

pub const VOTING_TIMEOUT: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(250);
/// How long a transaction can be asked for, counted from the end of its voting time.
const RETENTION: Duration = Duration::from_secs(120);

/// Ends rounds that stay open, accuses the silent, and forgets what is old.
pub struct TimeoutMonitor {
    me: NodeId,
    detector: Arc<tokio::sync::Mutex<ByzantineDetector>>,
    processor: Arc<VoteProcessor>,
    postgres: Arc<PostgresStorage>,
    rounds: Mutex<HashMap<TxId, Watched>>,
}

#[derive(Clone, Copy)]
struct Watched {
    since: Instant,
    checked: bool,
}

impl TimeoutMonitor {
    pub fn new(
        me: NodeId,
        detector: Arc<tokio::sync::Mutex<ByzantineDetector>>,
        processor: Arc<VoteProcessor>,
        postgres: Arc<PostgresStorage>,
    ) -> Self {
        TimeoutMonitor { me, detector, processor, postgres, rounds: Mutex::default() }
    }

    pub fn watch(&self, txid: &TxId) {
        self.rounds().insert(txid.clone(), Watched { since: Instant::now(), checked: false });
    }

    /// Rounds whose voting time is not over: until then a violation may still be found.
    pub fn open_rounds(&self) -> usize {
        self.rounds().values().filter(|round| !round.checked).count()
    }

    pub async fn run(&self) {
        loop {
            tokio::time::sleep(TICK).await;
            for (txid, round) in self.overdue() {
                let done = if round.checked { self.forget(&txid).await } else { self.end_round(&txid).await };
                if let Err(error) = done {
                    tracing::warn!(%txid, %error, "end of voting");
                }
            }
        }
    }

    fn overdue(&self) -> Vec<(TxId, Watched)> {
        let is_due = |round: &Watched| {
            let due = if round.checked { VOTING_TIMEOUT + RETENTION } else { VOTING_TIMEOUT };
            round.since.elapsed() >= due
        };
        self.rounds().iter().filter(|(_, round)| is_due(round)).map(|(txid, round)| (txid.clone(), *round)).collect()
    }

    async fn end_round(&self, txid: &TxId) -> Result<()> {
        let ended = self.accuse_the_silent(txid).await;
        if self.processor.time_out(txid) {
            self.postgres.update_transaction_state(txid, TransactionState::Failed).await?;
        }
        if let Some(round) = self.rounds().get_mut(txid) {
            round.checked = true;
        }
        ended
    }

    async fn accuse_the_silent(&self, txid: &TxId) -> Result<()> {
        let mut detector = self.detector.lock().await;
        for node in detector.silent_nodes(txid).await? {
            if node == self.me {
                continue;
            }
            let violation = ByzantineViolation {
                id: Uuid::new_v4(),
                peer_id: node.into(),
                node_id: Some(node),
                tx_id: txid.clone(),
                violation_type: ViolationType::Timeout,
                evidence: json!({"waited_seconds": VOTING_TIMEOUT.as_secs()}),
                detected_at: unix_millis(),
            };
            detector.handle_byzantine_violation(&violation).await?;
        }
        Ok(())
    }

    async fn forget(&self, txid: &TxId) -> Result<()> {
        self.rounds().remove(txid);
        self.processor.forget(txid);
        self.detector.lock().await.forget(txid).await?;
        self.postgres.forget(txid).await
    }

    fn rounds(&self) -> MutexGuard<'_, HashMap<TxId, Watched>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
