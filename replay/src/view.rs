//! What one scheduler thread believes is free, arranged for quick choices.
//!
//! A view is private to its thread. It only proposes: the claim decides. The nodes are kept in
//! ordered sets, one for each *tier* of GPU room, so that a choice looks only at tiers in which a
//! node can have the devices, and there begins with the nodes the policy likes best.

use std::collections::{BTreeSet, HashSet};
use std::ops::{Bound, Range};

use provider_tree::Error;

use crate::cluster::Cluster;
use crate::shape::{Demand, DeviceSet, ModelId, WHOLE_GPU};

/// The order of the nodes within a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// By name.
    Name,
    /// By what is left, see [`room`]; by name where it is equal.
    Room,
}

/// What best-fit minimises, in whole numbers: 16 times the idle GPU thousandths plus the idle
/// thousandths of a core, which is `cpu / 128000 + gpu / 8000` times 128000.
pub(crate) fn room(cpu_milli: u32, gpu_milli: u32) -> u64 {
    u64::from(cpu_milli) + 16 * u64::from(gpu_milli)
}

/// A thread's picture of the cluster. Nodes are numbered in the order of their names.
#[derive(Debug)]
pub(crate) struct View {
    nodes: Vec<Seat>,
    /// What is left on each GPU, all nodes after one another.
    gpus: Vec<u16>,
    tiers: Tiers,
    /// Demands that no node had room for. They and their like stay hopeless until some node has
    /// more left than before.
    hopeless: HashSet<Demand>,
}

/// A node's place in the view.
#[derive(Debug, Clone)]
struct Seat {
    cpu_milli: u32,
    memory_mib: u32,
    first_gpu: u32,
    gpus: u8,
    model: Option<ModelId>,
    spot: Spot,
}

/// What a node has left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Free<'a> {
    pub(crate) cpu_milli: u32,
    pub(crate) memory_mib: u32,
    pub(crate) gpus: &'a [u16],
    pub(crate) model: Option<ModelId>,
}

impl Free<'_> {
    /// Whether a task could run here.
    pub(crate) fn fits(&self, demand: &Demand) -> bool {
        self.cpu_milli >= demand.cpu_milli
            && self.memory_mib >= demand.memory_mib
            && demand.models.accepts(self.model)
            && self.devices(demand).take(usize::from(demand.gpus)).count()
                == usize::from(demand.gpus)
    }

    /// The devices that have what the task takes from each, in rising order.
    pub(crate) fn devices(&self, demand: &Demand) -> impl Iterator<Item = usize> {
        let numbered = self.gpus.iter().enumerate();
        numbered.filter(|&(_, &free)| free >= demand.gpu_milli).map(|(device, _)| device)
    }
}

impl View {
    /// Reads the whole cluster.
    pub(crate) fn new(cluster: &Cluster, order: Order) -> Result<Self, Error> {
        let gpus = cluster.nodes.iter().map(|node| node.gpus.len()).sum();
        let mut view = Self {
            nodes: Vec::with_capacity(cluster.nodes.len()),
            gpus: vec![0; gpus],
            tiers: Tiers { order, sets: Vec::new() },
            hopeless: HashSet::new(),
        };
        let mut first_gpu = 0;
        for (number, node) in (0..).zip(&cluster.nodes) {
            let gpus = node.gpus.len();
            let range = first_gpu..first_gpu + gpus;
            let (cpu_milli, memory_mib) = cluster.free(number, &mut view.gpus[range.clone()])?;
            let spot = Spot::new(order, cpu_milli, &view.gpus[range]);
            view.tiers.insert(number, spot);
            view.nodes.push(Seat {
                cpu_milli,
                memory_mib,
                first_gpu: first_gpu as u32,
                gpus: gpus as u8,
                model: node.model,
                spot,
            });
            first_gpu += gpus;
        }
        Ok(view)
    }

    /// How many nodes there are.
    pub(crate) fn len(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// What a node has left.
    pub(crate) fn free(&self, node: u32) -> Free<'_> {
        let seat = &self.nodes[node as usize];
        Free {
            cpu_milli: seat.cpu_milli,
            memory_mib: seat.memory_mib,
            gpus: &self.gpus[seat.gpus()],
            model: seat.model,
        }
    }

    /// Whether a task could run on a node.
    pub(crate) fn fits(&self, node: u32, demand: &Demand) -> bool {
        self.free(node).fits(demand)
    }

