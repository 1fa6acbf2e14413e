// SPDX-License-Identifier: BSD-2-Clause
//! Every way an async call can look, one function each. The first small argument is its label; each
//! function keeps books under its own name.

use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::yield_now;

#[derive(Debug)]
pub struct Refused(pub u64);

pub type Outcome = Result<u64, Refused>;

#[derive(Clone, Copy, Debug)]
pub enum Colour {
    Red,
    Green,
    Blue,
}

impl Colour {
    pub fn of(number: u64) -> Self {
        [Colour::Red, Colour::Green, Colour::Blue][(number % 3) as usize]
    }

    fn name(self) -> &'static str {
        match self {
            Colour::Red => "red",
            Colour::Green => "green",
            Colour::Blue => "blue",
        }
    }
}

fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// The only values the u8 arguments take.
fn digit(value: u8) -> &'static str {
    ["0", "1", "2", "3"][(value % 4) as usize]
}

fn begin(shape: &'static str, argument: &'static str) -> books::Call {
    books::begin(shape).counts_result("shape_total", &[("shape", shape), ("argument", argument)])
}

/// About one call in eight is refused; which ones depends on the number alone.
fn judge(number: u64) -> Outcome {
    if number % 8 == 5 { Err(Refused(number)) } else { Ok(number.rotate_left(7) ^ 0x5bd1) }
}

/// Suspends many times, by yields and by sleeps, and so wanders between the worker threads.
pub async fn many_polls(lane: u8, number: u64) -> Outcome {
    let call = begin("many_polls", digit(lane));
    let mut sum = number;
    for step in 0..20 + number % 20 {
        if step % 8 == 7 {
            tokio::time::sleep(Duration::from_micros(200)).await;
        } else {
            yield_now().await;
        }
        sum = books::attempt!(call, if step == 19 { judge(number) } else { Ok(sum.wrapping_add(step)) });
    }
    call.close(Ok(sum))
}

/// Waits until the whole crowd is in flight.
pub async fn in_crowd(left: bool, number: u64, arrived: &Semaphore, gate: &Semaphore) -> Outcome {
    let call = begin("in_crowd", flag(left));
    arrived.add_permits(1);
    gate.acquire().await.expect("nobody closes the gate").forget();
    yield_now().await;
    call.close(judge(number))
}

/// Each level is a call of its own.
pub async fn recursive(even: bool, depth: u8) -> Outcome {
    let call = begin("recursive", flag(even));
    yield_now().await;
    if depth == 0 {
        return call.close(judge(if even { 5 } else { 6 }));
    }
    let below = books::attempt!(call, Box::pin(recursive(!even, depth - 1)).await);
    yield_now().await;
    call.close(Ok(below.wrapping_add(1)))
}

pub trait Weight: Send + 'static {
    fn weight(&self) -> u64;
}

impl Weight for u8 {
    fn weight(&self) -> u64 {
        u64::from(*self)
    }
}

impl Weight for u64 {
    fn weight(&self) -> u64 {
        *self
    }
}

impl Weight for String {
    fn weight(&self) -> u64 {
        self.len() as u64
    }
}

pub async fn generic<T: Weight>(heavy: bool, value: T) -> Outcome {
    let call = begin("generic", flag(heavy));
    yield_now().await;
    let weight = books::attempt!(call, judge(value.weight()));
    if heavy {
        yield_now().await;
    }
    call.close(Ok(weight.wrapping_add(value.weight())))
}

pub async fn in_join(left: bool, number: u64) -> Outcome {
    let call = begin("in_join", flag(left));
    for _ in 0..1 + number % 3 {
        yield_now().await;
    }
    call.close(judge(number))
}

