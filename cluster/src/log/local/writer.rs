//! [`Writer`]: the thread that has all writes of a log.

use std::mem;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use redb::Database;
use tokio::sync::{mpsc, oneshot, watch};

use super::shared::{Shared, State};
use super::store::{self, Appended, Extent, Kept, Opener};
use crate::log::{Entry, EntryKey, LogError, Position, StoredDump};

/// How many bytes of entries are appended in one transaction, if there is more than one.
const BATCH_BYTES: usize = 16 << 20;

/// Represents what the writer is asked for.
pub(super) enum Request {
    Append(Append),
    Dump(StoredDump, oneshot::Sender<Result<bool, LogError>>),
    Close(oneshot::Sender<()>),
}

/// Represents an entry that is to be appended.
pub(super) struct Append {
    pub(super) key: EntryKey,
    pub(super) bytes: Bytes,
    pub(super) answer: oneshot::Sender<Result<(), LogError>>,
}

/// Does what it is asked for, one transaction after the other.
pub(super) struct Writer {
    open: Opener,
    pub(super) requests: mpsc::Receiver<Request>,
    shared: Arc<Shared>,
    state: watch::Sender<State>,
}

impl Writer {
    pub(super) fn new(
        open: Opener,
        requests: mpsc::Receiver<Request>,
    ) -> Result<(Arc<Shared>, Writer), LogError> {
        let database = open()?;
        let extent = store::prepare(&database).map_err(|error| store::log_error(&error))?;
        let (state, watched) = watch::channel(Ok(extent));
        let shared = Arc::new(Shared::new(database, watched));
        Ok((Arc::clone(&shared), Writer { open, requests, shared, state }))
    }

    /// Does what is asked for until nobody can ask any more, and closes the file.
    pub(super) fn run(mut self) {
        while let Some(request) = self.requests.blocking_recv() {
            self.turn(request);
        }
        self.close();
    }

    /// Does what has been asked for, beginning with `first`, until nothing waits.
    pub(super) fn turn(&mut self, first: Request) {
        let mut next = Some(first);
        while let Some(request) = next.take().or_else(|| self.requests.try_recv().ok()) {
            match request {
                Request::Append(append) => next = self.gather(append),
                Request::Dump(dump, answer) => {
                    // Whoever has asked may have gone.
                    let _ = answer.send(self.keep_dump(&dump));
                }
                Request::Close(answer) => {
                    self.close();
                    let _ = answer.send(());
                }
            }
        }
    }

    /// Appends the entries that wait, beginning with `first`, and returns what else has waited behind them.
    fn gather(&mut self, first: Append) -> Option<Request> {
        let mut bytes = first.bytes.len();
        let mut batch = vec![first];
        let behind = loop {
            match self.requests.try_recv() {
                Ok(Request::Append(append)) if bytes + append.bytes.len() <= BATCH_BYTES => {
                    bytes += append.bytes.len();
                    batch.push(append);
                }
                other => break other.ok(),
            }
        };
        self.append(batch);
        behind
    }

    fn append(&mut self, batch: Vec<Append>) {
        let pairs = || batch.iter().map(|append| (append.key, &append.bytes));
        let written =
            self.with_database(|database, extent| store::append(database, extent.end, pairs()));
        let outcomes = match written {
            Ok(outcomes) => {
                self.publish(&batch, &outcomes);
                outcomes.into_iter().map(answer_to).collect()
            }
            Err(full @ LogError::Full { .. }) => {
                let found = self.with_database(|database, _| store::look_up(database, pairs()));
                match found {
                    Ok(found) => found
                        .into_iter()
                        .map(|found| found.map_or_else(|| Err(full.clone()), answer_to))
                        .collect(),
                    Err(error) => vec![Err(uncertain(error)); batch.len()],
                }
            }
            Err(error) => vec![Err(error); batch.len()],
        };
        for (append, outcome) in batch.into_iter().zip::<Vec<_>>(outcomes) {
            // Whoever has asked may have gone.
            let _ = append.answer.send(outcome);
        }
    }

