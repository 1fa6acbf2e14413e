// SPDX-License-Identifier: BSD-2-Clause
//! CGGMP24 among three parties in one process: key generation, auxiliary information, signatures
//! and presignatures, also such that fail.

mod primes;

use cggmp24::generic_ec::{Point, curves::Secp256k1};
use cggmp24::key_refresh::PregeneratedPrimes;
use cggmp24::key_share::AnyKeyShare;
use cggmp24::security_level::define_security_level;
use cggmp24::{DataToSign, ExecutionId, IncompleteKeyShare, KeyShare, PartialSignature, SigningError};
use futures::StreamExt;
use futures::future::{join_all, ready};
use paillier_zk::backend::Integer;
use rand::rngs::OsRng;
use round_based::sim::async_env::Network;
use round_based::{Delivery, Incoming, Mpc, MpcParty, Outgoing};
use sha2::Sha256;

/// Small, so that it is quick; it protects nothing.
#[derive(Clone)]
struct Small;
define_security_level!(Small {
    kappa_bits: 256,
    rsa_prime_bitlen: 511,
    rsa_pubkey_bitlen: 1022,
    epsilon: 320,
    ell: 256,
    ell_prime: 512,
    m: 128,
});

type Key = IncompleteKeyShare<Secp256k1>;
type Share = KeyShare<Secp256k1, Small>;

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

/// A party that hears nobody.
fn alone<M: Send + Unpin + 'static>() -> impl Mpc<ProtocolMessage = M> + use<M> {
    let incoming = futures::stream::empty::<Result<Incoming<M>, std::io::Error>>();
    let outgoing = futures::sink::drain::<Outgoing<M>>();
    MpcParty::connected((incoming, outgoing))
}

/// What went wrong, by the words of the error and of what caused it.
fn word<T, E: std::error::Error>(result: &Result<T, E>) -> &'static str {
    let Err(error) = result else { return "success" };
    let mut texts = Vec::new();
    let mut at: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = at {
        texts.push(error.to_string());
        at = error.source();
    }
    let text = texts.join(": ");
    if text.contains("abort") {
        "aborted"
    } else if text.contains("i/o error") {
        "io_error"
    } else if text.contains("invalid arguments") {
        "invalid_arguments"
    } else {
        panic!("unexpected: {text}")
    }
}

async fn timed<T, E: std::error::Error>(
    family: &str,
    labels: &str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let began = std::time::Instant::now();
    let result = call.await;
    let (open, close) = if labels.is_empty() { ("", "") } else { ("{", "}") };
    books::add(format!("{family}_duration_seconds_sum{open}{labels}{close}"), began.elapsed().as_secs_f64());
    books::one(format!("{family}_duration_seconds_count{open}{labels}{close}"));
    let comma = if labels.is_empty() { "" } else { "," };
    books::one(format!("{family}s_total{{{labels}{comma}result=\"{}\"}}", word(&result)));
    result
}

const DKG: &str = "mpc_cggmp24_dkg";

/// Key shares of three, of whom two can sign; @other: one of them means another execution.
async fn threshold(name: &[u8], other: bool) -> Vec<Option<Key>> {
    let mut network = Network::new();
    let parties = (0..3u16).map(|i| (i, party(i, &mut network))).collect::<Vec<_>>();
    join_all(parties.into_iter().map(|(i, party)| async move {
        let id = if other && i == 2 { b"another".as_slice() } else { name };
        let keygen = cggmp24::keygen::KeygenBuilder::<Secp256k1, Small>::new(ExecutionId::new(id), i, 3);
        timed(DKG, "kind=\"threshold\"", keygen.set_threshold(2).start(&mut OsRng, party)).await.ok()
    }))
    .await
}

async fn all_of_all(name: &[u8]) {
    let mut network = Network::new();
    let parties = (0..3u16).map(|i| (i, party(i, &mut network))).collect::<Vec<_>>();
    join_all(parties.into_iter().map(|(i, party)| async move {
        let keygen = cggmp24::keygen::KeygenBuilder::<Secp256k1, Small>::new(ExecutionId::new(name), i, 3);
        timed(DKG, "kind=\"non_threshold\"", keygen.start(&mut OsRng, party)).await.expect("a key");
    }))
    .await;
}

async fn lonely_key() {
    let keygen = cggmp24::keygen::KeygenBuilder::<Secp256k1, Small>::new(ExecutionId::new(b"alone"), 0, 3);
    assert!(timed(DKG, "kind=\"threshold\"", keygen.set_threshold(2).start(&mut OsRng, alone())).await.is_err());
}

fn primes_of(i: u16) -> PregeneratedPrimes<Small> {
    let primes = primes::PRIMES[usize::from(i)].map(|p| Integer::from_str_radix(p, 16).expect("a number"));
    PregeneratedPrimes::try_from(primes).ok().expect("primes of that size")
}

