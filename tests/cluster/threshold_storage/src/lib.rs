// SPDX-License-Identifier: BSD-2-Clause
//! Where a node keeps its state: etcd for what is counted and agreed on, PostgreSQL for what is kept.

pub mod etcd;
mod gateway;
pub mod postgres;
