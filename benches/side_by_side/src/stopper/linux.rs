//! The two ends of the socket: threads that submit to being stopped, and the parent that stops them.

use std::env;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, gettid};
use parking_lot::Mutex;

use crate::random::Random;

/// Tells a child that its standard input is the socket.
const IS_CHILD: &str = "PROVIDER_TREE_BENCH_CHILD";

/// What a thread says that does not want to be stopped any more.
const LEAVE: &str = "leave";

type Socket = BufReader<UnixStream>;

/// That of a child.
fn socket() -> Option<&'static Mutex<Socket>> {
    static SOCKET: OnceLock<Option<Mutex<Socket>>> = OnceLock::new();
    let open = || {
        env::var_os(IS_CHILD)?;
        let socket = io::stdin().as_fd().try_clone_to_owned().ok()?;
        Some(Mutex::new(BufReader::new(socket.into())))
    };
    SOCKET.get_or_init(open).as_ref()
}

/// In one piece, so that whoever waits for a line with a time limit gets all of it.
fn tell(socket: &mut Socket, line: &str) -> io::Result<()> {
    socket.get_mut().write_all(format!("{line}\n").as_bytes())
}

fn ask(line: &str) -> io::Result<String> {
    let socket = socket().ok_or_else(|| io::Error::other("no parent could stop it"))?;
    let socket = &mut *socket.lock();
    tell(socket, line)?;
    let mut answer = String::new();
    socket.read_line(&mut answer)?;
    answer.pop().ok_or_else(|| io::Error::other("the stopper has gone"))?;
    Ok(answer)
}

/// The calling thread, which is stopped now and then until this is dropped.
pub(crate) struct Submitted {
    stops: Arc<AtomicU64>,
}

/// Has the calling thread, and no other, stopped for `length` now and then; `stops` counts.
pub(crate) fn submit(length: Duration, stops: &Arc<AtomicU64>) -> Result<Submitted, String> {
    let length = length.max(Duration::from_micros(100));
    let answer = ask(&format!("{} {}", gettid(), length.as_nanos()));
    let fault = answer.unwrap_or_else(|error| error.to_string());
    if fault.is_empty() { Ok(Submitted { stops: stops.clone() }) } else { Err(fault) }
}

impl Drop for Submitted {
    fn drop(&mut self) {
        let stops = ask(LEAVE).ok().and_then(|answer| answer.parse().ok());
        // Relaxed: it is read when this thread has been joined.
        self.stops.fetch_add(stops.expect("the stopper counts"), Ordering::Relaxed);
    }
}

pub(crate) fn become_parent() -> Option<ExitCode> {
    if socket().is_some() {
        return None;
    }
    let parent = || {
        let (its, childs) = UnixStream::pair()?;
        let mut child = Command::new(env::current_exe()?)
            .args(env::args_os().skip(1))
            .env(IS_CHILD, "yes")
            .stdin(Stdio::from(OwnedFd::from(childs)))
            .spawn()?;
        let served = serve(BufReader::new(its));
        let code = child.wait()?.code().and_then(|code| u8::try_from(code).ok());
        served.map(|()| ExitCode::from(code.unwrap_or(1)))
    };
    Some(parent().unwrap_or_else(|error: io::Error| {
        eprintln!("error: stopping threads of a child: {error}");
        ExitCode::FAILURE
    }))
}

/// Stops one thread after the other, until the child has ended.
fn serve(mut socket: Socket) -> io::Result<()> {
    loop {
        let mut line = String::new();
        if socket.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let numbers = line.trim_end().split_once(' ');
        let numbers =
            numbers.and_then(|(id, length)| Some((id.parse().ok()?, length.parse().ok()?)));
        let (id, length) = numbers.ok_or(ErrorKind::InvalidData)?;
        let id = Pid::from_raw(id);
        match ptrace::seize(id, Options::empty()) {
            Ok(()) => {
                tell(&mut socket, "")?;
                let stops = disturb(&mut socket, id, Duration::from_nanos(length))?;
                tell(&mut socket, &stops.to_string())?;
            }
            Err(error) => tell(&mut socket, &format!("ptrace: {}", error.desc()))?,
        }
    }
}

/// Stops the thread before `length` is over, lets it run for one to three times as long, stops it again,
/// until it wants to leave.
fn disturb(socket: &mut Socket, id: Pid, length: Duration) -> io::Result<u64> {
    let mut random = Random::of(id.as_raw().unsigned_abs() as usize);
    let mut gap = random.fraction();
    let mut stops = 0;
    let mut line = String::new();
    loop {
        // No time at all is no limit, for a socket.
        let limit = length.mul_f64(gap).max(Duration::from_micros(1));
        socket.get_ref().set_read_timeout(Some(limit))?;
        match socket.read_line(&mut line) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
            Ok(_) => break,
        }
        stop(id)?;
        thread::sleep(length);
        ptrace::cont(id, None)?;
        stops += 1;
        gap = 1.0 + 2.0 * random.fraction();
    }
    socket.get_ref().set_read_timeout(None)?;
    // Nobody can be let go but in a stop.
    stop(id)?;
    ptrace::detach(id, None)?;
    Ok(stops)
}

/// Returns as soon as the thread is stopped.
fn stop(id: Pid) -> Result<(), Errno> {
    ptrace::interrupt(id)?;
    loop {
        match waitpid(id, Some(WaitPidFlag::__WALL))? {
            WaitStatus::PtraceEvent(..) => return Ok(()),
            // A signal for it, which it shall have.
            WaitStatus::Stopped(_, signal) => ptrace::cont(id, signal)?,
            _ => return Err(Errno::ESRCH),
        }
    }
}
