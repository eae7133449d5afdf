//! What every log promises, as tests of any log that is empty.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use provider_tree_cluster::log::{
    Entry, EntryKey, Event, Follow, Log, LogError, Position, StoredDump,
};
use tokio::time::timeout;
use uuid::Uuid;

pub(crate) fn key(replica: u128, sequence: u64) -> EntryKey {
    EntryKey { replica: Uuid::from_u128(replica), sequence }
}

/// Returns what the entry of a key says in these tests.
pub(crate) fn says(key: EntryKey) -> Bytes {
    format!("{} {}", key.replica, key.sequence).into()
}

pub(crate) async fn append<L: Log>(log: &L, key: EntryKey) {
    log.append(key, says(key)).await.unwrap();
}

pub(crate) async fn next<F: Follow>(follower: &mut F) -> Result<Event, LogError> {
    let next = timeout(Duration::from_secs(30), follower.next()).await;
    next.expect("a follower is told something within half a minute")
}

/// Returns the entries that a follower is told until all up to a position have been told.
pub(crate) async fn told<F: Follow>(follower: &mut F, from: Position, to: Position) -> Vec<Entry> {
    let (mut entries, mut reached) = (Vec::new(), from);
    while reached < to {
        let position = match next(follower).await.unwrap() {
            Event::Entry(entry) => {
                assert_eq!(entry.bytes, says(entry.key));
                let position = entry.position;
                entries.push(entry);
                assert!(position > reached, "{position} after {reached}");
                position
            }
            Event::Reached(position) => {
                assert!(position >= reached, "{position} after {reached}");
                position
            }
        };
        reached = position;
    }
    entries
}

/// Returns all entries that a log has after a position.
pub(crate) async fn all<L: Log>(log: &L, after: Position) -> Vec<Entry> {
    let end = log.end().await.unwrap();
    told(&mut log.follow(after).await.unwrap(), after, end).await
}

pub(crate) fn keys(entries: &[Entry]) -> Vec<EntryKey> {
    entries.iter().map(|entry| entry.key).collect()
}

pub(crate) fn dump(position: Position, bytes: impl Into<Bytes>) -> StoredDump {
    StoredDump { position, bytes: bytes.into() }
}

pub(crate) async fn entries_are_told_in_order_and_once<L: Log>(log: L) {
    let mut early = log.follow(Position(0)).await.unwrap();
    for sequence in 1..=50 {
        append(&log, key(1, sequence)).await;
        append(&log, key(1, sequence.div_ceil(2))).await;
    }
    let end = log.end().await.unwrap();
    let entries = told(&mut early, Position(0), end).await;
    assert_eq!(keys(&entries), (1..=50).map(|sequence| key(1, sequence)).collect::<Vec<_>>());
    assert_eq!(all(&log, Position(0)).await, entries);
}

pub(crate) async fn followers_are_told_the_same<L: Log + Clone>(log: L) {
    let mut followers =
        [log.follow(Position(0)).await.unwrap(), log.follow(Position(0)).await.unwrap()];
    let appenders: Vec<_> = (1..=4)
        .map(|replica| {
            let log = log.clone();
            tokio::spawn(async move {
                for sequence in 1..=100 {
                    append(&log, key(replica, sequence)).await;
                }
            })
        })
        .collect();
    for appender in appenders {
        appender.await.unwrap();
    }
    let end = log.end().await.unwrap();
    let [one, other] = &mut followers;
    let entries = told(one, Position(0), end).await;
    assert_eq!(told(other, Position(0), end).await, entries);
    assert_eq!(entries.len(), 400);
    for middle in [0, 1, 199, 398, 399] {
        let after = entries[middle].position;
        assert_eq!(all(&log, after).await, entries[middle + 1..]);
    }
}

pub(crate) async fn an_entry_that_is_dropped_is_there_or_not<L: Log + Clone>(log: L) {
    for sequence in 1..=200_u64 {
        let patience = Duration::from_micros(sequence * 10);
        _ = timeout(patience, append(&log, key(1, sequence))).await;
    }
    let before = all(&log, Position(0)).await;
    for sequence in 1..=200 {
        append(&log, key(1, sequence)).await;
    }
    let after = all(&log, Position(0)).await;
    assert_eq!(after.len(), 200);
    assert_eq!(keys(&after).into_iter().collect::<BTreeSet<_>>().len(), 200);
    // Some may have come between the two, but none has moved.
    let places: BTreeMap<_, _> = after.iter().map(|entry| (entry.key, entry.position)).collect();
    assert!(before.iter().all(|entry| places[&entry.key] == entry.position));
}

