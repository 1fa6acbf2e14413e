// SPDX-License-Identifier: BSD-2-Clause
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use frost_secp256k1::round2;
use protocols::cggmp24::keygen::Cggmp24Key;
use protocols::cggmp24::presignature::PreparedSignature;
use protocols::cggmp24::signing::run_signing;
use protocols::cggmp24::signing_fast::sign_message_fast;
use protocols::cggmp24::{Secp256k1, TestLevel};
use protocols::frost::keygen::FrostKey;
use protocols::frost::signing::{Signed, combine, run_frost_signing};
use serde::Serialize;
use threshold_consensus::vote_processor::{RoundOutcome, VoteProcessor};
use threshold_network::quic_engine::QuicEngine;
use threshold_storage::postgres::PostgresStorage;
use threshold_types::{Error, NodeId, Result, SignatureProtocol, TransactionState, TxId};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::dkg_service::KeyStore;
use crate::message_router::MessageRouter;
use crate::presig_service::PresignatureService;
use crate::signers;
use crate::wire::{Message, SignatureShare, SigningInvitation};

const SIGNING_TIMEOUT: Duration = Duration::from_secs(10);
/// All rounds of CGGMP24 are much computing, where many sign at once.
const CGGMP24_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, Serialize)]
pub struct CombinedSignature {
    pub tx_id: TxId,
    pub protocol: SignatureProtocol,
    pub signature: Vec<u8>,
    pub public_key: Vec<u8>,
    pub signers: Vec<NodeId>,
}

pub struct SigningCoordinator {
    me: NodeId,
    nodes: Vec<NodeId>,
    threshold: usize,
    engine: Arc<QuicEngine>,
    router: Arc<MessageRouter>,
    keys: Arc<KeyStore>,
    presignatures: Arc<PresignatureService>,
    processor: Arc<VoteProcessor>,
    postgres: Arc<PostgresStorage>,
    /// Where the shares go of the signatures that this node coordinates.
    collecting: Mutex<HashMap<Uuid, mpsc::UnboundedSender<SignatureShare>>>,
}

/// Takes the entry out again when the signature is made, refused, or abandoned half way.
struct Collecting<'a> {
    coordinator: &'a SigningCoordinator,
    session_id: Uuid,
    shares: mpsc::UnboundedReceiver<SignatureShare>,
}

impl Drop for Collecting<'_> {
    fn drop(&mut self) {
        self.coordinator.collecting().remove(&self.session_id);
    }
}

