//! Members of etcd that tests start.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A member of etcd on this machine, which ends with this.
pub(crate) struct Member {
    name: String,
    client: u16,
    arguments: Vec<String>,
    folder: TempDir,
    process: Option<Child>,
}

impl Member {
    pub(crate) fn start(more: &[&str]) -> Self {
        Self::start_all(1, more).remove(0)
    }

    /// Starts a cluster.
    pub(crate) fn start_all(members: usize, more: &[&str]) -> Vec<Self> {
        let ports: Vec<_> = (0..members).map(|_| (free_port(), free_port())).collect();
        let name = |index: usize| format!("m{index}");
        let all = ports.iter().enumerate();
        let all: Vec<_> = all
            .map(|(index, (_, peer))| format!("{}=http://127.0.0.1:{peer}", name(index)))
            .collect();
        let mut cluster = Vec::new();
        for (index, (client, peer)) in ports.into_iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            let scheme = if more.contains(&"--cert-file") { "https" } else { "http" };
            let [client_url, peer_url] = [(scheme, client), ("http", peer)]
                .map(|(scheme, port)| format!("{scheme}://127.0.0.1:{port}"));
            let arguments = [
                ("--name", name(index)),
                ("--data-dir", folder.path().join("data").display().to_string()),
                ("--listen-client-urls", client_url.clone()),
                ("--advertise-client-urls", client_url),
                ("--listen-peer-urls", peer_url.clone()),
                ("--initial-advertise-peer-urls", peer_url),
                ("--initial-cluster", all.join(",")),
                ("--initial-cluster-state", "new".into()),
                ("--log-level", "error".into()),
            ];
            let arguments =
                arguments.into_iter().flat_map(|(option, value)| [option.to_owned(), value]);
            let arguments =
                arguments.chain(more.iter().map(|&argument| argument.to_owned())).collect();
            let mut member = Member { name: name(index), client, arguments, folder, process: None };
            member.restart();
            cluster.push(member);
        }
        cluster.iter().for_each(Member::wait);
        cluster
    }

    /// Starts the member again, with the data that it had.
    pub(crate) fn restart(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("output")).unwrap();
        let process = Command::new("etcd")
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.process = Some(process.unwrap_or_else(|error| {
            panic!("these tests need etcd: install etcd-server and etcd-client ({error})")
        }));
    }

    /// Waits until the member takes connections.
    pub(crate) fn wait(&self) {
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.client)).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(30), "{} does not start", self.name);
            std::thread::yield_now();
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.client)
    }

    /// Ends the member as a loss of power would, as far as a process can.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Returns a copy of all that the member has stored. It is started anew.
    pub(crate) fn back_up(&mut self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        self.kill();
        copy_folder(&self.folder.path().join("data"), copy.path());
        self.restart();
        copy
    }

    /// Puts a copy in the place of what the member has stored, and starts it anew.
    pub(crate) fn go_back(&mut self, copy: TempDir) {
        self.kill();
        let data = self.folder.path().join("data");
        std::fs::remove_dir_all(&data).unwrap();
        copy_folder(copy.path(), &data);
        self.restart();
    }

    /// Sends the member a signal.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &process]).status().unwrap().success());
    }

    /// Runs etcdctl, and returns what it says.
    pub(crate) fn control(&self, arguments: &[&str]) -> String {
        let output = Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &self.endpoint()])
            .args(arguments)
            .output()
            .unwrap_or_else(|error| panic!("these tests need etcdctl ({error})"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "etcdctl {arguments:?}: {error}");
        text
    }

    /// Returns how often the member has been asked for keys.
    pub(crate) fn reads(&self) -> u64 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.client)).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut metrics = String::new();
        stream.read_to_string(&mut metrics).unwrap();
        let name = "etcd_debugging_mvcc_range_total ";
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.expect("etcd counts what is read").parse().unwrap()
    }

    /// Returns the revision that the member is at.
    pub(crate) fn revision(&self) -> u64 {
        let status = self.control(&["endpoint", "status", "-w", "json"]);
        let (_, revision) = status.split_once("\"revision\":").unwrap();
        revision.split(|digit: char| !digit.is_ascii_digit()).next().unwrap().parse().unwrap()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}
