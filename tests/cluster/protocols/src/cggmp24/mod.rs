// SPDX-License-Identifier: BSD-2-Clause
//! CGGMP24: ECDSA on secp256k1.

pub mod keygen;
mod party;
pub mod presig_pool;
pub mod presignature;
pub mod signing;
pub mod signing_fast;

pub use cggmp24::supported_curves::Secp256k1;
pub use party::Message;

use cggmp24::security_level::define_security_level;
use cggmp24::{DataToSign, Signature};
use sha2::Sha256;
use threshold_types::{Error, Result};

use keygen::Cggmp24Key;

/// For tests alone: 768-bit moduli can be factored, and masks of 400 bits do not hide products of 512. What is
/// left is a protocol that comes to its end. That needs moduli of at least 4 ell bits, ell + epsilon and
/// ell_prime + epsilon below their length, and ell + epsilon well above 512, or an honest party's proof fails.
#[derive(Clone, Debug)]
pub struct TestLevel;

define_security_level!(TestLevel {
    kappa_bits: 256,
    rsa_prime_bitlen: 384,
    rsa_pubkey_bitlen: 768,
    epsilon: 360,
    ell: 192,
    ell_prime: 400,
    m: 128,
});

/// r and s, 64 bytes, if it is this key's signature of this message.
fn verified(signature: Signature<Secp256k1>, key: &Cggmp24Key, message: &[u8]) -> Result<Vec<u8>> {
    if signature.verify(&key.share.shared_public_key, &digest(message)).is_err() {
        return Err(Error::InvalidSignature("CGGMP24".into()));
    }
    let mut bytes = vec![0; Signature::<Secp256k1>::serialized_len()];
    signature.write_to_slice(&mut bytes);
    Ok(bytes)
}

fn digest(message: &[u8]) -> DataToSign<Secp256k1> {
    DataToSign::digest::<Sha256>(message)
}

/// The library's errors say little themselves, their sources say why.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
