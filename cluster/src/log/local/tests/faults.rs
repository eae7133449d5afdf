//! A log on a disk that fails: what it has answered `Ok` to is there afterwards, and what it has told.
//!
//! All runs on the thread of the test, so that a seed always does the same.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use fastrand::Rng;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::disk::{Disk, FAILURES, Failure};
use crate::log::local::shared::Shared;
use crate::log::local::store;
use crate::log::local::writer::{Append, Request, Writer};
use crate::log::local::{LocalLog, LogError};
use crate::log::{Entry, EntryKey, Position, StoredDump};

#[test]
fn what_was_answered_survives_every_failure() {
    let mut seen = Seen::default();
    for seed in 0..250 {
        println!("seed {seed}");
        seen.add(Run::new(seed).failing());
    }
    println!("{seen:?}");
    // The rounds are of use only if the disk has failed in most of them, and in all ways.
    assert!(seen.failed > 300 && seen.answered_then_failed > 100, "{seen:?}");
    assert!(seen.not_opened > 5 && seen.survived_unanswered > 10, "{seen:?}");
    assert!(seen.lost_unanswered > 10 && seen.cut > 50, "{seen:?}");
}

#[test]
fn a_full_disk_refuses_what_it_has_not_and_goes_on_when_there_is_room() {
    let mut seen = Seen::default();
    for seed in 0..150 {
        println!("seed {seed}");
        seen.add(Run::new(seed).filling());
    }
    println!("{seen:?}");
    assert!(seen.full > 100 && seen.went_on > 100, "{seen:?}");
}

#[test]
fn a_log_has_ended_after_a_sync_that_failed() {
    let disk = Disk::new(1);
    let (log, mut writer) = assemble(&disk).unwrap();
    let key = |sequence| EntryKey { replica: Uuid::from_u128(1), sequence };
    assert_eq!(append(&log, &mut writer, key(1), says(key(1))), Ok(()));
    disk.fail(Failure::Sync, 0);
    let failed = append(&log, &mut writer, key(2), says(key(2))).unwrap_err();
    assert!(matches!(failed, LogError::Ended { .. }) && !failed.is_refusal(), "{failed:?}");
    // The disk works again, but the log doesn't until it is opened anew, which it can be at once.
    assert_eq!(append(&log, &mut writer, key(3), says(key(3))), Err(failed.clone()));
    assert_eq!(append(&log, &mut writer, key(1), says(key(1))), Err(failed.clone()));
    assert_eq!(log.shared.extent(), Err(failed.clone()));
    assert_eq!(log.shared.read(store::newest_dump), Err(failed));
    let (log, mut writer) = assemble(&disk).unwrap();
    assert_eq!(append(&log, &mut writer, key(3), says(key(3))), Ok(()));
    let told: Vec<_> = read_all(&log.shared).into_iter().map(|entry| entry.key.sequence).collect();
    assert!(told == [1, 3] || told == [1, 2, 3], "{told:?}");
}

/// Counts what has been seen, to tell that the tests have tested something.
#[derive(Default, Debug)]
struct Seen {
    failed: usize,
    answered_then_failed: usize,
    not_opened: usize,
    survived_unanswered: usize,
    lost_unanswered: usize,
    cut: usize,
    full: usize,
    went_on: usize,
}

impl Seen {
    fn add(&mut self, other: Seen) {
        self.failed += other.failed;
        self.answered_then_failed += other.answered_then_failed;
        self.not_opened += other.not_opened;
        self.survived_unanswered += other.survived_unanswered;
        self.lost_unanswered += other.lost_unanswered;
        self.cut += other.cut;
        self.full += other.full;
        self.went_on += other.went_on;
    }
}

/// Holds what a log has been asked, and what it has said.
struct Run {
    random: Rng,
    disk: Disk,
    sequence: u64,
    /// What has been asked for, and not been refused afterwards.
    asked: HashSet<EntryKey>,
    answered: HashSet<EntryKey>,
    refused: HashSet<EntryKey>,
    told: BTreeMap<Position, Entry>,
    dumps: HashMap<Position, Bytes>,
    newest_dump: Option<Position>,
}

impl Run {
    fn new(seed: u64) -> Run {
        Run {
            random: Rng::with_seed(seed),
            disk: Disk::new(seed),
            sequence: 0,
            asked: HashSet::new(),
            answered: HashSet::new(),
            refused: HashSet::new(),
            told: BTreeMap::new(),
            dumps: HashMap::new(),
            newest_dump: None,
        }
    }