    /// The tiers in which a node can have the devices for a task.
    pub(crate) fn tiers(&self, demand: &Demand) -> impl Iterator<Item = Tier<'_>> {
        let first = tier_needed(demand).min(self.tiers.sets.len());
        self.tiers.sets[first..].iter().filter(|set| !set.is_empty()).map(Tier)
    }

    /// Every node that a task could run on, tier by tier.
    pub(crate) fn fitting(&self, demand: &Demand) -> impl Iterator<Item = u32> {
        let nodes = self.tiers(demand).flat_map(|tier| tier.from(0, 0));
        nodes.map(|(_, node)| node).filter(move |&node| self.fits(node, demand))
    }

    /// Whether this demand is known to fit nowhere.
    pub(crate) fn is_hopeless(&self, demand: &Demand) -> bool {
        self.hopeless.contains(demand)
    }

    /// Remembers that a demand fits nowhere.
    pub(crate) fn give_up(&mut self, demand: Demand) {
        self.hopeless.insert(demand);
    }

    /// Subtracts what a task takes.
    pub(crate) fn subtract(&mut self, node: u32, demand: &Demand, devices: DeviceSet) {
        let seat = &mut self.nodes[node as usize];
        seat.cpu_milli -= demand.cpu_milli;
        seat.memory_mib -= demand.memory_mib;
        let range = seat.gpus();
        for device in devices.iter() {
            self.gpus[range.start + device] -= demand.gpu_milli;
        }
        self.settle(node);
    }

    /// Adds back what was subtracted before.
    pub(crate) fn add_back(&mut self, node: u32, demand: &Demand, devices: DeviceSet) {
        let seat = &mut self.nodes[node as usize];
        seat.cpu_milli += demand.cpu_milli;
        seat.memory_mib += demand.memory_mib;
        let range = seat.gpus();
        for device in devices.iter() {
            self.gpus[range.start + device] += demand.gpu_milli;
        }
        self.settle(node);
    }

    /// Reads a node again, because another thread has placed something there. Whatever else was
    /// subtracted from the node is gone then.
    pub(crate) fn refresh(&mut self, cluster: &Cluster, node: u32) -> Result<(), Error> {
        let seat = &mut self.nodes[node as usize];
        let mut fresh = [0; crate::shape::MOST_GPUS as usize];
        let fresh = &mut fresh[..usize::from(seat.gpus)];
        let (cpu_milli, memory_mib) = cluster.free(node, fresh)?;
        let known = &mut self.gpus[seat.gpus()];
        let grew = cpu_milli > seat.cpu_milli
            || memory_mib > seat.memory_mib
            || fresh.iter().zip(&*known).any(|(fresh, known)| fresh > known);
        if grew {
            self.hopeless.clear();
        }
        known.copy_from_slice(fresh);
        (seat.cpu_milli, seat.memory_mib) = (cpu_milli, memory_mib);
        self.settle(node);
        Ok(())
    }

    /// Moves a node to where it belongs after a change.
    fn settle(&mut self, node: u32) {
        let seat = &mut self.nodes[node as usize];
        let spot = Spot::new(self.tiers.order, seat.cpu_milli, &self.gpus[seat.gpus()]);
        let before = std::mem::replace(&mut seat.spot, spot);
        if before != spot {
            self.tiers.remove(node, before);
            self.tiers.insert(node, spot);
        }
    }
}

impl Seat {
    fn gpus(&self) -> Range<usize> {
        let first = self.first_gpu as usize;
        first..first + usize::from(self.gpus)
    }
}

/// The nodes of one tier, in the view's order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tier<'a>(&'a BTreeSet<(u64, u32)>);

impl<'a> Tier<'a> {
    /// The nodes from this one on, with their keys: their room, or 0 when the order is by name.
    pub(crate) fn from(self, key: u64, node: u32) -> impl Iterator<Item = (u64, u32)> + use<'a> {
        self.0.range((Bound::Included((key, node)), Bound::Unbounded)).copied()
    }
}

/// Where a node belongs: its tier, and its key within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot {
    tier: usize,
    key: u64,
}

impl Spot {
    fn new(order: Order, cpu_milli: u32, gpus: &[u16]) -> Self {
        let key = match order {
            Order::Name => 0,
            Order::Room => room(cpu_milli, gpus.iter().map(|&free| u32::from(free)).sum()),
        };
        Self { tier: tier(gpus), key }
    }
}

#[derive(Debug)]
struct Tiers {
    order: Order,
    sets: Vec<BTreeSet<(u64, u32)>>,
}

impl Tiers {
    fn insert(&mut self, node: u32, spot: Spot) {
        if self.sets.len() <= spot.tier {
            self.sets.resize_with(spot.tier + 1, BTreeSet::new);
        }
        self.sets[spot.tier].insert((spot.key, node));
    }

    fn remove(&mut self, node: u32, spot: Spot) {
        self.sets[spot.tier].remove(&(spot.key, node));
    }
}

/// Nodes without a fully free GPU are told apart by the largest free share, in steps of this many
/// thousandths.
const SHARE_STEP: u16 = 50;

/// The tiers of nodes without a fully free GPU.
const SHARE_TIERS: usize = (WHOLE_GPU / SHARE_STEP) as usize;

/// The tier of a node with these GPUs: by the number of fully free ones, else by the largest free
/// share. Of two nodes in different tiers, the one in the higher tier can do more with one share
/// or with whole GPUs.
fn tier(gpus: &[u16]) -> usize {
    match gpus.iter().filter(|&&free| free == WHOLE_GPU).count() {
        0 => usize::from(gpus.iter().max().copied().unwrap_or(0) / SHARE_STEP),
        whole => SHARE_TIERS - 1 + whole,
    }
}

/// The lowest tier in which a node can have the devices for this demand.
fn tier_needed(demand: &Demand) -> usize {
    match demand.gpus {
        0 => 0,
        gpus if demand.gpu_milli == WHOLE_GPU => SHARE_TIERS - 1 + usize::from(gpus),
        _ => usize::from(demand.gpu_milli / SHARE_STEP),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::ModelSet;

    #[test]
    fn a_node_that_fits_is_in_a_tier_that_is_looked_at() {
        let gpus = [[0, 0], [49, 0], [50, 49], [999, 999], [1000, 0], [1000, 1000]];
        for free in gpus {
            let node = Free { cpu_milli: 1, memory_mib: 1, gpus: &free, model: None };
            for (count, gpu_milli) in
                [(0, 0), (1, 1), (1, 50), (1, 999), (1, 1000), (2, 40), (2, 1000)]
            {
                let models = ModelSet::ANY;
                let demand = Demand { cpu_milli: 1, memory_mib: 1, gpus: count, gpu_milli, models };
                if node.fits(&demand) {
                    assert!(tier(&free) >= tier_needed(&demand), "{free:?} {demand:?}");
                }
            }
        }
    }
}
