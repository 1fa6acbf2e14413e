// SPDX-License-Identifier: BSD-2-Clause
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use protocols::session::{Incoming, Outgoing, Session};
use serde::Serialize;
use serde::de::DeserializeOwned;
use threshold_network::quic_engine::QuicEngine;
use threshold_types::{NodeId, Result};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::wire::Message;

/// Messages for a session that this node never joins are thrown away after this time.
const UNCLAIMED: Duration = Duration::from_secs(60);

/// Brings messages of protocol runs to their sessions, and out to the peers.
pub struct MessageRouter {
    me: NodeId,
    engine: Arc<QuicEngine>,
    sessions: Mutex<HashMap<Uuid, Mailbox>>,
}

struct Mailbox {
    since: Instant,
    sender: mpsc::UnboundedSender<Incoming>,
    /// Here until the session is registered: a peer's first message may come before our invitation.
    receiver: Option<mpsc::UnboundedReceiver<Incoming>>,
}

impl Mailbox {
    fn new() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Mailbox { since: Instant::now(), sender, receiver: Some(receiver) }
    }
}

impl MessageRouter {
    pub fn new(me: NodeId, engine: Arc<QuicEngine>) -> Arc<Self> {
        Arc::new(MessageRouter { me, engine, sessions: Mutex::default() })
    }

    pub async fn register_session<M: Serialize + DeserializeOwned>(
        self: &Arc<Self>,
        id: Uuid,
        parties: BTreeSet<NodeId>,
    ) -> Result<Session<M>> {
        let call = books::begin("register_session");
        let incoming = {
            let mut sessions = self.sessions();
            sessions.retain(|_, mailbox| !mailbox.sender.is_closed() && mailbox.since.elapsed() < UNCLAIMED);
            sessions.entry(id).or_insert_with(Mailbox::new).receiver.take()
        };
        let Some(incoming) = incoming else {
            let why = format!("session {id} is already running");
            return call.close(Err(threshold_types::Error::InvalidState(why)));
        };
        let (outgoing, queue) = mpsc::unbounded_channel();
        tokio::spawn(self.clone().route_outgoing_messages(id, queue));
        call.close(Ok(Session::new(id, self.me, parties, incoming, outgoing)))
    }

    /// Ends when the session has been dropped and all it said is sent.
    async fn route_outgoing_messages(
        self: Arc<Self>,
        id: Uuid,
        mut queue: mpsc::UnboundedReceiver<Outgoing>,
    ) -> Result<()> {
        let call = books::begin("route_outgoing_messages");
        while let Some((to, bytes)) = queue.recv().await {
            let message = books::attempt!(call, Message::Session(id, bytes).encode());
            if let Err(error) = self.engine.send(to, &message).await {
                tracing::warn!(%to, %error, "protocol message lost");
            }
        }
        call.close(Ok(()))
    }

    pub async fn handle_incoming_message(&self, from: NodeId, id: Uuid, bytes: Vec<u8>) -> Result<()> {
        let call = books::begin("handle_incoming_message");
        // A send to a session that has ended is not an error: it had all it needed.
        let _ = self.sessions().entry(id).or_insert_with(Mailbox::new).sender.send((from, bytes));
        call.close(Ok(()))
    }

    pub fn session_count(&self) -> usize {
        self.sessions().values().filter(|mailbox| !mailbox.sender.is_closed()).count()
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<Uuid, Mailbox>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
