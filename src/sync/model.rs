//! The stand-ins that the models run: the interfaces of the real primitives over loom's types, or
//! over shuttle's if `provider_tree_shuttle` is set as well.

#![allow(missing_docs, reason = "no part of the public interface")]

use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use checker::sync::RwLock;
use checker::sync::atomic::{AtomicUsize, fence};
#[cfg(not(provider_tree_shuttle))]
use loom as checker;
#[cfg(provider_tree_shuttle)]
use shuttle as checker;

use super::Ordering;

/// Makes a first chunk of two positions, so that the models meet growth in a few steps.
pub(crate) const FIRST_CHUNK_BITS: u32 = 1;

/// Makes a page of two positions, so that the models meet growth in a few steps.
pub(crate) const PAGE_BITS: u32 = 1;

/// Makes one page only, so that the models meet the runs behind the pages too.
pub(crate) const PAGES: usize = 1;

/// Makes few chunks, because each costs every execution of a model an object.
pub(crate) const CHUNKS: usize = if cfg!(provider_tree_shuttle) { 16 } else { 5 };

/// Makes few words, so that consumers share them, as they do in the real one.
pub(crate) const FLOORS: usize = 2;

/// A loom atomic whose accesses loom cannot overlook.
///
/// loom 0.7 remembers one last access per object, and a plain load overwrites it, so that some
/// interleavings after a load are never run. The companion gives every access a relaxed
/// read-modify-write of its own: every two accesses conflict, and all orders are explored. Because
/// the companion's accesses are relaxed, they add no happens-before that could hide a missing one.
/// The litmus programs in `loom-tests` check that.
#[derive(Default)]
pub struct AtomicU64 {
    companion: AtomicUsize,
    word: checker::sync::atomic::AtomicU64,
}

impl AtomicU64 {
    pub fn new(value: u64) -> Self {
        AtomicU64 {
            companion: AtomicUsize::new(0),
            word: checker::sync::atomic::AtomicU64::new(value),
        }
    }

    fn conflict(&self) {
        // shuttle picks among all threads at every access anyway, and a thread that is alone
        // conflicts with none.
        if cfg!(provider_tree_shuttle) || threads::is_alone() {
            return;
        }
        self.companion.fetch_add(1, Ordering::Relaxed);
    }

    #[track_caller]
    pub fn load(&self, ordering: Ordering) -> u64 {
        self.conflict();
        self.word.load(ordering)
    }

    #[track_caller]
    pub fn store(&self, value: u64, ordering: Ordering) {
        self.conflict();
        self.word.store(value, ordering);
    }

    #[track_caller]
    pub fn swap(&self, value: u64, ordering: Ordering) -> u64 {
        self.conflict();
        self.word.swap(value, ordering)
    }

    #[track_caller]
    pub fn fetch_add(&self, value: u64, ordering: Ordering) -> u64 {
        self.conflict();
        self.word.fetch_add(value, ordering)
    }

    #[track_caller]
    pub fn fetch_max(&self, value: u64, ordering: Ordering) -> u64 {
        self.conflict();
        self.word.fetch_max(value, ordering)
    }

    #[track_caller]
    pub fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.conflict();
        self.word.compare_exchange(current, new, success, failure)
    }
}

/// A word that only some models change. In all others, a load of the word is no step of the model:
/// it would make each two commits of any model conflict.
#[derive(Default)]
pub(crate) struct RareWord {
    word: AtomicU64,
    is_used: OnceLock<()>,
}

impl RareWord {
    pub(crate) fn new(value: u64) -> Self {
        RareWord { word: AtomicU64::new(value), is_used: OnceLock::new() }
    }

    /// Says, before the model starts a thread, that it changes the word.
    pub(crate) fn expect_use(&self) {
        let _ = self.is_used.set(());
    }

    #[track_caller]
    pub(crate) fn load(&self, ordering: Ordering) -> u64 {
        if self.is_used.get().is_none() {
            return 0;
        }
        // Stands for SeqCst: what the caller has done before precedes this load in the one order.
        model_fence();
        self.word.load(ordering)
    }

