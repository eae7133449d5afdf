//! [`EtcdFollower`]: follows a log by a watch, and by the keys that there are where etcd has forgotten what
//! came before them.
//!
//! A task of its own reads the watch, so that [`next`](Follow::next) can be dropped at any time, and a member
//! that hangs is noticed while nobody waits.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use etcd_client::{GetOptions, KeyValue, WatchOptions, WatchResponse, WatchStream};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::cut::Run;
use super::failure::{explain, explain_cancelled};
use super::link::Link;
use super::options::RUN;
use super::{Store, Told, cut, made, pointer_of, revision};
use crate::log::{Entry, EntryKey, Event, Follow, LogError, Position};

/// How many events wait for whoever follows before no more are read.
const EVENTS: usize = 64;

/// How many requests are on their way at once where there is no history to watch.
const AT_ONCE: usize = 8;

/// How many entries are asked for at once, with these requests: as many as have about so many bytes, going by
/// those before them, but no more than that.
const WINDOW_BYTES: usize = 8 << 20;
const WINDOW: usize = 512;

/// Follows a log on etcd. The task that does so ends when this is dropped.
///
/// What is not taken is left with etcd after some megabytes. Several followers that nobody reads can so hold up
/// what else goes over the connection of their log: read them, or drop them.
pub struct EtcdFollower {
    events: mpsc::Receiver<Result<Event, LogError>>,
}

impl Follow for EtcdFollower {
    async fn next(&mut self) -> Result<Event, LogError> {
        let done = || LogError::Unavailable { reason: "the follower is done".into() };
        self.events.recv().await.unwrap_or_else(|| Err(done()))
    }
}

impl fmt::Debug for EtcdFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdFollower").finish_non_exhaustive()
    }
}

pub(super) async fn follow(store: Arc<Store>, after: Position) -> Result<EtcdFollower, LogError> {
    let link = store.links.link().await?;
    // This also lets the member catch up, and the connection have a token that the watch can use.
    let last = store.told();
    let kept = match last {
        Some(last) => is_kept(&store, &link, last).await?,
        None => true,
    };
    // Only now: so whatever was deleted before it was read is told of.
    let answer = store.get_at(&link, store.keys.newest(), GetOptions::new()).await?;
    let end = revision(&answer)?;
    if end < after.0 {
        return Err(other_history(format!("etcd is at {end}, before {after}, where it has been")));
    }
    let (pointer, _) = pointer_of(&answer)?;
    let cut = pointer.map_or(Position::default(), |pointer| pointer.cut);
    if let Some(Told { key, position, .. }) = last.filter(|last| last.position > cut && !kept) {
        return Err(other_history(format!("{} was at {position}, and is not", name(key))));
    }
    if cut > after {
        return Err(LogError::Compacted { after });
    }
    // There were no entries between the two. Those that come there now are of another history.
    let last = last.filter(|last| (last.position..=last.reached).contains(&after));
    let empty = (last.map_or(after, |last| last.position.max(cut)), after);
    let watch = begin(&store, &link, empty.0).await?;
    let (told, events) = mpsc::channel(EVENTS);
    let heard = watch::Sender::new(Instant::now());
    let following = Following { store, link, empty, reached: after, last, told, heard };
    tokio::spawn(run(following, watch));
    Ok(EtcdFollower { events })
}

/// Returns whether the last entry that was told is where it was.
async fn is_kept(store: &Store, link: &Arc<Link>, last: Told) -> Result<bool, LogError> {
    let options = GetOptions::new().with_keys_only();
    let answer = store.get_at(link, &store.keys.entry(last.key), options).await?;
    Ok(answer.kvs().iter().any(|kv| made(kv) == last.position.0))
}

fn name(key: EntryKey) -> String {
    format!("entry {} of replica {}", key.sequence, key.replica)
}

fn other_history(reason: String) -> LogError {
    let reason =
        format!("etcd has another history, as if it were restored from a backup: {reason}");
    LogError::Damaged { reason }
}

struct Following {
    store: Arc<Store>,
    link: Arc<Link>,
    /// There were no entries after the one up to the other, where this has begun. If there are, etcd has
    /// another history.
    empty: (Position, Position),
    /// All entries up to here have been told.
    reached: Position,
    /// What has been told last, if that is known.
    last: Option<Told>,
    told: mpsc::Sender<Result<Event, LogError>>,
    /// When the member has last said something.
    heard: watch::Sender<Instant>,
}

/// Why a watch has ended, or a follower.
enum Ended {
    /// Nobody follows any more.
    Dropped,
    /// Etcd has no history from where the watch began.
    Forgotten,
    Failed(LogError),
}

impl From<LogError> for Ended {
    fn from(error: LogError) -> Self {
        Ended::Failed(error)
    }
}

