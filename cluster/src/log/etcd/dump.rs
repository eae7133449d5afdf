//! How a dump is kept: in chunks, and then under the pointer.

use std::time::Duration;

use bytes::Bytes;
use etcd_client::{Compare, CompareOp, DeleteOptions, GetOptions, Txn, TxnOp};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::sleep;
use uuid::Uuid;

use super::{Pointer, Store, cut, with_size};
use crate::log::{LogError, Position, StoredDump};

/// How many chunks are on their way at once.
const AT_ONCE: usize = 4;

/// How often a chunk is put before the dump fails, and how long the first pause between is. The next are each
/// twice as long.
const TRIES: usize = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn newest(store: &Store) -> Result<Option<StoredDump>, LogError> {
    let (mut pointer, mut revision) = store.pointer().await?;
    loop {
        let Some(newest) = pointer else { return Ok(None) };
        let failure = match load(store, &newest).await {
            Err(failure @ LogError::Damaged { .. }) => failure,
            loaded => return loaded.map(Some),
        };
        // Its chunks are deleted when two newer dumps have come, and then there is a newer pointer.
        let again = store.pointer().await?;
        if again.1 == revision {
            return Err(failure);
        }
        (pointer, revision) = again;
    }
}

pub(super) async fn store(store: &Store, dump: StoredDump) -> Result<bool, LogError> {
    let (before, revision) = store.pointer().await?;
    if before.as_ref().is_some_and(|before| before.position >= dump.position) {
        return Ok(false);
    }
    let StoredDump { position, bytes } = dump;
    let chunks = bytes.len().div_ceil(store.links.options().chunk_bytes);
    let pointer = Pointer {
        position,
        store: Uuid::new_v4(),
        chunks: u32::try_from(chunks).map_err(|_| LogError::Options {
            reason: "a dump has more chunks than can be counted".into(),
        })?,
        length: bytes.len() as u64,
        checksum: crc32fast::hash(&bytes),
        cut: before.map_or(Position::default(), |before| before.position),
    };
    put_chunks(store, &pointer, &bytes).await?;
    if !move_pointer(store, &pointer, revision).await? {
        delete_chunks(store, &pointer).await;
        return Ok(false);
    }
    tracing::info!(
        position = pointer.position.0,
        bytes = pointer.length,
        cut = pointer.cut.0,
        "a dump is stored"
    );
    // The dump is kept. What is left now is left to the next one.
    if let Err(error) = cut::cut_off(store, pointer.cut).await {
        tracing::warn!(%error, cut = pointer.cut.0, "entries that a dump has are not deleted yet");
    }
    Ok(true)
}

async fn load(store: &Store, pointer: &Pointer) -> Result<StoredDump, LogError> {
    let damaged = |reason: &str| {
        let reason = format!("the dump at {}: {reason}", pointer.position);
        LogError::Damaged { reason }
    };
    let chunks = (0..pointer.chunks).map(|chunk| async move {
        let key = store.keys.chunk(pointer.position, pointer.store, chunk);
        let mut answer = store.get(&key, GetOptions::new()).await?;
        Ok(answer.take_kvs().pop().map(|kv| kv.into_key_value().1))
    });
    let mut chunks = stream::iter(chunks).buffered(AT_ONCE);
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.try_next().await? {
        bytes.extend_from_slice(&chunk.ok_or_else(|| damaged("a chunk is missing"))?);
    }
    if bytes.len() as u64 != pointer.length {
        return Err(damaged("its length is another one"));
    }
    if crc32fast::hash(&bytes) != pointer.checksum {
        return Err(damaged("its checksum is another one"));
    }
    Ok(StoredDump { position: pointer.position, bytes: bytes.into() })
}

async fn put_chunks(store: &Store, pointer: &Pointer, bytes: &Bytes) -> Result<(), LogError> {
    let most = store.links.options().chunk_bytes;
    let puts = (0..pointer.chunks).map(|chunk| {
        let begin = chunk as usize * most;
        let part = bytes.slice(begin..bytes.len().min(begin + most));
        let key = store.keys.chunk(pointer.position, pointer.store, chunk);
        put_chunk(store, key, part)
    });
    stream::iter(puts).buffer_unordered(AT_ONCE).try_collect().await
}

/// Puts a chunk, and again if that fails: it is the same chunk then, and all others need not be put anew.
async fn put_chunk(store: &Store, key: String, part: Bytes) -> Result<(), LogError> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match try_to_put(store, &key, &part).await {
            Err(LogError::Unavailable { reason }) => {
                tracing::debug!(key, reason, "a chunk of a dump is put again");
                sleep(pause).await;
                pause *= 2;
            }
            done => return done,
        }
    }
    try_to_put(store, &key, &part).await
}

async fn try_to_put(store: &Store, key: &str, part: &Bytes) -> Result<(), LogError> {
    let put = store.links.ask(|mut kv| async move { kv.put(key, part.clone(), None).await });
    put.await.map(drop).map_err(|error| with_size(error, part.len()))
}

/// Puts the pointer, unless another dump has come since it was read.
async fn move_pointer(store: &Store, pointer: &Pointer, read: i64) -> Result<bool, LogError> {
    let key = store.keys.newest();
    // A key that there is not has the revision 0.
    let unchanged = Compare::mod_revision(key, CompareOp::Equal, read);
    let put = TxnOp::put(key, pointer.encode()?, None);
    let txn = Txn::new().when([unchanged]).and_then([put]);
    Ok(store.links.ask(|mut kv| async move { kv.txn(txn).await }).await?.succeeded())
}

/// Deletes the chunks of a dump that has not become the newest. A later dump does it otherwise.
async fn delete_chunks(store: &Store, pointer: &Pointer) {
    let chunks = store.keys.chunks(pointer.position, pointer.store);
    let options = DeleteOptions::new().with_prefix();
    let delete = store.links.ask(|mut kv| async move { kv.delete(chunks, Some(options)).await });
    if let Err(error) = delete.await {
        tracing::debug!(%error, "chunks of a dump that is not the newest are not deleted yet");
    }
}
