// SPDX-License-Identifier: BSD-2-Clause
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, Endpoint, IdleTimeout, ServerConfig, TransportConfig};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use threshold_types::{NetworkError, NetworkResult, NodeId};
use tokio::sync::{Mutex, mpsc};

const ALPN: &[u8] = b"mpc";
const MESSAGE_MAX: usize = 1 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const KEEP_ALIVE: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(10);
const CLOSED_ON_REQUEST: u32 = 1;

/// What the launcher put into the certificate folder, all DER.
pub struct Identity {
    ca: CertificateDer<'static>,
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
    /// Everybody's certificate, to know who is at the other end.
    nodes: HashMap<CertificateDer<'static>, NodeId>,
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
            certificate: read(format!("{me}.der"))?.into(),
            key: read(format!("{me}.key.der"))?.into(),
            nodes: all,
        })
    }

    fn roots(&self) -> NetworkResult<Arc<RootCertStore>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.clone()).map_err(|e| NetworkError::CertificateError(e.to_string()))?;
        Ok(Arc::new(roots))
    }

    fn chain(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (vec![self.certificate.clone()], PrivateKeyDer::Pkcs8(self.key.clone_key()))
    }
}

pub struct QuicEngine {
    endpoint: Endpoint,
    identity: Identity,
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
        let server = Self::init_server(&identity)?;
        let mut endpoint =
            Endpoint::server(server, listen).map_err(|e| NetworkError::ConnectionFailed(format!("{listen}: {e}")))?;
        endpoint.set_default_client_config(Self::init_client(&identity)?);
        let peers =
            peers.into_iter().map(|(node, address)| (node, Peer { address, connection: Mutex::new(None) })).collect();
        let engine = Arc::new(QuicEngine { endpoint, identity, peers, inbox });
        tokio::spawn(engine.clone().accept());
        Ok(engine)
    }

    fn init_server(identity: &Identity) -> NetworkResult<ServerConfig> {
        let tls = |e: &dyn std::fmt::Display| NetworkError::TlsError(e.to_string());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(identity.roots()?, provider()).build().map_err(|e| tls(&e))?;
        let (chain, key) = identity.chain();
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

    fn init_client(identity: &Identity) -> NetworkResult<ClientConfig> {
        let tls = |e: &dyn std::fmt::Display| NetworkError::TlsError(e.to_string());
        let (chain, key) = identity.chain();
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
                    Err(error) => tracing::warn!(%error, "handshake failed"),
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
        let connection = books::attempt!(call, self.get_or_create_connection(peer).await);
        if write(&connection, message).await.is_ok() {
            return call.close(Ok(()));
        }
        let connection = books::attempt!(call, self.get_or_create_connection(peer).await);
        call.close(write(&connection, message).await)
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
        let connecting = match self.endpoint.connect(address, &peer.to_string()) {
            Ok(connecting) => connecting,
            Err(error) => return call.close(Err(NetworkError::ConnectionFailed(error.to_string()))),
        };
        call.close(match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(NetworkError::ConnectionFailed(format!("{peer}: {error}"))),
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

    pub async fn shut_down(&self) {
        self.endpoint.close(0u32.into(), b"shutting down");
        self.endpoint.wait_idle().await;
    }

    fn node_of(&self, connection: &Connection) -> Option<NodeId> {
        let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        self.identity.nodes.get(identity.first()?).copied()
    }
}

async fn write(connection: &Connection, message: &[u8]) -> NetworkResult<()> {
    let failed = |e: &dyn std::fmt::Display| NetworkError::SendFailed(e.to_string());
    let mut stream = connection.open_uni().await.map_err(|e| failed(&e))?;
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
