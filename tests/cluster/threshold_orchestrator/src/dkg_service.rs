// SPDX-License-Identifier: BSD-2-Clause
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use protocols::cggmp24::keygen::{Cggmp24Key, primes_of, run_aux_info_gen, run_keygen};
use protocols::frost::keygen::{FrostKey, run_frost_keygen};
use serde::Serialize;
use threshold_network::quic_engine::QuicEngine;
use threshold_types::{Error, NodeId, ProtocolType, Result};
use tokio::sync::watch;
use uuid::Uuid;

use crate::message_router::MessageRouter;
use crate::wire::{DkgInvitation, Message};

const DKG_TIMEOUT: Duration = Duration::from_secs(20);
/// The proofs take seconds of computing on every node.
const CGGMP24_DKG_TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Clone, Debug, Serialize)]
pub struct DkgResult {
    pub session_id: Uuid,
    pub protocol: ProtocolType,
    pub public_key: Vec<u8>,
    pub threshold: u32,
    pub participants: Vec<NodeId>,
}

/// The key shares of this node.
#[derive(Default)]
pub struct KeyStore {
    pub frost: Keys<FrostKey>,
    pub cggmp24: Keys<Cggmp24Key>,
}

/// A peer may still sign with the key before last, so all are kept.
pub struct Keys<K> {
    all: RwLock<HashMap<Uuid, Arc<K>>>,
    newest: watch::Sender<Option<Arc<K>>>,
}

impl<K> Default for Keys<K> {
    fn default() -> Self {
        Keys { all: RwLock::default(), newest: watch::Sender::new(None) }
    }
}

impl<K> Keys<K> {
    pub fn add(&self, id: Uuid, key: K) {
        let key = Arc::new(key);
        self.all.write().unwrap_or_else(PoisonError::into_inner).insert(id, key.clone());
        self.newest.send_replace(Some(key));
    }

    pub fn get(&self, id: Uuid) -> Option<Arc<K>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// The same, for a key that the others have made already and this node is about to.
    pub async fn wait_for(&self, id: Uuid) -> Arc<K> {
        let mut newest = self.watch();
        loop {
            if let Some(key) = self.get(id) {
                return key;
            }
            newest.changed().await.expect("the sender is here");
        }
    }

    pub fn newest(&self) -> Option<Arc<K>> {
        self.newest.borrow().clone()
    }

    /// Wakes who waits for a newer key.
    pub fn watch(&self) -> watch::Receiver<Option<Arc<K>>> {
        self.newest.subscribe()
    }
}

pub struct DkgService {
    me: NodeId,
    nodes: BTreeSet<NodeId>,
    engine: Arc<QuicEngine>,
    router: Arc<MessageRouter>,
    keys: Arc<KeyStore>,
    invitations: Mutex<HashMap<Uuid, DkgInvitation>>,
}

impl DkgService {
    pub fn new(
        me: NodeId,
        nodes: BTreeSet<NodeId>,
        engine: Arc<QuicEngine>,
        router: Arc<MessageRouter>,
        keys: Arc<KeyStore>,
    ) -> Self {
        DkgService { me, nodes, engine, router, keys, invitations: Mutex::default() }
    }

    /// The coordinator: invites everybody and takes part itself.
    pub async fn initiate_dkg(&self, protocol: ProtocolType, threshold: u32, total_nodes: u32) -> Result<DkgResult> {
        let call = books::begin("initiate_dkg");
        if total_nodes as usize != self.nodes.len() || threshold < 2 || threshold > total_nodes {
            let why = format!("{threshold} of {total_nodes} in a cluster of {}", self.nodes.len());
            return call.close(Err(Error::ConfigError(why)));
        }
        let session_id = Uuid::new_v4();
        let aux_info_session_id = Uuid::new_v4();
        let invitation = DkgInvitation { session_id, protocol, threshold, total_nodes, aux_info_session_id };
        let message = books::attempt!(call, Message::DkgInvitation(invitation.clone()).encode());
        let reached = books::attempt!(call, self.engine.broadcast(&message).await);
        if reached + 1 < self.nodes.len() {
            return call.close(Err(Error::DkgError(format!("only {reached} peers can be reached"))));
        }
        call.close(match protocol {
            ProtocolType::FROST => self.run_frost_dkg(&invitation).await,
            ProtocolType::CGGMP24 => self.run_cggmp24_dkg(&invitation).await,
        })
    }

