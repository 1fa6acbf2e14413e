// SPDX-License-Identifier: BSD-2-Clause
//! FROST on secp256k1.

pub mod keygen;
pub mod signing;

use frost_secp256k1::Identifier;
use threshold_types::{Error, NodeId, Result};

pub(crate) fn identifier(node: NodeId) -> Result<Identifier> {
    u16::try_from(node.0)
        .ok()
        .and_then(|number| Identifier::try_from(number).ok())
        .ok_or_else(|| Error::CryptoError(format!("{node} has no FROST identifier")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use frost_secp256k1::round2::SignatureShare;
    use threshold_types::NodeId;

    use super::keygen::{FrostKey, run_frost_keygen};
    use super::signing::{combine, run_frost_signing};
    use crate::session::connected::sessions;

    async fn keys() -> BTreeMap<NodeId, FrostKey> {
        let mut tasks = tokio::task::JoinSet::new();
        for session in sessions(&[1, 2, 3, 4, 5]) {
            tasks.spawn(async move { (session.me, run_frost_keygen(session, 3).await.unwrap()) });
        }
        tasks.join_all().await.into_iter().collect()
    }

    async fn shares(keys: &BTreeMap<NodeId, FrostKey>, signers: &[u64]) -> Vec<super::signing::Signed> {
        let mut tasks = tokio::task::JoinSet::new();
        for session in sessions(signers) {
            let key = keys[&session.me].clone();
            tasks.spawn(async move { run_frost_signing(session, &key, b"pay").await.unwrap() });
        }
        tasks.join_all().await
    }

    #[tokio::test]
    async fn five_make_a_key_and_any_three_sign() {
        let keys = keys().await;
        for signers in [[1, 2, 3], [2, 4, 5]] {
            let signed = shares(&keys, &signers).await;
            let all: BTreeMap<_, SignatureShare> = signed.iter().map(|s| (s.node, s.share)).collect();
            let key = &keys[&NodeId(1)];
            let signature = combine(key, &signed[0].package, &all).unwrap();
            assert!(key.public.verifying_key().verify(b"pay", &signature).is_ok());
            assert!(key.public.verifying_key().verify(b"pay more", &signature).is_err());
        }
    }

    #[tokio::test]
    async fn a_wrong_share_is_an_error_not_a_signature() {
        let keys = keys().await;
        let signed = shares(&keys, &[1, 2, 3]).await;
        let mut all: BTreeMap<_, SignatureShare> = signed.iter().map(|s| (s.node, s.share)).collect();
        let first = all[&NodeId(1)];
        all.insert(NodeId(2), first);
        assert!(combine(&keys[&NodeId(1)], &signed[0].package, &all).is_err());
    }

    #[tokio::test]
    async fn two_are_not_enough() {
        let keys = keys().await;
        let mut tasks = tokio::task::JoinSet::new();
        for session in sessions(&[1, 2]) {
            let key = keys[&session.me].clone();
            tasks.spawn(async move { run_frost_signing(session, &key, b"pay").await.is_err() });
        }
        assert!(tasks.join_all().await.into_iter().all(|refused| refused));
    }
}
