// SPDX-License-Identifier: BSD-2-Clause
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex as SyncMutex, MutexGuard, PoisonError};
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, EndpointConfig, IdleTimeout, Runtime, ServerConfig,
    TokioRuntime, TransportConfig, TransportErrorCode,
};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use threshold_types::{NetworkError, NetworkResult, NodeId};
use tokio::sync::{Mutex, mpsc};

use crate::severed::Severable;

const ALPN: &[u8] = b"mpc";
const MESSAGE_MAX: usize = 1 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const KEEP_ALIVE: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(10);
const CLOSED_ON_REQUEST: u32 = 1;

/// What the launcher put into the certificate folder, all DER.
pub struct Identity {
    ca: CertificateDer<'static>,
    own: Credentials,
    /// A certificate that no peer accepts, where the launcher made one, for tests.
    unknown: Option<Credentials>,
    /// Everybody's certificate, to know who is at the other end.
    nodes: HashMap<CertificateDer<'static>, NodeId>,
}

struct Credentials {
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Credentials {
    fn load(folder: &Path, name: &str) -> NetworkResult<Self> {
        let read = |name: String| {
            std::fs::read(folder.join(&name)).map_err(|e| NetworkError::CertificateError(format!("{name}: {e}")))
        };
        Ok(Credentials {
            certificate: read(format!("{name}.der"))?.into(),
            key: read(format!("{name}.key.der"))?.into(),
        })
    }

    fn chain(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (vec![self.certificate.clone()], PrivateKeyDer::Pkcs8(self.key.clone_key()))
    }
}

impl Identity {
    pub fn load(folder: &Path, me: NodeId, nodes: &[NodeId]) -> NetworkResult<Self> {
        let read = |name: String| {
            std::fs::read(folder.join(&name)).map_err(|e| NetworkError::CertificateError(format!("{name}: {e}")))
        };
        let mut all = HashMap::new();
        for node in nodes {
            all.insert(CertificateDer::from(read(format!("{node}.der"))?), *node);
        }
        Ok(Identity {
            ca: read("ca.der".into())?.into(),
            own: Credentials::load(folder, &me.to_string())?,
            unknown: Credentials::load(folder, &format!("{me}.unknown")).ok(),
            nodes: all,
        })
    }

    fn roots(&self) -> NetworkResult<Arc<RootCertStore>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.clone()).map_err(|e| NetworkError::CertificateError(e.to_string()))?;
        Ok(Arc::new(roots))
    }
}

pub struct QuicEngine {
    endpoint: Endpoint,
    socket: Arc<Severable>,
    client: SyncMutex<ClientConfig>,
    identity: Identity,
    /// The peers' connections to us, by quinn's number.
    incoming: SyncMutex<HashMap<usize, Connection>>,
    peers: HashMap<NodeId, Peer>,
    inbox: mpsc::Sender<(NodeId, Vec<u8>)>,
}

struct Peer {
    address: SocketAddr,
    /// Ours to them; what they send us comes over theirs.
    connection: Mutex<Option<Connection>>,
}

impl QuicEngine {
    /// Listens; messages of the peers appear in `inbox`.
    pub fn start(
        identity: Identity,
        listen: SocketAddr,
        peers: impl IntoIterator<Item = (NodeId, SocketAddr)>,
        inbox: mpsc::Sender<(NodeId, Vec<u8>)>,
    ) -> NetworkResult<Arc<Self>> {
        let server = Self::init_server(&identity, &identity.own)?;
        let client = SyncMutex::new(Self::init_client(&identity, &identity.own)?);
        let failed = |e: std::io::Error| NetworkError::ConnectionFailed(format!("{listen}: {e}"));
        let socket = std::net::UdpSocket::bind(listen).map_err(failed)?;
        let socket = Severable::new(TokioRuntime.wrap_udp_socket(socket).map_err(failed)?);
        let config = EndpointConfig::default();
        let endpoint = Endpoint::new_with_abstract_socket(config, Some(server), socket.clone(), Arc::new(TokioRuntime))
            .map_err(failed)?;
        let peers =
            peers.into_iter().map(|(node, address)| (node, Peer { address, connection: Mutex::new(None) })).collect();
        let engine =
            Arc::new(QuicEngine { endpoint, socket, client, identity, incoming: SyncMutex::default(), peers, inbox });
        tokio::spawn(engine.clone().accept());
        Ok(engine)
    }

