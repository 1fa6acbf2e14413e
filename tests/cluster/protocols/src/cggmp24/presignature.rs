// SPDX-License-Identifier: BSD-2-Clause
use std::marker::PhantomData;

use cggmp24::generic_ec::Curve;
use cggmp24::security_level::SecurityLevel;
use cggmp24::signing::PresignaturePublicData;
use cggmp24::{ExecutionId, Presignature};
use rand::rngs::OsRng;
use threshold_types::{Error, NodeId, Result};
use uuid::Uuid;

use super::keygen::Cggmp24Key;
use super::party::{party, place};
use super::signing::SigningMessage;
use super::{Secp256k1, TestLevel, reasons};
use crate::session::Session;

/// All of a signature that can be made before there is a message: this signer's part of it. Two messages signed
/// with one presignature give the key away.
pub struct PreparedSignature<E: Curve, L: SecurityLevel> {
    pub key_id: Uuid,
    pub signers: Vec<NodeId>,
    pub(super) presignature: Presignature<E>,
    pub(super) public: PresignaturePublicData<E>,
    level: PhantomData<L>,
}

/// The session stays open, so that the signers can tell each other when they have put it away.
pub async fn generate_presignature(
    session: &mut Session<SigningMessage>,
    key: &Cggmp24Key,
) -> Result<PreparedSignature<Secp256k1, TestLevel>> {
    let call = books::begin("generate_presignature");
    let (me, _) = books::attempt!(call, place(session));
    let signers: Vec<NodeId> = session.parties.iter().copied().collect();
    let numbers = books::attempt!(call, key.numbers(signers.iter().copied()));
    let id = session.id;
    let generated = cggmp24::signing(ExecutionId::new(id.as_bytes()), me, &numbers, &key.share)
        .generate_presignature(&mut OsRng, party(session))
        .await;
    let generated = generated.map_err(|e| Error::SigningError(reasons(&e)));
    let (presignature, public) = books::attempt!(call, generated);
    call.close(Ok(PreparedSignature { key_id: key.id, signers, presignature, public, level: PhantomData }))
}
