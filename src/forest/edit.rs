//! [`Edit`]: how the facts of one provider are to change.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;
use uuid::Uuid;

use crate::forest::configuration::Facts;
use crate::values::{Inventories, PartialInventories, ResourceClass, Resources, Trait};

/// Says how what one provider has is to change: inventories, traits, aggregates and resources, all of it in
/// one commit. What an edit does not name stays as it is.
///
/// The parts of an edit are made in order; what they come to is checked, and is what everybody sees. An edit
/// is refused if a class goes of which something is in use. An edit is made by
/// [`ProviderTree::configure`](crate::ProviderTree::configure), or together with others by a
/// [batch](crate::Batch::configure). Inventories alone are an edit too: whole ones replace all that there
/// are, [partial ones](PartialInventories) change those that they name.
///
/// ```
/// use provider_tree::{Edit, Expect, Inventories, Inventory, PartialInventories, PartialInventory};
/// use provider_tree::{ProviderTree, ResourceClass, Trait};
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let (vcpu, disk) = (ResourceClass::VCPU, ResourceClass::DISK_GB);
/// let inventories = Inventories::new()
///     .with(vcpu, Inventory::new(64).with_allocation_ratio(16.0))
///     .with(disk, Inventory::new(900).with_reserved(100));
/// tree.configure(&host, inventories, Expect::Any)?;
///
/// // A larger disk is reported, and found to be an SSD.
/// let reported = PartialInventories::new().with(disk, PartialInventory::new(1_800));
/// let ssd = Trait::new("STORAGE_DISK_SSD")?;
/// let edit = Edit::new().update_inventories(reported).add_traits([ssd]);
/// assert!(tree.configure(&host, edit.clone(), Expect::Generation(1))?.changed);
///
/// let now = tree.configuration(&host)?;
/// assert_eq!(now.inventories.get(disk), Some(&Inventory::new(1_800).with_reserved(100)));
/// assert_eq!(now.inventories.get(vcpu).map(|inventory| inventory.allocation_ratio), Some(16.0));
/// assert!(now.has_traits([ssd]) && !edit.would_change(&now));
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone, Default, PartialEq)]
#[must_use = "an edit does nothing until it is made"]
pub struct Edit {
    steps: SmallVec<[Step; 2]>,
}

/// Represents one part of an edit.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    SetInventories(Arc<Inventories>),
    /// Replaces all inventories by the completed ones, unless what they name is so already.
    SetInventoriesUnlessSo(PartialInventories),
    UpdateInventories(PartialInventories),
    RemoveInventories(BTreeSet<ResourceClass>),
    SetTraits(Arc<BTreeSet<Trait>>),
    AddTraits(BTreeSet<Trait>),
    RemoveTraits(BTreeSet<Trait>),
    SetAggregates(Arc<BTreeSet<Uuid>>),
    AddAggregates(BTreeSet<Uuid>),
    RemoveAggregates(BTreeSet<Uuid>),
    SetResources(Resources),
}

/// Replaces, adds to and takes from what a provider has.
impl Edit {
    /// Returns an edit that changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces all inventories. A class that `inventories` leave out goes.
    pub fn set_inventories(self, inventories: Inventories) -> Self {
        self.with(Step::SetInventories(Arc::new(inventories)))
    }

    /// Changes the fields of inventories that `inventories` name, and leaves all other fields and classes as
    /// they are. A class that the provider does not have yet comes, and has the usual values in all other
    /// fields: those of [`Inventory::new`](crate::Inventory::new).
    pub fn update_inventories(self, inventories: PartialInventories) -> Self {
        self.with(Step::UpdateInventories(inventories))
    }

    /// Takes the inventories of these classes away, those that there are.
    pub fn remove_inventories(self, classes: impl IntoIterator<Item = ResourceClass>) -> Self {
        self.with(Step::RemoveInventories(classes.into_iter().collect()))
    }

    /// Replaces all traits.
    pub fn set_traits(self, traits: impl IntoIterator<Item = Trait>) -> Self {
        self.with(Step::SetTraits(Arc::new(traits.into_iter().collect())))
    }

