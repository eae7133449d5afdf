//! Inventories: how much of each class a provider has.

use crate::error::{Error, InventoryFault, Result};
use crate::values::resource_class::ResourceClass;

/// Describes how much of one class a provider has, and in which amounts it gives it.
///
/// The fields mean what they mean in OpenStack Placement. The **capacity** is
/// `(total - reserved) * allocation_ratio`, rounded down. The ratio is first rounded to the nearest
/// billionth; from there on the arithmetic is exact, so that a total of 10 at a ratio of 0.7 has a
/// capacity of 7.
///
/// ```
/// use provider_tree::Inventory;
///
/// let inventory = Inventory::new(64).with_reserved(4).with_allocation_ratio(1.5);
/// assert_eq!(inventory.capacity(), Ok(90));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inventory {
    /// How much the provider has of the class.
    pub total: u64,
    /// How much of the total is not for consumers.
    pub reserved: u64,
    /// The least amount that can be claimed at once.
    pub min_unit: u64,
    /// The greatest amount that can be claimed at once.
    pub max_unit: u64,
    /// The step: every amount has to be a multiple of it.
    pub step_size: u64,
    /// How many times each unit may be given away.
    pub allocation_ratio: f64,
}

/// Bounds the number of classes of one provider.
pub(crate) const MOST_CLASSES: usize = 10_080;

/// Counts the units of precision in a ratio of 1: a ratio is rounded to billionths.
const BILLIONTHS: f64 = 1e9;

impl Inventory {
    /// Returns an inventory of `total` with the usual values of all other fields: `reserved` 0,
    /// `min_unit` 1, `max_unit` [`u64::MAX`], `step_size` 1, `allocation_ratio` 1.0. So nothing is
    /// reserved, any amount is allowed, and each unit is given away once.
    pub fn new(total: u64) -> Self {
        Inventory {
            total,
            reserved: 0,
            min_unit: 1,
            max_unit: u64::MAX,
            step_size: 1,
            allocation_ratio: 1.0,
        }
    }

    /// Returns the inventory with `reserved` not for consumers.
    pub fn with_reserved(self, reserved: u64) -> Self {
        Inventory { reserved, ..self }
    }

    /// Returns the inventory with the least amount `min_unit`.
    pub fn with_min_unit(self, min_unit: u64) -> Self {
        Inventory { min_unit, ..self }
    }

    /// Returns the inventory with the greatest amount `max_unit`.
    pub fn with_max_unit(self, max_unit: u64) -> Self {
        Inventory { max_unit, ..self }
    }

    /// Returns the inventory with amounts in steps of `step_size`.
    pub fn with_step_size(self, step_size: u64) -> Self {
        Inventory { step_size, ..self }
    }

    /// Returns the inventory with each unit given away up to `allocation_ratio` times.
    pub fn with_allocation_ratio(self, allocation_ratio: f64) -> Self {
        Inventory { allocation_ratio, ..self }
    }

    /// Returns the capacity: how much consumers can hold together.
    ///
    /// # Errors
    ///
    /// Returns an [`InventoryFault`] that says what contradicts itself in the inventory.
    pub fn capacity(&self) -> Result<u64, InventoryFault> {
        let &Inventory { total, reserved, min_unit, max_unit, step_size, .. } = self;
        if min_unit == 0 {
            return Err(InventoryFault::ZeroMinUnit);
        }
        if step_size == 0 {
            return Err(InventoryFault::ZeroStep);
        }
        if min_unit > max_unit {
            return Err(InventoryFault::MinAboveMax { min_unit, max_unit });
        }
        let ratio = self.allocation_ratio;
        if !(1.0 / BILLIONTHS..=1e6).contains(&ratio) {
            return Err(InventoryFault::RatioOutOfRange { ratio });
        }
        let usable = total
            .checked_sub(reserved)
            .ok_or(InventoryFault::ReservedAboveTotal { reserved, total })?;
        // At most 1e6 * 1e9. Exact in the 53 bits of an f64 where it matters, and always in a u128.
        let billionths = (ratio * BILLIONTHS).round() as u128;
        let capacity = u128::from(usable) * billionths / BILLIONTHS as u128;
        u64::try_from(capacity).map_err(|_| InventoryFault::CapacityOverflow)
    }

