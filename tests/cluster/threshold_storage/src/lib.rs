// SPDX-License-Identifier: BSD-2-Clause
//! Where a node keeps its state. Both stores have the wallet's paths and live in memory for now.

pub mod etcd;
pub mod postgres;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Stands for the network between node and store: most answers are there at once, some need another poll,
/// a few take a millisecond.
#[derive(Default)]
pub(crate) struct Latency(AtomicU64);

impl Latency {
    pub(crate) async fn wait(&self) {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            n if n % 128 == 127 => tokio::time::sleep(Duration::from_millis(1)).await,
            n if n % 4 == 3 => tokio::task::yield_now().await,
            _ => (),
        }
    }
}
