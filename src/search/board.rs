//! [`Board`]: numbers by keys, of which the least is known at any time.

/// Holds trees by keys. The keys stand in groups of [`GROUP`], the least keys of the groups in groups
/// again, and so on: a change looks at one group of each level at most.
#[derive(Debug)]
pub(super) struct Board<K> {
    /// The key of each tree, then the least key of each group of the level below. The last level has one
    /// key. `None` is greater than any key.
    levels: Vec<Vec<Option<K>>>,
}

/// So many keys are looked through for the least one.
const GROUP: usize = 16;

impl<K> Default for Board<K> {
    fn default() -> Self {
        Board { levels: vec![Vec::new()] }
    }
}

impl<K: Ord + Copy> Board<K> {
    /// Returns a board for this many trees, none of which has a key.
    pub(super) fn new(trees: usize) -> Self {
        let mut levels = vec![vec![None; trees]];
        while let Some(below) = levels.last()
            && below.len() > 1
        {
            levels.push(vec![None; below.len().div_ceil(GROUP)]);
        }
        Board { levels }
    }

    /// Gives a tree a key, or none.
    #[inline]
    pub(super) fn set(&mut self, tree: u32, key: Option<K>) {
        if tree as usize >= self.levels[0].len() {
            self.grow(tree as usize + 1);
        }
        let mut at = tree as usize;
        let mut key = key;
        for level in 0..self.levels.len() {
            let before = std::mem::replace(&mut self.levels[level][at], key);
            let group = at / GROUP;
            let Some(above) = self.levels.get(level + 1) else { return };
            let least = above[group];
            let now = if is_less(key, least) {
                key
            } else if before == least {
                // It may have been the only least one.
                least_of(group_of(&self.levels[level], group))
            } else {
                return;
            };
            if now == least {
                return;
            }
            (at, key) = (group, now);
        }
    }

    /// Returns the tree with the least key, and of several the one with the least number.
    #[inline]
    pub(super) fn least(&self) -> Option<(u32, K)> {
        let key = (*self.levels.last()?.first()?)?;
        let mut at = 0;
        for level in self.levels.iter().rev().skip(1) {
            let mut group = group_of(level, at).iter();
            at = at * GROUP + group.position(|other| *other == Some(key))?;
        }
        Some((at as u32, key))
    }

    /// Returns the bytes that the board takes.
    pub(super) fn bytes(&self) -> usize {
        self.levels.iter().map(|level| level.capacity() * size_of::<Option<K>>()).sum()
    }

    /// Makes room for this many trees.
    fn grow(&mut self, trees: usize) {
        let before = std::mem::take(&mut self.levels[0]);
        *self = Board::new(trees.max(before.len() * 5 / 4));
        for (tree, key) in (0..).zip(before) {
            self.set(tree, key);
        }
    }
}

/// Returns a group of a level.
#[inline]
fn group_of<K>(level: &[Option<K>], group: usize) -> &[Option<K>] {
    &level[group * GROUP..level.len().min((group + 1) * GROUP)]
}

#[inline]
fn least_of<K: Ord + Copy>(group: &[Option<K>]) -> Option<K> {
    group.iter().flatten().min().copied()
}

/// Returns whether a key is less than another one, where none is greater than any.
#[inline]
fn is_less<K: Ord>(key: Option<K>, other: Option<K>) -> bool {
    match (key, other) {
        (Some(key), Some(other)) => key < other,
        (key, None) => key.is_some(),
        (None, Some(_)) => false,
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_least_key_is_that_of_a_scan() {
        for trees in [0, 1, 2, 15, 16, 17, 255, 256, 257, 5_000] {
            let mut board = Board::new(trees);
            let mut keys: Vec<Option<u8>> = vec![None; trees];
            let mut draw = 1_u64;
            for step in 0..2_000 {
                draw = draw * 48_271 % 2_147_483_647;
                // Now and then a tree that the board has no room for yet.
                let tree = draw as usize / 8 % (trees + 1 + step / 100);
                let key = (!draw.is_multiple_of(8)).then_some((draw / 64 % 40) as u8);
                board.set(tree as u32, key);
                if tree >= keys.len() {
                    keys.resize(tree + 1, None);
                }
                keys[tree] = key;
                let found = (0..).zip(&keys).filter_map(|(tree, key)| Some(((*key)?, tree))).min();
                assert_eq!(board.least(), found.map(|(key, tree)| (tree, key)), "step {step}");
            }
        }
    }

    #[test]
    fn a_change_is_as_cheap_in_a_large_board() {
        let board = Board::<u8>::new(1_000_000);
        assert_eq!(board.levels.len(), 6);
        assert!(board.bytes() < 2 * 1_000_000 * 11 / 10);
    }
}
