// SPDX-License-Identifier: BSD-2-Clause
//! Functions whose arguments have numbers in them: containers, slices and integers, in async functions (out of line
//! and inlined) and plain ones. It waits until the file in its first argument is there, makes its calls, and writes
//! its books, what was really handed over, into the file in its second.
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::fmt::Write;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

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

/// Polled once and dropped while it waits.
#[inline(never)]
fn drop_waiting(mut task: Task<()>) {
    assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Vote,
    Share,
}

pub struct Names(Vec<String>);
pub struct SecretShares(Vec<u64>);

pub struct Request {
    pub kind: Kind,
    pub amount: u64,
    pub delta: i64,
    pub shares: Vec<[u8; 32]>,
    pub names: Names,
    pub limit: Arc<AtomicU64>,
    pub maybe: Option<Vec<u8>>,
    pub pair: (u16, u32),
}

pub async fn by_value(numbers: Vec<u32>, text: String, map: HashMap<u32, u64>, queue: VecDeque<u8>) -> usize {
    Pause(false).await;
    black_box((&numbers, &text, &map, &queue));
    numbers.len()
}

pub async fn by_reference(tree: &BTreeMap<u32, u8>, set: &HashSet<u32>, order: &BTreeSet<u32>, heap: &BinaryHeap<u8>) {
    Pause(false).await;
    black_box((tree, set, order, heap));
}

pub async fn slices(slice: &[u64], text: &str, boxed: Box<[u16]>, shared: Arc<[u8]>) {
    black_box((slice, text));
    Pause(false).await;
    black_box((&boxed, &shared));
}

pub async fn wrapped(names: Names, held: Arc<Mutex<Vec<u8>>>, text: Arc<str>, list: Box<LinkedList<u8>>) {
    black_box(&text);
    Pause(false).await;
    black_box((names.0.len(), &held, &list));
}

/// Inlined into its only caller.
async fn inner(request: &Request) -> u64 {
    Pause(false).await;
    black_box(request).amount ^ 1
}

pub async fn outer(request: &Request) -> u64 {
    black_box(inner(black_box(request)).await)
}

pub async fn waits(items: Vec<u8>, forever: bool) {
    Pause(false).await;
    if forever {
        Pause(false).await;
    }
    black_box(&items);
}

pub async fn hides(held: &SecretShares, request: &Request) {
    Pause(false).await;
    black_box((held.0.len(), request));
}

#[inline(never)]
pub fn plain_slices(slice: &[u32], text: &str) -> usize {
    black_box(slice).len() + black_box(text).len()
}

#[inline(never)]
pub fn plain_owned(numbers: Vec<u32>, text: String, boxed: Box<[u8]>) -> usize {
    black_box(&numbers).len() + black_box(&text).len() + black_box(&boxed).len()
}

#[inline(never)]
pub fn plain_references(map: &HashMap<u32, u64>, queue: &VecDeque<u8>, request: &Request) -> u64 {
    black_box((map, queue));
    black_box(request).amount
}

#[inline(never)]
pub fn plain_numbers(amount: u64, delta: i32, small: u8, kind: Kind) -> u64 {
    black_box((delta, kind));
    black_box(amount) ^ u64::from(black_box(small))
}

pub struct Timed {
    pub took: Duration,
    pub last: Option<Duration>,
}

/// Its last act is to drop what it shares, between its choice of a state and the store of it.
pub async fn limited(limit: Duration, timed: Arc<Timed>) {
    Pause(false).await;
    black_box((limit, &timed));
}

#[inline(never)]
pub fn plain_limit(limit: Duration, more: &Duration) -> Duration {
    black_box(limit) + *black_box(more)
}

/// More than registers hold: the last two come on the stack.
#[inline(never)]
pub fn plain_stack(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, few: u32, timed: &Timed) -> Duration {
    let sum = black_box(a) + black_box(b) + black_box(c) + black_box(d) + black_box(e) + black_box(f);
    let room = black_box([sum; 40]);
    timed.took + timed.last.unwrap_or_default() * few * room[7] as u32
}

const BOUNDS: [u128; 5] = [0, 1, 10, 100, 1000];
/// Of times, in nanoseconds.
const TIMES: [u128; 4] = [1_000, 500_000_000, 1_000_000_000, 3_600_000_000_000];

#[derive(Default)]
struct Books {
    sums: BTreeMap<String, u128>,
    buckets: BTreeMap<String, [u64; BOUNDS.len() + 1]>,
    times: BTreeMap<String, [u64; TIMES.len() + 1]>,
}

