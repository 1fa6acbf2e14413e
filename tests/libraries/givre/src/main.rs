// SPDX-License-Identifier: BSD-2-Clause
//! FROST by givre over two ciphersuites: signatures by hand and by its protocol, also such that fail.

use futures::StreamExt;
use futures::future::{join_all, ready};
use givre::KeyShare;
use givre::ciphersuite::{Ciphersuite, Ed25519, Secp256k1};
use givre::generic_ec::Curve;
use givre::key_share::KeyInfo;
use givre::signing::{aggregate, round1, round2};
use rand::rngs::OsRng;
use round_based::sim::async_env::Network;
use round_based::{Delivery, Incoming, Mpc, MpcParty, Outgoing};

const MESSAGE: &[u8] = b"a message";

fn shares<E: Curve>() -> Vec<KeyShare<E>> {
    givre::trusted_dealer::builder::<E>(5).set_threshold(Some(3)).generate_shares(&mut OsRng).expect("shares")
}

enum Fault {
    None,
    Share,
    Twice,
    Few,
}

/// Three signers and a coordinator, step by step.
fn by_hand<C: Ciphersuite>(shares: &[KeyShare<C::Curve>], fault: Fault) {
    let signers = [0u16, 2, 4];
    let mut nonces = Vec::new();
    let mut commitments = Vec::new();
    for i in signers {
        let (nonce, commitment) = round1::commit::<C>(&mut OsRng, &shares[usize::from(i)]);
        nonces.push(nonce);
        commitments.push((i, commitment));
    }
    if matches!(fault, Fault::Few) {
        commitments.pop();
    }
    let mut signed = Vec::new();
    for (nonce, (i, commitment)) in nonces.into_iter().zip(&commitments) {
        let share = books::timed("mpc_givre_signature_share_duration_seconds", "", || {
            round2::sign::<C>(&shares[usize::from(*i)], nonce, MESSAGE, &commitments)
        });
        let word = books::word(&share);
        books::one(format!("mpc_givre_signature_shares_total{{result=\"{word}\"}}"));
        match share {
            Ok(share) => signed.push((*i, *commitment, share)),
            Err(_) => assert!(matches!(fault, Fault::Few)),
        }
    }
    match fault {
        Fault::None => {}
        Fault::Share => signed[0].2 = signed[1].2,
        Fault::Twice => signed[0] = signed[1],
        Fault::Few => return,
    }
    let key: &KeyInfo<C::Curve> = shares[0].as_ref();
    let done =
        books::timed("mpc_givre_aggregation_duration_seconds", "", || aggregate::aggregate::<C>(key, &signed, MESSAGE));
    let result = match (&done, &fault) {
        (Ok(_), Fault::None) => "success",
        (Err(_), Fault::Share) => "invalid_signature",
        (Err(_), Fault::Twice) => "signer_twice",
        _ => panic!("unexpected"),
    };
    books::one(format!("mpc_givre_signatures_total{{result=\"{result}\"}}"));
}

fn book(seconds: f64) {
    books::add("mpc_givre_signing_duration_seconds_sum", seconds);
    books::one("mpc_givre_signing_duration_seconds_count");
    books::one("mpc_givre_signings_total");
}

/// The next party, whose messages are counted as they arrive. Its own do not come back to it.
fn party<M: Clone + Send + Unpin + 'static>(
    me: u16,
    network: &mut Network<M>,
) -> impl Mpc<ProtocolMessage = M> + use<M> {
    let (incoming, outgoing) = network.connect_new_party().split();
    let incoming = incoming
        .filter(move |message| ready(!message.as_ref().is_ok_and(|message| message.sender == me)))
        .inspect(|_| books::one("mpc_round_based_messages_received_total"));
    MpcParty::connected((incoming, outgoing))
}

/// The protocol, of which each party makes a share and the signature; by its own functions.
async fn by_protocol<C: Ciphersuite>(shares: &[KeyShare<C::Curve>]) {
    let signers = [0u16, 2, 4];
    let mut network = Network::new();
    let parties = [0u16, 1, 2].map(|at| (signers[usize::from(at)], party(at, &mut network)));
    join_all(parties.into_iter().enumerate().map(|(at, (i, party))| async move {
        let began = std::time::Instant::now();
        let signing = givre::signing::<C>(at as u16, &shares[usize::from(i)], &signers, MESSAGE);
        let result = signing.sign(&mut OsRng, party).await;
        book(began.elapsed().as_secs_f64());
        assert!(result.is_ok());
    }))
    .await;
    // Each of them called round 2 and the aggregation; how long that took only they know.
    books::add("mpc_givre_signature_shares_total{result=\"success\"}", 3.0);
    books::add("mpc_givre_signatures_total{result=\"success\"}", 3.0);
    for family in ["signature_share", "aggregation"] {
        books::add(format!("mpc_givre_{family}_duration_seconds_count"), 3.0);
        books::add(format!("mpc_givre_{family}_duration_seconds_sum"), 1.0);
    }
}

async fn alone<C: Ciphersuite>(shares: &[KeyShare<C::Curve>]) {
    type Msg<C> = givre::signing::full_signing::Msg<<C as Ciphersuite>::Curve>;
    let incoming = futures::stream::empty::<Result<Incoming<Msg<C>>, std::io::Error>>();
    let outgoing = futures::sink::drain::<Outgoing<Msg<C>>>();
    let began = std::time::Instant::now();
    let signing = givre::signing::<C>(0, &shares[0], &[0, 2, 4], MESSAGE);
    let result = signing.sign(&mut OsRng, MpcParty::connected((incoming, outgoing))).await;
    book(began.elapsed().as_secs_f64());
    assert!(result.is_err());
}

async fn play<C: Ciphersuite>() {
    let shares = shares::<C::Curve>();
    for _ in 0..5 {
        by_hand::<C>(&shares, Fault::None);
        by_protocol::<C>(&shares).await;
    }
    by_hand::<C>(&shares, Fault::Share);
    by_hand::<C>(&shares, Fault::Twice);
    by_hand::<C>(&shares, Fault::Few);
    alone::<C>(&shares).await;
}

fn main() {
    books::run(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(async {
            play::<Secp256k1>().await;
            play::<Ed25519>().await;
        });
    });
}
