//! Interning: names that are compared and stored as numbers, for the life of the process.

use std::sync::LazyLock;

use dashmap::mapref::entry::Entry;

/// Gives every distinct name a number. Names are never forgotten: they are a vocabulary, not data.
///
/// An interner serves the whole process, so that a number means the same in every forest. This is
/// why its map is none of `sync`'s: the map outlives a model, and no protocol rests on it.
pub(crate) struct Interner {
    standard: &'static [&'static str],
    added: boxcar::Vec<Box<str>>,
    numbers: LazyLock<Numbers>,
    limit: usize,
}

#[expect(clippy::disallowed_types, reason = "outlives every model; see above")]
type Numbers = dashmap::DashMap<Box<str>, u32>;

impl Interner {
    /// Returns an interner for at most `limit` names, in which the first numbers stand for
    /// `standard`.
    pub(crate) const fn new(standard: &'static [&'static str], limit: usize) -> Self {
        Interner {
            standard,
            added: boxcar::Vec::new(),
            numbers: LazyLock::new(Numbers::new),
            limit,
        }
    }

    /// Returns the number of `name`, or `None` if there are too many names.
    ///
    /// The call takes a shard's lock for O(1), unless the name is a standard one.
    pub(crate) fn intern(&self, name: &str) -> Option<u32> {
        if let Some(number) = self.find(name) {
            return Some(number);
        }
        match self.numbers.entry(name.into()) {
            Entry::Occupied(entry) => Some(*entry.get()),
            Entry::Vacant(entry) => {
                // Several threads may pass this check at once; a number beyond the limit is never
                // stored.
                let full = self.standard.len() + self.added.count() >= self.limit;
                let number = (!full).then(|| self.standard.len() + self.added.push(name.into()))?;
                (number < self.limit).then(|| *entry.insert(number as u32))
            }
        }
    }

    /// Returns the number of `name`, if it has one. Takes a shard's lock for O(1), unless the name is a standard
    /// one.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        let standard = self.standard.iter().position(|standard| *standard == name);
        let added = || self.numbers.get(name).map(|entry| *entry);
        standard.map(|number| number as u32).or_else(added)
    }

    /// Returns the name that `number` stands for. Wait-free.
    pub(crate) fn name(&self, number: u32) -> &str {
        let number = number as usize;
        match self.standard.get(number) {
            Some(name) => name,
            None => &self.added[number - self.standard.len()],
        }
    }
}
