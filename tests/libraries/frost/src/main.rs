// SPDX-License-Identifier: BSD-2-Clause
//! FROST over two ciphersuites: key generations, refreshes and signatures, also such that fail.

use std::collections::BTreeMap;

/// Everything once for each ciphersuite, for their types have no trait in common.
macro_rules! ciphersuite {
    ($name:ident, $frost:ident) => {
        mod $name {
            use super::*;
            use $frost as frost;
            use $frost::keys::{KeyPackage, PublicKeyPackage, dkg, refresh};
            use $frost::{Identifier, SigningPackage, round1, round2};

            const SUITE: &str = stringify!($name);

            fn book<T, E>(family: &str, label: &str, result: Result<T, E>) -> Result<T, E> {
                let word = books::word(&result);
                books::one(format!("{family}{{ciphersuite=\"{SUITE}\",result=\"{word}\"{label}}}"));
                result
            }

            fn step<T, E>(step: &str, call: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
                let labels = format!("{{ciphersuite=\"{SUITE}\",step=\"{step}\"}}");
                let result = books::timed("mpc_frost_dkg_step_duration_seconds", &labels, call);
                book("mpc_frost_dkg_steps_total", &format!(",step=\"{step}\""), result)
            }

            fn ids(n: u16) -> Vec<Identifier> {
                (1..=n).map(|i| Identifier::try_from(i).expect("not 0")).collect()
            }

            type Firsts = BTreeMap<Identifier, (dkg::round1::SecretPackage, dkg::round1::Package)>;
            type Seconds =
                BTreeMap<Identifier, (dkg::round2::SecretPackage, BTreeMap<Identifier, dkg::round2::Package>)>;

            fn others<T: Clone, U>(
                all: &BTreeMap<Identifier, U>,
                not: Identifier,
                of: impl Fn(&U) -> T,
            ) -> BTreeMap<Identifier, T> {
                all.iter().filter(|(id, _)| **id != not).map(|(id, x)| (*id, of(x))).collect()
            }

            fn seconds(firsts: &Firsts, refreshing: bool) -> Seconds {
                firsts
                    .iter()
                    .map(|(id, (secret, _))| {
                        let packages = others(firsts, *id, |first| first.1.clone());
                        let done = if refreshing {
                            step("refresh2", || refresh::refresh_dkg_part2(secret.clone(), &packages))
                        } else {
                            step("part2", || dkg::part2(secret.clone(), &packages))
                        };
                        (*id, done.expect("round 2"))
                    })
                    .collect()
            }

            fn for_me(seconds: &Seconds, me: Identifier) -> BTreeMap<Identifier, dkg::round2::Package> {
                others(seconds, me, |second| second.1[&me].clone())
            }

            fn first(id: Identifier) -> (dkg::round1::SecretPackage, dkg::round1::Package) {
                dkg::part1(id, 5, 3, rand::thread_rng()).expect("round 1")
            }

            /// Two thirds of a key generation, and a whole one.
            fn generate() -> (BTreeMap<Identifier, KeyPackage>, PublicKeyPackage) {
                let firsts: Firsts = ids(5).into_iter().map(|id| (id, first(id))).collect();
                let seconds = seconds(&firsts, false);
                let mut keys = BTreeMap::new();
                let mut public = None;
                for (id, (secret, _)) in &seconds {
                    let packages = others(&firsts, *id, |first| first.1.clone());
                    let done = step("part3", || dkg::part3(secret, &packages, &for_me(&seconds, *id)));
                    let (key, all) = done.expect("round 3");
                    keys.insert(*id, key);
                    public = Some(all);
                }
                (keys, public.expect("a key"))
            }

            /// A proof of knowledge that is another's, then a share that is for another.
            fn generate_badly() {
                let firsts: Firsts = ids(5).into_iter().map(|id| (id, first(id))).collect();
                let me = ids(5)[0];
                let mut packages = others(&firsts, me, |first| first.1.clone());
                packages.insert(ids(5)[1], firsts[&ids(5)[2]].1.clone());
                let wrong = step("part2", || dkg::part2(firsts[&me].0.clone(), &packages));
                assert!(wrong.is_err());

                let seconds = seconds(&firsts, false);
                let packages = others(&firsts, me, |first| first.1.clone());
                let mut shares = for_me(&seconds, me);
                shares.insert(ids(5)[1], seconds[&ids(5)[1]].1[&ids(5)[3]].clone());
                let wrong = step("part3", || dkg::part3(&seconds[&me].0, &packages, &shares));
                assert!(wrong.is_err());
            }

            fn renew(keys: &mut BTreeMap<Identifier, KeyPackage>, public: &mut PublicKeyPackage) {
                let firsts: Firsts = ids(5)
                    .into_iter()
                    .map(|id| (id, refresh::refresh_dkg_part1(id, 5, 3, rand::thread_rng()).expect("round 1")))
                    .collect();
                let seconds = seconds(&firsts, true);
                let mut fresh = None;
                for (id, (secret, _)) in &seconds {
                    let packages = others(&firsts, *id, |first| first.1.clone());
                    let shares = for_me(&seconds, *id);
                    let done = step("refresh3", || {
                        refresh::refresh_dkg_shares(secret, &packages, &shares, public.clone(), keys[id].clone())
                    });
                    let (key, all) = done.expect("round 3");
                    keys.insert(*id, key);
                    fresh = Some(all);
                }
                *public = fresh.expect("a key");
            }

            enum Fault {
                None,
                Share,
                Commitment,
                Number,
            }

            fn sign(keys: &BTreeMap<Identifier, KeyPackage>, public: &PublicKeyPackage, fault: Fault) {
                let mut nonces = BTreeMap::new();
                let mut commitments = BTreeMap::new();
                for id in ids(3) {
                    let (nonce, commitment) = round1::commit(keys[&id].signing_share(), &mut rand::thread_rng());
                    nonces.insert(id, nonce);
                    commitments.insert(id, commitment);
                }
                let package = SigningPackage::new(commitments, b"a message");
                let mut shares = BTreeMap::new();
                for id in ids(3) {
                    let nonce = if matches!(fault, Fault::Commitment) { &nonces[&ids(3)[0]] } else { &nonces[&id] };
                    let share = books::timed(
                        "mpc_frost_signature_share_duration_seconds",
                        &format!("{{ciphersuite=\"{SUITE}\"}}"),
                        || round2::sign(&package, nonce, &keys[&id]),
                    );
                    if let Ok(share) = book("mpc_frost_signature_shares_total", "", share) {
                        shares.insert(id, share);
                    }
                }
                if matches!(fault, Fault::Commitment) {
                    return;
                }
                if matches!(fault, Fault::Share) {
                    shares.insert(ids(3)[1], shares[&ids(3)[0]]);
                }
                if matches!(fault, Fault::Number) {
                    shares.remove(&ids(3)[2]);
                }
                let done = books::timed("mpc_frost_aggregation_duration_seconds", "", || {
                    frost::aggregate(&package, &shares, public)
                });
                let result = match &done {
                    Ok(signature) => {
                        public.verifying_key().verify(b"a message", signature).expect("it is valid");
                        "success"
                    }
                    Err(frost::Error::InvalidSignatureShare { .. }) => {
                        books::one("mpc_frost_cheaters_found_total{result=\"found\"}");
                        "invalid_share"
                    }
                    Err(frost::Error::UnknownIdentifier) => "unknown_signer",
                    Err(other) => panic!("unexpected: {other}"),
                };
                books::one(format!("mpc_frost_signatures_total{{result=\"{result}\"}}"));
            }

            pub fn run() {
                for _ in 0..3 {
                    let (mut keys, mut public) = generate();
                    generate_badly();
                    for i in 0..7 {
                        sign(&keys, &public, Fault::None);
                        sign(&keys, &public, if i < 2 { Fault::Share } else { Fault::None });
                    }
                    sign(&keys, &public, Fault::Commitment);
                    sign(&keys, &public, Fault::Number);
                    renew(&mut keys, &mut public);
                    sign(&keys, &public, Fault::None);
                }
            }
        }
    };
}

ciphersuite!(secp256k1, frost_secp256k1);
ciphersuite!(ed25519, frost_ed25519);

fn main() {
    books::run(|| {
        secp256k1::run();
        ed25519::run();
    });
}
