//! The sharing cell: how many sharing providers there are with each class. A forest has one such
//! cell.
//!
//! ```text
//! life | (class 16, count 48) each
//! ```

use std::collections::BTreeMap;

const COUNT_BITS: u32 = 48;

/// Reads how many sharing providers there are with each class.
pub(crate) fn read_counts(words: &[u64]) -> BTreeMap<u16, u64> {
    let count = |word: &u64| (class_of(*word), word & ((1 << COUNT_BITS) - 1));
    words.iter().skip(1).map(count).collect()
}

/// Returns the words of a cell with these counts, whose first word is `life`.
pub(crate) fn sharing_words(life: u64, counts: &BTreeMap<u16, u64>) -> Vec<u64> {
    let counts = counts.iter().filter(|(_, count)| **count > 0);
    let word = |(class, count): (&u16, &u64)| u64::from(*class) << COUNT_BITS | count;
    std::iter::once(life).chain(counts.map(word)).collect()
}

/// Returns whether there is a sharing provider with this class.
pub(crate) fn shares(words: &[u64], class: u16) -> bool {
    words.iter().skip(1).any(|word| class_of(*word) == class)
}

fn class_of(word: u64) -> u16 {
    (word >> COUNT_BITS) as u16
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn counts_go_through_their_words() {
        let counts = BTreeMap::from([(0, 1), (7, 0), (u16::MAX, (1 << COUNT_BITS) - 1)]);
        let words = sharing_words(77, &counts);
        assert_eq!(words[0], 77);
        // Nobody shares the class 7 any more.
        let left = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(read_counts(&words), left);
        assert!(shares(&words, 0) && shares(&words, u16::MAX));
        assert!(!shares(&words, 7) && !shares(&words, 77));
    }
}
