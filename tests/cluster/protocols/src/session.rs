// SPDX-License-Identifier: BSD-2-Clause
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use threshold_types::{Error, NodeId, Result};
use tokio::sync::mpsc;
use uuid::Uuid;

/// A message to one party.
pub type Outgoing = (NodeId, Vec<u8>);
pub type Incoming = (NodeId, Vec<u8>);

/// One run of a protocol, seen by one party. M is the protocol's message.
pub struct Session<M> {
    pub id: Uuid,
    pub me: NodeId,
    /// Everybody who takes part, this party too.
    pub parties: BTreeSet<NodeId>,
    pub(crate) incoming: mpsc::UnboundedReceiver<Incoming>,
    pub(crate) outgoing: mpsc::UnboundedSender<Outgoing>,
    /// A fast party may be a round ahead of us; its message waits here.
    pub(crate) early: Vec<(NodeId, M)>,
}

impl<M: Serialize + DeserializeOwned> Session<M> {
    pub fn new(
        id: Uuid,
        me: NodeId,
        parties: BTreeSet<NodeId>,
        incoming: mpsc::UnboundedReceiver<Incoming>,
        outgoing: mpsc::UnboundedSender<Outgoing>,
    ) -> Self {
        Session { id, me, parties, incoming, outgoing, early: Vec::new() }
    }

    pub fn others(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.parties.iter().copied().filter(|party| *party != self.me)
    }

    pub fn send(&self, to: NodeId, message: &M) -> Result<()> {
        let bytes = postcard::to_stdvec(message).map_err(|e| Error::SerializationError(e.to_string()))?;
        self.outgoing.send((to, bytes)).map_err(|_| Error::NetworkError("the session is closed".into()))
    }

    pub fn send_all(&self, message: &M) -> Result<()> {
        self.others().try_for_each(|party| self.send(party, message))
    }

    /// Waits until every other party has sent what `pick` takes, and gives one per party.
    pub async fn gather<T>(&mut self, pick: impl Fn(M) -> std::result::Result<T, M>) -> Result<BTreeMap<NodeId, T>> {
        let wanted = self.others().count();
        let mut gathered = BTreeMap::new();
        let mut waiting = std::mem::take(&mut self.early);
        loop {
            for (from, message) in waiting.drain(..) {
                match pick(message) {
                    Ok(taken) => _ = gathered.insert(from, taken),
                    Err(message) => self.early.push((from, message)),
                }
            }
            if gathered.len() == wanted {
                return Ok(gathered);
            }
            let (from, bytes) =
                self.incoming.recv().await.ok_or_else(|| Error::NetworkError("the session is closed".into()))?;
            if from == self.me || !self.parties.contains(&from) {
                continue;
            }
            let message = postcard::from_bytes(&bytes).map_err(|e| Error::SerializationError(e.to_string()))?;
            waiting.push((from, message));
        }
    }
}

#[cfg(test)]
pub(crate) mod connected {
    use super::*;

    /// Sessions of these parties that reach each other through channels.
    pub fn sessions<M: Serialize + DeserializeOwned>(parties: &[u64]) -> Vec<Session<M>> {
        let id = Uuid::new_v4();
        let all: BTreeSet<NodeId> = parties.iter().map(|n| NodeId(*n)).collect();
        let mut inboxes = BTreeMap::new();
        let mut sessions = Vec::new();
        for me in all.iter().copied() {
            let (to_me, incoming) = mpsc::unbounded_channel();
            let (outgoing, from_me) = mpsc::unbounded_channel::<(NodeId, Vec<u8>)>();
            inboxes.insert(me, (to_me, from_me));
            sessions.push(Session::new(id, me, all.clone(), incoming, outgoing));
        }
        let senders: BTreeMap<_, _> = inboxes.iter().map(|(node, (to, _))| (*node, to.clone())).collect();
        for (me, (_, mut from_me)) in inboxes {
            let senders = senders.clone();
            tokio::spawn(async move {
                while let Some((to, bytes)) = from_me.recv().await {
                    let _ = senders[&to].send((me, bytes));
                }
            });
        }
        sessions
    }
}
