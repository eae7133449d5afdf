//! Random numbers that depend on the seed and on what they are for, never on which thread draws.

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use uuid::{Builder, Uuid};

/// What random numbers are for: each purpose has its own sequence.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The sizes of the built-in workload's tasks.
    Sizes,
    /// The order of the tasks, and which are appended or dropped.
    Order,
    /// A policy's choice for one task.
    Choice,
    /// The consumer that stands for one task.
    Consumer,
    /// The order of the nodes.
    Nodes,
}

/// The generator for one purpose and one task (or 0).
pub(crate) fn generator(seed: u64, purpose: Purpose, index: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(mix(mix(seed ^ mix(purpose as u64 + 1)) ^ index))
}

/// The consumer of task `index`: a version 4 uuid, the same in every run with this seed.
pub(crate) fn consumer(seed: u64, index: u64) -> Uuid {
    let mut bytes = [0; 16];
    rand::Rng::fill_bytes(&mut generator(seed, Purpose::Consumer, index), &mut bytes);
    Builder::from_random_bytes(bytes).into_uuid()
}

/// Spreads every bit of `value` over the whole word (the finaliser of SplitMix64).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumers_differ_by_seed_and_index_and_repeat() {
        assert_eq!(consumer(1, 2), consumer(1, 2));
        assert_ne!(consumer(1, 2), consumer(1, 3));
        assert_ne!(consumer(1, 2), consumer(2, 2));
        assert_eq!(consumer(1, 2).get_version_num(), 4);
    }
}
