//! [`Keys`]: under which keys of etcd a log is kept.
//!
//! | key | holds |
//! |---|---|
//! | `<prefix>/log/<replica, 32 hex digits>/<sequence, 16>` | an entry; its position is the revision that made the key |
//! | `<prefix>/log/mark` | nothing: that it is put is told to all followers |
//! | `<prefix>/dump/<position, 16>/<store, 32>/<chunk, 8>` | a part of a dump |
//! | `<prefix>/newest` | which dump is the newest, and how far entries are cut off |
//!
//! Each attempt to store a dump has a random name (`store`), so that two replicas that store a dump at the same
//! position never mix their chunks.

use uuid::Uuid;

use crate::log::{EntryKey, Position};

#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// What all keys of entries begin with.
    log: String,
    dump: String,
    newest: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Keys {
            log: format!("{prefix}/log/"),
            dump: format!("{prefix}/dump/"),
            newest: format!("{prefix}/newest"),
        }
    }

    /// Returns what the keys of all entries begin with, and of the mark.
    pub(super) fn log(&self) -> &str {
        &self.log
    }

    /// Returns the first key after all that begin with [`log`](Self::log).
    pub(super) fn log_end(&self) -> String {
        // "0" comes after "/".
        format!("{}0", &self.log[..self.log.len() - 1])
    }

    pub(super) fn newest(&self) -> &str {
        &self.newest
    }

    pub(super) fn mark(&self) -> String {
        format!("{}mark", self.log)
    }

    pub(super) fn entry(&self, key: EntryKey) -> String {
        format!("{}{}/{:016x}", self.log, key.replica.as_simple(), key.sequence)
    }

    /// Returns which entry is under a key; `None` if none can be.
    pub(super) fn entry_of(&self, key: &[u8]) -> Option<EntryKey> {
        let name = key.strip_prefix(self.log.as_bytes())?;
        let (replica, rest) = name.split_at_checked(32)?;
        let sequence = rest.strip_prefix(b"/")?;
        if sequence.len() != 16 || !is_hex(replica) || !is_hex(sequence) {
            return None;
        }
        Some(EntryKey {
            replica: Uuid::try_parse_ascii(replica).ok()?,
            sequence: u64::from_str_radix(str::from_utf8(sequence).ok()?, 16).ok()?,
        })
    }

    /// Returns the key of a chunk.
    pub(super) fn chunk(&self, position: Position, store: Uuid, chunk: u32) -> String {
        format!("{}{chunk:08x}", self.chunks(position, store))
    }

    /// Returns what all chunks of one attempt to store a dump begin with.
    pub(super) fn chunks(&self, position: Position, store: Uuid) -> String {
        format!("{}{:016x}/{}/", self.dump, position.0, store.as_simple())
    }

    /// Returns the range of all chunks of dumps below a position.
    pub(super) fn chunks_below(&self, position: Position) -> (String, String) {
        (self.dump.clone(), format!("{}{:016x}", self.dump, position.0))
    }
}

/// Returns whether all are digits as the keys have them. Others would be another key for the same entry.
fn is_hex(digits: &[u8]) -> bool {
    digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_one_key() {
        let keys = Keys::new("a/b");
        let entry = EntryKey { replica: Uuid::from_u128(0xab), sequence: 0x1f };
        let key = keys.entry(entry);
        assert_eq!(key, "a/b/log/000000000000000000000000000000ab/000000000000001f");
        assert_eq!(keys.entry_of(key.as_bytes()), Some(entry));
        for other in [
            keys.mark(),
            keys.newest().to_owned(),
            key.to_uppercase(),
            key.replace("ab/0", "AB/0"),
            key.replace("1f", "+f"),
            format!("{key}0"),
            key.replace("a/b/", "a/c/"),
            key[..key.len() - 1].to_owned(),
        ] {
            assert_eq!(keys.entry_of(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn chunks_of_older_dumps_are_a_range() {
        let keys = Keys::new("a");
        let (begin, end) = keys.chunks_below(Position(16));
        let within = |position, store| {
            let key = keys.chunk(Position(position), Uuid::from_u128(store), 7);
            begin <= key && key < end
        };
        assert!(within(0, 0) && within(15, u128::MAX));
        assert!(!within(16, 0) && !within(u64::MAX, 0));
    }
}
