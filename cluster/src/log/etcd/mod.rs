//! [`EtcdLog`]: a log on etcd, for replicas on any number of machines.
//!
//! An entry's position is the revision at which its key was made: etcd gives all followers the same order.
//! Appending is one plain put, and a put of the same key again makes a later revision of the same key, which is
//! no entry.
//!
//! What etcd 3.4 does not promise is not relied on: its notifications of progress may come before the events
//! that they tell of, and it may tell an event twice.

mod cut;
mod dump;
mod failure;
mod follower;
mod keys;
mod link;
mod options;
mod pointer;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use etcd_client::{GetOptions, GetResponse, KeyValue};
use tokio::sync::watch;
use tokio::time::timeout;

use keys::Keys;
use link::{Link, Links};
use pointer::Pointer;

use crate::log::{EntryKey, Log, LogError, Position, StoredDump};

#[cfg(feature = "etcd-tls")]
pub use etcd_client::{Certificate, Identity, TlsOptions};
pub use follower::EtcdFollower;
pub use options::EtcdOptions;

/// How long [`EtcdLog::end`] waits for what others have put before it puts something itself.
const GRACE: Duration = Duration::from_millis(5);

/// Represents a log on etcd.
///
/// Clones are the same log, over the same connection.
///
/// # Failures
///
/// Each request goes to one member, and fails with [`Unavailable`](LogError::Unavailable) if that has not
/// answered in time. The next one goes to another member. Nothing is repeated here but the parts of a dump,
/// a few times: an entry that is appended again is the same entry.
///
/// A follower fails in the same way when its member is gone, hangs, or has no majority.
///
/// # What is not etcd's way
///
/// A put that was on its way for so long that its entry has been cut off meanwhile makes the entry anew, at a
/// new position. It is told again, as [`Log`] lets it be, and deleted again by a later cut.
///
/// When etcd is full it takes no dump either. An operator has to make room, and to end the alarm. Until then
/// the log can be followed, and replicas start and read, but whatever is put fails with
/// [`Full`](LogError::Full), though etcd may have kept it: it checks twice, the second time when it has done
/// what it was asked.
///
/// An etcd that is restored from a backup has lost what came after it. A follower that is begun where a
/// follower of this log, or of a clone, has been finds out, also if there is more than before again: it
/// fails with [`Damaged`](LogError::Damaged) if the last entry that was told is not where it was, or another
/// one has come before where the follower is. Nothing else finds out: not a follower that is begun at the
/// position of a dump from elsewhere, nor one whose last entry has been cut off since. So end all replicas
/// before etcd is restored.
///
/// An etcd of one member keeps what it has acknowledged only from 3.4.21 and 3.5.5 on.
#[derive(Clone)]
pub struct EtcdLog {
    store: Arc<Store>,
}

/// What the parts of a log share.
struct Store {
    links: Links,
    keys: Keys,
    /// The latest revision at which something under the keys of the log is known to have changed. All
    /// followers come to be told of it.
    seen: watch::Sender<u64>,
    /// What the follower that is farthest was told last.
    told: Mutex<Option<Told>>,
}

/// What a follower was told last: an entry, and that there is none after it up to a position.
#[derive(Clone, Copy)]
struct Told {
    key: EntryKey,
    position: Position,
    reached: Position,
}

impl EtcdLog {
    /// Connects to etcd: to any of these members that answers.
    ///
    /// An endpoint is `http://host:port`, `https://host:port`, or `host:port`.
    ///
    /// # Errors
    ///
    /// Returns [`Unavailable`](LogError::Unavailable) if no member answers,
    /// [`Denied`](LogError::Denied) if the user is unknown or must not read the log, and
    /// [`Options`](LogError::Options) if the options make no sense.
    pub async fn connect<E: Into<String>>(
        endpoints: impl IntoIterator<Item = E>,
        options: EtcdOptions,
    ) -> Result<Self, LogError> {
        let endpoints = endpoints.into_iter().map(Into::into).collect();
        let keys = Keys::new(&options.prefix);
        let links = Links::connect(endpoints, options).await?;
        let (seen, told) = (watch::Sender::new(0), Mutex::default());
        Ok(EtcdLog { store: Arc::new(Store { links, keys, seen, told }) })
    }
}

impl Log for EtcdLog {
    type Follower = EtcdFollower;

    async fn append(&self, key: EntryKey, bytes: Bytes) -> Result<(), LogError> {
        let (length, most) = (bytes.len(), self.most_bytes());
        if length > most {
            return Err(LogError::EntryTooLarge { bytes: length, most });
        }
        self.store.put(self.store.keys.entry(key), bytes.into()).await
    }

    async fn follow(&self, after: Position) -> Result<EtcdFollower, LogError> {
        follower::follow(self.store.clone(), after).await
    }