async fn run(mut following: Following, watch: WatchStream) {
    let Following { store, link, told, heard, .. } = &following;
    let (store, link, told) = (store.clone(), link.clone(), told.clone());
    let silent = silence(store.clone(), link.clone(), heard.subscribe());
    let ended = tokio::select! {
        ended = following.tell_all(watch) => ended,
        error = silent => Ended::Failed(error),
        () = told.closed() => Ended::Dropped,
    };
    if let Ended::Failed(error) = ended {
        if let LogError::Unavailable { reason } = &error {
            store.links.fail(&link, reason).await;
        }
        tracing::debug!(%error, reached = following.reached.0, "a follower ends");
        // If this is not taken, nobody follows any more.
        _ = told.send(Err(error)).await;
    }
}

/// Begins to watch what comes after a position. That etcd has forgotten it is said later, by the watch.
async fn begin(store: &Store, link: &Arc<Link>, after: Position) -> Result<WatchStream, LogError> {
    let from = after.0.checked_add(1).and_then(|from| i64::try_from(from).ok());
    let from = from
        .ok_or_else(|| LogError::Damaged { reason: format!("{after} is no position in etcd") })?;
    let options = WatchOptions::new().with_prefix().with_start_revision(from).with_fragment();
    let log = store.keys.log();
    let begun = store.links.ask_at(link, |link| {
        let mut client = link.watch();
        async move { client.watch(log, Some(options)).await }
    });
    begun.await
}

/// Returns when the member has said nothing for some time, and then does not answer a question that it can only
/// answer with a majority.
async fn silence(
    store: Arc<Store>,
    link: Arc<Link>,
    mut heard: watch::Receiver<Instant>,
) -> LogError {
    let patience: Duration = store.links.options().silence;
    let mut since = Instant::now();
    loop {
        since = since.max(*heard.borrow_and_update());
        sleep_until(since + patience).await;
        if heard.has_changed().unwrap_or(false) {
            continue;
        }
        let options = GetOptions::new().with_keys_only();
        if let Err(error) = store.get_at(&link, store.keys.newest(), options).await {
            return error;
        }
        since = Instant::now();
    }
}

impl Following {
    /// Tells what comes until nothing can come any more.
    async fn tell_all(&mut self, mut watch: WatchStream) -> Ended {
        loop {
            let ended = match self.tell_watched(&mut watch).await {
                Ok(never) => match never {},
                Err(Ended::Forgotten) => self.tell_kept().await,
                Err(ended) => return ended,
            };
            if let Err(ended) = ended {
                return ended;
            }
            watch = match begin(&self.store, &self.link, self.reached).await {
                Ok(watch) => watch,
                Err(error) => return Ended::Failed(error),
            };
        }
    }

    async fn tell_watched(
        &mut self,
        watch: &mut WatchStream,
    ) -> Result<std::convert::Infallible, Ended> {
        loop {
            let message = watch.message().await.map_err(explain)?;
            let message = message.ok_or_else(|| explain_cancelled(""))?;
            self.heard.send_replace(Instant::now());
            if message.compact_revision() != 0 {
                return Err(Ended::Forgotten);
            }
            if message.canceled() {
                return Err(Ended::Failed(explain_cancelled(message.cancel_reason())));
            }
            self.tell_message(&message).await?;
        }
    }

    async fn tell_message(&mut self, message: &WatchResponse) -> Result<(), Ended> {
        let mut reached = self.reached;
        for kv in message.events().iter().filter_map(|event| event.kv()) {
            let position = Position(u64::try_from(kv.mod_revision()).unwrap_or(0));
            self.store.saw(position.0);
            // Etcd 3.4 may tell an event twice. No revision has two entries.
            if position <= reached {
                if let Some(entry) = self.entry(kv, position) {
                    self.fail_if_new(entry.key, position)?;
                }
                continue;
            }
            reached = position;
            if let Some(entry) = self.entry(kv, position) {
                self.tell_entry(entry).await?;
            }
        }
        self.tell_reached(reached).await
    }

    /// Returns the entry that an event is about. It is none if it deletes something, or puts something again,
    /// or the mark.
    fn entry(&self, kv: &KeyValue, position: Position) -> Option<Entry> {
        if made(kv) != position.0 {
            return None;
        }
        let key = self.store.keys.entry_of(kv.key())?;
        Some(Entry { position, key, bytes: Bytes::copy_from_slice(kv.value()) })
    }

