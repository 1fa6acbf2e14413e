// SPDX-License-Identifier: BSD-2-Clause
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::plan::{Action, Plan, Settings, Step};
use crate::{Options, Result};
use services::http;

pub const OPTIONS: &[&str] = &[
    "--dir",
    "--seed",
    "--transactions",
    "--dkgs",
    "--faults",
    "--fault-percent",
    "--sign-percent",
    "--concurrency",
    "--rate",
    "--duration",
    "--until-signal",
    "--settle",
];

/// A transaction whose end is not seen by then is given up on. Voting ends after 5 s, signing 10 s
/// later, with CGGMP24 30 s later.
const PATIENCE: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(25);
const PROGRESS: Duration = Duration::from_secs(5);
const SETTLE_LIMIT: Duration = Duration::from_secs(90);
/// Nothing may move for this long.
const QUIET: Duration = Duration::from_secs(1);
/// They run as long as a connection or the node does, so they are always in flight.
const ENDLESS: [&str; 2] = ["handle_connection", "run_generation_loop"];

#[derive(Default)]
struct Tally(Mutex<BTreeMap<(&'static str, String), u64>>);

impl Tally {
    fn add(&self, what: &'static str, which: impl Into<String>) {
        *self.0.lock().expect("no panic under this lock").entry((what, which.into())).or_default() += 1;
    }

    fn of(&self, what: &str) -> Value {
        let tally = self.0.lock().expect("no panic under this lock");
        let these = tally.iter().filter(|((kind, _), _)| *kind == what);
        these.map(|((_, which), count)| (which.clone(), Value::from(*count))).collect::<serde_json::Map<_, _>>().into()
    }
}

pub async fn load(options: &Options) -> Result<()> {
    let cluster = Arc::new(Cluster::read(options.need("--dir")?)?);
    let endless = options.has("--duration") || options.has("--until-signal");
    let transactions = match options.get("--transactions")? {
        None if endless => None,
        given => Some(given.unwrap_or(200)),
    };
    let seed = options.get("--seed")?.unwrap_or(1);
    let mut plan = Plan::new(Settings {
        seed,
        nodes: cluster.nodes.len(),
        faults: options.get("--faults")?.unwrap_or("all".into()),
        fault_percent: options.get("--fault-percent")?.unwrap_or(5),
        sign_percent: options.get("--sign-percent")?.unwrap_or(100),
        transactions,
        dkgs: options.get("--dkgs")?.unwrap_or(1),
    })?;
    let slots = Arc::new(Semaphore::new(options.get("--concurrency")?.unwrap_or(16)));
    let mut pace = options.get::<f64>("--rate")?.map(|rate| tokio::time::interval(Duration::from_secs_f64(1.0 / rate)));
    let mut stop = stop_after(options.get::<f64>("--duration")?.map(Duration::from_secs_f64))?;

    let tally = Arc::new(Tally::default());
    let began = Instant::now();
    let mut reported = began;
    let mut running = JoinSet::new();
    while transactions.is_none_or(|wanted| plan.transactions_made() < wanted) {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        let slot = tokio::select! {
            slot = slots.clone().acquire_owned() => slot?,
            _ = stop.changed() => break,
        };
        if *stop.borrow() {
            break;
        }
        let step = plan.next();
        let (cluster, tally) = (cluster.clone(), tally.clone());
        if matches!(step.action, Action::Dkg(_)) && plan.transactions_made() == 0 {
            // Nothing can be signed before the first key is there.
            perform(&cluster, step, &tally).await;
            continue;
        }
        running.spawn(async move {
            perform(&cluster, step, &tally).await;
            drop(slot);
        });
        while running.try_join_next().is_some() {}
        if reported.elapsed() >= PROGRESS {
            reported = Instant::now();
            eprintln!("{:6.1} s: {} transactions begun", began.elapsed().as_secs_f64(), plan.transactions_made());
        }
    }
    while running.join_next().await.is_some() {}
    let seconds = began.elapsed().as_secs_f64();
    if options.has("--settle") {
        settle(&cluster).await?;
    }
    let summary = json!({
        "seed": seed,
        "transactions": plan.transactions_made(),
        "seconds": seconds,
        "transactions_per_second": plan.transactions_made() as f64 / seconds,
        "ended": tally.of("ended"),
        "faults": tally.of("fault"),
        "dkgs": tally.of("dkg"),
        "errors": tally.of("error"),
    });
    println!("{}", serde_json::to_string_pretty(&summary)?);
    Ok(())
}

/// Turns true when the time is over or somebody sends SIGINT or SIGTERM.
fn stop_after(duration: Option<Duration>) -> Result<watch::Receiver<bool>> {
    let (sender, stop) = watch::channel(false);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
            () = tokio::time::sleep(duration.unwrap_or_default()), if duration.is_some() => (),
        }
        let _ = sender.send(true);
        // What has begun is still waited for. The sender stays, so that `changed` never fails.
        sender.closed().await;
    });
    Ok(stop)
}

