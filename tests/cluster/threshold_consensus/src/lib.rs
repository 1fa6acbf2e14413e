// SPDX-License-Identifier: BSD-2-Clause
//! Voting: one vote at a time, checked, counted, and decided by the threshold.

pub mod byzantine;
pub mod fsm;
pub mod vote_processor;

use threshold_types::Transaction;

/// What a vote's `value` commits to: the transaction that the voter saw.
pub fn digest(transaction: &Transaction) -> u64 {
    let hash = ring::digest::digest(&ring::digest::SHA256, &transaction.unsigned_bytes());
    u64::from_be_bytes(hash.as_ref()[..8].try_into().expect("eight bytes"))
}
