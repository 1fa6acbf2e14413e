// SPDX-License-Identifier: BSD-2-Clause
//! What a party does beside its protocol: it may lie, and may book what its rounds do.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::{LazyLock, Mutex};

use manul::combinators::misbehave::{FinalizeOverride, Misbehaving, MisbehavingEntryPoint};
use manul::protocol::{
    Artifact, BoxedFormat, BoxedRound, DirectMessage, EchoBroadcast, EntryPoint, LocalError, NormalBroadcast, Payload,
    ProtocolMessagePart, RoundId,
};
use manul::signature::rand_core::CryptoRngCore;

use crate::{Entry, Id, series};

/// Told in the round of this number.
#[derive(Debug, Clone, Copy)]
pub enum Lie {
    /// Broadcasts that nobody can read.
    Garbage(u8),
    /// Those of an earlier session: well-formed, but no proof of anything in this one.
    Stale(u8),
    /// That of an earlier session which is echoed, and no other.
    StaleEcho(u8),
}

#[derive(Debug, Clone, Copy)]
pub struct Role {
    pub protocol: &'static str,
    pub lie: Option<Lie>,
    /// Whether its rounds book what they do, for a loop that does not say it.
    pub books: bool,
}

/// What was broadcast in each round of an earlier session.
type Old<T> = LazyLock<Mutex<BTreeMap<(&'static str, String), T>>>;
static ECHOES: Old<EchoBroadcast> = LazyLock::new(Mutex::default);
static NORMALS: Old<NormalBroadcast> = LazyLock::new(Mutex::default);

impl Role {
    /// What goes out for `said`, if the round says anything of that kind.
    fn says<T: ProtocolMessagePart + Clone>(
        &self,
        round: RoundId,
        format: &BoxedFormat,
        old: &Old<T>,
        said: T,
    ) -> Result<T, LocalError> {
        let at = (self.protocol, round.to_string());
        match self.lie {
            _ if said.is_none() => Ok(said),
            Some(Lie::Garbage(n)) if round == n => T::new(format, ()),
            Some(Lie::Stale(n)) if round == n => Ok(old.lock().unwrap()[&at].clone()),
            Some(_) => Ok(said),
            None => {
                old.lock().unwrap().insert(at, said.clone());
                Ok(said)
            }
        }
    }
}

#[derive(Debug)]
pub struct Acts<EP>(PhantomData<EP>);

/// The entry point of a party that acts as its role says.
pub type Actor<EP> = MisbehavingEntryPoint<Id, Role, Acts<EP>>;

type RoundOf<EP> = BoxedRound<Id, <EP as EntryPoint<Id>>::Protocol>;

impl<EP: Entry> Misbehaving<Id, Role> for Acts<EP> {
    type EntryPoint = EP;

    fn modify_echo_broadcast(
        _: &mut dyn CryptoRngCore,
        round: &RoundOf<EP>,
        role: &Role,
        format: &BoxedFormat,
        said: EchoBroadcast,
    ) -> Result<EchoBroadcast, LocalError> {
        if role.books {
            // A broadcast that is echoed is followed by a round of manul's own, for the echoes.
            books::add(series::ROUNDS_STARTED, if said.is_none() { 1.0 } else { 2.0 });
        }
        match role.lie {
            Some(Lie::StaleEcho(n)) => {
                Role { lie: Some(Lie::Stale(n)), ..*role }.says(round.id(), format, &ECHOES, said)
            }
            _ => role.says(round.id(), format, &ECHOES, said),
        }
    }

    fn modify_normal_broadcast(
        _: &mut dyn CryptoRngCore,
        round: &RoundOf<EP>,
        role: &Role,
        format: &BoxedFormat,
        said: NormalBroadcast,
    ) -> Result<NormalBroadcast, LocalError> {
        role.says(round.id(), format, &NORMALS, said)
    }

    fn modify_direct_message(
        _: &mut dyn CryptoRngCore,
        _: &RoundOf<EP>,
        role: &Role,
        _: &BoxedFormat,
        _: &Id,
        message: DirectMessage,
        artifact: Option<Artifact>,
    ) -> Result<(DirectMessage, Option<Artifact>), LocalError> {
        if role.books {
            // Nobody lies, so the one to whom it goes takes it; how long that takes is not known here.
            series::message(role.protocol, series::UNKNOWN);
            series::echoes(-1.0);
        }
        Ok((message, artifact))
    }

    fn override_finalize(
        _: &mut dyn CryptoRngCore,
        round: RoundOf<EP>,
        role: &Role,
        payloads: BTreeMap<Id, Payload>,
        artifacts: BTreeMap<Id, Artifact>,
    ) -> Result<FinalizeOverride<Id, EP::Protocol>, LocalError> {
        if role.books {
            series::round(role.protocol, &round.id(), series::UNKNOWN);
        }
        Ok(FinalizeOverride::UseDefault { round, payloads, artifacts })
    }
}