impl SigningCoordinator {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        me: NodeId,
        nodes: Vec<NodeId>,
        threshold: usize,
        engine: Arc<QuicEngine>,
        router: Arc<MessageRouter>,
        keys: Arc<KeyStore>,
        presignatures: Arc<PresignatureService>,
        processor: Arc<VoteProcessor>,
        postgres: Arc<PostgresStorage>,
    ) -> Self {
        let collecting = Mutex::default();
        SigningCoordinator {
            me,
            nodes,
            threshold,
            engine,
            router,
            keys,
            presignatures,
            processor,
            postgres,
            collecting,
        }
    }

    pub async fn sign_transaction(
        &self,
        tx_id: &TxId,
        unsigned_tx: &[u8],
        protocol: SignatureProtocol,
    ) -> Result<CombinedSignature> {
        let labels = [("protocol", protocol.name())];
        let call = books::begin("sign_transaction").counts_result("mpc_signatures_total", &labels).times(
            "mpc_signature_duration_seconds",
            &labels,
            books::SIGNATURE_SECONDS,
        );
        books::attempt!(call, self.postgres.update_transaction_state(tx_id, TransactionState::Signing).await);
        let signed = match protocol {
            SignatureProtocol::FROST => self.sign_with_frost(tx_id, unsigned_tx).await,
            SignatureProtocol::CGGMP24 => self.sign_with_cggmp24(tx_id, unsigned_tx).await,
        };
        let (signature, public_key, signers) = books::attempt!(call, signed);
        books::attempt!(call, self.postgres.update_transaction_state(tx_id, TransactionState::Signed).await);
        let signers = signers.into_iter().collect();
        call.close(Ok(CombinedSignature { tx_id: tx_id.clone(), protocol, signature, public_key, signers }))
    }

    async fn sign_with_frost(&self, tx_id: &TxId, unsigned_tx: &[u8]) -> Result<Signature> {
        let key = self.keys.frost.newest().ok_or_else(|| Error::SigningError("there is no key yet".into()))?;
        let signers = signers(self.me, &self.nodes, self.threshold);
        let session_id = Uuid::new_v4();
        let collecting = self.collect(session_id);
        self.invite(SigningInvitation {
            session_id,
            tx_id: tx_id.clone(),
            protocol: SignatureProtocol::FROST,
            key_id: key.id,
            signers: signers.iter().copied().collect(),
            unsigned_tx: unsigned_tx.to_vec(),
            presignature: None,
        })
        .await?;
        let session = self.router.register_session(session_id, signers.clone()).await?;
        let rounds = async {
            let own = run_frost_signing(session, &key, unsigned_tx).await?;
            gather_shares(collecting, own, &signers).await
        };
        let Ok(gathered) = tokio::time::timeout(SIGNING_TIMEOUT, rounds).await else {
            return Err(Error::Timeout(format!("signing {tx_id}")));
        };
        let (own, shares) = gathered?;
        let (signature, public_key) = verified(&key, &own, &shares, unsigned_tx)?;
        Ok((signature, public_key, signers))
    }

    /// With a presignature where there is one, in all rounds where not.
    async fn sign_with_cggmp24(&self, tx_id: &TxId, unsigned_tx: &[u8]) -> Result<Signature> {
        let key = self.keys.cggmp24.newest().ok_or_else(|| Error::SigningError("there is no key yet".into()))?;
        let signers = signers(self.me, &self.nodes, key.threshold());
        let presignature = self.presignatures.acquire_presignature(key.id).await.ok();
        let prepared = match presignature {
            Some(id) => Some(self.presignatures.take(id).await?),
            None => None,
        };
        let invitation = SigningInvitation {
            session_id: Uuid::new_v4(),
            tx_id: tx_id.clone(),
            protocol: SignatureProtocol::CGGMP24,
            key_id: key.id,
            signers: signers.iter().copied().collect(),
            unsigned_tx: unsigned_tx.to_vec(),
            presignature,
        };
        self.invite(invitation.clone()).await?;
        let signature = self.run_cggmp24(&invitation, &key, prepared).await?;
        Ok((signature, key.public_key(), signers))
    }

    async fn invite(&self, invitation: SigningInvitation) -> Result<()> {
        let signers = invitation.signers.clone();
        let message = Message::SigningInvitation(invitation).encode()?;
        for signer in signers.into_iter().filter(|signer| *signer != self.me) {
            self.engine.send(signer, &message).await?;
        }
        Ok(())
    }

    /// What every signer does, who coordinates too.
    async fn run_cggmp24(
        &self,
        invitation: &SigningInvitation,
        key: &Cggmp24Key,
        prepared: Option<PreparedSignature<Secp256k1, TestLevel>>,
    ) -> Result<Vec<u8>> {
        let signers: BTreeSet<NodeId> = invitation.signers.iter().copied().collect();
        let (id, message) = (invitation.session_id, &invitation.unsigned_tx);
        let rounds = async {
            match prepared {
                Some(prepared) => {
                    let session = self.router.register_session(id, signers).await?;
                    sign_message_fast(session, key, prepared, message).await
                }
                None => run_signing(self.router.register_session(id, signers).await?, key, message).await,
            }
        };
        match tokio::time::timeout(CGGMP24_TIMEOUT, rounds).await {
            Ok(signed) => signed,
            Err(_) => Err(Error::Timeout(format!("signing {}", invitation.tx_id))),
        }
    }

    /// A share of a peer, for a signature that this node coordinates.
    pub async fn handle_signature_share(&self, share: SignatureShare) -> Result<()> {
        let call = books::begin("handle_signature_share");
        let Some(collector) = self.collecting().get(&share.session_id).cloned() else {
            return call.close(Err(Error::NotFound(format!("nobody waits for shares of {}", share.session_id))));
        };
        call.close(collector.send(share).map_err(|_| Error::InvalidState("the signature was abandoned".into())))
    }

    /// The part of a signer who does not coordinate. It signs nothing that it has not seen approved itself.
    pub async fn contribute(&self, coordinator: NodeId, invitation: SigningInvitation) -> Result<()> {
        // Once named to us it is spent, also where we refuse.
        let prepared = match invitation.presignature {
            Some(id) => Some(self.presignatures.take_for_peer(coordinator, id).await?),
            None => None,
        };
        let approved = matches!(
            self.processor.outcome_by_hearsay(&invitation.tx_id).await,
            RoundOutcome::Decided(result) if result.approved
        );
        let Some((transaction, _)) = self.postgres.get_transaction(&invitation.tx_id).await? else {
            return Err(Error::NotFound(invitation.tx_id.to_string()));
        };
        if !approved || transaction.unsigned_bytes() != invitation.unsigned_tx {
            return Err(Error::SigningError(format!("{} is not what was approved", invitation.tx_id)));
        }
        match invitation.protocol {
            SignatureProtocol::FROST => self.contribute_to_frost(coordinator, invitation).await,
            SignatureProtocol::CGGMP24 => {
                let key = self.keys.cggmp24.wait_for(invitation.key_id);
                let key = tokio::time::timeout(SIGNING_TIMEOUT, key).await.map_err(|_| no_key())?;
                self.run_cggmp24(&invitation, &key, prepared).await.map(drop)
            }
        }
    }

    async fn contribute_to_frost(&self, coordinator: NodeId, invitation: SigningInvitation) -> Result<()> {
        let key = self.keys.frost.get(invitation.key_id).ok_or_else(no_key)?;
        let session_id = invitation.session_id;
        let session = self.router.register_session(session_id, invitation.signers.into_iter().collect()).await?;
        let signed = run_frost_signing(session, &key, &invitation.unsigned_tx);
        let Ok(signed) = tokio::time::timeout(SIGNING_TIMEOUT, signed).await else {
            return Err(Error::Timeout(format!("signing {}", invitation.tx_id)));
        };
        let share = SignatureShare { session_id, node_id: self.me, share: signed?.share.serialize() };
        self.engine.send(coordinator, &Message::SignatureShare(share).encode()?).await?;
        Ok(())
    }

    fn collect(&self, session_id: Uuid) -> Collecting<'_> {
        let (sender, shares) = mpsc::unbounded_channel();
        self.collecting().insert(session_id, sender);
        Collecting { coordinator: self, session_id, shares }
    }

    fn collecting(&self) -> MutexGuard<'_, HashMap<Uuid, mpsc::UnboundedSender<SignatureShare>>> {
        self.collecting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The signature, the public key it belongs to, and who signed.