impl Books {
    fn add(&mut self, name: &str, n: usize) {
        self.add_wide(name, n as u128);
    }

    fn add_wide(&mut self, name: &str, n: u128) {
        *self.sums.entry(name.into()).or_default() += n;
    }

    fn observe(&mut self, name: &str, n: u128) {
        let bucket = BOUNDS.iter().position(|&bound| n <= bound).unwrap_or(BOUNDS.len());
        self.buckets.entry(name.into()).or_default()[bucket] += 1;
        self.add_wide(&format!("{name}_sum"), n);
    }

    fn time(&mut self, name: &str, time: Option<Duration>) {
        let Some(ns) = time.map(|time| time.as_nanos()) else {
            return self.add(&format!("{name}/other_variant"), 1);
        };
        let bucket = TIMES.iter().position(|&bound| ns <= bound).unwrap_or(TIMES.len());
        self.times.entry(name.into()).or_default()[bucket] += 1;
        self.add_wide(&format!("{name}/time_sum"), ns);
    }

    fn json(&self) -> String {
        let mut out = String::from("{\"sums\": {");
        for (i, (name, sum)) in self.sums.iter().enumerate() {
            write!(out, "{}{name:?}: {sum}", if i > 0 { ", " } else { "" }).unwrap();
        }
        out.push_str("}, \"buckets\": {");
        for (i, (name, buckets)) in self.buckets.iter().enumerate() {
            write!(out, "{}{name:?}: {buckets:?}", if i > 0 { ", " } else { "" }).unwrap();
        }
        out.push_str("}, \"times\": {");
        for (i, (name, buckets)) in self.times.iter().enumerate() {
            write!(out, "{}{name:?}: {buckets:?}", if i > 0 { ", " } else { "" }).unwrap();
        }
        out.push_str("}}");
        out
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 33
    }

    /// Sizes around the bounds of the buckets, and others.
    fn size(&mut self) -> usize {
        match self.next() % 4 {
            0 => [0, 1, 2, 9, 10, 11, 99, 100, 101, 999, 1000, 1001][self.next() as usize % 12],
            _ => self.next() as usize % 300,
        }
    }

    fn amount(&mut self) -> u64 {
        match self.next() % 3 {
            0 => [0, 1, u64::MAX, u64::MAX - 1, 1 << 63, u32::MAX as u64, 1 << 32][self.next() as usize % 7],
            1 => self.next() % 2000,
            _ => self.next() * self.next(),
        }
    }
}

fn time_of(random: &mut Random) -> Duration {
    match random.next() % 4 {
        0 => Duration::from_nanos(TIMES[random.next() as usize % TIMES.len()] as u64 + random.next() % 3 - 1),
        1 => Duration::ZERO,
        2 => Duration::new(random.next() % 5000, 999_999_999),
        _ => Duration::from_nanos(random.next()),
    }
}

fn map_of(n: usize) -> HashMap<u32, u64> {
    let mut map: HashMap<u32, u64> = (0..n as u32 + 7).map(|i| (i, 1)).collect();
    map.retain(|&i, _| i >= 7);
    map
}

/// A queue that has gone around its end.
fn queue_of(n: usize) -> VecDeque<u8> {
    let mut queue: VecDeque<u8> = std::iter::repeat_n(1, 50).collect();
    queue.drain(..40);
    queue.extend(std::iter::repeat_n(2, n));
    queue.drain(..10);
    queue
}

fn request_of(random: &mut Random) -> Request {
    Request {
        kind: if random.next() % 3 == 0 { Kind::Share } else { Kind::Vote },
        amount: random.amount(),
        delta: random.next() as i64 % 1200 - 200,
        shares: vec![[7; 32]; random.size()],
        names: Names(vec![String::from("x"); random.size() % 20]),
        limit: Arc::new(AtomicU64::new(random.next() % 500)),
        maybe: None,
        pair: (random.next() as u16, random.next() as u32),
    }
}