    /// Adds these traits.
    pub fn add_traits(self, traits: impl IntoIterator<Item = Trait>) -> Self {
        self.with(Step::AddTraits(traits.into_iter().collect()))
    }

    /// Takes these traits away, those that there are.
    pub fn remove_traits(self, traits: impl IntoIterator<Item = Trait>) -> Self {
        self.with(Step::RemoveTraits(traits.into_iter().collect()))
    }

    /// Replaces all aggregates: the provider is a member of these and of no others.
    pub fn set_aggregates(self, aggregates: impl IntoIterator<Item = Uuid>) -> Self {
        self.with(Step::SetAggregates(Arc::new(aggregates.into_iter().collect())))
    }

    /// Makes the provider a member of these aggregates too.
    pub fn add_aggregates(self, aggregates: impl IntoIterator<Item = Uuid>) -> Self {
        self.with(Step::AddAggregates(aggregates.into_iter().collect()))
    }

    /// Ends the provider's membership in these aggregates, those that it is a member of.
    pub fn remove_aggregates(self, aggregates: impl IntoIterator<Item = Uuid>) -> Self {
        self.with(Step::RemoveAggregates(aggregates.into_iter().collect()))
    }

    /// Replaces all resources, which are values of the caller's own types.
    pub fn set_resources(self, resources: Resources) -> Self {
        self.with(Step::SetResources(resources))
    }

    /// Replaces all inventories, as Nova's tree does: if any field that `inventories` name is not so, or the
    /// classes are others.
    pub(crate) fn report_inventories(self, inventories: PartialInventories) -> Self {
        self.with(Step::SetInventoriesUnlessSo(inventories))
    }

    fn with(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl Edit {
    /// Returns whether the edit would change anything of a provider with these facts, such as those of a
    /// [`Configuration`](crate::Configuration). Resources are compared as their own types compare them.
    pub fn would_change(&self, facts: &Facts) -> bool {
        self.applied_to(facts).is_some()
    }

    /// Returns what the edit makes of these facts; `None` if it changes nothing.
    pub(crate) fn applied_to(&self, facts: &Facts) -> Option<Facts> {
        let mut edited = facts.clone();
        self.steps.iter().for_each(|step| step.apply(&mut edited));
        (edited != *facts).then_some(edited)
    }
}

impl Step {
    fn apply(&self, facts: &mut Facts) {
        match self {
            Step::SetInventories(all) => facts.inventories = Arc::clone(all),
            Step::SetInventoriesUnlessSo(named) if named.agrees_with(&facts.inventories) => {}
            Step::SetInventoriesUnlessSo(named) => facts.inventories = Arc::new(named.completed()),
            Step::UpdateInventories(named) => {
                facts.inventories = Arc::new(named.applied_to(&facts.inventories));
            }
            Step::RemoveInventories(classes) => {
                let inventories = Arc::make_mut(&mut facts.inventories);
                for class in classes {
                    inventories.remove(*class);
                }
            }
            Step::SetTraits(all) => facts.traits = Arc::clone(all),
            Step::AddTraits(more) => Arc::make_mut(&mut facts.traits).extend(more),
            Step::RemoveTraits(fewer) => {
                Arc::make_mut(&mut facts.traits).retain(|one| !fewer.contains(one));
            }
            Step::SetAggregates(all) => facts.aggregates = Arc::clone(all),
            Step::AddAggregates(more) => Arc::make_mut(&mut facts.aggregates).extend(more),
            Step::RemoveAggregates(fewer) => {
                Arc::make_mut(&mut facts.aggregates).retain(|one| !fewer.contains(one));
            }
            Step::SetResources(all) => facts.resources = all.clone(),
        }
    }
}

/// Replaces all inventories, as [`Edit::set_inventories`] does.
impl From<Inventories> for Edit {
    fn from(inventories: Inventories) -> Self {
        Edit::new().set_inventories(inventories)
    }
}

/// Changes inventories where they are named, as [`Edit::update_inventories`] does.
impl From<PartialInventories> for Edit {
    fn from(inventories: PartialInventories) -> Self {
        Edit::new().update_inventories(inventories)
    }
}

/// Shows the parts in their order.
impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.steps).finish()
    }
}
