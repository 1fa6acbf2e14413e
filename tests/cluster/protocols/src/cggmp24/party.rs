// SPDX-License-Identifier: BSD-2-Clause
//! A session as the library wants its network: a stream and a sink.

use std::pin::Pin;
use std::task::{Context, Poll};

use round_based::{Incoming, MessageDestination, MessageType, MpcParty, Outgoing, PartyIndex, Sink, Stream};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use threshold_types::{Error, NodeId, Result};
use tokio::sync::mpsc;

use crate::session::Session;

/// What the parties say to each other, around the protocol's own message M.
#[derive(Serialize, Deserialize)]
pub enum Message<M> {
    ToAll(M),
    ToOne(M),
    /// This party has come to its end, and has put away what came out.
    Done,
}

pub(super) struct Inbox<'a, M> {
    session: &'a mut Session<Message<M>>,
    received: u64,
}

pub(super) struct Outbox<M> {
    me: NodeId,
    parties: Vec<NodeId>,
    outgoing: mpsc::UnboundedSender<crate::session::Outgoing>,
    message: std::marker::PhantomData<fn(M)>,
}

/// This node as a party of the protocol. Parties are numbered as their nodes are ordered.
pub(super) fn party<M: Serialize + DeserializeOwned>(
    session: &mut Session<Message<M>>,
) -> MpcParty<M, (Inbox<'_, M>, Outbox<M>)> {
    let outbox = Outbox {
        me: session.me,
        parties: session.parties.iter().copied().collect(),
        outgoing: session.outgoing.clone(),
        message: std::marker::PhantomData,
    };
    MpcParty::connected((Inbox { session, received: 0 }, outbox))
}

/// This node's number, and how many there are.
pub(super) fn place<M>(session: &Session<M>) -> Result<(PartyIndex, PartyIndex)> {
    let at = session.parties.iter().position(|party| *party == session.me);
    let at = at.ok_or_else(|| Error::InvalidState(format!("{} is no party of {}", session.me, session.id)))?;
    Ok((at as PartyIndex, session.parties.len() as PartyIndex))
}

impl<M: DeserializeOwned> Stream for Inbox<'_, M> {
    type Item = Result<Incoming<M>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some((from, bytes)) = std::task::ready!(self.session.incoming.poll_recv(context)) else {
                return Poll::Ready(None);
            };
            let Some(sender) = self.session.parties.iter().position(|party| *party == from) else { continue };
            let (msg_type, msg) = match postcard::from_bytes(&bytes) {
                Ok(Message::ToAll(message)) => (MessageType::Broadcast, message),
                Ok(Message::ToOne(message)) => (MessageType::P2P, message),
                Ok(done) => {
                    self.session.early.push((from, done));
                    continue;
                }
                Err(error) => return Poll::Ready(Some(Err(Error::SerializationError(error.to_string())))),
            };
            self.received += 1;
            let id = self.received;
            return Poll::Ready(Some(Ok(Incoming { id, sender: sender as PartyIndex, msg_type, msg })));
        }
    }
}

impl<M: Serialize> Sink<Outgoing<M>> for Outbox<M> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: Outgoing<M>) -> Result<()> {
        let (to, message) = match message.recipient {
            MessageDestination::AllParties => (None, Message::ToAll(message.msg)),
            MessageDestination::OneParty(at) => (Some(at as usize), Message::ToOne(message.msg)),
        };
        let bytes = postcard::to_stdvec(&message).map_err(|e| Error::SerializationError(e.to_string()))?;
        let others =
            self.parties.iter().enumerate().filter(|(at, party)| **party != self.me && to.is_none_or(|to| to == *at));
        for (_, party) in others {
            let sent = self.outgoing.send((*party, bytes.clone()));
            sent.map_err(|_| Error::NetworkError("the session is closed".into()))?;
        }
        Ok(())
    }

    /// The session's queue takes everything.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}
