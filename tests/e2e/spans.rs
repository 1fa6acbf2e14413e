// SPDX-License-Identifier: BSD-2-Clause
//! Functions between which spans lie, and books of those. It obeys the lines of its standard input and answers each;
//! see main(). Times are taken as close to the calls as they can be: within the functions, or right beside a call
//! where the profile says the other end of it.
use std::fmt::Write;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Barrier, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread::sleep;
use std::time::{Duration, Instant};

const THREADS: usize = 4;
/// Bounds of the histograms, in seconds.
const BOUNDS: [f64; 3] = [0.05, 0.2, 10.0];
const SLOW: Duration = Duration::from_millis(400);

struct Pause(bool);

impl Future for Pause {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

pub struct TxId(String);

pub struct Vote {
    round: u64,
    tx_id: TxId,
}

#[derive(Clone, Copy)]
pub struct SessionId([u8; 16]);

/// The first poll is the start of the call: that is when a round begins.
pub async fn cast(vote: Vote) -> Instant {
    let began = Instant::now();
    Pause(false).await;
    black_box((&vote.tx_id, vote.round));
    began
}

#[inline(never)]
fn poll_to_end(task: &mut Pin<Box<dyn Future<Output = Instant>>>) -> Instant {
    loop {
        if let Poll::Ready(began) = task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return began;
        }
    }
}

static VOTES: AtomicU64 = AtomicU64::new(0);

fn vote(id: &str) -> Instant {
    VOTES.fetch_add(1, SeqCst);
    poll_to_end(&mut black_box(Box::pin(cast(Vote { round: 1, tx_id: TxId(id.to_string()) }))))
}

#[inline(never)]
pub fn complete(txid: &TxId, round: u64) -> Instant {
    black_box((&txid.0, round));
    let ended = Instant::now();
    black_box(&ended);
    ended
}

/// Only where it says so.
#[inline(never)]
pub fn abort(id: &str, really: bool) -> Instant {
    black_box((id, really));
    let ended = Instant::now();
    black_box(&ended);
    ended
}

#[inline(never)]
pub fn enqueue(job: i64) -> Instant {
    let began = Instant::now();
    black_box(job);
    black_box(&began);
    began
}

/// The same number in half the bytes.
#[inline(never)]
pub fn finish(job: i32, good: bool) -> Instant {
    black_box((job, good));
    let ended = Instant::now();
    black_box(&ended);
    ended
}

/// The span begins at its end.
#[inline(never)]
pub fn open_session(id: SessionId) -> u8 {
    black_box(id.0)[3] ^ 1
}

/// And ends at the start of this.
#[inline(never)]
pub fn close_session(id: &SessionId) -> u8 {
    black_box(id.0)[4] ^ 3
}

/// What a histogram should have. A span that several threads begin at once was begun by any of them: then its
/// length lies between two.
#[derive(Default, Clone)]
struct Histogram {
    count: u64,
    low: f64,
    high: f64,
    buckets: [u64; BOUNDS.len() + 1],
}

