// SPDX-License-Identifier: BSD-2-Clause
//! What one watched and booked call costs in this very minute: calls of a function that does nothing (its first
//! instruction and its last have to be stepped over one by one, as most sites in the nodes have), between entries in
//! books as the functions of tests/cluster keep them, timed by the clock on the wall. Each comes alone after a pause,
//! as the nodes' calls come between messages, and so finds caches that others have used meanwhile. Each line says
//! how many calls there were so far, how long they took, and the sum of the squares of that: CALLS NS NS².
use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(5);

type Labels = Vec<(&'static str, &'static str)>;
static FUNCTIONS: Mutex<BTreeMap<&'static str, (u64, u64)>> = Mutex::new(BTreeMap::new());
static COUNTERS: Mutex<BTreeMap<(&'static str, Labels), u64>> = Mutex::new(BTreeMap::new());

#[inline(never)]
pub fn nothing(number: u64) -> u64 {
    number.wrapping_mul(3)
}

fn booked(number: u64) -> u64 {
    FUNCTIONS.lock().expect("lock").entry("booked").or_default().0 += 1;
    let began = Instant::now();
    let number = black_box(nothing(number));
    let labels = vec![("parity", if number.is_multiple_of(2) { "even" } else { "odd" })];
    let nanos = black_box(began.elapsed()).as_nanos() as u64;
    FUNCTIONS.lock().expect("lock").entry("booked").or_default().1 += nanos;
    for family in ["booked_total", "booked_seconds"] {
        *COUNTERS.lock().expect("lock").entry((family, labels.clone())).or_default() += 1;
    }
    number
}

fn main() {
    let (mut calls, mut wall, mut squares) = (0, 0, 0);
    let mut out = std::io::stdout();
    loop {
        let began = Instant::now();
        black_box(booked(calls));
        let nanos = began.elapsed().as_nanos();
        wall += nanos;
        squares += nanos * nanos;
        calls += 1;
        writeln!(out, "{calls} {wall} {squares}").expect("stdout");
        std::thread::sleep(PAUSE);
    }
}
