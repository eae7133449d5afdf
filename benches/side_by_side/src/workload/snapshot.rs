//! Snapshots while claims go on, and claims while snapshots are taken.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::measure::Side;
use crate::peer::locked_persistent::LockedPersistent;
use crate::peer::mutex_maps::MutexMaps;
use crate::peer::ours::Ours;
use crate::peer::persistent::Persistent;
use crate::peer::rwlock_maps::RwLockMaps;
use crate::peer::single_writer::SingleWriter;
use crate::peer::{JOB, Peer, Snapshot, Take};
use crate::random::{Picks, Skew};
use crate::workload::{PROVIDERS, Workload};

pub(super) fn all() -> Vec<Workload> {
    let snapshots = || {
        vec![
            snapshots::<Ours>(),
            snapshots::<MutexMaps>(),
            snapshots::<RwLockMaps>(),
            snapshots::<LockedPersistent>(),
            snapshots::<SingleWriter>(),
            snapshots::<Persistent>(),
        ]
    };
    let takes = || {
        vec![
            takes::<Ours>(),
            takes::<MutexMaps>(),
            takes::<RwLockMaps>(),
            takes::<LockedPersistent>(),
            takes::<SingleWriter>(),
            takes::<Persistent>(),
        ]
    };
    vec![
        Workload::new("snapshot, 2 writers", "a snapshot, which is dropped", snapshots),
        Workload::new(
            "take and put back, a snapshot each ms",
            "a take of three classes, and its put back",
            takes,
        ),
    ]
}

/// Takes and puts back.
fn storm<S: Take>(picks: &Picks, mut session: S, thread: usize) -> impl FnMut() + use<S> {
    let mut pick = picks.of(thread);
    move || {
        let at = pick();
        assert!(session.take(at, black_box(&JOB)));
        session.put_back(at, black_box(&JOB));
    }
}

fn snapshots<P: Peer<Session: Take + Snapshot>>() -> Side {
    let picks = Picks::new(PROVIDERS, Skew::Uniform);
    let snapshot = |mut session: P::Session, _| {
        move || {
            black_box(session.snapshot());
        }
    };
    let write = move |session, thread| storm(&picks, session, thread);
    Side::beside(&Arc::new(P::new(PROVIDERS)), snapshot, 2, write)
}

fn takes<P: Peer<Session: Take + Snapshot>>() -> Side {
    let picks = Picks::new(PROVIDERS, Skew::Uniform);
    let write = move |session, thread| storm(&picks, session, thread);
    Side::beside(&Arc::new(P::new(PROVIDERS)), write, 1, each_millisecond)
}

/// Takes a snapshot and drops it, each millisecond.
pub(super) fn each_millisecond<S: Snapshot>(mut session: S, _: usize) -> impl FnMut() {
    move || {
        black_box(session.snapshot());
        thread::sleep(Duration::from_millis(1));
    }
}
