//! [`Lot`]: members of a set, drawn by lot.

use crate::search::bits::Bits;

/// Draws the members of a set, each with the same chance to be next, none twice.
#[derive(Debug)]
pub(super) struct Lot {
    state: u64,
    /// What was drawn before `last`, as far as it still is a member.
    drawn: Bits,
    /// Whether all members are accepted ones.
    is_swept: bool,
    /// What was drawn last. Most callers want one, for which `drawn` need not be built.
    last: Option<usize>,
}

/// Numbers are drawn this often before the members are looked at one by one. Both ways give every
/// member that is accepted the same chance.
const TRIES: usize = 16;

impl Lot {
    pub(super) fn new(seed: u64) -> Self {
        Lot { state: seed, drawn: Bits::default(), is_swept: false, last: None }
    }

    /// Returns the next member of `set` that is accepted; `set` has none from `bound` on. Takes those
    /// out that are not. Members may leave the set between two calls.
    #[inline]
    pub(super) fn draw(
        &mut self,
        set: &mut Bits,
        bound: usize,
        mut accept: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        if let Some(last) = self.last.take().filter(|&last| set.has(last)) {
            self.drawn.insert(last);
        }
        for _ in 0..TRIES {
            let number = self.below(bound);
            if set.has(number) && !self.drawn.has(number) {
                if accept(number) {
                    self.last = Some(number);
                    return self.last;
                }
                set.remove(number);
            }
        }
        // What is accepted is accepted as long as the lot lasts.
        if !std::mem::replace(&mut self.is_swept, true) {
            set.retain(accept);
        }
        let rest = set.count_without(&self.drawn);
        let nth = self.below(rest);
        self.last = set.nth_without(&self.drawn, nth);
        self.last
    }

    /// Returns a number below `bound`, each with the same chance but for a part in 2^64 / `bound`;
    /// 0 if there is none.
    #[inline]
    fn below(&mut self, bound: usize) -> usize {
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let word = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((u128::from(word ^ (word >> 31)) * bound as u128) >> 64) as usize
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_member_is_drawn_once_and_first_as_often_as_others() {
        for (bound, step) in [(70, 1), (200, 3), (3_000, 500)] {
            let mut set = Bits::default();
            (0..bound).step_by(step).for_each(|member| set.insert(member));
            let members: Vec<_> = set.iter().collect();
            let mut first = vec![0; bound];
            let rounds = 200 * members.len();
            for seed in 0..rounds as u64 {
                // More members than are accepted.
                let mut set = set.clone();
                (0..bound).skip(1).step_by(step + 1).for_each(|member| set.insert(member));
                let accept = |member| members.binary_search(&member).is_ok();
                first[Lot::new(seed).draw(&mut set, bound, accept).unwrap()] += 1;
            }
            for &member in &members {
                assert!((130..270).contains(&first[member]), "{member}: {}", first[member]);
            }
            let mut lot = Lot::new(7);
            let draw = || lot.draw(&mut set, bound, |_| true);
            let mut drawn: Vec<_> = std::iter::from_fn(draw).collect();
            assert_ne!(drawn, members);
            drawn.sort_unstable();
            assert_eq!(drawn, members);
        }
    }

    #[test]
    fn what_leaves_the_set_is_not_drawn() {
        let mut set = Bits::all_below(100);
        let mut lot = Lot::new(1);
        let first = lot.draw(&mut set, 100, |_| true).unwrap();
        (0..100).filter(|member| member % 2 == first % 2).for_each(|member| set.remove(member));
        let rest = std::iter::from_fn(|| lot.draw(&mut set, 100, |_| true));
        assert_eq!(rest.filter(|member| member % 2 != first % 2).count(), 50);
    }
}
