//! Which tasks are left, by their rank among those that are left.

/// The places of a list, of which some have been removed.
///
/// A Fenwick tree of counts: what [`Vec::remove`] takes from a list at a rank is found in logarithmic
/// time, and nothing is moved.
pub(super) struct Ranks {
    /// By number, from 1: how many places are left among the last `lowest bit of the number` up to it.
    counts: Vec<usize>,
    is_left: Vec<bool>,
    left: usize,
}

impl Ranks {
    /// Has all places of a list of this length.
    pub(super) fn new(length: usize) -> Self {
        let lowest_bit = |number: usize| number & number.wrapping_neg();
        Self {
            counts: (0..=length).map(lowest_bit).collect(),
            is_left: vec![true; length],
            left: length,
        }
    }

    /// Returns how many places are left.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Removes the place that has this many others before it, and returns it.
    pub(super) fn remove(&mut self, rank: usize) -> usize {
        assert!(rank < self.left, "rank {rank} of {}", self.left);
        let (mut place, mut rank) = (0, rank);
        let mut step = self.counts.len().next_power_of_two();
        while step > 0 {
            match self.counts.get_mut(place + step) {
                Some(count) if *count <= rank => {
                    rank -= *count;
                    place += step;
                }
                // The place is among those that are counted here.
                Some(count) => *count -= 1,
                None => {}
            }
            step /= 2;
        }
        self.is_left[place] = false;
        self.left -= 1;
        place
    }

    /// Returns by place whether it is left.
    pub(super) fn into_is_left(self) -> Vec<bool> {
        self.is_left
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::seed::{self, Purpose};

    #[test]
    fn ranks_remove_what_a_vector_removes() {
        let random = &mut seed::generator(7, Purpose::Order, 0);
        for length in (0..40).chain([63, 64, 65, 1000]) {
            let (mut ranks, mut places) = (Ranks::new(length), Vec::from_iter(0..length));
            for left in (1..=length).rev() {
                let rank = random.random_range(0..left);
                assert_eq!(ranks.remove(rank), places.remove(rank), "{rank} of {left} of {length}");
                assert_eq!(ranks.left(), places.len());
            }
            assert!(!ranks.into_is_left().contains(&true));
        }
    }

    #[test]
    fn what_is_not_removed_is_left() {
        let mut ranks = Ranks::new(5);
        assert_eq!([ranks.remove(1), ranks.remove(1), ranks.remove(2)], [1, 2, 4]);
        assert_eq!(ranks.into_is_left(), [true, false, false, true, false]);
    }
}
