//! etcd in processes of its own, on the loopback interface, for one test.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{slice, thread};

use rustix::process::{WaitId, WaitIdOptions, waitid};
use tempfile::TempDir;

use crate::{health, signal, spawn};

/// How long members may take until they serve, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait until what can only be asked for is asked for again.
const PAUSE: Duration = Duration::from_millis(10);

/// How often ports are chosen if others take them first.
const ATTEMPTS: usize = 10;

/// Says how members are to be started.
#[derive(Clone, Debug)]
pub struct Options {
    count: usize,
    arguments: Vec<String>,
}

impl Options {
    /// Asks for so many members.
    pub fn new(count: usize) -> Self {
        Self { count, arguments: Vec::new() }
    }

    /// Adds an argument to the command line of each member, as `--snapshot-count=100`.
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Starts the members, and returns when all of them serve.
    ///
    /// # Errors
    ///
    /// Fails if etcd can't be started, ends, or does not serve within a minute.
    pub fn start(self) -> io::Result<Members> {
        let mut attempt = 1;
        loop {
            let ports = Ports::choose(self.count)?;
            match Members::on(&self, &ports) {
                Err(error) if error.kind() == ErrorKind::AddrInUse && attempt < ATTEMPTS => {
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }
}

/// Holds the members of a cluster of etcd. They end when it is dropped, and what they have stored goes too.
#[derive(Debug)]
pub struct Members {
    // Before the folder, so that nobody writes there when it is removed.
    members: Vec<Member>,
    folder: TempDir,
}

impl Members {
    /// Starts so many members, one or three, and returns when all of them serve.
    ///
    /// # Errors
    ///
    /// Fails as [`Options::start`] does.
    pub fn start(count: usize) -> io::Result<Self> {
        Options::new(count).start()
    }

    /// Returns the URL of each member for clients.
    pub fn endpoints(&self) -> Vec<String> {
        self.iter().map(Member::endpoint).collect()
    }

    /// Returns a member: the first is 0.
    ///
    /// # Panics
    ///
    /// Panics if there is no such member.
    pub fn member(&self, index: usize) -> &Member {
        &self.members[index]
    }

    /// Returns the members, in the order of their endpoints.
    pub fn iter(&self) -> slice::Iter<'_, Member> {
        self.members.iter()
    }

    /// Returns the folder with everything that the members store, and their logs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until each member that has not been killed serves.
    ///
    /// # Errors
    ///
    /// Fails as [`Member::wait_until_healthy`] does.
    pub fn wait_until_healthy(&self) -> io::Result<()> {
        let mut running = self.iter().filter(|member| member.pid().is_some());
        running.try_for_each(Member::wait_until_healthy)
    }

    /// Starts members on these ports. An error of the kind `AddrInUse` says that one is taken.
    fn on(options: &Options, ports: &Ports) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("etcd-").tempdir()?;
        let peers: Vec<String> = ports.peers.iter().enumerate().map(initial_peer).collect();
        let both = ports.clients.iter().zip(&ports.peers).enumerate();
        let members = both.map(|(index, (&client, &peer))| {
            Member::new(index, client, peer, &peers, options, folder.path())
        });
        let members = Self { members: members.collect(), folder };
        members.iter().try_for_each(Member::spawn)?;
        members.wait_until_healthy()?;
        Ok(members)
    }
}

/// Describes one member. It is killed when it is dropped, even if it is stopped.
#[derive(Debug)]
pub struct Member {
    name: String,
    client: SocketAddr,
    peer: SocketAddr,
    arguments: Vec<String>,
    folder: PathBuf,
    process: Mutex<Process>,
}

#[derive(Debug, Default)]
struct Process {
    /// None once it has been killed.
    child: Option<Child>,
    /// What it has to say, since it was started last.
    log: PathBuf,
    starts: usize,
}

impl Member {
    /// Returns its URL for clients.
    pub fn endpoint(&self) -> String {
        url(self.client)
    }

    /// Returns its address for clients, for a [`Proxy`](crate::Proxy) before it.
    pub fn address(&self) -> SocketAddr {
        self.client
    }

    /// Returns the number of its process; `None` once it has been killed.
    pub fn pid(&self) -> Option<u32> {
        self.process().child.as_ref().map(Child::id)
    }

    /// Ends it at once, with SIGKILL; returns when it has ended. Does nothing if it has been killed already.
    pub fn kill(&self) -> io::Result<()> {
        match self.process().child.take() {
            Some(child) => end(child),
            None => Ok(()),
        }
    }

    /// Starts it anew, with what it has stored and on the same ports, after it has been killed or while it
    /// runs. Returns before it serves.
    ///
    /// # Errors
    ///
    /// Fails if etcd can't be started, or another process keeps one of the ports for a minute.
    pub fn restart(&self) -> io::Result<()> {
        self.kill()?;
        let deadline = Instant::now() + PATIENCE;
        // A connection of anyone may have been given the number of the port meanwhile.
        while let Err(error) = TcpListener::bind(self.client).and(TcpListener::bind(self.peer)) {
            if error.kind() != ErrorKind::AddrInUse || Instant::now() > deadline {
                return Err(error);
            }
            thread::sleep(PAUSE);
        }
        self.spawn()
    }

