// SPDX-License-Identifier: BSD-2-Clause
//! Messages between nodes: QUIC with mutual TLS.

pub mod quic_engine;
mod severed;
