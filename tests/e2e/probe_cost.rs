// SPDX-License-Identifier: BSD-2-Clause
//! What one probed call costs in this very minute: short bursts of calls of a function that does nothing, timed by
//! the clock on the wall and by the processor time of the thread.
//! Each line says how many calls there were so far and how long they took: CALLS WALL_NS CPU_NS.
use std::io::{Write};
use std::time::{Duration, Instant};

const BURST: u64 = 20;
const PAUSE: Duration = Duration::from_millis(20);

#[inline(never)]
pub fn nothing(number: u64) -> u64 {
    std::hint::black_box(number).wrapping_add(1)
}

fn main() {
    let (mut calls, mut wall) = (0, 0);
    let mut out = std::io::stdout();
    loop {
        let began = Instant::now();
        for _ in 0..BURST {
            std::hint::black_box(nothing(calls));
        }
        wall += began.elapsed().as_nanos();
        calls += BURST;
        writeln!(out, "{calls} {wall}").expect("stdout");
        std::thread::sleep(PAUSE);
    }
}
