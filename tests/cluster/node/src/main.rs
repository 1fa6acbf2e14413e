// SPDX-License-Identifier: BSD-2-Clause
//! One node of the wallet cluster, configured by its environment as the wallet is.

mod config;
mod node;
mod rest;

use std::path::Path;
use std::time::Duration;

use config::Config;
use node::Node;
use tokio::signal::unix::{SignalKind, signal};

/// How long a node that was told to stop waits for what it has begun.
const GRACE: Duration = Duration::from_secs(5);

fn main() {
    let config = Config::from_env().unwrap_or_else(|error| {
        eprintln!("mpc-node: {error}");
        std::process::exit(2);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
    let outcome = runtime.block_on(run(&config));
    // Calls that are still suspended are dropped here, and go into the books as cancelled.
    drop(runtime);
    if let Some(path) = &config.truth_file
        && let Err(error) = books::write(&config.node_id.0.to_string(), Path::new(path))
    {
        eprintln!("mpc-node: {path}: {error}");
    }
    if let Err(error) = outcome {
        eprintln!("mpc-node: {error}");
        std::process::exit(1);
    }
}

async fn run(config: &Config) -> threshold_types::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM");
    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT");
    let node = Node::start(config).await?;
    let listener = tokio::net::TcpListener::bind(config.listen)
        .await
        .map_err(|e| threshold_types::Error::ConfigError(format!("{}: {e}", config.listen)))?;
    eprintln!("{} listens on {}", config.node_id, config.listen);
    let server = tokio::spawn(axum::serve(listener, rest::router(node.clone())).into_future());
    tokio::select! {
        _ = terminate.recv() => (),
        _ = interrupt.recv() => (),
    }
    let _ = tokio::time::timeout(GRACE, node.idle()).await;
    server.abort();
    node.stop().await;
    Ok(())
}
