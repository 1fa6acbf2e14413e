// SPDX-License-Identifier: BSD-2-Clause
//! Makes primes.txt, once:
//!
//!     cargo run --release --package protocols --example primes >protocols/primes.txt

use cggmp24::backend::Integer;
use cggmp24::security_level::SecurityLevel;
use protocols::cggmp24::TestLevel;

const NODES: usize = 16;

fn main() {
    println!(
        "# Test data, good for nothing else: four safe primes of {} bits for each node.",
        TestLevel::RSA_PRIME_BITLEN
    );
    for _ in 0..NODES {
        let primes: Vec<String> = (0..4).map(|_| prime().to_str_radix(16)).collect();
        println!("{}", primes.join(" "));
    }
}

/// The product of two such primes has twice their bits, and not one less.
fn prime() -> Integer {
    let bits = TestLevel::RSA_PRIME_BITLEN;
    loop {
        let prime = Integer::generate_safe_prime(&mut rand::rngs::OsRng, bits);
        if prime.square_ref().significant_bits() == u64::from(2 * bits) {
            return prime;
        }
    }
}
