//! Members of etcd that are killed, stopped and started anew, and that are gone afterwards. On Linux only, where
//! `/proc` says which processes there are.
#![cfg(target_os = "linux")]
#![allow(missing_docs, reason = "no one but the tests sees it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cluster_rig::{Member, Members, Options, signal};

/// How long something may take that must happen.
const DEADLINE: Duration = Duration::from_secs(60);

/// "key" and "value" as etcd's interface for JSON takes them.
const STORED: &str = r#"{"key":"a2V5","value":"dmFsdWU="}"#;
const ASKED: &str = r#"{"key":"a2V5"}"#;

/// Asks a member for something, and returns the answer.
fn answer(member: &Member, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(member.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let head = "Host: member\r\nConnection: close\r\nContent-Length:";
    let length = body.len();
    write!(stream, "POST {path} HTTP/1.1\r\n{head} {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn ask(member: &Member, path: &str, body: &str) -> String {
    let answer = answer(member, path, body);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

fn store(member: &Member) {
    ask(member, "/v3/kv/put", STORED);
}

fn has_what_was_stored(member: &Member) -> bool {
    ask(member, "/v3/kv/range", ASKED).contains("dmFsdWU=")
}

/// Says whether there is such a process, ended ones that nobody has waited for left out.
fn runs(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let (_, after_name) = stat.rsplit_once(") ").unwrap();
    !after_name.starts_with(['Z', 'X'])
}

fn waits_until(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < DEADLINE, "it has not come to that");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_member_that_is_killed_comes_back_with_what_it_has_stored() {
    let members = Members::start(1).unwrap();
    let member = members.member(0);
    assert_eq!(members.endpoints(), [format!("http://{}", member.address())]);
    assert!(!has_what_was_stored(member));
    store(member);
    let pid = member.pid().unwrap();
    member.kill().unwrap();
    assert!(!runs(pid) && !member.is_healthy());
    assert_eq!(member.pid(), None);
    member.restart().unwrap();
    member.wait_until_healthy().unwrap();
    assert_ne!(member.pid().unwrap(), pid);
    assert!(has_what_was_stored(member));
}

#[test]
fn three_members_are_one_cluster_of_which_two_suffice() {
    let members = Members::start(3).unwrap();
    store(members.member(0));
    members.iter().for_each(|member| assert!(has_what_was_stored(member)));
    members.member(0).kill().unwrap();
    members.wait_until_healthy().unwrap();
    store(members.member(1));
    members.member(1).kill().unwrap();
    waits_until(|| !members.member(2).is_healthy());
    members.member(0).restart().unwrap();
    members.wait_until_healthy().unwrap();
    assert!(has_what_was_stored(members.member(0)));
}

#[test]
fn a_member_that_is_stopped_says_nothing_until_it_goes_on() {
    let members = Members::start(1).unwrap();
    let member = members.member(0);
    member.stop().unwrap();
    assert!(runs(member.pid().unwrap()) && !member.is_healthy());
    member.cont().unwrap();
    member.wait_until_healthy().unwrap();
    member.stop().unwrap();
    // A stopped one is killed as any other.
    member.restart().unwrap();
    member.wait_until_healthy().unwrap();
}

#[test]
fn a_port_that_another_has_meanwhile_is_waited_for() {
    let members = Members::start(1).unwrap();
    let member = members.member(0);
    member.kill().unwrap();
    let another = TcpListener::bind(member.address()).unwrap();
    thread::scope(|scope| {
        let restart = scope.spawn(|| member.restart());
        // Whether it has looked already can't be seen; either way it may go on only afterwards.
        assert_eq!(member.pid(), None);
        drop(another);
        restart.join().unwrap().unwrap();
    });
    member.wait_until_healthy().unwrap();
}

#[test]
fn arguments_are_handed_on() {
    let usual = Members::start(1).unwrap();
    let narrow = Options::new(1).argument("--max-request-bytes=200").start().unwrap();
    let long = format!(r#"{{"key":"a2V5","value":"{}"}}"#, "dmFs".repeat(100));
    assert!(answer(usual.member(0), "/v3/kv/put", &long).starts_with("HTTP/1.1 200"));
    assert!(answer(narrow.member(0), "/v3/kv/put", &long).starts_with("HTTP/1.1 4"));
    store(narrow.member(0));
}

#[test]
fn nothing_is_left_of_members_that_are_dropped() {
    let members = Members::start(3).unwrap();
    let folder = members.folder().to_owned();
    let pids: Vec<u32> = members.iter().filter_map(Member::pid).collect();
    assert!(folder.is_dir() && pids.len() == 3);
    members.member(1).stop().unwrap();
    drop(members);
    assert!(!folder.exists());
    pids.into_iter().for_each(|pid| assert!(!runs(pid)));
}

#[test]
fn nothing_is_left_of_members_whose_test_panics() {
    let mut seen = None;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let members = Members::start(1).unwrap();
        seen = Some((members.member(0).pid().unwrap(), members.folder().to_owned()));
        panic!("as a test does that fails");
    }));
    assert!(outcome.is_err());
    let (pid, folder) = seen.unwrap();
    assert!(!runs(pid) && !folder.exists());
}

#[test]
fn members_outlive_the_thread_that_has_started_them() {
    let members = thread::spawn(|| Members::start(1).unwrap()).join().unwrap();
    store(members.member(0));
    assert!(has_what_was_stored(members.member(0)));
}

/// The variable that tells a process that it is the test that is killed.
const TO_BE_KILLED: &str = "CLUSTER_RIG_TO_BE_KILLED";

#[test]
fn members_end_with_a_test_that_is_killed() {
    if std::env::var_os(TO_BE_KILLED).is_some() {
        wait_to_be_killed();
    }
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "members_end_with_a_test_that_is_killed", "--nocapture"]);
    test.env(TO_BE_KILLED, "1").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut test = test.spawn().unwrap();
    let lines = BufReader::new(test.stdout.take().unwrap()).lines();
    let said = lines.map_while(Result::ok).find_map(|line| {
        let (pid, folder) = line.strip_prefix("member ")?.split_once(' ')?;
        Some((pid.parse().ok()?, folder.to_owned()))
    });
    let (pid, folder): (u32, String) = said.unwrap();
    assert!(runs(pid));
    signal::kill(test.id()).unwrap();
    test.wait().unwrap();
    waits_until(|| !runs(pid));
    // Nobody was there to remove it.
    std::fs::remove_dir_all(folder).unwrap();
}

/// Says which member it has started, and where, and waits.
fn wait_to_be_killed() -> ! {
    let members = Members::start(1).unwrap();
    println!("\nmember {} {}", members.member(0).pid().unwrap(), members.folder().display());
    loop {
        thread::park();
    }
}
