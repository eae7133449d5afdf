//! [`Bits`]: a set of small numbers, as one bit each.

use smallvec::SmallVec;

/// Holds a set of numbers below a bound, as a bit each, with one more bit for each word of 64 that
/// has any: the next member is found without a look at words that are empty.
#[derive(Clone, Default, Debug)]
pub(super) struct Bits {
    words: Vec<u64>,
    /// Has a bit for each word: set if the word may have members, clear only if it has none. Most often
    /// it is in the same line of the cache as the set itself, so that a look at a set with few members
    /// takes two lines.
    summary: SmallVec<[u64; 4]>,
}

/// Counts the numbers in a word.
pub(super) const WORD: usize = u64::BITS as usize;

impl Bits {
    /// Returns the set of all numbers below `bound`.
    pub(super) fn all_below(bound: usize) -> Self {
        let full = |count: usize| {
            let mut words = vec![u64::MAX; count.div_ceil(WORD)];
            if let (Some(last), rest @ 1..) = (words.last_mut(), count % WORD) {
                *last = (1 << rest) - 1;
            }
            words
        };
        let words = full(bound);
        Bits { summary: full(words.len()).into(), words }
    }

    /// Makes room for the numbers below `bound`.
    #[inline]
    pub(super) fn grow(&mut self, bound: usize) {
        if bound > self.words.len() * WORD {
            self.resize(bound);
        }
    }

    #[cold]
    fn resize(&mut self, bound: usize) {
        self.words.resize(bound.div_ceil(WORD), 0);
        self.summary.resize(self.words.len().div_ceil(WORD), 0);
    }

    /// Returns whether `number` is a member.
    #[inline]
    pub(super) fn has(&self, number: usize) -> bool {
        self.words.get(number / WORD).is_some_and(|word| word >> (number % WORD) & 1 == 1)
    }

    /// Makes `number` a member.
    #[inline]
    pub(super) fn insert(&mut self, number: usize) {
        self.grow(number + 1);
        let word = number / WORD;
        self.words[word] |= 1 << (number % WORD);
        self.summary[word / WORD] |= 1 << (word % WORD);
    }

    /// Takes `number` out of the set.
    #[inline]
    pub(super) fn remove(&mut self, number: usize) {
        let word = number / WORD;
        if let Some(bits) = self.words.get_mut(word) {
            *bits &= !(1 << (number % WORD));
            if *bits == 0 {
                self.summary[word / WORD] &= !(1 << (word % WORD));
            }
        }
    }

    /// Makes `number` a member, or takes it out.
    #[inline]
    pub(super) fn set(&mut self, number: usize, is_member: bool) {
        match is_member {
            true => self.insert(number),
            false => self.remove(number),
        }
    }

    /// Takes all numbers of a word out of the set.
    #[inline]
    pub(super) fn clear_word(&mut self, word: usize) {
        self.words[word] = 0;
        self.summary[word / WORD] &= !(1 << (word % WORD));
    }

    /// Returns the first member that is at least `from`.
    #[inline]
    pub(super) fn next(&self, from: usize) -> Option<usize> {
        let word = from / WORD;
        let bits = self.words.get(word)? & (u64::MAX << (from % WORD));
        if bits != 0 {
            return Some(word * WORD + bits.trailing_zeros() as usize);
        }
        let word = self.next_word(word + 1)?;
        Some(word * WORD + self.words[word].trailing_zeros() as usize)
    }

    /// Returns the first word with members that is at least `from`.
    #[inline]
    fn next_word(&self, from: usize) -> Option<usize> {
        let mut at = from / WORD;
        let mut bits = self.summary.get(at)? & (u64::MAX << (from % WORD));
        while bits == 0 {
            at += 1;
            bits = *self.summary.get(at)?;
        }
        Some(at * WORD + bits.trailing_zeros() as usize)
    }

