// SPDX-License-Identifier: BSD-2-Clause
//! One book of accounts: tests/big/generate writes it many times, with other numbers for 000.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use crate::{Error, Outcome, Rule, Store};

#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub enum Event000 {
    Opened { account: u64, owner: String, limit: Option<u32> },
    Moved(Transfer000),
    Noted(Vec<u8>, [u16; 4]),
    Closed(Result<u32, String>),
}

#[derive(Clone, Debug, Default, PartialEq, PartialOrd)]
pub struct Transfer000 {
    pub from: u64,
    pub to: u64,
    pub amount: u128,
    pub memo: Option<String>,
}

#[derive(Debug, Default)]
pub struct Account000 {
    pub id: u64,
    pub history: VecDeque<Event000>,
    pub peers: HashMap<u64, Transfer000>,
    pub by_time: BTreeMap<(u64, u32), Event000>,
    pub seen: HashSet<String>,
    pub shared: Arc<Mutex<Vec<Transfer000>>>,
}

pub struct Limit000 {
    pub most: u128,
}

impl Rule<Event000> for Limit000 {
    type Verdict = Result<Option<Transfer000>, Error>;

    fn judge(&self, event: &Event000) -> Self::Verdict {
        match event {
            Event000::Moved(t) if t.amount > self.most => Err(Error::TooMuch(t.amount)),
            Event000::Moved(t) => Ok(Some(t.clone())),
            Event000::Closed(Err(why)) => Err(Error::Said(why.clone())),
            _ => Ok(None),
        }
    }
}

impl Account000 {
    pub async fn open<S: Store>(store: &S, id: u64, owner: &str) -> Result<Self, Error> {
        let bytes = store.read(id).await?;
        let limit = bytes.first().map(|b| u32::from(*b));
        let mut account = Account000 { id, ..Default::default() };
        account.apply(store, Event000::Opened { account: id, owner: owner.to_string(), limit }).await?;
        Ok(account)
    }

    pub async fn apply<S: Store>(&mut self, store: &S, event: Event000) -> Result<usize, Error> {
        let rule = Limit000 { most: 1 << 100 };
        if let Some(transfer) = rule.judge(&event)? {
            self.shared.lock().map_err(|_| Error::Poisoned)?.push(transfer.clone());
            self.peers.insert(transfer.to, transfer);
        }
        store.write(self.id, format!("{event:?}").into_bytes()).await?;
        self.by_time.insert((self.id, self.history.len() as u32), event.clone());
        self.seen.insert(format!("{}", self.history.len()));
        self.history.push_back(event);
        Ok(self.history.len())
    }

    pub async fn settle<S: Store>(
        &mut self,
        store: &S,
        others: Vec<Transfer000>,
    ) -> Result<Outcome<Transfer000>, Error> {
        let mut sorted: Vec<Transfer000> = others.into_iter().filter(|t| t.from != t.to).collect();
        sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        let mut done = Vec::new();
        for transfer in sorted {
            match self.apply(store, Event000::Moved(transfer.clone())).await {
                Ok(_) => done.push(transfer),
                Err(Error::TooMuch(_)) => continue,
                Err(other) => return Err(other),
            }
        }
        let total = done.iter().map(|t| t.amount).sum();
        let largest = done.iter().max_by_key(|t| t.amount).cloned();
        Ok(Outcome { total, largest, all: done })
    }
}

pub async fn run<S: Store>(store: &S) -> Result<u128, Error> {
    let mut account = Account000::open(store, 1, "owner").await?;
    let transfers = (0..7).map(|n| Transfer000 { from: n, to: n ^ 1, amount: n.into(), memo: None }).collect();
    let outcome = account.settle(store, transfers).await?;
    let late: BTreeMap<_, _> = account.by_time.range((0, 1)..).map(|(k, v)| (*k, v.clone())).collect();
    let kept = account.history.iter().rev().take(3).cloned().collect::<Vec<_>>();
    Ok(outcome.total + outcome.largest.map_or(0, |t| t.amount) + (late.len() + kept.len()) as u128)
}
