//! What a scheduler does: mostly reads, some claims, and now and then the structure changes.

use std::hint::black_box;
use std::sync::Arc;

use crate::measure::Side;
use crate::peer::dash_maps::DashMaps;
use crate::peer::locked_persistent::LockedPersistent;
use crate::peer::mutex_maps::MutexMaps;
use crate::peer::ours::Ours;
use crate::peer::rwlock_maps::RwLockMaps;
use crate::peer::two_phase::TwoPhase;
use crate::peer::{Claim, Grow, Peer, Read};
use crate::random::{Picks, Random, Skew, consumers, uuid};
use crate::workload::{PROVIDERS, Workload, job};

pub(super) fn all() -> Vec<Workload> {
    let call = "90 %: usage of one class; 9 %: claim of three classes and release; \
                1 %: a child comes and goes";
    vec![Workload::new("90 % reads, 9 % claims, 1 % structure", call, || {
        vec![
            side::<Ours>(),
            side::<MutexMaps>(),
            side::<RwLockMaps>(),
            side::<LockedPersistent>(),
            side::<DashMaps>(),
            side::<TwoPhase>(),
        ]
    })]
}

fn side<P: Peer<Session: Read + Claim + Grow>>() -> Side {
    let picks = Picks::new(PROVIDERS, Skew::Uniform);
    Side::new(&Arc::new(P::new(PROVIDERS)), move |mut session, thread| {
        let (mut pick, mut consumer) = (picks.of(thread), consumers(thread));
        let mut random = Random::of(thread);
        let (child, name) = (uuid(1 << 61, thread as u64), format!("child-{thread}"));
        move || {
            let provider = pick();
            match random.below(100) {
                0 => assert!(session.come_and_go(provider, child, &name)),
                1..10 => {
                    let consumer = consumer();
                    assert!(session.claim(consumer, black_box(&job(provider))));
                    assert!(session.release(consumer));
                }
                _ => {
                    black_box(session.usage(provider, black_box(0)));
                }
            }
        }
    })
}
