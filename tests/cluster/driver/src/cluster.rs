// SPDX-License-Identifier: BSD-2-Clause
use std::fs::{self, File};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::{Options, Result, certs, http};

const START_LIMIT: Duration = Duration::from_secs(20);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// state.json in the work folder.
#[derive(Serialize, Deserialize)]
pub struct Cluster {
    pub threshold: u32,
    pub nodes: Vec<Member>,
}

#[derive(Serialize, Deserialize)]
pub struct Member {
    pub id: u64,
    pub pid: i32,
    /// When the process started, as the kernel counts: a process id alone may have gone to another.
    pub start_time: u64,
    pub rest: String,
    pub quic: String,
    pub truth: PathBuf,
    pub log: PathBuf,
}

impl Cluster {
    pub fn read(folder: &str) -> Result<Self> {
        let path = Path::new(folder).join("state.json");
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    }
}

pub async fn up(options: &Options) -> Result<()> {
    let count: u64 = options.get("--nodes")?.unwrap_or(5);
    let threshold: u32 = options.get("--threshold")?.unwrap_or(3);
    let node = fs::canonicalize(options.need("--node")?)?;
    fs::create_dir_all(options.need("--dir")?)?;
    let folder = fs::canonicalize(options.need("--dir")?)?;
    if let Ok(old) = Cluster::read(&folder.to_string_lossy())
        && old.nodes.iter().any(is_running)
    {
        return Err(format!("a cluster is running in {}: take it down first", folder.display()).into());
    }
    certs::make(&folder.join("certs"), count)?;
    let (rest, quic) = free_addresses(count)?;
    let mut cluster = Cluster { threshold, nodes: Vec::new() };
    for id in 1..=count {
        let at = id as usize - 1;
        let (truth, log) = (folder.join(format!("truth-{id}.json")), folder.join(format!("node-{id}.log")));
        let _ = fs::remove_file(&truth);
        let output = File::create(&log)?;
        let child = Command::new(&node)
            .env("NODE_ID", id.to_string())
            .env("LISTEN_ADDR", &rest[at])
            .env("QUIC_LISTEN_ADDR", &quic[at])
            .env("THRESHOLD", threshold.to_string())
            .env("TOTAL_NODES", count.to_string())
            .env("NODE_ENDPOINTS", quic.join(","))
            .env("CERT_DIR", folder.join("certs"))
            .env("TRUTH_FILE", &truth)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // The nodes outlive this command, and a ^C in its terminal.
            .process_group(0)
            .spawn()
            .map_err(|e| format!("{}: {e}", node.display()))?;
        let pid = child.id() as i32;
        let start_time = start_time(pid).ok_or(format!("node {id} ended at once, see {}", log.display()))?;
        let (rest, quic) = (rest[at].clone(), quic[at].clone());
        cluster.nodes.push(Member { id, pid, start_time, rest, quic, truth, log });
        // Written at once, so that `down` knows the nodes even if one of the next does not start.
        fs::write(folder.join("state.json"), serde_json::to_string_pretty(&cluster)?)?;
    }
    let limit = Instant::now() + START_LIMIT;
    for member in &cluster.nodes {
        while http::get(&member.rest, "/health").await.is_err() {
            if !is_running(member) || Instant::now() > limit {
                return Err(format!("node {} does not answer, see {}", member.id, member.log.display()).into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    println!("{}", folder.join("state.json").display());
    Ok(())
}

pub async fn down(options: &Options) -> Result<()> {
    let cluster = Cluster::read(options.need("--dir")?)?;
    for member in cluster.nodes.iter().filter(|member| is_running(member)) {
        // SAFETY: a plain system call; the process is the one we started.
        unsafe { libc::kill(member.pid, libc::SIGTERM) };
    }
    let limit = Instant::now() + STOP_LIMIT;
    while let Some(member) = cluster.nodes.iter().find(|member| is_running(member)) {
        if Instant::now() > limit {
            return Err(format!("node {} (pid {}) does not stop", member.id, member.pid).into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Ports that were free a moment ago, the same number of TCP and UDP ones.
fn free_addresses(count: u64) -> Result<(Vec<String>, Vec<String>)> {
    let rest: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<std::io::Result<_>>()?;
    let quic: Vec<_> = (0..count).map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<std::io::Result<_>>()?;
    let rest = rest.iter().map(|socket| Ok(socket.local_addr()?.to_string())).collect::<Result<_>>()?;
    let quic = quic.iter().map(|socket| Ok(socket.local_addr()?.to_string())).collect::<Result<_>>()?;
    Ok((rest, quic))
}

fn is_running(member: &Member) -> bool {
    start_time(member.pid) == Some(member.start_time)
}

/// Field 22 of /proc/PID/stat. None for a process that has ended, also where nobody has reaped it.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    fields.get(22 - 3)?.parse().ok()
}
