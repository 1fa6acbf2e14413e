//! Messages between nodes: QUIC with mutual TLS.

pub mod quic_engine;
