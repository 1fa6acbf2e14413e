// SPDX-License-Identifier: BSD-2-Clause
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::{Mutex as SyncMutex, MutexGuard, PoisonError};
use std::time::Duration;

use threshold_storage::etcd::EtcdStorage;
use threshold_storage::postgres::PostgresStorage;
use threshold_types::{
    ByzantineCheckResult, ConsensusResult, Error, Result, TransactionState, TxId, ViolationType, Vote,
    VoteProcessingResult,
};
use tokio::sync::{Mutex, watch};

use crate::byzantine::ByzantineDetector;
use crate::fsm::{VoteFSM, VoteState};

/// Longer than any round of which this node was told.
const UNTOLD: Duration = Duration::from_secs(60);

/// From the first vote on a transaction to the note in the database that it is decided.
const ROUND: &str = "mpc_consensus_round_duration_seconds";

/// How a round ended, for those who wait for it.
#[derive(Clone, Debug, PartialEq)]
pub enum RoundOutcome {
    Open,
    Decided(ConsensusResult),
    AbortedByzantine,
    TimedOut,
}

struct Round {
    fsm: VoteFSM,
    outcome: watch::Sender<RoundOutcome>,
}

pub struct VoteProcessor {
    detector: Arc<Mutex<ByzantineDetector>>,
    etcd: EtcdStorage,
    postgres: Arc<PostgresStorage>,
    rounds: SyncMutex<HashMap<TxId, Round>>,
}

impl VoteProcessor {
    pub fn new(
        detector: Arc<Mutex<ByzantineDetector>>,
        etcd: EtcdStorage,
        postgres: Arc<PostgresStorage>,
    ) -> VoteProcessor {
        VoteProcessor { detector, etcd, postgres, rounds: SyncMutex::default() }
    }

    pub async fn process_vote(&self, vote: Vote) -> Result<VoteProcessingResult, Error> {
        let approve = if vote.approve { "approve" } else { "reject" };
        let call = books::begin("process_vote").counts("mpc_votes_total", &[("result", approve)]).times(
            "mpc_vote_processing_duration_seconds",
            &[],
            books::VOTE_SECONDS,
        );
        books::span_begins(ROUND, &vote.tx_id.0);
        let checked = {
            let mut detector = self.detector.lock().await;
            detector.check_vote(&vote).await
        };
        match books::attempt!(call, checked) {
            ByzantineCheckResult::Idempotent => call.close(Ok(VoteProcessingResult::Idempotent)),
            ByzantineCheckResult::Rejected(violation_type) => {
                if violation_type == ViolationType::DoubleVote && self.abort(&vote.tx_id) {
                    let aborted = TransactionState::AbortedByzantine;
                    books::attempt!(call, self.postgres.update_transaction_state(&vote.tx_id, aborted).await);
                    self.publish(&vote.tx_id, RoundOutcome::AbortedByzantine);
                }
                call.close(Ok(VoteProcessingResult::Rejected { violation_type }))
            }
            ByzantineCheckResult::Accepted { count } => {
                books::attempt!(call, self.postgres.record_vote(&vote).await);
                call.close(Ok(VoteProcessingResult::Accepted { count }))
            }
            ByzantineCheckResult::ThresholdReached { value, count } => {
                books::attempt!(call, self.postgres.record_vote(&vote).await);
                books::attempt!(call, self.reach_threshold(&vote.tx_id));
                let reached = TransactionState::ThresholdReached;
                books::attempt!(call, self.postgres.update_transaction_state(&vote.tx_id, reached).await);
                books::attempt!(call, self.postgres.update_voting_round_approved(&vote.tx_id, vote.approve).await);
                let decided = if vote.approve { TransactionState::Approved } else { TransactionState::Rejected };
                books::attempt!(call, self.postgres.update_transaction_state(&vote.tx_id, decided).await);
                books::attempt!(call, self.postgres.update_voting_round_completed(&vote.tx_id).await);
                let votes = books::attempt!(call, self.etcd.clone().get_votes(&vote.tx_id).await);
                let result = ConsensusResult {
                    tx_id: vote.tx_id.clone(),
                    approved: vote.approve,
                    value,
                    vote_count: count,
                    voters: votes.iter().map(|vote| vote.node_id).collect(),
                };
                self.publish(&vote.tx_id, RoundOutcome::Decided(result.clone()));
                call.close(Ok(VoteProcessingResult::ConsensusReached(result)))
            }
        }
    }

    /// Resolves when the round of this transaction is no longer open. (The timeout monitor ends every round.)
    pub async fn wait_for_outcome(&self, txid: &TxId) -> RoundOutcome {
        let mut outcome = self.with_round(txid, |round| round.outcome.subscribe());
        let ended = outcome.wait_for(|outcome| *outcome != RoundOutcome::Open).await;
        ended.map_or(RoundOutcome::TimedOut, |outcome| outcome.clone())
    }

    /// The same for a round that a peer speaks of. Where this node was never told of it, as when it was away,
    /// nothing ends it here, and it is given up.
    pub async fn outcome_by_hearsay(&self, txid: &TxId) -> RoundOutcome {
        tokio::time::timeout(UNTOLD, self.wait_for_outcome(txid)).await.unwrap_or(RoundOutcome::TimedOut)
    }

    /// Says whether the round was still open.
    pub fn time_out(&self, txid: &TxId) -> bool {
        let open = self.with_round(txid, |round| *round.outcome.borrow() == RoundOutcome::Open);
        if open {
            self.publish(txid, RoundOutcome::TimedOut);
        }
        open
    }

    pub fn submit(&self, txid: &TxId) -> Result<()> {
        self.with_round(txid, |round| round.fsm.submit())
    }

    pub fn confirm(&self, txid: &TxId) -> Result<()> {
        self.with_round(txid, |round| round.fsm.confirm())
    }

    pub fn forget(&self, txid: &TxId) {
        books::span_forgotten(ROUND, &txid.0);
        self.rounds().remove(txid);
    }

    fn reach_threshold(&self, txid: &TxId) -> Result<()> {
        self.with_round(txid, |round| round.fsm.reach_threshold())
    }

    fn abort(&self, txid: &TxId) -> bool {
        self.with_round(txid, |round| round.fsm.state() == VoteState::Collecting && round.fsm.abort_byzantine().is_ok())
    }

    fn publish(&self, txid: &TxId, outcome: RoundOutcome) {
        self.with_round(txid, |round| round.outcome.send_replace(outcome));
    }

    fn with_round<T>(&self, txid: &TxId, act: impl FnOnce(&mut Round) -> T) -> T {
        let mut rounds = self.rounds();
        let open = || Round { fsm: VoteFSM::default(), outcome: watch::channel(RoundOutcome::Open).0 };
        act(rounds.entry(txid.clone()).or_insert_with(open))
    }

    fn rounds(&self) -> MutexGuard<'_, HashMap<TxId, Round>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