    /// A participant: `invited` has told us what session this is.
    pub async fn join_dkg_ceremony(&self, session_id: Uuid) -> Result<DkgResult> {
        let call = books::begin("join_dkg_ceremony");
        let invitation = self.invitations.lock().unwrap_or_else(PoisonError::into_inner).remove(&session_id);
        let Some(invitation) = invitation else {
            return call.close(Err(Error::NotFound(format!("no invitation to {session_id}"))));
        };
        call.close(match invitation.protocol {
            ProtocolType::FROST => self.run_frost_dkg(&invitation).await,
            ProtocolType::CGGMP24 => self.run_cggmp24_dkg(&invitation).await,
        })
    }

    pub fn invited(&self, invitation: DkgInvitation) {
        self.invitations.lock().unwrap_or_else(PoisonError::into_inner).insert(invitation.session_id, invitation);
    }

    /// The DKG's duration is observed here and not in the two callers: every party runs this function, the
    /// protocol is a constant of it, and join_dkg_ceremony is only told a session id.
    pub async fn run_frost_dkg(&self, invitation: &DkgInvitation) -> Result<DkgResult> {
        let call = books::begin("run_frost_dkg").times(
            "mpc_dkg_duration_seconds",
            &[("protocol", "frost")],
            books::DKG_SECONDS,
        );
        let session = self.router.register_session(invitation.session_id, self.nodes.clone()).await;
        let session = books::attempt!(call, session);
        let keygen = run_frost_keygen(session, invitation.threshold as u16);
        let Ok(key) = tokio::time::timeout(DKG_TIMEOUT, keygen).await else {
            return call.close(Err(Error::Timeout(format!("DKG {}", invitation.session_id))));
        };
        let key = books::attempt!(call, key);
        let public_key = key.public.verifying_key().serialize().map_err(|e| Error::DkgError(e.to_string()));
        let public_key = books::attempt!(call, public_key);
        self.keys.frost.add(key.id, key);
        call.close(Ok(self.result(invitation, public_key)))
    }

    pub async fn run_cggmp24_dkg(&self, invitation: &DkgInvitation) -> Result<DkgResult> {
        let call = books::begin("run_cggmp24_dkg").times(
            "mpc_dkg_duration_seconds",
            &[("protocol", "cggmp24")],
            books::DKG_SECONDS,
        );
        let primes = books::attempt!(call, primes_of(self.me));
        let keygen = self.router.register_session(invitation.session_id, self.nodes.clone()).await;
        let keygen = books::attempt!(call, keygen);
        let aux_info = self.router.register_session(invitation.aux_info_session_id, self.nodes.clone()).await;
        let aux_info = books::attempt!(call, aux_info);
        let protocol = async {
            let share = run_keygen(keygen, invitation.threshold as u16).await?;
            Ok::<_, Error>((share, run_aux_info_gen(aux_info, primes).await?))
        };
        let Ok(made) = tokio::time::timeout(CGGMP24_DKG_TIMEOUT, protocol).await else {
            return call.close(Err(Error::Timeout(format!("DKG {}", invitation.session_id))));
        };
        let (share, aux_info) = books::attempt!(call, made);
        let parties = self.nodes.iter().copied().collect();
        let key = books::attempt!(call, Cggmp24Key::new(invitation.session_id, parties, share, aux_info));
        let public_key = key.public_key();
        self.keys.cggmp24.add(key.id, key);
        call.close(Ok(self.result(invitation, public_key)))
    }

    fn result(&self, invitation: &DkgInvitation, public_key: Vec<u8>) -> DkgResult {
        DkgResult {
            session_id: invitation.session_id,
            protocol: invitation.protocol,
            public_key,
            threshold: invitation.threshold,
            participants: self.nodes.iter().copied().collect(),
        }
    }
}
