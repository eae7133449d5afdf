//! [`Lot`]: members of a set, drawn by lot.

use smallvec::SmallVec;

use crate::search::bits::Bits;

/// Draws the members of a set, each with the same chance to be next, none twice.
#[derive(Debug)]
pub(super) struct Lot {
    state: u64,
    /// What was drawn before the [`Pool`] was turned to.
    early: SmallVec<[usize; MOST_EARLY]>,
    /// How many were drawn from the pool, at whose front they are.
    from_pool: Option<usize>,
}

/// Lists the members of a set, so that one of them can be drawn at once: each member once, and perhaps
/// some that are members no more.
#[derive(Default, Debug)]
pub(super) struct Pool {
    members: Vec<u32>,
    is_listed: bool,
}

/// Numbers are drawn this often before the members are listed. Both ways give every member that is
/// accepted the same chance.
const TRIES: usize = 16;

/// Counts what may be drawn before the members are listed. Most callers want one or two.
const MOST_EARLY: usize = 4;

impl Pool {
    /// Lets the members be listed again, since there may be more.
    #[inline]
    pub(super) fn forget(&mut self) {
        self.is_listed = false;
    }

    fn list(&mut self, set: &Bits) {
        if !self.is_listed {
            self.members.clear();
            self.members.extend(set.iter().map(|member| member as u32));
            self.is_listed = true;
        }
    }

    /// Moves those of `early` that are listed to the front; returns how many these are.
    fn put_first(&mut self, early: &[usize]) -> usize {
        let mut count = 0;
        for number in early {
            if let Some(at) = self.members.iter().position(|member| *member as usize == *number) {
                self.members.swap(at, count);
                count += 1;
            }
        }
        count
    }
}

impl Lot {
    pub(super) fn new(seed: u64) -> Self {
        Lot { state: seed, early: SmallVec::new(), from_pool: None }
    }

    /// Returns the next member of `set` that is accepted; `set` has none from `bound` on, and `pool`
    /// belongs to it. Takes those out that are drawn and not accepted. Members may leave the set
    /// between two calls.
    #[inline]
    pub(super) fn draw(
        &mut self,
        set: &mut Bits,
        pool: &mut Pool,
        bound: usize,
        mut accept: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        if !pool.is_listed && self.early.len() < MOST_EARLY {
            for _ in 0..TRIES {
                let number = self.below(bound);
                if set.has(number) && !self.early.contains(&number) {
                    if accept(number) {
                        self.early.push(number);
                        return Some(number);
                    }
                    set.remove(number);
                }
            }
        }
        let drawn = match self.from_pool {
            Some(drawn) => drawn,
            None => {
                pool.list(set);
                pool.put_first(&self.early)
            }
        };
        self.from_pool = Some(drawn);
        while drawn < pool.members.len() {
            let at = drawn + self.below(pool.members.len() - drawn);
            let number = pool.members[at] as usize;
            if set.has(number) {
                if accept(number) {
                    pool.members.swap(at, drawn);
                    self.from_pool = Some(drawn + 1);
                    return Some(number);
                }
                set.remove(number);
            }
            pool.members.swap_remove(at);
        }
        None
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
                let mut pool = Pool::default();
                let drawn = Lot::new(seed).draw(&mut set, &mut pool, bound, accept);
                first[drawn.unwrap()] += 1;
            }
            for &member in &members {
                assert!((130..270).contains(&first[member]), "{member}: {}", first[member]);
            }
            let (mut lot, mut pool) = (Lot::new(7), Pool::default());
            let draw = || lot.draw(&mut set, &mut pool, bound, |_| true);
            let mut drawn: Vec<_> = std::iter::from_fn(draw).collect();
            assert_ne!(drawn, members);
            drawn.sort_unstable();
            assert_eq!(drawn, members);
        }
    }

    #[test]
    fn what_leaves_the_set_is_not_drawn() {
        let mut set = Bits::all_below(100);
        let (mut lot, mut pool) = (Lot::new(1), Pool::default());
        let first = lot.draw(&mut set, &mut pool, 100, |_| true).unwrap();
        (0..100).filter(|member| member % 2 == first % 2).for_each(|member| set.remove(member));
        let rest = std::iter::from_fn(|| lot.draw(&mut set, &mut pool, 100, |_| true));
        assert_eq!(rest.filter(|member| member % 2 != first % 2).count(), 50);
    }

    /// A pool serves one lot after another, while members leave and come.
    #[test]
    fn a_pool_serves_many_lots() {
        let (mut set, mut pool) = (Bits::default(), Pool::default());
        let mut members: Vec<usize> = (0..3_000).step_by(100).collect();
        members.iter().for_each(|&member| set.insert(member));
        for seed in 0..1_000 {
            let mut lot = Lot::new(seed);
            let draw = || lot.draw(&mut set, &mut pool, 3_000, |_| true);
            let mut drawn: Vec<_> = std::iter::from_fn(draw).collect();
            drawn.sort_unstable();
            assert_eq!(drawn, members, "{seed}");
            // One goes, another one comes.
            let number = seed as usize % 30 * 100;
            if set.has(number) {
                set.remove(number);
            } else {
                set.insert(number);
                pool.forget();
            }
            members = set.iter().collect();
        }
    }
}
