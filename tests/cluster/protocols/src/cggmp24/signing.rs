// SPDX-License-Identifier: BSD-2-Clause
use cggmp24::ExecutionId;
use rand::rngs::OsRng;
use sha2::Sha256;
use threshold_types::{Error, Result};

use super::keygen::Cggmp24Key;
use super::party::{Message, party, place};
use super::{Secp256k1, digest, reasons, verified};
use crate::session::Session;

pub type SigningMessage = Message<cggmp24::signing::msg::Msg<Secp256k1, Sha256>>;

/// All rounds. Every signer ends with the signature.
pub async fn run_signing(mut session: Session<SigningMessage>, key: &Cggmp24Key, message: &[u8]) -> Result<Vec<u8>> {
    let call = books::begin("run_signing");
    let (me, _) = books::attempt!(call, place(&session));
    let numbers = books::attempt!(call, key.numbers(session.parties.iter().copied()));
    let id = session.id;
    let data = digest(message);
    let signature = cggmp24::signing(ExecutionId::new(id.as_bytes()), me, &numbers, &key.share)
        .sign(&mut OsRng, party(&mut session), &data)
        .await;
    let signature = books::attempt!(call, signature.map_err(|e| Error::SigningError(reasons(&e))));
    call.close(verified(signature, key, message))
}
