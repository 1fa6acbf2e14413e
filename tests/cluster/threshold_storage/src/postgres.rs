// SPDX-License-Identifier: BSD-2-Clause
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use threshold_types::{
    ByzantineViolation, Error, Result, SignatureProtocol, Transaction, TransactionState, TxId, Vote,
};
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};

const CONNECTIONS: usize = 8;
/// Longer than a restart of the server takes.
const PATIENCE: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS transactions (
        id text PRIMARY KEY, recipient text NOT NULL, amount bigint NOT NULL, protocol text NOT NULL,
        sign boolean NOT NULL, state text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now());
    CREATE INDEX IF NOT EXISTS transactions_state ON transactions (state);
    CREATE TABLE IF NOT EXISTS voting_rounds (
        tx_id text PRIMARY KEY, approved boolean, opened_at timestamptz NOT NULL DEFAULT now(),
        completed_at timestamptz);
    CREATE TABLE IF NOT EXISTS votes (
        tx_id text, node_id bigint, round_id bigint NOT NULL, approve boolean NOT NULL, value bigint NOT NULL,
        signature bytea NOT NULL, cast_at bigint NOT NULL, PRIMARY KEY (tx_id, node_id));
    CREATE TABLE IF NOT EXISTS byzantine_violations (
        id text PRIMARY KEY, peer_id text NOT NULL, node_id bigint, tx_id text NOT NULL, violation_type text NOT NULL,
        evidence jsonb NOT NULL, detected_at bigint NOT NULL);
    CREATE TABLE IF NOT EXISTS audit_log (
        id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), event text NOT NULL, subject text NOT NULL,
        detail text NOT NULL);
";

/// A state that is final stays; every change is in the audit log. One statement, so one transaction.
const UPDATE_STATE: &str = "
    WITH before AS (SELECT state FROM transactions WHERE id = $1 FOR UPDATE),
    changed AS (
        UPDATE transactions SET state = $2, updated_at = now()
        WHERE id = $1 AND (SELECT state FROM before) NOT IN ('confirmed', 'failed', 'aborted_byzantine')
        RETURNING id),
    logged AS (INSERT INTO audit_log (event, subject, detail) SELECT 'transaction_state', id, $2 FROM changed)
    SELECT (SELECT state FROM before), EXISTS (SELECT FROM changed)";
const INSERT_VIOLATION: &str = "
    WITH recorded AS (
        INSERT INTO byzantine_violations (id, peer_id, node_id, tx_id, violation_type, evidence, detected_at)
        VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7) RETURNING peer_id, violation_type)
    INSERT INTO audit_log (event, subject, detail) SELECT 'byzantine_violation', peer_id, violation_type FROM recorded";
const FORGET: &str = "
    WITH votes AS (DELETE FROM votes WHERE tx_id = $1), rounds AS (DELETE FROM voting_rounds WHERE tx_id = $1)
    DELETE FROM transactions WHERE id = $1";

type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

pub struct PostgresStorage {
    pool: Pool,
    /// Faults for tests: a vote for one of these transactions hits a bug in the driver and panics …
    poisoned: Mutex<HashSet<TxId>>,
    /// … and the next violation cannot be recorded.
    violation_fails: AtomicBool,
}

