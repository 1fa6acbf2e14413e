// SPDX-License-Identifier: BSD-2-Clause
//! The services that a wallet runs on, started in a folder of their own and bound to loopback: etcd and
//! PostgreSQL, both as Debian ships them. Everything here is for the driver and for tests.

pub mod etcd;
pub mod http;
pub mod postgres;
pub mod process;

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The end of a log, for a sentence that says why something does not run.
pub fn last_line(log: &std::path::Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing in it").trim().to_string()
}

/// Addresses of 127.0.0.1 whose ports were free a moment ago.
pub fn free_addresses(count: usize) -> Result<Vec<String>> {
    let sockets: Vec<_> =
        (0..count).map(|_| std::net::TcpListener::bind("127.0.0.1:0")).collect::<std::io::Result<_>>()?;
    sockets.iter().map(|socket| Ok(socket.local_addr()?.to_string())).collect()
}
