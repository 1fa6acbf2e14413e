// SPDX-License-Identifier: BSD-2-Clause
//! The program in results.elf, which unit tests of results look at: what inlined async
//! functions and plain functions return, in every form. It is never run. Made by
//!
//!     RUSTC_BOOTSTRAP=1 rustc --edition 2021 -O -g -C panic=unwind -C codegen-units=1 \
//!         -C lto=thin -C link-args="-nostartfiles -nostdlib -static-pie -Wl,--gc-sections \
//!         -Wl,--build-id=sha1 -Wl,-z,noseparate-code" --remap-path-prefix=$PWD= \
//!         --crate-name results results.rs -o results.elf
//!
//! with rustc 1.95.0; the registers in the tests are those of this file.
#![no_std]
#![no_main]
#![feature(lang_items)]
#![allow(internal_features)]

use core::future::Future;
use core::hint::black_box;
use core::num::NonZeroU32;
use core::pin::Pin;
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

pub struct Fault(pub u64);

pub struct Grave(pub [u64; 3]);

pub struct Pause(pub u32);

extern "C-unwind" {
    fn work(x: u32) -> u32;
    fn fetch(x: u32) -> u64;
}

impl Future for Pause {
    type Output = u32;
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u32> {
        self.0 += unsafe { work(self.0) };
        if self.0 > 7 { Poll::Ready(self.0) } else { Poll::Pending }
    }
}

/// Out of line, so that nobody knows which it is.
#[inline(never)]
pub fn fate(x: u32) -> Result<u64, Fault> {
    let y = unsafe { fetch(x) };
    if y > 9 { Err(Fault(y)) } else { Ok(y) }
}

/// The same, handed over through memory.
#[inline(never)]
pub fn doom(x: u32) -> Result<u64, Grave> {
    let y = unsafe { fetch(x) };
    if y > 9 { Err(Grave([y, 1, 2])) } else { Ok(y) }
}

/// The caller tests for Pending; a completion and a pending poll meet there.
pub mod tested {
    use super::*;
    pub async fn judge(x: u32) -> Result<u64, Fault> {
        let got = Pause(x).await;
        fate(got)
    }
    pub async fn caller(x: u32) -> u64 {
        match judge(x).await {
            Ok(y) => y + 1,
            Err(fault) => unsafe { fetch(fault.0 as u32) },
        }
    }
}

/// The caller has a `?` behind the await.
pub mod matched {
    use super::*;
    pub async fn judge(x: u32) -> Result<u64, Grave> {
        let got = Pause(x).await;
        doom(got)
    }
    pub async fn caller(x: u32) -> Result<u64, Grave> {
        let y = judge(x).await?;
        Ok(y + unsafe { fetch(2) })
    }
}

/// Two completions, one of them an early return.
pub mod joined {
    use super::*;
    pub async fn judge(x: u32) -> Result<u64, Fault> {
        let got = Pause(x).await;
        if got == 77 {
            unsafe { work(9) };
            return Err(Fault(5));
        }
        let more = Pause(got).await;
        fate(more)
    }
    pub async fn caller(x: u32) -> u64 {
        let result = judge(x).await;
        unsafe { work(3) };
        match result {
            Ok(y) => y + 1,
            Err(fault) => unsafe { fetch(fault.0 as u32) },
        }
    }
}

/// The caller keeps it in its own future.
pub mod stored {
    use super::*;
    pub async fn judge(x: u32) -> Result<u64, Fault> {
        let got = Pause(x).await;
        fate(got)
    }
    pub async fn caller(x: u32) -> u64 {
        let result = judge(x).await;
        let more = Pause(x).await as u64;
        match black_box(&result) {
            Ok(y) => y + more,
            Err(fault) => fault.0,
        }
    }
}

/// Its tag is not Poll's.
pub mod number {
    use super::*;
    pub async fn judge(x: u32) -> u32 {
        Pause(x).await + unsafe { work(8) }
    }
    pub async fn caller(x: u32) -> u32 {
        let a = judge(x).await;
        a + Pause(a).await
    }
}

#[derive(Clone, Copy)]
pub enum Verdict {
    Accepted,
    Rejected,
}

pub mod plain {
    use super::*;

