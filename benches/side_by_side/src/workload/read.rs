//! Reading by handle what others write: four providers, so that readers and writers meet.

use std::hint::black_box;
use std::sync::Arc;

use crate::measure::Side;
use crate::peer::arc_swap_rcu::ArcSwapRcu;
use crate::peer::dash_maps::DashMaps;
use crate::peer::locked_persistent::LockedPersistent;
use crate::peer::mutex_maps::MutexMaps;
use crate::peer::ours::Ours;
use crate::peer::rwlock_maps::RwLockMaps;
use crate::peer::two_phase::TwoPhase;
use crate::peer::{JOB, Peer, Read, Take};
use crate::random::{Picks, Skew};
use crate::workload::{HOT, Workload};

/// What is read.
#[derive(Clone, Copy)]
enum What {
    Usage,
    Data,
}

pub(super) fn all() -> Vec<Workload> {
    let mut all = Vec::new();
    for (what, name, call) in [
        (What::Usage, "usage", "capacity and use of one class, by handle"),
        (
            What::Data,
            "configuration",
            "everything but the usage, by handle: inventories, traits, ...",
        ),
    ] {
        for writers in 0..=3 {
            let plural = if writers == 1 { "" } else { "s" };
            all.push(Workload::new(format!("{name}, {writers} writer{plural}"), call, move || {
                vec![
                    side::<Ours>(what, writers),
                    side::<MutexMaps>(what, writers),
                    side::<RwLockMaps>(what, writers),
                    side::<LockedPersistent>(what, writers),
                    side::<DashMaps>(what, writers),
                    side::<TwoPhase>(what, writers),
                    side::<ArcSwapRcu>(what, writers),
                ]
            }));
        }
    }
    all
}

fn side<P: Peer<Session: Read + Take>>(what: What, writers: usize) -> Side {
    let forest = Arc::new(P::new(HOT));
    let picks = Picks::new(HOT, Skew::Uniform);
    let places = picks.clone();
    let write = move |mut session: P::Session, thread| {
        let mut pick = places.of(thread);
        move || {
            let at = pick();
            assert!(session.take(at, &JOB));
            session.put_back(at, &JOB);
        }
    };
    match what {
        What::Usage => {
            let read = move |mut session: P::Session, thread| {
                let mut pick = picks.of(thread);
                move || {
                    black_box(session.usage(pick(), black_box(0)));
                }
            };
            Side::beside(&forest, read, writers, write)
        }
        What::Data => {
            let read = move |mut session: P::Session, thread| {
                let mut pick = picks.of(thread);
                move || {
                    black_box(session.data(pick()));
                }
            };
            Side::beside(&forest, read, writers, write)
        }
    }
}
