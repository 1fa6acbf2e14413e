// SPDX-License-Identifier: BSD-2-Clause
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use protocols::cggmp24::keygen::Cggmp24Key;
use protocols::cggmp24::presig_pool::{PresignatureId, PresignaturePool};
use protocols::cggmp24::presignature::{PreparedSignature, generate_presignature};
use protocols::cggmp24::signing::SigningMessage;
use protocols::cggmp24::{Message as Round, Secp256k1, TestLevel};
use protocols::session::Session;
use serde::Serialize;
use threshold_network::quic_engine::QuicEngine;
use threshold_types::{Error, NodeId, Result};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::dkg_service::KeyStore;
use crate::message_router::MessageRouter;
use crate::signers;
use crate::wire::{Message, PresignatureInvitation};

const TARGET_SIZE: usize = 2;
const TIMEOUT: Duration = Duration::from_secs(30);
/// After a batch that failed: doubled each time, up to a minute.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

type Pool = PresignaturePool<Secp256k1, TestLevel>;
type Prepared = PreparedSignature<Secp256k1, TestLevel>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PresignatureStats {
    pub current_size: usize,
    pub target_size: usize,
    pub generated: u64,
    pub used: u64,
    pub discarded: u64,
}

/// Keeps presignatures ready for the signatures that this node coordinates, and its part of those that its peers do.
pub struct PresignatureService {
    me: NodeId,
    nodes: Vec<NodeId>,
    engine: Arc<QuicEngine>,
    router: Arc<MessageRouter>,
    keys: Arc<KeyStore>,
    pool: Pool,
    /// By who coordinates. No peer has more than its target at a time, so what falls out of these was forgotten.
    for_peers: HashMap<NodeId, Pool>,
    used: Notify,
}

impl PresignatureService {
    pub fn new(
        me: NodeId,
        nodes: Vec<NodeId>,
        engine: Arc<QuicEngine>,
        router: Arc<MessageRouter>,
        keys: Arc<KeyStore>,
    ) -> Self {
        let peers = nodes.iter().filter(|node| **node != me);
        let for_peers = peers.map(|peer| (*peer, Pool::new(4 * TARGET_SIZE))).collect();
        let (pool, used) = (Pool::new(TARGET_SIZE), Notify::new());
        PresignatureService { me, nodes, engine, router, keys, pool, for_peers, used }
    }

    /// Refills the pool when there is a new key and when a presignature has been used. It sleeps in between.
    pub async fn run_generation_loop(&self) {
        let call = books::begin("run_generation_loop");
        let mut newest = self.keys.cggmp24.watch();
        let mut pause = FIRST_PAUSE;
        loop {
            let mut wait = Duration::MAX;
            let mut missing = 0;
            let key = newest.borrow_and_update().clone();
            if let Some(key) = key {
                self.pool.retain(key.id).await;
                let stats = self.get_stats().await;
                missing = stats.target_size.saturating_sub(stats.current_size);
            }
            if missing > 0 {
                match self.generate_batch(missing).await {
                    Ok(_) => {
                        pause = FIRST_PAUSE;
                        continue;
                    }
                    Err(error) => tracing::warn!(%error, "presignatures"),
                }
                wait = pause;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
            tokio::select! {
                changed = newest.changed() => if changed.is_err() { break },
                () = self.used.notified() => (),
                () = tokio::time::sleep(wait) => (),
            }
        }
        call.finish(true);
    }

    /// Makes so many with the newest key. Those made before one fails stay.
    pub async fn generate_batch(&self, count: usize) -> Result<usize> {
        let call = books::begin("generate_batch");
        let Some(key) = self.keys.cggmp24.newest() else {
            return call.close(Err(Error::SigningError("there is no CGGMP24 key yet".into())));
        };
        for _ in 0..count {
            books::attempt!(call, self.generate(&key).await);
        }
        call.close(Ok(count))
    }

    /// Sets one aside for one signature with this key.
    pub async fn acquire_presignature(&self, key_id: Uuid) -> Result<PresignatureId> {
        let call = books::begin("acquire_presignature");
        let reserved = self.pool.reserve(key_id).await.ok_or_else(|| Error::NotFound("a presignature".into()));
        if reserved.is_err() {
            self.used.notify_one();
        }
        call.close(reserved)
    }

    /// The one that was acquired. It is gone from the pool whatever becomes of the signature.
    pub async fn take(&self, id: PresignatureId) -> Result<Prepared> {
        let taken = self.pool.take(id).await;
        self.used.notify_one();
        taken.ok_or_else(|| Error::NotFound("an acquired presignature".into()))
    }

    /// This node's part of one that a peer uses.
    pub async fn take_for_peer(&self, coordinator: NodeId, id: PresignatureId) -> Result<Prepared> {
        let missing = || Error::NotFound(format!("presignature {} of {coordinator}", id.0));
        self.for_peers.get(&coordinator).ok_or_else(missing)?.take(id).await.ok_or_else(missing)
    }

    pub async fn get_stats(&self) -> PresignatureStats {
        let call = books::begin("get_stats");
        let pool = self.pool.stats().await;
        books::gauge("mpc_presignature_pool_size", &[("protocol", "cggmp24")], pool.size as i64);
        call.finish(true);
        PresignatureStats {
            current_size: pool.size,
            target_size: TARGET_SIZE,
            generated: pool.added,
            used: pool.taken,
            discarded: pool.discarded,
        }
    }

    /// The part of a signer who does not coordinate.
    pub async fn contribute(&self, coordinator: NodeId, invitation: PresignatureInvitation) -> Result<()> {
        let PresignatureInvitation { id, key_id, signers } = invitation;
        let signers: BTreeSet<NodeId> = signers.into_iter().collect();
        if !signers.contains(&self.me) || !signers.contains(&coordinator) {
            return Err(Error::InvalidState(format!("{coordinator} invites to a presignature of others")));
        }
        let pool = self.for_peers.get(&coordinator).ok_or_else(|| Error::NotFound(coordinator.to_string()))?;
        let mut session: Session<SigningMessage> = self.router.register_session(id.0, signers).await?;
        let generating = async {
            let key = self.keys.cggmp24.wait_for(key_id).await;
            generate_presignature(&mut session, &key).await
        };
        let generating = tokio::time::timeout(TIMEOUT, generating);
        let prepared = generating.await.map_err(|_| Error::Timeout(format!("presignature {}", id.0)))??;
        pool.add(id, prepared).await;
        session.send(coordinator, &Round::Done)
    }

    /// One that every signer has put away.
    async fn generate(&self, key: &Cggmp24Key) -> Result<()> {
        let id = PresignatureId(Uuid::new_v4());
        let signers = signers(self.me, &self.nodes, key.threshold());
        let invitation = PresignatureInvitation { id, key_id: key.id, signers: signers.iter().copied().collect() };
        let message = Message::PresignatureInvitation(invitation).encode()?;
        for signer in signers.iter().filter(|signer| **signer != self.me) {
            self.engine.send(*signer, &message).await?;
        }
        let mut session: Session<SigningMessage> = self.router.register_session(id.0, signers).await?;
        let generating = async {
            let prepared = generate_presignature(&mut session, key).await?;
            session.gather(|round| matches!(round, Round::Done).then_some(()).ok_or(round)).await?;
            Ok::<_, Error>(prepared)
        };
        let generating = tokio::time::timeout(TIMEOUT, generating);
        let prepared = generating.await.map_err(|_| Error::Timeout(format!("presignature {}", id.0)))??;
        self.pool.add(id, prepared).await;
        Ok(())
    }
}