    #[inline(never)]
    pub fn pair(x: u32) -> Result<u64, u64> {
        let y = unsafe { fetch(x) };
        if y > 9 { Err(y) } else { Ok(y + 1) }
    }
    #[inline(never)]
    pub fn nested(x: u32) -> Result<Verdict, u32> {
        let y = unsafe { work(x) };
        match y {
            0 => Ok(Verdict::Accepted),
            1 => Ok(Verdict::Rejected),
            _ => Err(y),
        }
    }
    #[inline(never)]
    pub fn duo(x: u32) -> Result<Verdict, u8> {
        let y = unsafe { work(x) };
        match y {
            0 => Ok(Verdict::Accepted),
            1 => Ok(Verdict::Rejected),
            _ => Err(y as u8),
        }
    }
    #[inline(never)]
    pub fn pointer(x: &[u32; 4]) -> Option<&u32> {
        let y = unsafe { work(x[0]) };
        if y > 9 { None } else { Some(&x[3]) }
    }
    /// Leaves by a jump into somebody else's code.
    #[inline(never)]
    pub fn number(x: u32) -> Option<NonZeroU32> {
        NonZeroU32::new(unsafe { work(x) })
    }
    #[inline(never)]
    pub fn deep(x: u32) -> Option<Option<Verdict>> {
        match unsafe { work(x) } {
            0 => None,
            1 => Some(None),
            2 => Some(Some(Verdict::Accepted)),
            _ => Some(Some(Verdict::Rejected)),
        }
    }
    #[inline(never)]
    pub fn bytes(x: u32) -> Result<[u8; 3], u8> {
        let y = unsafe { work(x) };
        if y > 9 { Err(y as u8) } else { Ok([y as u8, 1, 2]) }
    }
    #[inline(never)]
    pub fn wide(x: u32) -> Result<[u32; 3], u32> {
        let y = unsafe { work(x) };
        if y > 9 { Err(y) } else { Ok([y, 1, 2]) }
    }
    /// Without a parameter from which a result pointer could be told.
    #[inline(never)]
    pub fn alone() -> Result<[u32; 3], u32> {
        let y = unsafe { work(1) };
        if y > 9 { Err(y) } else { Ok([y, 1, 2]) }
    }
    #[inline(never)]
    pub fn large(x: u32) -> Result<(Verdict, [u64; 3]), Grave> {
        let y = unsafe { fetch(x) };
        let verdict = if y > 4 { Verdict::Accepted } else { Verdict::Rejected };
        if y > 9 { Err(Grave([y, 1, 2])) } else { Ok((verdict, [y, 3, 4])) }
    }
    #[inline(never)]
    pub fn large_enum(x: u32) -> Result<Result<Verdict, [u64; 2]>, Grave> {
        let y = unsafe { fetch(x) };
        match y {
            0 => Ok(Ok(Verdict::Accepted)),
            1 => Ok(Ok(Verdict::Rejected)),
            2 => Ok(Err([1, 2])),
            _ => Err(Grave([y, 1, 2])),
        }
    }
}

mod part {
    use super::*;
    static TABLE: RawWakerVTable = RawWakerVTable::new(|p| RawWaker::new(p, &TABLE), |_| {}, |_| {}, |_| {});
    pub fn waker() -> Waker {
        unsafe { Waker::from_raw(RawWaker::new(core::ptr::null(), &TABLE)) }
    }
}

/// A trait object keeps the poll function out of line.
#[inline(never)]
fn drive<T>(future: &mut dyn Future<Output = T>) -> bool {
    let waker = part::waker();
    let future = unsafe { Pin::new_unchecked(black_box(future)) };
    future.poll(&mut Context::from_waker(&waker)).is_ready()
}

#[no_mangle]
pub extern "C" fn _start() -> ! {
    let x = unsafe { work(1) };
    drive(&mut tested::caller(x));
    drive(&mut matched::caller(x));
    drive(&mut joined::caller(x));
    drive(&mut stored::caller(x));
    drive(&mut number::caller(x));
    let _ = black_box(plain::pair(x));
    let _ = black_box(plain::nested(x));
    let _ = black_box(plain::duo(x));
    let _ = black_box(plain::pointer(&[x; 4]));
    let _ = black_box(plain::number(x));
    let _ = black_box(plain::deep(x));
    let _ = black_box(plain::bytes(x));
    let _ = black_box(plain::wide(x));
    let _ = black_box(plain::alone());
    let _ = black_box(plain::large(x));
    let _ = black_box(plain::large_enum(x));
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
    ".globl work", "work: lea eax, [rdi+1]", "ret",
    ".globl fetch", "fetch: lea rax, [rdi+1]", "ret"
);