async fn auxiliary(keys: Vec<Key>) -> Vec<Share> {
    let mut network = Network::new();
    let parties = keys
        .into_iter()
        .map(|key| {
            let i = key.i;
            (key, party(i, &mut network))
        })
        .collect::<Vec<_>>();
    join_all(parties.into_iter().map(|(key, party)| async move {
        let aux = cggmp24::aux_info_gen(ExecutionId::new(b"aux"), key.i, 3, primes_of(key.i));
        let aux = timed("mpc_cggmp24_aux_info", "", aux.start(&mut OsRng, party)).await.expect("auxiliary information");
        Share::from_parts((key, aux)).expect("they fit")
    }))
    .await
}

async fn lonely_auxiliary() {
    let aux = cggmp24::aux_info_gen(ExecutionId::new(b"alone"), 0, 3, primes_of(0));
    assert!(timed("mpc_cggmp24_aux_info", "", aux.start(&mut OsRng, alone())).await.is_err());
}

fn message() -> DataToSign<Secp256k1> {
    DataToSign::digest::<Sha256>(b"a message")
}

/// A signing or presigning protocol, whose books say what came of it.
async fn signing<T>(output: &str, call: impl Future<Output = Result<T, SigningError>>) -> Result<T, SigningError> {
    let began = std::time::Instant::now();
    let result = call.await;
    let seconds = began.elapsed().as_secs_f64();
    let labels = format!("{{output=\"{}\"}}", if result.is_ok() { output } else { "none" });
    books::add(format!("mpc_cggmp24_signing_duration_seconds_sum{labels}"), seconds);
    books::one(format!("mpc_cggmp24_signing_duration_seconds_count{labels}"));
    let word = if result.is_ok() { output } else { word(&result) };
    books::one(format!("mpc_cggmp24_signings_total{{result=\"{word}\"}}"));
    result
}

async fn sign(shares: &[Share], name: &[u8], other: bool) {
    let mut network = Network::new();
    let parties = [(0u16, 0u16), (1, 2)].map(|(at, i)| (i, party(at, &mut network)));
    let results = join_all(parties.into_iter().enumerate().map(|(at, (i, party))| async move {
        let id = if other && at == 1 { b"another".as_slice() } else { name };
        let share = &shares[usize::from(i)];
        let builder = cggmp24::signing(ExecutionId::new(id), at as u16, &[0, 2], share);
        signing("signature", builder.sign(&mut OsRng, party, &message())).await
    }))
    .await;
    let public: Point<Secp256k1> = shares[0].shared_public_key().into_inner();
    for result in results {
        match result {
            Ok(signature) => {
                signature.verify(&public, &message()).expect("it is valid");
                // The protocol ends with these.
                books::one("mpc_cggmp24_partial_signatures_total");
                books::one("mpc_cggmp24_combinations_total{result=\"success\"}");
            }
            Err(_) => assert!(other),
        }
    }
}

async fn sign_wrongly(shares: &[Share]) {
    let builder = cggmp24::signing(ExecutionId::new(b"three"), 0, &[0, 1, 2], &shares[0]);
    assert!(signing("signature", builder.sign(&mut OsRng, alone(), &message())).await.is_err());
    let builder = cggmp24::signing(ExecutionId::new(b"alone"), 0, &[0, 2], &shares[0]);
    assert!(signing("presignature", builder.generate_presignature(&mut OsRng, alone())).await.is_err());
}

async fn presign(shares: &[Share], name: &[u8], spoil: bool) {
    let mut network = Network::new();
    let parties = [(0u16, 0u16), (1, 2)].map(|(at, i)| (i, party(at, &mut network)));
    let made = join_all(parties.into_iter().enumerate().map(|(at, (i, party))| async move {
        let share = &shares[usize::from(i)];
        let builder = cggmp24::signing(ExecutionId::new(name), at as u16, &[0, 2], share);
        let mut rng = OsRng;
        let presigning = builder.generate_presignature(&mut rng, party);
        signing("presignature", presigning).await.expect("a presignature")
    }))
    .await;
    let mut commitments = None;
    let mut partial = Vec::new();
    for (presignature, public) in made {
        partial.push(presignature.issue_partial_signature(message()));
        books::one("mpc_cggmp24_partial_signatures_total");
        commitments = Some(public);
    }
    if spoil {
        partial.swap(0, 1);
    }
    let signature = PartialSignature::combine(&partial, &commitments.expect("commitments"), message());
    assert_eq!(signature.is_none(), spoil);
    let word = if spoil { "failure" } else { "success" };
    books::one(format!("mpc_cggmp24_combinations_total{{result=\"{word}\"}}"));
}

async fn play() {
    for i in 0..4u8 {
        let keys = threshold(&[b'k', i], false).await;
        let keys: Vec<Key> = keys.into_iter().map(|key| key.expect("a key")).collect();
        if i > 0 {
            continue;
        }
        let shares = auxiliary(keys).await;
        for i in 0..3u8 {
            sign(&shares, &[b's', i], false).await;
            presign(&shares, &[b'p', i], i == 2).await;
        }
        sign(&shares, b"mixed up", true).await;
        sign_wrongly(&shares).await;
    }
    assert!(threshold(b"mixed up", true).await.iter().any(Option::is_none));
    all_of_all(b"all").await;
    lonely_key().await;
    lonely_auxiliary().await;
}

fn main() {
    books::run(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(play());
    });
}
