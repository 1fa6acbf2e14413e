// SPDX-License-Identifier: BSD-2-Clause
//! The books of a program under test: what it did, counted where it was done, under the names of
//! the series that are to say the same.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

static COUNTS: LazyLock<Mutex<BTreeMap<String, f64>>> = LazyLock::new(Mutex::default);

/// Adds `n` to a series: `name{label="value",...}`, labels in order of their names.
pub fn add(series: impl Into<String>, n: f64) {
    *COUNTS.lock().unwrap().entry(series.into()).or_default() += n;
}

/// One more of a series.
pub fn one(series: impl Into<String>) {
    add(series, 1.0);
}

/// Books a call as a histogram has it: its count is exact, its sum not less than the agent's, for
/// the agent looks from further inside.
pub fn timed<T>(name: &str, labels: &str, call: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = call();
    add(format!("{name}_sum{labels}"), began.elapsed().as_secs_f64());
    one(format!("{name}_count{labels}"));
    result
}

/// `success` or `failure`.
pub fn word<T, E>(result: &Result<T, E>) -> &'static str {
    if result.is_ok() { "success" } else { "failure" }
}

/// Says that it is ready, waits until the file of the first argument is there, does `work`, and
/// writes the books into the file of the second.
pub fn run(work: impl FnOnce()) {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(go), Some(truth)) = (args.next(), args.next()) else {
        eprintln!("two arguments: the file to wait for, and that of the books");
        std::process::exit(2);
    };
    println!("ready");
    while !go.exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    work();
    let text = serde_json::to_string_pretty(&*COUNTS.lock().unwrap()).expect("books are JSON");
    std::fs::write(&truth, text).expect("the books can be written");
    println!("done");
}
