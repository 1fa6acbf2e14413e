// SPDX-License-Identifier: BSD-2-Clause
//! Connections over memory: what one side writes the other reads, until nothing moves.

use std::io::Read;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Connection, Error, HandshakeKind, ServerConfig,
    ServerConnection, SupportedProtocolVersion,
};

use crate::certificates::{Authority, NAME};
use crate::looked;

struct Side {
    role: &'static str,
    connection: Connection,
    failed: bool,
    /// What was wrong with the certificate that the other one showed.
    refused: Option<&'static str>,
}

impl Side {
    /// Takes what the other wrote, and books the first error.
    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.connection.read_tls(&mut bytes).is_err() {
                return;
            }
            let result = self.connection.process_new_packets();
            let again = self.failed;
            if let Err(error) = result {
                self.book(&error, again);
                self.failed = true;
            }
            let _ = self.connection.reader().read(&mut [0; 64]);
            if again {
                return;
            }
        }
    }

    fn book(&mut self, error: &Error, again: bool) {
        let role = self.role;
        if again {
            return; // said once more
        }
        books::one(format!(
            "mpc_rustls_errors_total{{error=\"{}\",role=\"{role}\",seen=\"first\",transport=\"tcp\"}}",
            word(error)
        ));
        if let Error::InvalidCertificate(why) = error {
            book_certificate(role, why);
            self.refused = Some("certificate_rejected");
        }
        if let Error::NoCertificatesPresented = error {
            self.refused = Some("no_certificate");
        }
        if let Error::AlertReceived(alert) = error {
            book_alert(role, *alert);
        }
    }
}

pub fn book_alert(role: &str, alert: AlertDescription) {
    let word = match alert {
        AlertDescription::CloseNotify => "close_notify",
        AlertDescription::UnknownCA => "unknown_ca",
        AlertDescription::CertificateExpired => "certificate_expired",
        AlertDescription::ProtocolVersion => "protocol_version",
        AlertDescription::NoApplicationProtocol => "no_application_protocol",
        AlertDescription::DecodeError => "decode_error",
        AlertDescription::DecryptError => "decrypt_error",
        AlertDescription::CertificateRequired => "certificate_required",
        other => panic!("unexpected alert {other:?}"),
    };
    books::one(format!("mpc_rustls_alerts_received_total{{description=\"{word}\",role=\"{role}\"}}"));
}

fn book_certificate(role: &str, why: &CertificateError) {
    let word = match why {
        CertificateError::UnknownIssuer => "unknown_issuer",
        CertificateError::ExpiredContext { .. } => "expired",
        CertificateError::BadSignature => "bad_signature",
        other => panic!("unexpected: {other:?}"),
    };
    book_rejected(role, word);
}

pub fn book_rejected(role: &str, reason: &str) {
    books::one(format!("mpc_rustls_certificates_rejected_total{{reason=\"{reason}\",role=\"{role}\"}}"));
}

pub fn book_handshakes(kind: &str, role: &str, version: &str, n: f64) {
    books::add(
        format!(
            "mpc_rustls_handshakes_total{{kind=\"{kind}\",result=\"completed\",role=\"{role}\",version=\"{version}\"}}"
        ),
        n,
    );
}

fn book_time(series: &str, labels: &str, n: f64, within: Duration) {
    books::add(format!("{series}_count{{{labels}}}"), n);
    books::add(format!("{series}_sum{{{labels}}}"), within.as_secs_f64());
}

/// How often a server was done, or refused a certificate, and a time that all of these took no more than.
pub fn book_served(kind: &str, version: &str, result: &str, n: f64, within: Duration) {
    let labels = format!("kind=\"{kind}\",result=\"{result}\",version=\"{version}\"");
    book_time("mpc_rustls_server_handshake_duration_seconds", &labels, n, within);
}

/// The same of a client of TLS 1.3 that was done.
pub fn book_called(kind: &str, within: Duration) {
    let labels = format!("kind=\"{kind}\",version=\"1.3\"");
    book_time("mpc_rustls_client_handshake_duration_seconds", &labels, 1.0, within);
}

/// What rustls says of a handshake that is done.
fn kind_of(connection: &Connection) -> &'static str {
    match connection.handshake_kind() {
        Some(HandshakeKind::Full) => "full",
        Some(HandshakeKind::FullWithHelloRetryRequest) => "full_after_retry",
        Some(HandshakeKind::Resumed) => "resumed",
        None => panic!("done, and of no kind"),
    }
}

pub fn word(error: &Error) -> &'static str {
    match error {
        Error::AlertReceived(_) => "alert_received",
        Error::InvalidCertificate(_) => "invalid_certificate",
        Error::InvalidMessage(_) => "invalid_message",
        Error::NoCertificatesPresented => "no_certificate",
        Error::NoApplicationProtocol => "no_application_protocol",
        Error::PeerIncompatible(_) => "peer_incompatible",
        other => panic!("unexpected: {other}"),
    }
}

