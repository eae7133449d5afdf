//! [`Replica`]: a forest that is brought forward by a log, and what the log is written with.
//!
//! ```text
//! who asks ──call──> appender ──entry──> log ──entry──> follower ──> applier ──answer──> who asks
//!                                         ^                             │
//!                                         └──dump── dumper <────────────┘
//! ```
//!
//! | part | is | waits for |
//! |---|---|---|
//! | appender | a task | calls, and the log |
//! | follower | a task | the log, and the applier if that is behind |
//! | applier | a thread | the follower |
//! | dumper | a task | the applier |
//! | ender | a task | whoever wants to read the present |

mod appender;
mod applier;
mod backoff;
mod blocking;
mod call;
mod dumper;
mod ender;
mod follower;
mod options;
mod shared;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::command::{self, Ask};
use crate::entry::{Content, write_command};
use crate::error::{Error, Reason, Result};
use crate::forest::Forest;
use crate::log::{Log, LogError, Position, StoredDump};
use crate::metrics::Metrics;
use crate::state::{Frozen, Halt, MOST_GROUP_BYTES, State};
use crate::ticket::{Made, Outcomes, Ticket};

use appender::Appender;
use applier::{Applier, Message};
use backoff::Backoff;
pub use blocking::Blocking;
use call::{Call, Work};
use dumper::Dumper;
use follower::Follower;
pub use options::Options;
use shared::Progress;
pub(crate) use shared::Shared;

/// How many events of the log wait for the applier, at most.
const MOST_EVENTS_AHEAD: usize = 64;

/// Represents a replica: a forest on this machine that is brought forward by a log, with which all replicas
/// of that log come to the same.
///
/// A value is a handle: clones mean the same replica, which is closed when the last one is dropped. See the
/// [crate](crate) for how to use one.
#[derive(Clone)]
pub struct Replica {
    parts: Arc<Parts>,
}

struct Parts {
    shared: Arc<Shared>,
    calls: mpsc::UnboundedSender<Call>,
    /// Counts how many commands may still be asked for.
    room: Arc<Semaphore>,
    applier: mpsc::Sender<Message>,
    end: mpsc::UnboundedSender<ender::Asked>,
    /// Where timers are.
    runtime: tokio::runtime::Handle,
    /// Ends all tasks when it is dropped.
    stop: Mutex<Option<watch::Sender<()>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// Says how a replica does.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Status {
    /// Who writes its entries. Changes if the replica is forgotten by the others, or loads a dump that does
    /// not know it.
    pub replica: Uuid,
    /// Entries up to here are applied.
    pub position: Position,
    /// The greatest position that is known to be in the log.
    pub end_seen: Position,
    /// The position of the newest dump that is known to be stored.
    pub dumped: Position,
    /// How many commands have been asked for and not answered yet.
    pub outstanding: usize,
    /// What keeps the replica from working, if anything does.
    pub trouble: Option<Trouble>,
}

/// Says what keeps a replica from working.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// It can apply no more entries, and has to be started anew once the reason is gone.
    #[error("halted: {0}")]
    Halted(Halt),
    /// The log can't be written. The replica goes on trying.
    #[error("can't append: {0}")]
    CannotAppend(LogError),
    /// The log can't be read. The replica goes on trying.
    #[error("can't follow: {0}")]
    CannotFollow(LogError),
}

/// Represents the dump of a replica's whole state at one position.
///
/// Replicas that have applied the same entries have the same bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateDump {
    /// The position up to which all entries are applied in it.
    pub position: Position,
    /// The bytes; [`read_dump`](crate::read_dump) reads them.
    pub bytes: Bytes,
}

impl Replica {
    /// Starts a replica on a log: loads the newest dump, if there is one, and applies the entries after it
    /// up to the present. The current tokio runtime runs the replica's tasks, and has to have time enabled.
    ///
    /// # Errors
    ///
    /// Returns [`Log`](Error::Log) if the log can't be reached within
    /// [`start_timeout`](Options::start_timeout), or refuses; [`Halted`](Error::Halted) if what it has can't
    /// be applied.
    pub async fn start(log: impl Log + Clone, options: Options) -> Result<Self> {
        let options = options.bounded();
        let timeout = options.start_timeout;
        let started = tokio::time::timeout(timeout, async {
            let replica = Replica::load(log, options).await?;
            let mut backoff = Backoff::default();
            loop {
                match replica.sync().await {
                    Err(Error::Log(error)) if error.is_temporary() => backoff.wait().await,
                    synced => return synced.map(|_| replica),
                }
            }
        });
        started.await.unwrap_or_else(|_| {
            let reason = format!("the replica has not caught up within {timeout:?}");
            Err(LogError::Unavailable { reason }.into())
        })
    }