    /// Stops it, with SIGSTOP: its connections stay open, and nothing is answered. Returns when it is stopped.
    pub fn stop(&self) -> io::Result<()> {
        let process = self.process();
        let pid = self.running(&process)?;
        signal::stop(pid)?;
        // It stays a child that is waited for if it has ended instead.
        let either = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(signal::id(pid)?), either)?;
        Ok(())
    }

    /// Lets it go on after [`stop`](Self::stop), with SIGCONT.
    pub fn cont(&self) -> io::Result<()> {
        signal::cont(self.running(&self.process())?)
    }

    /// Returns whether it serves now: it runs, and has a majority beside it.
    pub fn is_healthy(&self) -> bool {
        health::is_healthy(self.client)
    }

    /// Waits until it serves.
    ///
    /// # Errors
    ///
    /// Fails if it ends, or does not serve within a minute.
    pub fn wait_until_healthy(&self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let healthy = self.is_healthy();
            // If it has ended, another one has answered.
            if let Some(status) = self.ended()? {
                return Err(self.why_it_ended(status));
            }
            if healthy {
                return Ok(());
            }
            if Instant::now() > deadline {
                let reason = format!("{} does not serve: {}", self.name, self.said());
                return Err(io::Error::new(ErrorKind::TimedOut, reason));
            }
            thread::sleep(PAUSE);
        }
    }

    fn new(
        index: usize,
        client: SocketAddr,
        peer: SocketAddr,
        peers: &[String],
        options: &Options,
        folder: &Path,
    ) -> Self {
        let mut member = Self {
            name: name(index),
            client,
            peer,
            arguments: Vec::new(),
            folder: folder.to_owned(),
            process: Mutex::default(),
        };
        member.arguments = member.arguments_among(peers);
        member.arguments.extend(options.arguments.iter().cloned());
        member
    }

    fn arguments_among(&self, peers: &[String]) -> Vec<String> {
        let (client, peer) = (url(self.client), url(self.peer));
        vec![
            format!("--name={}", self.name),
            format!("--data-dir={}", self.folder.join(&self.name).display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster={}", peers.join(",")),
            "--initial-cluster-state=new".to_owned(),
            "--logger=zap".to_owned(),
            "--log-level=error".to_owned(),
        ]
    }

    fn spawn(&self) -> io::Result<()> {
        let mut process = self.process();
        process.starts += 1;
        process.log = self.folder.join(format!("{}.{}.log", self.name, process.starts));
        let log = File::create(&process.log)?;
        let mut etcd = spawn::command("etcd");
        etcd.args(&self.arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        process.child = Some(spawn::spawn(etcd)?);
        Ok(())
    }

    /// What it has ended with, if it has ended without being killed.
    fn ended(&self) -> io::Result<Option<ExitStatus>> {
        self.process().child.as_mut().map_or(Ok(None), Child::try_wait)
    }

    fn why_it_ended(&self, status: ExitStatus) -> io::Error {
        let said = self.said();
        let kind = match said.contains("address already in use") {
            true => ErrorKind::AddrInUse,
            false => ErrorKind::Other,
        };
        io::Error::new(kind, format!("{} has ended ({status}): {said}", self.name))
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.process().log).unwrap_or_default()
    }

    fn running(&self, process: &Process) -> io::Result<u32> {
        let pid = process.child.as_ref().map(Child::id);
        let lacking = || io::Error::new(ErrorKind::NotFound, format!("{} is killed", self.name));
        pid.ok_or_else(lacking)
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill().ok();
    }
}

fn end(mut child: Child) -> io::Result<()> {
    child.kill()?;
    child.wait().map(drop)
}

fn name(index: usize) -> String {
    format!("m{}", index + 1)
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn initial_peer((index, &address): (usize, &SocketAddr)) -> String {
    format!("{}={}", name(index), url(address))
}

/// Addresses that nobody listened on when they were chosen.
struct Ports {
    clients: Vec<SocketAddr>,
    peers: Vec<SocketAddr>,
}

impl Ports {
    fn choose(count: usize) -> io::Result<Self> {
        // All are held until all are chosen, so that they differ.
        let listen = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let held: Vec<TcpListener> = (0..2 * count).map(listen).collect::<io::Result<_>>()?;
        let addresses: io::Result<Vec<_>> = held.iter().map(TcpListener::local_addr).collect();
        let mut clients = addresses?;
        let peers = clients.split_off(count);
        Ok(Self { clients, peers })
    }
}

#[cfg(all(test, feature = "etcd"))]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_told_from_other_troubles() {
        for taken in [|ports: &Ports| ports.clients[0], |ports: &Ports| ports.peers[0]] {
            let ports = Ports::choose(1).unwrap();
            let _holder = TcpListener::bind(taken(&ports)).unwrap();
            let error = Members::on(&Options::new(1), &ports).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
        }
        let unknown = Options::new(1).argument("--no-such-option").start().unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::Other, "{unknown}");
        assert!(unknown.to_string().contains("no-such-option"), "{unknown}");
    }
}
