// SPDX-License-Identifier: BSD-2-Clause
//! QUIC between two endpoints on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ConnectionError, Endpoint, TransportConfig, TransportErrorCode};
use rustls::version::TLS13;

use crate::certificates::{Authority, NAME};
use crate::paths::{self, Control};
use crate::{looked, tls};

const IDLE: Duration = Duration::from_millis(400);

pub fn here() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn transport(idle: Option<Duration>, control: &Control) -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(idle.map(|idle| idle.try_into().expect("short")));
    transport.congestion_controller_factory(control.clone());
    Arc::new(transport)
}

pub fn client(config: rustls::ClientConfig, control: &Control) -> quinn::ClientConfig {
    let mut client = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).expect("QUIC")));
    client.transport_config(transport(None, control));
    client
}

pub fn server(config: rustls::ServerConfig, idle: Option<Duration>, control: &Control) -> quinn::ServerConfig {
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(config).expect("QUIC")));
    server.transport_config(transport(idle, control));
    server
}

fn opened(side: &str) {
    books::one(format!("mpc_quinn_connections_opened_total{{handshake=\"completed\",side=\"{side}\"}}"));
}

fn book_server(kind: &str, n: f64, within: Duration) {
    tls::book_handshakes(kind, "server", "1.3", n);
    tls::book_served(kind, "1.3", "completed", n, within);
}

/// Of a server nobody knows here which: it is booked as one that was resumed, and `run` puts right
/// as many as looked at a certificate. What it took may be of either.
pub fn opened_server(began: Instant) {
    opened("server");
    book_server("resumed", 1.0, began.elapsed());
    book_server("full", 0.0, began.elapsed());
}

pub fn lost(side: &str, error: &ConnectionError) {
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

pub fn attempt(side: &str) {
    books::one(format!("mpc_quinn_connections_started_total{{result=\"success\",side=\"{side}\"}}"));
}

/// Accepts as long as the endpoint lives; each connection until it is lost.
async fn serve(endpoint: Endpoint) {
    let mut tasks = tokio::task::JoinSet::new();
    while let Some(incoming) = endpoint.accept().await {
        let began = Instant::now();
        let connecting = match incoming.accept() {
            Ok(connecting) => connecting,
            Err(error) => {
                // Its hello alone was enough.
                books::one("mpc_quinn_connections_started_total{result=\"failure\",side=\"server\"}");
                rejected("server", &error);
                continue;
            }
        };
        attempt("server");
        tasks.spawn(async move {
            match connecting.await {
                Ok(connection) => {
                    opened_server(began);
                    let _ = connection.send_datagram(b"behind the tickets"[..].into());
                    lost("server", &connection.closed().await);
                }
                Err(error) => {
                    if let ConnectionError::TransportError(_) = error {
                        tls::book_served("full", "1.3", "certificate_rejected", 1.0, began.elapsed());
                    }
                    rejected("server", &error);
                    lost("server", &error);
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

/// The handshake's own end, where this side found the fault: by the alert, in QUIC's error code.
fn rejected(side: &str, error: &ConnectionError) {
    let ConnectionError::TransportError(error) = error else { return };
    let (alert, word, certificate) = match u64::from(error.code) - u64::from(TransportErrorCode::crypto(0)) {
        45 => ("certificate_expired", "invalid_certificate", Some("expired")),
        48 => ("unknown_ca", "invalid_certificate", Some("unknown_issuer")),
        120 => ("no_application_protocol", "no_application_protocol", None),
        other => panic!("unexpected alert {other}"),
    };
    books::one(format!("mpc_quinn_handshakes_refused_total{{alert=\"{alert}\",side=\"{side}\"}}"));
    books::one(format!(
        "mpc_rustls_errors_total{{error=\"{word}\",role=\"{side}\",seen=\"first\",transport=\"quic\"}}"
    ));
    if let Some(reason) = certificate {
        tls::book_rejected(side, reason);
    }
}

/// One after the other, so that what is looked at meanwhile is this one's.
pub async fn connect(endpoint: &Endpoint, config: quinn::ClientConfig, to: SocketAddr) -> Option<quinn::Connection> {
    let (before, began) = (looked::stood("client"), Instant::now());
    let connecting = endpoint.connect_with(config, to, NAME).expect("it begins well");
    attempt("client");
    match connecting.await {
        Ok(connection) => {
            let kind = if looked::stood("client") > before { "full" } else { "resumed" };
            opened("client");
            tls::book_called(kind, began.elapsed());
            tls::book_handshakes(kind, "client", "1.3", 1.0);
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
    let cubic = paths::controls().remove(0);
    let good = client(wallet.client(wallet, &[&TLS13], "mpc"), &cubic);
    let strange = client(stranger.client(wallet, &[&TLS13], "mpc"), &cubic);
    let suspicious = client(wallet.client(stranger, &[&TLS13], "mpc"), &cubic);
    let mute = client(wallet.client(wallet, &[&TLS13], "other"), &cubic);
    let serving = |idle, year| {
        let config = server(wallet.server(wallet, &[&TLS13], "mpc", year), idle, &cubic);
        Endpoint::server(config, here()).expect("a server")
    };
    let (patient, hasty, old) = (serving(None, 2100), serving(Some(IDLE), 2100), serving(None, 2001));
    let endpoint = Endpoint::client(here()).expect("a client");
    let to = patient.local_addr().expect("an address");
    let quick = hasty.local_addr().expect("an address");
    let late = old.local_addr().expect("an address");
    let serving = [&patient, &hasty, &old].map(|endpoint| tokio::spawn(serve(endpoint.clone())));

    for _ in 0..4 {
        let connection = connect(&endpoint, good.clone(), to).await.expect("it fits");
        // What comes after the tickets, so that the next one has some.
        connection.read_datagram().await.expect("a word");
        connection.close(0u32.into(), b"done");
        connection.close(1u32.into(), b"once more");
    }
    for _ in 0..2 {
        assert!(connect(&endpoint, suspicious.clone(), to).await.is_none());
        assert!(connect(&endpoint, good.clone(), late).await.is_none());
        assert!(connect(&endpoint, mute.clone(), to).await.is_none());
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
    old.close(0u32.into(), b"");
    for task in serving {
        task.await.expect("it serves to its end");
    }
}

pub fn run(wallet: &Authority, stranger: &Authority) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let before = looked::stood("server");
    runtime.expect("a runtime").block_on(async {
        play(wallet, stranger).await;
        for control in paths::controls() {
            paths::play(wallet, &control).await;
        }
    });
    let full = (looked::stood("server") - before) as f64;
    book_server("full", full, Duration::ZERO);
    book_server("resumed", -full, Duration::ZERO);
}
