//! Finding a provider by its uuid and by its name.

use std::hint::black_box;
use std::sync::Arc;

use crate::measure::Side;
use crate::peer::dash_maps::DashMaps;
use crate::peer::locked_persistent::LockedPersistent;
use crate::peer::mutex_maps::MutexMaps;
use crate::peer::ours::Ours;
use crate::peer::papaya_maps::PapayaMaps;
use crate::peer::rwlock_maps::RwLockMaps;
use crate::peer::scc_maps::SccMaps;
use crate::peer::{Index, Peer};
use crate::random::{Picks, Skew, provider_name, provider_uuid};
use crate::workload::{PROVIDERS, Workload};

pub(super) fn all() -> Vec<Workload> {
    let by_uuid = || {
        vec![
            by_uuid::<Ours>(),
            by_uuid::<MutexMaps>(),
            by_uuid::<RwLockMaps>(),
            by_uuid::<LockedPersistent>(),
            by_uuid::<DashMaps>(),
            by_uuid::<PapayaMaps>(),
            by_uuid::<SccMaps>(),
        ]
    };
    let again = || {
        vec![
            again::<Ours>(),
            again::<MutexMaps>(),
            again::<RwLockMaps>(),
            again::<LockedPersistent>(),
            again::<DashMaps>(),
            again::<PapayaMaps>(),
            again::<SccMaps>(),
        ]
    };
    let by_name = || {
        vec![
            by_name::<Ours>(),
            by_name::<MutexMaps>(),
            by_name::<RwLockMaps>(),
            by_name::<LockedPersistent>(),
            by_name::<DashMaps>(),
            by_name::<PapayaMaps>(),
            by_name::<SccMaps>(),
        ]
    };
    vec![
        Workload::new("find by uuid", "one look-up that finds", by_uuid),
        Workload::new("find by uuid through a worker", "one look-up that finds", again),
        Workload::new("find by name", "one look-up that finds", by_name),
    ]
}

fn by_uuid<P: Peer<Session: Index>>() -> Side {
    let picks = Picks::new(PROVIDERS, Skew::Uniform);
    Side::new(&Arc::new(P::new(PROVIDERS)), move |mut session, thread| {
        let mut pick = picks.of(thread);
        move || {
            let found = session.find_uuid(&provider_uuid(pick()));
            assert!(black_box(found));
        }
    })
}

fn again<P: Peer<Session: Index>>() -> Side {
    let picks = Picks::new(PROVIDERS, Skew::Uniform);
    Side::new(&Arc::new(P::new(PROVIDERS)), move |mut session, thread| {
        let mut pick = picks.of(thread);
        move || {
            let found = session.find_again(&provider_uuid(pick()));
            assert!(black_box(found));
        }
    })
}

fn by_name<P: Peer<Session: Index>>() -> Side {
    let picks = Picks::new(PROVIDERS, Skew::Uniform);
    let names: Arc<[String]> = (0..PROVIDERS).map(provider_name).collect();
    Side::new(&Arc::new(P::new(PROVIDERS)), move |mut session, thread| {
        let mut pick = picks.of(thread);
        let names = names.clone();
        move || {
            let found = session.find_name(&names[pick()]);
            assert!(black_box(found));
        }
    })
}
