//! The applier: the one thread that applies entries, and answers those who have asked for them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::{Receiver, UnboundedSender};
use uuid::Uuid;

use super::shared::Shared;
use crate::command::Outcome;
use crate::error::Reason;
use crate::log::{Entry, EntryKey, Event, Position, StoredDump};
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
    /// Somebody wants the state as it was at this mark.
    AtMark(Uuid, oneshot::Sender<Option<Arc<Frozen>>>),
}

pub(super) struct Applier {
    pub(super) state: State,
    pub(super) shared: Arc<Shared>,
    pub(super) messages: Receiver<Message>,
    /// Takes the states that are to be stored as dumps.
    pub(super) dumper: UnboundedSender<Frozen>,
    /// The state at the last mark.
    pub(super) mark: Option<(Uuid, Arc<Frozen>)>,
}

impl Applier {
    /// Applies what comes until nothing comes any more, or nothing can be applied.
    pub(super) fn run(mut self) {
        while let Some(message) = self.messages.blocking_recv() {
            let shared = Arc::clone(&self.shared);
            let done = catch_unwind(AssertUnwindSafe(|| self.take(message)));
            if let Err(halt) = done.unwrap_or(Err(Halt::Panicked)) {
                shared.halt(halt);
                return;
            }
        }
    }

    fn take(&mut self, message: Message) -> Result<(), Halt> {
        match message {
            Message::Event(Event::Entry(entry)) => self.apply(&entry)?,
            Message::Event(Event::Reached(position)) => self.reached(position),
            Message::Load(dump) => self.load(&dump)?,
            // Who has asked may not wait any more.
            Message::Freeze(reply) => drop(reply.send(self.state.freeze())),
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
        let counters = &self.shared.counters;
        counters.apply_micros.add_time(begun.elapsed());
        counters.entries_applied.add(1);
        counters.bytes_applied.add(entry.bytes.len() as u64);
        counters.end_seen.raise(entry.position.0);
        // Before the answers: whoever has one finds here what it says.
        self.progressed();
        match applied {
            Applied::Commands(outcomes) => self.answer(entry, outcomes),
            Applied::Noted => {}
            Applied::Repeat => counters.entries_repeated.add(1),
            Applied::Refused => {
                counters.entries_refused.add(1);
                let mut sent = self.shared.sent();
                let refused = sent.take(entry.key);
                if sent.replica() == entry.key.replica {
                    sent.begin_anew();
                }
                drop(sent);
                for call in refused.into_iter().flatten() {
                    call.not_made(Reason::Forgotten);
                }
            }
            Applied::Dumped => {
                self.answer(entry, Vec::new());
                let mut sent = self.shared.sent();
                if sent.is_known() && !self.state.knows(sent.replica()) {
                    tracing::info!(replica = %sent.replica(), "forgotten; goes on as a new replica");
                    sent.begin_anew();
                }
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
        let mut sent = self.shared.sent();
        sent.note_applied(&entry.key);
        let Some(calls) = sent.take(entry.key) else { return };
        drop(sent);
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

    /// Has a dump stored if the entry is one of this replica, and the log has grown enough by it. So one
    /// replica makes each dump, and if it fails to, another one does when the log has grown as much again.
    fn dump_if_due(&self, entry: &Entry, bytes_before: u64) {
        let every = self.shared.options.dump_every_bytes;
        let crosses = bytes_before / every < self.state.book.bytes_since_dump / every;
        if crosses && self.is_own(&entry.key) {
            // If it takes nothing any more, the replica is being closed.
            drop(self.dumper.send(self.state.freeze()));
        }
    }

    fn is_own(&self, key: &EntryKey) -> bool {
        self.shared.sent().replica() == key.replica
    }

    fn load(&mut self, dump: &StoredDump) -> Result<(), Halt> {
        tracing::info!(position = %dump.position, bytes = dump.bytes.len(), "loads a dump");
        self.state = State::load(dump.position, &dump.bytes)?;
        self.mark = None;
        let shared = &self.shared;
        shared.counters.dumps_loaded.add(1);
        let loads = shared.replace_tree(self.state.tree.clone());
        self.progressed();
        shared.progress.send_modify(|progress| progress.loads = loads);
        let state = &self.state;
        let mut sent = shared.sent();
        // What the dump has was applied, and what it said is lost. Of a replica that it does not know, nobody
        // knows what was.
        let lost =
            sent.take_if(|key| state.last_of(key.replica).is_none_or(|last| key.sequence <= last));
        if sent.has_written() && !state.knows(sent.replica()) {
            sent.begin_anew();
        }
        drop(sent);
        shared.unknown(lost, &Reason::Loaded(dump.position));
        Ok(())
    }
}
