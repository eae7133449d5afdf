//! Where the operations go: cheap random numbers, drawn beforehand where they would cost too much.

use std::sync::Arc;

pub(crate) use benches::random::Random;
use uuid::Uuid;

/// How providers are chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Skew {
    Uniform,
    /// With exponent 0.99, as YCSB has it.
    Zipf,
}

/// Choices drawn beforehand, so that all skews cost the same to choose.
#[derive(Clone)]
pub(crate) struct Picks(Arc<[u16]>);

/// So many fit the cache beside what is measured.
const DRAWN: usize = 1 << 13;

impl Picks {
    pub(crate) fn new(providers: usize, skew: Skew) -> Self {
        let mut random = Random::of(providers);
        let mut summed: Vec<f64> = (1..=providers)
            .map(|rank| match skew {
                Skew::Uniform => 1.0,
                Skew::Zipf => (rank as f64).powf(-0.99),
            })
            .collect();
        let mut total = 0.0;
        for weight in &mut summed {
            total += *weight;
            *weight = total;
        }
        let draw = |_| {
            let at = random.fraction() * total;
            let rank = summed.partition_point(|&sum| sum <= at).min(providers - 1);
            // Neighbours in rank are not neighbours in memory. The factor is odd.
            (if providers.is_power_of_two() { rank * 5003 % providers } else { rank }) as u16
        };
        Picks((0..DRAWN).map(draw).collect())
    }

    /// The choices of one thread, which begins at a place of its own.
    pub(crate) fn of(&self, thread: usize) -> impl FnMut() -> usize + use<> {
        let drawn = self.clone();
        let mut at = thread * 509;
        move || {
            at += 1;
            usize::from(drawn.0[at % DRAWN])
        }
    }
}

/// Uuids spread as random ones do, and the same in every run.
pub(crate) fn uuid(space: u64, number: u64) -> Uuid {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Uuid::from_u64_pair(mixed, mixed.rotate_left(32) ^ space)
}

/// The uuid of a provider.
pub(crate) fn provider_uuid(at: usize) -> Uuid {
    uuid(1 << 60, at as u64)
}

/// The name of a provider.
pub(crate) fn provider_name(at: usize) -> String {
    format!("host-{at}")
}

/// The consumers of one thread, one after the other.
pub(crate) fn consumers(thread: usize) -> impl FnMut() -> Uuid {
    let mut number = 0;
    move || {
        number += 1;
        uuid(thread as u64, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_in_range_and_skewed_as_asked() {
        let share_of_the_commonest = |skew| {
            let picks = Picks::new(64, skew);
            let mut counts = [0_usize; 64];
            picks.0.iter().for_each(|&at| counts[usize::from(at)] += 1);
            counts.iter().max().map_or(0.0, |&most| most as f64 / DRAWN as f64)
        };
        assert!(share_of_the_commonest(Skew::Uniform) < 0.03);
        assert!(share_of_the_commonest(Skew::Zipf) > 0.15);
    }

    #[test]
    fn uuids_differ() {
        let all: std::collections::HashSet<_> =
            (0..4).flat_map(|space| (0..100).map(move |number| uuid(space, number))).collect();
        assert_eq!(all.len(), 400);
    }
}
