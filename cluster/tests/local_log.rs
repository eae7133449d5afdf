//! A log in a file: what every log promises, and what is left when its process ends, in whichever way.
#![cfg(feature = "local")]

mod local_log_killed;
mod log_contract;

use std::path::Path;

use bytes::Bytes;
use log_contract::{append_all, contract, entries, key, next_entry, within};
use provider_tree_cluster::log::{Event, Follow, LocalLog, Log, LogError, Position, StoredDump};
use tempfile::TempDir;

contract!(fresh);

async fn fresh() -> (TempDir, LocalLog) {
    let folder = tempfile::tempdir().unwrap();
    let log = LocalLog::open(folder.path().join("log")).await.unwrap();
    (folder, log)
}

#[tokio::test]
async fn the_positions_have_no_gap() {
    let (_folder, log) = fresh().await;
    assert_eq!(log.end().await, Ok(Position(0)));
    append_all(&log, 1, 1..=9).await;
    append_all(&log, 1, 5..=12).await;
    let positions = entries(&log, Position(0), 12).await.into_iter().map(|entry| entry.position.0);
    assert!(positions.eq(1..=12));
    assert_eq!(log.end().await, Ok(Position(12)));
}

#[tokio::test]
async fn a_log_is_the_same_when_it_is_opened_anew() {
    let (folder, log) = fresh().await;
    let path = folder.path().join("log");
    append_all(&log, 1, 1..=20).await;
    let all = entries(&log, Position(0), 20).await;
    let dump = |at| StoredDump { position: Position(at), bytes: Bytes::from(format!("{at}")) };
    assert!(log.store_dump(dump(5)).await.unwrap());
    assert!(log.store_dump(dump(20)).await.unwrap());
    log.close().await;
    for time in 0..3 {
        let log = LocalLog::open(&path).await.unwrap();
        assert_eq!(log.end().await, Ok(Position(20 + time)));
        assert_eq!(log.newest_dump().await, Ok(Some(dump(20))));
        assert!(!log.store_dump(dump(19)).await.unwrap());
        assert_eq!(entries(&log, Position(5), 15).await, all[5..]);
        assert_eq!(log.follow(Position(4)).await.err(), Some(compacted(4)));
        // The keys are known still, those of this life and those of the lives before it.
        append_all(&log, 1, 6..=21 + time).await;
        assert_eq!(log.end().await, Ok(Position(21 + time)));
        log.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_is_behind_what_is_in_memory_reads_the_file() {
    let (folder, log) = fresh().await;
    let mut slow = log.follow(Position(0)).await.unwrap();
    let says = |sequence: u64| Bytes::from(vec![sequence as u8; 100_000]);
    for first in (1..=200).step_by(20) {
        let appends =
            (first..first + 20).map(|sequence| log.append(key(1, sequence), says(sequence)));
        let mut appends: Vec<_> = appends.map(Box::pin).collect();
        for append in &mut appends {
            append.await.unwrap();
        }
    }
    // Its future is dropped again and again, while it reads too.
    for sequence in 1..=200 {
        let next = async {
            loop {
                tokio::select! {
                    biased;
                    event = slow.next() => {
                        if let Event::Entry(entry) = event.unwrap() {
                            break entry;
                        }
                    }
                    () = tokio::task::yield_now() => {}
                }
            }
        };
        let entry = within(next).await;
        assert_eq!(entry.position, Position(sequence));
        assert!(entry.key == key(1, sequence) && entry.bytes == says(sequence));
    }
    log.close().await;
    // Nothing is in memory then.
    let log = LocalLog::open(folder.path().join("log")).await.unwrap();
    let mut follower = log.follow(Position(100)).await.unwrap();
    for sequence in 101..=200 {
        assert_eq!(next_entry(&mut follower).await.unwrap().key, key(1, sequence));
    }
    assert_eq!(follower.next().await, Ok(Event::Reached(Position(200))));
}

#[tokio::test]
async fn positions_go_on_when_all_has_been_cut_off() {
    let (folder, log) = fresh().await;
    append_all(&log, 1, 1..=3).await;
    let dump = |at| StoredDump { position: Position(at), bytes: Bytes::new() };
    assert!(log.store_dump(dump(3)).await.unwrap());
    append_all(&log, 1, 4..=4).await;
    assert!(log.store_dump(dump(4)).await.unwrap());
    log.close().await;
    let log = LocalLog::open(folder.path().join("log")).await.unwrap();
    // What has been cut off may be appended again: it is an entry like any other, and the only one.
    append_all(&log, 1, 1..=1).await;
    append_all(&log, 1, 1..=1).await;
    let told = entries(&log, Position(3), 2).await;
    assert_eq!([told[0].key, told[1].key], [key(1, 4), key(1, 1)]);
    assert_eq!(log.end().await, Ok(Position(5)));
}

#[tokio::test]
async fn a_file_is_open_once() {
    let (folder, log) = fresh().await;
    let path = folder.path().join("log");
    let in_use = LogError::InUse { path: path.display().to_string() };
    assert_eq!(LocalLog::open(&path).await.err(), Some(in_use.clone()));
    append_all(&log, 1, 1..=1).await;
    let other = log.clone();
    log.close().await;
    let log = LocalLog::open(&path).await.unwrap();
    assert_eq!(LocalLog::open(&path).await.err(), Some(in_use));
    assert_eq!(entries(&log, Position(0), 1).await.len(), 1);
    // The handle of before has nothing to do with it.
    assert!(matches!(other.end().await, Err(LogError::Ended { .. })));
}

#[tokio::test]
async fn closing_ends_whoever_uses_the_log() {
    let (_folder, log) = fresh().await;
    let mut follower = log.follow(Position(0)).await.unwrap();
    let other = log.clone();
    let closing = async {
        append_all(&log, 1, 1..=1).await;
        log.close().await;
    };
    let following = async {
        loop {
            if let Err(error) = follower.next().await {
                break error;
            }
        }
    };
    let (error, ()) = tokio::join!(following, closing);
    assert!(matches!(error, LogError::Ended { .. }));
    assert_eq!(follower.next().await, Err(error.clone()));
    assert_eq!(other.append(key(1, 2), Bytes::new()).await, Err(error.clone()));
    assert_eq!(other.newest_dump().await, Err(error.clone()));
    assert_eq!(other.follow(Position(0)).await.err(), Some(error));
}

#[tokio::test]
async fn a_file_that_is_no_log_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    std::fs::write(&path, "This is something else.").unwrap();
    let error = LocalLog::open(&path).await.err().unwrap();
    assert!(matches!(error, LogError::Damaged { .. }), "{error:?}");
    assert_eq!(std::fs::read(&path).unwrap(), b"This is something else.");
    let error = LocalLog::open(folder.path().join("none/log")).await.err().unwrap();
    assert!(matches!(error, LogError::Unavailable { .. }), "{error:?}");
    // A file whose making was interrupted has never had anything.
    std::fs::write(&path, [0; 4096]).unwrap();
    append_all(&LocalLog::open(&path).await.unwrap(), 1, 1..=1).await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let (_folder, log) = fresh().await;
    append_all(&log, 1, 1..=2).await;
    let other = log.append(key(1, 1), Bytes::from("something else")).await.unwrap_err();
    assert!(matches!(other, LogError::Denied { .. }), "{other:?}");
    let beyond = StoredDump { position: Position(3), bytes: Bytes::new() };
    let beyond = log.store_dump(beyond).await.unwrap_err();
    assert!(matches!(beyond, LogError::Denied { .. }), "{beyond:?}");
    let beyond = log.follow(Position(3)).await.err().unwrap();
    assert!(matches!(beyond, LogError::Damaged { .. }), "{beyond:?}");
    assert_eq!(entries(&log, Position(0), 2).await.len(), 2);
    assert_eq!(log.newest_dump().await, Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_does_not_grow_when_there_are_dumps() {
    let (folder, log) = fresh().await;
    let path = folder.path().join("log");
    let mut sizes = Vec::new();
    for round in 0..40 {
        let appends = (0..20).map(|number| {
            let log = log.clone();
            let bytes = Bytes::from(vec![number as u8; 20_000]);
            tokio::spawn(async move { log.append(key(1, round * 20 + number), bytes).await })
        });
        for append in appends.collect::<Vec<_>>() {
            append.await.unwrap().unwrap();
        }
        let dump = StoredDump {
            position: log.end().await.unwrap(),
            bytes: Bytes::from(vec![round as u8; 500_000]),
        };
        assert!(log.store_dump(dump).await.unwrap());
        sizes.push(size(&path));
    }
    // 400 kB of entries come in each round, and those of two rounds are there.
    let early = *sizes[..10].iter().max().unwrap();
    let late = *sizes[10..].iter().max().unwrap();
    assert!(late <= early && late < 16_000_000, "{sizes:?}");
}

fn size(path: &Path) -> u64 {
    path.metadata().unwrap().len()
}

fn compacted(after: u64) -> LogError {
    LogError::Compacted { after: Position(after) }
}
