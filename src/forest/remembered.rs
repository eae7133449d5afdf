//! [`RememberedConfigurations`]: what a thread has read of providers, to answer again without a look at more
//! than one word.

use crate::error::{Error, Result};
use crate::forest::core::{Forest, UsageTitle};
use crate::forest::provider::{Configuration, Provider};
use crate::layout::usage_of;

/// Keeps the configurations of providers that a thread has read, each with the version of the usage cell
/// that it is of. While that version is in force, the configuration is what it was (see
/// [`Forest::configuration`]).
///
/// A provider has one place, which others may have too: the last that was read has it.
#[derive(Default)]
pub(crate) struct RememberedConfigurations {
    /// As many as a power of two, or none. Grows when two providers want one place.
    places: Vec<Option<Entry>>,
}

struct Entry {
    provider: Provider,
    title: UsageTitle,
    configuration: Configuration,
}

/// Counts the places that are made first.
const FEWEST: usize = 16;

/// Bounds the places, and so what a thread keeps of providers that have changed or gone since.
const MOST_REMEMBERED: usize = 1 << 14;

impl RememberedConfigurations {
    /// Returns everything about `provider` but its usage, as of one instant since the call.
    #[inline]
    pub(crate) fn read(&mut self, forest: &Forest, provider: &Provider) -> Result<&Configuration> {
        let at = self.place_of(provider);
        if !self.is_current(forest, provider, at) {
            return self.renew(forest, provider);
        }
        self.at(provider, at)
    }

    /// Returns whether what is at `at` is of `provider`, and still so.
    #[inline]
    fn is_current(&self, forest: &Forest, provider: &Provider, at: usize) -> bool {
        let Some(Some(entry)) = self.places.get(at) else { return false };
        entry.is_of(provider)
            && forest.ledger.is_in_force(usage_of(provider.cell), entry.title.word)
    }

    /// Returns the data at `at`, the place of `provider`, which has been read.
    #[inline]
    fn at(&self, provider: &Provider, at: usize) -> Result<&Configuration> {
        match self.places.get(at) {
            Some(Some(entry)) => Ok(&entry.configuration),
            _ => Err(Error::Removed { provider: provider.uuid }),
        }
    }

    /// Reads what `provider` has and is, and remembers that.
    #[inline(never)]
    fn renew(&mut self, forest: &Forest, provider: &Provider) -> Result<&Configuration> {
        if let Some(at) = self.renew_title(forest, provider)? {
            return self.at(provider, at);
        }
        let (title, configuration) = forest.configuration(provider)?;
        self.make_place(provider);
        let at = self.place_of(provider);
        let entry = Entry { provider: *provider, title, configuration };
        // The old entry contains values of the caller's types, whose drop may panic: it goes last.
        let _old = self.places[at].replace(entry);
        self.at(provider, at)
    }

    /// Returns the place of `provider` if only its usage has changed since it was read, and notes the
    /// version of the usage cell in force. Forgets the provider if it has gone.
    fn renew_title(&mut self, forest: &Forest, provider: &Provider) -> Result<Option<usize>> {
        let at = self.place_of(provider);
        let Some(place) = self.places.get_mut(at) else { return Ok(None) };
        let Some(entry) = place.as_mut().filter(|entry| entry.is_of(provider)) else {
            return Ok(None);
        };
        match forest.title(provider, usage_of(provider.cell)) {
            Ok(title) if title.has_facts_of(&entry.title) => {
                entry.title = title;
                Ok(Some(at))
            }
            Ok(_) => Ok(None),
            Err(gone) => {
                let _old = place.take();
                Err(gone)
            }
        }
    }

    /// Makes more places as long as another provider has that of `provider`, and there may be more.
    fn make_place(&mut self, provider: &Provider) {
        if self.places.is_empty() {
            self.places.resize_with(FEWEST, || None);
        }
        let is_anothers = |place: &Option<Entry>| {
            place.as_ref().is_some_and(|entry| entry.provider.cell != provider.cell)
        };
        while self.places.len() < MOST_REMEMBERED
            && is_anothers(&self.places[self.place_of(provider)])
        {
            let more = 2 * self.places.len();
            let entries = std::mem::take(&mut self.places);
            self.places.resize_with(more, || None);
            for entry in entries.into_iter().flatten() {
                // Those that had places of their own have them here too.
                let at = self.place_of(&entry.provider);
                self.places[at] = Some(entry);
            }
        }
    }

    /// Returns the index of the place of `provider`, if there are places.
    #[inline]
    fn place_of(&self, provider: &Provider) -> usize {
        // A provider has two neighbouring cells, so that the numbers of structure cells differ by
        // two at least.
        (provider.cell.number() as usize / 2) & self.places.len().wrapping_sub(1)
    }
}

impl Entry {
    #[inline]
    fn is_of(&self, provider: &Provider) -> bool {
        let own = &self.provider;
        own.cell == provider.cell
            && own.incarnation == provider.incarnation
            && own.forest == provider.forest
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;
    use crate::ProviderTree;
    use std::sync::Arc;

    #[test]
    fn places_grow_up_to_a_bound() {
        let tree = ProviderTree::new();
        let mut remembered = RememberedConfigurations::default();
        let host = tree.create_root("host", None).unwrap();
        // Handles that differ in their cells alone stand for as many providers: what they remember
        // is never asked for again.
        let (_, configuration) = tree.core.forest.configuration(&host).unwrap();
        for number in 0..2 * MOST_REMEMBERED as u32 {
            let provider = Provider { cell: crate::ledger::Cell::new(2 * number), ..host };
            let (title, _) = tree.core.forest.configuration(&host).unwrap();
            remembered.make_place(&provider);
            let at = remembered.place_of(&provider);
            remembered.places[at] =
                Some(Entry { provider, title, configuration: configuration.clone() });
            assert!(remembered.places.len() <= MOST_REMEMBERED);
        }
        assert_eq!(remembered.places.iter().flatten().count(), MOST_REMEMBERED);
    }

    #[test]
    fn what_has_gone_is_forgotten_when_it_is_asked_for() {
        let tree = ProviderTree::new();
        let forest = &tree.core.forest;
        let mut remembered = RememberedConfigurations::default();
        let host = tree.create_root("host", None).unwrap();
        let kept = Arc::downgrade(&remembered.read(forest, &host).unwrap().facts);
        tree.remove(&host).unwrap();
        assert_eq!(kept.strong_count(), 1, "kept by the memory alone");
        assert!(remembered.read(forest, &host).is_err());
        assert_eq!(kept.strong_count(), 0);
        assert!(remembered.read(forest, &host).is_err());
    }
}
