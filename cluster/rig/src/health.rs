//! Asks a member of etcd whether it serves.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an answer can be.
const LONGEST: u64 = 1 << 16;

/// Returns whether the member at this address serves: it is there, and has a majority beside it.
pub(crate) fn is_healthy(address: SocketAddr) -> bool {
    ask(address).is_ok_and(|answer| answer.contains("\"health\":\"true\""))
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer)?;
    Ok(answer)
}
