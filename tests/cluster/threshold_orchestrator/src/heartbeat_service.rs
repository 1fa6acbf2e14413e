// SPDX-License-Identifier: BSD-2-Clause
use std::time::Duration;

use threshold_storage::etcd::{EtcdStorage, HEARTBEAT_SECONDS};
use threshold_types::Result;
use tokio::sync::Mutex;

/// Two of three may get lost.
const INTERVAL: Duration = Duration::from_secs(HEARTBEAT_SECONDS as u64 / 3);

/// Tells the cluster that this node is there.
pub struct HeartbeatService {
    etcd: Mutex<EtcdStorage>,
}

impl HeartbeatService {
    pub fn new(etcd: EtcdStorage) -> Self {
        HeartbeatService { etcd: Mutex::new(etcd) }
    }

    /// The first heartbeat, before anything is done that hangs on it.
    pub async fn begin(&self) -> Result<()> {
        self.etcd.lock().await.send_heartbeat().await
    }

    pub async fn run(&self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            if let Err(error) = self.etcd.lock().await.send_heartbeat().await {
                tracing::warn!(%error, "heartbeat");
            }
        }
    }

    pub async fn end(&self) -> Result<()> {
        self.etcd.lock().await.leave().await
    }
}
