//! The real primitives, which run in production.

#![expect(
    clippy::disallowed_types,
    reason = "this module is what the rest of the crate uses instead"
)]

use std::borrow::Borrow;
use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use arc_swap::ArcSwapAny;
use crossbeam::atomic::AtomicCell;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use rpds::RedBlackTreeMapSync;

pub(crate) use crossbeam::utils::CachePadded;
pub(crate) use once_cell::race::OnceBox;
pub(crate) use std::sync::atomic::AtomicU64;

use std::sync::atomic::{AtomicU32, Ordering};

/// Sets the length of the first chunk of every growing array, as a power of two. Each later chunk
/// has as many positions as all before it.
pub(crate) const FIRST_CHUNK_BITS: u32 = 6;

/// Sets the length of a page, as a power of two.
pub(crate) const PAGE_BITS: u32 = 7;

/// Counts the pages: enough for the records of some ten thousand providers.
pub(crate) const PAGES: usize = 512;

/// Counts the chunks: enough for 2^32 positions.
pub(crate) const CHUNKS: usize = 27;

/// Counts the words that consumers share to keep the generation at which each begins.
pub(crate) const FLOORS: usize = 1 << 12;

/// Returns `count` words, all zero. The allocator hands their memory pages out untouched, so words
/// that are never used cost address space, not memory.
pub(crate) fn zeroed_words(count: usize) -> Box<[AtomicU64]> {
    bytemuck::zeroed_slice_box(count)
}

/// Does nothing. In the models it is a fence, because loom treats `SeqCst` accesses as acquire and
/// release.
#[inline(always)]
pub(crate) fn model_fence() {}

/// A concurrent map. No caller holds a lock of it for longer than one expression.
pub(crate) struct Index<K, V>(DashMap<K, V, foldhash::quality::RandomState>);

impl<K: Eq + Hash, V: Copy + PartialEq> Index<K, V> {
    pub(crate) fn new() -> Self {
        Self::with_room(0)
    }

    /// Creates an index with room for so many entries.
    pub(crate) fn with_room(entries: usize) -> Self {
        let hashes = foldhash::quality::RandomState::default();
        Index(DashMap::with_capacity_and_hasher(entries, hashes))
    }

    /// Returns the value of `key`. Takes a shard's read lock for O(1).
    pub(crate) fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.get(key).map(|entry| *entry.value())
    }

    /// Inserts an entry unless the key has one; returns whether it did. Takes a shard's lock for
    /// O(1).
    pub(crate) fn insert_if_absent(&self, key: K, value: V) -> bool {
        match self.0.entry(key) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(value);
                true
            }
        }
    }

    /// Removes the entry of `key` if it holds exactly `value`. Takes a shard's lock for O(1).
    pub(crate) fn remove_if_exactly<Q>(&self, key: &Q, value: V)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.remove_if(key, |_, current| *current == value);
    }

    /// Returns the number of entries. Takes each shard's read lock for O(1).
    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Returns about the bytes that entries and free room take. Takes each shard's read lock for
    /// O(1).
    pub(crate) fn bytes(&self) -> u64 {
        // The map has one byte beside each entry.
        (self.0.capacity() * (size_of::<(K, V)>() + 1)) as u64
    }
}

/// An ordered set of keys with values, such as leases by deadline. Lock-free.
///
/// Each change replaces a shard by a new version. A thread that is stopped inside a call keeps one
/// version of a shard from being freed, and nothing that comes later.
pub(crate) struct Agenda<K, V>([Slot<Tree<K, V>>; SHARDS]);

/// A version shares with the one before it all but one path.
type Tree<K, V> = RedBlackTreeMapSync<K, V>;

/// Counts the shards: so many that threads seldom make each other start over.
const SHARDS: usize = 64;

impl<K: Ord + Hash + Copy, V: Copy> Agenda<K, V> {
    pub(crate) fn new() -> Self {
        Agenda(std::array::from_fn(|_| Slot::empty()))
    }

    /// Inserts a key that is not in the agenda.
    pub(crate) fn insert(&self, key: K, value: V) {
        self.shard(&key).update(|things| {
            let mut next = things.map_or_else(Tree::new_sync, |things| (**things).clone());
            next.insert_mut(key, value);
            Some(Arc::new(next))
        });
    }

