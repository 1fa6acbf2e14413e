// SPDX-License-Identifier: BSD-2-Clause
//! Protocol rounds, over any way to pass messages between the parties.

pub mod cggmp24;
pub mod frost;
pub mod session;
