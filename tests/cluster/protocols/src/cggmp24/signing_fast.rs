// SPDX-License-Identifier: BSD-2-Clause
use cggmp24::PartialSignature;
use threshold_types::{Error, Result};

use super::keygen::Cggmp24Key;
use super::presignature::PreparedSignature;
use super::{Secp256k1, TestLevel, digest, verified};
use crate::session::Session;

/// The one round that is left. Takes the presignature, so that it cannot be used again.
pub async fn sign_message_fast(
    mut session: Session<PartialSignature<Secp256k1>>,
    key: &Cggmp24Key,
    prepared: PreparedSignature<Secp256k1, TestLevel>,
    message: &[u8],
) -> Result<Vec<u8>> {
    let call = books::begin("sign_message_fast");
    if prepared.key_id != key.id || !prepared.signers.iter().eq(session.parties.iter()) {
        return call.close(Err(Error::InvalidState("the presignature is for another key or other signers".into())));
    }
    let data = digest(message);
    let own = prepared.presignature.issue_partial_signature(data);
    books::attempt!(call, session.send_all(&own));
    let mut all = books::attempt!(call, session.gather(Ok).await);
    all.insert(session.me, own);
    let all: Vec<_> = all.into_values().collect();
    let signature = PartialSignature::combine(&all, &prepared.public, data)
        .ok_or_else(|| Error::SigningError("a signer's part does not fit".into()));
    let signature = books::attempt!(call, signature);
    call.close(verified(signature, key, message))
}