    pub(crate) fn remove(&self, key: &K) {
        self.shard(key).update(|things| {
            let mut next = (**things?).clone();
            match next.remove_mut(key) {
                true => (!next.is_empty()).then(|| Arc::new(next)),
                false => things.cloned(),
            }
        });
    }

    pub(crate) fn len(&self) -> u64 {
        let sizes = self.0.iter().map(|shard| shard.with(|things| things.map_or(0, Tree::size)));
        sizes.sum::<usize>() as u64
    }

    /// Returns the least key, looking at one shard after another.
    pub(crate) fn first(&self) -> Option<(K, V)> {
        let firsts =
            self.0.iter().filter_map(|shard| shard.with(|things| things?.first().map(copied)));
        firsts.min_by_key(|(key, _)| *key)
    }

    /// Returns everything that is due, in order, looking at one shard after another. If a key is
    /// not due, no later key may be.
    pub(crate) fn due(&self, is_due: impl Fn(&K) -> bool) -> Vec<(K, V)> {
        let mut due = Vec::new();
        for shard in &self.0 {
            shard.with(|things| {
                let all = things.into_iter().flatten().map(copied);
                due.extend(all.take_while(|(key, _)| is_due(key)));
            });
        }
        due.sort_unstable_by_key(|(key, _)| *key);
        due
    }

    fn shard(&self, key: &K) -> &Slot<Tree<K, V>> {
        let hash = foldhash::fast::FixedState::default().hash_one(key);
        &self.0[hash as usize % SHARDS]
    }
}

fn copied<K: Copy, V: Copy>((key, value): (&K, &V)) -> (K, V) {
    (*key, *value)
}

/// A count that one thread makes and all threads may read.
#[derive(Default)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    /// Adds `count`. Only one thread at a time may call this; a count that another adds meanwhile
    /// is lost.
    pub(crate) fn add(&self, count: u64) {
        // Relaxed, both: a count orders nothing.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        // Relaxed: a count orders nothing.
        self.0.load(Ordering::Relaxed)
    }
}

/// An advisory word shared between threads; correctness never depends on it.
#[derive(Default)]
pub(crate) struct Hint(CachePadded<AtomicU64>);

impl Hint {
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        // Relaxed: the word is only advice.
        self.0.load(Ordering::Relaxed)
    }

    /// Replaces `old` by `new`; returns whether the word was `old`.
    pub(crate) fn exchange(&self, old: u64, new: u64) -> bool {
        // Relaxed: the word is only advice.
        self.0.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Selects how a slot protects what is being read. The tests run with both strategies.
#[cfg(not(provider_tree_rwlock_slots))]
type Strategy = arc_swap::DefaultStrategy;
#[cfg(provider_tree_rwlock_slots)]
type Strategy = std::sync::RwLock<()>;

/// An optional shared value that is replaced whole.
pub(crate) struct Slot<T>(ArcSwapAny<Option<Arc<T>>, Strategy>);

impl<T> Slot<T> {
    pub(crate) fn empty() -> Self {
        Slot(ArcSwapAny::with_strategy(None, Strategy::default()))
    }

    pub(crate) fn new(value: Arc<T>) -> Self {
        Slot(ArcSwapAny::with_strategy(Some(value), Strategy::default()))
    }

    /// Applies `read` to the current value. Holds no lock meanwhile.
    pub(crate) fn with<R>(&self, read: impl FnOnce(Option<&T>) -> R) -> R {
        read(self.0.load().as_deref())
    }

    /// Replaces the value by what `next` makes of it; calls `next` again if another replacement
    /// came between. Replaces nothing if `next` returns the value that it was given.
    pub(crate) fn update(&self, mut next: impl FnMut(Option<&Arc<T>>) -> Option<Arc<T>>) {
        let mut current = self.0.load();
        loop {
            let new = next(current.as_ref());
            if is_same(new.as_ref(), current.as_ref()) {
                return;
            }
            let found = self.0.compare_and_swap(&*current, new);
            if is_same(found.as_ref(), current.as_ref()) {
                return;
            }
            current = found;
        }
    }

    /// Replaces the value, whatever it is; returns the value before.
    pub(crate) fn swap(&self, new: Arc<T>) -> Option<Arc<T>> {
        self.0.swap(Some(new))
    }
}

fn is_same<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}

/// Bounds the values that an [`IdlePool`] keeps.
pub(crate) const IDLE: usize = 4;

