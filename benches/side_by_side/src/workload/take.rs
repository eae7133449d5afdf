//! Taking three classes from one provider for no consumer, and putting them back.

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
use crate::peer::two_phase::TwoPhase;
use crate::peer::{JOB, Peer, Take};
use crate::random::{Picks, Skew};
use crate::workload::{SPREADS, Workload};

pub(super) fn all() -> Vec<Workload> {
    let workload = |(name, providers, skew)| {
        let name = format!("take and put back, {name}");
        Workload::new(name, "a take of three classes, and its put back", move || {
            vec![
                side::<Ours>(providers, skew),
                side::<MutexMaps>(providers, skew),
                side::<RwLockMaps>(providers, skew),
                side::<LockedPersistent>(providers, skew),
                side::<SingleWriter>(providers, skew),
                side::<DashMaps>(providers, skew),
                side::<TwoPhase>(providers, skew),
                side::<ArcSwapRcu>(providers, skew),
            ]
        })
    };
    SPREADS.into_iter().map(workload).collect()
}

fn side<P: Peer<Session: Take>>(providers: usize, skew: Skew) -> Side {
    let picks = Picks::new(providers, skew);
    Side::new(&Arc::new(P::new(providers)), move |mut session, thread| {
        let mut pick = picks.of(thread);
        move || {
            let at = pick();
            assert!(session.take(at, black_box(&JOB)));
            session.put_back(at, black_box(&JOB));
        }
    })
}
