//! A process that is killed while it appends: what it was answered is there.
//!
//! The test runs its own binary, in which [`child`] does nothing but append and tell what it was answered.

use std::collections::{HashMap, HashSet};
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use provider_tree_cluster::log::{EntryKey, Event, Follow, LocalLog, Log, Position, StoredDump};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::log_contract::{entries, says};

/// Where the child finds its log.
const PATH: &str = "PROVIDER_TREE_LOCAL_LOG";

const ROUNDS: u64 = 40;

#[test]
fn what_was_answered_survives_a_process_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let runtime = Runtime::new().unwrap();
    let mut answered = HashSet::new();
    let (mut told, mut dumped, mut dumps) = (HashMap::new(), Position(0), 0);
    for seed in 0..ROUNDS {
        println!("seed {seed}");
        let kill_after = fastrand::Rng::with_seed(seed).usize(0..120);
        for line in lines_until_killed(&path, kill_after) {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["answered", replica, sequence] => {
                    let replica = replica.parse().unwrap();
                    answered.insert(EntryKey { replica, sequence: sequence.parse().unwrap() });
                }
                ["dumped", position] => {
                    dumped = Position(position.parse().unwrap());
                    dumps += 1;
                }
                _ => panic!("{line}"),
            }
        }
        runtime.block_on(async {
            let log = LocalLog::open(&path).await.unwrap();
            let dump = log.newest_dump().await.unwrap();
            let dump = dump.unwrap_or(StoredDump { position: Position(0), bytes: Bytes::new() });
            assert!(dump.position >= dumped);
            let mut known: Vec<EntryKey> = keys_in(&dump.bytes).collect();
            assert_eq!(known.len() as u64, dump.position.0);
            let count = log.end().await.unwrap().0 - dump.position.0;
            let after = entries(&log, dump.position, count as usize).await;
            known.extend(after.iter().map(|entry| entry.key));
            let unique: HashSet<EntryKey> = known.iter().copied().collect();
            assert_eq!(unique.len(), known.len(), "an entry is there twice");
            assert!(answered.is_subset(&unique), "{:?}", answered.difference(&unique));
            // What was at a position stays there.
            for (position, key) in (1..).zip(known) {
                assert_eq!(*told.entry(position).or_insert(key), key);
            }
            log.close().await;
        });
    }
    assert!(answered.len() as u64 > ROUNDS * 20 && dumps > ROUNDS / 2, "{dumps} dumps");
}

/// Appends, and tells what it was answered, until it is killed.
#[test]
#[ignore = "it is what the test above runs and kills"]
fn child() {
    let path = env::var_os(PATH).unwrap();
    Runtime::new().unwrap().block_on(async {
        let log = LocalLog::open(path).await.unwrap();
        for _ in 0..8 {
            tokio::spawn(append_for_ever(log.clone()));
        }
        dump_for_ever(log).await;
    });
}

async fn append_for_ever(log: LocalLog) {
    let replica = Uuid::new_v4();
    for sequence in 1.. {
        let key = EntryKey { replica, sequence };
        log.append(key, says(key)).await.unwrap();
        tell(&format!("answered {replica} {sequence}"));
    }
}

async fn dump_for_ever(log: LocalLog) {
    let (mut position, mut keys) = match log.newest_dump().await.unwrap() {
        Some(dump) => (dump.position, keys_in(&dump.bytes).collect()),
        None => (Position(0), Vec::new()),
    };
    let mut follower = log.follow(position).await.unwrap();
    loop {
        if let Event::Entry(entry) = follower.next().await.unwrap() {
            position = entry.position;
            keys.push(entry.key);
            if keys.len() % 30 == 0 {
                let bytes = Bytes::from(postcard::to_stdvec(&keys).unwrap());
                assert!(log.store_dump(StoredDump { position, bytes }).await.unwrap());
                tell(&format!("dumped {position}"));
            }
        }
    }
}

fn keys_in(dump: &[u8]) -> impl Iterator<Item = EntryKey> + use<> {
    let keys: Vec<EntryKey> =
        if dump.is_empty() { Vec::new() } else { postcard::from_bytes(dump).unwrap() };
    keys.into_iter()
}

/// Writes a line at once. The harness of the tests has lines of its own on the same stream.
fn tell(line: &str) {
    std::io::stdout().lock().write_all(format!("> {line}\n").as_bytes()).unwrap();
}

/// Runs the child, kills it after so many lines, and returns all that it has written.
fn lines_until_killed(path: &Path, kill_after: usize) -> Vec<String> {
    let mut process = Killed(
        Command::new(env::current_exe().unwrap())
            .args(["local_log_killed::child", "--exact", "--ignored", "--nocapture"])
            .env(PATH, path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut output = BufReader::new(process.0.stdout.take().unwrap());
    let mut lines = Vec::new();
    let mut line = String::new();
    // The first lines of a harness are no answers, and a line that has no end was not written in full.
    while output.read_line(&mut line).unwrap() > 0 {
        if let Some(told) = line.strip_prefix("> ").and_then(|line| line.strip_suffix('\n')) {
            lines.push(told.to_owned());
        }
        line.clear();
        if lines.len() == kill_after {
            process.0.kill().unwrap();
        }
    }
    lines
}

/// Holds a process, which does not outlive it.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended, which the test then says.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
