//! Signals to other processes.

use std::io;

use rustix::process::{Pid, Signal, kill_process};

/// Ends a process at once, with SIGKILL.
pub fn kill(pid: u32) -> io::Result<()> {
    send(pid, Signal::KILL)
}

/// Stops a process, with SIGSTOP. It may go on for a moment yet.
pub fn stop(pid: u32) -> io::Result<()> {
    send(pid, Signal::STOP)
}

/// Lets a process that is stopped go on, with SIGCONT.
pub fn cont(pid: u32) -> io::Result<()> {
    send(pid, Signal::CONT)
}

/// Returns the number of a process as the system takes it.
pub(crate) fn id(pid: u32) -> io::Result<Pid> {
    let id = i32::try_from(pid).ok().and_then(Pid::from_raw);
    id.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("no process is {pid}")))
}

fn send(pid: u32, signal: Signal) -> io::Result<()> {
    Ok(kill_process(id(pid)?, signal)?)
}
