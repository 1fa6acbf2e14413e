// SPDX-License-Identifier: BSD-2-Clause
//! What a node does with votes, keys and signatures.

pub mod auto_voter;
pub mod dkg_service;
pub mod health_checker;
pub mod heartbeat_service;
pub mod message_router;
pub mod presig_service;
pub mod signing_coordinator;
pub mod timeout_monitor;
pub mod wire;

use std::collections::BTreeSet;

use threshold_types::NodeId;

/// This node and the next ones after it, as many as the threshold asks for.
fn signers(me: NodeId, nodes: &[NodeId], threshold: usize) -> BTreeSet<NodeId> {
    let at = nodes.iter().position(|node| *node == me).unwrap_or(0);
    nodes.iter().cycle().skip(at).take(threshold).copied().collect()
}

#[cfg(test)]
mod tests;
