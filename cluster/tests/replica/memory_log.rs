//! [`MemoryLog`]: a log in memory, which fails when a test wants it to.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use provider_tree_cluster::log::{
    Entry, EntryKey, Event, Follow, Log, LogError, Position, StoredDump,
};
use shared::plan::Rng;
use tokio::sync::watch;

#[derive(Clone)]
pub(crate) struct MemoryLog {
    inner: Arc<Inner>,
    /// What waits of those who have this log by this value or a clone of it.
    gates: Arc<Mutex<Gates>>,
}

struct Inner {
    most_bytes: usize,
    kept: Mutex<Kept>,
    /// Counts what has happened, for those who wait for something to.
    changed: watch::Sender<u64>,
}

pub(crate) struct Kept {
    last: u64,
    pub(crate) cut: Position,
    entries: Vec<Entry>,
    keys: HashMap<EntryKey, Bytes>,
    pub(crate) dump: Option<StoredDump>,
    /// All entries that were ever told, also those that are cut off.
    history: Vec<Entry>,
    /// What is still on the way, although who has sent it has been told that it failed.
    late: Vec<(EntryKey, Bytes)>,
    rng: Rng,
    faults: Faults,
    /// What the next attempts to append are answered, without being made.
    refusals: VecDeque<LogError>,
    /// The last end that was told.
    ended: Position,
    /// How many of the next questions for the end have no answer.
    mute_for: u64,
    /// How many attempts to append have begun.
    pub(crate) attempts: u64,
}

/// Says how often what goes wrong, in percent.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Faults {
    /// An attempt to append is lost on its way.
    pub(crate) lost: u64,
    /// An entry is appended, and the answer is lost.
    pub(crate) unanswered: u64,
    /// An attempt to append is answered as lost, and arrives later.
    pub(crate) late: u64,
    /// What is late arrives, each time that somebody asks the log for something. What never does arrives when
    /// the log is healed.
    pub(crate) arrives: u64,
    /// An attempt to append is refused.
    pub(crate) refused: u64,
    /// A position has no entry.
    pub(crate) gaps: u64,
    /// A follower ends, or there is none.
    pub(crate) unfollowed: u64,
    /// A follower takes its time.
    pub(crate) slow: u64,
    /// A follower is told how far it is, also where that is no news.
    pub(crate) reached: u64,
    /// The log does not say where its end is, or what its newest dump is.
    pub(crate) mute: u64,
    /// A dump is not stored, or that it is stored is not told.
    pub(crate) undumped: u64,
}

/// Says what waits until it is let through.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Gates {
    pub(crate) appends: bool,
    pub(crate) replies: bool,
    pub(crate) follows: bool,
    /// An attempt to append panics instead.
    pub(crate) panics: bool,
}

impl MemoryLog {
    pub(crate) fn new() -> Self {
        Self::with(1 << 20, 0, Faults::default())
    }

    pub(crate) fn with(most_bytes: usize, seed: u64, faults: Faults) -> Self {
        let kept = Kept {
            ended: Position(0),
            last: 0,
            cut: Position(0),
            entries: Vec::new(),
            keys: HashMap::new(),
            dump: None,
            history: Vec::new(),
            late: Vec::new(),
            rng: Rng::new(seed),
            faults,
            refusals: VecDeque::new(),
            mute_for: 0,
            attempts: 0,
        };
        let changed = watch::Sender::new(0);
        let inner = Arc::new(Inner { most_bytes, kept: Mutex::new(kept), changed });
        MemoryLog { inner, gates: Arc::default() }
    }

    /// The same log, with gates of its own.
    pub(crate) fn sibling(&self) -> Self {
        MemoryLog { inner: Arc::clone(&self.inner), gates: Arc::default() }
    }

    /// A log that nothing was cut off from: it has all entries that this one ever had.
    pub(crate) fn uncut(&self) -> Self {
        let other = Self::new();
        let history = self.history();
        {
            let mut kept = other.kept();
            kept.last = history.last().map_or(0, |entry| entry.position.0);
            kept.keys = history.iter().map(|entry| (entry.key, entry.bytes.clone())).collect();
            kept.entries = history;
        }
        other
    }

    /// Nothing goes wrong any more, and what was on the way arrives.
    pub(crate) fn heal(&self) {
        let mut kept = self.kept();
        kept.faults = Faults::default();
        while let Some((key, bytes)) = kept.late.pop() {
            kept.insert(key, bytes);
        }
        drop(kept);
        self.tell();
    }