pub(crate) async fn the_end_is_reached<L: Log>(log: L) {
    let mut follower = log.follow(Position(0)).await.unwrap();
    let mut reached = Position(0);
    for sequence in 1..=20 {
        if sequence % 3 == 0 {
            append(&log, key(1, sequence)).await;
        }
        if sequence % 7 == 0 {
            log.store_dump(dump(reached, "a dump")).await.unwrap();
        }
        let end = log.end().await.unwrap();
        assert!(end >= reached);
        told(&mut follower, reached, end).await;
        reached = end;
    }
}

pub(crate) async fn a_dump_cuts_off_what_the_one_before_it_has<L: Log>(log: L) {
    assert_eq!(log.newest_dump().await, Ok(None));
    for sequence in 1..=30 {
        append(&log, key(1, sequence)).await;
    }
    let entries = all(&log, Position(0)).await;
    let [first, second, third] = [9, 19, 29].map(|index| entries[index].position);
    let mut running = log.follow(Position(0)).await.unwrap();

    assert_eq!(log.store_dump(dump(first, "first")).await, Ok(true));
    assert_eq!(log.newest_dump().await, Ok(Some(dump(first, "first"))));
    assert_eq!(all(&log, Position(0)).await, entries);

    assert_eq!(log.store_dump(dump(first, "again")).await, Ok(false));
    assert_eq!(log.store_dump(dump(entries[3].position, "older")).await, Ok(false));
    assert_eq!(log.newest_dump().await, Ok(Some(dump(first, "first"))));

    assert_eq!(log.store_dump(dump(second, "second")).await, Ok(true));
    assert_eq!(log.newest_dump().await, Ok(Some(dump(second, "second"))));
    assert_eq!(all(&log, first).await, entries[10..]);
    is_compacted(&log, Position(0)).await;
    is_compacted(&log, entries[8].position).await;

    assert_eq!(log.store_dump(dump(third, "")).await, Ok(true));
    assert_eq!(log.newest_dump().await, Ok(Some(dump(third, ""))));
    is_compacted(&log, first).await;
    assert_eq!(all(&log, second).await, entries[20..]);

    // Whoever was following either is told everything, or that it can't be.
    let mut seen = Vec::new();
    while seen.len() < entries.len() {
        match next(&mut running).await {
            Ok(Event::Entry(entry)) => seen.push(entry),
            Ok(Event::Reached(position)) => {
                assert_eq!(seen[..], entries[..seen.len()]);
                assert!(seen.len() == entries.len() || position < entries[seen.len()].position);
            }
            Err(LogError::Compacted { .. }) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(seen[..], entries[..seen.len()]);
}

pub(crate) async fn is_compacted<L: Log>(log: &L, after: Position) {
    let error = match log.follow(after).await {
        Ok(mut follower) => loop {
            match next(&mut follower).await {
                Ok(Event::Entry(entry)) => panic!("{after} is followed by {entry:?}"),
                Ok(Event::Reached(_)) => {}
                Err(error) => break error,
            }
        },
        Err(error) => error,
    };
    assert_eq!(error, LogError::Compacted { after });
}

pub(crate) async fn one_of_two_dumps_at_once_is_stored<L: Log + Clone>(log: L) {
    let mut wins = 0;
    for round in 1..=10 {
        append(&log, key(1, round)).await;
        let position = log.end().await.unwrap();
        let stores: Vec<_> = (0..3_u8)
            .map(|store| {
                let (log, bytes) = (log.clone(), vec![store; 100_000 + store as usize]);
                tokio::spawn(async move { log.store_dump(dump(position, bytes)).await.unwrap() })
            })
            .collect();
        let mut stored = Vec::new();
        for (store, task) in stores.into_iter().enumerate() {
            if task.await.unwrap() {
                stored.push(store);
            }
        }
        assert_eq!(stored.len(), 1);
        let newest = log.newest_dump().await.unwrap().unwrap();
        assert_eq!(newest, dump(position, vec![stored[0] as u8; 100_000 + stored[0]]));
        wins += stored[0];
    }
    // Not always the last one: that would show that they were not at once.
    assert!(wins < 20);
}
