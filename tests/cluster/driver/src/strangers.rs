// SPDX-License-Identifier: BSD-2-Clause
//! What comes to the port of a node and is no node: handshakes that it cannot accept and datagrams
//! that are none. Says of each kind how many were offered and what came back.

use std::any::Any;
use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::crypto::{self, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, Session};
use quinn::{ClientConfig, ConnectError, ConnectionError, ConnectionId, Endpoint, Side, TransportErrorCode};
use quinn_proto::TransportError;
use quinn_proto::transport_parameters::TransportParameters;
use rand::RngCore;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::cluster::Cluster;
use crate::{Options, Result, certs};

const ALPN: &[u8] = b"mpc";
const PATIENCE: Duration = Duration::from_secs(5);
/// What has not been answered after so long is not answered.
const UNANSWERED: Duration = Duration::from_millis(300);
/// The least size of a datagram that begins a connection.
const FIRST_DATAGRAM: usize = 1200;
/// Of those that are reserved so that nobody ever speaks them.
const UNKNOWN_VERSION: u32 = 0x5a6a_7a8a;
const FINISHED: u8 = 20;

/// What is done to TLS on its way into QUIC's packets.
#[derive(Clone, Copy, PartialEq)]
enum Bend {
    Nothing,
    /// The hello offers TLS 1.2 alone.
    OlderVersion,
    /// The hello has its type and length, and is none.
    Garbled,
    /// The first message is one that comes last.
    OutOfTurn,
    /// Says hello and hears nothing of the answer.
    Deaf,
}

/// A kind of handshake: its name, whose certificate is shown, the protocol asked for, what is bent.
type Kind<'a> = (&'static str, Option<&'a str>, &'static [u8], Bend);

/// A session of TLS that says something else than it means to.
struct Bent {
    inner: Box<dyn Session>,
    bend: Bend,
    said_hello: bool,
    answered: Arc<Notify>,
}

impl Bent {
    fn twist(&self, hello: &mut [u8]) {
        match self.bend {
            Bend::OlderVersion => {
                // The extension supported_versions, its length, that of its list, and TLS 1.3.
                let offer = [0, 43, 0, 3, 2, 3, 4];
                let at = hello.windows(offer.len()).position(|bytes| bytes == offer).expect("an offer of TLS 1.3");
                hello[at + offer.len() - 1] = 3;
            }
            Bend::Garbled => hello[4..].fill(0xff),
            Bend::OutOfTurn => hello[0] = FINISHED,
            Bend::Nothing | Bend::Deaf => {}
        }
    }
}

impl Session for Bent {
    fn read_handshake(&mut self, bytes: &[u8]) -> std::result::Result<bool, TransportError> {
        self.answered.notify_one();
        if self.bend == Bend::Deaf { Ok(false) } else { self.inner.read_handshake(bytes) }
    }

    fn write_handshake(&mut self, bytes: &mut Vec<u8>) -> Option<Keys> {
        let keys = self.inner.write_handshake(bytes);
        if !bytes.is_empty() && !std::mem::replace(&mut self.said_hello, true) {
            self.twist(bytes);
        }
        keys
    }

