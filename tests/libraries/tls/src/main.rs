// SPDX-License-Identifier: BSD-2-Clause
//! TLS over memory and QUIC over loopback, with peers that fit and peers that do not.

mod certificates;
mod looked;
mod paths;
mod quic;
mod relay;
mod tls;

fn main() {
    rustls::crypto::ring::default_provider().install_default().expect("no other provider");
    books::run(|| {
        let wallet = certificates::Authority::new("the wallet");
        let stranger = certificates::Authority::new("a stranger");
        tls::run(&wallet, &stranger);
        quic::run(&wallet, &stranger);
    });
}
