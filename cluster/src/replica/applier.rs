//! The applier: the one thread that applies entries, and answers those who have asked for them.

use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::{Receiver, Sender};
use uuid::Uuid;

use super::dumper::Due;
use super::shared::Shared;
use crate::command::Outcome;
use crate::error::{Reason, Result};
use crate::log::{Entry, EntryKey, Event, LogError, Position, StoredDump};
use crate::state::{Applied, Frozen, Halt, State};
use crate::ticket::Outcomes;

/// What the applier is told.
pub(super) enum Message {
    /// What the log says next.
    Event(Event),
    /// The dump that is to be loaded in the place of entries that are missing.
    Load(StoredDump),
    /// Somebody wants the state as it is.
    Freeze(oneshot::Sender<Frozen>),
    /// Somebody wants the state stored as a dump.
    Store(oneshot::Sender<Result<bool>>),
    /// Somebody wants the state as it was at this mark.
    AtMark(Uuid, oneshot::Sender<Option<Arc<Frozen>>>),
}

pub(super) struct Applier {
    pub(super) state: State,
    pub(super) shared: Arc<Shared>,
    pub(super) messages: Receiver<Message>,
    /// Takes the states that are to be stored as dumps.
    pub(super) dumper: Sender<Due>,
    /// The state at the last mark.
    pub(super) mark: Option<(Uuid, Arc<Frozen>)>,
    pub(super) growth: Growth,
}

/// Decides when a dump is due: when the log has grown by so many bytes, and by as many as the last dump had. So
/// dumps are at most as much to write as entries are, however large the forest is.
///
/// It is this replica's turn when an entry of its own makes the log cross a multiple of what it may grow by:
/// so mostly one replica makes each dump, and if it fails to, another does when the log has grown as much
/// again. Where that does not come about, as if the one that writes most makes no dumps, each replica makes one
/// at its next entry after a bound of its own, which differs at random so that not all come to it at once.
pub(super) struct Growth {
    every: u64,
    /// After how many multiples this replica makes a dump, whoever writes.
    patience: u64,
    /// What the log had grown by when a dump was this replica's turn last.
    before: u64,
}

impl Growth {
    pub(super) fn new(every: u64) -> Self {
        let patience = 2 + RandomState::new().hash_one(every) % 8;
        Growth { every, patience, before: 0 }
    }

    /// Returns whether a dump is due after an entry of this replica, before and after which the log had grown
    /// by so much since the last dump, which had so many bytes.
    fn is_due(&mut self, before: u64, now: u64, last: u64) -> bool {
        let every = self.every.max(last);
        let multiples = |bytes: u64| bytes / every;
        let is_own = multiples(before) < multiples(now);
        // A dump has been made since.
        if now < self.before {
            self.before = 0;
        }
        let is_late = multiples(self.before) + self.patience <= multiples(now);
        if is_own || is_late {
            self.before = now;
        }
        is_own || is_late
    }
}

/// After how many entries a mark is forgotten: what it remembers costs memory for as long as it is there.
const MARK_LASTS: u64 = 65_536;

impl Applier {
    /// Applies what comes until nothing comes any more, or nothing can be applied.
    pub(super) fn run(mut self) {
        while let Some(message) = self.messages.blocking_recv() {
            let done = catch_unwind(AssertUnwindSafe(|| self.take(message)));
            if let Err(halt) = done.unwrap_or(Err(Halt::Panicked)) {
                tracing::error!(%halt, "the replica halts");
                return self.shared.end(Reason::Halted(halt));
            }
        }
        self.shared.end(Reason::Closed);
    }

