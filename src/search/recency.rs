//! [`Recency`]: numbers in the order in which something has last happened to them.

/// Lists numbers, each once, by when something has last happened to them. Whoever remembers how many
/// times it had happened learns from the list what it has happened to since.
#[derive(Default, Debug)]
pub(super) struct Recency {
    places: Vec<Place>,
    newest: u32,
    /// Counts how many times it has happened.
    count: u64,
    /// What `count` was before the list began.
    begin: u64,
}

/// Holds a number's place in the list.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The numbers before and after this one.
    newer: u32,
    older: u32,
    /// What `count` became when it last happened to this one; 0 if it never has.
    at: u64,
}

const NONE: u32 = u32::MAX;

impl Recency {
    /// Returns an empty list, for which everything that happened to `before` is too long ago.
    pub(super) fn after(before: &Recency) -> Self {
        let count = before.count + 1;
        Recency { count, begin: count, ..Recency::default() }
    }

    /// Notes that it has happened to `number`.
    #[inline]
    pub(super) fn note(&mut self, number: u32) {
        let at = number as usize;
        if at >= self.places.len() {
            self.places.resize(at + 1, Place { newer: NONE, older: NONE, at: 0 });
        }
        let is_empty = self.count == self.begin;
        self.count += 1;
        let Place { newer, older, at: last } = self.places[at];
        let place = Place { newer: NONE, older: self.newest, at: self.count };
        if is_empty {
            self.places[at] = Place { older: NONE, ..place };
        } else if self.newest == number {
            self.places[at].at = self.count;
        } else {
            if last > 0 {
                self.places[newer as usize].older = older;
                if older != NONE {
                    self.places[older as usize].newer = newer;
                }
            }
            self.places[self.newest as usize].newer = number;
            self.places[at] = place;
        }
        self.newest = number;
    }

    /// Returns what it has happened to since it had happened `seen` times, the newest first; `None`
    /// if that is too long ago.
    #[inline]
    pub(super) fn since(&self, seen: u64) -> Option<impl Iterator<Item = u32>> {
        let newest = if self.count == self.begin { NONE } else { self.newest };
        let place = move |number: u32| (number != NONE).then(|| self.places[number as usize]);
        let is_new = move |number: &u32| place(*number).is_some_and(|place| place.at > seen);
        let older = move |number: &u32| place(*number).map(|place| place.older).filter(is_new);
        let newest = Some(newest).filter(is_new);
        (seen >= self.begin).then(|| std::iter::successors(newest, older))
    }

    /// Returns how many times it has happened.
    #[inline]
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the bytes that the list takes.
    pub(super) fn bytes(&self) -> usize {
        self.places.capacity() * size_of::<Place>()
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_each_number_once_the_newest_first() {
        let mut recency = Recency::default();
        let mut events: Vec<u32> = Vec::new();
        let mut begin = 0;
        let mut draw = 1_u64;
        for step in 0..3_000 {
            draw = draw * 48_271 % 2_147_483_647;
            let number = (draw % 40) as u32;
            recency.note(number);
            events.push(number);
            if step % 1_000 == 999 {
                recency = Recency::after(&recency);
                // No number, but one more event.
                events.push(NONE);
                begin = events.len();
            }
            assert_eq!(recency.count(), events.len() as u64);
            let seen = draw as usize / 40 % (events.len() + 1);
            let mut expected: Vec<u32> = Vec::new();
            for &number in events[seen..].iter().rev() {
                if !expected.contains(&number) {
                    expected.push(number);
                }
            }
            let found = recency.since(seen as u64).map(Iterator::collect::<Vec<_>>);
            assert_eq!(found, (seen >= begin).then_some(expected), "step {step}");
        }
    }
}
