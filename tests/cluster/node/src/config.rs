// SPDX-License-Identifier: BSD-2-Clause
use std::collections::HashMap;
use std::env::var;
use std::net::SocketAddr;
use std::path::PathBuf;

use threshold_types::{Error, NodeId, Result};

pub struct Config {
    pub node_id: NodeId,
    pub listen: SocketAddr,
    pub quic_listen: SocketAddr,
    pub threshold: usize,
    /// Where each node's QUIC listens, this node too.
    pub endpoints: HashMap<NodeId, SocketAddr>,
    /// Certificates and vote keys, made by the launcher.
    pub cert_dir: PathBuf,
    pub postgres_url: String,
    pub etcd_endpoints: Vec<String>,
    pub ban_after: u64,
    pub truth_file: Option<String>,
}

impl Config {
    /// NODE_ENDPOINTS lists host:port of node 1, 2, … separated by commas, ETCD_ENDPOINTS http://host:port of each
    /// member.
    pub fn from_env() -> Result<Self> {
        let total: usize = parse("TOTAL_NODES")?;
        let mut endpoints = HashMap::new();
        for (at, endpoint) in need("NODE_ENDPOINTS")?.split(',').enumerate() {
            let address = endpoint.trim().parse().map_err(|e| wrong("NODE_ENDPOINTS", &e))?;
            endpoints.insert(NodeId(at as u64 + 1), address);
        }
        let config = Config {
            node_id: NodeId(parse("NODE_ID")?),
            listen: parse("LISTEN_ADDR")?,
            quic_listen: parse("QUIC_LISTEN_ADDR")?,
            threshold: parse("THRESHOLD")?,
            endpoints,
            cert_dir: need("CERT_DIR")?.into(),
            postgres_url: need("POSTGRES_URL")?,
            etcd_endpoints: need("ETCD_ENDPOINTS")?.split(',').map(|endpoint| endpoint.trim().to_string()).collect(),
            ban_after: if var("BAN_AFTER").is_ok() { parse("BAN_AFTER")? } else { 0 },
            truth_file: var("TRUTH_FILE").ok(),
        };
        if config.endpoints.len() != total || !config.endpoints.contains_key(&config.node_id) {
            return Err(Error::ConfigError("NODE_ENDPOINTS, TOTAL_NODES and NODE_ID disagree".into()));
        }
        if config.threshold < 2 || config.threshold > total {
            return Err(Error::ConfigError(format!("THRESHOLD {} of {total}", config.threshold)));
        }
        Ok(config)
    }

    pub fn nodes(&self) -> Vec<NodeId> {
        let mut nodes: Vec<_> = self.endpoints.keys().copied().collect();
        nodes.sort();
        nodes
    }
}

fn need(name: &str) -> Result<String> {
    var(name).map_err(|_| Error::ConfigError(format!("{name} is not set")))
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str) -> Result<T> {
    need(name)?.parse().map_err(|e: T::Err| wrong(name, &e))
}

fn wrong(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::ConfigError(format!("{name}: {error}"))
}