    pub(crate) fn set_gates(&self, set: impl FnOnce(&mut Gates)) {
        set(&mut self.gates.lock().unwrap());
        self.tell();
    }

    /// Has the next attempts to append be answered so.
    pub(crate) fn refuse(&self, errors: impl IntoIterator<Item = LogError>) {
        self.kept().refusals.extend(errors);
    }

    /// Has the next questions for the end have no answer.
    pub(crate) fn mute(&self, times: u64) {
        self.kept().mute_for = times;
    }

    pub(crate) fn history(&self) -> Vec<Entry> {
        self.kept().history.clone()
    }

    pub(crate) fn has_cut(&self) -> bool {
        self.kept().cut > Position(0)
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, is_so: impl Fn(&Kept) -> bool) {
        let mut changed = self.inner.changed.subscribe();
        while !is_so(&self.kept()) {
            changed.changed().await.expect("the log has the sender");
        }
    }

    async fn gate(&self, is_shut: impl Fn(&Gates) -> bool) {
        self.until(|_| !is_shut(&self.gates.lock().unwrap())).await;
    }

    /// Lets others go first, now and then.
    async fn dawdle(&self) {
        let wait = self.kept().with_faults(|rng| rng.below(4)).unwrap_or(0);
        for _ in 0..wait {
            tokio::task::yield_now().await;
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.inner.kept.lock().unwrap()
    }

    fn tell(&self) {
        self.inner.changed.send_modify(|count| *count += 1);
    }
}

impl Kept {
    fn with_faults<T>(&mut self, choose: impl FnOnce(&mut Rng) -> T) -> Option<T> {
        let Faults { lost, unanswered, slow, .. } = self.faults;
        (lost + unanswered + slow > 0).then(|| choose(&mut self.rng))
    }

    /// Appends an entry, unless the log has it.
    fn insert(&mut self, key: EntryKey, bytes: Bytes) {
        if let Some(earlier) = self.keys.get(&key) {
            assert_eq!(*earlier, bytes, "{key:?} is appended with other bytes");
            return;
        }
        self.last += 1 + u64::from(self.rng.percent(self.faults.gaps));
        let entry = Entry { position: Position(self.last), key, bytes: bytes.clone() };
        self.keys.insert(key, bytes);
        self.entries.push(entry.clone());
        self.history.push(entry);
    }

    /// Lets what was on the way arrive, now and then.
    fn let_late_ones_arrive(&mut self) {
        while !self.late.is_empty() && self.rng.percent(self.faults.arrives) {
            let at = self.rng.below(self.late.len() as u64) as usize;
            let (key, bytes) = self.late.swap_remove(at);
            self.insert(key, bytes);
        }
    }

    fn append(&mut self, key: EntryKey, bytes: Bytes) -> Result<(), LogError> {
        self.let_late_ones_arrive();
        let Faults { lost, unanswered, late, refused, .. } = self.faults;
        if self.rng.percent(lost) {
            return Err(unavailable("lost before"));
        }
        if self.rng.percent(late) {
            self.late.push((key, bytes));
            return Err(unavailable("late"));
        }
        if self.rng.percent(refused) {
            let reason = "as the test wants it".to_owned();
            return Err(match self.rng.percent(50) {
                true => LogError::Full { reason },
                false => LogError::Denied { reason },
            });
        }
        self.insert(key, bytes);
        match self.rng.percent(unanswered) {
            true => Err(unavailable("the answer is lost")),
            false => Ok(()),
        }
    }

    fn store(&mut self, dump: StoredDump) -> bool {
        let before = self.dump.as_ref().map(|dump| dump.position);
        if before.is_some_and(|before| dump.position <= before) {
            return false;
        }
        self.dump = Some(dump);
        let before = before.unwrap_or_default();
        self.cut = before;
        for cut in self.entries.extract_if(.., |entry| entry.position <= before) {
            self.keys.remove(&cut.key);
        }
        true
    }