    fn failing(mut self) -> Seen {
        let mut seen = Seen::default();
        // More than one life, as what a failure leaves must do for the next one.
        for _ in 0..3 {
            let failure = FAILURES[self.random.usize(0..FAILURES.len())];
            let most = match failure {
                Failure::Sync => 30,
                Failure::Read => 40,
                Failure::Write | Failure::Torn | Failure::Power => 300,
            };
            self.disk.fail(failure, self.random.usize(0..most));
            match assemble(&self.disk) {
                Ok((log, mut writer)) => {
                    for _ in 0..15 {
                        self.turn(&log, &mut writer);
                        if log.shared.extent().is_err() {
                            seen.answered_then_failed += usize::from(!self.answered.is_empty());
                            break;
                        }
                    }
                }
                Err(error) => {
                    seen.not_opened += 1;
                    assert!(matches!(error, LogError::Unavailable { .. }), "{error:?}");
                }
            }
            seen.failed += usize::from(self.disk.has_failed());
            self.disk = self.disk.crash();
            self.check(&mut seen);
        }
        seen
    }

    fn filling(mut self) -> Seen {
        let mut seen = Seen::default();
        let (log, mut writer) = assemble(&self.disk).unwrap();
        for _ in 0..3 {
            self.disk.has_room(self.disk.length() + self.random.usize(0..200_000));
            for _ in 0..200 {
                self.turn(&log, &mut writer);
                if self.disk.has_failed() {
                    break;
                }
            }
            seen.full += self.refused.len();
            self.disk.has_room(usize::MAX);
            if log.shared.extent().is_err() {
                break;
            }
            let before = self.answered.len();
            self.turn(&log, &mut writer);
            self.turn(&log, &mut writer);
            seen.went_on += usize::from(self.answered.len() > before);
            for key in self.refused.clone() {
                assert!(self.told.values().all(|entry| entry.key != key), "{key:?} was refused");
            }
        }
        drop((log, writer));
        self.disk = self.disk.crash();
        self.check(&mut seen);
        seen
    }

    /// Asks for some appends at once, or for a dump, and lets the writer do them.
    fn turn(&mut self, log: &LocalLog, writer: &mut Writer) {
        let mut answers = Vec::new();
        for _ in 0..self.random.usize(1..6) {
            let (answer, answered) = oneshot::channel();
            let key = self.key();
            self.asked.insert(key);
            let request = Append { key, bytes: says(key), answer };
            log.requests.try_send(Request::Append(request)).ok().unwrap();
            // Not everyone waits for the answer.
            if self.random.u8(0..5) > 0 {
                answers.push((key, answered));
            }
        }
        let dump = self.dump(log);
        let (answer, mut stored) = oneshot::channel();
        if let Some(dump) = dump.clone() {
            log.requests.try_send(Request::Dump(dump, answer)).ok().unwrap();
        }
        let first = writer.requests.try_recv().unwrap();
        writer.turn(first);
        self.listen(log);
        for (key, mut answered) in answers {
            match answered.try_recv().unwrap() {
                Ok(()) => {
                    self.answered.insert(key);
                    self.refused.remove(&key);
                }
                Err(LogError::Full { .. }) => {
                    assert!(!self.answered.contains(&key), "{key:?} is in the log");
                    self.refused.insert(key);
                }
                Err(error) => assert!(matches!(error, LogError::Ended { .. }), "{error:?}"),
            }
        }
        if let Some(dump) = dump
            && let Ok(done) = stored.try_recv().unwrap()
        {
            assert_eq!(done, self.newest_dump.is_none_or(|newest| newest < dump.position));
            self.newest_dump = self.newest_dump.max(Some(dump.position));
        }
    }

    /// Returns a key that is new, or one that has been told, as nobody repeats what has been cut off.
    fn key(&mut self) -> EntryKey {
        let kept = self.newest_dump.unwrap_or_default();
        if self.random.u8(0..5) == 0
            && let Some((_, entry)) = self.told.range(Position(kept.0 + 1)..).next()
        {
            return entry.key;
        }
        self.sequence += 1;
        EntryKey { replica: Uuid::from_u128(self.random.u128(0..3)), sequence: self.sequence }
    }

