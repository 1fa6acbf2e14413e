// SPDX-License-Identifier: BSD-2-Clause
//! Threshold ECDSA by synedrion over manul: its protocols step by step, also with a party that lies;
//! then in tasks.

mod by_hand;
mod by_task;
mod role;
mod series;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use manul::combinators::misbehave::MisbehavingEntryPoint;
use manul::dev::{BinaryFormat, TestSessionParams, TestSigner, TestVerifier};
use manul::protocol::{EntryPoint, Protocol};
use manul::session::SessionReport;
use manul::signature::Keypair;
use role::{Actor, Lie, Role};
use synedrion::dev::TestParams;
use synedrion::{
    AuxGen, AuxInfo, InteractiveSigning, KeyInit, KeyRefresh, KeyResharing, KeyShare, NewHolder, OldHolder,
    PrehashedMessage, SchemeParams, ThresholdKeyShare,
};

type Id = TestVerifier;
type Transport = TestSessionParams<BinaryFormat>;
/// What each party of a protocol came to.
type Reports<P> = BTreeMap<Id, SessionReport<P, Transport>>;
/// What each needs for signing.
type Keys = BTreeMap<Id, (KeyShare<TestParams, Id>, AuxInfo<TestParams, Id>)>;

/// Where a protocol begins for a party, as roles want it.
trait Entry: Debug + EntryPoint<Id> + 'static {}
impl<EP: Debug + EntryPoint<Id> + 'static> Entry for EP {}

fn signers(n: u8) -> Vec<TestSigner> {
    (0..n).map(TestSigner::new).collect()
}

fn ids(n: u8) -> BTreeSet<Id> {
    signers(n).iter().map(Keypair::verifying_key).collect()
}

/// `n` parties in a role, of whom only the last one lies.
fn cast<EP: Entry>(n: u8, role: Role, entry: impl Fn(Id) -> EP) -> Vec<(TestSigner, Actor<EP>)> {
    let act = |signer: TestSigner| {
        let id = signer.verifying_key();
        let role = Role { lie: role.lie.filter(|_| ids(n).last() == Some(&id)), ..role };
        (signer, MisbehavingEntryPoint::new(entry(id), Some(role)))
    };
    signers(n).into_iter().map(act).collect()
}

/// A run in which nobody lies: everybody has a result.
fn honest<EP: Entry>(n: u8, protocol: &'static str, entry: impl Fn(Id) -> EP) -> Results<EP> {
    let role = Role { protocol, lie: None, books: false };
    let reports = by_hand::run(protocol, cast(n, role, entry));
    reports.into_iter().map(|(id, report)| (id, report.result().expect("a result"))).collect()
}
type Results<EP> = BTreeMap<Id, <<EP as EntryPoint<Id>>::Protocol as Protocol<Id>>::Result>;

fn key_init(_: Id) -> KeyInit<TestParams, Id> {
    KeyInit::new(ids(3)).expect("an entry")
}

fn signing(keys: &Keys, id: Id) -> InteractiveSigning<TestParams, Id> {
    let mut message = PrehashedMessage::<<TestParams as SchemeParams>::Curve>::default();
    message[0] = 7;
    let (share, aux) = keys[&id].clone();
    InteractiveSigning::new(message, share, aux).expect("an entry")
}

/// Three parties make a key and refresh it, which gives them auxiliary information too.
fn generate() -> Keys {
    let shares = honest(3, "key_init", key_init);
    let fresh = honest(3, "key_refresh", |_| KeyRefresh::new(ids(3)).expect("an entry"));
    let renew =
        |((id, share), (change, aux)): ((Id, KeyShare<_, _>), _)| (id, (share.update(change).expect("a share"), aux));
    shares.into_iter().zip(fresh.into_values()).map(renew).collect()
}

/// Two more become holders of the key; then all five make auxiliary information.
fn reshare(keys: &Keys) {
    let old: BTreeMap<_, _> =
        keys.iter().map(|(id, (share, _))| (*id, ThresholdKeyShare::from_key_share(share))).collect();
    let one = old.values().next().expect("a share");
    let published = NewHolder {
        verifying_key: one.verifying_key().expect("a key"),
        old_threshold: one.threshold(),
        old_holders: ids(3),
    };
    let shares = honest(5, "key_resharing", |id| {
        let holder = old.get(&id).map(|share| OldHolder { key_share: share.clone() });
        KeyResharing::<TestParams, Id>::new(holder, Some(published.clone()), ids(5), 3)
    });
    assert!(shares.values().all(Option::is_some));
    honest(5, "aux_gen", |_| AuxGen::<TestParams, Id>::new(ids(5)).expect("an entry"));
}

/// Each of the two others finds out, and can prove it.
fn found_out<EP: Entry>(protocol: &'static str, lie: Lie, result: &str, entry: impl Fn(Id) -> EP) {
    let role = Role { protocol, lie: Some(lie), books: false };
    let reports = by_hand::run(protocol, cast(3, role, entry));
    let found = reports.values().filter(|report| report.provable_errors.len() == 1).count();
    assert_eq!(found, 2);
    (0..found).for_each(|_| series::conviction(protocol, result));
}

/// A share of the nonce that does not fit the others': nobody knows yet whose it is, and the two
/// who see it open a dispute.
fn disputed(keys: &Keys) {
    let role = Role { protocol: "interactive_signing", lie: Some(Lie::StaleEcho(3)), books: false };
    let reports = by_hand::run(role.protocol, cast(3, role, |id| signing(keys, id)));
    assert!(reports.into_values().all(|report| report.result().is_none()));
    (0..2).for_each(|_| series::dispute());
}

fn main() {
    books::run(|| {
        let keys = generate();
        for _ in 0..4 {
            honest(3, "interactive_signing", |id| signing(&keys, id));
        }
        reshare(&keys);
        found_out("key_init", Lie::Garbage(1), "malformed", key_init);
        found_out("key_init", Lie::Garbage(3), "malformed", key_init);
        found_out("key_init", Lie::Stale(1), "invalid", key_init);
        found_out("key_init", Lie::Stale(3), "invalid", key_init);
        found_out("interactive_signing", Lie::Stale(4), "invalid", |id| signing(&keys, id));
        disputed(&keys);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let role = |protocol| Role { protocol, lie: None, books: true };
            for at_once in [false, true] {
                by_task::run(cast(3, role("key_init"), key_init), at_once).await;
                by_task::run(cast(3, role("interactive_signing"), |id| signing(&keys, id)), at_once).await;
            }
        });
    });
}
