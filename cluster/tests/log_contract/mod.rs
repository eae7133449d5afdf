//! The promises of a [`Log`], as tests that any implementation can run.
//!
//! Each function is a test of a log that is empty. [`contract!`] makes the tests from a function that returns
//! such a log, and whatever must not be dropped before it.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use provider_tree_cluster::log::{
    Entry, EntryKey, Event, Follow, Log, LogError, Position, StoredDump,
};
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

/// Makes a test of each promise. The function named is async, and returns what must not be dropped before
/// the log, and the log.
macro_rules! contract {
    ($fresh:path) => {
        contract! { $fresh:
            all_followers_are_told_one_order,
            an_entry_that_is_appended_again_is_told_once,
            an_entry_that_many_append_is_told_once,
            a_follower_begins_where_it_is_told_to,
            a_follower_waits_for_what_comes,
            an_append_that_is_dropped_is_whole_or_absent,
            a_follower_loses_nothing_when_its_future_is_dropped,
            a_follower_that_is_slow_is_told_all,
            the_end_is_above_all_that_is_durable,
            the_end_is_told,
            the_largest_entry_and_the_smallest_are_kept,
            an_entry_that_is_too_large_is_refused,
            a_dump_cuts_what_the_one_before_it_has,
            a_dump_that_is_not_newer_is_refused,
            dumps_of_any_size_are_kept,
            one_of_many_dumps_is_kept,
            a_follower_is_told_all_or_that_it_is_cut_off,
            dumps_and_appends_go_on_at_once,
        }
    };
    ($fresh:path: $($promise:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let (_guard, log) = $fresh().await;
                log_contract::$promise(log).await;
            }
        )*
    };
}
pub(crate) use contract;

/// How long anything may take before a test fails that would wait for ever.
const LONGEST: Duration = Duration::from_secs(60);

/// Returns a key of a replica of the test.
pub(crate) fn key(replica: u128, sequence: u64) -> EntryKey {
    EntryKey { replica: Uuid::from_u128(replica), sequence }
}

/// Returns what the entry with a key says.
pub(crate) fn says(key: EntryKey) -> Bytes {
    let mut random = fastrand::Rng::with_seed(key.sequence ^ key.replica.as_u64_pair().1);
    let length = random.usize(0..2000);
    Bytes::from_iter(std::iter::repeat_with(|| random.u8(..)).take(length))
}

/// Appends entries of a replica, one after the other.
pub(crate) async fn append_all(
    log: &impl Log,
    replica: u128,
    sequences: impl Iterator<Item = u64>,
) {
    for sequence in sequences {
        let key = key(replica, sequence);
        log.append(key, says(key)).await.unwrap();
    }
}

/// Returns the next entry, and holds what is told of how far it is against it.
pub(crate) async fn next_entry(follower: &mut impl Follow) -> Result<Entry, LogError> {
    let mut reached = None;
    loop {
        match within(follower.next()).await? {
            Event::Entry(entry) => {
                assert!(reached < Some(entry.position), "{} after {reached:?}", entry.position);
                return Ok(entry);
            }
            Event::Reached(position) => reached = reached.max(Some(position)),
        }
    }
}

/// Returns as many entries as there are to be after `after`.
pub(crate) async fn entries(log: &impl Log, after: Position, count: usize) -> Vec<Entry> {
    let mut follower = log.follow(after).await.unwrap();
    take(&mut follower, after, count).await
}

/// Returns the next entries of a follower, in their order and as they were appended.
pub(crate) async fn take(follower: &mut impl Follow, after: Position, count: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut last = after;
    while entries.len() < count {
        let entry = next_entry(follower).await.unwrap();
        assert!(entry.position > last, "{} after {last}", entry.position);
        assert_eq!(entry.bytes, says(entry.key));
        last = entry.position;
        entries.push(entry);
    }
    entries
}

/// Returns the entries that a follower is told until all up to a position have been told.
pub(crate) async fn told(follower: &mut impl Follow, from: Position, to: Position) -> Vec<Entry> {
    let (mut entries, mut reached) = (Vec::new(), from);
    while reached < to {
        match within(follower.next()).await.unwrap() {
            Event::Entry(entry) => {
                assert_eq!(entry.bytes, says(entry.key));
                assert!(entry.position > reached, "{} after {reached}", entry.position);
                reached = entry.position;
                entries.push(entry);
            }
            Event::Reached(position) => {
                assert!(position >= reached, "{position} after {reached}");
                reached = position;
            }
        }
    }
    entries
}

