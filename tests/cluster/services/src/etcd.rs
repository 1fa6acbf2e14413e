// SPDX-License-Identifier: BSD-2-Clause
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::process::Process;
use crate::{Result, free_addresses, http, last_line};

const START_LIMIT: Duration = Duration::from_secs(30);
/// Two members cannot go on without the third, and wait for it: nobody wants them to.
const STOP_LIMIT: Duration = Duration::from_secs(1);

/// One member of an etcd cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    pub name: String,
    /// host:port for clients …
    pub client: String,
    /// … and for the other members.
    pub peer: String,
    pub data: PathBuf,
    #[serde(flatten)]
    pub process: Process,
}

/// Starts a new cluster. What `started` is told is running, whatever comes of it.
pub async fn up(folder: &Path, members: usize, mut started: impl FnMut(&[Member]) -> Result<()>) -> Result<()> {
    let addresses = free_addresses(2 * members)?;
    let peers: Vec<_> = (0..members).map(|at| (format!("etcd-{}", at + 1), addresses[2 * at + 1].clone())).collect();
    let mut all: Vec<Member> = Vec::new();
    for (at, (name, peer)) in peers.iter().enumerate() {
        let data = folder.join(name);
        // What an earlier cluster in this folder left would not know the new members.
        let _ = std::fs::remove_dir_all(&data);
        let log = folder.join(format!("{name}.log"));
        let client = addresses[2 * at].clone();
        let process = spawn(name, &client, peer, &data, &log, &peers)?;
        all.push(Member { name: name.clone(), client, peer: peer.clone(), data, process });
        started(&all)?;
    }
    let limit = Instant::now() + START_LIMIT;
    for member in &all {
        wait_until_healthy(member, limit).await?;
    }
    Ok(())
}

/// The same member again, after it was killed: its data and its addresses are as before.
pub async fn restart(members: &mut [Member], at: usize) -> Result<()> {
    let peers: Vec<_> = members.iter().map(|member| (member.name.clone(), member.peer.clone())).collect();
    let member = &mut members[at];
    member.process = spawn(&member.name, &member.client, &member.peer, &member.data, &member.process.log, &peers)?;
    wait_until_healthy(member, Instant::now() + START_LIMIT).await
}

pub async fn down(members: &[Member]) {
    for member in members {
        member.process.signal(libc::SIGTERM);
    }
    for member in members {
        // A member that has lost its majority does not end by itself.
        member.process.stop(libc::SIGTERM, STOP_LIMIT).await;
    }
}

fn spawn(name: &str, client: &str, peer: &str, data: &Path, log: &Path, peers: &[(String, String)]) -> Result<Process> {
    let cluster: Vec<_> = peers.iter().map(|(name, at)| format!("{name}=http://{at}")).collect();
    let url = |at: &str| format!("http://{at}");
    let mut command = Command::new("etcd");
    // Nothing of a service on this machine, and no proxy for what is on this machine.
    for (variable, _) in std::env::vars() {
        if variable.starts_with("ETCD_") {
            command.env_remove(variable);
        }
    }
    command
        .env("no_proxy", "*")
        .args(["--name", name, "--logger", "zap", "--log-level", "warn"])
        .arg("--data-dir")
        .arg(data)
        .args(["--listen-client-urls", &url(client), "--advertise-client-urls", &url(client)])
        .args(["--listen-peer-urls", &url(peer), "--initial-advertise-peer-urls", &url(peer)])
        .args(["--initial-cluster", &cluster.join(",")])
        // The machine is busy with the nodes, too; a leader that was kept waiting is no dead one.
        .args(["--heartbeat-interval", "200", "--election-timeout", "2000"])
        .args(["--auto-compaction-mode", "revision", "--auto-compaction-retention", "10000"]);
    let missing = |e| format!("etcd does not start ({e}); Debian's package is etcd-server: scripts/setup cluster");
    Process::spawn(&mut command, log).map_err(|e| missing(e).into())
}

async fn wait_until_healthy(member: &Member, limit: Instant) -> Result<()> {
    loop {
        if let Ok(health) = http::get(&member.client, "/health").await
            && health["health"] == "true"
        {
            return Ok(());
        }
        let log = &member.process.log;
        if !member.process.is_running() {
            return Err(format!("{} has ended, see {}: {}", member.name, log.display(), last_line(log)).into());
        }
        if Instant::now() > limit {
            let why = last_line(log);
            return Err(format!("{} is not healthy, see {}: {why}", member.name, log.display()).into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
