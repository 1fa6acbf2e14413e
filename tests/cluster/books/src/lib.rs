// SPDX-License-Identifier: BSD-2-Clause
//! What really happened, counted by the program itself.
//!
//! A function opens its account as the first thing its body does and closes it as the last:
//!
//! ```
//! # struct Vote; async fn check(_: &Vote) -> Result<u64, String> { Ok(1) }
//! async fn process(vote: Vote) -> Result<u64, String> {
//!     let call = books::begin("process");
//!     let count = books::attempt!(call, check(&vote).await);
//!     call.close(Ok(count))
//! }
//! ```
//!
//! So `started` is the first poll, `finished` the poll that returned Ready, and whatever is dropped in
//! between was cancelled, or panicked if the thread is unwinding. (A suspended future that is dropped
//! *because* something else in the same task panicked would be booked as panicked; no code here does that.)

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

/// Bounds in seconds, as the wallet declares them.
pub const VOTE_SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];
pub const SIGNATURE_SECONDS: &[f64] = &[0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];
pub const DKG_SECONDS: &[f64] = &[1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
pub const ROUND_SECONDS: &[f64] = &[0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0];

/// The label `cluster` of the gauges about the whole cluster.
pub const CLUSTER: &str = "mpc-wallet";

/// What a node does by the clock, load or no load.
pub const PERIODIC: &[&str] = &[
    "PresignaturePool::size",
    "PresignaturePool::stats",
    "get_active_nodes",
    "get_cluster_threshold",
    "get_health_status",
    "get_stats",
    "get_transactions_by_state",
    "is_node_healthy",
    "record_status",
    "send_heartbeat",
];

type Labels = Vec<(&'static str, &'static str)>;

struct Books {
    functions: BTreeMap<&'static str, Function>,
    counters: BTreeMap<(&'static str, Labels), u64>,
    gauges: BTreeMap<(&'static str, Labels), i64>,
    histograms: BTreeMap<(&'static str, Labels), Histogram>,
    spans: BTreeMap<(&'static str, String), Span>,
}

/// From one call of a function to one of another, for the same key.
#[derive(Clone, Copy)]
enum Span {
    Open(Instant),
    Ended,
}

#[derive(Default)]
struct Function {
    started: u64,
    finished: u64,
    cancelled: u64,
    panicked: u64,
    seconds: f64,
}

struct Histogram {
    bounds: &'static [f64],
    /// Not cumulative, one longer than `bounds`: the last is everything above.
    counts: Vec<u64>,
    sum: f64,
}

static BOOKS: Mutex<Books> = Mutex::new(Books {
    functions: BTreeMap::new(),
    counters: BTreeMap::new(),
    gauges: BTreeMap::new(),
    histograms: BTreeMap::new(),
    spans: BTreeMap::new(),
});

fn books() -> MutexGuard<'static, Books> {
    BOOKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One call of one function, from its first instruction to its last.
#[must_use = "an account that is dropped at once reads as a cancelled call"]
pub struct Call {
    function: &'static str,
    began: Instant,
    counter: Option<(&'static str, Labels, bool)>,
    histogram: Option<(&'static str, Labels, &'static [f64])>,
    open: bool,
}

pub fn begin(function: &'static str) -> Call {
    books().functions.entry(function).or_default().started += 1;
    Call { function, began: Instant::now(), counter: None, histogram: None, open: true }
}

/// What a call has just found out about how things stand.
pub fn gauge(family: &'static str, labels: &[(&'static str, &'static str)], value: i64) {
    books().gauges.insert((family, labels.to_vec()), value);
}

/// One more event in this family.
pub fn count(family: &'static str, labels: &[(&'static str, &'static str)]) {
    *books().counters.entry((family, labels.to_vec())).or_default() += 1;
}

/// A span begins with the first call for its key, and never a second time.
pub fn span_begins(family: &'static str, key: &str) {
    books().spans.entry((family, key.to_string())).or_insert_with(|| Span::Open(Instant::now()));
}

/// The span of this key ends, if it is open.
pub fn span_ends(family: &'static str, key: &str, bounds: &'static [f64]) {
    let mut books = books();
    let Some(span) = books.spans.get_mut(&(family, key.to_string())) else { return };
    if let Span::Open(since) = std::mem::replace(span, Span::Ended) {
        books.histogram(family, vec![], bounds).observe(since.elapsed().as_secs_f64());
    }
}

/// Whether it has ended or not, nothing more is to come for this key.
pub fn span_forgotten(family: &'static str, key: &str) {
    books().spans.remove(&(family, key.to_string()));
}

impl Books {
    fn histogram(&mut self, family: &'static str, labels: Labels, bounds: &'static [f64]) -> &mut Histogram {
        let new = || Histogram { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 };
        self.histograms.entry((family, labels)).or_insert_with(new)
    }
}

impl Call {
    /// When the call returns, counts one in this family, whatever the result.
    pub fn counts(mut self, family: &'static str, labels: &[(&'static str, &'static str)]) -> Self {
        self.counter = Some((family, labels.to_vec(), false));
        self
    }

    /// The same, with one more label: result is success or failure.
    pub fn counts_result(mut self, family: &'static str, labels: &[(&'static str, &'static str)]) -> Self {
        self.counter = Some((family, labels.to_vec(), true));
        self
    }

    /// When the call returns, observes its duration in this family.
    pub fn times(
        mut self,
        family: &'static str,
        labels: &[(&'static str, &'static str)],
        bounds: &'static [f64],
    ) -> Self {
        self.histogram = Some((family, labels.to_vec(), bounds));
        self
    }

    /// Closes the account and hands the result through.
    pub fn close<T, E>(self, result: Result<T, E>) -> Result<T, E> {
        self.finish(result.is_ok());
        result
    }

    pub fn finish(mut self, success: bool) {
        self.open = false;
        let seconds = self.began.elapsed().as_secs_f64();
        let mut books = books();
        let function = books.functions.entry(self.function).or_default();
        function.finished += 1;
        function.seconds += seconds;
        if let Some((family, mut labels, with_result)) = self.counter.take() {
            if with_result {
                labels.push(("result", if success { "success" } else { "failure" }));
            }
            *books.counters.entry((family, labels)).or_default() += 1;
        }
        if let Some((family, labels, bounds)) = self.histogram.take() {
            books.histogram(family, labels, bounds).observe(seconds);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let mut books = books();
        let function = books.functions.entry(self.function).or_default();
        if std::thread::panicking() {
            function.panicked += 1;
        } else {
            function.cancelled += 1;
        }
    }
}

impl Histogram {
    /// A value equal to a bound belongs to it, as in Prometheus (`le`).
    fn observe(&mut self, seconds: f64) {
        let at = self.bounds.iter().position(|bound| seconds <= *bound).unwrap_or(self.bounds.len());
        self.counts[at] += 1;
        self.sum += seconds;
    }
}

/// `?` for a function that keeps books: closes the account before it returns the error.
#[macro_export]
macro_rules! attempt {
    ($call:ident, $result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return $call.close(Err(error.into())),
        }
    };
}

/// The whole truth as JSON. Buckets are cumulative, as a scrape shows them; `count` is +Inf.
pub fn truth(node_id: &str) -> Value {
    let books = books();
    let functions: serde_json::Map<String, Value> = books
        .functions
        .iter()
        .map(|(name, f)| {
            let in_flight = f.started - f.finished - f.cancelled - f.panicked;
            let value = json!({
                "started": f.started, "finished": f.finished, "cancelled": f.cancelled,
                "panicked": f.panicked, "in_flight": in_flight, "duration_sum_seconds": f.seconds,
                "periodic": PERIODIC.contains(name),
            });
            (name.to_string(), value)
        })
        .collect();
    let counters: Vec<Value> = books
        .counters
        .iter()
        .map(|((name, labels), value)| json!({"name": name, "labels": labels_of(labels), "value": value}))
        .collect();
    let gauges: Vec<Value> = books
        .gauges
        .iter()
        .map(|((name, labels), value)| json!({"name": name, "labels": labels_of(labels), "value": value}))
        .collect();
    let histograms: Vec<Value> = books
        .histograms
        .iter()
        .map(|((name, labels), h)| {
            let mut total = 0;
            let buckets: Vec<Value> = h
                .bounds
                .iter()
                .zip(&h.counts)
                .map(|(bound, count)| {
                    total += count;
                    json!([bound, total])
                })
                .collect();
            let count: u64 = h.counts.iter().sum();
            json!({"name": name, "labels": labels_of(labels), "buckets": buckets, "count": count, "sum": h.sum})
        })
        .collect();
    json!({"node_id": node_id, "functions": functions, "counters": counters, "gauges": gauges,
        "histograms": histograms})
}

fn labels_of(labels: &Labels) -> Value {
    labels.iter().map(|(name, value)| (name.to_string(), Value::from(*value))).collect::<serde_json::Map<_, _>>().into()
}

/// Writes the truth through a second name, so that a reader never sees half of it.
pub fn write(node_id: &str, path: &Path) -> std::io::Result<()> {
    let half = path.with_extension("part");
    std::fs::write(&half, truth(node_id).to_string())?;
    std::fs::rename(half, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    // The books are one per process, so each test has function names of its own.

    fn outcomes(function: &str) -> Vec<u64> {
        let truth = truth("test");
        ["started", "finished", "cancelled", "panicked", "in_flight"]
            .iter()
            .map(|key| truth["functions"][function][key].as_u64().unwrap_or(0))
            .collect()
    }

    async fn suspend_once() {
        let mut first = true;
        std::future::poll_fn(move |_| if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }).await
    }

    async fn booked(name: &'static str, fails: bool) -> Result<u8, String> {
        let call = begin(name).counts_result("booked_total", &[("name", name)]).times("booked_seconds", &[], &[0.5]);
        suspend_once().await;
        let value: u8 = attempt!(call, if fails { Err("no") } else { Ok(1) });
        assert!(name != "panics", "injected");
        call.close(Ok(value))
    }

    #[test]
    fn started_is_the_first_poll_and_finished_is_ready() {
        let mut call = pin!(booked("returns", false));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(outcomes("returns"), [0, 0, 0, 0, 0]);
        assert!(call.as_mut().poll(&mut context).is_pending());
        assert_eq!(outcomes("returns"), [1, 0, 0, 0, 1]);
        assert!(call.as_mut().poll(&mut context).is_ready());
        assert_eq!(outcomes("returns"), [1, 1, 0, 0, 0]);
    }

    #[test]
    fn an_early_error_is_finished_and_a_failure() {
        let mut call = pin!(booked("fails", true));
        let mut context = Context::from_waker(Waker::noop());
        let _ = call.as_mut().poll(&mut context);
        let _ = call.as_mut().poll(&mut context);
        assert_eq!(outcomes("fails"), [1, 1, 0, 0, 0]);
        let truth = truth("test");
        let failure =
            truth["counters"].as_array().unwrap().iter().find(|counter| counter["labels"]["name"] == "fails").unwrap();
        assert_eq!(failure["labels"]["result"], "failure");
    }

    #[test]
    fn dropped_while_suspended_is_cancelled_and_unpolled_is_nothing() {
        drop(booked("dropped", false));
        assert_eq!(outcomes("dropped"), [0, 0, 0, 0, 0]);
        let mut call = Box::pin(booked("dropped", false));
        let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(call);
        assert_eq!(outcomes("dropped"), [1, 0, 1, 0, 0]);
    }

    #[test]
    fn a_panic_is_a_panic() {
        let mut call = Box::pin(booked("panics", false));
        let mut context = Context::from_waker(Waker::noop());
        let _ = call.as_mut().poll(&mut context);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = call.as_mut().poll(&mut context);
        }));
        assert!(caught.is_err());
        assert_eq!(outcomes("panics"), [1, 0, 0, 1, 0]);
    }

    #[test]
    fn a_gauge_is_what_was_said_last() {
        gauge("peers", &[], 3);
        gauge("peers", &[], 2);
        let truth = truth("test");
        let peers = truth["gauges"].as_array().unwrap().iter().find(|gauge| gauge["name"] == "peers").unwrap();
        assert_eq!(peers["value"], 2);
    }

    #[test]
    fn a_span_is_observed_once() {
        let observed = || {
            let truth = truth("test");
            let histograms = truth["histograms"].as_array().unwrap().clone();
            histograms.iter().find(|h| h["name"] == "span_seconds").map_or(0, |h| h["count"].as_u64().unwrap())
        };
        span_ends("span_seconds", "one", &[1.0]);
        assert_eq!(observed(), 0);
        span_begins("span_seconds", "one");
        span_begins("span_seconds", "one");
        span_ends("span_seconds", "one", &[1.0]);
        span_begins("span_seconds", "one");
        span_ends("span_seconds", "one", &[1.0]);
        assert_eq!(observed(), 1);
    }

    #[test]
    fn a_value_on_a_bound_is_inside_it() {
        let mut histogram = Histogram { bounds: &[0.1, 1.0], counts: vec![0; 3], sum: 0.0 };
        for seconds in [0.1, 0.5, 1.0, 1.5] {
            histogram.observe(seconds);
        }
        assert_eq!(histogram.counts, [1, 2, 1]);
    }
}