    async fn load(log: impl Log + Clone, options: Options) -> Result<Self> {
        let state = match retried(|| log.newest_dump()).await? {
            Some(dump) => load_state(dump).await?,
            None => State::new().map_err(|error| Halt::ForestFull { error })?,
        };
        let (calls, taken_calls) = mpsc::unbounded_channel();
        let (applier, messages) = mpsc::channel(MOST_EVENTS_AHEAD);
        let (dumper, due) = mpsc::unbounded_channel();
        let (end, asked) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(());
        let position = state.book.position;
        let dumped = state.book.dumped;
        let progress = Progress { position, dumped, ..Progress::default() };
        let room = Arc::new(Semaphore::new(options.most_outstanding));
        let shared = Arc::new(Shared::new(options, state.tree.clone(), progress));
        if position > Position(0) {
            shared.counters.dumps_loaded.add(1);
        }

        let applying = Applier { state, shared: Arc::clone(&shared), messages, dumper, mark: None };
        let thread = std::thread::Builder::new().name("provider-tree-applier".to_owned());
        let started = thread.spawn(|| applying.run());
        started.map_err(|error| LogError::Unavailable { reason: format!("no thread: {error}") })?;
        let appending =
            Appender { log: log.clone(), shared: Arc::clone(&shared), calls: taken_calls };
        let following = Follower {
            log: log.clone(),
            shared: Arc::clone(&shared),
            told: position,
            applier: applier.clone(),
        };
        let dumping =
            Dumper { log: log.clone(), shared: Arc::clone(&shared), due, calls: calls.downgrade() };
        let tasks = vec![
            spawn(appending.run(), stopped.clone()),
            spawn(following.run(), stopped.clone()),
            spawn(dumping.run(), stopped.clone()),
            spawn(ender::run(log, asked), stopped),
        ];
        let parts = Parts {
            shared,
            calls,
            room,
            applier,
            end,
            runtime: tokio::runtime::Handle::current(),
            stop: Mutex::new(Some(stop)),
            tasks: Mutex::new(tasks),
        };
        Ok(Replica { parts: Arc::new(parts) })
    }

    /// Returns what the forest is read by, as of the last entry that was applied. O(1).
    pub fn forest(&self) -> Forest {
        let (tree, loads) = self.parts.shared.tree();
        Forest { tree, loads, shared: Arc::downgrade(&self.parts.shared) }
    }

    /// Gives a command to the replica, once there is room for it. The ticket stands for the answer.
    ///
    /// Commands of one replica are made in the order in which these calls have returned.
    ///
    /// # Errors
    ///
    /// Returns [`TooLarge`](Error::TooLarge), [`NotMade`](Error::NotMade) if the replica is closed or has
    /// halted.
    pub async fn submit<C: Ask>(&self, command: C) -> Result<Ticket<C::Answer>> {
        let group = written([command])?;
        let permit = self.wait_for_room(1).await?;
        self.send(group, 1, permit, read_one::<C>)
    }

    /// Gives a command to the replica, if there is room for it now.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`submit`](Self::submit), and [`Busy`](Error::Busy).
    pub fn try_submit<C: Ask>(&self, command: C) -> Result<Ticket<C::Answer>> {
        let group = written([command])?;
        let permit = self.try_room(1)?;
        self.send(group, 1, permit, read_one::<C>)
    }

    /// Gives several commands to the replica, once there is room for them. They are made one after the other
    /// with nothing between, but each by itself: the answer has an outcome for each. One ticket for many
    /// commands costs less than many.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`submit`](Self::submit).
    pub async fn submit_all<C: Ask>(
        &self,
        commands: impl IntoIterator<Item = C>,
    ) -> Result<Ticket<Vec<provider_tree::Result<C::Answer>>>> {
        let (group, count) = written_and_counted(commands)?;
        let permit = self.wait_for_room(count).await?;
        self.send(group, count, permit, read_all::<C>)
    }