/// Waits, but not for ever.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(LONGEST, future).await.expect("it comes")
}

/// Polls a future once, and drops it.
async fn drop_after_a_poll<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = future => Some(done),
        () = std::future::ready(()) => None,
    }
}

pub(crate) async fn all_followers_are_told_one_order<L: Log + Clone>(log: L) {
    let early = log.follow(Position(0)).await.unwrap();
    let mut tasks = JoinSet::new();
    for replica in 1..=4 {
        let log = log.clone();
        tasks.spawn(async move { append_all(&log, replica, 1..=50).await });
    }
    let mut early = early;
    let told_early = take(&mut early, Position(0), 200).await;
    tasks.join_all().await;
    let told_late = entries(&log, Position(0), 200).await;
    assert_eq!(told_early, told_late);
    for replica in 1..=4 {
        // Each of its appends was done before the next one began.
        let sequences = told_late.iter().map(|entry| entry.key);
        let own = sequences.filter(|key| key.replica.as_u128() == replica);
        assert!(own.map(|key| key.sequence).eq(1..=50));
    }
}

pub(crate) async fn an_entry_that_is_appended_again_is_told_once<L: Log>(log: L) {
    append_all(&log, 1, 1..=5).await;
    append_all(&log, 1, 1..=6).await;
    append_all(&log, 1, (1..=7).rev()).await;
    let told = entries(&log, Position(0), 7).await;
    assert!(told.iter().map(|entry| entry.key.sequence).eq(1..=7));
}

pub(crate) async fn an_entry_that_many_append_is_told_once<L: Log + Clone>(log: L) {
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let log = log.clone();
        tasks.spawn(async move { append_all(&log, 1, 1..=20).await });
    }
    tasks.join_all().await;
    append_all(&log, 2, 1..=1).await;
    let told = entries(&log, Position(0), 21).await;
    assert!(told[..20].iter().map(|entry| entry.key).eq((1..=20).map(|number| key(1, number))));
    assert_eq!(told[20].key, key(2, 1));
}

pub(crate) async fn a_follower_begins_where_it_is_told_to<L: Log>(log: L) {
    append_all(&log, 1, 1..=20).await;
    let all = entries(&log, Position(0), 20).await;
    for begin in [0, 7, 18] {
        let after = entries(&log, all[begin].position, 19 - begin).await;
        assert_eq!(after, all[begin + 1..]);
    }
}

pub(crate) async fn a_follower_waits_for_what_comes<L: Log>(log: L) {
    let mut follower = log.follow(Position(0)).await.unwrap();
    for sequence in 1..=10 {
        let (told, ()) =
            tokio::join!(next_entry(&mut follower), append_all(&log, 1, sequence..=sequence));
        assert_eq!(told.unwrap().key, key(1, sequence));
    }
}

pub(crate) async fn an_append_that_is_dropped_is_whole_or_absent<L: Log>(log: L) {
    for sequence in 1..=50 {
        let key = key(1, sequence);
        if let Some(done) = drop_after_a_poll(log.append(key, says(key))).await {
            done.unwrap();
        }
    }
    append_all(&log, 2, 1..=1).await;
    // Whoever doesn't know repeats.
    append_all(&log, 1, 1..=50).await;
    let told = entries(&log, Position(0), 51).await;
    let keys: HashSet<EntryKey> = told.iter().map(|entry| entry.key).collect();
    assert_eq!(keys.len(), 51);
    // And there is nothing else.
    append_all(&log, 2, 2..=2).await;
    let more = entries(&log, told[50].position, 1).await;
    assert_eq!(more[0].key, key(2, 2));
}

pub(crate) async fn a_follower_loses_nothing_when_its_future_is_dropped<L: Log>(log: L) {
    append_all(&log, 1, 1..=20).await;
    let mut follower = log.follow(Position(0)).await.unwrap();
    let mut told = Vec::new();
    let all = async {
        while told.len() < 40 {
            let event = match drop_after_a_poll(follower.next()).await {
                Some(event) => event,
                None => {
                    tokio::task::yield_now().await;
                    continue;
                }
            };
            if let Event::Entry(entry) = event.unwrap() {
                told.push(entry.key.sequence);
            }
        }
    };
    within(async { tokio::join!(all, append_all(&log, 1, 21..=40)) }).await;
    assert!(told.into_iter().eq(1..=40));
}

