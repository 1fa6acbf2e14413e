// SPDX-License-Identifier: BSD-2-Clause
//! A protocol in tasks, each a loop that manul has for tokio: what happens in there is booked by the
//! roles of the parties.

use std::collections::BTreeMap;
use std::time::Instant;

use manul::dev::TestSigner;
use manul::protocol::{EntryPoint, Protocol};
use manul::session::tokio::{MessageIn, MessageOut, par_run_session, run_session};
use manul::session::{Session, SessionId, SessionOutcome};
use rand::rngs::OsRng;
use tokio::sync::mpsc;

use crate::{Id, Transport, series};

async fn party<P>(
    session: Session<P, Transport>,
    out: mpsc::Sender<MessageOut<Transport>>,
    mut inbox: mpsc::Receiver<MessageIn<Transport>>,
    at_once: bool,
) where
    P: Protocol<Id, Result: Send, ProtocolError: Send + Sync>,
{
    let began = Instant::now();
    let report = if at_once {
        par_run_session(&mut OsRng, &out, &mut inbox, session).await
    } else {
        run_session(&mut OsRng, &out, &mut inbox, session).await
    };
    series::session(began.elapsed());
    assert!(matches!(report.expect("a report").outcome, SessionOutcome::Result(_)));
}

/// A good run, messages of one party made and looked at one after another or at once.
pub async fn run<EP>(parties: Vec<(TestSigner, EP)>, at_once: bool)
where
    EP: EntryPoint<Id, Protocol: Protocol<Id, Result: Send, ProtocolError: Send + Sync>>,
{
    let id = SessionId::random::<Transport>(&mut OsRng);
    let (out, mut post) = mpsc::channel(100);
    let mut inboxes = BTreeMap::new();
    let mut tasks = Vec::new();
    for (signer, entry) in parties {
        let session = Session::new(&mut OsRng, id.clone(), signer, entry).expect("a session");
        let (to, inbox) = mpsc::channel(100);
        inboxes.insert(session.verifier(), to);
        tasks.push(tokio::spawn(party(session, out.clone(), inbox, at_once)));
    }
    drop(out);
    while let Some(MessageOut { from, to, message, .. }) = post.recv().await {
        // Nobody ends before all that is for it has been looked at. It is an echo, if no round of the
        // protocol has made it: that takes it back.
        series::echoes(1.0);
        inboxes[&to].send(MessageIn { from, message }).await.expect("somebody who waits for it");
    }
    for task in tasks {
        task.await.expect("it went well");
    }
}