fn async_calls(random: &mut Random, books: &mut Books) {
    let [a, b, c, d] = [random.size(), random.size(), random.size(), random.size()];
    let (map, queue) = (map_of(c), queue_of(d));
    books.add("vec_total", a);
    books.add("string_bytes_total", b);
    books.add("map_total", map.len());
    books.add("queue_total", queue.len());
    black_box(block_on(task(by_value(vec![1; a], "s".repeat(b), map, queue))));

    let (tree, set) = ((0..a as u32).map(|i| (i, 1)).collect(), (0..b as u32).collect());
    let (order, heap) = ((0..c as u32).collect(), std::iter::repeat_n(1, d).collect());
    books.add("tree_total", a);
    books.add("set_total", b);
    books.add("order_total", c);
    books.add("heap_total", d);
    block_on(task(by_reference(&tree, &set, &order, &heap)));

    books.add("slice_total", a / 2);
    books.add("text_bytes_total", b);
    books.add("boxed_total", c);
    books.add("shared_bytes_total", d);
    block_on(task(slices(&vec![1; a][..a / 2], &"t".repeat(b), vec![1; c].into(), vec![1; d].into())));

    books.add("names_total", a);
    books.add("held_total", b);
    books.add("name_bytes_total", c);
    books.add("list_total", d);
    let held = Arc::new(Mutex::new(vec![1; b]));
    let list = Box::new(std::iter::repeat_n(1, d).collect());
    block_on(task(wrapped(Names(vec![String::new(); a]), held, "n".repeat(c).into(), list)));

    books.add("waited_total", a);
    block_on(task(waits(vec![1; a], false)));
    books.add("dropped_total", b);
    books.observe("dropped_items", b as u128);
    drop_waiting(task(waits(vec![1; b], true)));
}

fn request_calls(random: &mut Random, books: &mut Books) {
    let request = request_of(random);
    let kind = format!("{:?}", request.kind).to_lowercase();
    let amount = u128::from(request.amount);

    books.add_wide(&format!("amount_total/{kind}"), amount);
    books.observe(&format!("request_amount/{kind}"), amount);
    books.observe("request_shares", request.shares.len() as u128);
    match u128::try_from(request.delta) {
        Ok(delta) => books.observe("delta", delta),
        Err(_) => books.add("delta/negative", 1),
    }
    black_box(block_on(task(outer(&request))));
    block_on(task(hides(&SecretShares(vec![1, 2]), &request)));

    let (map, queue) = (map_of(random.size()), queue_of(random.size()));
    books.add("plain_map_total", map.len());
    books.add("plain_queue_total", queue.len());
    books.add("plain_limit_total", request.limit.load(std::sync::atomic::Ordering::Relaxed) as usize);
    books.add("plain_pair_total", request.pair.1 as usize);
    black_box(plain_references(&map, &queue, &request));
}

fn plain_calls(random: &mut Random, books: &mut Books) {
    let [a, b, c] = [random.size(), random.size(), random.size()];
    let (amount, small) = (random.amount(), random.next() as u8);
    let delta = random.next() as i32 % 100 - 50;

    books.add("plain_slice_total", a / 3);
    books.add("plain_bytes_total", b);
    black_box(plain_slices(&vec![1; a][a - a / 3..], &"t".repeat(b)));
    books.add("plain_slice_total", b); // the same metric, another function
    books.add("plain_string_bytes_total", a);
    books.add("plain_boxed_bytes_total", c);
    black_box(plain_owned(vec![1; b], "t".repeat(a), vec![1; c].into()));
    let kind = if small > 100 { Kind::Vote } else { Kind::Share };
    books.add_wide(&format!("plain_amount_total/{}", format!("{kind:?}").to_lowercase()), u128::from(amount));
    books.observe("plain_small", u128::from(small));
    if delta < 0 {
        books.add("plain_delta_total/negative", 1);
    } else {
        books.add("plain_delta_total", delta as usize);
    }
    black_box(plain_numbers(amount, delta, small, kind));
}

fn timed_calls(random: &mut Random, books: &mut Books) {
    let limit = time_of(random);
    let last = if random.next() % 3 == 0 { None } else { Some(time_of(random)) };
    let timed = Timed { took: time_of(random), last };

    books.time("plain_limit_seconds", Some(limit));
    books.time("plain_more_seconds", Some(timed.took));
    black_box(plain_limit(limit, &timed.took));
    books.time("stack_took_seconds", Some(timed.took));
    books.time("stack_last_seconds", timed.last);
    let [a, b, c] = [random.next(), random.next(), random.next()].map(|n| n % 9);
    black_box(plain_stack(a, b, c, a, b, c, 1, &timed));
    books.time("limit_seconds", Some(limit));
    books.time("last_seconds", timed.last);
    block_on(task(limited(limit, Arc::new(timed))));
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let (mut random, mut books) = (Random(42), Books::default());

    println!("ready");
    while !std::path::Path::new(&words[1]).exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    for _ in 0..500 {
        async_calls(&mut random, &mut books);
        request_calls(&mut random, &mut books);
        plain_calls(&mut random, &mut books);
        timed_calls(&mut random, &mut books);
    }
    std::fs::write(&words[2], books.json()).expect("books");
}