pub(crate) async fn a_follower_that_is_slow_is_told_all<L: Log + Clone>(log: L) {
    let mut follower = log.follow(Position(0)).await.unwrap();
    append_all(&log, 1, 1..=1).await;
    assert_eq!(next_entry(&mut follower).await.unwrap().key, key(1, 1));
    let mut tasks = JoinSet::new();
    for replica in 2..=17 {
        let log = log.clone();
        tasks.spawn(async move { append_all(&log, replica, 1..=100).await });
    }
    // Nobody waits for it.
    within(tasks.join_all()).await;
    let told = take(&mut follower, Position(0), 1600).await;
    let keys: HashSet<EntryKey> = told.iter().map(|entry| entry.key).collect();
    assert_eq!(keys.len(), 1600);
}

pub(crate) async fn the_end_is_above_all_that_is_durable<L: Log>(log: L) {
    log.end().await.unwrap();
    let mut after = Position(0);
    for sequence in 1..=10 {
        append_all(&log, 1, sequence..=sequence).await;
        let end = log.end().await.unwrap();
        let told = entries(&log, after, 1).await;
        assert!(told[0].position <= end);
        after = told[0].position;
    }
}

pub(crate) async fn the_end_is_told<L: Log>(log: L) {
    let mut follower = log.follow(Position(0)).await.unwrap();
    let mut reached = Position(0);
    for sequence in 1..=20 {
        // Nothing, an entry, or a dump is new.
        if sequence % 3 == 0 {
            append_all(&log, 1, sequence..=sequence).await;
        }
        if sequence % 7 == 0 {
            let dump = StoredDump { position: reached, bytes: Bytes::new() };
            assert!(log.store_dump(dump).await.unwrap());
        }
        let end = log.end().await.unwrap();
        assert!(end >= reached);
        let entries = told(&mut follower, reached, end).await;
        assert_eq!(entries.len(), usize::from(sequence % 3 == 0));
        reached = end;
    }
}

pub(crate) async fn the_largest_entry_and_the_smallest_are_kept<L: Log>(log: L) {
    let largest = Bytes::from(vec![7; log.most_bytes()]);
    log.append(key(1, 1), largest.clone()).await.unwrap();
    log.append(key(1, 2), Bytes::new()).await.unwrap();
    log.append(key(1, 1), largest.clone()).await.unwrap();
    let mut follower = log.follow(Position(0)).await.unwrap();
    let told = next_entry(&mut follower).await.unwrap();
    assert!(told.key == key(1, 1) && told.bytes == largest);
    let told = next_entry(&mut follower).await.unwrap();
    assert!(told.key == key(1, 2) && told.bytes.is_empty());
}

pub(crate) async fn an_entry_that_is_too_large_is_refused<L: Log>(log: L) {
    let most = log.most_bytes();
    let refused = log.append(key(1, 1), Bytes::from(vec![0; most + 1])).await;
    assert_eq!(refused, Err(LogError::EntryTooLarge { bytes: most + 1, most }));
    append_all(&log, 1, 2..=2).await;
    assert_eq!(entries(&log, Position(0), 1).await[0].key, key(1, 2));
}

pub(crate) async fn a_dump_cuts_what_the_one_before_it_has<L: Log>(log: L) {
    assert_eq!(log.newest_dump().await.unwrap(), None);
    append_all(&log, 1, 1..=30).await;
    let all = entries(&log, Position(0), 30).await;
    let dump_at = |at: usize| StoredDump {
        position: all[at].position,
        bytes: Bytes::from(format!("what is said up to entry {at}")),
    };
    assert!(log.store_dump(dump_at(9)).await.unwrap());
    assert_eq!(log.newest_dump().await.unwrap(), Some(dump_at(9)));
    // The first one has cut nothing.
    assert_eq!(entries(&log, Position(0), 30).await, all);
    for (before, at) in [(9, 19), (19, 29)] {
        assert!(log.store_dump(dump_at(at)).await.unwrap());
        assert_eq!(log.newest_dump().await.unwrap(), Some(dump_at(at)));
        for cut in [Position(0), all[before - 1].position] {
            assert_is_compacted(&log, cut).await;
        }
        let kept = entries(&log, all[before].position, 29 - before).await;
        assert_eq!(kept, all[before + 1..]);
    }
    // What is kept is known still, and what comes is above it.
    append_all(&log, 1, 21..=31).await;
    let kept = entries(&log, all[19].position, 11).await;
    assert!(kept.iter().map(|entry| entry.key.sequence).eq(21..=31));
}

/// Fails unless a follower from there is told that the entries are gone.
pub(crate) async fn assert_is_compacted(log: &impl Log, after: Position) {
    let error = match log.follow(after).await {
        Err(error) => error,
        Ok(mut follower) => next_entry(&mut follower).await.unwrap_err(),
    };
    assert_eq!(error, LogError::Compacted { after });
}

