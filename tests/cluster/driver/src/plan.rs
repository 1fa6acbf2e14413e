// SPDX-License-Identifier: BSD-2-Clause
//! What is done to the cluster, as a function of the seed alone.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::Result;

/// Faults that one node commits in a transaction, by their names in POST /faults …
const IN_TRANSACTION: &[&str] = &[
    "double_vote",
    "invalid_signature",
    "minority_vote",
    "malformed_message",
    "timeout",
    "unrecorded_violation",
    "panic_vote",
    "cancel_votes",
];
/// … a connection that breaks, and a client that hangs up in the middle of a signature.
const OTHERS: &[&str] = &["drop_peer", "hang_up"];

/// One transaction in so many is to be signed with CGGMP24, which takes far more computing than FROST does …
const CGGMP24: u64 = 20;
/// … and so do the second key of so many, and each so many keys later.
const CGGMP24_DKG: u64 = 8;
const AMOUNT_MAX: u64 = 15_000;
/// Every node approves of this much.
const AMOUNT_SMALL: u64 = 5_000;

#[derive(Debug)]
pub struct Step {
    /// Index of the node that is asked.
    pub node: usize,
    pub action: Action,
}

#[derive(Debug)]
pub enum Action {
    Transaction(Value),
    Fault(&'static str, Value),
    DropPeer { peer: usize, then: Value },
    HangUp { after_micros: u64, transaction: Value },
    Dkg(&'static str),
}

pub struct Plan {
    rng: StdRng,
    seed: u64,
    nodes: usize,
    faults: Vec<&'static str>,
    fault_percent: u64,
    sign_percent: u64,
    /// A DKG before every so many transactions.
    dkg_every: u64,
    made: u64,
    dkgs_made: u64,
    dkgs: u64,
    faults_made: usize,
}

pub struct Settings {
    pub seed: u64,
    pub nodes: usize,
    pub faults: String,
    pub fault_percent: u64,
    pub sign_percent: u64,
    pub transactions: Option<u64>,
    pub dkgs: u64,
}

impl Plan {
    pub fn new(settings: Settings) -> Result<Self> {
        let Settings { seed, nodes, faults, fault_percent, sign_percent, transactions, dkgs } = settings;
        // Without an end in sight, one DKG in a hundred transactions.
        let dkg_every = transactions.map_or(100, |transactions| transactions / dkgs.max(1)).max(1);
        Ok(Plan {
            rng: StdRng::seed_from_u64(seed),
            seed,
            nodes,
            faults: parse_faults(&faults)?,
            fault_percent,
            sign_percent,
            dkg_every,
            made: 0,
            dkgs_made: 0,
            dkgs: if transactions.is_some() { dkgs } else { u64::MAX },
            faults_made: 0,
        })
    }

    pub fn transactions_made(&self) -> u64 {
        self.made
    }

    /// There is always a next step; who calls decides when it is enough.
    pub fn next(&mut self) -> Step {
        let node = self.rng.gen_range(0..self.nodes);
        if self.dkgs_made < self.dkgs && self.made >= self.dkgs_made * self.dkg_every {
            self.dkgs_made += 1;
            let protocol = if self.dkgs_made % CGGMP24_DKG == 2 { "cggmp24" } else { "frost" };
            return Step { node, action: Action::Dkg(protocol) };
        }
        self.made += 1;
        let mut transaction = self.transaction();
        if self.faults.is_empty() || self.rng.gen_range(0..100) >= self.fault_percent {
            return Step { node, action: Action::Transaction(transaction) };
        }
        // In turn and not by chance, so that a short run has them all.
        let kind = self.faults[self.faults_made % self.faults.len()];
        self.faults_made += 1;
        let action = match kind {
            "drop_peer" => {
                let peer = (node + self.rng.gen_range(1..self.nodes)) % self.nodes;
                Action::DropPeer { peer, then: transaction }
            }
            "hang_up" => {
                transaction["sign"] = false.into();
                transaction["protocol"] = "frost".into();
                transaction["amount"] = self.rng.gen_range(1..=AMOUNT_SMALL).into();
                Action::HangUp { after_micros: self.rng.gen_range(1_000..6_000), transaction }
            }
            _ => Action::Fault(kind, transaction),
        };
        Step { node, action }
    }

    fn transaction(&mut self) -> Value {
        let protocol = if self.rng.gen_range(0..CGGMP24) == 0 { "cggmp24" } else { "frost" };
        json!({
            "id": format!("tx-{}-{}", self.seed, self.made),
            "to": format!("account-{}", self.rng.gen_range(0..1000)),
            "amount": self.rng.gen_range(1..=AMOUNT_MAX),
            "protocol": protocol,
            "sign": self.rng.gen_range(0..100) < self.sign_percent,
        })
    }
}

fn parse_faults(list: &str) -> Result<Vec<&'static str>> {
    let all: Vec<&'static str> = IN_TRANSACTION.iter().chain(OTHERS).copied().collect();
    match list {
        "all" => Ok(all),
        "none" => Ok(vec![]),
        _ => list
            .split(',')
            .map(|name| {
                let known = all.iter().find(|known| **known == name);
                known.copied().ok_or(format!("unknown fault {name}; there are {}", all.join(", ")).into())
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(seed: u64) -> Vec<String> {
        let settings = Settings {
            seed,
            nodes: 5,
            faults: "all".into(),
            fault_percent: 20,
            sign_percent: 50,
            transactions: Some(500),
            dkgs: 5,
        };
        let mut plan = Plan::new(settings).unwrap();
        (0..505).map(|_| format!("{:?}", plan.next())).collect()
    }

    #[test]
    fn the_seed_is_the_plan() {
        assert_eq!(steps(7), steps(7));
        assert_ne!(steps(7), steps(8));
    }

    #[test]
    fn it_begins_with_a_key_and_holds_everything() {
        let steps = steps(7);
        assert!(steps[0].contains("Dkg(\"frost\")"));
        assert_eq!(steps.iter().filter(|step| step.contains("Dkg")).count(), 5);
        for fault in IN_TRANSACTION {
            assert!(steps.iter().any(|step| step.contains(fault)), "{fault}");
        }
        assert!(steps.iter().any(|step| step.contains("DropPeer")));
        assert!(steps.iter().any(|step| step.contains("HangUp")));
        assert!(steps.iter().any(|step| step.contains("Dkg(\"cggmp24\")")));
        assert!(steps.iter().any(|step| step.contains("Transaction") && step.contains("cggmp24")));
    }
}
