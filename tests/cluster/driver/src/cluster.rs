// SPDX-License-Identifier: BSD-2-Clause
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use services::postgres::Postgres;
use services::process::Process;
use services::{etcd, http, last_line, postgres};

use crate::{Options, Result, certs};

const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// The least number of members of which one can be lost.
const ETCD_MEMBERS: usize = 3;

/// state.json in the work folder. What is not there has not been started.
#[derive(Serialize, Deserialize)]
pub struct Cluster {
    #[serde(skip)]
    folder: PathBuf,
    pub threshold: u32,
    /// The program of the nodes.
    pub node: PathBuf,
    pub etcd: Vec<etcd::Member>,
    pub postgres: Option<Postgres>,
    pub nodes: Vec<Member>,
}

#[derive(Serialize, Deserialize)]
pub struct Member {
    pub id: u64,
    pub rest: String,
    pub quic: String,
    pub truth: PathBuf,
    #[serde(flatten)]
    pub process: Process,
}

impl Cluster {
    pub fn read(folder: &str) -> Result<Self> {
        let path = Path::new(folder).join("state.json");
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut cluster: Cluster = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        cluster.folder = folder.into();
        Ok(cluster)
    }

    /// Through a second name, so that a reader never sees half of it.
    fn write(&self) -> Result<()> {
        let half = self.folder.join("state.json.part");
        fs::write(&half, serde_json::to_string_pretty(self)?)?;
        Ok(fs::rename(half, self.folder.join("state.json"))?)
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        let services = self.etcd.iter().map(|member| &member.process);
        let nodes = self.nodes.iter().map(|member| &member.process);
        services.chain(self.postgres.iter().map(|server| &server.process)).chain(nodes)
    }

    fn spawn(&self, id: u64, rest: &[String], quic: &[String]) -> Result<Member> {
        let at = id as usize - 1;
        let truth = self.folder.join(format!("truth-{id}.json"));
        let _ = fs::remove_file(&truth);
        let postgres = self.postgres.as_ref().ok_or("there is no PostgreSQL")?;
        let etcd: Vec<_> = self.etcd.iter().map(|member| format!("http://{}", member.client)).collect();
        let mut command = Command::new(&self.node);
        command
            .env("NODE_ID", id.to_string())
            .env("LISTEN_ADDR", &rest[at])
            .env("QUIC_LISTEN_ADDR", &quic[at])
            .env("THRESHOLD", self.threshold.to_string())
            .env("TOTAL_NODES", quic.len().to_string())
            .env("NODE_ENDPOINTS", quic.join(","))
            .env("POSTGRES_URL", postgres.url(&role(id)))
            .env("ETCD_ENDPOINTS", etcd.join(","))
            .env("CERT_DIR", self.certificates())
            .env("TRUTH_FILE", &truth);
        let process = Process::spawn(&mut command, &self.folder.join(format!("node-{id}.log")))?;
        Ok(Member { id, rest: rest[at].clone(), quic: quic[at].clone(), truth, process })
    }

