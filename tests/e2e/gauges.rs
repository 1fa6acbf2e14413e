// SPDX-License-Identifier: BSD-2-Clause
//! Functions that gauges are made of, called by several threads at once. It obeys the lines of its standard input
//! and answers each: "burst BOOKS" (all threads; the books go into that file), "pulse N" (sets the pool to N),
//! "quit".
use std::fmt::Write;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

const THREADS: u8 = 4;
const TIMES: u64 = 5000;

struct Pause(bool);

impl Future for Pause {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

fn task<'a>(future: impl Future<Output = ()> + 'a) -> Task<'a> {
    black_box(Box::pin(future))
}

#[inline(never)]
fn poll(task: &mut Task) -> bool {
    task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

pub async fn refill(items: Vec<u8>, times: u8) {
    for _ in 0..times {
        Pause(false).await;
    }
    black_box(&items);
}

#[inline(never)]
pub fn mine(thread: u8, n: i64) -> i64 {
    black_box(n) ^ i64::from(black_box(thread))
}

#[inline(never)]
pub fn locked(n: i32) -> i32 {
    black_box(n) ^ 1
}

#[inline(never)]
pub fn shared(n: u64) -> u64 {
    black_box(n) ^ 1
}

#[inline(never)]
pub fn set_limit(n: u64) -> u64 {
    black_box(n) ^ 7
}

#[inline(never)]
pub fn joined(inbound: bool) -> u8 {
    u8::from(black_box(inbound)) ^ 3
}

#[inline(never)]
pub fn left(inbound: bool) -> u8 {
    u8::from(black_box(inbound)) ^ 5
}

/// What all threads write.
#[derive(Default)]
struct All {
    lock: Mutex<i32>,
    peers: [AtomicI64; 2],
    joins: AtomicU64,
}

/// The last call of shared() of a thread: what it gave, and when it was under way.
struct Last {
    n: u64,
    before: Instant,
    after: Instant,
}

fn one_thread(thread: u8, all: &All, begun: u64) -> Last {
    let mut last = None;
    for i in 0..TIMES {
        black_box(mine(thread, (i as i64 - 100) * (i64::from(thread) - 1)));
        {
            let mut n = all.lock.lock().expect("lock");
            *n = if i % 2 == 0 { -n.abs() - 1 } else { n.abs() + 1 };
            black_box(locked(*n));
        }
        let (n, before) = (u64::from(thread) << 56 | (begun + i), Instant::now());
        black_box(shared(n));
        last = Some(Last { n, before, after: Instant::now() });
        let inbound = (i + u64::from(thread)) % 3 == 0;
        if i % 5 < 2 {
            black_box(left(inbound));
            all.peers[usize::from(inbound)].fetch_sub(1, SeqCst);
        } else {
            black_box(joined(inbound));
            all.peers[usize::from(inbound)].fetch_add(1, SeqCst);
            all.joins.fetch_add(1, SeqCst);
        }
    }
    last.expect("calls")
}

/// Numbers that the last call of shared() may have given: none that ended before another one began.
fn possible(lasts: &[Last]) -> Vec<u64> {
    lasts.iter().filter(|l| lasts.iter().all(|other| l.after >= other.before)).map(|l| l.n).collect()
}

fn burst(all: &All, begun: u64, path: &str) {
    let lasts: Vec<Last> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|t| scope.spawn(move || one_thread(t, all, begun))).collect();
        threads.into_iter().map(|t| t.join().expect("thread")).collect()
    });
    black_box(set_limit(u64::MAX - begun));
    let mut books = String::from("{");
    for t in 0..i64::from(THREADS) {
        let name = ["a", "b", "c", "d"][t as usize];
        let _ = write!(books, "\"mine{{thread={name}}}\": [{}], ", (TIMES as i64 - 101) * (t - 1));
    }
    let _ = write!(books, "\"locked\": [{}], ", all.lock.lock().expect("lock"));
    let _ = write!(books, "\"shared\": {:?}, ", possible(&lasts));
    let _ = write!(books, "\"limit\": [{}], ", u64::MAX - begun);
    let _ = write!(books, "\"peers{{kind=in}}\": [{}], ", all.peers[1].load(SeqCst));
    let _ = write!(books, "\"peers{{kind=out}}\": [{}], ", all.peers[0].load(SeqCst));
    let _ = write!(books, "\"joins_total\": [{}]}}", all.joins.load(SeqCst));
    std::fs::write(path, books).expect("books");
}

/// Two at a time: the one that begins later and ends first says how large the pool is.
fn pulse(n: usize) {
    let (mut early, mut late) = (task(refill(vec![1; n + 5], 3)), task(refill(vec![1; n], 1)));
    poll(&mut early);
    while !poll(&mut late) {}
    while !poll(&mut early) {}
}

fn main() {
    let (all, mut begun) = (All::default(), 0);

    println!("ready");
    for line in std::io::stdin().lines() {
        let line = line.expect("a line");
        match line.split_once(' ') {
            Some(("burst", path)) => {
                burst(&all, begun, path);
                begun += TIMES;
            }
            Some(("pulse", n)) => pulse(n.parse().expect("a number")),
            _ => return,
        }
        println!("did {line}");
    }
}