    /// Returns whether `amount` obeys the units.
    pub(crate) fn allows(&self, amount: u64) -> bool {
        (self.min_unit..=self.max_unit).contains(&amount) && amount.is_multiple_of(self.step_size)
    }

    /// Returns whether the units refuse some amount up to `most`, or may.
    pub(crate) fn has_units(&self, most: u64) -> bool {
        self.min_unit > 1 || self.step_size > 1 || self.max_unit < most
    }
}

/// Holds the inventories of one provider, one for each class.
///
/// ```
/// use provider_tree::{Inventories, Inventory, ResourceClass};
///
/// let inventories = Inventories::new()
///     .with(ResourceClass::VCPU, Inventory::new(64).with_allocation_ratio(16.0))
///     .with(ResourceClass::MEMORY_MB, Inventory::new(262_144).with_reserved(4_096));
/// assert_eq!(inventories.get(ResourceClass::VCPU).unwrap().total, 64);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventories(Vec<(ResourceClass, Inventory)>);

impl Inventories {
    /// Returns an empty set of inventories.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the inventories with `inventory` for `class`, in the place of an earlier one for
    /// `class`.
    pub fn with(mut self, class: ResourceClass, inventory: Inventory) -> Self {
        self.insert(class, inventory);
        self
    }

    /// Sets the inventory of `class`, and returns the inventory that `class` had before.
    pub fn insert(&mut self, class: ResourceClass, inventory: Inventory) -> Option<Inventory> {
        match self.0.binary_search_by_key(&class, |(class, _)| *class) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, inventory)),
            Err(at) => {
                self.0.insert(at, (class, inventory));
                None
            }
        }
    }

    /// Returns the inventory of `class`.
    pub fn get(&self, class: ResourceClass) -> Option<&Inventory> {
        let at = self.0.binary_search_by_key(&class, |(class, _)| *class).ok()?;
        Some(&self.0[at].1)
    }

    /// Takes the inventory of `class` out, and returns it.
    pub fn remove(&mut self, class: ResourceClass) -> Option<Inventory> {
        let at = self.0.binary_search_by_key(&class, |(class, _)| *class).ok()?;
        Some(self.0.remove(at).1)
    }

    /// Returns all inventories, in the [order](ResourceClass) of their classes.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ResourceClass, &Inventory)> {
        self.into_iter()
    }

    /// Returns the number of classes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no inventory.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks that one provider can have this number of classes.
    pub(crate) fn check_count(&self) -> Result<()> {
        match self.len() <= MOST_CLASSES {
            true => Ok(()),
            false => {
                let (what, limit) = ("classes of one provider", MOST_CLASSES as u64);
                Err(Error::TooLarge { what, limit, full: false })
            }
        }
    }

    /// Returns the capacity of each class.
    pub(crate) fn capacities(&self) -> Result<Vec<ClassCapacity>> {
        self.check_count()?;
        let capacity = |(class, inventory): (ResourceClass, &Inventory)| {
            let capacity = inventory.capacity();
            let capacity = capacity.map_err(|fault| Error::InvalidInventory { class, fault })?;
            Ok(ClassCapacity { class, capacity, inventory: *inventory })
        };
        self.iter().map(capacity).collect()
    }
}

impl Extend<(ResourceClass, Inventory)> for Inventories {
    fn extend<I: IntoIterator<Item = (ResourceClass, Inventory)>>(&mut self, inventories: I) {
        for (class, inventory) in inventories {
            self.insert(class, inventory);
        }
    }
}

impl FromIterator<(ResourceClass, Inventory)> for Inventories {
    fn from_iter<I: IntoIterator<Item = (ResourceClass, Inventory)>>(inventories: I) -> Self {
        let mut all = Self::new();
        all.extend(inventories);
        all
    }
}

impl<const N: usize> From<[(ResourceClass, Inventory); N]> for Inventories {
    fn from(all: [(ResourceClass, Inventory); N]) -> Self {
        all.into_iter().collect()
    }
}

