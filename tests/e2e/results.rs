// SPDX-License-Identifier: BSD-2-Clause
//! Functions whose results have numbers in them: integers, lengths and fields, alone and in variants, of async
//! functions (out of line and inlined) and plain ones. It waits until the file in its first argument is there, makes
//! its calls, writes its books, what really came back, into the file in its second, and waits until the first is gone.
use std::collections::BTreeMap;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Pending once.
struct Pause(bool);

impl Future for Pause {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A task as executors have it: what runs it knows nothing of its type.
type Task<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

fn task<'a, T>(future: impl Future<Output = T> + 'a) -> Task<'a, T> {
    black_box(Box::pin(future))
}

#[inline(never)]
fn block_on<T>(mut task: Task<T>) -> T {
    loop {
        if let Poll::Ready(done) = task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
}

#[derive(Clone)]
pub enum Fault {
    ConnectionFailed(u32),
    Timeout,
    TlsError(String),
    Other { code: u64 },
}

#[derive(Clone)]
pub struct NodeId(pub u64);

#[derive(Clone)]
pub struct PoolStats {
    pub target_size: u32,
    pub current_size: usize,
    pub generated: Option<u64>,
}

#[derive(Clone)]
pub enum VoteResult {
    Accepted { tx: [u8; 16], count: u64 },
    Rejected { reason: u32 },
    Idempotent,
}

#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    Work,
    Probe,
}

type Result<T> = std::result::Result<T, Fault>;

// ---- what they return ---------------------------------------------------------------

fn fault(x: u64) -> Fault {
    match x >> 4 & 3 {
        0 => Fault::ConnectionFailed(x as u32),
        1 => Fault::Timeout,
        2 => Fault::TlsError("handshake".repeat(x as usize & 3)),
        _ => Fault::Other { code: x },
    }
}

fn make<T>(x: u64, good: impl FnOnce() -> T) -> Result<T> {
    if x & 3 == 0 { Err(fault(x)) } else { Ok(good()) }
}

#[inline(never)]
fn make_threshold(x: u64) -> Result<u32> {
    make(x, || (x >> 8) as u32)
}

#[inline(never)]
fn make_config(x: u64) -> Result<usize> {
    make(x, || x as usize)
}

#[inline(never)]
fn make_nodes(x: u64) -> Result<Vec<NodeId>> {
    make(x, || vec![NodeId(x); (x >> 6) as usize % 200])
}

#[inline(never)]
fn make_stats(x: u64) -> PoolStats {
    PoolStats { target_size: 7, current_size: (x >> 3) as usize, generated: (x & 8 > 0).then_some(x >> 9) }
}

#[inline(never)]
fn make_vote(x: u64) -> Result<VoteResult> {
    make(x, || match x >> 2 & 3 {
        0 => VoteResult::Rejected { reason: x as u32 },
        1 => VoteResult::Idempotent,
        _ => VoteResult::Accepted { tx: [x as u8; 16], count: x >> 5 },
    })
}

#[inline(never)]
fn make_height(x: u64) -> u64 {
    x.rotate_left(40)
}

#[inline(never)]
fn make_balance(x: u64) -> Option<i64> {
    (x & 1 > 0).then_some((x >> 7) as i64 % 900 - 300)
}

#[inline(never)]
fn make_sent(x: u64) -> Result<()> {
    make(x, || ())
}

// ---- async functions, out of line -----------------------------------------------------

pub async fn threshold(x: u64) -> Result<u32> {
    Pause(false).await;
    make_threshold(black_box(x))
}

/// Two ways to come to an end.
pub async fn config(x: u64) -> Result<usize> {
    if x & 16 > 0 {
        return make_config(black_box(x));
    }
    Pause(false).await;
    make_config(black_box(x))
}

pub async fn nodes(x: u64) -> Result<Vec<NodeId>> {
    Pause(false).await;
    let nodes = make_nodes(black_box(x))?;
    Pause(false).await;
    Ok(nodes)
}

