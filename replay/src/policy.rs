//! How a node is chosen for a task.
//!
//! The rules and the tie rule (the smallest node name wins) are those of the experiment in Weng et
//! al., "Beware of Fragmentation", USENIX ATC 2023.

mod best_fit;
mod first_fit;
mod random;

use rand::rngs::Xoshiro256PlusPlus;

use crate::options::PolicyName;
use crate::shape::{Demand, DeviceSet};
use crate::view::{Free, Order, View};

/// A node and the devices on it for one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) node: u32,
    pub(crate) devices: DeviceSet,
}

impl PolicyName {
    /// The order in which the policy wants a view's nodes.
    pub(crate) fn order(self) -> Order {
        match self {
            Self::BestFit => Order::Room,
            Self::FirstFit | Self::Random => Order::Name,
        }
    }

    /// A place for a task among what the view shows as free; `None` when it fits nowhere.
    /// `random` is the task's own generator.
    pub(crate) fn choose(
        self,
        view: &View,
        demand: &Demand,
        random: &mut Xoshiro256PlusPlus,
    ) -> Option<Choice> {
        let node = match self {
            Self::FirstFit => first_fit::choose(view, demand),
            Self::BestFit => best_fit::choose(view, demand),
            Self::Random => random::choose(view, demand, random),
        }?;
        Some(Choice { node, devices: self.devices(&view.free(node), demand, random) })
    }

    /// The devices for a task on a node that it fits.
    pub(crate) fn devices(
        self,
        free: &Free<'_>,
        demand: &Demand,
        random: &mut Xoshiro256PlusPlus,
    ) -> DeviceSet {
        match self {
            Self::FirstFit => first_fit::devices(free, demand),
            Self::BestFit => best_fit::devices(free, demand),
            Self::Random => random::devices(free, demand, random),
        }
    }
}

#[cfg(test)]
mod tests;
