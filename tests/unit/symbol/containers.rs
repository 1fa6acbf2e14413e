// SPDX-License-Identifier: BSD-2-Clause
//! The types in containers.elf, which the unit tests look at; there is nothing to run. Its crate has the name of the
//! one that std's hash tables come from, so that a copy of their types here has their full names. Made by
//!
//!     rustc --edition 2021 -O -g -C panic=abort -C codegen-units=1 --crate-type lib --emit obj \
//!         --remap-path-prefix=$PWD= --crate-name hashbrown containers.rs -o containers.o
//!     ld -e holds -o containers.elf containers.o
//!
//! with rustc 1.95.0.
#![no_std]
#![allow(dead_code)]
extern crate alloc;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, BinaryHeap, LinkedList, VecDeque};
use alloc::ffi::CString;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::marker::PhantomData;
use core::num::NonZero;
use core::sync::atomic::{AtomicI32, AtomicU64};
use core::time::Duration;

pub mod raw {
    pub struct RawTableInner {
        pub ctrl: *const u8,
        pub bucket_mask: usize,
        pub growth_left: usize,
        pub items: usize,
    }
    pub struct RawTable<T> {
        pub table: RawTableInner,
        pub marker: core::marker::PhantomData<T>,
    }
}

pub mod map {
    #[repr(C)]
    pub struct HashMap<K, V> {
        pub hash_builder: (u64, u64),
        pub table: super::raw::RawTable<(K, V)>,
    }
}

pub struct HashSet<K> {
    pub map: map::HashMap<K, ()>,
}

pub struct Names(pub Vec<String>, pub PhantomData<u8>);
pub struct Presignature(pub u64);
pub struct SecretShare(pub u64);
pub struct TxId(pub String);
pub struct SessionId(pub [u8; 16]);
pub struct ShortId(pub [u8; 12]);
pub struct WordsId(pub [u16; 16]);
pub struct SealingSecretId(pub [u8; 16]);
pub struct Digest(pub [u8; 16]);
pub struct TxHash(pub [u8; 32]);
pub struct BlockId(pub TxHash);
pub struct SeedHash(pub [u8; 32]);
pub struct LongHash(pub [u8; 64]);
pub struct Random(pub [u8; 32]);
pub struct BlindingRandom(pub [u8; 32]);
pub struct ConnectionRandoms {
    pub client: [u8; 32],
    pub server: [u8; 32],
    pub hidden: SecretShare,
}
pub struct Hello {
    pub random: [u8; 32],
}
pub struct Beside {
    pub bytes: [u8; 8],
    pub items: Vec<u8>,
}
pub mod elsewhere {
    pub struct Vec {
        pub len: usize,
        pub more: usize,
    }
}

pub struct Held {
    pub vec: Vec<u32>,
    pub string: String,
    pub deque: VecDeque<u8>,
    pub tree: BTreeMap<u8, u16>,
    pub set: BTreeSet<u8>,
    pub heap: BinaryHeap<u8>,
    pub list: LinkedList<u8>,
    pub map: map::HashMap<u8, u16>,
    pub hash_set: HashSet<u8>,
    pub slice: &'static [u32],
    pub text: &'static str,
    pub boxed: Box<[u32]>,
    pub boxed_text: Box<str>,
    pub shared: Arc<[u32]>,
    pub shared_text: Arc<str>,
    pub counted: Rc<[u8]>,
    pub names: Names,
    pub behind: &'static Box<Vec<u8>>,
    pub arc: Arc<Vec<u8>>,
    pub cell: Rc<RefCell<String>>,
    pub presignatures: Vec<Presignature>,
    pub stock: VecDeque<SecretShare>,
    pub array: [u8; 8],
    pub option: Option<Vec<u8>>,
    pub beside: Beside,
    pub c_string: CString,
    pub object: Box<dyn Fn() -> usize>,
    pub foreign: elsewhere::Vec,
    pub small: u8,
    pub signed: i32,
    pub wide: u128,
    pub flag: bool,
    pub letter: char,
    pub real: f64,
    pub nonzero: NonZero<u16>,
    pub atomic: AtomicU64,
    pub shared_atomic: Arc<AtomicI32>,
    pub reference: &'static Cell<u64>,
    pub raw_bytes: *const u8,
    pub size: usize,
    pub tx: TxId,
    pub tx_behind: &'static TxId,
    pub session: SessionId,
    pub sessions: Arc<SessionId>,
    pub short: ShortId,
    pub words: WordsId,
    pub sealing: SealingSecretId,
    pub digest: Digest,
    pub wide_signed: i128,
    pub time: Duration,
    pub time_behind: &'static Duration,
    pub perhaps: Option<Duration>,
    pub tagged: Option<Option<u64>>,
    pub hash: TxHash,
    pub block: &'static BlockId,
    pub seed_hash: SeedHash,
    pub long_hash: LongHash,
    pub random: Random,
    pub blinding: BlindingRandom,
    pub randoms: ConnectionRandoms,
    pub shared_randoms: Arc<ConnectionRandoms>,
    pub hello: Hello,
    pub bytes: [u8; 32],
}

#[no_mangle]
pub fn holds(held: &Held) -> usize {
    held.size
}

pub struct Greeting {
    pub order: u64,
    pub random: Random,
}

/// No register is left for where the greeting is.
#[no_mangle]
pub fn greets(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, hello: Greeting) -> u64 {
    let mut kept = [a; 40];
    core::hint::black_box(&mut kept);
    kept[1] ^ b ^ c ^ d ^ e ^ f ^ hello.order ^ hello.random.0[9] as u64
}
