//! A network that is cut, frozen and slowed down, before a server that says what it hears.
#![allow(missing_docs, reason = "no one but the tests sees it")]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use cluster_rig::Proxy;

/// How long something may take that must happen.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long to look whether something happens that must not.
const MOMENT: Duration = Duration::from_millis(200);

/// Starts a server that sends back what it hears, for as long as the tests run.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || io::copy(&mut &client, &mut &client));
        }
    });
    address
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn answers(stream: &mut TcpStream, word: &[u8; 4]) -> io::Result<()> {
    stream.write_all(word)?;
    hears(stream, word)
}

fn hears(stream: &mut TcpStream, word: &[u8; 4]) -> io::Result<()> {
    let mut heard = [0; 4];
    stream.read_exact(&mut heard)?;
    assert_eq!(&heard, word);
    Ok(())
}

/// Fails unless the connection is closed, whether it is said or noticed.
fn is_closed(stream: &mut TcpStream) {
    match stream.read(&mut [0]) {
        Ok(0) => {}
        Ok(_) => panic!("something was passed on"),
        Err(error) => {
            let closed = [ErrorKind::ConnectionReset, ErrorKind::ConnectionAborted];
            assert!(closed.contains(&error.kind()), "{error}");
        }
    }
}

fn hears_nothing(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(MOMENT)).unwrap();
    let error = stream.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
}

#[test]
fn everything_passes_both_ways_up_to_the_end() {
    let proxy = Proxy::start(echo()).unwrap();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|byte| (byte % 251) as u8).collect();
    let mut stream = connect(&proxy);
    let mut writer = stream.try_clone().unwrap();
    let mut heard = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            writer.write_all(&sent).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        stream.read_to_end(&mut heard).unwrap();
    });
    assert!(heard == sent);
}

#[test]
fn a_cut_closes_what_is_open_and_what_comes_until_it_is_healed() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut before = connect(&proxy);
    answers(&mut before, b"some").unwrap();
    proxy.cut();
    is_closed(&mut before);
    is_closed(&mut connect(&proxy));
    proxy.heal();
    answers(&mut connect(&proxy), b"more").unwrap();
    is_closed(&mut before);
}

#[test]
fn what_is_frozen_comes_when_it_is_thawed() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut before = connect(&proxy);
    answers(&mut before, b"some").unwrap();
    proxy.freeze();
    let mut meanwhile = connect(&proxy);
    for stream in [&mut before, &mut meanwhile] {
        stream.write_all(b"more").unwrap();
        hears_nothing(stream);
    }
    proxy.thaw();
    for stream in [&mut before, &mut meanwhile] {
        hears(stream, b"more").unwrap();
    }
}

#[test]
fn what_is_frozen_can_be_cut() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    answers(&mut stream, b"some").unwrap();
    proxy.freeze();
    stream.write_all(b"more").unwrap();
    proxy.cut();
    is_closed(&mut stream);
    proxy.thaw();
    proxy.heal();
    answers(&mut connect(&proxy), b"some").unwrap();
}

#[test]
fn a_delay_counts_in_each_direction() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    answers(&mut stream, b"some").unwrap();
    proxy.delay(MOMENT);
    let start = Instant::now();
    answers(&mut stream, b"more").unwrap();
    assert!(start.elapsed() >= 2 * MOMENT);
}

#[test]
fn a_server_that_is_not_there_looks_as_if_it_had_gone() {
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let proxy = Proxy::start(nobody).unwrap();
    is_closed(&mut connect(&proxy));
}

#[test]
fn nothing_is_left_of_one_that_is_dropped() {
    let proxy = Proxy::start(echo()).unwrap();
    let address = proxy.address();
    let mut stream = connect(&proxy);
    answers(&mut stream, b"some").unwrap();
    proxy.freeze();
    stream.write_all(b"more").unwrap();
    drop(proxy);
    is_closed(&mut stream);
    let error = TcpStream::connect(address).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}
