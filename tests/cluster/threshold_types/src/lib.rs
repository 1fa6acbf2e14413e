// SPDX-License-Identifier: BSD-2-Clause
//! The types that the wallet's crates share.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TxId(pub String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(pub u64);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PeerId(pub String);

impl fmt::Display for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node-{}", self.0)
    }
}

impl From<NodeId> for PeerId {
    fn from(node: NodeId) -> Self {
        PeerId(node.to_string())
    }
}

pub fn unix_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis() as u64)
}

/// What a wallet user asks for. `value` of a vote is the digest of these fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    pub id: TxId,
    pub to: String,
    pub amount: u64,
    pub protocol: SignatureProtocol,
    /// Approved but not signed when false: signing costs far more than voting.
    pub sign: bool,
}

impl Transaction {
    pub fn unsigned_bytes(&self) -> Vec<u8> {
        format!("{}\0{}\0{}", self.id, self.to, self.amount).into_bytes()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    pub tx_id: TxId,
    pub node_id: NodeId,
    pub peer_id: PeerId,
    pub round_id: u64,
    pub approve: bool,
    pub value: u64,
    pub signature: Vec<u8>,
    pub public_key: Vec<u8>,
    pub timestamp: u64,
}

impl Vote {
    /// What the voter signs: every field but the signature and the key.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(96);
        for text in [&self.tx_id.0, &self.peer_id.0] {
            bytes.extend((text.len() as u64).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        for number in [self.node_id.0, self.round_id, self.approve as u64, self.value, self.timestamp] {
            bytes.extend(number.to_be_bytes());
        }
        bytes
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViolationType {
    DoubleVote,
    InvalidSignature,
    Timeout,
    MalformedMessage,
    MinorityVote,
}

impl ViolationType {
    pub fn name(self) -> &'static str {
        match self {
            ViolationType::DoubleVote => "double_vote",
            ViolationType::InvalidSignature => "invalid_signature",
            ViolationType::Timeout => "timeout",
            ViolationType::MalformedMessage => "malformed_message",
            ViolationType::MinorityVote => "minority_vote",
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct ByzantineViolation {
    pub id: Uuid,
    pub peer_id: PeerId,
    pub node_id: Option<NodeId>,
    pub tx_id: TxId,
    pub violation_type: ViolationType,
    pub evidence: serde_json::Value,
    pub detected_at: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConsensusResult {
    pub tx_id: TxId,
    pub approved: bool,
    pub value: u64,
    pub vote_count: u64,
    pub voters: Vec<NodeId>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum VoteProcessingResult {
    Accepted { count: u64 },
    ConsensusReached(ConsensusResult),
    Rejected { violation_type: ViolationType },
    Idempotent,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ByzantineCheckResult {
    Accepted { count: u64 },
    ThresholdReached { value: u64, count: u64 },
    Rejected(ViolationType),
    Idempotent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionState {
    Pending,
    Voting,
    Collecting,
    ThresholdReached,
    Approved,
    Rejected,
    Signing,
    Signed,
    Submitted,
    Broadcasting,
    Confirmed,
    Failed,
    AbortedByzantine,
}

impl TransactionState {
    pub const ALL: [TransactionState; 13] = {
        use TransactionState::*;
        [
            Pending,
            Voting,
            Collecting,
            ThresholdReached,
            Approved,
            Rejected,
            Signing,
            Signed,
            Submitted,
            Broadcasting,
            Confirmed,
            Failed,
            AbortedByzantine,
        ]
    };

    pub fn name(self) -> &'static str {
        match self {
            TransactionState::Pending => "pending",
            TransactionState::Voting => "voting",
            TransactionState::Collecting => "collecting",
            TransactionState::ThresholdReached => "threshold_reached",
            TransactionState::Approved => "approved",
            TransactionState::Rejected => "rejected",
            TransactionState::Signing => "signing",
            TransactionState::Signed => "signed",
            TransactionState::Submitted => "submitted",
            TransactionState::Broadcasting => "broadcasting",
            TransactionState::Confirmed => "confirmed",
            TransactionState::Failed => "failed",
            TransactionState::AbortedByzantine => "aborted_byzantine",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureProtocol {
    CGGMP24,
    FROST,
}

impl SignatureProtocol {
    pub fn name(self) -> &'static str {
        match self {
            SignatureProtocol::CGGMP24 => "cggmp24",
            SignatureProtocol::FROST => "frost",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProtocolType {
    CGGMP24,
    FROST,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("configuration: {0}")]
    ConfigError(String),
    #[error("storage: {0}")]
    StorageError(String),
    #[error("network: {0}")]
    NetworkError(String),
    #[error("consensus: {0}")]
    ConsensusError(String),
    #[error("cryptography: {0}")]
    CryptoError(String),
    #[error("signature does not verify: {0}")]
    InvalidSignature(String),
    #[error("invalid vote: {0}")]
    InvalidVote(String),
    #[error("byzantine: {0}")]
    ByzantineError(String),
    #[error("not found: {0}")]
    NotFound(String),
    #[error("wrong state: {0}")]
    InvalidState(String),
    #[error("timed out: {0}")]
    Timeout(String),
    #[error("serialization: {0}")]
    SerializationError(String),
    #[error("key generation: {0}")]
    DkgError(String),
    #[error("signing: {0}")]
    SigningError(String),
    #[error("not supported: {0}")]
    Unsupported(String),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("connection failed: {0}")]
    ConnectionFailed(String),
    #[error("connection lost: {0}")]
    ConnectionLost(String),
    #[error("send failed: {0}")]
    SendFailed(String),
    #[error("receive failed: {0}")]
    ReceiveFailed(String),
    #[error("timed out: {0}")]
    Timeout(String),
    #[error("certificate: {0}")]
    CertificateError(String),
    #[error("tls: {0}")]
    TlsError(String),
}

pub type NetworkResult<T> = std::result::Result<T, NetworkError>;

impl From<NetworkError> for Error {
    fn from(error: NetworkError) -> Self {
        Error::NetworkError(error.to_string())
    }
}