    fn dump(&mut self, log: &LocalLog) -> Option<StoredDump> {
        let end = log.shared.extent().ok()?.end;
        if self.random.u8(0..4) > 0 {
            return None;
        }
        let position = Position(self.random.u64(0..=end.0));
        let length = self.random.usize(0..100_000);
        let bytes = Bytes::from(vec![self.random.u8(..); length]);
        let bytes = self.dumps.entry(position).or_insert(bytes).clone();
        Some(StoredDump { position, bytes })
    }

    /// Notes what followers have been told.
    fn listen(&mut self, log: &LocalLog) {
        let Ok(extent) = log.shared.extent() else { return };
        let last = self.told.last_key_value().map(|(position, _)| *position);
        let mut after = last.unwrap_or_default().max(extent.cut);
        while after < extent.end {
            let page = log.shared.recent().page(after);
            let page = page.unwrap_or_else(|| {
                log.shared.read(|database| store::page(database, after)).unwrap().unwrap()
            });
            for entry in page {
                after = entry.position;
                self.told.insert(after, entry);
            }
        }
    }

    /// Opens what has survived, and holds it against what has been said.
    fn check(&mut self, seen: &mut Seen) {
        let (log, mut writer) = assemble(&self.disk).unwrap();
        let extent = log.shared.extent().unwrap();
        seen.cut += usize::from(extent.cut > Position(0));
        let entries = read_all(&log.shared);
        let mut keys = HashSet::new();
        for entry in &entries {
            assert!(keys.insert(entry.key), "{:?} is there twice", entry.key);
            assert!(self.asked.contains(&entry.key));
            assert!(!self.refused.contains(&entry.key), "{:?} was refused", entry.key);
            assert_eq!(entry.bytes, says(entry.key));
            if let Some(told) = self.told.get(&entry.position) {
                assert_eq!(told, entry);
            }
            seen.survived_unanswered += usize::from(!self.answered.contains(&entry.key));
        }
        if let Some((last, _)) = self.told.last_key_value() {
            assert!(*last <= extent.end, "{last} has been told, but {extent:?} is there");
        }
        for key in &self.answered {
            let told = self.told.values().find(|entry| entry.key == *key);
            let was_cut = told.is_some_and(|told| told.position <= extent.cut);
            assert!(was_cut || keys.contains(key), "{key:?} is lost");
        }
        let told: HashSet<EntryKey> = self.told.values().map(|entry| entry.key).collect();
        seen.lost_unanswered +=
            self.asked.iter().filter(|key| !told.contains(key) && !keys.contains(key)).count();
        let dump = log.shared.read(store::newest_dump).unwrap();
        let position = dump.as_ref().map(|dump| dump.position);
        assert!(position >= self.newest_dump, "{position:?} for {:?}", self.newest_dump);
        assert!(extent.cut <= position.unwrap_or_default());
        if let Some(dump) = dump {
            assert_eq!(self.dumps[&dump.position], dump.bytes);
        }
        self.newest_dump = position;
        self.told.extend(entries.into_iter().map(|entry| (entry.position, entry)));
        // It goes on.
        let key = self.key();
        self.asked.insert(key);
        assert_eq!(append(&log, &mut writer, key, says(key)), Ok(()));
        self.answered.insert(key);
        self.listen(&log);
    }
}

fn assemble(disk: &Disk) -> Result<(LocalLog, Writer), LogError> {
    let disk = disk.clone();
    LocalLog::assemble(Box::new(move || disk.open()))
}

fn append(
    log: &LocalLog,
    writer: &mut Writer,
    key: EntryKey,
    bytes: Bytes,
) -> Result<(), LogError> {
    let (answer, mut answered) = oneshot::channel();
    writer.turn(Request::Append(Append { key, bytes, answer }));
    assert_eq!(log.requests.capacity(), log.requests.max_capacity());
    answered.try_recv().unwrap()
}

/// Returns all entries that have not been cut off.
fn read_all(shared: &Shared) -> Vec<Entry> {
    let extent = shared.extent().unwrap();
    let mut entries = Vec::new();
    let mut after = extent.cut;
    while after < extent.end {
        entries.extend(shared.read(|database| store::page(database, after)).unwrap().unwrap());
        after = entries.last().unwrap().position;
    }
    entries
}

/// Returns what the entry with the key says.
fn says(key: EntryKey) -> Bytes {
    let mut random = Rng::with_seed(key.sequence);
    let length = if random.u8(0..10) == 0 { 60_000 } else { random.usize(0..3000) };
    Bytes::from(vec![random.u8(..); length])
}