    #[track_caller]
    pub(crate) fn swap(&self, value: u64, ordering: Ordering) -> u64 {
        assert!(self.is_used.get().is_some(), "the model has not said that it changes the word");
        let before = self.word.swap(value, ordering);
        // Stands for SeqCst: this exchange precedes what the caller does afterwards.
        model_fence();
        before
    }

    #[track_caller]
    pub(crate) fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.word.compare_exchange(current, new, success, failure)
    }
}

/// Applies `look` to what this thread notes of those whom it wakes.
pub(crate) fn with_waking<R>(look: impl FnOnce(&mut Vec<(usize, bool)>) -> R) -> R {
    checker::thread_local! {
        static WAKING: RefCell<Vec<(usize, bool)>> = RefCell::new(Vec::new());
    }
    WAKING.with(|waking| look(&mut waking.borrow_mut()))
}

pub(crate) fn zeroed_words(count: usize) -> Box<[AtomicU64]> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

/// Stands for what `SeqCst` means beyond acquire and release. Does nothing for a thread that is
/// alone.
pub(crate) fn model_fence() {
    if !threads::is_alone() {
        fence(Ordering::SeqCst);
    }
}

/// Counts the threads that a model has started and not joined.
///
/// While there are none, the first thread needs no more of the checker than what loom and shuttle
/// do by themselves: everything that it does happens before all that the others do, or after.
pub mod threads {
    use std::cell::Cell;

    thread_local! {
        // The threads of a model are coroutines, all on the real thread that runs the model.
        static OTHERS: Cell<usize> = const { Cell::new(0) };
    }

    /// Notes that an execution begins.
    pub fn begin() {
        OTHERS.set(0);
    }

    /// Notes that another thread is about to start.
    pub fn start() {
        OTHERS.set(OTHERS.get() + 1);
    }

    /// Notes that another thread has been joined.
    pub fn joined() {
        OTHERS.set(OTHERS.get() - 1);
    }

    pub(super) fn is_alone() -> bool {
        OTHERS.get() == 0
    }
}

/// Pads nothing: padding means nothing to a model.
#[derive(Default)]
pub(crate) struct CachePadded<T>(T);

impl<T> CachePadded<T> {
    pub(crate) fn new(value: T) -> Self {
        CachePadded(value)
    }
}

impl<T> Deref for CachePadded<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// The real cell, published through a flag that loom sees.
///
/// No loom operation stands between winning the flag and filling the cell, so that the two are one
/// step of the model.
pub(crate) struct OnceBox<T> {
    published: AtomicUsize,
    cell: once_cell::race::OnceBox<T>,
}

impl<T> OnceBox<T> {
    pub(crate) fn new() -> Self {
        OnceBox { published: AtomicUsize::new(0), cell: once_cell::race::OnceBox::new() }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        // Acquire: pairs with the exchange in `set`.
        if self.published.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.cell.get()
    }

    pub(crate) fn set(&self, value: Box<T>) -> Result<(), Box<T>> {
        match self.published.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => self.cell.set(value),
            Err(_) => Err(value),
        }
    }
}

/// An index that is one lock around an ordered map. The map is ordered so that a model can be
/// replayed.
pub(crate) struct Index<K, V>(RwLock<BTreeMap<K, V>>);

impl<K: Ord, V: Copy + PartialEq> Index<K, V> {
    pub(crate) fn new() -> Self {
        Index(RwLock::new(BTreeMap::new()))
    }

    pub(crate) fn with_room(_: usize) -> Self {
        Self::new()
    }

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.0.read().expect("no panic under the lock").get(key).copied()
    }

    pub(crate) fn insert_if_absent(&self, key: K, value: V) -> bool {
        let mut map = self.0.write().expect("no panic under the lock");
        if map.contains_key(&key) {
            return false;
        }
        map.insert(key, value);
        true
    }

    pub(crate) fn remove_if_exactly<Q>(&self, key: &Q, value: V)
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let mut map = self.0.write().expect("no panic under the lock");
        if map.get(key) == Some(&value) {
            map.remove(key);
        }
    }
}

