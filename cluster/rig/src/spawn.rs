//! Starts processes that end with this one.
//!
//! The system can kill a process when the *thread* that has started it ends. So one thread starts all of
//! them, which ends only with this process. What asks the system for it is `setpriv` of util-linux; where
//! that is not installed, processes survive a test that is killed.

use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// Returns a command that runs a program which is killed when this process ends.
pub fn command(program: &str) -> Command {
    match *HAS_SETPRIV {
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "--", program]);
            command
        }
        false => Command::new(program),
    }
}

/// Starts what [`command`] has returned.
pub fn spawn(command: Command) -> io::Result<Child> {
    let gone = || io::Error::other("the thread that starts processes has ended");
    let (answer, started) = channel();
    SPAWNER.send(Job { command, answer }).map_err(|_| gone())?;
    started.recv().map_err(|_| gone())?
}

struct Job {
    command: Command,
    answer: Sender<io::Result<Child>>,
}

static SPAWNER: LazyLock<Sender<Job>> = LazyLock::new(|| {
    let (jobs, todo): (_, Receiver<Job>) = channel();
    thread::spawn(move || {
        for mut job in todo {
            let child = job.command.spawn();
            if let Err(unheard) = job.answer.send(child)
                && let Ok(mut child) = unheard.0
            {
                child.kill().and_then(|()| child.wait()).ok();
            }
        }
    });
    jobs
});

static HAS_SETPRIV: LazyLock<bool> = LazyLock::new(|| {
    let mut probe = Command::new("setpriv");
    probe.args(["--pdeathsig", "KILL", "--", "true"]);
    let status = probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
});
