// SPDX-License-Identifier: BSD-2-Clause
use std::collections::BTreeMap;
use std::sync::Arc;

use threshold_types::NodeId;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::keygen::{Cggmp24Key, primes_of, run_aux_info_gen, run_keygen};
use super::presig_pool::{PresignatureId, PresignaturePool};
use super::presignature::{PreparedSignature, generate_presignature};
use super::signing::run_signing;
use super::signing_fast::sign_message_fast;
use super::{Secp256k1, TestLevel};
use crate::session::connected::sessions;

type Prepared = PreparedSignature<Secp256k1, TestLevel>;

async fn keys(parties: &[u64], threshold: u16) -> BTreeMap<NodeId, Arc<Cggmp24Key>> {
    let mut tasks = JoinSet::new();
    for (keygen, aux_info) in sessions(parties).into_iter().zip(sessions(parties)) {
        tasks.spawn(async move {
            let (me, id, parties) = (keygen.me, keygen.id, keygen.parties.iter().copied().collect());
            let share = run_keygen(keygen, threshold).await.unwrap();
            let aux_info = run_aux_info_gen(aux_info, primes_of(me).unwrap()).await.unwrap();
            (me, Arc::new(Cggmp24Key::new(id, parties, share, aux_info).unwrap()))
        });
    }
    tasks.join_all().await.into_iter().collect()
}

async fn prepared(keys: &BTreeMap<NodeId, Arc<Cggmp24Key>>, signers: &[u64]) -> BTreeMap<NodeId, Prepared> {
    let mut tasks = JoinSet::new();
    for mut session in sessions(signers) {
        let key = keys[&session.me].clone();
        tasks.spawn(async move { (session.me, generate_presignature(&mut session, &key).await.unwrap()) });
    }
    tasks.join_all().await.into_iter().collect()
}

/// Each signer with its presignature, over one message; what each of them ended with.
async fn signed_fast(
    keys: &BTreeMap<NodeId, Arc<Cggmp24Key>>,
    signers: &[u64],
    mut prepared: BTreeMap<NodeId, Prepared>,
) -> Vec<threshold_types::Result<Vec<u8>>> {
    let mut tasks = JoinSet::new();
    for session in sessions(signers) {
        let (key, prepared) = (keys[&session.me].clone(), prepared.remove(&session.me).unwrap());
        tasks.spawn(async move { sign_message_fast(session, &key, prepared, b"pay").await });
    }
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_make_a_key_and_any_three_sign_both_ways() {
    let keys = keys(&[1, 2, 3, 4, 5], 3).await;
    for signers in [[1, 2, 3], [2, 4, 5]] {
        let mut tasks = JoinSet::new();
        for session in sessions(&signers) {
            let key = keys[&session.me].clone();
            tasks.spawn(async move { run_signing(session, &key, b"pay").await.unwrap() });
        }
        let signed = tasks.join_all().await;
        assert_eq!(signed[0].len(), 64);
        assert!(signed.iter().all(|signature| *signature == signed[0]));

        let prepared = prepared(&keys, &signers).await;
        let fast: Vec<_> = signed_fast(&keys, &signers, prepared).await.into_iter().map(Result::unwrap).collect();
        assert!(fast.iter().all(|signature| *signature == fast[0]));
        assert_ne!(fast[0], signed[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signers_with_different_presignatures_make_no_signature() {
    let keys = keys(&[1, 2], 2).await;
    let (mut one, two) = (prepared(&keys, &[1, 2]).await, prepared(&keys, &[1, 2]).await);
    one.extend(two.into_iter().filter(|(node, _)| *node == NodeId(2)));
    assert!(signed_fast(&keys, &[1, 2], one).await.iter().all(Result::is_err));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_as_many_as_the_threshold_sign() {
    let keys = keys(&[1, 2, 3], 3).await;
    let mut tasks = JoinSet::new();
    for session in sessions(&[1, 2]) {
        let key = keys[&session.me].clone();
        tasks.spawn(async move { run_signing(session, &key, b"pay").await.is_err() });
    }
    assert!(tasks.join_all().await.into_iter().all(|refused| refused));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_gives_each_presignature_once() {
    let keys = keys(&[1, 2], 2).await;
    let key_id = keys[&NodeId(1)].id;
    let pool = PresignaturePool::new(2);
    let ids: Vec<_> = (0..3).map(|_| PresignatureId(Uuid::new_v4())).collect();
    for id in &ids {
        pool.add(*id, prepared(&keys, &[1, 2]).await.remove(&NodeId(1)).unwrap()).await;
    }
    assert_eq!(pool.size().await, 2, "the oldest has no room");
    assert!(pool.take(ids[0]).await.is_none());
    assert_eq!(pool.reserve(key_id).await, Some(ids[1]));
    assert_eq!(pool.size().await, 1, "what is reserved is not ready");
    assert_eq!(pool.reserve(key_id).await, Some(ids[2]));
    assert_eq!(pool.reserve(key_id).await, None);
    assert!(pool.take(ids[1]).await.is_some());
    assert!(pool.take(ids[1]).await.is_none());
    assert!(pool.take(ids[2]).await.is_some());
    let stats = pool.stats().await;
    assert_eq!((stats.size, stats.added, stats.taken, stats.discarded), (0, 3, 2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_forgets_what_is_for_an_older_key() {
    let keys = keys(&[1, 2], 2).await;
    let pool = PresignaturePool::new(2);
    pool.add(PresignatureId(Uuid::new_v4()), prepared(&keys, &[1, 2]).await.remove(&NodeId(1)).unwrap()).await;
    assert_eq!(pool.reserve(Uuid::new_v4()).await, None);
    assert_eq!(pool.stats().await.discarded, 1);
}

#[test]
fn every_node_has_primes_of_its_own() {
    let mut all: Vec<_> = (1..=16).flat_map(|node| primes_of(NodeId(node)).unwrap().into_primes()).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 64);
    assert!(primes_of(NodeId(0)).is_err() && primes_of(NodeId(17)).is_err());
}