impl IntoIterator for Inventories {
    type Item = (ResourceClass, Inventory);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Inventories {
    type Item = (ResourceClass, &'a Inventory);
    type IntoIter = std::iter::Map<
        std::slice::Iter<'a, (ResourceClass, Inventory)>,
        fn(&'a (ResourceClass, Inventory)) -> Self::Item,
    >;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(class, inventory)| (*class, inventory))
    }
}

/// Holds what a provider's words need to know of an inventory.
pub(crate) struct ClassCapacity {
    pub(crate) class: ResourceClass,
    pub(crate) capacity: u64,
    pub(crate) inventory: Inventory,
}

/// Tells how much of one class a provider has and how much of it is in use, at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Usage {
    /// The capacity: how much consumers can hold together.
    pub capacity: u64,
    /// How much is in use: held by consumers or taken without one. More than the capacity only
    /// after an inventory has shrunk.
    pub used: u64,
}

impl Usage {
    /// Returns how much is not used: the capacity without what is used, and 0 if more is used.
    ///
    /// Knows of no cordon. A [cordoned](crate::ProviderTree::cordon) provider gives none of this;
    /// [`View::free`](crate::View::free) and [`Root::free`](crate::Root::free) count nothing of it.
    pub fn free(&self) -> u64 {
        self.capacity.saturating_sub(self.used)
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn capacity_is_exact() {
        let cases = [
            (10, 0, 0.7, 7),
            (10, 0, 1.1, 11),
            (64, 0, 16.0, 1024),
            (100, 50, 0.3, 15),
            (3, 0, 0.333_333_333, 0),
            (3, 0, 1.0 / 3.0, 0),
            (7, 7, 5.0, 0),
            (u64::MAX, 0, 1.0, u64::MAX),
            (u64::MAX, 1, 1.0, u64::MAX - 1),
            (u64::MAX, 0, 0.5, u64::MAX / 2),
            (1_000_000_000, 0, 1e-9, 1),
        ];
        for (total, reserved, ratio, capacity) in cases {
            let inventory =
                Inventory::new(total).with_reserved(reserved).with_allocation_ratio(ratio);
            assert_eq!(inventory.capacity(), Ok(capacity), "{inventory:?}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        use InventoryFault::*;
        let sound = Inventory::new(10);
        let cases = [
            (sound.with_reserved(11), ReservedAboveTotal { reserved: 11, total: 10 }),
            (sound.with_min_unit(0), ZeroMinUnit),
            (sound.with_step_size(0), ZeroStep),
            (sound.with_min_unit(5).with_max_unit(4), MinAboveMax { min_unit: 5, max_unit: 4 }),
            (sound.with_allocation_ratio(0.0), RatioOutOfRange { ratio: 0.0 }),
            (sound.with_allocation_ratio(-1.0), RatioOutOfRange { ratio: -1.0 }),
            (sound.with_allocation_ratio(f64::INFINITY), RatioOutOfRange { ratio: f64::INFINITY }),
            (Inventory::new(u64::MAX).with_allocation_ratio(1.1), CapacityOverflow),
        ];
        for (inventory, fault) in cases {
            assert_eq!(inventory.capacity(), Err(fault), "{inventory:?}");
        }
        let not_a_number = sound.with_allocation_ratio(f64::NAN).capacity();
        assert!(matches!(not_a_number, Err(RatioOutOfRange { .. })));
    }

    #[test]
    fn units() {
        let inventory = Inventory::new(64).with_min_unit(4).with_max_unit(16).with_step_size(4);
        let allowed: Vec<_> = (0..=20).filter(|amount| inventory.allows(*amount)).collect();
        assert_eq!(allowed, [4, 8, 12, 16]);
        assert!(inventory.has_units(64));
        assert!(!Inventory::new(64).has_units(64));
        assert!(!Inventory::new(64).with_max_unit(64).has_units(64));
        assert!(Inventory::new(64).with_max_unit(63).has_units(64));
    }

    #[test]
    fn a_class_has_one_inventory() {
        let inventories = Inventories::new()
            .with(ResourceClass::VCPU, Inventory::new(1))
            .with(ResourceClass::DISK_GB, Inventory::new(2))
            .with(ResourceClass::VCPU, Inventory::new(3));
        assert_eq!(inventories.len(), 2);
        assert_eq!(inventories.get(ResourceClass::VCPU).unwrap().total, 3);
        assert_eq!(inventories.get(ResourceClass::PGPU), None);
    }
}
