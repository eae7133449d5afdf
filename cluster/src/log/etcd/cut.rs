//! How what a dump has is deleted. It goes by what there is, so it does what an earlier one has left.
//! And what else takes a look at all keys of the log.

use etcd_client::{DeleteOptions, GetOptions, KeyValue};

use super::failure::is_compacted;
use super::keys::Keys;
use super::{Store, made};
use crate::log::{EntryKey, LogError, Position};

/// How many keys are asked for at once, and deleted at once.
const PAGE: i64 = 1000;

/// Deletes the entries up to a position, and the chunks of dumps below it. The pointer must say so already.
pub(super) async fn cut_off(store: &Store, cut: Position) -> Result<(), LogError> {
    if cut == Position::default() {
        return Ok(());
    }
    // None of those whose pointer may still be set: it would have to be newer than that at `cut`.
    let (begin, end) = store.keys.chunks_below(cut);
    delete(store, begin, end).await?;
    let mut deleted = 0;
    let mut from = Some(store.keys.log().to_owned());
    while let Some(begin) = from {
        let page = page(store, begin).await?;
        from = page.next;
        let entries = page.entries.into_iter().filter(|(_, position)| *position <= cut);
        for run in runs(entries.map(|(key, _)| key), u64::MAX) {
            let (begin, end) = run.range(&store.keys);
            deleted += delete(store, begin, end).await?;
        }
    }
    tracing::debug!(cut = cut.0, deleted, "entries are cut off");
    compact(store, cut).await;
    Ok(())
}

/// A part of the keys of the log, in the order of the keys.
pub(super) struct Page {
    /// Which entries there are, and where.
    pub(super) entries: Vec<(EntryKey, Position)>,
    /// Where the next page begins.
    pub(super) next: Option<String>,
    /// The revision that etcd had.
    pub(super) revision: u64,
}

/// Returns which entries there are from a key on.
pub(super) async fn page(store: &Store, from: String) -> Result<Page, LogError> {
    let end = store.keys.log_end();
    let options = GetOptions::new().with_keys_only().with_limit(PAGE).with_range(end);
    let answer = store.get(&from, options).await?;
    let entry = |kv: &KeyValue| Some((store.keys.entry_of(kv.key())?, Position(made(kv))));
    let last = answer.kvs().last().filter(|_| answer.more());
    let next = last.map(|kv| {
        let key = str::from_utf8(kv.key());
        key.map(|key| format!("{key}\0"))
    });
    Ok(Page {
        entries: answer.kvs().iter().filter_map(entry).collect(),
        next: next.transpose().map_err(|_| LogError::Damaged {
            reason: "a key within those of the log is no text".into(),
        })?,
        revision: super::revision(&answer)?,
    })
}

/// Returns the position of the last entry, or up to which entries have been cut off if none is after it.
/// Whoever follows from before it comes to be told of it, and it takes no put.
pub(super) async fn last(store: &Store) -> Result<Position, LogError> {
    let mut last = Position::default();
    let mut from = Some(store.keys.log().to_owned());
    while let Some(begin) = from {
        let page = page(store, begin).await?;
        from = page.next;
        last = page.entries.iter().map(|(_, position)| *position).fold(last, Position::max);
    }
    // Only now: so it has whatever was deleted meanwhile.
    let (pointer, _) = store.pointer().await?;
    Ok(pointer.map_or(last, |pointer| last.max(pointer.cut)))
}

/// Entries of one replica whose numbers follow each other. No other key is within them, nor can one come, but
/// one that has been deleted.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Run {
    pub(super) replica: uuid::Uuid,
    pub(super) first: u64,
    pub(super) length: u64,
}

impl Run {
    /// Returns the range of keys that these entries are under.
    pub(super) fn range(&self, keys: &Keys) -> (String, String) {
        let first = EntryKey { replica: self.replica, sequence: self.first };
        (keys.entry(first), keys.entry(self.last()) + "\0")
    }

    fn last(&self) -> EntryKey {
        EntryKey { replica: self.replica, sequence: self.first + (self.length - 1) }
    }
}

/// Returns the longest runs of entries, which are in the order of their keys, but none longer than `most`.
///
/// Ranges with gaps would not do: an entry that has a smaller number than one that is cut off may yet come.
pub(super) fn runs(entries: impl IntoIterator<Item = EntryKey>, most: u64) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for key in entries {
        match runs.last_mut() {
            Some(run)
                if run.replica == key.replica
                    && run.length < most
                    && run.first.checked_add(run.length) == Some(key.sequence) =>
            {
                run.length += 1;
            }
            _ => runs.push(Run { replica: key.replica, first: key.sequence, length: 1 }),
        }
    }
    runs
}

/// Deletes a range of keys, and returns how many that were.
async fn delete(store: &Store, begin: String, end: String) -> Result<i64, LogError> {
    let options = DeleteOptions::new().with_range(end);
    let ask = store.links.ask(|mut kv| async move { kv.delete(begin, Some(options)).await });
    Ok(ask.await?.deleted())
}

/// Lets etcd forget what was deleted. It is a courtesy: that someone else has done it already is no failure.
async fn compact(store: &Store, cut: Position) {
    let Ok(revision) = i64::try_from(cut.0) else { return };
    if !store.links.options().compact {
        return;
    }
    let ask = store.links.ask(|mut kv| async move {
        match kv.compact(revision, None).await {
            Err(error) if !is_compacted(&error) => Err(error),
            _ => Ok(()),
        }
    });
    if let Err(error) = ask.await {
        tracing::debug!(%error, cut = cut.0, "etcd is not compacted");
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn runs_have_no_gaps_and_no_more_entries_than_they_may() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let entry = |replica, sequence| EntryKey { replica, sequence };
        let run = |replica, first, length| Run { replica, first, length };
        let entries = vec![
            entry(a, 1),
            entry(a, 2),
            entry(a, 3),
            entry(a, 5),
            entry(b, 6),
            entry(b, u64::MAX),
        ];
        let after = [run(a, 5, 1), run(b, 6, 1), run(b, u64::MAX, 1)];
        assert_eq!(runs(entries.clone(), 3)[0], run(a, 1, 3));
        assert_eq!(runs(entries.clone(), 3)[1..], after);
        assert_eq!(runs(entries.clone(), 2)[..2], [run(a, 1, 2), run(a, 3, 1)]);
        assert_eq!(runs(entries, 2)[2..], after);
    }
}
