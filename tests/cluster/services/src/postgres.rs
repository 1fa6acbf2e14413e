// SPDX-License-Identifier: BSD-2-Clause
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::process::Process;
use crate::{Result, free_addresses, last_line};

const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(20);
const PROGRAMS: &str = "/usr/lib/postgresql";
const DATABASE: &str = "wallet";
const ADMIN: &str = "admin";
/// Debian's nobody and nogroup: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;

/// A PostgreSQL server with a database, in which every node has a role and a schema of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Postgres {
    pub address: String,
    pub data: PathBuf,
    #[serde(flatten)]
    pub process: Process,
}

impl Postgres {
    /// Where `role` finds its tables.
    pub fn url(&self, role: &str) -> String {
        format!("postgres://{role}@{}/{DATABASE}", self.address)
    }
}

/// Starts a new server. What `started` is told is running, whatever comes of it.
pub async fn up(folder: &Path, roles: &[String], mut started: impl FnMut(&Postgres) -> Result<()>) -> Result<Postgres> {
    let data = folder.join("postgres");
    let _ = std::fs::remove_dir_all(&data);
    std::fs::create_dir(&data)?;
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700))?;
    if is_root() {
        chown(&data, Some(NOBODY), Some(NOBODY))?;
    }
    init(&data)?;
    let address = free_addresses(1)?.remove(0);
    let log = folder.join("postgres.log");
    let process = spawn(&address, &data, &log)?;
    let server = Postgres { address, data, process };
    started(&server)?;
    let roles: String = roles
        .iter()
        .map(|role| format!("CREATE ROLE \"{role}\" LOGIN; CREATE SCHEMA AUTHORIZATION \"{role}\";\n"))
        .collect();
    wait_until_ready(&server, "postgres").await?;
    sql(&server.address, "postgres", &format!("CREATE DATABASE {DATABASE};"))?;
    sql(&server.address, DATABASE, &roles)?;
    Ok(server)
}

/// Ends every connection and comes back with its data, on the same address.
pub async fn restart(server: &mut Postgres) -> Result<()> {
    down(server).await;
    server.process = spawn(&server.address, &server.data, &server.process.log)?;
    wait_until_ready(server, DATABASE).await
}

pub async fn down(server: &Postgres) {
    // SIGINT is PostgreSQL's fast shutdown: it does not wait for its clients.
    server.process.stop(libc::SIGINT, STOP_LIMIT).await;
}

fn is_root() -> bool {
    // SAFETY: a plain system call.
    unsafe { libc::geteuid() == 0 }
}

/// The newest of the versions that Debian keeps beside each other.
fn program(name: &str) -> Result<PathBuf> {
    let versions = std::fs::read_dir(PROGRAMS).into_iter().flatten().flatten();
    versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse::<u32>().ok()?, version.path())))
        .max()
        .map(|(_, path)| path.join("bin").join(name))
        .filter(|path| path.exists())
        .ok_or_else(|| {
            format!("there is no {name} in {PROGRAMS}/*/bin: scripts/setup cluster brings PostgreSQL").into()
        })
}

/// As root, the program runs as nobody; who may look into no folder but its own could not even reach that one
/// below a folder of root, so the right to search folders stays.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"])
        .args(["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search", "--"])
        .arg(program);
    command
}

fn init(data: &Path) -> Result<()> {
    let mut command = unprivileged(&program("initdb")?);
    command.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--username", ADMIN, "--pgdata"]);
    let done = command.arg(data).env("TZ", "UTC").current_dir("/").output().map_err(|e| format!("initdb: {e}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("initdb could not make {}: {}", data.display(), String::from_utf8_lossy(&done.stderr).trim()).into())
}

fn spawn(address: &str, data: &Path, log: &Path) -> Result<Process> {
    let (host, port) = address.rsplit_once(':').ok_or("no port in the address")?;
    let mut command = unprivileged(&program("postgres")?);
    // What is written need not outlive the machine, only the server.
    for setting in [
        "unix_socket_directories=",
        "max_connections=100",
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "shared_buffers=32MB",
        "log_min_messages=warning",
        "log_min_error_statement=panic",
    ] {
        command.args(["-c", setting]);
    }
    command.args(["-h", host, "-p", port, "-D"]).arg(data).current_dir("/");
    Process::spawn(&mut command, log)
}

async fn wait_until_ready(server: &Postgres, database: &str) -> Result<()> {
    let limit = Instant::now() + START_LIMIT;
    while let Err(error) = sql(&server.address, database, "SELECT 1;") {
        let log = &server.process.log;
        if !server.process.is_running() {
            return Err(format!("PostgreSQL has ended, see {}: {}", log.display(), last_line(log)).into());
        }
        if Instant::now() > limit {
            return Err(format!("PostgreSQL does not answer ({error}), see {}", log.display()).into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Statements, by psql and as the administrator.
fn sql(address: &str, database: &str, statements: &str) -> Result<()> {
    let (host, port) = address.rsplit_once(':').ok_or("no port in the address")?;
    let mut child = Command::new(program("psql")?)
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", port, "-U", ADMIN, "-d", database])
        .env("PGCONNECT_TIMEOUT", "5")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    std::io::Write::write_all(&mut child.stdin.take().ok_or("no input")?, statements.as_bytes())?;
    let done = child.wait_with_output()?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("psql: {}", String::from_utf8_lossy(&done.stderr).trim()).into())
}
