//! Random: any node that fits, and on it any devices that do, each with the same chance.

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::{IndexedRandom, index};

use crate::shape::{Demand, DeviceSet};
use crate::view::{Free, View};

/// Random nodes are tried this often before the fitting ones are listed. Both ways give every
/// fitting node the same chance.
const TRIES: usize = 16;

pub(super) fn choose(view: &View, demand: &Demand, random: &mut Xoshiro256PlusPlus) -> Option<u32> {
    try_some(view, demand, random).or_else(|| pick(view, demand, random))
}

fn try_some(view: &View, demand: &Demand, random: &mut Xoshiro256PlusPlus) -> Option<u32> {
    let mut drawn = (0..TRIES).map(|_| random.random_range(0..view.len()));
    drawn.find(|&node| view.fits(node, demand))
}

fn pick(view: &View, demand: &Demand, random: &mut Xoshiro256PlusPlus) -> Option<u32> {
    let fitting: Vec<_> = view.fitting(demand).collect();
    fitting.choose(random).copied()
}

pub(super) fn devices(
    free: &Free<'_>,
    demand: &Demand,
    random: &mut Xoshiro256PlusPlus,
) -> DeviceSet {
    let fitting: Vec<_> = free.devices(demand).collect();
    let drawn = index::sample(random, fitting.len(), usize::from(demand.gpus));
    drawn.into_iter().map(|index| fitting[index]).collect()
}