    /// Tells the followers of the entries that are new, all of which are durable.
    fn publish(&self, batch: &[Append], outcomes: &[Appended]) {
        let mut newest = None;
        let mut recent = self.shared.recent();
        for (append, outcome) in batch.iter().zip(outcomes) {
            if let Appended::Now(position) = *outcome {
                let (key, bytes) = (append.key, append.bytes.clone());
                recent.push(Entry { position, key, bytes });
                newest = Some(position);
            }
        }
        drop(recent);
        if let Some(end) = newest {
            self.change(|extent| extent.end = end);
        }
    }

    fn keep_dump(&mut self, dump: &StoredDump) -> Result<bool, LogError> {
        let kept = self.with_database(|database, extent| store::keep_dump(database, dump, extent));
        match kept {
            Ok(Kept::Cut(cut)) => {
                self.change(|extent| extent.cut = cut);
                Ok(true)
            }
            Ok(Kept::Older) => Ok(false),
            Ok(Kept::Beyond) => {
                let Position(end) = self.state.borrow().clone()?.end;
                Err(LogError::Denied {
                    reason: format!("a dump at {} of a log that ends at {end}", dump.position),
                })
            }
            Err(full @ LogError::Full { .. }) => {
                let stored = self.with_database(|database, _| store::newest_dump(database));
                match stored {
                    Ok(Some(stored)) if stored == *dump => Ok(true),
                    Ok(_) => Err(full),
                    Err(error) => Err(uncertain(error)),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Does something with the database. After an error it is open anew if the error is that there was no
    /// room, and else the log has ended.
    fn with_database<T>(
        &self,
        work: impl FnOnce(&Database, Extent) -> Result<T, redb::Error>,
    ) -> Result<T, LogError> {
        let extent = self.state.borrow().clone()?;
        let done = {
            let database = self.shared.database.read().unwrap_or_else(PoisonError::into_inner);
            // The state would say that the log has ended.
            let database = database.as_ref().expect("a log that has not ended has a database");
            work(database, extent)
        };
        let Err(fault) = done else { return done.map_err(|fault| store::log_error(&fault)) };
        match store::log_error(&fault) {
            full @ LogError::Full { .. } => self.reopen(&full).and(Err(full)),
            _ => Err(self.end(store::doubt(&fault))),
        }
    }

    /// Opens the database anew.
    fn reopen(&self, full: &LogError) -> Result<(), LogError> {
        let mut place = self.shared.database.write().unwrap_or_else(PoisonError::into_inner);
        // Closed before it is opened.
        drop(place.take());
        let opened = (self.open)().and_then(|database| {
            let extent = store::prepare(&database).map_err(|fault| store::log_error(&fault))?;
            Ok((database, extent))
        });
        match opened {
            Ok((database, extent)) => {
                *place = Some(database);
                drop(place);
                self.shared.recent().clear();
                self.change(|known| *known = extent);
                Ok(())
            }
            Err(error) => {
                drop(place);
                let reason = format!("{full}, and not to be opened anew: {error}");
                Err(self.end(LogError::Ended { reason }))
            }
        }
    }

    /// Ends the log for the reason given, and returns it. The file is closed.
    fn end(&self, error: LogError) -> LogError {
        tracing::error!(%error, "a log has ended, and is to be opened anew");
        self.state.send_modify(|state| *state = Err(error.clone()));
        self.take_database();
        error
    }

    fn close(&self) {
        let closed = LogError::Ended { reason: "it has been closed".to_owned() };
        self.state.send_if_modified(|state| {
            let open = state.is_ok();
            if open {
                *state = Err(closed);
            }
            open
        });
        self.take_database();
    }

    /// Closes the file, when nobody reads it any more.
    fn take_database(&self) {
        let mut place = self.shared.database.write().unwrap_or_else(PoisonError::into_inner);
        drop(mem::take(&mut *place));
    }

    /// Changes what is known of the log, and tells the followers.
    fn change(&self, change: impl FnOnce(&mut Extent)) {
        self.state.send_modify(|state| {
            if let Ok(extent) = state {
                change(extent);
            }
        });
    }
}

fn answer_to(appended: Appended) -> Result<(), LogError> {
    match appended {
        Appended::Now(_) | Appended::Before => Ok(()),
        Appended::Other => {
            let reason = "there is an entry with this key that says something else".to_owned();
            Err(LogError::Denied { reason })
        }
    }
}

/// Returns the error for something that may have been done all the same.
fn uncertain(error: LogError) -> LogError {
    match error {
        LogError::Full { reason } => LogError::Unavailable { reason },
        other => other,
    }
}
