//! The log on etcd: what every log promises, and what etcd makes of it.
#![cfg(feature = "etcd")]

mod log_contract;
#[path = "support/member.rs"]
mod member;

use std::time::{Duration, Instant};

use bytes::Bytes;
use log_contract::{append_all, assert_is_compacted, key, says, told, within};
use member::Member;
use provider_tree_cluster::log::{
    Entry, EntryKey, EtcdLog, EtcdOptions, Event, Follow, Log, LogError, Position, StoredDump,
};
use tokio::task::JoinSet;

async fn connect(member: &Member) -> EtcdLog {
    connect_with(member, options()).await
}

async fn connect_with(member: &Member, options: EtcdOptions) -> EtcdLog {
    EtcdLog::connect([member.endpoint()], options).await.unwrap()
}

fn options() -> EtcdOptions {
    EtcdOptions::new("test/cluster")
}

/// What every log promises, with nothing else in etcd.
mod alone {
    use super::log_contract::{self, contract};

    contract!(super::alone_in_etcd);
}

/// The same among keys of others, before, after and beside those of the log.
mod among_others {
    use super::log_contract::{self, contract};

    contract!(super::among_others_in_etcd);
}

async fn alone_in_etcd() -> (Member, EtcdLog) {
    let member = Member::start(&[]);
    let log = connect(&member).await;
    (member, log)
}

async fn among_others_in_etcd() -> (Member, EtcdLog) {
    let member = Member::start(&[]);
    for key in ["a", "test/cluster0", "test/clustes", "z"] {
        member.control(&["put", key, "foreign"]);
    }
    append_all(&connect(&member).await, 1, 1..=30).await;
    let log = connect_with(&member, EtcdOptions::new("test/cluster0")).await;
    (member, log)
}

async fn append(log: &EtcdLog, key: EntryKey) {
    log.append(key, says(key)).await.unwrap();
}

async fn next(follower: &mut impl Follow) -> Result<Event, LogError> {
    within(follower.next()).await
}

/// Returns all entries that a log has after a position.
async fn all(log: &EtcdLog, after: Position) -> Vec<Entry> {
    let end = log.end().await.unwrap();
    told(&mut log.follow(after).await.unwrap(), after, end).await
}

fn keys(entries: &[Entry]) -> Vec<EntryKey> {
    entries.iter().map(|entry| entry.key).collect()
}

fn dump(position: Position, bytes: impl Into<Bytes>) -> StoredDump {
    StoredDump { position, bytes: bytes.into() }
}

