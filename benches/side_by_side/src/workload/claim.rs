//! Claims of consumers, each followed by its release: by themselves, on hosts that have jobs already,
//! and beside snapshots.

use std::hint::black_box;
use std::sync::Arc;

use crate::measure::Side;
use crate::peer::arc_swap_rcu::ArcSwapRcu;
use crate::peer::dash_maps::DashMaps;
use crate::peer::locked_persistent::LockedPersistent;
use crate::peer::mutex_maps::MutexMaps;
use crate::peer::ours::Ours;
use crate::peer::rwlock_maps::RwLockMaps;
use crate::peer::single_writer::SingleWriter;
use crate::peer::two_phase::{Bookless, TwoPhase};
use crate::peer::{Claim, JOB, Line, Peer, Snapshot};
use crate::random::{Picks, Skew, consumers, uuid};
use crate::workload::snapshot::each_millisecond;
use crate::workload::{PROVIDERS, SPREADS, Workload, job};

const OF_ONE: &str = "a claim of three classes, and its release";
const OF_MANY: &str = "a claim of one class of each of k providers, and its release";

/// So many jobs each host has already, where it has any.
const JOBS: usize = 4;

pub(super) fn all() -> Vec<Workload> {
    let mut all = Vec::new();
    for (name, providers, skew) in SPREADS {
        let name = format!("claim and release, 3 classes of one, {name}");
        all.push(Workload::new(name, OF_ONE, move || {
            vec![
                of_one::<Ours>(providers, skew),
                of_one::<MutexMaps>(providers, skew),
                of_one::<RwLockMaps>(providers, skew),
                of_one::<LockedPersistent>(providers, skew),
                of_one::<SingleWriter>(providers, skew),
                of_one::<DashMaps>(providers, skew),
                of_one::<TwoPhase>(providers, skew),
                of_one::<ArcSwapRcu>(providers, skew),
            ]
        }));
    }
    all.push(named_by_the_side());
    for count in [1, 2, 3, 10, 100] {
        let name = format!("claim and release, k = {count}");
        all.push(Workload::new(name, OF_MANY, move || {
            vec![
                of_many::<Ours>(count),
                of_many::<MutexMaps>(count),
                of_many::<RwLockMaps>(count),
                of_many::<LockedPersistent>(count),
                of_many::<SingleWriter>(count),
                of_many::<DashMaps>(count),
                of_many::<TwoPhase>(count),
                of_many::<Bookless>(count),
                of_many::<ArcSwapRcu>(count),
            ]
        }));
    }
    all.extend(among_jobs());
    all.extend(beside_snapshots());
    all
}

/// Where the side may name the consumer.
fn named_by_the_side() -> Workload {
    fn of<P: Peer<Session: Claim>>() -> Side {
        let picks = Picks::new(PROVIDERS, Skew::Uniform);
        Side::new(&Arc::new(P::new(PROVIDERS)), move |mut session, thread| {
            let (mut pick, mut consumer) = (picks.of(thread), consumers(thread));
            move || {
                let (provider, consumer) = (pick(), consumer());
                let consumer = session.claim_for_new(consumer, black_box(&job(provider)));
                assert!(consumer.is_some_and(|consumer| session.release(consumer)));
            }
        })
    }
    Workload::new("claim and release, 3 classes of one, named by ours", OF_ONE, || {
        vec![
            of::<Ours>(),
            of::<MutexMaps>(),
            of::<RwLockMaps>(),
            of::<LockedPersistent>(),
            of::<SingleWriter>(),
            of::<DashMaps>(),
            of::<TwoPhase>(),
        ]
    })
}

/// Where consumers are many, so that their map or index is as large as in use.
fn among_jobs() -> [Workload; 2] {
    fn of_one<P: Peer<Session: Claim>>() -> Side {
        let picks = Picks::new(PROVIDERS, Skew::Uniform);
        Side::new(&with_jobs::<P>(), move |session, thread| one(&picks, session, thread))
    }
    fn of_three<P: Peer<Session: Claim>>() -> Side {
        let picks = Picks::new(PROVIDERS, Skew::Uniform);
        Side::new(&with_jobs::<P>(), move |session, thread| many(3, &picks, session, thread))
    }
    let name = |what| format!("claim and release, {JOBS} jobs a host, {what}");
    [
        Workload::new(name("3 classes of one"), OF_ONE, || {
            vec![
                of_one::<Ours>(),
                of_one::<MutexMaps>(),
                of_one::<RwLockMaps>(),
                of_one::<LockedPersistent>(),
                of_one::<SingleWriter>(),
                of_one::<DashMaps>(),
                of_one::<TwoPhase>(),
            ]
        }),
        Workload::new(name("k = 3"), OF_MANY, || {
            vec![
                of_three::<Ours>(),
                of_three::<MutexMaps>(),
                of_three::<RwLockMaps>(),
                of_three::<LockedPersistent>(),
                of_three::<SingleWriter>(),
                of_three::<DashMaps>(),
                of_three::<TwoPhase>(),
            ]
        }),
    ]
}

