// SPDX-License-Identifier: BSD-2-Clause
//! Authorities and the configurations of both sides, for mutual TLS.

use std::sync::Arc;

use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SignatureScheme, SupportedProtocolVersion};

use crate::looked::Looking;

pub const NAME: &str = "node.wallet.test";

pub struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    certificate: CertificateDer<'static>,
}

pub type Versions<'a> = &'a [&'static SupportedProtocolVersion];

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").der().clone();
        Self { issuer: rcgen::Issuer::new(params, key), certificate }
    }

    fn issue(&self, year: i32) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let mut params = rcgen::CertificateParams::new([NAME.to_string()]).expect("a name");
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a root");
        Arc::new(roots)
    }

    /// A client of this authority that trusts servers of another.
    pub fn client(&self, trusts: &Authority, versions: Versions, alpn: &str) -> ClientConfig {
        let (chain, key) = self.issue(2100);
        let verifier = WebPkiServerVerifier::builder(trusts.roots()).build().expect("a verifier");
        let mut config = ClientConfig::builder_with_protocol_versions(versions)
            .dangerous()
            .with_custom_certificate_verifier(Looking::at(verifier))
            .with_client_auth_cert(chain, key)
            .expect("a client");
        config.alpn_protocols = vec![alpn.into()];
        config
    }

    /// A client that shows a certificate of which it has not the key.
    pub fn liar(&self, trusts: &Authority, versions: Versions, alpn: &str) -> ClientConfig {
        let (chain, _) = self.issue(2100);
        let (_, key) = self.issue(2100);
        let key = ring::sign::any_supported_type(&key).expect("a key");
        let mut config = self.client(trusts, versions, alpn);
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)));
        config
    }

    /// A client that has none to show.
    pub fn bare_client(&self, trusts: &Authority, versions: Versions, alpn: &str) -> ClientConfig {
        let mut config = self.client(trusts, versions, alpn);
        config.client_auth_cert_resolver = Arc::new(Nothing);
        config
    }

    /// A server of this authority whose certificate ends in that year, that trusts clients of another.
    pub fn server(&self, trusts: &Authority, versions: Versions, alpn: &str, year: i32) -> ServerConfig {
        self.server_with(ring::default_provider(), trusts, versions, alpn, year)
    }

    /// One that takes only a group of which clients send no share unless they are asked.
    pub fn picky_server(&self, trusts: &Authority, versions: Versions, alpn: &str) -> ServerConfig {
        let picky = CryptoProvider { kx_groups: vec![ring::kx_group::SECP384R1], ..ring::default_provider() };
        self.server_with(picky, trusts, versions, alpn, 2100)
    }

    fn server_with(
        &self,
        provider: CryptoProvider,
        trusts: &Authority,
        versions: Versions,
        alpn: &str,
        year: i32,
    ) -> ServerConfig {
        let (chain, key) = self.issue(year);
        let verifier = WebPkiClientVerifier::builder(trusts.roots()).build().expect("a verifier");
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_client_cert_verifier(Looking::at(verifier))
            .with_single_cert(chain, key)
            .expect("a server");
        config.alpn_protocols = vec![alpn.into()];
        config
    }
}

#[derive(Debug)]
struct Nothing;

impl ResolvesClientCert for Nothing {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}