    /// Makes a command, and waits for what it answers.
    ///
    /// # Errors
    ///
    /// Returns [`Refused`](Error::Refused) if the forest does not allow it, [`NotMade`](Error::NotMade) or
    /// [`OutcomeUnknown`](Error::OutcomeUnknown) if there is no answer, and [`TooLarge`](Error::TooLarge).
    pub async fn ask<C: Ask>(&self, command: C) -> Result<C::Answer> {
        self.submit(command).await?.await.map(|made| made.answer)
    }

    /// Makes a command, and waits for what it answers until `deadline`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`ask`](Self::ask). When the deadline has come, that is
    /// [`NotMade`](Error::NotMade) if the command was not sent yet, and never will be;
    /// [`OutcomeUnknown`](Error::OutcomeUnknown) if it was.
    pub async fn ask_until<C: Ask>(&self, command: C, deadline: Instant) -> Result<C::Answer> {
        let deadline = tokio::time::Instant::from_std(deadline);
        let submitted = tokio::time::timeout_at(deadline, self.submit(command)).await;
        let ticket = submitted.map_err(|_| Error::NotMade { reason: Reason::Deadline })??;
        let mut waiting = ticket.into_future();
        match tokio::time::timeout_at(deadline, &mut waiting).await {
            Ok(made) => made.map(|made| made.answer),
            Err(_) => Err(waiting.withdraw()),
        }
    }

    /// Checks whether this replica's forest would allow a claim now, and changes nothing: for who wants to
    /// refuse early what is hopeless. That is older than the log: what is refused here may be allowed when
    /// it would be its turn, and the other way round. O(size of the claim).
    ///
    /// # Errors
    ///
    /// Returns [`RefusedEarly`](Error::RefusedEarly).
    pub fn check(&self, claim: &command::Claim) -> Result<()> {
        let at = self.position();
        let (tree, _) = self.parts.shared.tree();
        let find = |uuid: Uuid| {
            let unknown = || provider_tree::Error::UnknownProvider { key: uuid.to_string() };
            tree.find(uuid).ok_or_else(unknown)
        };
        let checked =
            command::resolve(claim, find).and_then(|claim| tree.snapshot().fork().claim(&claim));
        checked.map_err(|error| Error::RefusedEarly { position: at, error })
    }

    /// Waits until everything is applied that was in the log when the call began, and returns a position up
    /// to which that is so: what is read afterwards is of the present. Costs a question to the log, which all
    /// share who ask at the same time.
    ///
    /// # Errors
    ///
    /// Returns [`Log`](Error::Log) if the log does not answer, and [`Halted`](Error::Halted).
    pub async fn sync(&self) -> Result<Position> {
        let Parts { shared, end, .. } = &*self.parts;
        shared.counters.syncs.add(1);
        self.check_halted()?;
        let (sender, receiver) = oneshot::async_channel();
        end.send(sender).map_err(|_| closed())?;
        let end = receiver.await.map_err(|_| closed())??;
        shared.counters.end_seen.raise(end.0);
        self.wait_for(end).await?;
        Ok(self.position())
    }

    /// Waits until everything up to `position` is applied.
    ///
    /// # Errors
    ///
    /// Returns [`Halted`](Error::Halted) if the replica comes no further.
    pub async fn wait_for(&self, position: Position) -> Result<()> {
        let mut progress = self.parts.shared.progress.subscribe();
        let there = progress
            .wait_for(|progress| progress.position >= position || progress.halt.is_some())
            .await;
        match there {
            Ok(progress) if progress.position >= position => Ok(()),
            Ok(_) | Err(_) => self.check_halted().and(Err(closed())),
        }
    }

    /// Returns up to which position everything is applied.
    pub fn position(&self) -> Position {
        self.parts.shared.progress.borrow().position
    }