pub async fn stats(x: u64) -> PoolStats {
    Pause(false).await;
    make_stats(black_box(x))
}

pub async fn vote(x: u64) -> Result<VoteResult> {
    Pause(false).await;
    make_vote(black_box(x))
}

pub async fn height(x: u64) -> u64 {
    Pause(false).await;
    make_height(black_box(x))
}

pub async fn balance(x: u64) -> Option<i64> {
    Pause(false).await;
    make_balance(black_box(x))
}

pub async fn send(x: u64, purpose: Purpose) -> Result<()> {
    Pause(false).await;
    black_box(purpose);
    make_sent(black_box(x))
}

// ---- async functions, each inlined into its only caller ---------------------------------

mod inner {
    use super::*;

    pub async fn threshold(x: u64) -> Result<u32> {
        Pause(false).await;
        make_threshold(black_box(x))
    }
    pub async fn config(x: u64) -> Result<usize> {
        Pause(false).await;
        make_config(black_box(x))
    }
    pub async fn nodes(x: u64) -> Result<Vec<NodeId>> {
        Pause(false).await;
        make_nodes(black_box(x))
    }
    pub async fn stats(x: u64) -> PoolStats {
        Pause(false).await;
        make_stats(black_box(x))
    }
    pub async fn vote(x: u64) -> Result<VoteResult> {
        Pause(false).await;
        make_vote(black_box(x))
    }
    pub async fn height(x: u64) -> u64 {
        Pause(false).await;
        make_height(black_box(x))
    }
    pub async fn send(x: u64) -> Result<()> {
        Pause(false).await;
        make_sent(black_box(x))
    }
    /// Numbers that the compiler can do sums with.
    pub async fn picked(x: u64) -> Result<usize> {
        Pause(false).await;
        let x = black_box(x);
        if x & 3 == 0 { Err(fault(x)) } else if x & 4 == 0 { Ok(5) } else { Ok(7) }
    }
    pub async fn summed(x: u64) -> Result<u64> {
        Pause(false).await;
        let x = black_box(x);
        if x & 3 == 0 { Err(fault(x)) } else { Ok(x + 10) }
    }
    pub async fn lucky(x: u64) -> Option<u64> {
        Pause(false).await;
        let x = black_box(x);
        if x & 7 == 0 { None } else { Some(x & 8) }
    }
}

async fn ask_threshold(x: u64) -> Result<u64> {
    let threshold = inner::threshold(x).await?;
    Pause(false).await;
    Ok(u64::from(threshold) + 1)
}

async fn ask_config(x: u64) -> u64 {
    let config = match inner::config(x).await {
        Ok(config) => config as u64,
        Err(_) => 0,
    };
    Pause(false).await;
    config ^ 1
}

async fn ask_nodes(x: u64) -> Result<usize> {
    let nodes = inner::nodes(x).await?;
    Pause(false).await;
    Ok(black_box(&nodes).len())
}

async fn ask_stats(x: u64) -> usize {
    let stats = inner::stats(x).await;
    Pause(false).await;
    black_box(&stats).current_size
}

async fn ask_vote(x: u64) -> u64 {
    let result = inner::vote(x).await;
    Pause(false).await;
    match black_box(&result) {
        Ok(VoteResult::Accepted { tx, count }) => u64::from(tx[3]) + count,
        Ok(VoteResult::Rejected { reason }) => u64::from(*reason),
        _ => 0,
    }
}

async fn ask_height(x: u64) -> u64 {
    let height = inner::height(x).await;
    Pause(false).await;
    height ^ 1
}

async fn ask_send(x: u64) -> Result<u64> {
    inner::send(x).await?;
    Pause(false).await;
    Ok(x)
}

/// Behind these awaits something else is made of the number, of the same type and in the same line.
async fn ask_picked(x: u64) -> Result<usize> {
    let picked = inner::picked(x).await.map(|n| n + 1)?;
    Pause(false).await;
    Ok(picked)
}

async fn ask_summed(x: u64) -> Result<u64> {
    let result = inner::summed(x).await.map(|n| n + 100);
    Pause(false).await;
    black_box(&result).clone()
}

