//! What is compared: our forest, and what a competent user would write instead.
//!
//! Every peer has the same amounts, checks what fits, and uses the hasher that our indexes use. None
//! checks units, generations or cordons, none can say who holds something from a provider, and what
//! else it does not guarantee is in its file, and below the results.

pub(crate) mod arc_swap_rcu;
pub(crate) mod dash_maps;
pub(crate) mod locked_persistent;
pub(crate) mod maps;
pub(crate) mod mutex_maps;
pub(crate) mod ours;
pub(crate) mod papaya_maps;
pub(crate) mod patience;
pub(crate) mod persistent;
pub(crate) mod persistent_maps;
pub(crate) mod rwlock_maps;
pub(crate) mod scc_maps;
pub(crate) mod seat;
pub(crate) mod single_writer;
pub(crate) mod two_phase;

use std::sync::Arc;

pub(crate) use benches::{CLASSES, HOST, JOB};
use provider_tree::{Configuration, Facts, Inventories};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::random::{provider_name, provider_uuid};

/// The hasher of all maps here.
pub(crate) type Hasher = foldhash::quality::RandomState;

/// One side of every comparison.
pub(crate) trait Peer: Send + Sync + Sized + 'static {
    const NAME: &'static str;
    /// What it does not guarantee.
    const LACKS: &'static str;
    /// Whether a thread that is stopped in the middle of a claim can hold up another's.
    const LOCKS: bool;
    /// What a thread has of its own.
    type Session: 'static;

    /// With so many roots, all of which have capacity.
    fn new(providers: usize) -> Self;
    fn session(self: &Arc<Self>) -> Self::Session;
}

/// All sides by name, each with what it does not guarantee.
pub(crate) fn lacks() -> [(&'static str, &'static str); 12] {
    fn of<P: Peer>() -> (&'static str, &'static str) {
        (P::NAME, P::LACKS)
    }
    [
        of::<ours::Ours>(),
        of::<mutex_maps::MutexMaps>(),
        of::<rwlock_maps::RwLockMaps>(),
        of::<locked_persistent::LockedPersistent>(),
        of::<single_writer::SingleWriter>(),
        of::<dash_maps::DashMaps>(),
        of::<two_phase::TwoPhase>(),
        of::<two_phase::Bookless>(),
        of::<arc_swap_rcu::ArcSwapRcu>(),
        of::<papaya_maps::PapayaMaps>(),
        of::<scc_maps::SccMaps>(),
        of::<persistent::Persistent>(),
    ]
}

/// A part of a claim: so much of a class, by its place in [`CLASSES`], from a provider, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    pub(crate) provider: usize,
    pub(crate) class: usize,
    pub(crate) amount: u64,
}

/// What a consumer holds, in place as long as it is little.
pub(crate) type Lines = SmallVec<[Line; 3]>;

/// Reading by handle.
pub(crate) trait Read {
    fn usage(&mut self, provider: usize, class: usize) -> Amounts;
    /// All classes, asked for at once.
    fn usages(&mut self, provider: usize) -> [Amounts; 3] {
        [0, 1, 2].map(|class| self.usage(provider, class))
    }
    /// The same of the first so many providers, one after the other.
    fn all_usages(&mut self, providers: usize, mut each: impl FnMut(usize, [Amounts; 3])) {
        (0..providers).for_each(|provider| each(provider, self.usages(provider)));
    }
    /// Everything but the usage, to keep.
    fn data(&mut self, provider: usize) -> impl Sized;
}

/// Taking for no consumer; whether it fits.
pub(crate) trait Take {
    fn take(&mut self, provider: usize, amounts: &[u64; 3]) -> bool;
    fn put_back(&mut self, provider: usize, amounts: &[u64; 3]);
}

/// Claiming for a consumer.
pub(crate) trait Claim {
    fn claim(&mut self, consumer: Uuid, lines: &[Line]) -> bool;
    /// The same for `consumer`, or for one that the side names, which it returns.
    fn claim_for_new(&mut self, consumer: Uuid, lines: &[Line]) -> Option<Uuid> {
        self.claim(consumer, lines).then_some(consumer)
    }
    fn release(&mut self, consumer: Uuid) -> bool;
}

/// Finding, creating and removing; whether there was something, or nothing, as is needed.
pub(crate) trait Index {
    /// What is left behind by a creation, to remove by.
    type Created;
    fn find_uuid(&mut self, uuid: &Uuid) -> bool;
    /// The same for a thread that asks for the same ones again and again.
    fn find_again(&mut self, uuid: &Uuid) -> bool {
        self.find_uuid(uuid)
    }
    fn find_name(&mut self, name: &str) -> bool;
    fn create(&mut self, uuid: Uuid, name: &str) -> Option<Self::Created>;
    fn remove(&mut self, created: Self::Created) -> bool;
}

