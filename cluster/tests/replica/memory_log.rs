//! [`MemoryLog`]: a log in memory, which fails when a test wants it to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use provider_tree_cluster::log::{
    Entry, EntryKey, Event, Follow, Log, LogError, Position, StoredDump,
};
use tokio::sync::watch;

#[derive(Clone)]
pub(crate) struct MemoryLog {
    inner: Arc<Inner>,
}

struct Inner {
    kept: Mutex<Kept>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    last: u64,
    cut: Position,
    entries: Vec<Entry>,
    keys: HashMap<EntryKey, Bytes>,
    dump: Option<StoredDump>,
}

impl MemoryLog {
    pub(crate) fn new() -> Self {
        let changed = watch::Sender::new(0);
        MemoryLog { inner: Arc::new(Inner { kept: Mutex::default(), changed }) }
    }
}

impl Log for MemoryLog {
    type Follower = Follower;

    async fn append(&self, key: EntryKey, bytes: Bytes) -> Result<(), LogError> {
        let mut kept = self.inner.kept.lock().unwrap();
        if kept.keys.contains_key(&key) {
            return Ok(());
        }
        kept.last += 1;
        let position = Position(kept.last);
        kept.keys.insert(key, bytes.clone());
        kept.entries.push(Entry { position, key, bytes });
        drop(kept);
        self.inner.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    async fn follow(&self, after: Position) -> Result<Follower, LogError> {
        let changed = self.inner.changed.subscribe();
        Ok(Follower { log: self.clone(), after, changed })
    }

    async fn end(&self) -> Result<Position, LogError> {
        Ok(Position(self.inner.kept.lock().unwrap().last))
    }

    async fn newest_dump(&self) -> Result<Option<StoredDump>, LogError> {
        Ok(self.inner.kept.lock().unwrap().dump.clone())
    }

    async fn store_dump(&self, dump: StoredDump) -> Result<bool, LogError> {
        let mut kept = self.inner.kept.lock().unwrap();
        let before = kept.dump.as_ref().map_or(Position(0), |dump| dump.position);
        if dump.position <= before && kept.dump.is_some() {
            return Ok(false);
        }
        kept.dump = Some(dump);
        kept.cut = before;
        let (cut, rest) = kept.entries.drain(..).partition(|entry| entry.position <= before);
        let cut: Vec<Entry> = cut;
        kept.entries = rest;
        for entry in cut {
            kept.keys.remove(&entry.key);
        }
        Ok(true)
    }

    fn most_bytes(&self) -> usize {
        1 << 20
    }
}

pub(crate) struct Follower {
    log: MemoryLog,
    after: Position,
    changed: watch::Receiver<u64>,
}

impl Follow for Follower {
    async fn next(&mut self) -> Result<Event, LogError> {
        loop {
            self.changed.borrow_and_update();
            {
                let kept = self.log.inner.kept.lock().unwrap();
                if kept.cut > self.after {
                    return Err(LogError::Compacted { after: self.after });
                }
                let at = kept.entries.partition_point(|entry| entry.position <= self.after);
                if let Some(entry) = kept.entries.get(at) {
                    self.after = entry.position;
                    return Ok(Event::Entry(entry.clone()));
                }
            }
            self.changed.changed().await.expect("the log has the sender");
        }
    }
}