async fn ask_lucky(x: u64) -> Option<u64> {
    let val = inner::lucky(x).await? + 3;
    Pause(false).await;
    Some(val)
}

// ---- plain functions --------------------------------------------------------------------

#[inline(never)]
pub fn pair(x: u64) -> std::result::Result<u64, u64> {
    if black_box(x) & 3 == 0 { Err(x ^ 5) } else { Ok(x >> 1) }
}

#[inline(never)]
pub fn small(x: u64) -> u16 {
    black_box(x >> 4) as u16
}

#[inline(never)]
pub fn bytes(x: u64) -> Vec<u8> {
    vec![1; black_box(x) as usize % 77]
}

#[inline(never)]
pub fn boxed(x: u64) -> Box<PoolStats> {
    Box::new(make_stats(black_box(x)))
}

#[inline(never)]
pub fn found(all: &[PoolStats], x: u64) -> Option<&PoolStats> {
    black_box(all).get(x as usize & 7)
}

#[inline(never)]
pub fn both(x: u64) -> Result<(u32, u64)> {
    make(black_box(x), || (x as u32, x >> 3))
}

#[inline(never)]
pub fn connect(x: u64) -> Result<u32> {
    make(black_box(x), || x as u32)
}

// ---- books --------------------------------------------------------------------------------

const CALLS: u64 = 400; // of each function
const BOUNDS: [i128; 4] = [0, 10, 100, 1000];
const BOUND_NAMES: [&str; 5] = ["0", "10", "100", "1000", "+Inf"];

/// Series as they are written, without the node's label.
#[derive(Default)]
struct Books(BTreeMap<String, i128>);

impl Books {
    fn add(&mut self, series: &str, n: i128) {
        *self.0.entry(series.into()).or_default() += n;
    }

    fn set(&mut self, series: &str, n: i128) {
        self.0.insert(series.into(), n);
    }

    fn missing(&mut self, metric: &str, reason: &str) {
        self.add(&format!("mpc_bpf_agent_numbers_missing_total{{metric={metric},reason={reason}}}"), 1);
    }

    fn observe(&mut self, name: &str, n: i128) {
        for (i, bound) in BOUND_NAMES.iter().enumerate() {
            let within = BOUNDS.get(i).is_none_or(|&b| n <= b);
            self.add(&format!("{name}_bucket{{le={bound}}}"), within.into());
        }
        self.add(&format!("{name}_sum"), n);
        self.add(&format!("{name}_count"), 1);
    }

    /// A gauge or a counter of a number that only some results have.
    fn number(&mut self, name: &str, n: Option<i128>) {
        match n {
            Some(n) if name.ends_with("_total") => self.add(name, n),
            Some(n) => self.set(name, n),
            None => self.missing(name, "other_variant"),
        }
    }

    fn failure<T>(&mut self, name: &str, result: &Result<T>) {
        let kind = match result {
            Ok(_) => return,
            Err(Fault::ConnectionFailed(_)) => "connection",
            Err(Fault::Timeout) => "timeout",
            Err(Fault::TlsError(_)) => "handshake",
            Err(Fault::Other { .. }) => "unknown",
        };
        self.add(&format!("{name}{{error_type={kind}}}"), 1);
    }

    fn json(&self) -> String {
        let all: Vec<String> = self.0.iter().map(|(name, n)| format!("{name:?}: {n}")).collect();
        format!("{{{}}}", all.join(", "))
    }
}

fn counted(result: Result<VoteResult>) -> Option<i128> {
    match result {
        Ok(VoteResult::Accepted { count, .. }) => Some(count.into()),
        _ => None,
    }
}