/// What the agent should say of a metric of spans.
#[derive(Default, Clone)]
struct Book {
    opened: u64,
    late: u64,
    no_beginning: u64,
    unread_from: u64,
    unread_to: u64,
    series: Vec<(&'static str, Histogram)>,
}

impl Book {
    fn ended(&mut self, label: &'static str, first: Instant, last: Instant, ended: Instant) {
        let (low, high) = (ended.duration_since(last).as_secs_f64(), ended.duration_since(first).as_secs_f64());
        let at = self.series.iter().position(|s| s.0 == label).unwrap_or_else(|| {
            self.series.push((label, Histogram::default()));
            self.series.len() - 1
        });
        let histogram = &mut self.series[at].1;

        histogram.count += 1;
        histogram.low += low;
        histogram.high += high;
        histogram.buckets[BOUNDS.iter().position(|b| high <= *b).unwrap_or(BOUNDS.len())] += 1;
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{{\"opened\": {}, \"late\": {}, \"no_beginning\": {}, \"unread_from\": {}, \"unread_to\": {}, \"series\": {{",
            self.opened, self.late, self.no_beginning, self.unread_from, self.unread_to
        );
        for (i, (label, h)) in self.series.iter().enumerate() {
            let _ = write!(
                text,
                "{}\"{label}\": {{\"count\": {}, \"low\": {:.9}, \"high\": {:.9}, \"buckets\": {:?}}}",
                if i > 0 { ", " } else { "" },
                h.count,
                h.low,
                h.high,
                h.buckets
            );
        }
        text + "}}"
    }
}

#[derive(Default)]
struct Books {
    round: Book,
    job: Book,
    session: Book,
    turn: u64, // makes the keys of each order its own
}

/// Ids of 4 to 128 bytes, which differ only in their last ones.
fn id(turn: u64, i: u64) -> String {
    let tail = format!("{turn:x}.{i:x}");
    let size = (i as usize * 7 % 129).max(tail.len());

    "x".repeat(size - tail.len()) + &tail
}

fn end_round(book: &mut Book, id: &str, i: u64, first: Instant, last: Instant) {
    if i % 3 == 0 {
        abort(id, false);
        book.ended("aborted", first, last, abort(id, true));
    } else {
        book.ended("reached", first, last, complete(&TxId(id.to_string()), i));
    }
}

/// One after the other: votes, the end, a late vote and now and then a second end.
fn rounds(books: &mut Books, n: u64) {
    for i in 0..n {
        let id = id(books.turn, i);
        let began = vote(&id);

        for _ in 0..i % 3 {
            vote(&id);
        }
        books.round.opened += 1;
        end_round(&mut books.round, &id, i, began, began);
        vote(&id);
        books.round.late += 1;
        if i % 7 == 0 {
            complete(&TxId(id.clone()), i);
            abort(&id, true);
        }
    }
}

/// All threads vote for the same, at once; one of them ends it, and then all are late.
fn storm(books: &mut Books, n: u64) {
    let (barrier, turn, book) = (Barrier::new(THREADS), books.turn, Mutex::new(&mut books.round));
    let times = Mutex::new(Vec::new());

    std::thread::scope(|scope| {
        for thread in 0..THREADS as u64 {
            let (barrier, book, times) = (&barrier, &book, &times);
            scope.spawn(move || {
                for i in 0..n {
                    let id = id(turn, i);

                    barrier.wait();
                    let began = vote(&id);
                    times.lock().expect("times").push(began);
                    barrier.wait();
                    if i % THREADS as u64 == thread {
                        let mut times = times.lock().expect("times");
                        let (first, last) = (*times.iter().min().expect("a time"), *times.iter().max().expect("one"));
                        let mut book = book.lock().expect("book");

                        end_round(&mut book, &id, i, first, last);
                        book.opened += 1;
                        book.late += THREADS as u64;
                        times.clear();
                    }
                    barrier.wait();
                    vote(&id);
                }
            });
        }
    });
}

/// Spans side by side that take their time, of all kinds.
fn slow(books: &mut Books, n: u64) {
    let base = -(books.turn as i64) * 1000;
    let session = |i: u64| SessionId(((u128::from(books.turn) << 96) | u128::from(i)).to_be_bytes());
    let begun: Vec<_> = (0..n)
        .map(|i| {
            let (round, job) = (vote(&id(books.turn, i)), enqueue(base - i as i64));
            black_box(open_session(session(i)));
            (round, job, Instant::now())
        })
        .collect();

    sleep(SLOW);
    for (i, (round, job, opened)) in (0..n).zip(begun) {
        end_round(&mut books.round, &id(books.turn, i), i, round, round);
        let good = i % 4 != 0;
        let ended = finish((base - i as i64) as i32, good);
        books.job.ended(if good { "good" } else { "bad" }, job, job, ended);
        let closing = Instant::now();
        black_box(close_session(&session(i)));
        books.session.ended("", opened, opened, closing);
    }
    books.round.opened += n;
    books.job.opened += n;
    books.session.opened += n;
}

fn main() {
    let mut books = Books::default();

    println!("ready");
    for line in std::io::stdin().lines() {
        let line = line.expect("a line");
        let words: Vec<&str> = line.split(' ').collect();
        let n = words.get(1).and_then(|n| n.parse().ok()).unwrap_or(0);

        books.turn += 1;
        match words[0] {
            "rounds" => rounds(&mut books, n),
            "storm" => storm(&mut books, n),
            "slow" => slow(&mut books, n),
            // ends of what nobody began
            "ends" => (0..n).for_each(|i| {
                complete(&TxId(id(books.turn, i)), i);
                finish(i32::MAX - i as i32, true);
                books.round.no_beginning += 1;
                books.job.no_beginning += 1;
            }),
            // what nobody ends
            "begin" => (0..n).for_each(|i| {
                vote(&id(books.turn, i));
                books.round.opened += 1;
            }),
            // jobs from a number on, begun or ended; what the agent should make of them is for the test to say
            "enqueue" => (0..n).for_each(|i| {
                black_box(enqueue(words[2].parse::<i64>().expect("a number") + i as i64));
            }),
            "finish" => (0..n).for_each(|i| {
                black_box(finish(words[2].parse::<i32>().expect("a number") + i as i32, true));
            }),
            // ids that are none
            "odd" => {
                for text in [String::new(), "y".repeat(129), "z".repeat(1000)] {
                    vote(&text);
                    complete(&TxId(text.clone()), 0);
                    abort(&text, true);
                    books.round.unread_from += 1;
                    books.round.unread_to += 2;
                }
            }
            "books" => {
                let text = format!(
                    "{{\"votes\": {}, \"round_seconds\": {}, \"job_seconds\": {}, \"session_seconds\": {}}}",
                    VOTES.load(SeqCst),
                    books.round.text(),
                    books.job.text(),
                    books.session.text()
                );
                std::fs::write(words[1], text).expect("books");
            }
            _ => return,
        }
        println!("did {line}");
    }
}