/// Hosts with jobs, and another thread that takes snapshots.
fn beside_snapshots() -> [Workload; 2] {
    fn of_one<P: Peer<Session: Claim + Snapshot>>() -> Side {
        let picks = Picks::new(PROVIDERS, Skew::Uniform);
        let claims = move |session, thread| one(&picks, session, thread);
        Side::beside(&with_jobs::<P>(), claims, 1, each_millisecond)
    }
    fn of_three<P: Peer<Session: Claim + Snapshot>>() -> Side {
        let picks = Picks::new(PROVIDERS, Skew::Uniform);
        let claims = move |session, thread| many(3, &picks, session, thread);
        Side::beside(&with_jobs::<P>(), claims, 1, each_millisecond)
    }
    let name = |what| format!("claim and release, a snapshot each ms, {what}");
    [
        Workload::new(name("3 classes of one"), OF_ONE, || {
            vec![
                of_one::<Ours>(),
                of_one::<MutexMaps>(),
                of_one::<RwLockMaps>(),
                of_one::<LockedPersistent>(),
                of_one::<SingleWriter>(),
            ]
        }),
        Workload::new(name("k = 3"), OF_MANY, || {
            vec![
                of_three::<Ours>(),
                of_three::<MutexMaps>(),
                of_three::<RwLockMaps>(),
                of_three::<LockedPersistent>(),
                of_three::<SingleWriter>(),
            ]
        }),
    ]
}

fn of_one<P: Peer<Session: Claim>>(providers: usize, skew: Skew) -> Side {
    let picks = Picks::new(providers, skew);
    Side::new(&Arc::new(P::new(providers)), move |session, thread| one(&picks, session, thread))
}

fn of_many<P: Peer<Session: Claim>>(count: usize) -> Side {
    let picks = Picks::new(PROVIDERS, Skew::Uniform);
    Side::new(&Arc::new(P::new(PROVIDERS)), move |session, thread| {
        many(count, &picks, session, thread)
    })
}

/// A forest whose hosts have jobs that nobody releases.
fn with_jobs<P: Peer<Session: Claim>>() -> Arc<P> {
    let forest = Arc::new(P::new(PROVIDERS));
    let mut session = forest.session();
    for number in 0..PROVIDERS * JOBS {
        let consumer = uuid(1 << 62, number as u64);
        assert!(session.claim(consumer, &job(number % PROVIDERS)));
    }
    forest
}

/// Claims from one provider after the other, and releases.
fn one<S: Claim>(picks: &Picks, mut session: S, thread: usize) -> impl FnMut() + use<S> {
    let (mut pick, mut consumer) = (picks.of(thread), consumers(thread));
    move || {
        let (provider, consumer) = (pick(), consumer());
        assert!(session.claim(consumer, black_box(&job(provider))));
        assert!(session.release(consumer));
    }
}

/// Odd, so that all providers come before the first comes again; and not in order, since nobody's
/// claims are.
const STRIDE: usize = 5003;

/// The same from so many providers at once.
fn many<S: Claim>(
    count: usize,
    picks: &Picks,
    mut session: S,
    thread: usize,
) -> impl FnMut() + use<S> {
    let (mut pick, mut consumer) = (picks.of(thread), consumers(thread));
    let mut lines = vec![Line { provider: 0, class: 0, amount: JOB[0] }; count];
    move || {
        let (mut provider, consumer) = (pick(), consumer());
        for line in &mut lines {
            line.provider = provider;
            provider = (provider + STRIDE) % PROVIDERS;
        }
        assert!(session.claim(consumer, black_box(&lines)));
        assert!(session.release(consumer));
    }
}
