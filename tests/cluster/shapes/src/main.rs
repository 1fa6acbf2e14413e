// SPDX-License-Identifier: BSD-2-Clause
//! Runs every shape of call a number of times and keeps books. It waits for SIGUSR1 or a line on stdin
//! before it begins, so that a tracer can attach first.
//!
//! mpc-shapes [--times N] [--seed N] [--listen ADDR] [--truth FILE] [--no-wait]

mod shapes;

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use shapes::{Colour, HardSigner, Outcome, Refused, Signer, SoftSigner};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const CROWD: usize = 1000;

struct Options {
    times: u64,
    seed: u64,
    listen: Option<String>,
    truth: Option<PathBuf>,
    wait: bool,
}

fn options() -> Result<Options, String> {
    let mut options = Options { times: 200, seed: 1, listen: None, truth: None, wait: true };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} wants a value"));
        match word.as_str() {
            "--times" => options.times = value()?.parse().map_err(|e| format!("--times: {e}"))?,
            "--seed" => options.seed = value()?.parse().map_err(|e| format!("--seed: {e}"))?,
            "--listen" => options.listen = Some(value()?),
            "--truth" => options.truth = Some(value()?.into()),
            "--no-wait" => options.wait = false,
            _ => return Err(format!("unknown option {word}")),
        }
    }
    Ok(options)
}

fn main() {
    let options = options().unwrap_or_else(|error| {
        eprintln!("mpc-shapes: {error}");
        std::process::exit(2);
    });
    // The injected panics are part of the show; anything else is worth a line.
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload_as_str() != Some("injected") {
            loud(info);
        }
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("runtime");
    runtime.block_on(run(&options));
    drop(runtime);
    match &options.truth {
        Some(path) => books::write("shapes", path).expect("truth file"),
        None => println!("{}", books::truth("shapes")),
    }
}

