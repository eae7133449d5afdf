//! [`Site`]: members of etcd, each behind a proxy, and a folder for what processes say.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use cluster_rig::{Members, Options, Proxy};
use serde_json::Value;
use tempfile::TempDir;

use crate::tool::{PATIENCE, Tool, run_well};

/// What the keys of the log begin with.
pub(crate) const PREFIX: &str = "cell";

/// How long etcdctl waits for a member, which may be stopped.
const CONTROL: &str = "2s";

pub(crate) struct Site {
    proxies: Vec<Proxy>,
    pub(crate) members: Members,
    folder: TempDir,
}

impl Site {
    pub(crate) fn start(members: Options) -> Self {
        let members =
            members.start().unwrap_or_else(|error| panic!("etcd does not start: {error}"));
        let proxies = members.iter().map(|member| Proxy::start(member.address()).unwrap());
        Site { proxies: proxies.collect(), members, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn proxy(&self, index: usize) -> &Proxy {
        &self.proxies[index]
    }

    /// The options that name the log, with the proxies in an order of one's own.
    pub(crate) fn log(&self, first: usize) -> Vec<String> {
        let count = self.proxies.len();
        let endpoint =
            |index: usize| format!("http://{}", self.proxies[(first + index) % count].address());
        let endpoints: Vec<String> = (0..count).map(endpoint).collect();
        ["--etcd", &endpoints.join(","), "--prefix", PREFIX].map(str::to_owned).into()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn submit(&self, number: usize, more: &[&str]) -> Tool {
        Tool::submit(&self.log(number), more, &self.path(&format!("errors-{number}")))
    }

    pub(crate) fn serve(&self, number: usize, more: &[&str]) -> Option<Tool> {
        Tool::serve(&self.log(number), more, &self.path(&format!("errors-{number}")))
    }

    /// How often the replicas have told this on standard error.
    pub(crate) fn told(&self, what: &str) -> usize {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let files = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        files.map(|text| String::from_utf8_lossy(&text).matches(what).count()).sum()
    }

    /// Dumps the state of a replica that starts for it.
    pub(crate) fn dump(&self, name: &str) -> Vec<u8> {
        let file = self.path(name);
        let mut arguments = vec!["dump".to_owned(), "--out".to_owned(), file.display().to_string()];
        arguments.extend(self.log(0));
        run_well(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        std::fs::read(file).unwrap()
    }

    /// Runs etcdctl on one member.
    pub(crate) fn control(&self, member: usize, arguments: &[&str]) -> Output {
        let endpoint = self.members.member(member).endpoint();
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3");
        command.args(["--endpoints", &endpoint, "--command-timeout", CONTROL]).args(arguments);
        command.output().unwrap_or_else(|error| panic!("these tests need etcdctl ({error})"))
    }

    /// Has the history of etcd compacted up to the present, as somebody else may. False if a member does not
    /// answer.
    pub(crate) fn compact(&self, member: usize) -> bool {
        let status = self.control(member, &["endpoint", "status", "--write-out", "json"]);
        let Ok(status) = serde_json::from_slice::<Value>(&status.stdout) else { return false };
        let revision = status[0]["Status"]["header"]["revision"].to_string();
        self.control(member, &["compact", &revision]).status.success()
    }

    /// Closes all connections. Nothing more comes through them, and new ones can be made.
    pub(crate) fn reset(&self) {
        self.proxies.iter().for_each(Proxy::cut);
        self.proxies.iter().for_each(Proxy::heal);
    }

    /// Ends all faults: what is dead is started anew, and everything goes through again.
    pub(crate) fn heal(&self) {
        for (member, proxy) in self.members.iter().zip(&self.proxies) {
            match member.pid() {
                Some(_) => member.cont().unwrap(),
                None => member.restart().unwrap(),
            }
            proxy.heal();
            proxy.thaw();
        }
        self.members.wait_until_healthy().unwrap();
    }

    /// The position of the newest dump that is stored.
    pub(crate) fn newest_dump(&self) -> Option<u64> {
        let mut arguments = vec!["status".to_owned(), "--json".to_owned()];
        arguments.extend(self.log(0));
        let said = run_well(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let status: Value = serde_json::from_slice(&said).unwrap();
        status["newest_dump"]["position"].as_u64()
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Gets what a replica that is served says of itself.
pub(crate) fn status_of(address: &str) -> Value {
    serde_json::from_slice(&run_well(&["status", "--json", "--url", address])).unwrap()
}