pub(crate) async fn a_dump_that_is_not_newer_is_refused<L: Log>(log: L) {
    append_all(&log, 1, 1..=10).await;
    let all = entries(&log, Position(0), 10).await;
    let dump = |at: usize, says: &'static str| StoredDump {
        position: all[at].position,
        bytes: Bytes::from(says),
    };
    assert!(log.store_dump(dump(3, "first")).await.unwrap());
    assert!(log.store_dump(dump(6, "newest")).await.unwrap());
    for at in [0, 3, 5, 6] {
        assert!(!log.store_dump(dump(at, "late")).await.unwrap());
        assert_eq!(log.newest_dump().await.unwrap(), Some(dump(6, "newest")));
        assert_eq!(entries(&log, all[3].position, 6).await, all[4..]);
    }
}

pub(crate) async fn dumps_of_any_size_are_kept<L: Log>(log: L) {
    append_all(&log, 1, 1..=6).await;
    let all = entries(&log, Position(0), 6).await;
    let mut random = fastrand::Rng::with_seed(1);
    for (entry, length) in all.iter().zip([5_000_000, 0, 1, 1 << 20, 3_000_001, 70]) {
        let bytes: Bytes = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
        let dump = StoredDump { position: entry.position, bytes };
        assert!(log.store_dump(dump.clone()).await.unwrap());
        assert!(log.newest_dump().await.unwrap() == Some(dump), "a dump of {length} bytes");
    }
}

pub(crate) async fn one_of_many_dumps_is_kept<L: Log + Clone>(log: L) {
    append_all(&log, 1, 1..=5).await;
    for entry in entries(&log, Position(0), 5).await {
        let mut tasks = JoinSet::new();
        for writer in 0..8_u8 {
            let log = log.clone();
            let bytes = Bytes::from(vec![writer; 1000]);
            let dump = StoredDump { position: entry.position, bytes };
            tasks.spawn(async move { log.store_dump(dump.clone()).await.unwrap().then_some(dump) });
        }
        let kept: Vec<StoredDump> = tasks.join_all().await.into_iter().flatten().collect();
        assert_eq!(kept.len(), 1);
        assert_eq!(log.newest_dump().await.unwrap().as_ref(), kept.first());
    }
}

pub(crate) async fn a_follower_is_told_all_or_that_it_is_cut_off<L: Log>(log: L) {
    append_all(&log, 1, 1..=100).await;
    let all = entries(&log, Position(0), 100).await;
    let mut begun = log.follow(Position(0)).await.unwrap();
    assert_eq!(next_entry(&mut begun).await.unwrap(), all[0]);
    let mut idle = log.follow(Position(0)).await.unwrap();
    for at in [79, 99] {
        let dump = StoredDump { position: all[at].position, bytes: Bytes::new() };
        assert!(log.store_dump(dump).await.unwrap());
    }
    for (follower, mut told) in [(&mut begun, 1), (&mut idle, 0)] {
        let mut compacted = None;
        while told < 100 && compacted.is_none() {
            match next_entry(follower).await {
                Ok(entry) => {
                    assert_eq!(entry, all[told]);
                    told += 1;
                }
                Err(error) => compacted = Some(error),
            }
        }
        if let Some(error) = compacted {
            let after = told.checked_sub(1).map_or(Position(0), |last| all[last].position);
            assert_eq!(error, LogError::Compacted { after });
            assert!(told < 80, "those after {after} have not been cut off");
        }
    }
}

pub(crate) async fn dumps_and_appends_go_on_at_once<L: Log + Clone>(log: L) {
    let mut appenders = JoinSet::new();
    for replica in 1..=3 {
        let log = log.clone();
        appenders.spawn(async move { append_all(&log, replica, 1..=60).await });
    }
    let mut follower = log.follow(Position(0)).await.unwrap();
    let mut sequences: HashMap<Uuid, u64> = HashMap::new();
    for told in 1..=180 {
        // It follows at the end, so nothing that it has not been told is cut off.
        let entry = next_entry(&mut follower).await.unwrap();
        let sequence = sequences.entry(entry.key.replica).or_default();
        assert_eq!(*sequence + 1, entry.key.sequence);
        *sequence = entry.key.sequence;
        if told % 20 == 0 {
            let dump = StoredDump { position: entry.position, bytes: entry.bytes };
            assert!(log.store_dump(dump).await.unwrap());
        }
    }
    appenders.join_all().await;
}
