// SPDX-License-Identifier: BSD-2-Clause
use std::collections::{HashMap, HashSet};
use std::sync::Mutex as SyncMutex;
use std::sync::atomic::{AtomicBool, Ordering};

use threshold_types::{ByzantineViolation, Error, Result, Transaction, TransactionState, TxId, Vote};
use tokio::sync::Mutex;

use crate::Latency;

#[derive(Default)]
pub struct PostgresStorage {
    tables: Mutex<Tables>,
    latency: Latency,
    /// Faults for tests: a vote for one of these transactions hits a bug in the driver and panics …
    poisoned: SyncMutex<HashSet<TxId>>,
    /// … and the next violation cannot be recorded.
    violation_fails: AtomicBool,
}

#[derive(Default)]
struct Tables {
    transactions: HashMap<TxId, (Transaction, TransactionState)>,
    votes: HashMap<TxId, Vec<Vote>>,
    rounds: HashMap<TxId, VotingRound>,
    violations: u64,
}

#[derive(Default)]
struct VotingRound {
    approved: Option<bool>,
    completed: bool,
}

impl PostgresStorage {
    /// Says whether the transaction is new.
    pub async fn create_transaction(&self, transaction: &Transaction) -> Result<bool> {
        let call = books::begin("create_transaction");
        self.latency.wait().await;
        let mut tables = self.tables.lock().await;
        let new = !tables.transactions.contains_key(&transaction.id);
        if new {
            tables.transactions.insert(transaction.id.clone(), (transaction.clone(), TransactionState::Pending));
        }
        call.close(Ok(new))
    }

    pub async fn update_transaction_state(&self, txid: &TxId, new_state: TransactionState) -> Result<()> {
        let call =
            books::begin("update_transaction_state").counts("mpc_transactions_total", &[("state", new_state.name())]);
        self.latency.wait().await;
        let mut tables = self.tables.lock().await;
        let Some((_, state)) = tables.transactions.get_mut(txid) else {
            return call.close(Err(Error::NotFound(txid.to_string())));
        };
        if is_final(*state) {
            return call.close(Err(Error::InvalidState(format!("{txid} is already {}", state.name()))));
        }
        *state = new_state;
        drop(tables);
        self.latency.wait().await;
        call.close(Ok(()))
    }

    pub async fn get_transaction(&self, txid: &TxId) -> Option<(Transaction, TransactionState)> {
        self.latency.wait().await;
        self.tables.lock().await.transactions.get(txid).cloned()
    }

    pub async fn get_transactions_by_state(&self, state: &str) -> Result<Vec<Transaction>> {
        let call = books::begin("get_transactions_by_state");
        self.latency.wait().await;
        let tables = self.tables.lock().await;
        let found = tables.transactions.values().filter(|(_, s)| s.name() == state).map(|(t, _)| t.clone()).collect();
        call.close(Ok(found))
    }

    pub async fn record_vote(&self, vote: &Vote) -> Result<()> {
        let call = books::begin("record_vote");
        self.latency.wait().await;
        if self.poisoned.lock().expect("no panic under this lock").remove(&vote.tx_id) {
            panic!("injected");
        }
        self.tables.lock().await.votes.entry(vote.tx_id.clone()).or_default().push(vote.clone());
        call.close(Ok(()))
    }

    pub async fn record_byzantine_violation(&self, violation: &ByzantineViolation) -> Result<()> {
        let call = books::begin("record_byzantine_violation");
        self.latency.wait().await;
        if self.violation_fails.swap(false, Ordering::Relaxed) {
            let why = format!("violation {} could not be recorded", violation.id);
            return call.close(Err(Error::StorageError(why)));
        }
        self.tables.lock().await.violations += 1;
        call.close(Ok(()))
    }

    pub async fn create_voting_round(&self, txid: &TxId) -> Result<()> {
        let call = books::begin("create_voting_round");
        self.latency.wait().await;
        self.tables.lock().await.rounds.entry(txid.clone()).or_default();
        call.close(Ok(()))
    }

    pub async fn update_voting_round_approved(&self, txid: &TxId, approved: bool) -> Result<()> {
        let call = books::begin("update_voting_round_approved");
        self.latency.wait().await;
        self.tables.lock().await.rounds.entry(txid.clone()).or_default().approved = Some(approved);
        call.close(Ok(()))
    }

    pub async fn update_voting_round_completed(&self, txid: &TxId) -> Result<()> {
        let call = books::begin("update_voting_round_completed");
        self.latency.wait().await;
        let mut tables = self.tables.lock().await;
        let round = tables.rounds.entry(txid.clone()).or_default();
        round.completed = round.approved.is_some();
        call.close(Ok(()))
    }

    pub fn poison(&self, txid: &TxId) {
        self.poisoned.lock().expect("no panic under this lock").insert(txid.clone());
    }

    pub fn fail_next_violation(&self) {
        self.violation_fails.store(true, Ordering::Relaxed);
    }

    /// Old transactions go, so that a node can run for days.
    pub async fn forget(&self, txid: &TxId) {
        let mut tables = self.tables.lock().await;
        tables.transactions.remove(txid);
        tables.votes.remove(txid);
        tables.rounds.remove(txid);
    }
}

fn is_final(state: TransactionState) -> bool {
    use TransactionState::*;
    matches!(state, Confirmed | Failed | AbortedByzantine)
}