fn outside(x: u64, books: &mut Books) {
    let got = block_on(task(threshold(x)));
    books.number("threshold", got.ok().map(i128::from));
    let got = block_on(task(config(x)));
    books.number("config_total", got.ok().map(|n| n as i128));
    let got = block_on(task(nodes(x))).ok().map(|nodes| nodes.len() as i128);
    books.number("active_nodes", got);
    match got {
        Some(n) => books.observe("answer_nodes", n),
        None => books.missing("answer_nodes", "other_variant"),
    }
    let got = block_on(task(stats(x)));
    books.set("pool_size", got.current_size as i128);
    books.number("generated_total", got.generated.map(i128::from));
    let got = block_on(task(vote(x)));
    books.number("votes_total", counted(got));
    books.add("height_total", block_on(task(height(x))).into());
    let got = block_on(task(balance(x)));
    books.number("balance", got.map(i128::from));
    match got {
        Some(n) if n >= 0 => books.observe("balances", n.into()),
        Some(_) => books.missing("balances", "negative"),
        None => books.missing("balances", "other_variant"),
    }
}

fn sending(x: u64, books: &mut Books) {
    let purpose = if x & 32 > 0 { Purpose::Work } else { Purpose::Probe };
    let got = block_on(task(send(x, purpose)));
    books.failure("send_failures_total", &got);
    if matches!(purpose, Purpose::Work) {
        books.add("work_total{purpose=work}", 1);
    }
    if got.is_err() {
        books.add("send_failure_seconds_count{result=failure}", 1);
    }
}

fn inside(x: u64, books: &mut Books) {
    let _ = black_box(block_on(task(ask_threshold(x))));
    books.number("inner_threshold", make_threshold(x).ok().map(i128::from));
    black_box(block_on(task(ask_config(x))));
    books.number("inner_config_total", make_config(x).ok().map(|n| n as i128));
    let _ = black_box(block_on(task(ask_nodes(x))));
    books.number("inner_nodes", make_nodes(x).ok().map(|nodes| nodes.len() as i128));
    black_box(block_on(task(ask_stats(x))));
    books.set("inner_pool_size", make_stats(x).current_size as i128);
    black_box(block_on(task(ask_vote(x))));
    books.number("inner_votes_total", counted(make_vote(x)));
    black_box(block_on(task(ask_height(x))));
    books.add("inner_height_total", make_height(x).into());
    let _ = black_box(block_on(task(ask_send(x))));
    if make_sent(x).is_err() {
        books.add("inner_failures_total{result=failure}", 1);
    }
}

fn changed(x: u64, books: &mut Books) {
    let got = black_box(block_on(task(ask_picked(x))));
    books.number("inner_picked_total", got.ok().map(|n| n as i128 - 1));
    let got = black_box(block_on(task(ask_summed(x))));
    books.number("inner_summed_total", got.ok().map(|n| i128::from(n) - 100));
    let got = black_box(block_on(task(ask_lucky(x))));
    books.number("inner_lucky_total", got.map(|n| i128::from(n) - 3));
}

fn plain(x: u64, books: &mut Books) {
    let all: Vec<PoolStats> = (0..5).map(|i| make_stats(x ^ i << 3)).collect();

    books.number("pair_total", pair(x).ok().map(i128::from));
    books.set("small", small(x).into());
    books.add("bytes_total", bytes(x).len() as i128);
    let got = boxed(x);
    books.add("boxed_total", got.current_size as i128);
    books.number("boxed_generated_total", got.generated.map(i128::from));
    books.number("found_total", found(&all, x).map(|stats| stats.current_size as i128));
    books.number("both_total", both(x).ok().map(|both| both.1.into()));
    let got = connect(x);
    books.failure("connect_failures_total", &got);
    books.number("connect_total", got.ok().map(i128::from));
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let (mut random, mut books) = (42u64, Books::default());

    println!("ready");
    while !std::path::Path::new(&words[1]).exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    for i in 0..CALLS {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let x = if i % 3 == 0 { random >> 50 } else { random >> 20 };
        outside(x, &mut books);
        sending(x, &mut books);
        inside(x, &mut books);
        changed(x, &mut books);
        plain(x, &mut books);
    }
    std::fs::write(&words[2], books.json()).expect("books");
    println!("done");
    while std::path::Path::new(&words[1]).exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