type Signature = (Vec<u8>, Vec<u8>, BTreeSet<NodeId>);
type Shares = BTreeMap<NodeId, round2::SignatureShare>;

fn no_key() -> Error {
    Error::NotFound("the key to sign with".into())
}

async fn gather_shares(
    mut collecting: Collecting<'_>,
    own: Signed,
    signers: &BTreeSet<NodeId>,
) -> Result<(Signed, Shares)> {
    let mut shares = Shares::from([(own.node, own.share)]);
    while shares.len() < signers.len() {
        let closed = || Error::SigningError("the collector is closed".into());
        let theirs = collecting.shares.recv().await.ok_or_else(closed)?;
        if signers.contains(&theirs.node_id) {
            let share = round2::SignatureShare::deserialize(&theirs.share);
            shares.insert(theirs.node_id, share.map_err(|e| Error::SigningError(e.to_string()))?);
        }
    }
    Ok((own, shares))
}

fn verified(key: &FrostKey, own: &Signed, shares: &Shares, message: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    let signature = combine(key, &own.package, shares)?;
    let public = key.public.verifying_key();
    public.verify(message, &signature).map_err(|e| Error::InvalidSignature(e.to_string()))?;
    let failed = |e: frost_secp256k1::Error| Error::SerializationError(e.to_string());
    Ok((signature.serialize().map_err(failed)?, public.serialize().map_err(failed)?))
}