/// Children come and go.
pub(crate) trait Grow {
    /// Creates a child of a provider and removes it again.
    fn come_and_go(&mut self, parent: usize, uuid: Uuid, name: &str) -> bool;
}

/// All usage at one instant.
pub(crate) trait Snapshot {
    fn snapshot(&mut self) -> impl Sized;
    /// How much of each class is used, added up from one snapshot.
    fn used(&mut self) -> [u64; 3];
}

/// How much of each class is used of all these together.
fn sum<'a>(all: impl IntoIterator<Item = &'a [Amounts; 3]>) -> [u64; 3] {
    let add = |sum: [u64; 3], its: &[Amounts; 3]| [0, 1, 2].map(|at| sum[at] + its[at].used);
    all.into_iter().fold([0; 3], add)
}

/// How much there is of a class, and how much of it is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Amounts {
    pub(crate) capacity: u64,
    pub(crate) used: u64,
}

impl Amounts {
    pub(crate) const NONE: Amounts = Amounts { capacity: 0, used: 0 };

    /// So much of which nothing is used.
    pub(crate) fn of(capacity: u64) -> Self {
        Amounts { capacity, used: 0 }
    }

    pub(crate) fn take(&mut self, amount: u64) -> bool {
        let fits = self.used + amount <= self.capacity;
        if fits {
            self.used += amount;
        }
        fits
    }
}

/// A provider as the peers have it.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) amounts: [Amounts; 3],
    pub(crate) data: Arc<Configuration>,
}

impl Entry {
    /// One that has capacity.
    pub(crate) fn full(at: usize, inventories: &Arc<Inventories>) -> Self {
        let data = data(provider_uuid(at), &provider_name(at), None, inventories.clone());
        Entry { amounts: HOST.map(Amounts::of), data }
    }

    /// One that has nothing.
    pub(crate) fn bare(uuid: Uuid, name: &str, parent: Option<Uuid>) -> Self {
        Entry { amounts: [Amounts::NONE; 3], data: data(uuid, name, parent, Arc::default()) }
    }

    pub(crate) fn take(&mut self, amounts: &[u64; 3]) -> bool {
        take(&mut self.amounts, amounts)
    }

    pub(crate) fn put_back(&mut self, amounts: &[u64; 3]) {
        put_back(&mut self.amounts, amounts);
    }
}

/// Takes all amounts or none.
pub(crate) fn take(from: &mut [Amounts; 3], amounts: &[u64; 3]) -> bool {
    let mut all = from.iter().zip(amounts);
    let fits = all.all(|(its, amount)| its.used + amount <= its.capacity);
    if fits {
        from.iter_mut().zip(amounts).for_each(|(its, amount)| its.used += amount);
    }
    fits
}

pub(crate) fn put_back(to: &mut [Amounts; 3], amounts: &[u64; 3]) {
    to.iter_mut().zip(amounts).for_each(|(its, amount)| its.used -= amount);
}

fn data(
    uuid: Uuid,
    name: &str,
    parent: Option<Uuid>,
    inventories: Arc<Inventories>,
) -> Arc<Configuration> {
    let name = name.into();
    let facts = Arc::new(Facts { name, parent, inventories, ..Default::default() });
    Arc::new(Configuration { uuid, generation: 0, facts })
}