    /// Returns how the replica does.
    pub fn status(&self) -> Status {
        let Parts { shared, room, .. } = &*self.parts;
        let progress = shared.progress.borrow().clone();
        let trouble = (progress.halt.map(Trouble::Halted))
            .or(progress.append_trouble.map(Trouble::CannotAppend))
            .or(progress.follow_trouble.map(Trouble::CannotFollow));
        Status {
            replica: shared.sent().replica(),
            position: progress.position,
            end_seen: Position(shared.counters.read().end_seen.max(progress.position.0)),
            dumped: progress.dumped,
            outstanding: shared.options.most_outstanding - room.available_permits(),
            trouble,
        }
    }

    /// Counts what the replica has done.
    pub fn metrics(&self) -> Metrics {
        self.parts.shared.counters.read()
    }

    /// Dumps the state as of the last entry that was applied. The replica goes on meanwhile.
    ///
    /// # Errors
    ///
    /// Returns [`Dump`](Error::Dump) and [`Halted`](Error::Halted).
    pub async fn dump(&self) -> Result<StateDump> {
        let (sender, receiver) = oneshot::async_channel();
        self.tell_applier(Message::Freeze(sender)).await?;
        let frozen = receiver.await.map_err(|_| self.gone())?;
        dumped(Arc::new(frozen)).await
    }

    /// Has all replicas remember their state at one position, and returns what
    /// [`dump_at_mark`](Self::dump_at_mark) takes on any of them, once that has come so far. Each remembers
    /// the last mark alone.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`ask`](Self::ask).
    pub async fn mark(&self) -> Result<Made<Uuid>> {
        let mark = Uuid::new_v4();
        let work = Work::Statement(Content::Mark(mark));
        let ticket = self.send_work(work, 0, None, |_, _| Ok(()))?;
        ticket.await.map(|Made { position, .. }| Made { position, answer: mark })
    }

    /// Dumps the state as it was at a mark; returns `None` if the replica has not come so far, or remembers
    /// another mark.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`dump`](Self::dump).
    pub async fn dump_at_mark(&self, mark: Uuid) -> Result<Option<StateDump>> {
        let (sender, receiver) = oneshot::async_channel();
        self.tell_applier(Message::AtMark(mark, sender)).await?;
        match receiver.await.map_err(|_| self.gone())? {
            Some(frozen) => dumped(frozen).await.map(Some),
            None => Ok(None),
        }
    }

    /// Returns the interface for threads that may block.
    pub fn blocking(&self) -> Blocking<'_> {
        Blocking { replica: self }
    }

    /// Takes no more commands, waits until those that are on their way are answered, and ends the replica.
    /// Who is not willing to wait so long drops this future, and all handles: what is not answered by then is
    /// answered as [`NotMade`](Error::NotMade) or [`OutcomeUnknown`](Error::OutcomeUnknown).
    pub async fn close(&self) {
        let Parts { shared, room, stop, tasks, .. } = &*self.parts;
        let most = u32::try_from(shared.options.most_outstanding).unwrap_or(u32::MAX);
        // Whoever waits for room comes before.
        if let Ok(all) = room.acquire_many(most).await {
            room.close();
            drop(all);
        }
        drop(stop.lock().unwrap_or_else(PoisonError::into_inner).take());
        let tasks = std::mem::take(&mut *tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // A task that has panicked is over as well.
            drop(task.await);
        }
    }

    fn send<A>(
        &self,
        group: Vec<u8>,
        count: usize,
        permit: Option<OwnedSemaphorePermit>,
        read: fn(Position, Outcomes) -> Result<A>,
    ) -> Result<Ticket<A>> {
        self.send_work(Work::Commands(group), count, permit, read)
    }

    fn send_work<A>(
        &self,
        work: Work,
        count: usize,
        permit: Option<OwnedSemaphorePermit>,
        read: fn(Position, Outcomes) -> Result<A>,
    ) -> Result<Ticket<A>> {
        let shared = &self.parts.shared;
        let replica = shared.sent().replica();
        let (call, receiver, stage) = Call::new(work, count, replica, permit);
        shared.counters.commands_submitted.add(count as u64);
        // A call that can't be sent is dropped, and answered by that.
        drop(self.parts.calls.send(call));
        Ok(Ticket::new(receiver, stage, replica, read))
    }

    async fn wait_for_room(&self, count: usize) -> Result<Option<OwnedSemaphorePermit>> {
        let room = Arc::clone(&self.parts.room);
        let permit = room.acquire_many_owned(self.permits(count)).await;
        permit.map(Some).map_err(|_| closed())
    }

    fn try_room(&self, count: usize) -> Result<Option<OwnedSemaphorePermit>> {
        let room = Arc::clone(&self.parts.room);
        room.try_acquire_many_owned(self.permits(count)).map(Some).map_err(|error| match error {
            tokio::sync::TryAcquireError::Closed => closed(),
            tokio::sync::TryAcquireError::NoPermits => {
                Error::Busy { most: self.parts.shared.options.most_outstanding }
            }
        })
    }

    /// How much room so many commands take: more than there is are let in alone.
    fn permits(&self, count: usize) -> u32 {
        let count = count.min(self.parts.shared.options.most_outstanding);
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    async fn tell_applier(&self, message: Message) -> Result<()> {
        self.check_halted()?;
        self.parts.applier.send(message).await.map_err(|_| self.gone())
    }

    fn check_halted(&self) -> Result<()> {
        match self.parts.shared.progress.borrow().halt.clone() {
            Some(halt) => Err(halt.into()),
            None => Ok(()),
        }
    }

    /// What is the matter if the applier is gone.
    fn gone(&self) -> Error {
        self.check_halted().err().unwrap_or_else(closed)
    }
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica").field("status", &self.status()).finish_non_exhaustive()
    }
}

