// SPDX-License-Identifier: BSD-2-Clause
//! What a node does with votes, keys and signatures.

pub mod auto_voter;
pub mod dkg_service;
pub mod message_router;
pub mod signing_coordinator;
pub mod timeout_monitor;
pub mod wire;

#[cfg(test)]
mod tests;