    fn init_server(identity: &Identity, credentials: &Credentials) -> NetworkResult<ServerConfig> {
        let tls = |e: &dyn std::fmt::Display| NetworkError::TlsError(e.to_string());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(identity.roots()?, provider()).build().map_err(|e| tls(&e))?;
        let (chain, key) = credentials.chain();
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| tls(&e))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|e| tls(&e))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        let mut server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(config).map_err(|e| tls(&e))?));
        server.transport_config(transport());
        Ok(server)
    }

    fn init_client(identity: &Identity, credentials: &Credentials) -> NetworkResult<ClientConfig> {
        let tls = |e: &dyn std::fmt::Display| NetworkError::TlsError(e.to_string());
        let (chain, key) = credentials.chain();
        let mut config = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| tls(&e))?
            .with_root_certificates(identity.roots()?)
            .with_client_auth_cert(chain, key)
            .map_err(|e| tls(&e))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).map_err(|e| tls(&e))?));
        client.transport_config(transport());
        Ok(client)
    }

    async fn accept(self: Arc<Self>) {
        while let Some(incoming) = self.endpoint.accept().await {
            let engine = self.clone();
            tokio::spawn(async move {
                match incoming.await {
                    Ok(connection) => {
                        if let Err(error) = engine.handle_connection(connection).await {
                            tracing::info!(%error, "connection ended");
                        }
                    }
                    Err(error) => {
                        book_refusal("server", &error);
                        tracing::warn!(%error, "handshake failed");
                    }
                }
            });
        }
    }

    /// Runs as long as the peer's connection to us; so a call of it is nearly always in flight.
    pub async fn handle_connection(&self, connection: Connection) -> NetworkResult<()> {
        let call = books::begin("handle_connection");
        let Some(node) = self.node_of(&connection) else {
            connection.close(CLOSED_ON_REQUEST.into(), b"unknown certificate");
            return call.close(Err(NetworkError::CertificateError("not a node of this cluster".into())));
        };
        let _known = Incoming::new(self, &connection);
        loop {
            let mut stream = match connection.accept_uni().await {
                Ok(stream) => stream,
                Err(error) => return call.close(Err(NetworkError::ConnectionLost(error.to_string()))),
            };
            match stream.read_to_end(MESSAGE_MAX).await {
                Ok(message) => {
                    if self.inbox.send((node, message)).await.is_err() {
                        return call.close(Ok(()));
                    }
                }
                Err(error) => return call.close(Err(NetworkError::ReceiveFailed(error.to_string()))),
            }
        }
    }

    /// One message, one stream. A connection that turns out to be dead is replaced once.
    pub async fn send(&self, peer: NodeId, message: &[u8]) -> NetworkResult<()> {
        let call = books::begin("QuicEngine::send");
        let connection = books::attempt!(call, self.get_or_create_connection(peer).await.map_err(booked));
        if write(&connection, message).await.is_ok() {
            return call.close(Ok(()));
        }
        let connection = books::attempt!(call, self.get_or_create_connection(peer).await.map_err(booked));
        call.close(write(&connection, message).await.map_err(booked))
    }

    /// To everybody; who cannot be reached does not keep the others waiting. Returns how many it went to.
    pub async fn broadcast(self: &Arc<Self>, message: &[u8]) -> NetworkResult<usize> {
        let call = books::begin("broadcast");
        let mut sends = tokio::task::JoinSet::new();
        for peer in self.peers.keys().copied() {
            let (engine, message) = (self.clone(), message.to_vec());
            sends.spawn(async move { engine.send(peer, &message).await });
        }
        let mut reached = 0;
        while let Some(sent) = sends.join_next().await {
            match sent {
                Ok(Ok(())) => reached += 1,
                Ok(Err(error)) => tracing::warn!(%error, "broadcast"),
                Err(error) => tracing::warn!(%error, "broadcast"),
            }
        }
        call.close(Ok(reached))
    }

    pub async fn get_or_create_connection(&self, peer: NodeId) -> NetworkResult<Connection> {
        let call = books::begin("get_or_create_connection");
        let Some(known) = self.peers.get(&peer) else {
            return call.close(Err(NetworkError::ConnectionFailed(format!("{peer} is not configured"))));
        };
        let mut slot = known.connection.lock().await;
        if let Some(connection) = slot.as_ref().filter(|connection| connection.close_reason().is_none()) {
            return call.close(Ok(connection.clone()));
        }
        *slot = None;
        let connection = books::attempt!(call, self.create_connection(peer, known.address).await);
        *slot = Some(connection.clone());
        call.close(Ok(connection))
    }

    pub async fn create_connection(&self, peer: NodeId, address: SocketAddr) -> NetworkResult<Connection> {
        let call = books::begin("create_connection");
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let connecting = match self.endpoint.connect_with(client, address, &peer.to_string()) {
            Ok(connecting) => connecting,
            Err(error) => return call.close(Err(NetworkError::ConnectionFailed(error.to_string()))),
        };
        call.close(match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => {
                book_refusal("client", &error);
                Err(network_error(&error, NetworkError::ConnectionFailed))
            }
            Err(_) => Err(NetworkError::Timeout(format!("connecting to {peer}"))),
        })
    }

    pub async fn close_connection(&self, peer: NodeId) -> NetworkResult<()> {
        let call = books::begin("close_connection");
        let Some(known) = self.peers.get(&peer) else {
            return call.close(Err(NetworkError::ConnectionFailed(format!("{peer} is not configured"))));
        };
        if let Some(connection) = known.connection.lock().await.take() {
            connection.close(CLOSED_ON_REQUEST.into(), b"dropped");
        }
        call.close(Ok(()))
    }

    /// Those that this node has a live connection to.
    pub fn connected_peers(&self) -> Vec<NodeId> {
        // A connection that is just being made does not live yet.
        let is_live = |peer: &Peer| {
            peer.connection.try_lock().is_ok_and(|slot| slot.as_ref().is_some_and(|c| c.close_reason().is_none()))
        };
        self.peers.iter().filter(|(_, peer)| is_live(peer)).map(|(node, _)| *node).collect()
    }

    /// Cuts this node off from its peers, or lets it back, for a test.
    pub fn sever(&self, severed: bool) {
        self.socket.sever(severed);
    }

    /// Shows the peers a certificate that they do not know, or the right one again, for a test. Connections of
    /// before end.
    pub async fn present_unknown_certificate(&self, unknown: bool) -> NetworkResult<()> {
        let missing = || NetworkError::CertificateError("there is no other certificate".into());
        let credentials =
            if unknown { self.identity.unknown.as_ref().ok_or_else(missing)? } else { &self.identity.own };
        self.endpoint.set_server_config(Some(Self::init_server(&self.identity, credentials)?));
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Self::init_client(&self.identity, credentials)?;
        let incoming: Vec<_> = self.incoming().values().cloned().collect();
        for connection in incoming {
            connection.close(CLOSED_ON_REQUEST.into(), b"dropped");
        }
        for peer in self.peers.keys() {
            self.close_connection(*peer).await?;
        }
        Ok(())
    }

    pub async fn shut_down(&self) {
        self.endpoint.close(0u32.into(), b"shutting down");
        self.endpoint.wait_idle().await;
    }

    fn node_of(&self, connection: &Connection) -> Option<NodeId> {
        let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        self.identity.nodes.get(identity.first()?).copied()
    }

    fn incoming(&self) -> MutexGuard<'_, HashMap<usize, Connection>> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In the list as long as the connection is handled, however that ends.
