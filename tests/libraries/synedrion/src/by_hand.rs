// SPDX-License-Identifier: BSD-2-Clause
//! A protocol with all its parties in one thread, step by step, as a node with a loop of its own does
//! it: every call is booked where it is made.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use manul::dev::TestSigner;
use manul::protocol::{EntryPoint, Protocol};
use manul::session::{
    CanFinalize, Message, RoundAccumulator, RoundOutcome, Session, SessionId, SessionReport, VerifiedMessage,
};
use rand::rngs::OsRng;

use crate::{Id, Reports, Transport, series};

/// Messages on their way, from and to whom.
type Post = VecDeque<(Id, Id, Message<Id>)>;
type Accum<P> = RoundAccumulator<P, Transport>;

enum Party<P: Protocol<Id>> {
    Busy(Session<P, Transport>, Accum<P>),
    Done(SessionReport<P, Transport>),
}

fn is_echo<P: Protocol<Id>>(session: &Session<P, Transport>) -> bool {
    session.round_id().to_string().ends_with("(echo)")
}

/// A round that has begun, and its messages.
fn begin<P: Protocol<Id>>(session: &Session<P, Transport>, post: &mut Post) -> Accum<P> {
    books::one(series::ROUNDS_STARTED);
    let mut accum = session.make_accumulator();
    for to in session.message_destinations() {
        let (message, artifact) = session.make_message(&mut OsRng, to).expect("a message");
        session.add_artifact(&mut accum, artifact).expect("an artifact");
        post.push_back((session.verifier(), *to, message));
    }
    accum
}

/// Has a round look at a message. Rounds for echoes are manul's own.
fn take<P: Protocol<Id>>(
    protocol: &str,
    session: &Session<P, Transport>,
    accum: &mut Accum<P>,
    message: VerifiedMessage<Id>,
) {
    let began = Instant::now();
    let processed = session.process_message(message);
    if is_echo(session) {
        series::echoes(1.0);
    } else {
        series::message(protocol, began.elapsed());
    }
    session.add_processed_message(accum, processed).expect("a place for it");
}

/// Ends the rounds of a party for which all is there, and begins those after them.
fn go_on<P: Protocol<Id>>(
    protocol: &str,
    mut session: Session<P, Transport>,
    mut accum: Accum<P>,
    post: &mut Post,
) -> Party<P> {
    loop {
        match session.can_finalize(&accum) {
            CanFinalize::NotYet => return Party::Busy(session, accum),
            CanFinalize::Never => {
                books::one(series::TERMINATED);
                return Party::Done(session.terminate_due_to_errors(accum).expect("a report"));
            }
            CanFinalize::Yes => {}
        }
        let (round, began) = (session.round_id(), Instant::now());
        match session.finalize_round(&mut OsRng, accum).expect("no fault of our own") {
            RoundOutcome::Finished(report) => {
                series::round(protocol, &round, began.elapsed());
                return Party::Done(report);
            }
            RoundOutcome::AnotherRound { session: next, cached_messages } => {
                // What a round says to all is echoed before it ends.
                if !is_echo(&next) {
                    series::round(protocol, &round, began.elapsed());
                }
                accum = begin(&next, post);
                session = next;
                for message in cached_messages {
                    take(protocol, &session, &mut accum, message);
                }
            }
        }
    }
}

fn deliver<P: Protocol<Id>>(
    protocol: &str,
    party: Party<P>,
    from: &Id,
    message: Message<Id>,
    post: &mut Post,
) -> Party<P> {
    match party {
        Party::Busy(session, mut accum) => {
            let looked_at = session.preprocess_message(&mut accum, from, message).expect("no fault of our own");
            if let Some(message) = looked_at.ok() {
                take(protocol, &session, &mut accum, message);
            }
            go_on(protocol, session, accum, post)
        }
        done => done,
    }
}

/// Nothing is on its way any more: who still waits gives up.
fn report<P: Protocol<Id>>(party: Party<P>) -> SessionReport<P, Transport> {
    match party {
        Party::Done(report) => report,
        Party::Busy(session, accum) => {
            books::one(series::TERMINATED);
            session.terminate(accum).expect("a report")
        }
    }
}

/// Until everything said has arrived.
pub fn run<EP: EntryPoint<Id>>(protocol: &str, parties: Vec<(TestSigner, EP)>) -> Reports<EP::Protocol> {
    let id = SessionId::random::<Transport>(&mut OsRng);
    let mut post = Post::new();
    let mut all = BTreeMap::new();
    for (signer, entry) in parties {
        let session = Session::new(&mut OsRng, id.clone(), signer, entry).expect("a session");
        let accum = begin(&session, &mut post);
        all.insert(session.verifier(), Party::Busy(session, accum));
    }
    while let Some((from, to, message)) = post.pop_front() {
        let party = all.remove(&to).expect("a party");
        all.insert(to, deliver(protocol, party, &from, message, &mut post));
    }
    all.into_iter().map(|(id, party)| (id, report(party))).collect()
}