    fn initial_keys(&self, to: &ConnectionId, side: Side) -> Keys {
        self.inner.initial_keys(to, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.inner.handshake_data()
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.inner.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.inner.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.inner.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.inner.is_handshaking()
    }

    fn transport_parameters(&self) -> std::result::Result<Option<TransportParameters>, TransportError> {
        self.inner.transport_parameters()
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.inner.next_1rtt_keys()
    }

    fn is_valid_retry(&self, to: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.inner.is_valid_retry(to, header, payload)
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> std::result::Result<(), ExportKeyingMaterialError> {
        self.inner.export_keying_material(output, label, context)
    }
}

struct Bending {
    tls: Arc<QuicClientConfig>,
    bend: Bend,
    answered: Arc<Notify>,
}

impl crypto::ClientConfig for Bending {
    fn start_session(
        self: Arc<Self>,
        version: u32,
        server_name: &str,
        params: &TransportParameters,
    ) -> std::result::Result<Box<dyn Session>, ConnectError> {
        let inner = self.tls.clone().start_session(version, server_name, params)?;
        Ok(Box::new(Bent { inner, bend: self.bend, said_hello: false, answered: self.answered.clone() }))
    }
}

fn tls(folder: &Path, certificate: Option<&str>, alpn: &[u8]) -> Result<Arc<QuicClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(fs::read(folder.join("ca.der"))?.into())?;
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots);
    let mut config = match certificate {
        None => config.with_no_client_auth(),
        Some(name) => {
            let chain = vec![CertificateDer::from(fs::read(folder.join(format!("{name}.der")))?)];
            let key = PrivatePkcs8KeyDer::from(fs::read(folder.join(format!("{name}.key.der")))?);
            config.with_client_auth_cert(chain, PrivateKeyDer::Pkcs8(key))?
        }
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(Arc::new(QuicClientConfig::try_from(config)?))
}

/// What the other end says of TLS is its alert, in an error code of QUIC's.
fn word(error: &ConnectionError) -> String {
    let ConnectionError::ConnectionClosed(close) = error else { return error.to_string() };
    let (code, of_tls) = (u64::from(close.error_code), u64::from(TransportErrorCode::crypto(0)));
    match code.checked_sub(of_tls).filter(|alert| *alert <= u8::MAX.into()) {
        Some(alert) => format!("alert {alert}"),
        None => format!("code {code}"),
    }
}

/// One handshake, and what came of it. A client of TLS 1.3 is done before the server has looked at its
/// certificate, so it may hear of a refusal later.
async fn offer(endpoint: &Endpoint, config: ClientConfig, to: SocketAddr, name: &str) -> Result<String> {
    let connecting = endpoint.connect_with(config, to, name)?;
    let refused = async {
        match connecting.await {
            Ok(connection) => connection.closed().await,
            Err(error) => error,
        }
    };
    Ok(timeout(PATIENCE, refused).await.map_or("nothing".into(), |error| word(&error)))
}

/// One that leaves when the server has answered the hello.
async fn leave(
    endpoint: &Endpoint,
    config: ClientConfig,
    to: SocketAddr,
    name: &str,
    answered: &Notify,
) -> Result<String> {
    let connecting = endpoint.connect_with(config, to, name)?;
    let heard = timeout(PATIENCE, answered.notified()).await;
    drop(connecting);
    Ok(heard.map_or("nothing", |()| "an answer").into())
}

async fn handshakes(folder: &Path, kind: &Kind<'_>, to: SocketAddr, name: &str, each: u64) -> Result<Value> {
    let (_, certificate, alpn, bend) = *kind;
    let answered = Arc::new(Notify::new());
    let bending = Bending { tls: tls(folder, certificate, alpn)?, bend, answered: answered.clone() };
    let config = ClientConfig::new(Arc::new(bending));
    let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?;
    let mut answers = BTreeMap::<String, u64>::new();
    for _ in 0..each {
        let answer = match bend {
            Bend::Deaf => leave(&endpoint, config.clone(), to, name, &answered).await?,
            _ => offer(&endpoint, config.clone(), to, name).await?,
        };
        *answers.entry(answer).or_default() += 1;
        endpoint.wait_idle().await;
    }
    Ok(json!({"offered": each, "answers": answers}))
}

/// A long header of a version that nobody speaks, as long as a client's first datagram is.
fn unknown_version() -> Vec<u8> {
    let mut datagram = vec![0xc0];
    datagram.extend(UNKNOWN_VERSION.to_be_bytes());
    for _ in 0..2 {
        datagram.push(8);
        datagram.extend(rand::random::<[u8; 8]>());
    }
    datagram.resize(FIRST_DATAGRAM, 0);
    datagram
}

/// Without the two bits of which every packet of QUIC has one.
fn noise() -> Vec<u8> {
    let mut datagram = vec![0; FIRST_DATAGRAM];
    rand::thread_rng().fill_bytes(&mut datagram);
    datagram[0] &= 0x3f;
    datagram
}

/// One after the other; a packet of the version 0 negotiates the version.
async fn datagrams(make: fn() -> Vec<u8>, to: SocketAddr, each: u64) -> Result<Value> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut answers = BTreeMap::<&str, u64>::new();
    for _ in 0..each {
        socket.send_to(&make(), to).await?;
        let mut bytes = [0; 2048];
        let answer = match timeout(UNANSWERED, socket.recv(&mut bytes)).await {
            Err(_) => "nothing",
            Ok(Ok(n)) if n > 5 && bytes[0] & 0x80 != 0 && bytes[1..5] == [0; 4] => "version negotiation",
            Ok(_) => "something else",
        };
        *answers.entry(answer).or_default() += 1;
    }
    Ok(json!({"offered": each, "answers": answers}))
}

pub async fn run(options: &Options) -> Result<()> {
    let cluster = Cluster::read(options.need("--dir")?)?;
    let id: u64 = options.get("--node")?.ok_or("--node is missing")?;
    let each = options.get("--each")?.unwrap_or(3);
    let member = cluster.nodes.iter().find(|member| member.id == id).ok_or(format!("no node {id}"))?;
    let (to, folder, name) = (member.quic.parse()?, cluster.certificates(), format!("node-{id}"));
    let unknown = format!("{name}.unknown");
    let kinds: [Kind<'_>; 8] = [
        ("wrong_authority", Some(&unknown), ALPN, Bend::Nothing),
        ("expired", Some(certs::EXPIRED), ALPN, Bend::Nothing),
        ("no_certificate", None, ALPN, Bend::Nothing),
        ("other_protocol", Some(&name), b"other", Bend::Nothing),
        ("older_version", Some(&name), ALPN, Bend::OlderVersion),
        ("garbled", Some(&name), ALPN, Bend::Garbled),
        ("out_of_turn", Some(&name), ALPN, Bend::OutOfTurn),
        ("early_close", Some(&name), ALPN, Bend::Deaf),
    ];
    let datagram_kinds: [(_, fn() -> Vec<u8>); 2] = [("unknown_version", unknown_version), ("noise", noise)];
    let all = kinds.iter().map(|kind| kind.0).chain(datagram_kinds.iter().map(|kind| kind.0)).collect();
    let wanted = wanted(all, options.get::<String>("--kinds")?.as_deref())?;
    let mut books = serde_json::Map::new();
    for kind in kinds.iter().filter(|kind| wanted.contains(&kind.0)) {
        books.insert(kind.0.into(), handshakes(&folder, kind, to, &name, each).await?);
    }
    for (kind, make) in datagram_kinds.iter().filter(|kind| wanted.contains(&kind.0)) {
        books.insert((*kind).into(), datagrams(*make, to, each).await?);
    }
    println!("{}", Value::from(books));
    Ok(())
}

/// Those of all kinds that the list names; without one, all.
fn wanted(all: Vec<&'static str>, list: Option<&str>) -> Result<Vec<&'static str>> {
    let Some(list) = list else { return Ok(all) };
    let find = |name: &str| {
        all.iter().find(|kind| **kind == name).copied().ok_or(format!("no kind {name} of {}", all.join(", ")).into())
    };
    list.split(',').map(find).collect()
}