impl PostgresStorage {
    /// Makes the tables where they are missing.
    pub async fn connect(url: &str) -> Result<Self> {
        let config = url.parse().map_err(|e| Error::ConfigError(format!("address of the database: {e}")))?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(config, NoTls, recycling))
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(PATIENCE))
            .create_timeout(Some(PATIENCE))
            .build()
            .map_err(failed)?;
        pool.get().await.map_err(failed)?.batch_execute(SCHEMA).await.map_err(failed)?;
        Ok(PostgresStorage { pool, poisoned: Mutex::default(), violation_fails: AtomicBool::new(false) })
    }

    // ---- transactions -------------------------------------------------------------------------

    /// Says whether the transaction is new.
    pub async fn create_transaction(&self, transaction: &Transaction) -> Result<bool> {
        let call = books::begin("create_transaction");
        let sql = "INSERT INTO transactions (id, recipient, amount, protocol, sign, state)
            VALUES ($1, $2, $3, $4, $5, 'pending') ON CONFLICT DO NOTHING";
        let Transaction { id, to, amount, protocol, sign } = transaction;
        let values: Values = &[&id.0, to, &(*amount as i64), &protocol.name(), sign];
        let new = books::attempt!(call, self.execute(sql, values).await);
        call.close(Ok(new > 0))
    }

    pub async fn update_transaction_state(&self, txid: &TxId, new_state: TransactionState) -> Result<()> {
        let call =
            books::begin("update_transaction_state").counts("mpc_transactions_total", &[("state", new_state.name())]);
        let rows = books::attempt!(call, self.query(UPDATE_STATE, &[&txid.0, &new_state.name()]).await);
        let (before, changed): (Option<String>, bool) =
            rows.first().map_or((None, false), |row| (row.get(0), row.get(1)));
        call.close(match before {
            None => Err(Error::NotFound(txid.to_string())),
            Some(before) if !changed => Err(Error::InvalidState(format!("{txid} is already {before}"))),
            Some(_) => Ok(()),
        })
    }

    pub async fn get_transaction(&self, txid: &TxId) -> Result<Option<(Transaction, TransactionState)>> {
        let sql = "SELECT id, recipient, amount, protocol, sign, state FROM transactions WHERE id = $1";
        let rows = self.query(sql, &[&txid.0]).await?;
        rows.first().map(|row| Ok((transaction(row)?, state(row.get(5))?))).transpose()
    }

    pub async fn get_transactions_by_state(&self, state: &str) -> Result<Vec<Transaction>> {
        let call = books::begin("get_transactions_by_state");
        let found = self.list_transactions(state, i64::MAX).await;
        if let Ok(found) = &found {
            books::gauge("mpc_transaction_queue_size", &[], found.len() as i64);
        }
        call.close(found)
    }

    /// The oldest ones, for a person who asks.
    pub async fn list_transactions(&self, state: &str, limit: i64) -> Result<Vec<Transaction>> {
        let sql = "SELECT id, recipient, amount, protocol, sign FROM transactions WHERE state = $1
            ORDER BY created_at LIMIT $2";
        self.query(sql, &[&state, &limit]).await?.iter().map(transaction).collect()
    }

    /// Old transactions go, so that a node can run for days. Violations and the audit log stay.
    pub async fn forget(&self, txid: &TxId) -> Result<()> {
        self.execute(FORGET, &[&txid.0]).await.map(drop)
    }

    // ---- votes, rounds and violations ---------------------------------------------------------

    pub async fn record_vote(&self, vote: &Vote) -> Result<()> {
        let call = books::begin("record_vote");
        if self.poisoned.lock().expect("no panic under this lock").remove(&vote.tx_id) {
            panic!("injected");
        }
        let sql = "INSERT INTO votes (tx_id, node_id, round_id, approve, value, signature, cast_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
        let (node, round) = (vote.node_id.0 as i64, vote.round_id as i64);
        let (value, cast_at) = (vote.value as i64, vote.timestamp as i64);
        let values: Values = &[&vote.tx_id.0, &node, &round, &vote.approve, &value, &vote.signature, &cast_at];
        call.close(self.execute(sql, values).await.map(drop))
    }

    pub async fn record_byzantine_violation(&self, violation: &ByzantineViolation) -> Result<()> {
        let call = books::begin("record_byzantine_violation");
        if self.violation_fails.swap(false, Ordering::Relaxed) {
            let why = format!("violation {} could not be recorded", violation.id);
            return call.close(Err(Error::StorageError(why)));
        }
        let (id, node) = (violation.id.to_string(), violation.node_id.map(|node| node.0 as i64));
        let (kind, evidence) = (violation.violation_type.name(), violation.evidence.to_string());
        let detected_at = violation.detected_at as i64;
        let values: Values = &[&id, &violation.peer_id.0, &node, &violation.tx_id.0, &kind, &evidence, &detected_at];
        call.close(self.execute(INSERT_VIOLATION, values).await.map(drop))
    }

    pub async fn create_voting_round(&self, txid: &TxId) -> Result<()> {
        let call = books::begin("create_voting_round");
        let sql = "INSERT INTO voting_rounds (tx_id) VALUES ($1) ON CONFLICT DO NOTHING";
        call.close(self.execute(sql, &[&txid.0]).await.map(drop))
    }

    pub async fn update_voting_round_approved(&self, txid: &TxId, approved: bool) -> Result<()> {
        let call = books::begin("update_voting_round_approved");
        let sql = "INSERT INTO voting_rounds (tx_id, approved) VALUES ($1, $2)
            ON CONFLICT (tx_id) DO UPDATE SET approved = $2";
        call.close(self.execute(sql, &[&txid.0, &approved]).await.map(drop))
    }

    pub async fn update_voting_round_completed(&self, txid: &TxId) -> Result<()> {
        let call = books::begin("update_voting_round_completed");
        let sql = "UPDATE voting_rounds SET completed_at = now() WHERE tx_id = $1 AND approved IS NOT NULL";
        let done = self.execute(sql, &[&txid.0]).await.map(drop);
        books::span_ends("mpc_consensus_round_duration_seconds", &txid.0, books::ROUND_SECONDS);
        call.close(done)
    }

    // ---- faults -------------------------------------------------------------------------------

    pub fn poison(&self, txid: &TxId) {
        self.poisoned.lock().expect("no panic under this lock").insert(txid.clone());
    }

    pub fn fail_next_violation(&self) {
        self.violation_fails.store(true, Ordering::Relaxed);
    }

    // ---- statements ---------------------------------------------------------------------------

    async fn execute(&self, sql: &str, values: Values<'_>) -> Result<u64> {
        let client = self.pool.get().await.map_err(failed)?;
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        client.execute(&statement, values).await.map_err(failed)
    }

    async fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>> {
        let client = self.pool.get().await.map_err(failed)?;
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        client.query(&statement, values).await.map_err(failed)
    }
}

/// Errors of the database keep what matters in their source.
fn failed(error: impl std::error::Error) -> Error {
    let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    Error::StorageError(format!("PostgreSQL: {error}{source}"))
}

fn transaction(row: &Row) -> Result<Transaction> {
    let protocol = match row.get(3) {
        "cggmp24" => SignatureProtocol::CGGMP24,
        "frost" => SignatureProtocol::FROST,
        other => return Err(Error::SerializationError(format!("protocol {other} in the database"))),
    };
    let (to, amount): (String, i64) = (row.get(1), row.get(2));
    Ok(Transaction { id: TxId(row.get(0)), to, amount: amount as u64, protocol, sign: row.get(4) })
}

fn state(name: &str) -> Result<TransactionState> {
    let unknown = || Error::SerializationError(format!("state {name} in the database"));
    TransactionState::ALL.into_iter().find(|state| state.name() == name).ok_or_else(unknown)
}
