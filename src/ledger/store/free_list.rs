//! Numbers that no thread uses, for any thread to take.

use super::chunks::Chunks;
use crate::step::{Step, reached};
use crate::sync::{AtomicU64, CachePadded, Ordering, zeroed_words};

/// Holds free numbers in a Treiber stack of chains.
///
/// One exchange pushes or pops a chain, so writers trade spares in batches. Each exchange
/// increments the tag in the head, so that a number which was popped and pushed again is not
/// mistaken for one that never moved (I14). The tag wraps after 2^35 exchanges.
///
/// ```text
/// head:    tag 35 | first number of the first chain + 1, 29
/// link:    first number of the next chain + 1, 32 | next number of this chain + 1, 32
/// ```
pub(crate) struct FreeList {
    head: CachePadded<AtomicU64>,
    links: Chunks<AtomicU64>,
}

const NUMBER_BITS: u32 = 29;
const FIRST: u64 = (1 << NUMBER_BITS) - 1;
const LOW: u64 = u32::MAX as u64;

impl FreeList {
    pub(crate) fn new() -> Self {
        FreeList { head: CachePadded::new(AtomicU64::new(0)), links: Chunks::new(1) }
    }

    /// Pushes `numbers`, which the caller owns, as one chain. Lock-free.
    pub(crate) fn push(&self, numbers: impl Iterator<Item = u32>) {
        let mut first = 0;
        for number in numbers {
            // Relaxed: the head's exchange below publishes it.
            self.link(number).store(first, Ordering::Relaxed);
            first = u64::from(number) + 1;
        }
        if first == 0 {
            return;
        }
        let link = self.link((first - 1) as u32);
        // Relaxed: this thread's own store above.
        let rest_of_chain = link.load(Ordering::Relaxed) & LOW;
        // Acquire: pairs with the exchanges of other threads, whose releases the exchange below
        // carries on.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            // Relaxed: the head's exchange below publishes it.
            link.store((head & FIRST) << 32 | rest_of_chain, Ordering::Relaxed);
            reached(Step::Linked);
            // Release: publishes the links, and everything that this thread did to what the numbers
            // name; pairs with the acquire in `pop`.
            match self.head.compare_exchange(
                head,
                next_tag(head) | first,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return,
                Err(found) => head = found,
            }
        }
    }

    /// Pops one chain and passes each of its numbers to `take`; returns false if there is no chain.
    /// Lock-free.
    pub(crate) fn pop(&self, mut take: impl FnMut(u32)) -> bool {
        // Acquire: pairs with the exchange in `push`.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let first = head & FIRST;
            if first == 0 {
                return false;
            }
            // Relaxed: the head's acquire above ordered the store. If the number was popped
            // meanwhile, the link may be a later one; then the tag has grown, and the exchange
            // fails (I14).
            let link = self.link((first - 1) as u32).load(Ordering::Relaxed);
            reached(Step::HeadRead);
            // Acquire: the numbers are now this thread's, with all that was done to what they name.
            // AcqRel: carries on the releases of earlier pushes.
            match self.head.compare_exchange(
                head,
                next_tag(head) | link >> 32,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    self.take_with_ancestors(first, link, &mut take);
                    return true;
                }
                Err(found) => head = found,
            }
        }
    }

    /// Counts the numbers, up to `most`. Wait-free, O(numbers).
    ///
    /// The count is exact while no thread changes the list. Else it is approximate, since it
    /// follows chains that other threads take apart.
    pub(crate) fn count(&self, most: u64) -> u64 {
        // Acquire: pairs with the exchange in `push`, which publishes the links.
        let mut first = self.head.load(Ordering::Acquire) & FIRST;
        let mut count = 0;
        while first != 0 && count < most {
            // Relaxed, both: as in `pop`. Every link that was ever stored names numbers of this
            // list.
            let link = self.link((first - 1) as u32).load(Ordering::Relaxed);
            let mut next = link & LOW;
            count += 1;
            while next != 0 && count < most {
                next = self.link((next - 1) as u32).load(Ordering::Relaxed) & LOW;
                count += 1;
            }
            first = link >> 32;
        }
        count
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.links.bytes()
    }

    /// Passes each number of a popped chain, which this thread owns, to `take`.
    fn take_with_ancestors(&self, first: u64, link: u64, take: &mut impl FnMut(u32)) {
        take((first - 1) as u32);
        let mut next = link & LOW;
        while next != 0 {
            let number = (next - 1) as u32;
            // Relaxed: published by the head's exchange, and unchanged since.
            next = self.link(number).load(Ordering::Relaxed) & LOW;
            take(number);
        }
    }

    fn link(&self, number: u32) -> &AtomicU64 {
        &self.links.get_or_make(number, zeroed_words)[0]
    }
}

fn next_tag(head: u64) -> u64 {
    (head >> NUMBER_BITS).wrapping_add(1) << NUMBER_BITS
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    fn pop(list: &FreeList) -> Vec<u32> {
        let mut numbers = Vec::new();
        list.pop(|number| numbers.push(number));
        numbers
    }

    #[test]
    fn chains_come_back_whole_and_last_first() {
        let list = FreeList::new();
        list.push([0, 1, 2].into_iter());
        list.push([7].into_iter());
        list.push(std::iter::empty());
        assert_eq!((list.count(9), list.count(4), list.count(2)), (4, 4, 2));
        assert_eq!(pop(&list), [7]);
        assert_eq!(list.count(9), 3);
        assert_eq!(pop(&list), [2, 1, 0]);
        assert_eq!(list.count(9), 0);
        assert!(pop(&list).is_empty());
    }

    #[test]
    fn threads_never_share_a_number() {
        let list = FreeList::new();
        const NUMBERS: u32 = 64;
        for chain in 0..NUMBERS / 4 {
            list.push(chain * 4..chain * 4 + 4);
        }
        let owners: Vec<_> = (0..NUMBERS).map(|_| AtomicU64::new(0)).collect();
        std::thread::scope(|scope| {
            for thread in 1..=4 {
                let (list, owners) = (&list, &owners);
                scope.spawn(move || {
                    for _ in 0..20_000 {
                        let mine = pop(list);
                        for number in &mine {
                            // Relaxed: the list itself has to order what the owners of its numbers
                            // do.
                            let before = owners[*number as usize].load(Ordering::Relaxed);
                            assert_eq!(before, 0, "number {number} has two owners");
                            owners[*number as usize].store(thread, Ordering::Relaxed);
                        }
                        for number in &mine {
                            owners[*number as usize].store(0, Ordering::Relaxed);
                        }
                        list.push(mine.into_iter());
                    }
                });
            }
        });
        let mut rest: Vec<u32> =
            std::iter::from_fn(|| Some(pop(&list)).filter(|c| !c.is_empty())).flatten().collect();
        rest.sort_unstable();
        assert_eq!(rest, (0..NUMBERS).collect::<Vec<_>>());
    }
}
