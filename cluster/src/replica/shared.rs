//! [`Shared`]: what all parts of a replica share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use provider_tree::ProviderTree;
use tokio::sync::watch;
use uuid::Uuid;

use super::call::Call;
use super::options::Options;
use super::queue::Queue;
use crate::error::{Reason, Sent};
use crate::log::{EntryKey, LogError, Position};
use crate::metrics::Counters;

/// Holds what all parts of a replica share.
pub(crate) struct Shared {
    pub(super) options: Options,
    pub(super) counters: Counters,
    /// How far the replica has come. Whoever waits for a position waits for a change of it.
    pub(super) progress: watch::Sender<Progress>,
    /// Why nothing more is sent or applied, if that is so.
    pub(super) ended: watch::Sender<Option<Reason>>,
    pub(super) queue: Queue,
    /// The forest, and how often a dump was loaded before it. Locked for as long as it takes to clone it or
    /// to put another in its place.
    tree: RwLock<(ProviderTree, u64)>,
    /// Locked for O(calls of one entry).
    sent: Mutex<SentCalls>,
}

/// Says how far a replica has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// Entries up to here are applied.
    pub(super) position: Position,
    /// The position of the newest dump that is known to be stored.
    pub(super) dumped: Position,
    /// How often a dump was loaded after the start.
    pub(super) loads: u64,
    /// What the log has answered to the last attempt to append, if that was no success.
    pub(super) append_trouble: Option<LogError>,
    /// The same of the last attempt to follow the log.
    pub(super) follow_trouble: Option<LogError>,
}

/// Holds the calls that were sent and have not been answered, by the entry that they are in.
pub(super) struct SentCalls {
    /// Who writes the next entry, and the number of the last one.
    replica: Uuid,
    sequence: u64,
    /// Whether one of its entries was applied.
    is_known: bool,
    calls: BTreeMap<EntryKey, Vec<Call>>,
    /// Who has sent the calls from a number on, in the order of the numbers: the last few of them.
    senders: VecDeque<(u64, Uuid)>,
    /// Which of the replica's former uuids are to be fenced off before anything else is sent, each with the entry
    /// that does so, if it is on its way.
    owed: BTreeMap<Uuid, Option<EntryKey>>,
}

/// Of how many former uuids it is known which calls they have sent.
const MOST_SENDERS: usize = 64;

impl Shared {
    pub(super) fn new(options: Options, tree: ProviderTree, progress: Progress) -> Self {
        Shared {
            options,
            counters: Counters::default(),
            progress: watch::Sender::new(progress),
            ended: watch::Sender::new(None),
            queue: Queue::new(),
            tree: RwLock::new((tree, 0)),
            sent: Mutex::new(SentCalls::new()),
        }
    }

    pub(super) fn tree(&self) -> (ProviderTree, u64) {
        // Nothing panics while it is locked for writing.
        self.tree.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn replace_tree(&self, tree: ProviderTree) -> u64 {
        let mut current = self.tree.write().unwrap_or_else(PoisonError::into_inner);
        let loads = current.1 + 1;
        let old = std::mem::replace(&mut *current, (tree, loads));
        drop(current);
        // Not while it is locked: it may be the last handle of a large forest.
        drop(old);
        loads
    }

    /// Returns whether entries are applied to the forest that the replica had after so many loads.
    pub(crate) fn is_current(&self, loads: u64) -> bool {
        let is_last = self.progress.borrow().loads == loads;
        is_last && self.ended().is_none()
    }

    pub(super) fn sent(&self) -> MutexGuard<'_, SentCalls> {
        // No state of it is wrong by itself, whoever has panicked.
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends and applies nothing any more, and tells all who wait. The first reason counts.
    pub(super) fn end(&self, reason: Reason) {
        let mut first = reason.clone();
        self.ended.send_modify(|ended| first = ended.get_or_insert(reason).clone());
        for call in self.queue.close(first.clone()) {
            call.not_made(first.clone());
        }
        // After the reason is there to be seen: whoever notes calls looks for it afterwards.
        let calls = self.sent().take_all();
        self.unknown(calls, &first);
    }

    /// Returns why nothing more is sent or applied, if that is so.
    pub(super) fn ended(&self) -> Option<Reason> {
        self.ended.borrow().clone()
    }

    /// Returns when nothing more is sent or applied.
    pub(super) async fn until_ended(&self) {
        let mut ended = self.ended.subscribe();
        // The sender is in here, so it is not gone.
        drop(ended.wait_for(Option::is_some).await.map(drop));
    }

    /// Takes a call out of the queue, and returns whether it was there.
    pub(crate) fn withdraw(&self, number: u64) -> bool {
        let call = self.queue.withdraw(number);
        let count = call.as_ref().map_or(0, |call| call.count as u64);
        self.counters.commands_withdrawn.add(count);
        call.is_some()
    }

    /// Names who has sent the call with this number, which is in the queue no more.
    pub(crate) fn sender_of(&self, number: u64) -> Sent {
        Sent { replica: self.sent().sender_of(number), sequence: None }
    }

    /// Answers calls whose outcome can't be known any more.
    pub(super) fn unknown(
        &self,
        calls: impl IntoIterator<Item = (EntryKey, Vec<Call>)>,
        reason: &Reason,
    ) {
        for (key, calls) in calls {
            for call in calls {
                self.counters.commands_unknown.add(call.count as u64);
                call.unknown(key.sequence, reason.clone());
            }
        }
    }
}

impl SentCalls {
    fn new() -> Self {
        SentCalls {
            replica: Uuid::new_v4(),
            sequence: 0,
            is_known: false,
            calls: BTreeMap::new(),
            senders: VecDeque::new(),
            owed: BTreeMap::new(),
        }
    }