/// A few values that are kept for the next callers. Lock-free.
///
/// Boxed: a forest has to fit a small stack while it is made.
pub(crate) struct IdlePool<T>(Box<[CachePadded<Place<T>>; IDLE]>);

type Place<T> = AtomicCell<Option<Box<T>>>;

thread_local! {
    /// The place of a pool where this thread looks first: where it was served last. So threads that
    /// come again and again keep out of each other's way, each with the value that it had before.
    static PLACE: Cell<usize> = const { Cell::new(0) };
}

impl<T> IdlePool<T> {
    pub(crate) fn new() -> Self {
        IdlePool(Box::new(std::array::from_fn(|_| CachePadded::new(AtomicCell::new(None)))))
    }

    pub(crate) fn take(&self) -> Option<Box<T>> {
        self.visit(AtomicCell::take)
    }

    /// Keeps `value`; drops one value if there are too many.
    pub(crate) fn put(&self, value: Box<T>) {
        let mut value = Some(value);
        self.visit(|place| {
            value = place.swap(value.take());
            value.is_none().then_some(())
        });
    }

    /// Visits the places until one serves.
    #[inline]
    fn visit<R>(&self, mut serve: impl FnMut(&Place<T>) -> Option<R>) -> Option<R> {
        let first = PLACE.get();
        (first..first + IDLE).find_map(|place| {
            let place = place % IDLE;
            let served = serve(&self.0[place]);
            if served.is_some() && place != first {
                PLACE.set(place);
            }
            served
        })
    }
}

/// A word that hardly ever changes. In the models it is no part of those that never change it.
pub(crate) type RareWord = AtomicU64;

/// Applies `look` to what this thread notes of those whom it wakes: an address, and whether it was
/// told again meanwhile. A thread that ends has nothing noted.
pub(crate) fn with_waking<R>(look: impl FnOnce(&mut Vec<(usize, bool)>) -> R) -> R {
    thread_local! {
        static WAKING: RefCell<Vec<(usize, bool)>> = const { RefCell::new(Vec::new()) };
    }
    let mut look = Some(look);
    let mut once = |noted: &mut Vec<_>| look.take().expect("called once")(noted);
    WAKING
        .try_with(|waking| once(&mut waking.borrow_mut()))
        .unwrap_or_else(|_| once(&mut Vec::new()))
}

/// Returns a number for a forest, which tells its handles from those of other forests. Wraps after
/// 2^32 forests.
pub(crate) fn next_forest() -> u32 {
    static FORESTS: AtomicU32 = AtomicU32::new(1);
    // Relaxed: only the uniqueness of the answer matters.
    FORESTS.fetch_add(1, Ordering::Relaxed)
}

/// Returns a uuid drawn by lot.
pub(crate) fn new_uuid() -> uuid::Uuid {
    uuid::Uuid::new_v4()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_values_are_exchanged_without_a_lock() {
        assert!(AtomicCell::<Option<Box<[u64; 9]>>>::is_lock_free());
    }

    #[test]
    fn an_agenda_is_ordered_over_all_shards() {
        let agenda = Agenda::new();
        let everything = || agenda.due(|_| true);
        assert_eq!((agenda.first(), everything()), (None, Vec::new()));
        let keys = (0..1000).map(|number| number * 389 % 1000);
        keys.clone().for_each(|key| agenda.insert(key, 2 * key));
        assert!(agenda.0.iter().all(|shard| shard.with(|things| things.is_some())));
        assert_eq!(agenda.first(), Some((0, 0)));
        assert!(agenda.due(|key| *key < 300).into_iter().eq((0..300).map(|key| (key, 2 * key))));

        keys.filter(|key| key % 3 != 1).for_each(|key| agenda.remove(&key));
        agenda.remove(&0);
        assert_eq!(agenda.first(), Some((1, 2)));
        assert!(everything().into_iter().map(|(key, _)| key).eq((1..1000).step_by(3)));
        (0..1000).for_each(|key| agenda.remove(&key));
        assert!(agenda.0.iter().all(|shard| shard.with(|things| things.is_none())));
    }

    #[test]
    fn an_idle_pool_keeps_a_few() {
        let pool = IdlePool::new();
        assert_eq!(pool.take(), None);
        (0..9).for_each(|value| pool.put(Box::new(value)));
        let kept: Vec<_> = std::iter::from_fn(|| pool.take()).collect();
        assert_eq!(kept.len(), IDLE);
    }
}
