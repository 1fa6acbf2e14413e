//! Protocol rounds, over any way to pass messages between the parties.

pub mod frost;
pub mod session;