    /// The node answers, and it and those it is to wait for are active.
    async fn wait_until_well(&self, member: &Member, active: u64) -> Result<()> {
        let limit = Instant::now() + START_LIMIT;
        let log = &member.process.log;
        loop {
            let health = http::get(&member.rest, "/health").await;
            if health.is_ok_and(|health| health["status"]["active_nodes"].as_u64() >= Some(active)) {
                return Ok(());
            }
            if !member.process.is_running() {
                return Err(format!("node {} has ended, see {}: {}", member.id, log.display(), last_line(log)).into());
            }
            if Instant::now() > limit {
                return Err(format!("node {} does not get well, see {}", member.id, log.display()).into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Where the launcher put certificates and keys.
    pub fn certificates(&self) -> PathBuf {
        self.folder.join("certs")
    }

    fn member(&mut self, id: u64) -> Result<&mut Member> {
        let there = self.nodes.len();
        self.nodes.iter_mut().find(|member| member.id == id).ok_or(format!("no node {id} of {there}").into())
    }

    fn etcd_member(&mut self, number: u64) -> Result<usize> {
        let known = (1..=self.etcd.len() as u64).contains(&number);
        if known { Ok(number as usize - 1) } else { Err(format!("no etcd {number} of {}", self.etcd.len()).into()) }
    }
}

/// Each node is one party, with a database of its own.
fn role(id: u64) -> String {
    format!("node_{id}")
}

pub async fn up(options: &Options) -> Result<()> {
    let count: u64 = options.get("--nodes")?.unwrap_or(5);
    let threshold: u32 = options.get("--threshold")?.unwrap_or(3);
    let node = options.need("--node")?;
    let node = fs::canonicalize(node).map_err(|e| format!("{node}: {e}"))?;
    fs::create_dir_all(options.need("--dir")?)?;
    let folder = fs::canonicalize(options.need("--dir")?)?;
    if let Ok(old) = Cluster::read(&folder.to_string_lossy())
        && old.processes().any(Process::is_running)
    {
        return Err(format!("a cluster is running in {}: take it down first", folder.display()).into());
    }
    let mut cluster = Cluster { folder: folder.clone(), threshold, node, etcd: vec![], postgres: None, nodes: vec![] };
    certs::make(&cluster.certificates(), count)?;
    // Written after each start, so that `down` knows them all even if the next one does not start.
    etcd::up(&folder, ETCD_MEMBERS, |members| {
        cluster.etcd = members.to_vec();
        cluster.write()
    })
    .await?;
    let roles: Vec<String> = (1..=count).map(role).collect();
    postgres::up(&folder, &roles, |server| {
        cluster.postgres = Some(server.clone());
        cluster.write()
    })
    .await?;
    let (rest, quic) = free_addresses(count)?;
    for id in 1..=count {
        // What an earlier cluster in this folder said would only confuse.
        let _ = fs::remove_file(folder.join(format!("node-{id}.log")));
        let member = cluster.spawn(id, &rest, &quic)?;
        cluster.nodes.push(member);
        cluster.write()?;
    }
    for member in &cluster.nodes {
        cluster.wait_until_well(member, count).await?;
    }
    println!("{}", folder.join("state.json").display());
    Ok(())
}

pub async fn down(options: &Options) -> Result<()> {
    let cluster = Cluster::read(options.need("--dir")?)?;
    for member in &cluster.nodes {
        member.process.signal(libc::SIGTERM);
    }
    let mut stuck = None;
    for member in &cluster.nodes {
        if !member.process.ended_within(STOP_LIMIT).await {
            stuck = Some(format!("node {} (pid {}) does not stop", member.id, member.process.pid));
        }
    }
    // Their services go after them, and in any case.
    if let Some(server) = &cluster.postgres {
        postgres::down(server).await;
    }
    etcd::down(&cluster.etcd).await;
    match stuck {
        Some(why) => Err(why.into()),
        None => Ok(()),
    }
}

/// Ends a member of the cluster without a word to it, or brings it back.
pub async fn fault(options: &Options) -> Result<()> {
    let mut cluster = Cluster::read(options.need("--dir")?)?;
    let number = |name: &str| options.get::<u64>(name);
    if let Some(id) = number("--kill-node")? {
        cluster.member(id)?.process.stop(libc::SIGKILL, STOP_LIMIT).await;
    }
    if let Some(id) = number("--start-node")? {
        start_node(&mut cluster, id).await?;
    }
    if let Some(number) = number("--kill-etcd")? {
        let at = cluster.etcd_member(number)?;
        cluster.etcd[at].process.stop(libc::SIGKILL, STOP_LIMIT).await;
    }
    if let Some(number) = number("--start-etcd")? {
        let at = cluster.etcd_member(number)?;
        if cluster.etcd[at].process.is_running() {
            return Err(format!("etcd {number} is running").into());
        }
        let started = etcd::restart(&mut cluster.etcd, at).await;
        cluster.write()?;
        started?;
    }
    if options.has("--restart-postgres") {
        let server = cluster.postgres.as_mut().ok_or("there is no PostgreSQL")?;
        let started = postgres::restart(server).await;
        cluster.write()?;
        started?;
    }
    for (option, fault, on) in [
        ("--partition", "partition", true),
        ("--heal", "partition", false),
        ("--wrong-certificate", "unknown_certificate", true),
        ("--right-certificate", "unknown_certificate", false),
    ] {
        if let Some(id) = number(option)? {
            let rest = cluster.member(id)?.rest.clone();
            let (status, answer) = http::post(&rest, "/faults", &serde_json::json!({fault: on})).await?;
            if status != 200 {
                return Err(format!("node {id}, {option}: {status} {answer}").into());
            }
        }
    }
    Ok(())
}

async fn start_node(cluster: &mut Cluster, id: u64) -> Result<()> {
    if cluster.member(id)?.process.is_running() {
        return Err(format!("node {id} is running").into());
    }
    let rest: Vec<_> = cluster.nodes.iter().map(|member| member.rest.clone()).collect();
    let quic: Vec<_> = cluster.nodes.iter().map(|member| member.quic.clone()).collect();
    let member = cluster.spawn(id, &rest, &quic)?;
    *cluster.member(id)? = member;
    cluster.write()?;
    let running = cluster.nodes.iter().filter(|member| member.process.is_running()).count();
    let member = cluster.nodes.iter().find(|member| member.id == id).ok_or("no such node")?;
    cluster.wait_until_well(member, running as u64).await
}

/// Ports that were free a moment ago, the same number of TCP and UDP ones.
fn free_addresses(count: u64) -> Result<(Vec<String>, Vec<String>)> {
    let rest: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<std::io::Result<_>>()?;
    let quic: Vec<_> = (0..count).map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<std::io::Result<_>>()?;
    let rest = rest.iter().map(|socket| Ok(socket.local_addr()?.to_string())).collect::<Result<_>>()?;
    let quic = quic.iter().map(|socket| Ok(socket.local_addr()?.to_string())).collect::<Result<_>>()?;
    Ok((rest, quic))
}
