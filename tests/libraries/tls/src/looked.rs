// SPDX-License-Identifier: BSD-2-Clause
//! How many certificates were looked at and stood. A full handshake looks at the peer's, one that
//! takes up an earlier session does not: with mutual TLS that tells the two apart where, as under
//! quinn, nobody can ask rustls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

static BY_CLIENTS: AtomicU64 = AtomicU64::new(0);
static BY_SERVERS: AtomicU64 = AtomicU64::new(0);

/// By all connections of a role so far.
pub fn stood(role: &str) -> u64 {
    if role == "client" { &BY_CLIENTS } else { &BY_SERVERS }.load(Ordering::SeqCst)
}

#[derive(Debug)]
pub struct Looking<V: ?Sized>(Arc<V>);

impl<V: ?Sized> Looking<V> {
    pub fn at(verifier: Arc<V>) -> Arc<Self> {
        Arc::new(Self(verifier))
    }
}

fn counted<T>(result: Result<T, Error>, by: &AtomicU64) -> Result<T, Error> {
    by.fetch_add(result.is_ok().into(), Ordering::SeqCst);
    result
}

impl<V: ServerCertVerifier + ?Sized> ServerCertVerifier for Looking<V> {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        counted(self.0.verify_server_cert(certificate, between, name, ocsp, now), &BY_CLIENTS)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

impl<V: ClientCertVerifier + ?Sized> ClientCertVerifier for Looking<V> {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        counted(self.0.verify_client_cert(certificate, between, now), &BY_SERVERS)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
