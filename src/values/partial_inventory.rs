//! Partial inventories: what a caller says of inventories, which need not be all of their fields.

use std::collections::BTreeMap;

use crate::values::inventory::{Inventories, Inventory};
use crate::values::resource_class::ResourceClass;

/// Holds the fields of an [`Inventory`] that a caller names, and leaves the others open.
///
/// A comparison with an inventory looks at the named fields alone. A partial inventory that is made
/// a whole one gets the usual values for the open fields: those of [`Inventory::new`], and a total
/// of 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct PartialInventory {
    /// How much the provider has of the class.
    pub total: Option<u64>,
    /// How much of the total is not for consumers.
    pub reserved: Option<u64>,
    /// The least amount that can be claimed at once.
    pub min_unit: Option<u64>,
    /// The greatest amount that can be claimed at once.
    pub max_unit: Option<u64>,
    /// The step: every amount has to be a multiple of it.
    pub step_size: Option<u64>,
    /// How many times each unit may be given away.
    pub allocation_ratio: Option<f64>,
}

impl PartialInventory {
    /// Returns a partial inventory that names the total alone.
    pub fn new(total: u64) -> Self {
        PartialInventory { total: Some(total), ..Self::default() }
    }

    /// Returns the partial inventory with `reserved` named.
    pub fn with_reserved(self, reserved: u64) -> Self {
        PartialInventory { reserved: Some(reserved), ..self }
    }

    /// Returns the partial inventory with the least amount named.
    pub fn with_min_unit(self, min_unit: u64) -> Self {
        PartialInventory { min_unit: Some(min_unit), ..self }
    }

    /// Returns the partial inventory with the greatest amount named.
    pub fn with_max_unit(self, max_unit: u64) -> Self {
        PartialInventory { max_unit: Some(max_unit), ..self }
    }

    /// Returns the partial inventory with the step named.
    pub fn with_step_size(self, step_size: u64) -> Self {
        PartialInventory { step_size: Some(step_size), ..self }
    }

    /// Returns the partial inventory with the ratio named.
    pub fn with_allocation_ratio(self, allocation_ratio: f64) -> Self {
        PartialInventory { allocation_ratio: Some(allocation_ratio), ..self }
    }

    /// Returns whether every named field has the value that `inventory` has.
    pub fn agrees_with(&self, inventory: &Inventory) -> bool {
        fn agrees<T: PartialEq>(named: Option<T>, actual: T) -> bool {
            named.is_none_or(|named| named == actual)
        }
        agrees(self.total, inventory.total)
            && agrees(self.reserved, inventory.reserved)
            && agrees(self.min_unit, inventory.min_unit)
            && agrees(self.max_unit, inventory.max_unit)
            && agrees(self.step_size, inventory.step_size)
            && agrees(self.allocation_ratio, inventory.allocation_ratio)
    }

    /// Returns the whole inventory, with the usual values for the open fields.
    pub fn completed(&self) -> Inventory {
        self.applied_to(&Inventory::new(0))
    }

    /// Returns `inventory` with the named fields as they are named.
    pub fn applied_to(&self, inventory: &Inventory) -> Inventory {
        Inventory {
            total: self.total.unwrap_or(inventory.total),
            reserved: self.reserved.unwrap_or(inventory.reserved),
            min_unit: self.min_unit.unwrap_or(inventory.min_unit),
            max_unit: self.max_unit.unwrap_or(inventory.max_unit),
            step_size: self.step_size.unwrap_or(inventory.step_size),
            allocation_ratio: self.allocation_ratio.unwrap_or(inventory.allocation_ratio),
        }
    }
}

impl From<Inventory> for PartialInventory {
    fn from(inventory: Inventory) -> Self {
        PartialInventory {
            total: Some(inventory.total),
            reserved: Some(inventory.reserved),
            min_unit: Some(inventory.min_unit),
            max_unit: Some(inventory.max_unit),
            step_size: Some(inventory.step_size),
            allocation_ratio: Some(inventory.allocation_ratio),
        }
    }
}

/// Holds what a caller says of all inventories of a provider: each class once, each perhaps in
/// part.
///
/// ```
/// use provider_tree::{Inventories, Inventory, PartialInventories, PartialInventory, ResourceClass};
///
/// let inventories = Inventories::new()
///     .with(ResourceClass::VCPU, Inventory::new(64).with_allocation_ratio(16.0));
/// let reported = PartialInventories::new().with(ResourceClass::VCPU, PartialInventory::new(64));
/// assert!(reported.agrees_with(&inventories)); // The ratio is not named.
/// assert_eq!(reported.completed().get(ResourceClass::VCPU), Some(&Inventory::new(64)));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartialInventories(BTreeMap<ResourceClass, PartialInventory>);

impl PartialInventories {
    /// Returns an empty set of partial inventories.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the partial inventories with `inventory` for `class`, in the place of an earlier one
    /// for `class`.
    pub fn with(mut self, class: ResourceClass, inventory: PartialInventory) -> Self {
        self.insert(class, inventory);
        self
    }

