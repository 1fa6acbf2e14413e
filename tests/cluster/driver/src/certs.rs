// SPDX-License-Identifier: BSD-2-Clause
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair as TlsKey};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::Result;

/// The name of a certificate that nobody accepts any more, in its file too.
pub const EXPIRED: &str = "expired";

/// A fresh authority, and for each node a certificate and a key to sign votes with, all in DER.
pub fn make(folder: &Path, nodes: u64) -> Result<()> {
    fs::create_dir_all(folder)?;
    let ca_key = TlsKey::generate()?;
    let mut ca = CertificateParams::new(vec![])?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(folder.join("ca.der"), ca.self_signed(&ca_key)?.der())?;
    let issuer = Issuer::new(ca, ca_key);
    let mut stranger = CertificateParams::new(vec![])?;
    stranger.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let stranger = Issuer::new(stranger, TlsKey::generate()?);
    for id in 1..=nodes {
        let name = format!("node-{id}");
        // The second one is for a fault: the right name, by an authority that nobody knows.
        for (file, issuer) in [(name.clone(), &issuer), (format!("{name}.unknown"), &stranger)] {
            issue(folder, &file, &CertificateParams::new(vec![name.clone()])?, issuer)?;
        }

        let secret = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|e| e.to_string())?;
        let key = Ed25519KeyPair::from_pkcs8(secret.as_ref()).map_err(|e| e.to_string())?;
        write_secret(&folder.join(format!("{name}.vote.pk8")), secret.as_ref())?;
        fs::write(folder.join(format!("{name}.vote.pub")), key.public_key())?;
    }
    // And one for a stranger: of the right authority, and too old.
    let mut expired = CertificateParams::new(vec![EXPIRED.to_string()])?;
    expired.not_after = rcgen::date_time_ymd(2001, 1, 1);
    issue(folder, EXPIRED, &expired, &issuer)
}

fn issue(folder: &Path, file: &str, params: &CertificateParams, issuer: &Issuer<'_, TlsKey>) -> Result<()> {
    let key = TlsKey::generate()?;
    fs::write(folder.join(format!("{file}.der")), params.signed_by(&key, issuer)?.der())?;
    write_secret(&folder.join(format!("{file}.key.der")), &key.serialize_der())
}

fn write_secret(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok(std::io::Write::write_all(&mut file, bytes)?)
}