    /// Returns who writes the next entry.
    pub(super) fn replica(&self) -> Uuid {
        self.replica
    }

    /// Returns whether that replica has written, or is about to.
    pub(super) fn has_written(&self) -> bool {
        self.sequence > 0
    }

    /// Notes whether all know that replica by now.
    pub(super) fn note_known(&mut self, is_known: bool) {
        self.is_known = is_known;
    }

    /// Returns whether all have known that replica.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    /// Goes on as a new replica, which nobody knows yet.
    pub(super) fn begin_anew(&mut self) {
        (self.replica, self.sequence, self.is_known) = (Uuid::new_v4(), 0, false);
    }

    /// Notes that the calls are in the last of the next entries, of which there are so many. Returns the key
    /// of the first.
    pub(super) fn note(&mut self, entries: u64, mut calls: Vec<Call>) -> EntryKey {
        let first = EntryKey { replica: self.replica, sequence: self.sequence + 1 };
        self.sequence += entries;
        let is_new = self.senders.back().is_none_or(|(_, sender)| *sender != self.replica);
        if let Some(call) = calls.first().filter(|_| is_new) {
            self.senders.push_back((call.number, self.replica));
            self.senders.drain(..self.senders.len().saturating_sub(MOST_SENDERS));
        }
        calls.iter_mut().for_each(|call| call.sent_by(self.replica));
        self.calls.insert(EntryKey { sequence: self.sequence, ..first }, calls);
        first
    }

    fn sender_of(&self, number: u64) -> Uuid {
        let before = self.senders.iter().rev().find(|(first, _)| *first <= number);
        before.map_or(self.replica, |(_, sender)| *sender)
    }

    /// Goes on as a new replica if it is still the one that an entry is of which was given up: no entry may
    /// follow one that is not in the log, or use its number again. Returns the calls in the entry.
    pub(super) fn give_up(&mut self, key: EntryKey) -> Option<Vec<Call>> {
        if self.replica == key.replica {
            self.begin_anew();
        }
        for carrier in self.owed.values_mut().filter(|carrier| **carrier == Some(key)) {
            *carrier = None;
        }
        self.calls.remove(&key)
    }

    /// Has a former uuid fenced off before anything else is sent: what it may have on its way is to come no more.
    pub(super) fn owe_fence(&mut self, former: Uuid) {
        self.owed.insert(former, None);
    }

    /// Returns whether a fence is to be sent.
    pub(super) fn owes(&self) -> bool {
        self.owed.values().any(Option::is_none)
    }

    /// Notes an entry with a fence that is to be sent, if there is one. Returns whom it fences off.
    pub(super) fn note_fence(&mut self) -> Option<(Uuid, EntryKey)> {
        let former =
            self.owed.iter().find(|(_, carrier)| carrier.is_none()).map(|(former, _)| *former)?;
        let key = self.note(1, Vec::new());
        self.owed.insert(former, Some(key));
        Some((former, key))
    }

    /// Forgets the fences that are there by now.
    pub(super) fn settle(&mut self, is_fenced: impl Fn(Uuid) -> bool) {
        self.owed.retain(|former, _| !is_fenced(*former));
    }

    /// Has fences that are not there yet sent anew: nobody will tell what has become of them.
    pub(super) fn send_fences_anew(&mut self) {
        self.owed.values_mut().for_each(|carrier| *carrier = None);
    }

    /// Returns whether there are calls in an entry.
    pub(super) fn has(&self, key: EntryKey) -> bool {
        self.calls.contains_key(&key)
    }

    /// Takes the calls in an entry.
    pub(super) fn take(&mut self, key: EntryKey) -> Option<Vec<Call>> {
        self.calls.remove(&key)
    }

    /// Takes the calls in entries for which `is_meant` is true.
    pub(super) fn take_if(
        &mut self,
        mut is_meant: impl FnMut(&EntryKey) -> bool,
    ) -> Vec<(EntryKey, Vec<Call>)> {
        let (meant, others) = self.take_all().into_iter().partition(|(key, _)| is_meant(key));
        self.calls = BTreeMap::from_iter::<Vec<_>>(others);
        meant
    }

    pub(super) fn take_all(&mut self) -> Vec<(EntryKey, Vec<Call>)> {
        std::mem::take(&mut self.calls).into_iter().collect()
    }
}