fn closed() -> Error {
    Error::NotMade { reason: Reason::Closed }
}

/// Runs a part of a replica until it is over, or the replica is closed.
fn spawn(
    part: impl Future<Output = ()> + Send + 'static,
    mut stopped: watch::Receiver<()>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        tokio::select! {
            _ = stopped.changed() => {}
            () = part => {}
        }
    })
}

/// Asks the log until it answers.
async fn retried<T, F>(ask: impl Fn() -> F) -> Result<T, LogError>
where
    F: Future<Output = Result<T, LogError>>,
{
    let mut backoff = Backoff::default();
    loop {
        match ask().await {
            Err(error) if error.is_temporary() => {
                tracing::warn!(%error, "the log does not answer yet");
                backoff.wait().await;
            }
            answer => return answer,
        }
    }
}

/// Makes the state that a dump is of, on a thread that may take its time.
async fn load_state(dump: StoredDump) -> Result<State, Halt> {
    let loaded = tokio::task::spawn_blocking(move || State::load(dump.position, &dump.bytes));
    loaded.await.unwrap_or(Err(Halt::Panicked))
}

async fn dumped(frozen: Arc<Frozen>) -> Result<StateDump> {
    let position = frozen.position();
    dumper::write(frozen).await.map(|bytes| StateDump { position, bytes })
}

fn written<C: Ask>(commands: impl IntoIterator<Item = C>) -> Result<Vec<u8>> {
    written_and_counted(commands).map(|(group, _)| group)
}

fn written_and_counted<C: Ask>(commands: impl IntoIterator<Item = C>) -> Result<(Vec<u8>, usize)> {
    // Enough for a claim of a few amounts.
    let (mut group, mut count) = (Vec::with_capacity(128), 0);
    for command in commands {
        write_command(&command.into(), &mut group)?;
        count += 1;
    }
    let (bytes, most) = (group.len(), MOST_GROUP_BYTES);
    if bytes > most {
        return Err(Error::TooLarge { bytes, most });
    }
    Ok((group, count))
}

fn read_one<C: Ask>(position: Position, mut outcomes: Outcomes) -> Result<C::Answer> {
    let outcome = outcomes.pop().expect("an entry answers each of its commands");
    let outcome = outcome.map_err(|error| Error::Refused { position, error })?;
    Ok(C::answer(outcome).expect("a command answers as its kind does"))
}

fn read_all<C: Ask>(
    _: Position,
    outcomes: Outcomes,
) -> Result<Vec<provider_tree::Result<C::Answer>>> {
    let answer = |outcome| C::answer(outcome).expect("a command answers as its kind does");
    Ok(outcomes.into_iter().map(|outcome| outcome.map(answer)).collect())
}
