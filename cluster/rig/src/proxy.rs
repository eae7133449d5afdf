//! A network between a client and a server, on the loopback interface, for one test.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a connection to the target may take to be made.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many bytes are passed on at once.
const PIECE: usize = 1 << 16;

/// Represents a network in front of one address: what connects to the proxy is connected to the target. It
/// ends when it is dropped, as if it were cut for ever.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    link: Arc<Link>,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy in front of an address, whether or not anyone listens there yet.
    pub fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let link = Arc::new(Link { target, state: Mutex::default(), changed: Condvar::new() });
        let accepting = thread::spawn({
            let link = Arc::clone(&link);
            move || link.accept(&listener)
        });
        Ok(Self { address, link, accepting: Some(accepting) })
    }

    /// Returns the address to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections, and each new one at once, until it is healed. Nothing passes after the call.
    pub fn cut(&self) {
        self.link.change(|state| {
            state.cut = true;
            state.close_all();
        });
    }

    /// Lets new connections through again.
    pub fn heal(&self) {
        self.link.change(|state| state.cut = false);
    }

    /// Passes on nothing more, neither bytes nor that a side has closed, and accepts connections that lead
    /// nowhere, until it is thawed: so a network looks that drops everything. What was being passed on when
    /// it was called may still arrive.
    pub fn freeze(&self) {
        self.link.change(|state| state.frozen = true);
    }

    /// Passes on what came in while it was frozen, and what comes.
    pub fn thaw(&self) {
        self.link.change(|state| state.frozen = false);
    }

    /// Passes on everything so much later in each direction; up to twice as much, as what comes meanwhile
    /// waits as one piece.
    pub fn delay(&self, delay: Duration) {
        self.link.change(|state| state.delay = delay);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.link.change(|state| {
            state.ended = true;
            state.close_all();
        });
        // It looks whether it has ended when someone connects.
        if let Some(accepting) = self.accepting.take()
            && TcpStream::connect(self.address).is_ok()
        {
            accepting.join().ok();
        }
        let threads = std::mem::take(&mut self.link.state().threads);
        for thread in threads {
            thread.join().ok();
        }
    }
}

#[derive(Debug)]
struct Link {
    target: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    cut: bool,
    frozen: bool,
    ended: bool,
    delay: Duration,
    /// The ends of each connection that is open.
    open: BTreeMap<u64, Vec<TcpStream>>,
    /// How many connections there have been.
    connections: u64,
    threads: Vec<JoinHandle<()>>,
}

impl State {
    fn close(&mut self, connection: u64) {
        for end in self.open.remove(&connection).into_iter().flatten() {
            end.shutdown(Shutdown::Both).ok();
        }
    }

    fn close_all(&mut self) {
        while let Some((&connection, _)) = self.open.first_key_value() {
            self.close(connection);
        }
    }
}

impl Link {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            let mut state = self.state();
            if state.ended {
                return;
            }
            // One that has gone again is none.
            let Ok((client, end)) = client.and_then(|it| Ok((it.try_clone()?, it))) else {
                continue;
            };
            if state.cut {
                continue;
            }
            state.connections += 1;
            let connection = state.connections;
            state.open.insert(connection, vec![end]);
            let link = Arc::clone(self);
            state.threads.retain(|thread| !thread.is_finished());
            state.threads.push(thread::spawn(move || link.serve(connection, &client)));
        }
    }

    /// Serves a connection until it is closed.
    fn serve(&self, connection: u64, client: &TcpStream) {
        if self.may_pass(connection)
            && let Ok(server) = TcpStream::connect_timeout(&self.target, PATIENCE)
            && self.reaches(connection, &server)
        {
            client.set_nodelay(true).and(server.set_nodelay(true)).ok();
            thread::scope(|scope| {
                scope.spawn(|| self.pass_on(connection, &server, client));
                self.pass_on(connection, client, &server);
            });
        }
        self.state().close(connection);
    }

    /// Notes the other end of a connection; false if it has been closed.
    fn reaches(&self, connection: u64, server: &TcpStream) -> bool {
        let mut state = self.state();
        let Some(ends) = state.open.get_mut(&connection) else { return false };
        server.try_clone().map(|end| ends.push(end)).is_ok()
    }

    /// Passes on what comes in one direction.
    fn pass_on(&self, connection: u64, mut from: &TcpStream, mut to: &TcpStream) {
        let mut piece = vec![0; PIECE];
        loop {
            let read = from.read(&mut piece);
            if !self.may_pass(connection) {
                return;
            }
            let passed = match read {
                Ok(0) => return to.shutdown(Shutdown::Write).unwrap_or_default(),
                Ok(length) => to.write_all(&piece[..length]),
                Err(error) => Err(error),
            };
            if passed.is_err() {
                return self.state().close(connection);
            }
        }
    }

    /// Waits until something may be passed on; false if the connection has been closed meanwhile.
    fn may_pass(&self, connection: u64) -> bool {
        let mut state = self.state();
        let start = Instant::now();
        loop {
            if !state.open.contains_key(&connection) {
                return false;
            }
            let rest = state.delay.saturating_sub(start.elapsed());
            state = if state.frozen {
                self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else if rest.is_zero() {
                return true;
            } else {
                let waited = self.changed.wait_timeout(state, rest);
                waited.unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }
}
