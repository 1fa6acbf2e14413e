// SPDX-License-Identifier: BSD-2-Clause
use protocols::cggmp24::presig_pool::PresignatureId;
use serde::{Deserialize, Serialize};
use threshold_types::{
    Error, NodeId, ProtocolType, Result, SignatureProtocol, Transaction, TransactionState, TxId, Vote,
};
use uuid::Uuid;

/// What nodes say to each other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Message {
    VoteRequest(Transaction),
    /// The transaction comes along, because a vote may overtake the request.
    Vote(Transaction, Vote),
    DkgInvitation(DkgInvitation),
    SigningInvitation(SigningInvitation),
    /// A message of a running protocol.
    Session(Uuid, Vec<u8>),
    SignatureShare(SignatureShare),
    StateChanged(TxId, TransactionState),
    PresignatureInvitation(PresignatureInvitation),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DkgInvitation {
    pub session_id: Uuid,
    pub protocol: ProtocolType,
    pub threshold: u32,
    pub total_nodes: u32,
    /// CGGMP24's auxiliary information is made in a session of its own.
    pub aux_info_session_id: Uuid,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SigningInvitation {
    pub session_id: Uuid,
    pub tx_id: TxId,
    pub protocol: SignatureProtocol,
    pub key_id: Uuid,
    pub signers: Vec<NodeId>,
    pub unsigned_tx: Vec<u8>,
    /// Of CGGMP24: the one that all signers use, and then nobody any more.
    pub presignature: Option<PresignatureId>,
}

/// The session has the presignature's id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PresignatureInvitation {
    pub id: PresignatureId,
    pub key_id: Uuid,
    pub signers: Vec<NodeId>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignatureShare {
    pub session_id: Uuid,
    pub node_id: NodeId,
    pub share: Vec<u8>,
}

impl Message {
    pub fn encode(&self) -> Result<Vec<u8>> {
        postcard::to_stdvec(self).map_err(|e| Error::SerializationError(e.to_string()))
    }

    pub fn decode(bytes: &[u8]) -> Result<Self> {
        postcard::from_bytes(bytes).map_err(|e| Error::SerializationError(e.to_string()))
    }
}
