// SPDX-License-Identifier: BSD-2-Clause
//! Starts the cluster, gives it work, and stops it. See ../README.md.

mod certs;
mod cluster;
mod load;
mod plan;
mod strangers;

use std::collections::HashMap;
use std::str::FromStr;

pub use services::Result;

const USAGE: &str = "usage:
  mpc-driver up --node PATH --dir DIR [--nodes 5] [--threshold 3]
  mpc-driver load --dir DIR [--seed 1] [--transactions 200] [--dkgs 1] [--faults all|none|KIND,…] [--fault-percent 5]
                  [--sign-percent 100] [--concurrency 16] [--rate PER_SECOND] [--duration SECONDS] [--until-signal]
                  [--settle]
  mpc-driver settle --dir DIR
  mpc-driver fault --dir DIR [--kill-node N] [--start-node N] [--kill-etcd N] [--start-etcd N] [--restart-postgres]
                   [--partition N] [--heal N] [--wrong-certificate N] [--right-certificate N]
  mpc-driver strangers --dir DIR --node N [--each 3] [--kinds KIND,…]
  mpc-driver down --dir DIR";

/// `--name value` and `--name` as they stand on the command line.
pub struct Options(HashMap<String, String>);

const FLAGS: &[&str] = &["--settle", "--until-signal", "--restart-postgres"];
const FAULTS: &[&str] = &[
    "--dir",
    "--kill-node",
    "--start-node",
    "--kill-etcd",
    "--start-etcd",
    "--restart-postgres",
    "--partition",
    "--heal",
    "--wrong-certificate",
    "--right-certificate",
];

impl Options {
    fn parse(words: impl Iterator<Item = String>, known: &[&str]) -> Result<Self> {
        let mut options = HashMap::new();
        let mut words = words;
        while let Some(word) = words.next() {
            if !known.contains(&word.as_str()) {
                return Err(format!("unknown option {word}\n{USAGE}").into());
            }
            let value = if FLAGS.contains(&word.as_str()) { Some(String::new()) } else { words.next() };
            options.insert(word.clone(), value.ok_or(format!("{word} wants a value"))?);
        }
        Ok(Options(options))
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn need(&self, name: &str) -> Result<&str> {
        Ok(self.0.get(name).ok_or(format!("{name} is missing\n{USAGE}"))?)
    }

    pub fn get<T: FromStr<Err: std::fmt::Display>>(&self, name: &str) -> Result<Option<T>> {
        self.0.get(name).map(|value| value.parse().map_err(|e| format!("{name}: {e}").into())).transpose()
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    if let Err(error) = runtime.block_on(run()) {
        eprintln!("mpc-driver: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<()> {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some("up") => cluster::up(&Options::parse(words, &["--node", "--dir", "--nodes", "--threshold"])?).await,
        Some("load") => load::load(&Options::parse(words, load::OPTIONS)?).await,
        Some("settle") => {
            let options = Options::parse(words, &["--dir"])?;
            load::settle(&cluster::Cluster::read(options.need("--dir")?)?).await
        }
        Some("fault") => cluster::fault(&Options::parse(words, FAULTS)?).await,
        Some("strangers") => strangers::run(&Options::parse(words, &["--dir", "--node", "--each", "--kinds"])?).await,
        Some("down") => cluster::down(&Options::parse(words, &["--dir"])?).await,
        _ => Err(USAGE.into()),
    }
}
