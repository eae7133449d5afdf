//! [`Kind`]: what providers of the same make have in common.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;
use smallvec::SmallVec;
use uuid::Uuid;

use crate::forest::Facts;
use crate::values::Trait;

/// Holds everything that decides whether a provider may serve a group, except how much is free:
/// classes with their units, traits, aggregates. Providers of one kind share one `Kind`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Kind {
    /// The classes, in rising order.
    pub(super) classes: Box<[Units]>,
    pub(super) traits: Arc<BTreeSet<Trait>>,
    pub(super) aggregates: Arc<BTreeSet<Uuid>>,
}

/// Holds which amounts of a class an inventory hands out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Units {
    pub(super) class: u16,
    pub(super) least: u64,
    pub(super) most: u64,
    pub(super) step: u64,
}

impl Units {
    /// Returns whether the units allow `amount`.
    pub(super) fn allow(&self, amount: u64) -> bool {
        (self.least..=self.most).contains(&amount) && amount.is_multiple_of(self.step)
    }
}

impl Kind {
    /// Returns the position of `class` among the classes.
    pub(super) fn position(&self, class: u16) -> Option<usize> {
        self.classes.binary_search_by_key(&class, |units| units.class).ok()
    }

    /// Returns whether providers of this kind share what they have with other trees.
    pub(super) fn is_sharing(&self) -> bool {
        self.traits.contains(&Trait::MISC_SHARES_VIA_AGGREGATE)
    }
}

fn units_of(configuration: &Facts) -> impl Iterator<Item = Units> {
    configuration.inventories.iter().map(|(class, inventory)| Units {
        class: class.number(),
        least: inventory.min_unit,
        most: inventory.max_unit,
        step: inventory.step_size,
    })
}

/// Holds all kinds, by number.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    kinds: Vec<Kind>,
    by_hash: HashMap<u64, SmallVec<[u32; 1]>, FixedState>,
}

impl Kinds {
    /// Returns the number of the kind of providers with this configuration, which is `likely` most
    /// often.
    pub(super) fn intern(&mut self, configuration: &Facts, likely: Option<u32>) -> u32 {
        if let Some(likely) = likely
            && self.is(likely, configuration)
        {
            return likely;
        }
        let hash = hash(units_of(configuration), &configuration.traits, &configuration.aggregates);
        let known = self.by_hash.entry(hash).or_default();
        let is_kind = |number: &&u32| is_of(&self.kinds[**number as usize], configuration);
        if let Some(found) = known.iter().find(is_kind) {
            return *found;
        }
        let number = self.kinds.len() as u32;
        known.push(number);
        self.kinds.push(Kind {
            classes: units_of(configuration).collect(),
            traits: Arc::clone(&configuration.traits),
            aggregates: Arc::clone(&configuration.aggregates),
        });
        number
    }

    /// Returns the number of a kind of other kinds.
    pub(super) fn take_over(&mut self, kind: &Kind) -> u32 {
        let hash = hash(kind.classes.iter().copied(), &kind.traits, &kind.aggregates);
        let known = self.by_hash.entry(hash).or_default();
        let is_kind = |number: &&u32| self.kinds[**number as usize] == *kind;
        if let Some(found) = known.iter().find(is_kind) {
            return *found;
        }
        let number = self.kinds.len() as u32;
        known.push(number);
        self.kinds.push(kind.clone());
        number
    }

    /// Returns whether `number` is the kind of providers with this configuration.
    pub(super) fn is(&self, number: u32, configuration: &Facts) -> bool {
        is_of(&self.kinds[number as usize], configuration)
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> &Kind {
        &self.kinds[number as usize]
    }
}

fn is_of(kind: &Kind, configuration: &Facts) -> bool {
    let equal = |one: &Arc<BTreeSet<_>>, other| Arc::ptr_eq(one, other) || one == other;
    let traits = &configuration.traits;
    kind.classes.len() == configuration.inventories.len()
        && kind.classes.iter().copied().eq(units_of(configuration))
        && (Arc::ptr_eq(&kind.traits, traits) || kind.traits == *traits)
        && equal(&kind.aggregates, &configuration.aggregates)
}

fn hash(
    classes: impl Iterator<Item = Units>,
    traits: &BTreeSet<Trait>,
    aggregates: &BTreeSet<Uuid>,
) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    classes.for_each(|units| units.hash(&mut hasher));
    traits.hash(&mut hasher);
    aggregates.hash(&mut hasher);
    hasher.finish()
}