struct Incoming<'a>(&'a QuicEngine, usize);

impl<'a> Incoming<'a> {
    fn new(engine: &'a QuicEngine, connection: &Connection) -> Self {
        engine.incoming().insert(connection.stable_id(), connection.clone());
        Incoming(engine, connection.stable_id())
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        self.0.incoming().remove(&self.1);
    }
}

/// What a failed send is, in the wallet's words.
fn booked(error: NetworkError) -> NetworkError {
    use NetworkError::*;
    let kind = match error {
        ConnectionFailed(_) | ConnectionLost(_) | SendFailed(_) | ReceiveFailed(_) => "connection",
        Timeout(_) => "timeout",
        CertificateError(_) | TlsError(_) => "handshake",
    };
    books::count("mpc_network_errors_total", &[("error_type", kind)]);
    error
}

/// A handshake that this side refused, as client or as server. What the other end refused comes as a
/// close of the connection, and is in its books.
fn book_refusal(side: &'static str, error: &ConnectionError) {
    if let ConnectionError::TransportError(error) = error
        && is_of_tls(error.code)
    {
        books::count("mpc_tls_handshake_failures_total", &[("side", side)]);
    }
}

/// TLS says why it ended a connection with an error code of QUIC's.
fn is_of_tls(code: TransportErrorCode) -> bool {
    let of_tls = u64::from(TransportErrorCode::crypto(0))..=u64::from(TransportErrorCode::crypto(u8::MAX));
    of_tls.contains(&code.into())
}

/// That is a failed handshake, whichever end ended it.
fn network_error(error: &ConnectionError, otherwise: fn(String) -> NetworkError) -> NetworkError {
    let code = match error {
        ConnectionError::TransportError(error) => Some(error.code),
        ConnectionError::ConnectionClosed(close) => Some(close.error_code),
        _ => None,
    };
    match error {
        _ if code.is_some_and(is_of_tls) => NetworkError::TlsError(error.to_string()),
        ConnectionError::TimedOut => NetworkError::Timeout(error.to_string()),
        _ => otherwise(error.to_string()),
    }
}

async fn write(connection: &Connection, message: &[u8]) -> NetworkResult<()> {
    let failed = |e: &dyn std::fmt::Display| NetworkError::SendFailed(e.to_string());
    let opened = connection.open_uni().await;
    let mut stream = opened.map_err(|e| network_error(&e, NetworkError::SendFailed))?;
    stream.write_all(message).await.map_err(|e| failed(&e))?;
    stream.finish().map_err(|e| failed(&e))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn transport() -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport.keep_alive_interval(Some(KEEP_ALIVE));
    transport.max_idle_timeout(Some(IdleTimeout::try_from(IDLE).expect("ten seconds")));
    Arc::new(transport)
}