    /// Returns the end of the log, as [`Log::end`] says.
    ///
    /// Etcd has one sequence of revisions for all keys, and says nothing to followers when others' keys
    /// change. So this asks etcd for its revision, and waits up to 5 ms for a follower of this log, or of a
    /// clone, to be told of it. If none is, this puts a mark, of which all followers are told: so the end of
    /// a log that nobody follows here, or whose etcd others use too, costs those 5 ms and a put.
    ///
    /// Where the mark is refused, because etcd is full or the user can only read, it takes the newest entry
    /// instead, which takes a look at all keys of entries.
    async fn end(&self) -> Result<Position, LogError> {
        let options = GetOptions::new().with_keys_only();
        let answer = self.store.get(self.store.keys.newest(), options).await?;
        let end = revision(&answer)?;
        let mut seen = self.store.seen.subscribe();
        // What others have put may be on its way to a follower here.
        if timeout(GRACE, seen.wait_for(|seen| *seen >= end)).await.is_ok() {
            return Ok(Position(end));
        }
        match self.store.put_revision(self.store.keys.mark(), Vec::new()).await {
            Ok(revision) => Ok(Position(revision)),
            Err(LogError::Full { .. } | LogError::Denied { .. }) => cut::last(&self.store).await,
            Err(error) => Err(error),
        }
    }

    async fn newest_dump(&self) -> Result<Option<StoredDump>, LogError> {
        dump::newest(&self.store).await
    }

    async fn store_dump(&self, dump: StoredDump) -> Result<bool, LogError> {
        dump::store(&self.store, dump).await
    }

    fn most_bytes(&self) -> usize {
        self.store.links.options().most_bytes
    }
}

impl Store {
    async fn get(&self, key: &str, options: GetOptions) -> Result<GetResponse, LogError> {
        self.links.ask(|mut kv| async move { kv.get(key, Some(options)).await }).await
    }

    async fn get_at(
        &self,
        link: &Arc<Link>,
        key: &str,
        options: GetOptions,
    ) -> Result<GetResponse, LogError> {
        let ask = |link: &Link| {
            let mut kv = link.kv();
            async move { kv.get(key, Some(options)).await }
        };
        self.links.ask_at(link, ask).await
    }

    /// Puts a key of the log.
    async fn put(&self, key: String, value: Vec<u8>) -> Result<(), LogError> {
        self.put_revision(key, value).await.map(drop)
    }

    /// Puts a key of the log, and returns the revision that this has made.
    async fn put_revision(&self, key: String, value: Vec<u8>) -> Result<u64, LogError> {
        let bytes = value.len();
        let answer = self.links.ask(|mut kv| async move { kv.put(key, value, None).await }).await;
        let answer = answer.map_err(|error| with_size(error, bytes))?;
        let header = answer.header().ok_or_else(no_revision)?;
        let revision = u64::try_from(header.revision()).map_err(|_| no_revision())?;
        self.saw(revision);
        Ok(revision)
    }

    /// Notes that something under the keys of the log has changed at a revision.
    fn saw(&self, revision: u64) {
        self.seen.send_if_modified(|seen| {
            let later = revision > *seen;
            *seen = revision.max(*seen);
            later
        });
    }

    /// Returns what the follower that is farthest was told last.
    fn told(&self) -> Option<Told> {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a follower was told last.
    fn note(&self, now: Told) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.reached < now.reached) {
            *told = Some(now);
        }
    }

    /// Returns the pointer to the newest dump, and the revision that put it: 0 if there is none.
    async fn pointer(&self) -> Result<(Option<Pointer>, i64), LogError> {
        pointer_of(&self.get(self.keys.newest(), GetOptions::new()).await?)
    }
}

/// Returns the pointer in an answer, and the revision that put it: 0 if there is none.
fn pointer_of(answer: &GetResponse) -> Result<(Option<Pointer>, i64), LogError> {
    match answer.kvs().first() {
        Some(kv) => Ok((Some(Pointer::decode(kv.value())?), kv.mod_revision())),
        None => Ok((None, 0)),
    }
}

/// Returns the revision that etcd had when it answered.
fn revision(answer: &GetResponse) -> Result<u64, LogError> {
    let header = answer.header().ok_or_else(no_revision)?;
    u64::try_from(header.revision()).map_err(|_| no_revision())
}

/// Returns the revision at which a key was made.
fn made(kv: &KeyValue) -> u64 {
    u64::try_from(kv.create_revision()).unwrap_or(0)
}

/// Puts the size into etcd's refusal of what is too large for it: its bound is not known here.
fn with_size(error: LogError, bytes: usize) -> LogError {
    match error {
        LogError::EntryTooLarge { .. } => {
            LogError::EntryTooLarge { bytes, most: bytes.saturating_sub(1) }
        }
        error => error,
    }
}

fn no_revision() -> LogError {
    LogError::Damaged { reason: "an answer of etcd has no revision".into() }
}

/// Shows no credentials.
impl fmt::Debug for EtcdLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdLog").field("links", &self.store.links).finish_non_exhaustive()
    }
}
