// SPDX-License-Identifier: BSD-2-Clause
//! The program in tiny.elf, which the unit tests look at: async and plain functions
//! in release code, without a runtime and without std. It is never run. Made by
//!
//!     RUSTC_BOOTSTRAP=1 rustc --edition 2021 -O -g -C panic=unwind -C codegen-units=1 \
//!         -C lto=thin -C link-args="-nostartfiles -nostdlib -static-pie -Wl,--gc-sections \
//!         -Wl,--build-id=sha1 -Wl,-z,noseparate-code" --remap-path-prefix=$PWD= \
//!         --crate-name tiny tiny.rs -o tiny.elf
//!
//! with rustc 1.95.0; the offsets in the tests are those of this file.
#![no_std]
#![no_main]
#![feature(lang_items)]
#![allow(internal_features)]

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

#[repr(u8)]
#[derive(Clone, Copy)]
pub enum Kind {
    DoubleVote,
    Timeout = 5,
    Malformed,
}

pub enum Verdict {
    Accepted,
    Rejected,
}

pub struct Fault(pub u32, pub [u64; 2]);

pub struct Vote {
    pub approve: bool,
    pub round: u32,
    pub kind: Kind,
}

pub struct Pause(pub u32);

extern "C-unwind" {
    fn tiny_work(x: u32) -> u32;
    fn tiny_drop(x: u32);
}

impl Future for Pause {
    type Output = u32;
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u32> {
        self.0 += unsafe { tiny_work(self.0) };
        if self.0 > 7 { Poll::Ready(self.0) } else { Poll::Pending }
    }
}

pub struct Guard(pub u32);

impl Drop for Guard {
    #[inline(always)]
    fn drop(&mut self) {
        unsafe { tiny_drop(self.0) }
    }
}

pub async fn process_vote(vote: &Vote, guard: Guard) -> Result<Verdict, Fault> {
    let got = Pause(vote.round).await;
    let more = Pause(got).await;
    if more == guard.0 {
        return Err(Fault(more, [1, 2]));
    }
    Ok(if vote.approve { Verdict::Accepted } else { Verdict::Rejected })
}

pub async fn store(kind: Kind, guard: Guard) -> u32 {
    Pause(kind as u32).await + guard.0
}

pub async fn outer(vote: &Vote, kind: Kind) -> u32 {
    let a = store(kind, Guard(vote.round)).await;
    unsafe { tiny_drop(a) };
    a + Pause(a).await
}

#[inline(never)]
pub fn plain(approve: bool, vote: &Vote, kind: Kind) -> bool {
    unsafe { tiny_work(vote.round + kind as u32) > approve as u32 }
}

#[inline(never)]
pub fn plain_result(vote: &Vote) -> Result<[u64; 3], Fault> {
    let x = unsafe { tiny_work(vote.round) };
    if x > 9 { Err(Fault(x, [3, 4])) } else { Ok([x as u64, 1, 2]) }
}

/// Who has the address may pass any argument.
#[used]
static ANY_ARGUMENT: fn(bool, &Vote, Kind) -> bool = plain;

#[inline(always)]
pub fn gone(x: u32) -> u32 {
    unsafe { tiny_work(x) ^ 1 }
}

mod part {
    use super::*;
    static TABLE: RawWakerVTable = RawWakerVTable::new(|p| RawWaker::new(p, &TABLE), |_| {}, |_| {}, |_| {});
    pub fn waker() -> Waker {
        unsafe { Waker::from_raw(RawWaker::new(core::ptr::null(), &TABLE)) }
    }
}

#[inline(never)]
fn drive<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    let waker = part::waker();
    match future.poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(x) => Some(x),
        Poll::Pending => None,
    }
}

/// A trait object keeps poll function and drop glue out of line.
#[inline(never)]
fn drive_object(future: &mut dyn Future<Output = Result<Verdict, Fault>>) -> u32 {
    let waker = part::waker();
    let future = unsafe { Pin::new_unchecked(core::hint::black_box(future)) };
    future.poll(&mut Context::from_waker(&waker)).is_ready() as u32
}

#[inline(never)]
fn drop_it<T: ?Sized>(what: *mut T) {
    unsafe { core::ptr::drop_in_place(core::hint::black_box(what)) }
}

#[no_mangle]
pub extern "C" fn _start() -> ! {
    let vote = Vote { approve: unsafe { tiny_work(1) } == 0, round: 3, kind: Kind::Timeout };
    let mut voting = process_vote(&vote, Guard(4));
    let mut sum = drive_object(&mut voting);
    drop_it(&mut voting as &mut dyn Future<Output = Result<Verdict, Fault>>);
    core::mem::forget(voting);
    let mut waiting = outer(&vote, vote.kind);
    sum += drive(unsafe { Pin::new_unchecked(&mut waiting) }).is_some() as u32;
    sum += plain(sum > 1, &vote, Kind::DoubleVote) as u32;
    if let Ok(x) = plain_result(&vote) {
        sum += x[0] as u32;
    }
    sum += gone(sum);
    unsafe { tiny_drop(sum) };
    loop {}
}

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[lang = "eh_personality"]
extern "C" fn personality() {}

#[no_mangle]
pub extern "C" fn _Unwind_Resume() -> ! {
    loop {}
}

core::arch::global_asm!(
    ".globl tiny_work", "tiny_work: lea eax, [rdi+1]", "ret",
    ".globl tiny_drop", "tiny_drop: ret"
);
