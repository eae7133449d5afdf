//! [`Group`]: amounts that are asked for together, and the conditions on who gives them.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::error::RequestFault;
use crate::values::{ResourceClass, Trait};

/// Describes amounts that are asked for together, and conditions on the providers that give them.
///
/// A named group of a [`Request`](crate::Request) is served by one provider, which gives all the
/// amounts and meets all the conditions. The unnamed group may be served by several;
/// [`Request`](crate::Request) says what each condition means then.
///
/// A group is a plain value: its methods fill its fields, which can be read and changed directly
/// too.
///
/// ```
/// use provider_tree::{Group, ResourceClass, Trait};
///
/// let avx2 = Trait::new("HW_CPU_X86_AVX2")?;
/// let group = Group::new()
///     .take(ResourceClass::VCPU, 4)
///     .take(ResourceClass::MEMORY_MB, 8_192)
///     .require(avx2);
/// assert_eq!(group.resources[&ResourceClass::VCPU], 4);
/// assert!(group.required.contains(&avx2));
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[must_use = "a group does nothing until it is part of a request"]
pub struct Group {
    /// How much is asked for of each class.
    pub resources: BTreeMap<ResourceClass, u64>,
    /// The traits that have to be there, each of them.
    pub required: BTreeSet<Trait>,
    /// Sets of traits: of each set, one trait at least has to be there.
    pub any_of: BTreeSet<BTreeSet<Trait>>,
    /// The traits that must not be there.
    pub forbidden: BTreeSet<Trait>,
    /// Sets of aggregates: of each set, a provider has to be in one aggregate at least.
    pub member_of: BTreeSet<BTreeSet<Uuid>>,
    /// The aggregates that a provider must not be in.
    pub not_member_of: BTreeSet<Uuid>,
    /// A provider whose tree the group has to be served from.
    pub in_tree: Option<Uuid>,
    /// A class whose amounts add up to more than a `u64`.
    overflow: Option<ResourceClass>,
}

impl Group {
    /// Returns a group that asks for nothing and has no conditions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `amount` of `class`, and returns the group. Amounts of the same class add up.
    pub fn take(mut self, class: ResourceClass, amount: u64) -> Self {
        let sum = self.resources.entry(class).or_default();
        match sum.checked_add(amount) {
            Some(larger) => *sum = larger,
            None => self.overflow = Some(class),
        }
        self
    }

    /// Requires the trait `quality`, and returns the group.
    pub fn require(mut self, quality: Trait) -> Self {
        self.required.insert(quality);
        self
    }

    /// Requires one at least of these traits, and returns the group. Of several such sets, each has
    /// to be met. One of a single trait is the same as [`require`](Self::require) of that trait.
    pub fn require_any(mut self, any: impl IntoIterator<Item = Trait>) -> Self {
        let any: BTreeSet<Trait> = any.into_iter().collect();
        match any.len() {
            1 => self.required.extend(any),
            _ => _ = self.any_of.insert(any),
        }
        self
    }

    /// Forbids the trait `quality`, and returns the group.
    pub fn forbid(mut self, quality: Trait) -> Self {
        self.forbidden.insert(quality);
        self
    }

    /// Requires membership in one at least of these aggregates, and returns the group. Of several
    /// such sets, each has to be met.
    pub fn member_of(mut self, any: impl IntoIterator<Item = Uuid>) -> Self {
        self.member_of.insert(any.into_iter().collect());
        self
    }

    /// Forbids membership in any of these aggregates, and returns the group.
    pub fn not_member_of(mut self, aggregates: impl IntoIterator<Item = Uuid>) -> Self {
        self.not_member_of.extend(aggregates);
        self
    }

    /// Requires that the group is served from the tree that `provider` is in, wherever in that tree
    /// `provider` is. Returns the group. An earlier requirement of this kind no longer holds.
    ///
    /// The group is not served at all while there is no provider with this uuid.
    pub fn in_tree(mut self, provider: Uuid) -> Self {
        self.in_tree = Some(provider);
        self
    }

    /// Checks what can be checked without the rest of the request. `name` is the name of the group,
    /// if it has one.
    pub(super) fn check(&self, name: Option<&str>) -> Result<(), RequestFault> {
        let group = || name.map(str::to_owned);
        if let Some(class) = self.overflow {
            return Err(RequestFault::SumTooLarge { group: group(), class });
        }
        if let Some((&class, _)) = self.resources.iter().find(|(_, amount)| **amount == 0) {
            return Err(RequestFault::ZeroAmount { group: group(), class });
        }
        if self.any_of.contains(&BTreeSet::new()) || self.member_of.contains(&BTreeSet::new()) {
            return Err(RequestFault::EmptyChoice { group: group() });
        }
        if let Some(quality) = self.required.intersection(&self.forbidden).next() {
            return Err(RequestFault::Contradiction { group: group(), traits: vec![*quality] });
        }
        if let Some(any) = self.any_of.iter().find(|any| any.is_subset(&self.forbidden)) {
            let traits = any.iter().copied().collect();
            return Err(RequestFault::Contradiction { group: group(), traits });
        }
        Ok(())
    }

    /// Returns whether the group neither asks for anything nor has a condition.
    pub(super) fn is_blank(&self) -> bool {
        *self == Group::default()
    }
}
