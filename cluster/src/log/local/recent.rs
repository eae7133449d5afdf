//! [`Recent`]: the newest entries, which most followers need next.

use std::collections::VecDeque;

use super::store::{PAGE_BYTES, PAGE_ENTRIES};
use crate::log::{Entry, Position};

/// How many bytes of entries are kept in memory.
const RECENT_BYTES: usize = 8 * PAGE_BYTES;

/// How many entries are kept in memory.
const RECENT_ENTRIES: usize = 8 * PAGE_ENTRIES;

/// Holds the newest entries, without a gap, within bounds.
#[derive(Default)]
pub(super) struct Recent {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Recent {
    /// Adds the entry that comes next.
    pub(super) fn push(&mut self, entry: Entry) {
        self.bytes += entry.bytes.len();
        self.entries.push_back(entry);
        while self.bytes > RECENT_BYTES || self.entries.len() > RECENT_ENTRIES {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.bytes.len();
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Recent::default();
    }

    /// Returns the entries that come next after `after`, at most a page; `None` if they are not all here.
    pub(super) fn page(&self, after: Position) -> Option<VecDeque<Entry>> {
        let first = self.entries.front()?.position.0;
        let skipped = usize::try_from((after.0 + 1).checked_sub(first)?).ok()?;
        let page: VecDeque<Entry> =
            self.entries.iter().skip(skipped).take(PAGE_ENTRIES).cloned().collect();
        (!page.is_empty()).then_some(page)
    }
}