async fn run(options: &Options) {
    let mut stop = signal(SignalKind::terminate()).expect("SIGTERM");
    let mut go = signal(SignalKind::user_defined1()).expect("SIGUSR1");
    if let Some(address) = &options.listen {
        let listener = tokio::net::TcpListener::bind(address).await.expect("listen");
        tokio::spawn(serve_truth(listener));
    }
    eprintln!("ready pid={}", std::process::id());
    if options.wait {
        tokio::select! {
            _ = go.recv() => (),
            () = a_line_on_stdin() => (),
            _ = stop.recv() => return,
        }
    }
    let mut rng = StdRng::seed_from_u64(options.seed);
    for _ in 0..options.times {
        // Through spawn, so that the worker threads poll them and not this one.
        tokio::spawn(one_of_each(rng.r#gen())).await.expect("no shape panics outside its own task");
    }
    crowd(options.seed).await;
    eprintln!("done");
    if options.listen.is_some() {
        stop.recv().await;
    }
}

async fn a_line_on_stdin() {
    let mut line = String::new();
    let read = BufReader::new(tokio::io::stdin()).read_line(&mut line).await;
    if !matches!(read, Ok(1..)) {
        // Closed stdin is not a line.
        std::future::pending::<()>().await;
    }
}

async fn serve_truth(listener: tokio::net::TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let _ = stream.read(&mut [0; 1024]).await;
        let body = books::truth("shapes").to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        let _ = stream.write_all(format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
    }
}

async fn one_of_each(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    run_to_the_end(&mut rng).await;
    run_together(&mut rng).await;
    run_plain(&mut rng);
    cancel(&mut rng).await;
}

/// Whether a call was refused is in the books; here it only must not vanish unseen by the optimiser.
fn done(outcome: Outcome) {
    match outcome {
        Ok(value) | Err(Refused(value)) => _ = black_box(value),
    }
}

async fn run_to_the_end(rng: &mut StdRng) {
    done(shapes::recursive(rng.r#gen(), rng.gen_range(0..6)).await);
    done(shapes::generic(rng.r#gen(), rng.r#gen::<u8>()).await);
    done(shapes::generic(rng.r#gen(), rng.r#gen::<u64>()).await);
    done(shapes::generic(rng.r#gen(), "x".repeat(rng.gen_range(0..20))).await);
    done(shapes::instrumented(rng.gen_range(0..4), rng.r#gen()).await);
    done(shapes::at_once(Colour::of(rng.r#gen()), rng.r#gen()).await);
    done(shapes::outer(rng.r#gen(), rng.r#gen()).await);
    let signers: [Box<dyn Signer>; 2] =
        [Box::new(SoftSigner), Box::new(HardSigner { delay: Duration::from_micros(100) })];
    for signer in &signers {
        done(signer.sign(rng.r#gen(), rng.r#gen()).await);
    }
    let in_time = shapes::in_timeout(Colour::of(rng.r#gen()), rng.r#gen());
    done(tokio::time::timeout(Duration::from_secs(60), in_time).await.expect("a minute is enough"));
}

async fn run_together(rng: &mut StdRng) {
    let lanes: Vec<_> = (0..4).map(|lane| tokio::spawn(shapes::many_polls(lane, rng.r#gen()))).collect();
    for lane in lanes {
        done(lane.await.expect("many_polls"));
    }

    let (left, right) = tokio::join!(shapes::in_join(true, rng.r#gen()), shapes::in_join(false, rng.r#gen()));
    done(left);
    done(right);

    tokio::select! {
        fast = shapes::in_select(true, rng.r#gen()) => done(fast),
        slow = shapes::in_select(false, rng.r#gen()) => done(slow),
    }

    done(tokio::spawn(shapes::spawned(Colour::of(rng.r#gen()), rng.r#gen())).await.expect("spawned"));

    let mut set = JoinSet::new();
    for lane in 0..4 {
        set.spawn(shapes::in_join_set(lane, rng.r#gen()));
    }
    while let Some(outcome) = set.join_next().await {
        done(outcome.expect("in_join_set"));
    }

    let mut unordered: FuturesUnordered<_> = (0..4).map(|lane| shapes::in_unordered(lane, rng.r#gen())).collect();
    while let Some(outcome) = unordered.next().await {
        done(outcome);
    }

    // tokio catches the panic and hands it over as an error of the task.
    let _ = tokio::spawn(shapes::panics(rng.r#gen(), rng.r#gen())).await;
}

fn run_plain(rng: &mut StdRng) {
    let handlers: [fn(bool, u64) -> u64; 1] = black_box([shapes::plain]);
    for handler in handlers {
        black_box(handler(rng.r#gen(), rng.r#gen()));
    }
    let judges: [fn(bool, u64) -> Outcome; 1] = black_box([shapes::plain_result]);
    for judge in judges {
        done(judge(rng.r#gen(), rng.r#gen()));
    }
}

async fn cancel(rng: &mut StdRng) {
    let patience = Duration::from_millis(2);

    let late = shapes::cancelled_by_timeout(rng.r#gen(), rng.r#gen());
    if let Ok(outcome) = tokio::time::timeout(patience, late).await {
        done(outcome);
    }

    tokio::select! {
        outcome = shapes::cancelled_by_select(rng.r#gen(), rng.r#gen()) => done(outcome),
        () = tokio::time::sleep(patience) => (),
    }

    let task = tokio::spawn(shapes::cancelled_by_abort(rng.r#gen(), rng.r#gen()));
    tokio::time::sleep(patience).await;
    task.abort();
    let _ = task.await;

    let wanted: bool = rng.r#gen();
    let built = shapes::dropped_unpolled(true, rng.r#gen());
    if wanted {
        done(built.await);
    } else {
        drop(black_box(built));
    }
}

/// A thousand calls, all suspended at the same time before the first may go on.
async fn crowd(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let (arrived, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..CROWD {
        let (left, number) = (rng.r#gen(), rng.r#gen());
        let (arrived, gate) = (arrived.clone(), gate.clone());
        tasks.spawn(async move { shapes::in_crowd(left, number, &arrived, &gate).await });
    }
    let _ = arrived.acquire_many(CROWD as u32).await.expect("nobody closes this one either");
    gate.add_permits(CROWD);
    while let Some(outcome) = tasks.join_next().await {
        done(outcome.expect("in_crowd"));
    }
}
