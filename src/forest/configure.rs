//! Changes of a provider's configuration.

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::forest::configuration::{Candidate, Facts, OldConfiguration};
use crate::forest::core::Forest;
use crate::forest::draft::Draft;
use crate::forest::edit::Edit;
use crate::forest::generation::Expect;
use crate::forest::keys::{Refusal, while_stale};
use crate::forest::provider::{Configuration, Provider};
use crate::forest::sharing::SharingChange;
use crate::layout::{
    Amounts, ClassWords, Layout, Layouts, UsageWords, set_configuration, usage_of, write_usage,
};
use crate::ledger::{Abort, Cell, Stamp, Transaction, Writer};
use crate::values::{ClassCapacity, ResourceClass};

/// Tells what became of a change that may have changed nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Updated {
    /// Whether the change made a difference, apart from the generation that
    /// [`Expect::Mirror`] sets.
    pub changed: bool,
    /// The generation after the call.
    pub generation: u64,
    /// Whether, after the call, more of any class is used than its capacity, because an inventory is,
    /// or was before, set below what is used; see
    /// [`Snapshot::overcommitted`](crate::Snapshot::overcommitted).
    pub overcommitted: bool,
}

/// Makes an edit of `provider`.
pub(crate) fn configure(
    forest: &Forest,
    writer: &mut Writer,
    provider: &Provider,
    edit: &Edit,
    expect: Expect,
) -> Result<Updated> {
    expect.validate()?;
    forest.usage_cell(provider)?;
    while_stale(|| {
        let (title, Configuration { generation, facts, .. }) = forest.configuration(provider)?;
        expect.check(provider.uuid, generation)?;
        let edited = edit.applied_to(&facts);
        let changed = edited.is_some();
        if !changed && expect.is_met_by(generation) {
            let (now, overcommitted) = forest.read_usage(provider, |words| {
                let is_overcommitted = is_overcommitted(words, &forest.layouts);
                (words.configuration(), is_overcommitted)
            })?;
            return match now == title.version {
                true => Ok(Updated { changed, generation, overcommitted }),
                false => Err(Refusal::Stale),
            };
        }
        let before = (title.version, &*facts);
        let replacement = Replacement::new(forest, provider, expect, before, edited)?;
        let candidate = &replacement.candidate;
        let ((generation, overcommitted), at) =
            Candidate::decide([candidate].into_iter(), writer, |transaction| {
                replacement.put_in_force(transaction, forest.sharing, 0)
            })?;
        // The replaced facts are dropped at the end, when nothing is left to do.
        let _gone = replacement.replaces(at);
        Ok(Updated { changed, generation, overcommitted })
    })
}

/// Holds a configuration that is about to replace the one in force.
pub(crate) struct Replacement<'a> {
    provider: Provider,
    expect: Expect,
    /// The capacities of the new inventories, if they are others.
    capacities: Option<Vec<ClassCapacity>>,
    /// Whether anything changes but perhaps the generation.
    changed: bool,
    /// The version that was in force before.
    replaced: u64,
    sharing: SharingChange,
    layouts: &'a Layouts,
    pub(crate) candidate: Candidate<'a>,
}

impl<'a> Replacement<'a> {
    /// Publishes `next`, which is to replace the facts that `before` names by their version. Without `next`,
    /// the facts stay, and the generation too unless `expect` says otherwise.
    pub(crate) fn new(
        forest: &'a Forest,
        provider: &Provider,
        expect: Expect,
        (replaced, current): (u64, &Facts),
        next: Option<Facts>,
    ) -> Result<Self> {
        let changed = next.is_some();
        let next = next.unwrap_or_else(|| current.clone());
        let capacities = match current.inventories == next.inventories {
            true => None,
            false => Some(next.inventories.capacities()?),
        };
        let sharing = SharingChange::between(current, &next);
        let usage = usage_of(provider.cell);
        let layout = match &capacities {
            Some(capacities) => forest.layouts.layout(capacities),
            None => forest.configurations.layout(usage, replaced),
        };
        let candidate = forest.configurations.publish(&forest.ledger, usage, next, layout);
        let layouts = &*forest.layouts;
        let provider = *provider;
        Ok(Replacement {
            provider,
            expect,
            capacities,
            changed,
            replaced,
            sharing,
            layouts,
            candidate,
        })
    }