    /// What a follower is told next, if there is anything.
    fn next(&mut self, after: Position) -> Option<Result<Event, LogError>> {
        if self.cut > after {
            return Some(Err(LogError::Compacted { after }));
        }
        if self.rng.percent(self.faults.unfollowed) {
            return Some(Err(unavailable("the follower ends")));
        }
        let at = self.entries.partition_point(|entry| entry.position <= after);
        if let Some(entry) = self.entries.get(at) {
            if self.rng.percent(self.faults.reached) {
                return Some(Ok(Event::Reached(after)));
            }
            return Some(Ok(Event::Entry(entry.clone())));
        }
        let last = Position(self.last);
        // Whoever was told an end is promised that followers come to it.
        let tells = last > after && (self.ended > after || self.rng.percent(self.faults.reached));
        tells.then_some(Ok(Event::Reached(last)))
    }
}

impl Log for MemoryLog {
    type Follower = Follower;

    async fn append(&self, key: EntryKey, bytes: Bytes) -> Result<(), LogError> {
        self.kept().attempts += 1;
        self.tell();
        self.gate(|gates| gates.appends).await;
        assert!(!self.gates.lock().unwrap().panics, "as the test wants it");
        self.dawdle().await;
        let (len, most) = (bytes.len(), self.inner.most_bytes);
        if len > most {
            return Err(LogError::EntryTooLarge { bytes: len, most });
        }
        if let Some(refusal) = self.kept().refusals.pop_front() {
            return Err(refusal);
        }
        let appended = self.kept().append(key, bytes);
        self.tell();
        self.gate(|gates| gates.replies).await;
        self.dawdle().await;
        appended
    }

    async fn follow(&self, after: Position) -> Result<Follower, LogError> {
        let mut kept = self.kept();
        if kept.cut > after {
            return Err(LogError::Compacted { after });
        }
        let unfollowed = kept.faults.unfollowed;
        if kept.rng.percent(unfollowed) {
            return Err(unavailable("nobody is let follow"));
        }
        drop(kept);
        let changed = self.inner.changed.subscribe();
        Ok(Follower { log: self.clone(), after, changed })
    }

    async fn end(&self) -> Result<Position, LogError> {
        let mut kept = self.kept();
        kept.let_late_ones_arrive();
        let Faults { mute, gaps, .. } = kept.faults;
        if kept.mute_for > 0 {
            kept.mute_for -= 1;
            return Err(unavailable("no end is told"));
        }
        if kept.rng.percent(mute) {
            return Err(unavailable("no end is told"));
        }
        // What else is written there has revisions of etcd, too.
        kept.last += u64::from(kept.rng.percent(gaps));
        kept.ended = Position(kept.last);
        let ended = kept.ended;
        drop(kept);
        self.tell();
        Ok(ended)
    }

    async fn newest_dump(&self) -> Result<Option<StoredDump>, LogError> {
        let mut kept = self.kept();
        let mute = kept.faults.mute;
        match kept.rng.percent(mute) {
            true => Err(unavailable("no dump is told")),
            false => Ok(kept.dump.clone()),
        }
    }

    async fn store_dump(&self, dump: StoredDump) -> Result<bool, LogError> {
        self.dawdle().await;
        let mut kept = self.kept();
        let undumped = kept.faults.undumped;
        if kept.rng.percent(undumped / 2) {
            return Err(unavailable("no dump is stored"));
        }
        let stored = kept.store(dump);
        let is_told = !kept.rng.percent(undumped / 2);
        drop(kept);
        self.tell();
        is_told.then_some(stored).ok_or_else(|| unavailable("that it is stored is not told"))
    }

    fn most_bytes(&self) -> usize {
        self.inner.most_bytes
    }
}

pub(crate) struct Follower {
    log: MemoryLog,
    after: Position,
    changed: watch::Receiver<u64>,
}

impl Follow for Follower {
    async fn next(&mut self) -> Result<Event, LogError> {
        let slow = {
            let mut kept = self.log.kept();
            let slow = kept.faults.slow;
            kept.rng.percent(slow).then(|| Duration::from_millis(20 + kept.rng.below(400)))
        };
        if let Some(slow) = slow {
            tokio::time::sleep(slow).await;
        }
        loop {
            self.log.gate(|gates| gates.follows).await;
            self.changed.borrow_and_update();
            let next = self.log.kept().next(self.after);
            if let Some(next) = next {
                if let Ok(Event::Entry(Entry { position, .. }) | Event::Reached(position)) = &next {
                    self.after = *position;
                }
                return next;
            }
            self.changed.changed().await.expect("the log has the sender");
        }
    }
}

fn unavailable(reason: &str) -> LogError {
    LogError::Unavailable { reason: reason.to_owned() }
}