    /// Returns the first number that is at least `from` and a member of both sets.
    #[inline]
    pub(super) fn next_common(&self, other: &Bits, from: usize) -> Option<usize> {
        let mut word = from / WORD;
        let mut mask = u64::MAX << (from % WORD);
        loop {
            let common = self.words.get(word)? & other.words.get(word)? & mask;
            if common != 0 {
                return Some(word * WORD + common.trailing_zeros() as usize);
            }
            mask = u64::MAX;
            word = self.next_word(word + 1)?;
        }
    }

    /// Returns the first number that is at least `from`, a member of both sets, and accepted. Takes
    /// those out of `other` that are not.
    #[inline]
    pub(super) fn next_accepted(
        &self,
        other: &mut Bits,
        from: usize,
        mut accept: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        let first = from / WORD;
        let mut word = self.next_word(first)?;
        let mut mask = if word == first { u64::MAX << (from % WORD) } else { u64::MAX };
        loop {
            let mut common = self.words.get(word)? & other.words.get(word)? & mask;
            while common != 0 {
                let number = word * WORD + common.trailing_zeros() as usize;
                if accept(number) {
                    return Some(number);
                }
                other.remove(number);
                common &= common - 1;
            }
            mask = u64::MAX;
            word = self.next_word(word + 1)?;
        }
    }

    /// Returns whether the set has no members.
    pub(super) fn is_empty(&self) -> bool {
        self.summary.iter().all(|bits| *bits == 0)
    }

    /// Returns the members in rising order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let found = self.next(from)?;
            from = found + 1;
            Some(found)
        })
    }

    /// Returns the bytes that the set takes.
    pub(super) fn bytes(&self) -> usize {
        let summary = if self.summary.spilled() { self.summary.capacity() } else { 0 };
        (self.words.capacity() + summary) * size_of::<u64>()
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn bits_hold_what_a_set_holds() {
        for bound in [0, 1, 63, 64, 65, 4_095, 4_096, 4_097, 16_384, 16_385, 40_000] {
            let all = Bits::all_below(bound);
            assert!(all.iter().eq(0..bound), "below {bound}");
        }
        let (mut bits, mut set) = (Bits::default(), BTreeSet::new());
        let mut number = 1_usize;
        for step in 0..20_000 {
            number = number * 48_271 % 2_147_483_647;
            let (member, is_member) = (number % 9_000, step % 3 > 0);
            bits.set(member, is_member);
            match is_member {
                true => set.insert(member),
                false => set.remove(&member),
            };
            let from = number / 9_000 % 9_000;
            assert_eq!(bits.next(from), set.range(from..).next().copied());
            assert_eq!(bits.has(from), set.contains(&from));
        }
        assert!(bits.iter().eq(set));
        bits.clear_word(3);
        assert_eq!(bits.next(3 * WORD).map(|found| found / WORD), Some(4));
    }

    #[test]
    fn what_is_in_two_sets_is_found_and_what_is_not_accepted_leaves_one() {
        for bound in [100, 5_000, 40_000] {
            let members = |step: usize, bits: &mut Bits| {
                (0..bound).step_by(step).for_each(|number| bits.insert(number));
            };
            let (mut one, mut other) = (Bits::default(), Bits::default());
            members(3, &mut one);
            members(5, &mut other);
            for from in (0..bound).step_by(37) {
                let common = (from..bound).find(|number| number % 15 == 0);
                assert_eq!(one.next_common(&other, from), common);
                // Of those in both, every second one is accepted.
                let accepted = (from..bound).find(|number| number % 30 == 0);
                let mut left = other.clone();
                let found = one.next_accepted(&mut left, from, |number| number % 30 == 0);
                assert_eq!(found, accepted, "{bound} {from}");
                let passed = (from..found.unwrap_or(bound)).filter(|number| number % 15 == 0);
                assert!(passed.clone().all(|number| !left.has(number)));
                assert_eq!(other.iter().count() - left.iter().count(), passed.count());
            }
        }
    }
}