/// What every provider has.
pub(crate) fn inventories() -> Arc<Inventories> {
    Arc::new(benches::inventories(HOST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::uuid;

    const LINES: [Line; 3] = [
        Line { provider: 5, class: 1, amount: 7 },
        Line { provider: 2, class: 0, amount: 1 },
        Line { provider: 3, class: 2, amount: HOST[2] },
    ];

    fn claims<P: Peer<Session: Claim + Read>>() {
        let forest = Arc::new(P::new(8));
        let mut session = forest.session();
        let used =
            |session: &mut P::Session| LINES.map(|it| session.usage(it.provider, it.class).used);
        assert!(session.claim(uuid(0, 1), &LINES));
        assert_eq!(used(&mut session), LINES.map(|line| line.amount), "{}", P::NAME);
        assert!(!session.claim(uuid(0, 1), &LINES[..1]), "{}: it holds something", P::NAME);
        assert!(!session.claim(uuid(0, 2), &LINES), "{}: the last one does not fit", P::NAME);
        assert_eq!(used(&mut session), LINES.map(|line| line.amount), "{}", P::NAME);
        assert!(session.release(uuid(0, 1)));
        assert!(!session.release(uuid(0, 1)));
        assert_eq!(used(&mut session), [0; 3], "{}", P::NAME);
    }

    fn takes<P: Peer<Session: Take + Read>>() {
        let mut session = Arc::new(P::new(4)).session();
        assert!(session.take(1, &[1, HOST[1], 3]));
        assert!(!session.take(1, &[1, 1, 1]), "{}", P::NAME);
        assert_eq!(session.usage(1, 2), Amounts { capacity: HOST[2], used: 3 }, "{}", P::NAME);
        session.put_back(1, &[1, 2, 3]);
        assert_eq!(session.usage(1, 1).used, HOST[1] - 2, "{}", P::NAME);
        drop(session.data(3));
    }

    fn finds<P: Peer<Session: Index>>() {
        let mut session = Arc::new(P::new(2)).session();
        assert!(session.find_uuid(&provider_uuid(1)) && session.find_name(&provider_name(1)));
        assert!(!session.find_uuid(&provider_uuid(2)) && !session.find_name(&provider_name(2)));
        let Some(created) = session.create(provider_uuid(2), "new") else { panic!("{}", P::NAME) };
        assert!(session.find_uuid(&provider_uuid(2)) && session.find_name("new"), "{}", P::NAME);
        assert!(session.create(provider_uuid(2), "other").is_none(), "{}", P::NAME);
        assert!(session.remove(created), "{}", P::NAME);
        assert!(!session.find_uuid(&provider_uuid(2)) && !session.find_name("new"), "{}", P::NAME);
    }

    fn grows<P: Peer<Session: Grow>>() {
        let mut session = Arc::new(P::new(2)).session();
        assert!(session.come_and_go(1, uuid(7, 7), "child"), "{}", P::NAME);
        assert!(session.come_and_go(1, uuid(7, 7), "child"), "{}", P::NAME);
    }

    #[test]
    fn all_claim_alike() {
        claims::<ours::Ours>();
        claims::<mutex_maps::MutexMaps>();
        claims::<rwlock_maps::RwLockMaps>();
        claims::<locked_persistent::LockedPersistent>();
        claims::<single_writer::SingleWriter>();
        claims::<dash_maps::DashMaps>();
        claims::<two_phase::TwoPhase>();
        claims::<arc_swap_rcu::ArcSwapRcu>();
    }

    /// Threads that want half a host each, so that two of them are served at a time.
    fn shares<P: Peer<Session: Claim + Read>>() {
        let forest = Arc::new(P::new(1));
        let lines = [0, 1, 2].map(|class| Line { provider: 0, class, amount: HOST[class] / 2 });
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let forest = &forest;
                scope.spawn(move || {
                    let mut session = forest.session();
                    for number in 0..200 {
                        if session.claim(uuid(thread, number), &lines) {
                            let used = session.usage(0, 0).used;
                            assert!(HOST[0] / 2 <= used && used <= HOST[0], "{}: {used}", P::NAME);
                            assert!(session.release(uuid(thread, number)), "{}", P::NAME);
                        }
                    }
                });
            }
        });
        let mut session = forest.session();
        assert_eq!([0, 1, 2].map(|class| session.usage(0, class).used), [0; 3], "{}", P::NAME);
    }

    #[test]
    fn none_oversells() {
        shares::<ours::Ours>();
        shares::<mutex_maps::MutexMaps>();
        shares::<rwlock_maps::RwLockMaps>();
        shares::<locked_persistent::LockedPersistent>();
        shares::<single_writer::SingleWriter>();
        shares::<dash_maps::DashMaps>();
        shares::<two_phase::TwoPhase>();
        shares::<arc_swap_rcu::ArcSwapRcu>();
    }

    #[test]
    fn all_take_alike() {
        takes::<ours::Ours>();
        takes::<mutex_maps::MutexMaps>();
        takes::<rwlock_maps::RwLockMaps>();
        takes::<locked_persistent::LockedPersistent>();
        takes::<single_writer::SingleWriter>();
        takes::<dash_maps::DashMaps>();
        takes::<two_phase::TwoPhase>();
        takes::<arc_swap_rcu::ArcSwapRcu>();
        takes::<persistent::Persistent>();
    }

    #[test]
    fn all_find_alike() {
        finds::<ours::Ours>();
        finds::<mutex_maps::MutexMaps>();
        finds::<rwlock_maps::RwLockMaps>();
        finds::<locked_persistent::LockedPersistent>();
        finds::<dash_maps::DashMaps>();
        finds::<papaya_maps::PapayaMaps>();
        finds::<scc_maps::SccMaps>();
    }

    #[test]
    fn all_grow_alike() {
        grows::<ours::Ours>();
        grows::<mutex_maps::MutexMaps>();
        grows::<rwlock_maps::RwLockMaps>();
        grows::<locked_persistent::LockedPersistent>();
        grows::<dash_maps::DashMaps>();
        grows::<two_phase::TwoPhase>();
    }
}