    fn take(&mut self, message: Message) -> Result<(), Halt> {
        match message {
            Message::Event(Event::Entry(entry)) => self.apply(&entry)?,
            Message::Event(Event::Reached(position)) => self.reached(position),
            Message::Load(dump) => self.load(&dump)?,
            // Who has asked may not wait any more.
            Message::Freeze(reply) => drop(reply.send(self.state.freeze())),
            Message::Store(reply) => match self.dumper.try_reserve() {
                Ok(place) => {
                    place.send(Due { frozen: self.state.freeze(), asked: Some(reply) });
                }
                Err(_) => {
                    let reason = "other dumps are being stored".to_owned();
                    drop(reply.send(Err(LogError::Unavailable { reason }.into())));
                }
            },
            Message::AtMark(mark, reply) => {
                let remembered = self.mark.as_ref().filter(|(last, _)| *last == mark);
                drop(reply.send(remembered.map(|(_, frozen)| Arc::clone(frozen))));
            }
        }
        Ok(())
    }

    fn apply(&mut self, entry: &Entry) -> Result<(), Halt> {
        let bytes_before = self.state.book.bytes_since_dump;
        let begun = Instant::now();
        let wanted = self.shared.sent().has(entry.key);
        let applied = self.state.apply(entry, wanted)?;
        let shared = Arc::clone(&self.shared);
        let counters = &shared.counters;
        counters.apply_micros.add_time(begun.elapsed());
        counters.entries_applied.add(1);
        counters.bytes_applied.add(entry.bytes.len() as u64);
        counters.end_seen.raise(entry.position.0);
        // Before the answers: whoever has one finds here what it says.
        self.progressed();
        self.note_known(&entry.key);
        self.forget_mark();
        match applied {
            Applied::Commands(outcomes) => self.answer(entry, outcomes),
            Applied::Noted => {}
            Applied::Repeat => counters.entries_repeated.add(1),
            Applied::Refused => {
                counters.entries_refused.add(1);
                let refused = self.shared.sent().give_up(entry.key);
                for call in refused.into_iter().flatten() {
                    call.not_made(Reason::Forgotten);
                }
                self.shared.queue.wake();
            }
            Applied::Forgot => {
                self.answer(entry, Vec::new());
                let mut sent = self.shared.sent();
                sent.settle(|former| self.state.has_fenced(former));
                let own = sent.replica();
                let is_fenced = self.state.has_fenced(own);
                if is_fenced || (sent.is_known() && !self.state.knows(own)) {
                    tracing::info!(replica = %own, "forgotten; goes on as a new replica");
                    sent.begin_anew();
                }
                drop(sent);
                self.refuse_queue_if(is_fenced);
            }
            Applied::Mark(mark) => {
                self.mark = Some((mark, Arc::new(self.state.freeze())));
                self.answer(entry, Vec::new());
            }
        }
        self.dump_if_due(entry, bytes_before);
        Ok(())
    }

    fn reached(&mut self, position: Position) {
        if position > self.state.book.position {
            self.state.book.position = position;
            self.progressed();
        }
    }

    fn progressed(&self) {
        let book = &self.state.book;
        self.shared.progress.send_modify(|progress| {
            progress.position = book.position;
            progress.dumped = book.dumped;
        });
    }

    /// Answers the calls that are in an entry, if it is one of this replica.
    fn answer(&self, entry: &Entry, outcomes: Vec<provider_tree::Result<Outcome>>) {
        let Some(calls) = self.shared.sent().take(entry.key) else { return };
        let mut outcomes = outcomes.into_iter();
        let counters = &self.shared.counters;
        for call in calls {
            let of_call: Outcomes = outcomes.by_ref().take(call.count).collect();
            let refused = of_call.iter().filter(|outcome| outcome.is_err()).count() as u64;
            counters.commands_refused.add(refused);
            counters.commands_made.add(of_call.len() as u64 - refused);
            call.reply(Ok((entry.position, of_call)));
        }
    }

    /// Has a dump stored if it is this replica's turn.
    fn dump_if_due(&mut self, entry: &Entry, bytes_before: u64) {
        let is_own = self.shared.sent().replica() == entry.key.replica;
        let book = &self.state.book;
        if is_own && self.growth.is_due(bytes_before, book.bytes_since_dump, book.dump_bytes) {
            // If one waits to be stored, this one is not needed; and none is if the replica has ended.
            if let Ok(place) = self.dumper.try_reserve() {
                place.send(Due { frozen: self.state.freeze(), asked: None });
            }
        }
    }