    /// Sets the partial inventory of `class`, and returns that which `class` had before.
    pub fn insert(
        &mut self,
        class: ResourceClass,
        inventory: PartialInventory,
    ) -> Option<PartialInventory> {
        self.0.insert(class, inventory)
    }

    /// Takes the partial inventory of `class` out, and returns it.
    pub fn remove(&mut self, class: ResourceClass) -> Option<PartialInventory> {
        self.0.remove(&class)
    }

    /// Returns the partial inventory of `class`.
    pub fn get(&self, class: ResourceClass) -> Option<&PartialInventory> {
        self.0.get(&class)
    }

    /// Returns the number of classes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no partial inventory.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all partial inventories, in the order of their classes.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ResourceClass, &PartialInventory)> {
        self.into_iter()
    }

    /// Returns whether `inventories` has exactly these classes, and agrees with the named fields of
    /// each.
    pub fn agrees_with(&self, inventories: &Inventories) -> bool {
        let agrees = |((class, partial), (other, inventory)): (_, (_, &Inventory))| {
            let (class, partial): (ResourceClass, &PartialInventory) = (class, partial);
            class == other && partial.agrees_with(inventory)
        };
        self.0.len() == inventories.len() && self.iter().zip(inventories.iter()).all(agrees)
    }

    /// Returns `inventories` with the named fields as they are named. A class that `inventories` do not have
    /// comes, with the usual values in its open fields; a class that is not named stays as it is.
    pub fn applied_to(&self, inventories: &Inventories) -> Inventories {
        let mut all = inventories.clone();
        for (class, named) in &self.0 {
            let inventory = match all.get(*class) {
                Some(inventory) => named.applied_to(inventory),
                None => named.completed(),
            };
            all.insert(*class, inventory);
        }
        all
    }

    /// Returns whole inventories, with the usual values for the open fields.
    pub fn completed(&self) -> Inventories {
        self.iter().map(|(class, partial)| (class, partial.completed())).collect()
    }
}

impl Extend<(ResourceClass, PartialInventory)> for PartialInventories {
    fn extend<I: IntoIterator<Item = (ResourceClass, PartialInventory)>>(&mut self, all: I) {
        self.0.extend(all);
    }
}

impl IntoIterator for PartialInventories {
    type Item = (ResourceClass, PartialInventory);
    type IntoIter = std::collections::btree_map::IntoIter<ResourceClass, PartialInventory>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a PartialInventories {
    type Item = (ResourceClass, &'a PartialInventory);
    type IntoIter = std::iter::Map<
        std::collections::btree_map::Iter<'a, ResourceClass, PartialInventory>,
        fn((&'a ResourceClass, &'a PartialInventory)) -> Self::Item,
    >;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(class, inventory)| (*class, inventory))
    }
}

impl FromIterator<(ResourceClass, PartialInventory)> for PartialInventories {
    fn from_iter<I: IntoIterator<Item = (ResourceClass, PartialInventory)>>(all: I) -> Self {
        PartialInventories(all.into_iter().collect())
    }
}

impl<const N: usize> From<[(ResourceClass, PartialInventory); N]> for PartialInventories {
    fn from(all: [(ResourceClass, PartialInventory); N]) -> Self {
        all.into_iter().collect()
    }
}

impl From<&Inventories> for PartialInventories {
    fn from(inventories: &Inventories) -> Self {
        inventories.iter().map(|(class, inventory)| (class, (*inventory).into())).collect()
    }
}

impl From<Inventories> for PartialInventories {
    fn from(inventories: Inventories) -> Self {
        (&inventories).into()
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_named_field_counts() {
        let inventory = Inventory::new(9)
            .with_reserved(1)
            .with_min_unit(2)
            .with_max_unit(6)
            .with_step_size(2)
            .with_allocation_ratio(1.5);
        let whole = PartialInventory::from(inventory);
        assert!(whole.agrees_with(&inventory));
        assert_eq!(whole.completed(), inventory);
        assert!(PartialInventory::default().agrees_with(&inventory));
        let others = [
            Inventory { total: 10, ..inventory },
            inventory.with_reserved(2),
            inventory.with_min_unit(4),
            inventory.with_max_unit(8),
            inventory.with_step_size(1),
            inventory.with_allocation_ratio(1.0),
        ];
        for other in others {
            assert!(!whole.agrees_with(&other), "{other:?}");
        }
    }

    #[test]
    fn another_set_of_classes_does_not_agree() {
        let one = Inventories::new().with(ResourceClass::VCPU, Inventory::new(1));
        let two = one.clone().with(ResourceClass::VGPU, Inventory::new(1));
        let other = Inventories::new().with(ResourceClass::VGPU, Inventory::new(1));
        let partial = PartialInventories::from(&one);
        assert!(partial.agrees_with(&one));
        assert!(!partial.agrees_with(&two));
        assert!(!partial.agrees_with(&other));
        assert!(!PartialInventories::from(two).agrees_with(&one));
        assert!(!partial.agrees_with(&Inventories::new()));
    }
}
