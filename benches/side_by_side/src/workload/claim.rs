//! Claims of consumers, each followed by its release.

use std::hint::black_box;
use std::sync::Arc;

use crate::measure::Side;
use crate::peer::arc_swap_rcu::ArcSwapRcu;
use crate::peer::dash_maps::DashMaps;
use crate::peer::mutex_maps::MutexMaps;
use crate::peer::ours::Ours;
use crate::peer::rwlock_maps::RwLockMaps;
use crate::peer::two_phase::{Bookless, TwoPhase};
use crate::peer::{Claim, Line, Peer};
use crate::random::{Picks, Skew, consumers};
use crate::workload::{PROVIDERS, SPREADS, Workload};

pub(super) fn all() -> Vec<Workload> {
    let mut all = Vec::new();
    for (name, providers, skew) in SPREADS {
        let name = format!("claim and release, 3 classes of one, {name}");
        all.push(Workload::new(name, "a claim of three classes, and its release", move || {
            vec![
                of_one::<Ours>(providers, skew),
                of_one::<MutexMaps>(providers, skew),
                of_one::<RwLockMaps>(providers, skew),
                of_one::<DashMaps>(providers, skew),
                of_one::<TwoPhase>(providers, skew),
                of_one::<ArcSwapRcu>(providers, skew),
            ]
        }));
    }
    for count in [1, 2, 3, 10, 100] {
        let name = format!("claim and release, k = {count}");
        let call = "a claim of one class of each of k providers, and its release";
        all.push(Workload::new(name, call, move || {
            vec![
                of_many::<Ours>(count),
                of_many::<MutexMaps>(count),
                of_many::<RwLockMaps>(count),
                of_many::<DashMaps>(count),
                of_many::<TwoPhase>(count),
                of_many::<Bookless>(count),
                of_many::<ArcSwapRcu>(count),
            ]
        }));
    }
    all
}

fn of_one<P: Peer<Session: Claim>>(providers: usize, skew: Skew) -> Side {
    let picks = Picks::new(providers, skew);
    Side::new(&Arc::new(P::new(providers)), move |mut session, thread| {
        let (mut pick, mut consumer) = (picks.of(thread), consumers(thread));
        move || {
            let (provider, consumer) = (pick(), consumer());
            let lines = [0, 1, 2].map(|class| Line { provider, class, amount: 1 });
            assert!(session.claim(consumer, black_box(&lines)));
            assert!(session.release(consumer));
        }
    })
}

/// Odd, so that all providers come before the first comes again; and not in order, since nobody's
/// claims are.
const STRIDE: usize = 5003;

fn of_many<P: Peer<Session: Claim>>(count: usize) -> Side {
    let picks = Picks::new(PROVIDERS, Skew::Uniform);
    Side::new(&Arc::new(P::new(PROVIDERS)), move |mut session, thread| {
        let (mut pick, mut consumer) = (picks.of(thread), consumers(thread));
        let mut lines = vec![Line { provider: 0, class: 0, amount: 1 }; count];
        move || {
            let (mut provider, consumer) = (pick(), consumer());
            for line in &mut lines {
                line.provider = provider;
                provider = (provider + STRIDE) % PROVIDERS;
            }
            assert!(session.claim(consumer, black_box(&lines)));
            assert!(session.release(consumer));
        }
    })
}