/// The fast one wins; the slow one is dropped while it sleeps.
pub async fn in_select(fast: bool, number: u64) -> Outcome {
    let call = begin("in_select", flag(fast));
    yield_now().await;
    if !fast {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    call.close(judge(number))
}

/// Inside a generous timeout: this one always ends by itself.
pub async fn in_timeout(colour: Colour, number: u64) -> Outcome {
    let call = begin("in_timeout", colour.name());
    yield_now().await;
    tokio::time::sleep(Duration::from_micros(100)).await;
    call.close(judge(number))
}

pub async fn spawned(colour: Colour, number: u64) -> Outcome {
    let call = begin("spawned", colour.name());
    yield_now().await;
    let value = books::attempt!(call, judge(number));
    yield_now().await;
    call.close(Ok(value))
}

pub async fn in_join_set(lane: u8, number: u64) -> Outcome {
    let call = begin("in_join_set", digit(lane));
    yield_now().await;
    call.close(judge(number))
}

pub async fn in_unordered(lane: u8, number: u64) -> Outcome {
    let call = begin("in_unordered", digit(lane));
    for _ in 0..number % 4 {
        yield_now().await;
    }
    call.close(judge(number))
}

/// Never suspends: the first poll is also the last.
pub async fn at_once(colour: Colour, number: u64) -> Outcome {
    let call = begin("at_once", colour.name());
    call.close(judge(number))
}

/// Two levels, each awaited in one place only, so that an optimiser may fold both into the task.
pub async fn outer(left: bool, number: u64) -> Outcome {
    let call = begin("outer", flag(left));
    yield_now().await;
    let value = books::attempt!(call, inner(!left, number).await);
    call.close(Ok(value.wrapping_add(1)))
}

pub async fn inner(right: bool, number: u64) -> Outcome {
    let call = begin("inner", flag(right));
    yield_now().await;
    call.close(judge(number))
}

#[async_trait::async_trait]
pub trait Signer: Send + Sync {
    async fn sign(&self, strong: bool, number: u64) -> Outcome;
}

pub struct SoftSigner;
pub struct HardSigner {
    pub delay: Duration,
}

#[async_trait::async_trait]
impl Signer for SoftSigner {
    async fn sign(&self, strong: bool, number: u64) -> Outcome {
        let call = begin("SoftSigner::sign", flag(strong));
        yield_now().await;
        call.close(judge(number))
    }
}

#[async_trait::async_trait]
impl Signer for HardSigner {
    async fn sign(&self, strong: bool, number: u64) -> Outcome {
        let call = begin("HardSigner::sign", flag(strong));
        tokio::time::sleep(self.delay).await;
        call.close(judge(number))
    }
}

#[tracing::instrument(skip(number))]
pub async fn instrumented(lane: u8, number: u64) -> Outcome {
    let call = begin("instrumented", digit(lane));
    yield_now().await;
    tracing::debug!(number, "awake again");
    call.close(judge(number))
}

/// Not async and not small; it is called through a pointer, as a table of handlers would.
pub fn plain(odd: bool, number: u64) -> u64 {
    let call = begin("plain", flag(odd));
    let value = (0..number % 64).fold(number, |sum, step| sum.rotate_left(5) ^ step.wrapping_mul(0x9e37_79b9));
    call.finish(true);
    if odd { value | 1 } else { value & !1 }
}

pub fn plain_result(strict: bool, number: u64) -> Outcome {
    let call = begin("plain_result", flag(strict));
    let value = books::attempt!(call, judge(number));
    call.close(if strict && value.is_multiple_of(4) { Err(Refused(value)) } else { Ok(value) })
}

/// Panics before it ever suspends, or after.
pub async fn panics(late: bool, number: u64) -> Outcome {
    let call = begin("panics", flag(late));
    if late {
        yield_now().await;
    }
    if !number.is_multiple_of(4) {
        panic!("injected");
    }
    call.close(judge(number))
}

/// Sleeps long enough for somebody to lose patience, unless `patient`.
async fn wait(patient: bool) {
    yield_now().await;
    if !patient {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

pub async fn cancelled_by_timeout(patient: bool, number: u64) -> Outcome {
    let call = begin("cancelled_by_timeout", flag(patient));
    wait(patient).await;
    call.close(judge(number))
}

pub async fn cancelled_by_select(patient: bool, number: u64) -> Outcome {
    let call = begin("cancelled_by_select", flag(patient));
    wait(patient).await;
    call.close(judge(number))
}

pub async fn cancelled_by_abort(patient: bool, number: u64) -> Outcome {
    let call = begin("cancelled_by_abort", flag(patient));
    wait(patient).await;
    call.close(judge(number))
}

/// Some of these futures are built and dropped without ever being polled: those are no calls at all.
pub async fn dropped_unpolled(patient: bool, number: u64) -> Outcome {
    let call = begin("dropped_unpolled", flag(patient));
    wait(patient).await;
    call.close(judge(number))
}
