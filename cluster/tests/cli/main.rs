//! The command-line tool, as its users meet it: processes, pipes, files and HTTP.
#![cfg(unix)]

mod documented;
mod dumps;
mod killed;
#[cfg(feature = "etcd")]
#[path = "../support/member.rs"]
#[allow(dead_code, reason = "the tests of the log itself use the rest")]
mod member;
#[cfg(feature = "etcd")]
mod on_etcd;
mod process;
mod served;
mod submitted;
mod usage;

use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

/// A folder for one log, which is removed at the end.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// The file of the log.
    fn log(&self) -> String {
        self.path("forest.log")
    }
}

const HOST: Uuid = Uuid::from_u128(0x1111);

/// Creates a host with so many VCPUs.
fn host(total: u64) -> Value {
    let inventories = json!({ "VCPU": { "total": total } });
    let host = json!({ "uuid": HOST, "name": "host-1", "inventories": inventories });
    json!({ "populate": { "providers": [host] } })
}

/// Claims so many VCPUs of the host.
fn claim(consumer: u128, amount: u64) -> Value {
    let takes = json!([{ "provider": HOST, "amounts": { "VCPU": amount } }]);
    json!({ "claim": { "consumer": Uuid::from_u128(consumer), "takes": takes } })
}

fn lines(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}
