//! `verify`: compares two dumps, or two replicas that are served.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use provider_tree_cluster::read_dump;
use serde::Deserialize;
use uuid::Uuid;

use crate::client::Address;
use crate::difference;
use crate::failure::{FAILED, Failure};
use crate::options::VerifyOptions;
use crate::quote::{quote, visible};

/// How long to wait before a replica is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// One of the two that are compared.
enum Side {
    File(Vec<u8>),
    Served(Address),
}

/// What a replica answers that has set a mark.
#[derive(Deserialize)]
struct Mark {
    mark: Uuid,
    position: u64,
}

pub(crate) fn run(options: &VerifyOptions) -> Result<ExitCode, Failure> {
    let sides = (Side::of(&options.a)?, Side::of(&options.b)?);
    let (a, b) = match sides {
        (Side::Served(a), Side::Served(b)) => {
            at_one_mark(&a, &b, Duration::from_secs(options.timeout))?
        }
        (a, b) => (a.dump()?, b.dump()?),
    };
    let read = |bytes: &[u8], name: &str| {
        let name = quote(name);
        read_dump(bytes).map_err(|error| Failure::usage(format!("{name} is no dump: {error}")))
    };
    let (at_a, forest_a) = read(&a, &options.a)?;
    let (at_b, forest_b) = read(&b, &options.b)?;
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = if a == b {
        writeln!(text, "equal: both are at {at_a}, and have {} bytes", a.len())
    } else if at_a != at_b {
        writeln!(text, "different: A is at {at_a}, and B at {at_b}")
    } else {
        let (a, b) = (a.len(), b.len());
        writeln!(text, "different: both are at {at_a}; A has {a} bytes, and B {b}")
    };
    if a != b {
        text.push_str(&difference::of(&forest_a, &forest_b));
    }
    io::stdout().write_all(text.as_bytes()).map_err(Failure::unprintable)?;
    Ok(if a == b { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

impl Side {
    fn of(text: &str) -> Result<Self, Failure> {
        if Address::is_meant(text) {
            return Address::of(text).map(Side::Served);
        }
        let file = Path::new(text);
        std::fs::read(file).map(Side::File).map_err(Failure::unreadable(file))
    }

    /// Returns the dump as of now.
    fn dump(self) -> Result<Vec<u8>, Failure> {
        match self {
            Side::File(bytes) => Ok(bytes),
            Side::Served(address) => address.get("/dump"),
        }
    }
}

/// Returns the dumps of two replicas as of one mark.
fn at_one_mark(
    a: &Address,
    b: &Address,
    patience: Duration,
) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let end = Instant::now() + patience;
    // Each replica remembers the last mark alone, and somebody else may set one meanwhile.
    loop {
        let marked = a.post("/mark")?;
        let Mark { mark, position } = serde_json::from_slice(&marked).map_err(|error| {
            Failure::failed(format!("{a} does not answer as a replica: {error}"))
        })?;
        let of_a = at_mark(a, mark, position, end)?;
        if let Some(of_a) = of_a
            && let Some(of_b) = at_mark(b, mark, position, end)?
        {
            return Ok((of_a, of_b));
        }
        if Instant::now() >= end {
            let text = format!("marks are set so often that {a} and {b} can't be compared");
            return Err(Failure::failed(text));
        }
    }
}

/// Waits until a replica has come to a mark, and returns its dump; `None` if there is another mark by then.
fn at_mark(
    address: &Address,
    mark: Uuid,
    position: u64,
    end: Instant,
) -> Result<Option<Vec<u8>>, Failure> {
    loop {
        let path = format!("/dump?mark={mark}");
        let answered = address.try_get(&path)?;
        match (answered.status, answered.position) {
            (200, _) => return Ok(Some(answered.body)),
            (404, Some(at)) if at > position => return Ok(None),
            (404, Some(at)) if Instant::now() >= end => {
                return Err(Failure::failed(format!(
                    "{address} has not come to the mark at {position}: it is at {at}"
                )));
            }
            (404, Some(_)) => thread::sleep(PAUSE),
            (status, _) => {
                let text = visible(String::from_utf8_lossy(&answered.body).trim());
                return Err(Failure::failed(format!(
                    "{address}{path} answers with {status}: {text}"
                )));
            }
        }
    }
}