impl<K, V> Index<K, V> {
    pub(crate) fn len(&self) -> u64 {
        self.0.read().expect("no panic under the lock").len() as u64
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.len() * size_of::<(K, V)>() as u64
    }
}

/// A slot that is a lock around the pointer. A reader leaves with an `Arc` of its own, as with
/// arc-swap.
pub(crate) struct Slot<T>(RwLock<Option<Arc<T>>>);

impl<T> Slot<T> {
    pub(crate) fn empty() -> Self {
        Slot(RwLock::new(None))
    }

    pub(crate) fn new(value: Arc<T>) -> Self {
        Slot(RwLock::new(Some(value)))
    }

    pub(crate) fn with<R>(&self, read: impl FnOnce(Option<&T>) -> R) -> R {
        read(self.load().as_deref())
    }

    fn load(&self) -> Option<Arc<T>> {
        self.0.read().expect("no panic under the lock").clone()
    }

    pub(crate) fn update(&self, mut next: impl FnMut(Option<&Arc<T>>) -> Option<Arc<T>>) {
        loop {
            let current = self.load();
            let new = next(current.as_ref());
            if is_same(&new, &current) {
                return;
            }
            let mut slot = self.0.write().expect("no panic under the lock");
            if is_same(&slot, &current) {
                *slot = new;
                return;
            }
        }
    }

    pub(crate) fn swap(&self, new: Arc<T>) -> Option<Arc<T>> {
        self.0.write().expect("no panic under the lock").replace(new)
    }
}

fn is_same<T>(one: &Option<Arc<T>>, other: &Option<Arc<T>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}

/// Counts what a pool would keep.
pub(crate) const IDLE: usize = 0;

/// A pool that keeps nothing, so that a model meets the common stock every time.
pub(crate) struct IdlePool<T>(std::marker::PhantomData<T>);

impl<T> IdlePool<T> {
    pub(crate) fn new() -> Self {
        IdlePool(std::marker::PhantomData)
    }

    pub(crate) fn take(&self) -> Option<Box<T>> {
        None
    }

    pub(crate) fn put(&self, value: Box<T>) {
        drop(value);
    }
}

/// Returns the one forest's number: a model makes one forest.
pub(crate) fn next_forest() -> u32 {
    1
}

/// Returns the same uuid each time, so that a model does the same each time.
pub(crate) fn new_uuid() -> uuid::Uuid {
    uuid::Uuid::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef)
}

/// An agenda that is one lock around an ordered map.
pub(crate) struct Agenda<K, V>(RwLock<BTreeMap<K, V>>);

impl<K: Ord + Copy, V: Copy> Agenda<K, V> {
    pub(crate) fn new() -> Self {
        Agenda(RwLock::new(BTreeMap::new()))
    }

    pub(crate) fn insert(&self, key: K, value: V) {
        self.0.write().expect("no panic under the lock").insert(key, value);
    }

    pub(crate) fn remove(&self, key: &K) {
        self.0.write().expect("no panic under the lock").remove(key);
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.read().expect("no panic under the lock").len() as u64
    }

    pub(crate) fn first(&self) -> Option<(K, V)> {
        let map = self.0.read().expect("no panic under the lock");
        map.first_key_value().map(|(key, value)| (*key, *value))
    }

    pub(crate) fn due(&self, is_due: impl Fn(&K) -> bool) -> Vec<(K, V)> {
        let map = self.0.read().expect("no panic under the lock");
        let all = map.iter().map(|(key, value)| (*key, *value));
        all.take_while(|(key, _)| is_due(key)).collect()
    }
}

/// Counts nothing: no interleaving depends on a tally.
#[derive(Default)]
pub(crate) struct Tally;

impl Tally {
    pub(crate) fn add(&self, _count: u64) {}

    pub(crate) fn get(&self) -> u64 {
        0
    }
}

/// Never says anything: correctness never depends on a hint.
#[derive(Default)]
pub(crate) struct Hint;

impl Hint {
    pub(crate) fn get(&self) -> u64 {
        0
    }

    pub(crate) fn exchange(&self, _old: u64, _new: u64) -> bool {
        false
    }
}
