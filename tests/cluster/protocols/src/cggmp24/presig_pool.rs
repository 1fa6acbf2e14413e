// SPDX-License-Identifier: BSD-2-Clause
use std::collections::{HashMap, VecDeque};

use cggmp24::generic_ec::Curve;
use cggmp24::security_level::SecurityLevel;
use serde::{Deserialize, Serialize};
use tokio::sync::RwLock;
use uuid::Uuid;

use super::presignature::PreparedSignature;

/// The same on all signers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PresignatureId(pub Uuid);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    pub size: usize,
    pub added: u64,
    pub taken: u64,
    pub discarded: u64,
}

/// Presignatures until they are used, each of them once.
pub struct PresignaturePool<E: Curve, L: SecurityLevel> {
    capacity: usize,
    kept: RwLock<Kept<E, L>>,
}

struct Kept<E: Curve, L: SecurityLevel> {
    /// Oldest first.
    ready: VecDeque<(PresignatureId, PreparedSignature<E, L>)>,
    reserved: HashMap<PresignatureId, PreparedSignature<E, L>>,
    added: u64,
    taken: u64,
    discarded: u64,
}

impl<E: Curve, L: SecurityLevel> PresignaturePool<E, L> {
    pub fn new(capacity: usize) -> Self {
        let (ready, reserved) = (VecDeque::new(), HashMap::new());
        PresignaturePool { capacity, kept: RwLock::new(Kept { ready, reserved, added: 0, taken: 0, discarded: 0 }) }
    }

    /// How many are ready.
    pub async fn size(&self) -> usize {
        let call = books::begin("PresignaturePool::size");
        let size = self.kept.read().await.ready.len();
        call.finish(true);
        size
    }

    /// Where there is no room the oldest goes: it has been forgotten by who wanted it.
    pub async fn add(&self, id: PresignatureId, prepared: PreparedSignature<E, L>) {
        let call = books::begin("PresignaturePool::add");
        let mut kept = self.kept.write().await;
        kept.ready.push_back((id, prepared));
        kept.added += 1;
        if kept.ready.len() > self.capacity {
            kept.ready.pop_front();
            kept.discarded += 1;
        }
        call.finish(true);
    }

    /// Sets the oldest one for this key aside for one signature; those for older keys are of no use any more.
    pub async fn reserve(&self, key_id: Uuid) -> Option<PresignatureId> {
        let mut kept = self.kept.write().await;
        kept.discard_all_but(key_id);
        let (id, prepared) = kept.ready.pop_front()?;
        kept.reserved.insert(id, prepared);
        Some(id)
    }

    /// Nobody gets the same one again.
    pub async fn take(&self, id: PresignatureId) -> Option<PreparedSignature<E, L>> {
        let call = books::begin("PresignaturePool::take");
        let mut kept = self.kept.write().await;
        let found = match kept.reserved.remove(&id) {
            Some(prepared) => Some(prepared),
            None => {
                let at = kept.ready.iter().position(|(ready, _)| *ready == id);
                at.and_then(|at| kept.ready.remove(at)).map(|(_, prepared)| prepared)
            }
        };
        kept.taken += u64::from(found.is_some());
        call.finish(found.is_some());
        found
    }

    pub async fn retain(&self, key_id: Uuid) {
        self.kept.write().await.discard_all_but(key_id);
    }

    pub async fn stats(&self) -> PoolStats {
        let call = books::begin("PresignaturePool::stats");
        let size = self.size().await;
        let kept = self.kept.read().await;
        call.finish(true);
        PoolStats { size, added: kept.added, taken: kept.taken, discarded: kept.discarded }
    }
}

impl<E: Curve, L: SecurityLevel> Kept<E, L> {
    fn discard_all_but(&mut self, key_id: Uuid) {
        let before = self.ready.len();
        self.ready.retain(|(_, prepared)| prepared.key_id == key_id);
        self.discarded += (before - self.ready.len()) as u64;
    }
}
