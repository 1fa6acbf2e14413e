// SPDX-License-Identifier: BSD-2-Clause
use std::collections::BTreeMap;

use frost_secp256k1::Identifier;
use frost_secp256k1::keys::dkg::{part1, part2, part3, round1, round2};
use frost_secp256k1::keys::{KeyPackage, PublicKeyPackage};
use serde::{Deserialize, Serialize};
use threshold_types::{Error, NodeId, Result};
use uuid::Uuid;

use super::identifier;
use crate::session::Session;

/// A share of a group key, named by the session that made it.
#[derive(Clone)]
pub struct FrostKey {
    pub id: Uuid,
    pub package: KeyPackage,
    pub public: PublicKeyPackage,
}

#[derive(Serialize, Deserialize)]
pub enum Message {
    Round1(round1::Package),
    Round2(round2::Package),
    /// The group key a party ended with. Nobody trusts the key before all have said the same.
    GroupKey(Vec<u8>),
}

pub async fn run_frost_keygen(mut session: Session<Message>, threshold: u16) -> Result<FrostKey> {
    let call = books::begin("run_frost_keygen");
    let me = books::attempt!(call, identifier(session.me));
    let total = session.parties.len() as u16;

    let (secret1, package1) = books::attempt!(call, part1(me, total, threshold, rand::rngs::OsRng).map_err(failed));
    books::attempt!(call, session.send_all(&Message::Round1(package1)));
    let round1 = session.gather(|message| match message {
        Message::Round1(package) => Ok(package),
        other => Err(other),
    });
    let round1 = books::attempt!(call, by_identifier(books::attempt!(call, round1.await)));

    let (secret2, packages2) = books::attempt!(call, part2(secret1, &round1).map_err(failed));
    for party in session.others() {
        let package = packages2[&books::attempt!(call, identifier(party))].clone();
        books::attempt!(call, session.send(party, &Message::Round2(package)));
    }
    let round2 = session.gather(|message| match message {
        Message::Round2(package) => Ok(package),
        other => Err(other),
    });
    let round2 = books::attempt!(call, by_identifier(books::attempt!(call, round2.await)));

    let (package, public) = books::attempt!(call, part3(&secret2, &round1, &round2).map_err(failed));
    let group_key = books::attempt!(call, public.verifying_key().serialize().map_err(failed));
    books::attempt!(call, session.send_all(&Message::GroupKey(group_key.clone())));
    let theirs = session.gather(|message| match message {
        Message::GroupKey(key) => Ok(key),
        other => Err(other),
    });
    if books::attempt!(call, theirs.await).values().any(|key| *key != group_key) {
        return call.close(Err(Error::DkgError("the parties ended with different keys".into())));
    }
    call.close(Ok(FrostKey { id: session.id, package, public }))
}

fn by_identifier<T>(by_node: BTreeMap<NodeId, T>) -> Result<BTreeMap<Identifier, T>> {
    by_node.into_iter().map(|(node, package)| Ok((identifier(node)?, package))).collect()
}

fn failed(error: frost_secp256k1::Error) -> Error {
    Error::DkgError(error.to_string())
}
