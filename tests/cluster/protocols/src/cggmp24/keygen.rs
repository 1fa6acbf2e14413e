// SPDX-License-Identifier: BSD-2-Clause
use cggmp24::backend::Integer;
use cggmp24::key_share::{AuxInfo, KeyShare};
use cggmp24::{ExecutionId, IncompleteKeyShare, PregeneratedPrimes};
use rand::rngs::OsRng;
use sha2::Sha256;
use threshold_types::{Error, NodeId, Result};
use uuid::Uuid;

use super::party::{Message, party, place};
use super::{Secp256k1, TestLevel, reasons};
use crate::session::Session;

/// A share of a group key, named by the session that made it.
pub struct Cggmp24Key {
    pub id: Uuid,
    /// A party's number is its place here.
    pub parties: Vec<NodeId>,
    pub share: KeyShare<Secp256k1, TestLevel>,
}

impl Cggmp24Key {
    pub fn new(
        id: Uuid,
        parties: Vec<NodeId>,
        share: IncompleteKeyShare<Secp256k1>,
        aux_info: AuxInfo<TestLevel>,
    ) -> Result<Self> {
        let share = KeyShare::from_parts((share, aux_info)).map_err(|e| Error::DkgError(reasons(&e)))?;
        Ok(Cggmp24Key { id, parties, share })
    }

    /// How many sign: as many as are needed, and no more.
    pub fn threshold(&self) -> usize {
        self.share.vss_setup.as_ref().map_or(self.parties.len(), |setup| setup.min_signers.into())
    }

    pub fn public_key(&self) -> Vec<u8> {
        self.share.shared_public_key.to_bytes(true).to_vec()
    }

    /// The numbers that these nodes have in this key.
    pub(super) fn numbers(&self, nodes: impl IntoIterator<Item = NodeId>) -> Result<Vec<u16>> {
        let number = |node: NodeId| self.parties.iter().position(|party| *party == node).map(|at| at as u16);
        let missing = |node| Error::NotFound(format!("{node} has no share of key {}", self.id));
        nodes.into_iter().map(|node| number(node).ok_or_else(|| missing(node))).collect()
    }
}

pub type KeygenMessage = Message<cggmp24::keygen::ThresholdMsg<Secp256k1, TestLevel, Sha256>>;
pub type AuxInfoMessage = Message<cggmp24::key_refresh::Msg<Sha256, TestLevel>>;

/// Only with auxiliary information does the share become one that can sign.
pub async fn run_keygen(mut session: Session<KeygenMessage>, threshold: u16) -> Result<IncompleteKeyShare<Secp256k1>> {
    let call = books::begin("run_keygen");
    let (me, total) = books::attempt!(call, place(&session));
    let id = session.id;
    let generated = cggmp24::keygen::<Secp256k1>(ExecutionId::new(id.as_bytes()), me, total)
        .set_security_level::<TestLevel>()
        .set_threshold(threshold)
        .start(&mut OsRng, party(&mut session))
        .await;
    call.close(generated.map_err(|e| Error::DkgError(reasons(&e))))
}

/// The parties' moduli, and the proofs that they are good ones: by far the most of the work for a key. It ends when
/// all have found them good.
pub async fn run_aux_info_gen(
    mut session: Session<AuxInfoMessage>,
    primes: PregeneratedPrimes<TestLevel>,
) -> Result<AuxInfo<TestLevel>> {
    let call = books::begin("run_aux_info_gen");
    let (me, total) = books::attempt!(call, place(&session));
    let id = session.id;
    let generated = cggmp24::aux_info_gen(ExecutionId::new(id.as_bytes()), me, total, primes)
        .start(&mut OsRng, party(&mut session))
        .await;
    let generated = books::attempt!(call, generated.map_err(|e| Error::DkgError(reasons(&e))));
    books::attempt!(call, session.send_all(&Message::Done));
    let done = session.gather(|message| matches!(message, Message::Done).then_some(()).ok_or(message)).await;
    books::attempt!(call, done);
    call.close(Ok(generated))
}

/// Four safe primes per node, hexadecimal, made once by examples/primes.rs: finding them takes longer than all
/// the rest.
const PRIMES: &str = include_str!("../../primes.txt");

pub fn primes_of(node: NodeId) -> Result<PregeneratedPrimes<TestLevel>> {
    let none = || Error::ConfigError(format!("there are no primes for {node}"));
    let line = usize::try_from(node.0).ok().and_then(|number| number.checked_sub(1)).ok_or_else(none)?;
    let line = PRIMES.lines().filter(|line| !line.starts_with('#')).nth(line).ok_or_else(none)?;
    let primes: Option<Vec<Integer>> = line.split(' ').map(|prime| Integer::from_str_radix(prime, 16)).collect();
    let primes: [Integer; 4] = primes.and_then(|primes| primes.try_into().ok()).ok_or_else(none)?;
    primes.try_into().map_err(|_| none())
}