async fn perform(cluster: &Cluster, step: Step, tally: &Tally) {
    let Some(rest) = running(cluster, step.node) else {
        return tally.add("error", "no node is running");
    };
    let done = match &step.action {
        Action::Transaction(transaction) => submit(rest, "/transactions", transaction, transaction, tally).await,
        Action::Fault(kind, transaction) => {
            tally.add("fault", *kind);
            let body = json!({"fault": kind, "transaction": transaction});
            submit(rest, "/faults", &body, transaction, tally).await
        }
        Action::DropPeer { peer, then } => {
            tally.add("fault", "drop_peer");
            let peer = cluster.nodes[*peer].id;
            match http::post(rest, "/faults", &json!({"drop_peer": peer})).await {
                Ok(_) => submit(rest, "/transactions", then, then, tally).await,
                Err(error) => Err(error),
            }
        }
        Action::HangUp { after_micros, transaction } => hang_up(rest, transaction, *after_micros, tally).await,
        Action::Dkg(protocol) => dkg(cluster, rest, protocol, tally).await,
    };
    if let Err(error) = done {
        tally.add("error", error.to_string());
    }
}

/// Where this node is asked, or the next one that runs.
fn running(cluster: &Cluster, node: usize) -> Option<&String> {
    let nodes = cluster.nodes.iter().cycle().skip(node).take(cluster.nodes.len());
    nodes.into_iter().find(|member| member.process.is_running()).map(|member| &member.rest)
}

async fn dkg(cluster: &Cluster, rest: &str, protocol: &str, tally: &Tally) -> Result<()> {
    let body = json!({"protocol": protocol, "threshold": cluster.threshold, "total_nodes": cluster.nodes.len()});
    let (status, answer) = http::post(rest, "/dkg", &body).await?;
    let outcome = if status == 200 { "made".to_string() } else { answer["error"].as_str().unwrap_or("?").into() };
    // The session in the text would make every refusal a kind of its own.
    let outcome = outcome.split(" DKG ").next().unwrap_or_default();
    tally.add("dkg", format!("{protocol}: {outcome}"));
    Ok(())
}

async fn submit(rest: &str, path: &str, body: &Value, transaction: &Value, tally: &Tally) -> Result<()> {
    let (status, answer) = http::post(rest, path, body).await?;
    if status != 202 {
        return Err(format!("{path}: {status} {answer}").into());
    }
    let state = wait_for_end(rest, transaction).await?;
    tally.add("ended", state);
    Ok(())
}

/// Has a transaction approved, asks for its signature, and does not wait for it.
async fn hang_up(rest: &str, transaction: &Value, after_micros: u64, tally: &Tally) -> Result<()> {
    tally.add("fault", "hang_up");
    submit(rest, "/transactions", transaction, transaction, tally).await?;
    let path = format!("/transactions/{}/sign", transaction["id"].as_str().unwrap_or_default());
    let signing = http::post(rest, &path, &Value::Null);
    let outcome = match tokio::time::timeout(Duration::from_micros(after_micros), signing).await {
        Ok(answer) => answer?.0.to_string(),
        Err(_) => "hung up".into(),
    };
    tally.add("fault", format!("hang_up: {outcome}"));
    Ok(())
}

async fn wait_for_end(rest: &str, transaction: &Value) -> Result<String> {
    let path = format!("/transactions/{}", transaction["id"].as_str().unwrap_or_default());
    let signs = transaction["sign"] == true;
    let limit = Instant::now() + PATIENCE;
    while Instant::now() < limit {
        tokio::time::sleep(POLL).await;
        let state = http::get(rest, &path).await?["state"].as_str().unwrap_or_default().to_string();
        let ended = match state.as_str() {
            "confirmed" | "rejected" | "failed" | "aborted_byzantine" => true,
            "approved" => !signs,
            _ => false,
        };
        if ended {
            return Ok(state);
        }
    }
    Ok("unknown".into())
}

/// Waits until no node has anything left to do and none of the books moves any more.
pub async fn settle(cluster: &Cluster) -> Result<()> {
    let limit = Instant::now() + SETTLE_LIMIT;
    let (mut before, mut since) = (Value::Null, Instant::now());
    while Instant::now() < limit {
        let (mut busy, mut all) = (0, Vec::new());
        for member in cluster.nodes.iter().filter(|member| member.process.is_running()) {
            let health = http::get(&member.rest, "/health").await?;
            busy += health["tasks"].as_u64().unwrap_or(1) + health["open_rounds"].as_u64().unwrap_or(1);
            let mut functions = http::get(&member.rest, "/truth").await?["functions"].take();
            if let Some(functions) = functions.as_object_mut() {
                functions.retain(|_, function| function["periodic"] != true);
            }
            for (name, function) in functions.as_object().into_iter().flatten() {
                if !ENDLESS.contains(&name.as_str()) {
                    busy += function["in_flight"].as_u64().unwrap_or(1);
                }
            }
            all.push(functions);
        }
        let now = Value::from(all);
        if busy > 0 || now != before {
            (before, since) = (now, Instant::now());
        } else if since.elapsed() >= QUIET {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err("the cluster does not come to rest".into())
}
