// SPDX-License-Identifier: BSD-2-Clause
//! QUIC between two endpoints on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ConnectionError, Endpoint, TransportConfig};
use rustls::version::TLS13;

use crate::certificates::{Authority, NAME};
use crate::tls;

const IDLE: Duration = Duration::from_millis(400);

fn here() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn client(config: rustls::ClientConfig) -> quinn::ClientConfig {
    quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).expect("QUIC")))
}

fn server(config: rustls::ServerConfig, idle: Option<Duration>) -> quinn::ServerConfig {
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(config).expect("QUIC")));
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(idle.map(|idle| idle.try_into().expect("short")));
    server.transport_config(Arc::new(transport));
    server
}

fn opened(side: &str) {
    books::one(format!("mpc_quinn_connections_opened_total{{handshake=\"completed\",side=\"{side}\"}}"));
    books::one(format!("mpc_rustls_handshakes_total{{result=\"completed\",role=\"{side}\",version=\"1.3\"}}"));
}

fn lost(side: &str, error: &ConnectionError) {
    let reason = match error {
        ConnectionError::TransportError(_) => "transport_error",
        ConnectionError::ConnectionClosed(_) => "closed_by_peer_transport",
        ConnectionError::ApplicationClosed(_) => "closed_by_peer",
        ConnectionError::TimedOut => "timed_out",
        ConnectionError::LocallyClosed => return,
        other => panic!("unexpected: {other}"),
    };
    books::one(format!("mpc_quinn_connections_lost_total{{reason=\"{reason}\",side=\"{side}\"}}"));
}

fn attempt(side: &str) {
    books::one(format!("mpc_quinn_connections_started_total{{result=\"success\",side=\"{side}\"}}"));
}

/// Accepts as long as the endpoint lives; each connection until it is lost.
async fn serve(endpoint: Endpoint) {
    let mut tasks = tokio::task::JoinSet::new();
    while let Some(incoming) = endpoint.accept().await {
        let connecting = incoming.accept().expect("it begins well");
        attempt("server");
        tasks.spawn(async move {
            match connecting.await {
                Ok(connection) => {
                    opened("server");
                    lost("server", &connection.closed().await);
                }
                Err(error) => {
                    rejected("server", &error);
                    lost("server", &error);
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

/// The handshake's own end, where this side found the fault.
fn rejected(side: &str, error: &ConnectionError) {
    if let ConnectionError::TransportError(_) = error {
        books::one(format!(
            "mpc_rustls_errors_total{{error=\"invalid_certificate\",role=\"{side}\",seen=\"first\",transport=\"quic\"}}"
        ));
        tls::book_certificate(side, &rustls::CertificateError::UnknownIssuer);
    }
}

async fn connect(endpoint: &Endpoint, config: quinn::ClientConfig, to: SocketAddr) -> Option<quinn::Connection> {
    let connecting = endpoint.connect_with(config, to, NAME).expect("it begins well");
    attempt("client");
    match connecting.await {
        Ok(connection) => {
            opened("client");
            Some(connection)
        }
        Err(error) => {
            rejected("client", &error);
            lost("client", &error);
            None
        }
    }
}

async fn play(wallet: &Authority, stranger: &Authority) {
    let good = client(wallet.client(wallet, &[&TLS13], "mpc"));
    let strange = client(stranger.client(wallet, &[&TLS13], "mpc"));
    let suspicious = client(wallet.client(stranger, &[&TLS13], "mpc"));
    let patient =
        Endpoint::server(server(wallet.server(wallet, &[&TLS13], "mpc", 2100), None), here()).expect("a server");
    let hasty =
        Endpoint::server(server(wallet.server(wallet, &[&TLS13], "mpc", 2100), Some(IDLE)), here()).expect("a server");
    let endpoint = Endpoint::client(here()).expect("a client");
    let to = patient.local_addr().expect("an address");
    let quick = hasty.local_addr().expect("an address");
    let serving = [tokio::spawn(serve(patient.clone())), tokio::spawn(serve(hasty.clone()))];

    for _ in 0..4 {
        let connection = connect(&endpoint, good.clone(), to).await.expect("it fits");
        connection.close(0u32.into(), b"done");
        connection.close(1u32.into(), b"once more");
    }
    for _ in 0..2 {
        assert!(connect(&endpoint, suspicious.clone(), to).await.is_none());
        // The client is done before the server has looked at its certificate.
        let connection = connect(&endpoint, strange.clone(), to).await.expect("so far");
        lost("client", &connection.closed().await);
        connection.close(0u32.into(), b"too late");
        let connection = connect(&endpoint, good.clone(), quick).await.expect("it fits");
        lost("client", &connection.closed().await);
    }
    endpoint.wait_idle().await;
    tokio::time::sleep(IDLE).await;
    patient.close(0u32.into(), b"");
    hasty.close(0u32.into(), b"");
    for task in serving {
        task.await.expect("it serves to its end");
    }
}

pub fn run(wallet: &Authority, stranger: &Authority) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(play(wallet, stranger));
}
