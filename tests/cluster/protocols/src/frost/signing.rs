// SPDX-License-Identifier: BSD-2-Clause
use std::collections::BTreeMap;

use frost_secp256k1::round1::{SigningCommitments, commit};
use frost_secp256k1::round2::SignatureShare;
use frost_secp256k1::{Signature, SigningPackage, aggregate, round2};
use serde::{Deserialize, Serialize};
use threshold_types::{Error, NodeId, Result};

use super::identifier;
use super::keygen::FrostKey;
use crate::session::Session;

#[derive(Serialize, Deserialize)]
pub struct Message(SigningCommitments);

/// What one signer has at the end: its share, and the package that the share belongs to.
pub struct Signed {
    pub node: NodeId,
    pub package: SigningPackage,
    pub share: SignatureShare,
}

pub async fn run_frost_signing(mut session: Session<Message>, key: &FrostKey, message: &[u8]) -> Result<Signed> {
    let call = books::begin("run_frost_signing");
    let (nonces, commitments) = commit(key.package.signing_share(), &mut rand::rngs::OsRng);
    books::attempt!(call, session.send_all(&Message(commitments)));
    let mut all = books::attempt!(call, session.gather(|Message(theirs)| Ok(theirs)).await);
    all.insert(session.me, commitments);
    let mut by_identifier = BTreeMap::new();
    for (node, commitments) in all {
        by_identifier.insert(books::attempt!(call, identifier(node)), commitments);
    }
    let package = SigningPackage::new(by_identifier, message);
    let share = books::attempt!(call, round2::sign(&package, &nonces, &key.package).map_err(failed));
    call.close(Ok(Signed { node: session.me, package, share }))
}

/// `aggregate` verifies the signature, and names the culprit if it is wrong.
pub fn combine(
    key: &FrostKey,
    package: &SigningPackage,
    shares: &BTreeMap<NodeId, SignatureShare>,
) -> Result<Signature> {
    let shares = shares.iter().map(|(node, share)| Ok((identifier(*node)?, *share))).collect::<Result<_>>()?;
    aggregate(package, &shares, &key.public).map_err(failed)
}

fn failed(error: frost_secp256k1::Error) -> Error {
    Error::SigningError(error.to_string())
}
