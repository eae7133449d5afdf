//! The mixes of `conc-map-bench` on the index: finding, creating and removing by uuid.
//!
//! Its updates are look-ups here: a provider's entry in the index is never exchanged. Ours and the
//! peers keep an index of names beside that of uuids. Each run begins with a new forest.

use std::collections::VecDeque;
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
use crate::random::{Picks, Random, Skew, provider_uuid, uuid};
use crate::workload::{PROVIDERS, Workload};

/// Shares of a hundred.
#[derive(Clone, Copy)]
struct Mix {
    name: &'static str,
    call: &'static str,
    create: usize,
    remove: usize,
    /// What is there in the beginning.
    providers: usize,
}

const MIXES: [Mix; 3] = [
    Mix {
        name: "index, read heavy",
        call: "98 % find, 1 % create, 1 % remove",
        create: 1,
        remove: 1,
        providers: PROVIDERS,
    },
    Mix {
        name: "index, exchange",
        call: "20 % find, 40 % create, 40 % remove",
        create: 40,
        remove: 40,
        providers: PROVIDERS,
    },
    Mix {
        name: "index, rapid grow",
        call: "15 % find, 80 % create, 5 % remove",
        create: 80,
        remove: 5,
        // There has to be something to find.
        providers: 16,
    },
];

pub(super) fn all() -> Vec<Workload> {
    let workload = |mix: Mix| {
        Workload::new(mix.name, mix.call, move || {
            vec![
                side::<Ours>(mix),
                side::<MutexMaps>(mix),
                side::<RwLockMaps>(mix),
                side::<LockedPersistent>(mix),
                side::<DashMaps>(mix),
                side::<PapayaMaps>(mix),
                side::<SccMaps>(mix),
            ]
        })
    };
    MIXES.into_iter().map(workload).collect()
}

fn side<P: Peer<Session: Index>>(mix: Mix) -> Side {
    let picks = Picks::new(mix.providers, Skew::Uniform);
    Side::afresh(
        move || Arc::new(P::new(mix.providers)),
        move |mut session: P::Session, thread| {
            let (mut pick, mut random) = (picks.of(thread), Random::of(thread));
            let mut created = VecDeque::new();
            let mut number = 0_u64;
            move || {
                let choice = random.below(100);
                if choice < mix.remove
                    && let Some(oldest) = created.pop_front()
                {
                    assert!(session.remove(oldest));
                } else if choice < mix.remove + mix.create {
                    number += 1;
                    let new = uuid(thread as u64, number);
                    // Every uuid is a name too: making it up costs the same on all sides.
                    let mut name = [0; 36];
                    let name = new.hyphenated().encode_lower(&mut name);
                    created.push_back(session.create(new, name).expect("both are new"));
                } else {
                    assert!(black_box(session.find_uuid(&provider_uuid(pick()))));
                }
            }
        },
    )
}