/// Moves bytes until both are still.
fn talk(client: &mut Side, server: &mut Side) {
    let mut moved = true;
    while moved {
        moved = false;
        for (from, to) in [(true, false), (false, true)] {
            let (from, to) = if from && !to { (&mut *client, &mut *server) } else { (&mut *server, &mut *client) };
            let mut bytes = Vec::new();
            while from.connection.wants_write() {
                from.connection.write_tls(&mut bytes).expect("memory takes it");
            }
            moved |= !bytes.is_empty();
            to.read(&bytes);
        }
    }
}

fn pair(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> (Side, Side) {
    let name = ServerName::try_from(NAME).expect("a name");
    let client = ClientConnection::new(client.clone(), name).expect("a client");
    let server = ServerConnection::new(server.clone()).expect("a server");
    (
        Side { role: "client", connection: client.into(), failed: false, refused: None },
        Side { role: "server", connection: server.into(), failed: false, refused: None },
    )
}

/// One connection: books what came of it on both sides. The kind of the client's handshake, if it was done.
fn connect(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Option<&'static str> {
    let (mut kind, began) = (None, Instant::now());
    let (mut client, mut server) = pair(client, server); // the client's hello is made with it
    let before = [looked::stood("client"), looked::stood("server")];
    talk(&mut client, &mut server);
    let took = began.elapsed();
    for side in [&client, &server] {
        let version = match side.connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
            _ => "1.3",
        };
        // Of TLS 1.3 a client is done before it knows what the server thinks of it.
        let done = !side.connection.is_handshaking();
        if done && (!side.failed || (version == "1.3" && side.role == "client")) {
            let said = kind_of(&side.connection);
            let looked = looked::stood(side.role) > before[usize::from(side.role == "server")];
            assert_eq!(looked, said != "resumed", "what quic.rs goes by");
            book_handshakes(said, side.role, version, 1.0);
            if side.role == "server" {
                book_served(said, version, "completed", 1.0, took);
            } else if version == "1.3" {
                book_called(said, took);
            }
            kind = kind.or(Some(said));
        }
        if let (Some(why), "server") = (side.refused, side.role) {
            book_served("full", version, why, 1.0, took);
        }
    }
    if client.failed || server.failed {
        // A program that asks again hears the same error again.
        for side in [&mut client, &mut server] {
            if side.failed {
                assert!(side.connection.process_new_packets().is_err());
            }
        }
        return kind;
    }
    client.connection.send_close_notify();
    talk(&mut client, &mut server);
    book_alert("server", AlertDescription::CloseNotify);
    kind
}

/// What is no TLS at all.
fn garbage(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) {
    let (mut client, mut server) = pair(client, server);
    server.read(b"GET / HTTP/1.1\r\n\r\n");
    assert!(server.failed);
    let mut bytes = Vec::new();
    server.connection.write_tls(&mut bytes).expect("memory takes it");
    client.read(&bytes);
    assert!(client.failed);
}

pub fn run(wallet: &Authority, stranger: &Authority) {
    let with = |version: &'static SupportedProtocolVersion| {
        let versions = [version];
        for _ in 0..3 {
            let client = Arc::new(wallet.client(wallet, &versions, "mpc"));
            let server = Arc::new(wallet.server(wallet, &versions, "mpc", 2100));
            assert_eq!(connect(&client, &server), Some("full"));
            assert_eq!(connect(&client, &server), Some("resumed"));
        }
        let client = Arc::new(wallet.client(wallet, &versions, "mpc"));
        let strange = Arc::new(stranger.client(wallet, &versions, "mpc"));
        let liar = Arc::new(wallet.liar(wallet, &versions, "mpc"));
        let bare = Arc::new(wallet.bare_client(wallet, &versions, "mpc"));
        let mute = Arc::new(wallet.client(wallet, &versions, "other"));
        let server = Arc::new(wallet.server(wallet, &versions, "mpc", 2100));
        let old = Arc::new(wallet.server(wallet, &versions, "mpc", 2001));
        for _ in 0..2 {
            connect(&client, &Arc::new(stranger.server(wallet, &versions, "mpc", 2100)));
            connect(&client, &old);
            connect(&strange, &server);
            connect(&liar, &server);
            connect(&bare, &server);
            connect(&mute, &server);
            // What comes next lies where the one was that came to nothing, and takes its own time.
            sleep(Duration::from_millis(30));
            connect(&client, &server);
        }
        garbage(&client, &server);
    };
    with(&TLS13);
    with(&TLS12);
    let client = Arc::new(wallet.client(wallet, &[&TLS13], "mpc"));
    let picky = Arc::new(wallet.picky_server(wallet, &[&TLS13], "mpc"));
    assert_eq!(connect(&client, &picky), Some("full_after_retry"));
    assert_eq!(connect(&client, &picky), Some("resumed"));
    let newer = Arc::new(wallet.server(wallet, &[&TLS13], "mpc", 2100));
    connect(&Arc::new(wallet.client(wallet, &[&TLS12], "mpc")), &newer);
}
