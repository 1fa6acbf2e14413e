// SPDX-License-Identifier: BSD-2-Clause
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::Result;

/// A process that outlives the command that started it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Process {
    pub pid: i32,
    /// When the process started, as the kernel counts: a process id alone may have gone to another.
    pub start_time: u64,
    pub log: PathBuf,
}

impl Process {
    /// Runs in a process group of its own, so that a ^C in the terminal does not reach it.
    pub fn spawn(command: &mut Command, log: &Path) -> Result<Self> {
        let program = PathBuf::from(command.get_program());
        let output = OpenOptions::new().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .map_err(|e| format!("{}: {e}", program.display()))?;
        let pid = child.id() as i32;
        let ended = || format!("{} ended at once, see {}", program.display(), log.display());
        Ok(Process { pid, start_time: start_time(pid).ok_or_else(ended)?, log: log.into() })
    }

    pub fn is_running(&self) -> bool {
        start_time(self.pid) == Some(self.start_time)
    }

    pub fn signal(&self, signal: i32) {
        if self.is_running() {
            // SAFETY: a plain system call; the process is the one we started.
            unsafe { libc::kill(self.pid, signal) };
        }
    }

    /// Says whether it has ended by then.
    pub async fn ended_within(&self, limit: Duration) -> bool {
        let limit = Instant::now() + limit;
        while self.is_running() {
            if Instant::now() > limit {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
    }

    /// Asks with the signal, and does not ask any more after the limit.
    pub async fn stop(&self, signal: i32, limit: Duration) {
        self.signal(signal);
        if !self.ended_within(limit).await {
            self.signal(libc::SIGKILL);
            self.ended_within(limit).await;
        }
    }
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
