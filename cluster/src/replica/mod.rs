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
mod queue;
mod shared;

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::command::{self, Ask};
use crate::entry::{Content, write_command};
use crate::error::{Error, Reason, Result};
use crate::forest::Forest;
use crate::log::{Log, LogError, Position, StoredDump};
use crate::metrics::Metrics;
use crate::state::{Frozen, Halt, MOST_GROUP_BYTES, State};
use crate::ticket::{Made, Outcomes, Place, Ticket};

use appender::Appender;
use applier::{Applier, Growth, Message};
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
    /// Counts how much may still be asked for.
    room: Arc<Semaphore>,
    applier: mpsc::Sender<Message>,
    end: mpsc::UnboundedSender<ender::Asked>,
    /// Where timers are.
    runtime: tokio::runtime::Handle,
    /// Ends all tasks when it is dropped.
    stop: Mutex<Option<watch::Sender<()>>>,
    /// What `close` waits for.
    rest: tokio::sync::Mutex<Vec<JoinHandle<()>>>,
    /// Gives up the log, once no task has it any more.
    release: tokio::sync::Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
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
    /// It works no more, and has to be started anew.
    #[error("ended: {0}")]
    Ended(Reason),
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
    /// Returns [`Log`](Error::Log) if the replica has not caught up within
    /// [`start_timeout`](Options::start_timeout), or the log refuses; [`Ended`](Error::Ended) if what it has can't
    /// be applied.
    pub async fn start(log: impl Log + Clone, options: Options) -> Result<Self> {
        let options = options.bounded();
        let timeout = options.start_timeout;
        let started = tokio::time::timeout(timeout, async {
            let replica = Replica::load(log, options).await?;
            replica.catch_up().await?;
            Ok(replica)
        });
        started.await.unwrap_or_else(|_| {
            let reason = format!("the replica has not caught up within {timeout:?}");
            Err(LogError::Unavailable { reason }.into())
        })
    }

    /// Applies what the log has, once that can be reached.
    async fn catch_up(&self) -> Result<()> {
        let mut backoff = Backoff::default();
        loop {
            match self.sync().await {
                Err(Error::Log(error)) if error.is_temporary() => backoff.wait().await,
                synced => return synced.map(drop),
            }
        }
    }

    async fn load(log: impl Log + Clone, options: Options) -> Result<Self> {
        let state = match retried(|| log.newest_dump()).await? {
            Some(dump) => load_state(dump).await?,
            None => State::new().map_err(|error| Halt::ForestFull { error })?,
        };
        let (applier, messages) = mpsc::channel(MOST_EVENTS_AHEAD);
        let (dumper, due) = mpsc::channel(1);
        let (end, asked) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(());
        let position = state.book.position;
        let progress = Progress { position, dumped: state.book.dumped, ..Progress::default() };
        let room = Arc::new(Semaphore::new(options.most_outstanding));
        let growth = Growth::new(options.dump_every_bytes);
        let shared = Arc::new(Shared::new(options, state.tree.clone(), progress));
        if position > Position(0) {
            shared.counters.dumps_loaded.add(1);
        }

        let applying =
            Applier { state, shared: Arc::clone(&shared), messages, dumper, mark: None, growth };
        let thread = std::thread::Builder::new().name("provider-tree-applier".to_owned());
        let started = thread.spawn(|| applying.run());
        started.map_err(|error| LogError::Unavailable { reason: format!("no thread: {error}") })?;
        let appending = Appender { log: log.clone(), shared: Arc::clone(&shared) };
        let following = Follower {
            log: log.clone(),
            shared: Arc::clone(&shared),
            told: position,
            applier: applier.clone(),
        };
        let dumping =
            Dumper { log: log.clone(), shared: Arc::clone(&shared), room: Arc::clone(&room), due };
        let spawn = |part| spawn_part(part, Arc::clone(&shared), stopped.clone());
        let rest = vec![
            spawn(Box::pin(appending.run())),
            spawn(Box::pin(following.run())),
            spawn(Box::pin(dumping.run())),
            spawn(Box::pin(ender::run(log.clone(), asked))),
        ];
        let parts = Parts {
            shared,
            room,
            applier,
            end,
            runtime: tokio::runtime::Handle::current(),
            stop: Mutex::new(Some(stop)),
            rest: tokio::sync::Mutex::new(rest),
            release: tokio::sync::Mutex::new(Some(Box::pin(log.release()))),
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
        let permit = self.wait_for_room(1, group.len()).await?;
        self.send(group, 1, permit, read_one::<C>)
    }

    /// Gives a command to the replica, if there is room for it now.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`submit`](Self::submit), and [`Busy`](Error::Busy).
    pub fn try_submit<C: Ask>(&self, command: C) -> Result<Ticket<C::Answer>> {
        let group = written([command])?;
        let permit = self.try_room(1, group.len())?;
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
        let permit = self.wait_for_room(count, group.len()).await?;
        self.send(group, count, permit, read_all::<C>)
    }

    /// Makes a command, and waits for what it answers. Whoever drops this future learns nothing of the outcome:
    /// for a bound in time there is [`ask_until`](Self::ask_until).
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
        let made = match tokio::time::timeout_at(deadline, &mut waiting).await {
            Ok(made) => made,
            Err(_) => waiting.withdraw(),
        };
        made.map(|made| made.answer)
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
        let find = |uuid: Uuid| tree.find(uuid).ok_or_else(|| command::unknown(uuid));
        let checked =
            command::resolve(claim, find).and_then(|claim| tree.snapshot().fork().claim(&claim));
        checked.map_err(|error| Error::RefusedEarly { position: at, error })
    }

    /// Waits until everything is applied that was in the log when the call began, and returns a position up
    /// to which that is so: what is read afterwards is of the present. Costs a question to the log, which all
    /// share who ask at the same time. The log is asked once, so a call may fail while etcd elects a leader, and is
    /// to be made again; it has no deadline of its own for what is to be applied.
    ///
    /// # Errors
    ///
    /// Returns [`Log`](Error::Log) if the log does not answer, and [`Ended`](Error::Ended).
    pub async fn sync(&self) -> Result<Position> {
        let Parts { shared, end, .. } = &*self.parts;
        shared.counters.syncs.add(1);
        let (sender, receiver) = oneshot::async_channel();
        end.send(sender).map_err(|_| self.ended())?;
        let end = receiver.await.map_err(|_| self.ended())??;
        shared.counters.end_seen.raise(end.0);
        self.wait_for(end).await?;
        Ok(self.position())
    }

    /// Waits until everything up to `position` is applied.
    ///
    /// # Errors
    ///
    /// Returns [`Ended`](Error::Ended) if the replica comes no further.
    pub async fn wait_for(&self, position: Position) -> Result<()> {
        let shared = &self.parts.shared;
        let mut progress = shared.progress.subscribe();
        // What is told is let go of at once: whoever tells the next waits for that.
        let is_there = async { drop(progress.wait_for(|it| it.position >= position).await) };
        tokio::select! {
            biased;
            () = is_there => Ok(()),
            () = shared.until_ended() => Err(self.ended()),
        }
    }

    /// Fences another replica off: whatever it has been asked for and has not got into the log by then is refused
    /// by all replicas, and by itself, for ever. It goes on as a new one when it learns of that, if it is alive.
    /// Serves whoever wants to know that a command of [unknown outcome](Error::OutcomeUnknown) can come no more:
    /// its [`Sent`](crate::Sent) names the replica. Returns the position of the fence, which is applied here by
    /// then; any uuid is taken.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`ask`](Self::ask).
    pub async fn fence(&self, replica: Uuid) -> Result<Position> {
        let work = Work::Statement(Content::Fence(replica));
        let permit = self.wait_for_room(1, 0).await?;
        let ticket = self.send_work(work, 0, permit, |_, _| Ok(()))?;
        ticket.await.map(|made| made.position)
    }

    /// Returns up to which position everything is applied.
    pub fn position(&self) -> Position {
        self.parts.shared.progress.borrow().position
    }

    /// Returns how the replica does.
    pub fn status(&self) -> Status {
        let Parts { shared, room, .. } = &*self.parts;
        let progress = shared.progress.borrow().clone();
        let trouble = (shared.ended().map(Trouble::Ended))
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
    /// Returns [`Dump`](Error::Dump) and [`Ended`](Error::Ended).
    pub async fn dump(&self) -> Result<StateDump> {
        let (sender, receiver) = oneshot::async_channel();
        self.tell_applier(Message::Freeze(sender)).await?;
        let frozen = receiver.await.map_err(|_| self.ended())?;
        dumped(Arc::new(frozen)).await
    }

    /// Has the log keep a dump of the state as of the last entry that was applied, and cut off what the dump
    /// before it has. Replicas do that by themselves when the log has [grown](Options::dump_every_bytes); this
    /// is for who wants the next start to be quick. Returns `false` if the log has a dump that is as new.
    ///
    /// # Errors
    ///
    /// Returns [`Log`](Error::Log), [`Dump`](Error::Dump) and [`Ended`](Error::Ended).
    pub async fn store_dump(&self) -> Result<bool> {
        let (sender, stored) = oneshot::async_channel();
        self.tell_applier(Message::Store(sender)).await?;
        stored.await.unwrap_or_else(|_| Err(self.ended()))
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
        let permit = self.wait_for_room(1, 0).await?;
        let ticket = self.send_work(work, 0, permit, |_, _| Ok(()))?;
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
        match receiver.await.map_err(|_| self.ended())? {
            Some(frozen) => dumped(frozen).await.map(Some),
            None => Ok(None),
        }
    }

    /// Returns the interface for threads that may block.
    pub fn blocking(&self) -> Blocking<'_> {
        Blocking { replica: self }
    }

    /// Takes no more commands, waits until those that are on their way are answered, ends the replica, and
    /// gives up the log: it can be opened anew then, if the caller has no handle of it. That waits for as long
    /// as the log is away. Who is not willing to wait so long bounds this future, and then drops all handles:
    /// what is not answered by then is answered as [`NotMade`](Error::NotMade) or
    /// [`OutcomeUnknown`](Error::OutcomeUnknown).
    pub async fn close(&self) {
        let Parts { shared, room, stop, rest, release, .. } = &*self.parts;
        let most = u32::try_from(shared.options.most_outstanding).unwrap_or(u32::MAX);
        // Whoever waits for room comes before.
        if let Ok(all) = room.acquire_many(most).await {
            room.close();
            drop(all);
        }
        // The applier gives room back before it answers. Once it takes this, it has answered.
        let (sender, frozen) = oneshot::async_channel();
        if self.parts.applier.send(Message::Freeze(sender)).await.is_ok() {
            drop(frozen.await);
        }
        drop(locked(stop).take());
        // Whoever drops this future leaves what is not done to the next one who closes.
        let mut rest = rest.lock().await;
        while let Some(task) = rest.last_mut() {
            // A task that has panicked is over as well.
            drop(task.await);
            rest.pop();
        }
        shared.end(Reason::Closed);
        let mut release = release.lock().await;
        if let Some(releasing) = release.as_mut() {
            releasing.await;
            *release = None;
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
        let (call, receiver) = Call::new(work, count, permit);
        match shared.queue.push(call) {
            Ok(number) => {
                shared.counters.commands_submitted.add(count as u64);
                Ok(Ticket::new(receiver, Place::new(Arc::clone(shared), number), read))
            }
            Err(reason) => Err(Error::NotMade { reason }),
        }
    }

    async fn wait_for_room(
        &self,
        count: usize,
        bytes: usize,
    ) -> Result<Option<OwnedSemaphorePermit>> {
        let room = Arc::clone(&self.parts.room);
        let permit = room.acquire_many_owned(self.permits(count, bytes)).await;
        permit.map(Some).map_err(|_| self.not_taken())
    }

    fn try_room(&self, count: usize, bytes: usize) -> Result<Option<OwnedSemaphorePermit>> {
        let room = Arc::clone(&self.parts.room);
        let permit = room.try_acquire_many_owned(self.permits(count, bytes));
        permit.map(Some).map_err(|error| match error {
            TryAcquireError::Closed => self.not_taken(),
            TryAcquireError::NoPermits => {
                Error::Busy { most: self.parts.shared.options.most_outstanding }
            }
        })
    }

    /// Returns how much room commands take: more than there is are let in alone.
    fn permits(&self, count: usize, bytes: usize) -> u32 {
        let most = self.parts.shared.options.most_outstanding;
        let permits = count.max(bytes / Options::BYTES_OF_ONE).clamp(1, most);
        u32::try_from(permits).unwrap_or(u32::MAX)
    }

    async fn tell_applier(&self, message: Message) -> Result<()> {
        self.parts.applier.send(message).await.map_err(|_| self.ended())
    }

    fn why(&self) -> Reason {
        self.parts.shared.ended().unwrap_or(Reason::Closed)
    }

    /// What is the matter if a part of the replica does not answer.
    fn ended(&self) -> Error {
        Error::Ended { reason: self.why() }
    }

    /// What is the matter if no command is taken any more.
    fn not_taken(&self) -> Error {
        Error::NotMade { reason: self.why() }
    }
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica").field("status", &self.status()).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // It is locked to take something out alone.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a part of a replica until it is over, or the replica ends or is closed. Without any of its parts the
/// replica ends, so that nobody waits for what never comes.
fn spawn_part(
    part: Pin<Box<dyn Future<Output = ()> + Send>>,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<()>,
) -> JoinHandle<()> {
    let guard = EndsWithPart(shared);
    tokio::spawn(async move {
        let EndsWithPart(shared) = &guard;
        tokio::select! {
            _ = stopped.changed() => {}
            () = shared.until_ended() => {}
            () = part => {}
        }
    })
}

/// Ends the replica when it is dropped: with the part, or with the runtime.
struct EndsWithPart(Arc<Shared>);

impl Drop for EndsWithPart {
    fn drop(&mut self) {
        let reason = match std::thread::panicking() {
            true => Reason::Halted(Halt::Panicked),
            false => Reason::Closed,
        };
        self.0.end(reason);
    }
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