    /// Puts the configuration in force as part of a transaction. Refuses as stale if another
    /// configuration has come into force. The transaction itself goes on to take amounts of up to
    /// `most` at once. Returns the next generation, and whether more of any class is used than its
    /// capacity.
    #[inline(always)] // Called in two places.
    pub(crate) fn put_in_force(
        &self,
        transaction: &mut Transaction<'_>,
        sharing: Cell,
        most: u64,
    ) -> Result<(u64, bool), Abort<Refusal>> {
        let place = transaction.open(self.candidate.usage())?;
        let usage = UsageWords(transaction.words(place));
        self.provider.check_life(usage.life())?;
        self.expect.check(self.provider.uuid, usage.generation())?;
        if usage.configuration() != self.replaced {
            return Err(Refusal::Stale.into());
        }
        let generation = match self.changed {
            true => self.expect.next(usage.generation()),
            false => self.expect.unchanged(usage.generation()),
        };
        let version = self.candidate.version;
        let overcommitted;
        match &self.capacities {
            None => {
                overcommitted = is_overcommitted(usage, self.layouts);
                set_configuration(transaction.words_mut(place), generation, version);
            }
            Some(capacities) => {
                let classes = relayout(usage, self.layouts, capacities, most);
                let classes = classes.map_err(|used| used.error(self.provider.uuid))?;
                overcommitted = classes.iter().any(|class| class.used > class.capacity);
                let layout = self.candidate.layout();
                rewrite_usage(transaction, place, generation, version, &classes, layout);
            }
        }
        self.sharing.apply(transaction, sharing)?;
        Ok((generation, overcommitted))
    }

    /// Returns the provider.
    pub(crate) fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Notes that the configuration has been in force since `at`.
    pub(crate) fn replaces(self, at: Stamp) -> OldConfiguration {
        self.candidate.replaces(self.replaced, at)
    }
}

/// Gives the opened usage cell another generation, another version of the configuration, and
/// `classes` in the place of its classes. Their amounts are packed if they fit `layout`.
#[inline]
pub(crate) fn rewrite_usage<D: Draft>(
    draft: &mut D,
    place: D::Place,
    generation: u64,
    version: u64,
    classes: &[ClassWords],
    layout: Option<&Layout>,
) {
    let before = UsageWords(draft.words(place));
    let (life, cordoned) = (before.life(), before.is_cordoned());
    let mut words = Vec::new();
    write_usage(&mut words, life, generation, version, cordoned, classes, layout);
    draft.rewrite(place, &words);
}

/// Returns whether more of any class is used than its capacity.
fn is_overcommitted(usage: UsageWords<&[u64]>, layouts: &Layouts) -> bool {
    usage.all(layouts).any(|(_, amounts)| amounts.used > amounts.capacity)
}

/// Describes a class that would go while it is in use.
pub(crate) struct ClassInUse {
    pub(crate) class: ResourceClass,
    pub(crate) used: u64,
}

impl ClassInUse {
    pub(crate) fn error(self, provider: Uuid) -> Error {
        Error::InUse { provider, class: self.class, used: self.used }
    }
}

/// Returns what a usage cell is to hold for other inventories: what is used moves along with its
/// class. Fails if a class that is in use is not among `capacities`.
///
/// `usage` and `capacities` are both sorted by class. Amounts of up to `most` may be taken even if
/// that exceeds the capacity.
pub(crate) fn relayout(
    usage: UsageWords<&[u64]>,
    layouts: &Layouts,
    capacities: &[ClassCapacity],
    most: u64,
) -> Result<Vec<ClassWords>, ClassInUse> {
    let mut before = usage.all(layouts).peekable();
    let mut classes = Vec::with_capacity(capacities.len());
    for new in capacities {
        let class = new.class.number();
        while let Some((gone, amounts)) = before.next_if(|(before, _)| *before < class) {
            is_unused(gone, amounts)?;
        }
        let now = before.next_if(|(before, _)| *before == class);
        let (used, taken) = now.map_or((0, 0), |(_, now)| (now.used, now.taken));
        classes.push(new.with_used(used, taken, most));
    }
    before.try_for_each(|(gone, amounts)| is_unused(gone, amounts))?;
    Ok(classes)
}

fn is_unused(class: u16, amounts: Amounts) -> Result<(), ClassInUse> {
    match amounts.used {
        0 => Ok(()),
        used => Err(ClassInUse { class: ResourceClass::from_number(class), used }),
    }
}

impl ClassCapacity {
    /// Returns what a usage cell is to hold of the class. `used` of the class is used, and no
    /// consumer holds `taken` of that.
    pub(crate) fn with_used(&self, used: u64, taken: u64, most: u64) -> ClassWords {
        let capacity = self.capacity;
        // What is used may exceed the capacity, and a claim may ask for that much again.
        let has_units = self.inventory.has_units(capacity.max(used).max(most));
        ClassWords { class: self.class.number(), capacity, used, taken, has_units }
    }
}