    /// Tells the entries that there are. Those that are made meanwhile are left to a watch, wherever in the
    /// order of the keys they are.
    async fn tell_kept(&mut self) -> Result<(), Ended> {
        let mut page = cut::page(&self.store, self.store.keys.log().to_owned()).await?;
        let end = Position(page.revision);
        tracing::info!(
            after = self.reached.0,
            end = end.0,
            "etcd has forgotten the history: a follower reads the keys that there are"
        );
        let mut kept: Vec<(EntryKey, Position)> = Vec::new();
        loop {
            let new = |position: Position| self.reached < position && position <= end;
            for (key, position) in page.entries {
                self.fail_if_new(key, position)?;
                if new(position) {
                    kept.push((key, position));
                }
            }
            self.heard.send_replace(Instant::now());
            let Some(next) = page.next else { break };
            page = cut::page(&self.store, next).await?;
        }
        // Only now: so whatever was deleted before it was read is told of.
        self.fail_if_cut().await?;
        kept.sort_unstable_by_key(|(_, position)| *position);
        let mut rest = &kept[..];
        let mut next = AT_ONCE;
        while !rest.is_empty() {
            let (window, later) = rest.split_at(next.min(rest.len()));
            rest = later;
            let mut entries = self.read(window).await?;
            let bytes: usize = entries.values().map(|entry| entry.bytes.len()).sum();
            // Twice as many at most: what comes next may be larger.
            let fitting = WINDOW_BYTES / (bytes / window.len()).max(1);
            next = fitting.min(2 * window.len()).clamp(1, WINDOW);
            for (key, position) in window {
                // It is none if it has been deleted.
                match entries.remove(position).filter(|entry| entry.key == *key) {
                    Some(entry) => self.tell_entry(entry).await?,
                    None => return Err(Ended::Failed(LogError::Compacted { after: self.reached })),
                }
            }
        }
        self.tell_reached(end).await
    }

    /// Returns what there is of some entries, which are in the order of their positions.
    async fn read(
        &self,
        window: &[(EntryKey, Position)],
    ) -> Result<HashMap<Position, Entry>, Ended> {
        let mut keys: Vec<_> = window.iter().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        let runs = cut::runs(keys, RUN).into_iter().map(|run| {
            let store = self.store.clone();
            async move { read_run(&store, &run).await }
        });
        let mut runs = stream::iter(runs).buffer_unordered(AT_ONCE);
        let mut entries = HashMap::with_capacity(window.len());
        while let Some(run) = runs.try_next().await? {
            self.heard.send_replace(Instant::now());
            entries.extend(run.into_iter().map(|entry| (entry.position, entry)));
        }
        Ok(entries)
    }

    /// Fails if an entry is where there was none.
    fn fail_if_new(&self, key: EntryKey, position: Position) -> Result<(), Ended> {
        let (from, to) = self.empty;
        match from < position && position <= to {
            true => {
                let reason = format!("{} is at {position}, where there was none", name(key));
                Err(Ended::Failed(other_history(reason)))
            }
            false => Ok(()),
        }
    }

    fn note(&mut self, last: Told) {
        self.last = Some(last);
        self.store.note(last);
    }

    async fn fail_if_cut(&self) -> Result<(), Ended> {
        let (pointer, _) = self.store.pointer().await?;
        match pointer.map(|pointer| pointer.cut.cmp(&self.reached)) {
            Some(Ordering::Greater) => {
                Err(Ended::Failed(LogError::Compacted { after: self.reached }))
            }
            _ => Ok(()),
        }
    }

    async fn tell_entry(&mut self, entry: Entry) -> Result<(), Ended> {
        let position = entry.position;
        tracing::trace!(position = position.0, "an entry is told");
        let key = entry.key;
        self.tell(Event::Entry(entry)).await?;
        self.reached = position;
        self.note(Told { key, position, reached: position });
        Ok(())
    }

    async fn tell_reached(&mut self, position: Position) -> Result<(), Ended> {
        if position > self.reached {
            self.tell(Event::Reached(position)).await?;
            self.reached = position;
            if let Some(last) = self.last {
                self.note(Told { reached: position, ..last });
            }
        }
        Ok(())
    }

    async fn tell(&self, event: Event) -> Result<(), Ended> {
        self.told.send(Ok(event)).await.map_err(|_| Ended::Dropped)
    }
}

/// Returns the entries of a run that have not been deleted, each at the position where it is now.
async fn read_run(store: &Store, run: &Run) -> Result<Vec<Entry>, LogError> {
    let (begin, end) = run.range(&store.keys);
    let mut answer = store.get(&begin, GetOptions::new().with_range(end)).await?;
    let entry = |kv: KeyValue| {
        let (key, position) = (store.keys.entry_of(kv.key())?, Position(made(&kv)));
        Some(Entry { position, key, bytes: kv.into_key_value().1.into() })
    };
    Ok(answer.take_kvs().into_iter().filter_map(entry).collect())
}