/// Appends entries of one replica, and returns them as they are told.
async fn filled(log: &EtcdLog, entries: u64) -> Vec<Entry> {
    append_all(log, 1, 1..=entries).await;
    all(log, Position(0)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_compact_is_told_all_the_same() {
    let member = Member::start(&[]);
    let log = connect(&member).await;
    // More than one page of keys, in an order that is not theirs.
    for sequence in 1..=1200 {
        append(&log, key(if sequence % 2 == 0 { 1 } else { 2 }, 5000 - sequence)).await;
    }
    let entries = all(&log, Position(0)).await;
    append(&log, key(1, 5000 - 2)).await;
    member.control(&["compact", &member.revision().to_string()]);
    assert_eq!(all(&log, Position(0)).await, entries);
    assert_eq!(all(&log, entries[700].position).await, entries[701..]);

    let mut follower = log.follow(Position(0)).await.unwrap();
    let end = log.end().await.unwrap();
    assert_eq!(told(&mut follower, Position(0), end).await, entries);
    append(&log, key(3, 1)).await;
    let later = log.end().await.unwrap();
    assert_eq!(keys(&told(&mut follower, end, later).await), [key(3, 1)]);

    // A cut goes over all pages, too.
    for position in [entries[1150].position, later] {
        assert!(log.store_dump(dump(position, "a dump")).await.unwrap());
    }
    let kept = member.control(&["get", "--prefix", "--keys-only", "test/cluster/log/0"]);
    assert_eq!(kept.lines().filter(|line| !line.is_empty()).count(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stands_still_while_entries_are_cut_off_misses_none_unknowingly() {
    let member = Member::start(&[]);
    let log = connect(&member).await;
    let mut still = log.follow(Position(0)).await.unwrap();
    let large = Bytes::from(vec![7; 100_000]);
    for sequence in 1..=400 {
        log.append(key(1, sequence), large.clone()).await.unwrap();
    }
    let end = log.end().await.unwrap();
    let middle = Position(end.0 / 2);
    assert!(log.store_dump(dump(middle, "first")).await.unwrap());
    assert!(log.store_dump(dump(end, "second")).await.unwrap());
    member.control(&["compact", &member.revision().to_string()]);
    let (mut expected, mut compacted) = (1, false);
    let mut reached = Position(0);
    while reached < end {
        match next(&mut still).await {
            Ok(Event::Entry(entry)) => {
                assert_eq!(entry.key, key(1, expected));
                expected += 1;
                reached = entry.position;
            }
            Ok(Event::Reached(position)) => reached = position,
            Err(LogError::Compacted { after }) => {
                assert_eq!(after, reached);
                compacted = true;
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(compacted || expected == 401, "told up to {expected}");
    assert_is_compacted(&log, Position(0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_keys_while_they_are_cut_off_misses_none_unknowingly() {
    let member = Member::start(&[]);
    let mut compacted = 0;
    for round in 0..8 {
        let log = connect_with(&member, EtcdOptions::new(format!("round{round}"))).await;
        let entries = filled(&log, 30).await;
        member.control(&["compact", &member.revision().to_string()]);
        // Etcd says only some time later that it has forgotten where this begins.
        let mut follower = log.follow(Position(entries[0].position.0 - 1)).await.unwrap();
        for index in [9, 19] {
            assert!(log.store_dump(dump(entries[index].position, "a dump")).await.unwrap());
        }
        let mut seen = Vec::new();
        while seen.len() < entries.len() {
            match next(&mut follower).await {
                Ok(Event::Entry(entry)) => seen.push(entry),
                Ok(Event::Reached(_)) => {}
                Err(LogError::Compacted { .. }) => {
                    compacted += 1;
                    break;
                }
                Err(error) => panic!("{error}"),
            }
            assert_eq!(seen[..], entries[..seen.len()]);
        }
    }
    assert!(compacted > 0, "no entries were cut off in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_of_a_cut_is_done_by_the_next() {
    let member = Member::start(&[]);
    let log = connect(&member).await;
    let entries = filled(&log, 30).await;
    for index in [9, 19] {
        assert!(log.store_dump(dump(entries[index].position, "a dump")).await.unwrap());
    }
    let count = || {
        let keys = member.control(&["get", "--prefix", "--keys-only", "test/cluster/log/0"]);
        keys.lines().filter(|line| !line.is_empty()).count()
    };
    assert_eq!(count(), 20);
    // A process that has died after it has moved the pointer leaves entries, and one before it, chunks.
    append(&log, key(1, 3)).await;
    assert_eq!(count(), 21);
    member.control(&[
        "put",
        &format!("test/cluster/dump/{:016x}/x/0", entries[18].position.0),
        "x",
    ]);
    append(&log, key(1, 31)).await;
    let end = log.end().await.unwrap();
    assert!(log.store_dump(dump(end, "third")).await.unwrap());
    append(&log, key(1, 32)).await;
    let later = log.end().await.unwrap();
    assert!(log.store_dump(dump(later, "fourth")).await.unwrap());
    assert_eq!(count(), 1);
    let chunks = member.control(&["get", "--prefix", "--keys-only", "test/cluster/dump/"]);
    assert_eq!(chunks.lines().filter(|line| !line.is_empty()).count(), 2, "{chunks}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_comes_again_after_it_was_cut_off_is_told_again() {
    let member = Member::start(&[]);
    let log = connect(&member).await;
    let entries = filled(&log, 20).await;
    let mut follower = log.follow(entries[19].position).await.unwrap();
    for index in [9, 19] {
        assert!(log.store_dump(dump(entries[index].position, "a dump")).await.unwrap());
    }
    append(&log, key(1, 5)).await;
    append(&log, key(1, 15)).await;
    let end = log.end().await.unwrap();
    let again = told(&mut follower, entries[19].position, end).await;
    assert_eq!(keys(&again), [key(1, 5)]);
    assert!(again[0].position > entries[19].position);
    assert_eq!(all(&log, entries[19].position).await, again);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_killed_goes_on_where_it_was() {
    let mut member = Member::start(&[]);
    let log = connect(&member).await;
    let entries = filled(&log, 50).await;
    let mut follower = log.follow(Position(0)).await.unwrap();
    assert_eq!(told(&mut follower, Position(0), entries[49].position).await, entries);
    member.kill();
    let error = loop {
        match next(&mut follower).await {
            Ok(Event::Reached(_)) => {}
            Ok(told) => panic!("{told:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LogError::Unavailable { .. }), "{error}");
    let error = log.append(key(1, 51), says(key(1, 51))).await.unwrap_err();
    assert!(error.is_temporary() && !error.is_refusal(), "{error}");
    assert!(next(&mut follower).await.is_err());
    member.restart();
    let mut follower = eventually(async || log.follow(entries[49].position).await).await;
    append(&log, key(1, 51)).await;
    let end = log.end().await.unwrap();
    assert_eq!(keys(&told(&mut follower, entries[49].position, end).await), [key(1, 51)]);
    assert_eq!(all(&log, Position(0)).await[..50], entries);
}

/// Repeats what fails for a time, as whoever uses a log does.
async fn eventually<T>(attempt: impl AsyncFn() -> Result<T, LogError>) -> T {
    let begin = Instant::now();
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => {
                assert!(error.is_temporary(), "{error}");
                assert!(begin.elapsed() < Duration::from_secs(60), "{error}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_hangs_is_noticed() {
    let member = Member::start(&[]);
    let options = options().request_timeout(Duration::from_secs(1));
    let log = connect_with(&member, options).await;
    let mut follower = log.follow(Position(0)).await.unwrap();
    append(&log, key(1, 1)).await;
    let end = log.end().await.unwrap();
    told(&mut follower, Position(0), end).await;
    member.signal("-STOP");
    let begin = Instant::now();
    let error = next(&mut follower).await.unwrap_err();
    assert!(matches!(error, LogError::Unavailable { .. }), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    let error = log.append(key(1, 2), says(key(1, 2))).await.unwrap_err();
    assert!(error.is_temporary() && !error.is_refusal(), "{error}");
    member.signal("-CONT");
    eventually(async || log.append(key(1, 2), says(key(1, 2))).await).await;
    assert_eq!(keys(&all(&log, Position(0)).await), [key(1, 1), key(1, 2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_of_a_member_without_a_majority_fails() {
    let mut members = Member::start_all(3, &[]);
    let endpoints: Vec<_> = members.iter().map(Member::endpoint).collect();
    let log = eventually(async || EtcdLog::connect(endpoints.clone(), options()).await).await;
    // A member that is lost does not matter for long, whichever it is.
    for (sequence, lost) in (1..).zip(&mut members) {
        lost.kill();
        let entry = key(1, sequence);
        eventually(async || log.append(entry, says(entry)).await).await;
        lost.restart();
        lost.wait();
    }
    let last =
        eventually(async || EtcdLog::connect([members[2].endpoint()], options()).await).await;
    let end = eventually(async || last.end().await).await;
    let mut follower = last.follow(Position(0)).await.unwrap();
    assert_eq!(keys(&told(&mut follower, Position(0), end).await).len(), 3);
    members[0].kill();
    members[1].kill();
    let begin = Instant::now();
    let error = loop {
        match next(&mut follower).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LogError::Unavailable { .. }), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

const PASSWORD: &str = "a-secret-password";

fn with_access_control(member: &Member) {
    member.control(&["user", "add", &format!("root:{PASSWORD}")]);
    member.control(&["user", "grant-role", "root", "root"]);
    member.control(&["auth", "enable"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_control_is_obeyed_and_credentials_are_shown_nowhere() {
    let mut member = Member::start(&[]);
    with_access_control(&member);
    let log = connect_with(&member, options().user("root", PASSWORD)).await;
    let entries = filled(&log, 5).await;
    let mut follower = log.follow(Position(0)).await.unwrap();
    assert_eq!(told(&mut follower, Position(0), entries[4].position).await, entries);
    let shown = format!("{log:?} {follower:?} {:?}", options().user("root", PASSWORD));
    assert!(!shown.contains(PASSWORD), "{shown}");

    let wrong = "another-secret-password";
    let denied = EtcdLog::connect([member.endpoint()], options().user("root", wrong)).await;
    let nobody = EtcdLog::connect([member.endpoint()], options()).await;
    for error in [denied.unwrap_err(), nobody.unwrap_err()] {
        assert!(matches!(error, LogError::Denied { .. }), "{error}");
        assert!(error.is_refusal());
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(wrong) && !shown.contains(PASSWORD), "{shown}");
    }

    // A member that starts again knows none of the tokens that it has given.
    member.kill();
    member.restart();
    eventually(async || log.append(key(1, 6), says(key(1, 6))).await).await;
    assert_eq!(all(&log, Position(0)).await.len(), 6);

    member.control(&["--user", &format!("root:{PASSWORD}"), "auth", "disable"]);
    let error = EtcdLog::connect([member.endpoint()], options().user("root", wrong)).await;
    assert!(matches!(error, Err(LogError::Denied { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_has_ended_is_exchanged() {
    let member = Member::start(&["--auth-token-ttl", "1"]);
    with_access_control(&member);
    let patient = options().user("root", PASSWORD).silence(Duration::from_secs(60));
    let log = connect_with(&member, patient).await;
    // Nothing but time ends a token.
    tokio::time::sleep(Duration::from_secs(3)).await;
    append(&log, key(1, 1)).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut follower = log.follow(Position(0)).await.unwrap();
    let Ok(Event::Entry(entry)) = next(&mut follower).await else { panic!("no entry") };
    assert_eq!(entry.key, key(1, 1));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(log.store_dump(dump(entry.position, "a dump")).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_must_not_is_denied() {
    let member = Member::start(&[]);
    for arguments in [
        &["user", "add", &format!("reader:{PASSWORD}")][..],
        &["role", "add", "read"],
        &["role", "grant-permission", "--prefix=true", "read", "read", "test/cluster"],
        &["user", "grant-role", "reader", "read"],
    ] {
        member.control(arguments);
    }
    let writer = connect(&member).await;
    let entries = filled(&writer, 3).await;
    with_access_control(&member);
    let log = connect_with(&member, options().user("reader", PASSWORD)).await;
    let mut follower = log.follow(Position(0)).await.unwrap();
    assert_eq!(told(&mut follower, Position(0), entries[2].position).await, entries);
    // Who can only read has an end, of which followers are told.
    let reader = connect_with(&member, options().user("reader", PASSWORD)).await;
    assert_eq!(all(&reader, Position(0)).await, entries);
    let error = log.append(key(1, 4), says(key(1, 4))).await.unwrap_err();
    assert!(matches!(error, LogError::Denied { .. }), "{error}");
    // The one who was there before access was controlled is nobody now.
    let error = writer.append(key(1, 4), says(key(1, 4))).await.unwrap_err();
    assert!(matches!(error, LogError::Denied { .. }), "{error}");
    let elsewhere = EtcdOptions::new("other").user("reader", PASSWORD);
    let error = EtcdLog::connect([member.endpoint()], elsewhere).await.unwrap_err();
    assert!(matches!(error, LogError::Denied { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_is_full_says_so() {
    let member = Member::start(&["--quota-backend-bytes", "8000000"]);
    let log = connect(&member).await;
    let others = connect_with(&member, EtcdOptions::new("others")).await;
    for sequence in 1..=3 {
        log.append(key(1, sequence), vec![1; 500_000].into()).await.unwrap();
    }
    // Others take the rest, and more: etcd finds out late how much it has.
    let mut others_sequence = 0;
    loop {
        others_sequence += 1;
        match others.append(key(1, others_sequence), vec![1; 500_000].into()).await {
            Ok(()) => assert!(others_sequence < 200, "etcd is never full"),
            Err(error) => break assert!(matches!(error, LogError::Full { .. }), "{error}"),
        }
    }
    let sequence = 4;
    let error = log.append(key(1, sequence), vec![1; 500_000].into()).await.unwrap_err();
    assert!(matches!(error, LogError::Full { .. }), "{error}");
    // Etcd may have kept it all the same.
    assert!(error.is_temporary() && !error.is_refusal());
    let error = log.store_dump(dump(Position(1), "a dump")).await.unwrap_err();
    assert!(matches!(error, LogError::Full { .. }), "{error}");
    // What is there can be read, up to an end that nothing marks, by who comes now too.
    let late = connect(&member).await;
    for log in [&log, &late] {
        let end = log.end().await.unwrap();
        let mut follower = log.follow(Position(0)).await.unwrap();
        let (mut told, mut reached) = (0, Position(0));
        while reached < end {
            match next(&mut follower).await.unwrap() {
                Event::Entry(entry) => {
                    told += 1;
                    assert_eq!(entry.key, key(1, told));
                    reached = entry.position;
                }
                Event::Reached(position) => reached = position,
            }
        }
        assert!(told >= sequence - 1, "{told} of {sequence}");
    }
    member.control(&["del", "--prefix", "others/"]);
    member.control(&["compact", "--physical", &member.revision().to_string()]);
    member.control(&["defrag"]);
    // What was refused may raise the alarm once more, a little later.
    let mut left = 20;
    loop {
        member.control(&["alarm", "disarm"]);
        match log.append(key(2, 1), says(key(2, 1))).await {
            Ok(()) => break,
            Err(error) => assert!(matches!(error, LogError::Full { .. }) && left > 0, "{error}"),
        }
        left -= 1;
    }
    assert_eq!(keys(&all(&log, Position(member.revision() - 1)).await), [key(2, 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_is_too_large_is_refused() {
    let member = Member::start(&[]);
    let log = connect(&member).await;
    assert_eq!(log.most_bytes(), 1 << 20);
    let most = Bytes::from(vec![0; log.most_bytes()]);
    log.append(key(1, 1), most).await.unwrap();
    let larger = vec![0; log.most_bytes() + 1];
    let error = log.append(key(1, 2), larger.into()).await.unwrap_err();
    assert_eq!(error, LogError::EntryTooLarge { bytes: 1_048_577, most: 1_048_576 });
    // Etcd may have a bound that is smaller than ours: one of its own, and one of its server's.
    let log = connect_with(&member, options().most_bytes(1 << 30)).await;
    for bytes in [1_600_000, 3_000_000] {
        let error = log.append(key(1, 2), vec![0; bytes].into()).await.unwrap_err();
        assert!(matches!(error, LogError::EntryTooLarge { .. }), "{error}");
        assert!(error.is_refusal());
    }
    let mut follower = log.follow(Position(0)).await.unwrap();
    let Ok(Event::Entry(entry)) = next(&mut follower).await else { panic!("no entry") };
    assert_eq!((entry.key, entry.bytes.len()), (key(1, 1), 1 << 20));
    append(&log, key(1, 2)).await;
    let end = log.end().await.unwrap();
    assert_eq!(keys(&told(&mut follower, entry.position, end).await), [key(1, 2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_that_is_not_whole_is_damaged() {
    let member = Member::start(&[]);
    let log = connect_with(&member, options().chunk_bytes(1000)).await;
    let bytes: Vec<u8> = (0..10_500).map(|byte| byte as u8).collect();
    assert!(log.store_dump(dump(Position(1), bytes.clone())).await.unwrap());
    assert_eq!(log.newest_dump().await.unwrap().unwrap().bytes, bytes);
    let list = member.control(&["get", "--prefix", "--keys-only", "test/cluster/dump/"]);
    let chunks: Vec<_> = list.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(chunks.len(), 11);
    let damage = async || match log.newest_dump().await.unwrap_err() {
        LogError::Damaged { reason } => reason,
        error => panic!("{error}"),
    };
    member.control(&["put", chunks[10], &"x".repeat(500)]);
    assert!(damage().await.contains("checksum"));
    member.control(&["put", chunks[10], "x"]);
    assert!(damage().await.contains("length"));
    member.control(&["del", chunks[3]]);
    assert!(damage().await.contains("missing"));
    member.control(&["put", "test/cluster/newest", "x"]);
    assert!(damage().await.contains("unknown format"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_loads_dumps_while_new_ones_come_has_a_whole_one() {
    let member = Member::start(&[]);
    let log = connect_with(&member, options().chunk_bytes(1000)).await;
    assert!(log.store_dump(dump(Position(1), vec![1; 20_000])).await.unwrap());
    let (writer, other) = (log.clone(), log.clone());
    let stores = tokio::spawn(async move {
        for position in 2..=60 {
            let bytes = vec![position as u8; 20_000 + position as usize];
            assert!(writer.store_dump(dump(Position(position), bytes)).await.unwrap());
        }
    });
    let mut before = Position(0);
    while before < Position(60) {
        let newest = other.newest_dump().await.unwrap().unwrap();
        assert!(newest.position >= before);
        let Position(position) = newest.position;
        assert!(newest.bytes.iter().all(|byte| *byte == position as u8));
        assert!(position == 1 || newest.bytes.len() == 20_000 + position as usize);
        before = newest.position;
    }
    stores.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_dump_goes_there_and_back() {
    let member = Member::start(&[]);
    let log = connect(&member).await;
    let bytes: Vec<u8> = (0..64 << 18).flat_map(|word: u32| word.to_le_bytes()).collect();
    let begin = Instant::now();
    assert!(log.store_dump(dump(Position(1), bytes.clone())).await.unwrap());
    let stored = begin.elapsed();
    let loaded = log.newest_dump().await.unwrap().unwrap();
    println!("64 MiB: stored in {stored:?}, loaded in {:?}", begin.elapsed() - stored);
    assert!(loaded.bytes == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_is_stored_though_some_of_it_is_late() {
    let member = Member::start(&[]);
    let timeout = Duration::from_millis(500);
    let log = connect_with(&member, options().chunk_bytes(100).request_timeout(timeout)).await;
    let stores = log.clone();
    let bytes = Bytes::from(vec![7; 200_000]);
    let stored = dump(Position(1), bytes);
    let expected = stored.clone();
    let storing = tokio::spawn(async move { stores.store_dump(stored).await });
    let begun = member.revision();
    while member.revision() < begun + 10 {}
    member.signal("-STOP");
    assert!(!storing.is_finished());
    // Longer than a request may take.
    tokio::time::sleep(timeout + timeout / 2).await;
    member.signal("-CONT");
    assert_eq!(storing.await.unwrap(), Ok(true));
    assert_eq!(eventually(async || log.newest_dump().await).await, Some(expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_has_gone_back_is_damaged() {
    let member = Member::start(&[]);
    let log = connect(&member).await;
    let entries = filled(&log, 3).await;
    let error = log.follow(Position(entries[2].position.0 + 100)).await.unwrap_err();
    assert!(matches!(error, LogError::Damaged { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_restored_from_a_backup_is_not_followed_as_if_it_were_the_same() {
    // One follower was told of entries that are lost, one only of an end.
    for lost in [2, 0] {
        let mut member = Member::start(&[]);
        let before = filled(&connect(&member).await, 3).await;
        let backup = member.back_up();
        let log = eventually(async || EtcdLog::connect([member.endpoint()], options()).await).await;
        append_all(&log, 2, 1..=lost).await;
        for _ in 0..10 {
            member.control(&["put", "a", "foreign"]);
        }
        let reached = log.end().await.unwrap();
        let mut follower = log.follow(Position(0)).await.unwrap();
        let entries = told(&mut follower, Position(0), reached).await;
        assert_eq!(entries.len(), before.len() + lost as usize);

        member.go_back(backup);
        let others = async || EtcdLog::connect([member.endpoint()], options()).await;
        let others = eventually(others).await;
        append_all(&others, 3, 1..=1).await;
        while member.revision() <= reached.0 {
            member.control(&["put", "a", "foreign"]);
        }
        append_all(&others, 3, 2..=2).await;
        let error = fails(&log, reached).await;
        assert!(matches!(error, LogError::Damaged { .. }), "{error}");
        // Whoever comes new is told what there is.
        let end = others.end().await.unwrap();
        let now = told(&mut others.follow(Position(0)).await.unwrap(), Position(0), end).await;
        assert_eq!(now[..before.len()], before);
        assert_eq!(keys(&now[before.len()..]), [key(3, 1), key(3, 2)]);
    }
}

/// Returns what a follower fails with, now or when something is told.
async fn fails(log: &EtcdLog, after: Position) -> LogError {
    let begin = Instant::now();
    loop {
        let error = match log.follow(after).await {
            Ok(mut follower) => match next(&mut follower).await {
                Ok(event) => panic!("{event:?} is told after {after}"),
                Err(error) => error,
            },
            Err(error) => error,
        };
        if !error.is_temporary() || begin.elapsed() > Duration::from_secs(60) {
            return error;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_goes_on_when_what_it_was_told_last_is_cut_off() {
    let member = Member::start(&[]);
    let log = connect(&member).await;
    let entries = filled(&log, 20).await;
    for position in [entries[19].position, log.end().await.unwrap()] {
        log.store_dump(dump(position, "a dump")).await.unwrap();
    }
    append(&log, key(2, 1)).await;
    let end = log.end().await.unwrap();
    assert!(log.store_dump(dump(end, "a dump")).await.unwrap());
    let mut follower = log.follow(entries[19].position).await.unwrap();
    assert_eq!(keys(&told(&mut follower, entries[19].position, end).await), [key(2, 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_lags_reads_messages_as_large_as_etcd_makes_them() {
    let member = Member::start(&["--max-request-bytes", "8388608"]);
    let log = connect(&member).await;
    let large = Bytes::from(vec![7; log.most_bytes()]);
    for sequence in 1..=20 {
        log.append(key(1, sequence), large.clone()).await.unwrap();
    }
    let mut follower = log.follow(Position(0)).await.unwrap();
    let mut sequence = 0;
    while sequence < 20 {
        if let Event::Entry(entry) = next(&mut follower).await.unwrap() {
            sequence += 1;
            assert_eq!(entry.key, key(1, sequence));
            assert_eq!(entry.bytes, large);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_compact_is_read_many_entries_at_once() {
    let member = Member::start(&[]);
    let log = connect(&member).await;
    let mut appends = JoinSet::new();
    for replica in 1..=20 {
        let log = log.clone();
        appends.spawn(async move { append_all(&log, replica, 1..=100).await });
    }
    appends.join_all().await;
    let large = Bytes::from(vec![7; log.most_bytes()]);
    for sequence in 1..=70 {
        log.append(key(30, sequence), large.clone()).await.unwrap();
    }
    let end = log.end().await.unwrap();
    let mut follower = log.follow(Position(0)).await.unwrap();
    let mut watched = Vec::new();
    while watched.last().is_none_or(|entry: &Entry| entry.key != key(30, 70)) {
        if let Event::Entry(entry) = next(&mut follower).await.unwrap() {
            watched.push(entry);
        }
    }
    drop(follower);
    assert_eq!(watched.len(), 2070);
    member.control(&["compact", &end.to_string()]);
    let asked = member.reads();
    let mut follower = log.follow(Position(0)).await.unwrap();
    for entry in &watched {
        assert!(next(&mut follower).await == Ok(Event::Entry(entry.clone())), "{:?}", entry.key);
    }
    let asked = member.reads() - asked;
    println!("{asked} reads for {} entries", watched.len());
    assert!(asked < 500, "{asked} reads for {} entries", watched.len());
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused() {
    let ours = || ["127.0.0.1:1"];
    for (endpoints, options) in [
        (vec![], options()),
        (vec!["http://root:a-secret-password@127.0.0.1:1"], options()),
        (ours().into(), EtcdOptions::new("")),
        (ours().into(), EtcdOptions::new("a/")),
        (ours().into(), EtcdOptions::new("/a")),
        (ours().into(), options().most_bytes(0)),
        (ours().into(), options().chunk_bytes(0)),
        (ours().into(), options().silence(Duration::ZERO)),
        (vec!["http://no endpoint"], options()),
    ] {
        let error = EtcdLog::connect(endpoints.clone(), options.clone()).await.unwrap_err();
        assert!(matches!(error, LogError::Options { .. }), "{endpoints:?} {options:?}: {error}");
        assert!(error.is_refusal() && !error.is_temporary());
        assert!(!format!("{error} {error:?}").contains(PASSWORD));
    }
    let error = EtcdLog::connect(ours(), options()).await.unwrap_err();
    assert!(matches!(error, LogError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[cfg(feature = "etcd-tls")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_is_reached_over_tls() {
    use provider_tree_cluster::log::{Certificate, Identity, TlsOptions};

    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let read = |name: &str| std::fs::read(path(name)).unwrap();
    std::fs::write(path("names"), "subjectAltName=DNS:etcd.example,IP:127.0.0.1").unwrap();
    let openssl = |arguments: &[&str]| {
        let output = std::process::Command::new("openssl").args(arguments).output();
        let output = output.expect("this test needs openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"];
    for authority in ["authority", "another"] {
        let (private, public) = (path("authority.key"), path(authority));
        let subject = ["-subj", "/CN=authority", "-x509", "-days", "2"];
        let own = [&["req"], &new_key[..], &[&private, "-out", &public], &subject[..]].concat();
        if authority == "another" {
            let other = path("another.key");
            openssl(
                &own.iter().map(|&it| if it == private { &other } else { it }).collect::<Vec<_>>(),
            );
        } else {
            openssl(&own);
        }
    }
    for name in ["member", "client"] {
        let (private, request, public) =
            (path(&format!("{name}.key")), path("request"), path(name));
        openssl(
            &[&["req"], &new_key[..], &[&private, "-out", &request, "-subj", "/CN=x"]].concat(),
        );
        openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &path("authority"),
            "-CAkey",
            &path("authority.key"),
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            &path("names"),
            "-out",
            &public,
        ]);
    }
    let member = Member::start(&[
        "--cert-file",
        &path("member"),
        "--key-file",
        &path("member.key"),
        "--trusted-ca-file",
        &path("authority"),
        "--client-cert-auth",
    ]);
    let trusts = |authority: &str| {
        let tls = TlsOptions::new().ca_certificate(Certificate::from_pem(read(authority)));
        tls.domain_name("etcd.example")
    };
    let identity = Identity::from_pem(read("client"), read("client.key"));
    let connect =
        async |tls: TlsOptions| EtcdLog::connect([member.endpoint()], options().tls(tls)).await;
    let known = trusts("authority").identity(identity.clone());
    assert!(!format!("{:?}", options().tls(known.clone())).contains("Identity"));
    let log = connect(known.clone()).await.unwrap();
    append(&log, key(1, 1)).await;
    assert_eq!(keys(&all(&log, Position(0)).await), [key(1, 1)]);
    for wrong in [
        trusts("authority"),
        trusts("another").identity(identity.clone()),
        known.domain_name("other.example"),
    ] {
        let error = connect(wrong).await.unwrap_err();
        assert!(matches!(error, LogError::Unavailable { .. }), "{error}");
    }
}