    /// Notes that all know this replica by now, if the entry is one of it.
    fn note_known(&self, key: &EntryKey) {
        let mut sent = self.shared.sent();
        if sent.replica() == key.replica && !sent.is_known() {
            sent.note_known(self.state.knows(key.replica));
        }
    }

    /// Refuses what waits to be sent if others have fenced this replica off: whoever did so has been told that what
    /// was asked of it comes no more.
    fn refuse_queue_if(&self, is_fenced: bool) {
        let calls = if is_fenced { self.shared.queue.take_all() } else { Vec::new() };
        calls.into_iter().for_each(|call| call.not_made(Reason::Forgotten));
    }

    fn forget_mark(&mut self) {
        let is_over = |at: Position| at.0.saturating_add(MARK_LASTS) < self.state.book.position.0;
        if self.mark.as_ref().is_some_and(|(_, frozen)| is_over(frozen.position())) {
            self.mark = None;
        }
    }

    fn load(&mut self, dump: &StoredDump) -> Result<(), Halt> {
        tracing::info!(position = %dump.position, bytes = dump.bytes.len(), "loads a dump");
        self.state = State::load(dump.position, &dump.bytes)?;
        self.mark = None;
        let shared = &self.shared;
        shared.counters.dumps_loaded.add(1);
        let loads = shared.replace_tree(self.state.tree.clone());
        let book = &self.state.book;
        shared.progress.send_modify(|progress| {
            (progress.position, progress.dumped) = (book.position, book.dumped);
            progress.loads = loads;
        });
        let state = &self.state;
        let mut sent = shared.sent();
        // What the dump has was applied, and what it said is lost. Of a replica that it does not know, or that is
        // fenced off, nobody will tell anything.
        let is_lost = |key: &EntryKey| {
            !state.knows(key.replica)
                || state.last_of(key.replica).is_none_or(|last| key.sequence <= last)
        };
        let lost = sent.take_if(is_lost);
        let own = sent.replica();
        let is_known = state.knows(own);
        let is_gone = sent.has_written() && !is_known;
        let is_fenced = state.has_fenced(own);
        match is_gone || is_fenced {
            true => sent.begin_anew(),
            false => sent.note_known(is_known),
        }
        sent.send_fences_anew();
        if is_gone && !lost.is_empty() {
            // Before anything is asked anew of this replica: what is lost can come no more.
            sent.owe_fence(own);
        }
        sent.settle(|former| state.has_fenced(former));
        drop(sent);
        shared.queue.wake();
        self.refuse_queue_if(is_fenced);
        shared.unknown(lost, &Reason::Loaded(dump.position));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_whose_entry_crosses_a_multiple_makes_the_dump() {
        let mut growth = Growth::new(100);
        let due: Vec<bool> = (0..6).map(|at| growth.is_due(at * 40, (at + 1) * 40, 0)).collect();
        assert_eq!(due, [false, false, true, false, true, false]);
    }

    #[test]
    fn a_large_forest_is_dumped_less_often() {
        let mut growth = Growth::new(100);
        assert!(!growth.is_due(80, 120, 1_000));
        assert!(growth.is_due(980, 1_020, 1_000));
    }

    #[test]
    fn whoever_writes_makes_a_dump_at_last_if_nobody_else_does() {
        let mut growth = Growth::new(100);
        // Others make the log cross each multiple.
        let due = (1..).find(|at| growth.is_due(at * 100, at * 100 + 1, 0));
        assert!(due.is_some_and(|multiples| (2..10).contains(&multiples)), "{due:?}");
        // A dump has been made.
        assert!(!growth.is_due(0, 1, 0));
    }
}
