//! First-fit: the first node by name that fits, and its first devices that do.

use crate::shape::{Demand, DeviceSet};
use crate::view::{Free, View};

pub(super) fn choose(view: &View, demand: &Demand) -> Option<u32> {
    let mut first = None;
    for tier in view.tiers(demand) {
        let nodes = tier.from(0, 0).map(|(_, node)| node);
        let mut before = nodes.take_while(|&node| first.is_none_or(|first| node < first));
        first = before.find(|&node| view.fits(node, demand)).or(first);
    }
    first
}

pub(super) fn devices(free: &Free<'_>, demand: &Demand) -> DeviceSet {
    free.devices(demand).take(usize::from(demand.gpus)).collect()
}
