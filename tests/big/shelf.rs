// SPDX-License-Identifier: BSD-2-Clause
//! What the books of one crate share; tests/big/generate appends a module for each and `run`.

use std::future::Future;

#[derive(Debug)]
pub enum Error {
    TooMuch(u128),
    Said(String),
    Poisoned,
    Gone(u64),
}

pub trait Store {
    fn read(&self, id: u64) -> impl Future<Output = Result<Vec<u8>, Error>> + Send;
    fn write(&self, id: u64, data: Vec<u8>) -> impl Future<Output = Result<(), Error>> + Send;
}

pub trait Rule<E> {
    type Verdict;
    fn judge(&self, event: &E) -> Self::Verdict;
}

#[derive(Debug)]
pub struct Outcome<T> {
    pub total: u128,
    pub largest: Option<T>,
    pub all: Vec<T>,
}

pub struct Memory;

impl Store for Memory {
    async fn read(&self, id: u64) -> Result<Vec<u8>, Error> {
        if id == 0 { Err(Error::Gone(id)) } else { Ok(vec![1]) }
    }

    async fn write(&self, _: u64, data: Vec<u8>) -> Result<(), Error> {
        drop(data);
        Ok(())
    }
}
