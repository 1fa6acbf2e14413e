// SPDX-License-Identifier: BSD-2-Clause
//! Does as it is told: each line of the standard input is a number, so often it calls each of its two functions, and
//! says how often it has in all: the book to compare with. Built with --cfg edited, the first function is another.
use std::hint::black_box;
use std::io::BufRead;

/// Stands in the code: a test changes it there, and the program does the same as before.
const UNLIKELY: u64 = 0x5ea1_ed0f_f1ce_c0de;

#[inline(never)]
pub fn first(number: u64) -> u64 {
    #[cfg(edited)]
    if number % 7 == 3 {
        return black_box(number).rotate_left(9).wrapping_mul(black_box(5)) ^ 0x55;
    }
    number.wrapping_mul(3)
}

#[inline(never)]
pub fn second(number: u64) -> u64 {
    if black_box(number) > 9 { number ^ 9 } else { number + 1 }
}

fn main() {
    let (mut calls, mut sum) = (0u64, 0u64);
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        for _ in 0..line.expect("stdin").trim().parse::<u64>().expect("a number") {
            calls += 1;
            sum = sum.wrapping_add(black_box(first(black_box(calls)))).wrapping_add(black_box(second(black_box(calls))));
        }
        if black_box(sum) == UNLIKELY {
            println!("unlikely");
        }
        println!("called {calls}");
    }
}
