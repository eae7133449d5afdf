//! An `ArcSwap` for each provider, changed by `rcu`, with what consumers hold in a `DashMap`.
//!
//! A claim over several providers is not atomic, and one that does not fit gives back what it had
//! taken. What a consumer holds and what is used are not changed at one instant. Every change
//! allocates. Progress is lock-free but for the `DashMap`'s shards, which a claim of a consumer holds
//! to its end.

#![expect(clippy::disallowed_types, reason = "a peer, not the library")]

use std::sync::Arc;

use arc_swap::ArcSwap;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry as Place;
use uuid::Uuid;

use crate::peer::dash_maps::{give_back_all, take_all};
use crate::peer::{Amounts, Claim, Entry, Hasher, Line, Lines, Peer, Read, Take, inventories};

pub(crate) struct ArcSwapRcu {
    providers: Vec<ArcSwap<Entry>>,
    held: DashMap<Uuid, Lines, Hasher>,
}

impl ArcSwapRcu {
    /// Changes a provider unless `change` says that it can't be.
    fn change(&self, at: usize, change: impl Fn(&mut Entry) -> bool) -> bool {
        let mut changed = false;
        self.providers[at].rcu(|entry| {
            let mut next = (**entry).clone();
            changed = change(&mut next);
            if changed { Arc::new(next) } else { entry.clone() }
        });
        changed
    }

    fn take_lines(&self, lines: &[Line]) -> bool {
        let mut taken = 0;
        for group in lines.chunk_by(|a, b| a.provider == b.provider) {
            if !self.change(group[0].provider, |entry| take_all(&mut entry.amounts, group)) {
                self.give_back(&lines[..taken]);
                return false;
            }
            taken += group.len();
        }
        true
    }

    fn give_back(&self, lines: &[Line]) {
        for group in lines.chunk_by(|a, b| a.provider == b.provider) {
            self.change(group[0].provider, |entry| {
                give_back_all(&mut entry.amounts, group);
                true
            });
        }
    }
}

impl Peer for ArcSwapRcu {
    const NAME: &'static str = "ArcSwap rcu";
    const LACKS: &'static str = "Claims over several providers as one: others see a part, and may be refused for what is \
        then given back. Usage and consumers changed together. Snapshots.";
    const LOCKS: bool = false;
    type Session = Arc<ArcSwapRcu>;

    fn new(providers: usize) -> Self {
        let inventories = inventories();
        let entry = |at| ArcSwap::from_pointee(Entry::full(at, &inventories));
        ArcSwapRcu { providers: (0..providers).map(entry).collect(), held: DashMap::default() }
    }

    fn session(self: &Arc<Self>) -> Arc<ArcSwapRcu> {
        self.clone()
    }
}

impl Read for Arc<ArcSwapRcu> {
    fn usage(&mut self, provider: usize, class: usize) -> Amounts {
        self.providers[provider].load().amounts[class]
    }

    fn data(&mut self, provider: usize) -> impl Sized {
        self.providers[provider].load().data.clone()
    }
}

impl Take for Arc<ArcSwapRcu> {
    fn take(&mut self, provider: usize, amounts: &[u64; 3]) -> bool {
        self.change(provider, |entry| entry.take(amounts))
    }

    fn put_back(&mut self, provider: usize, amounts: &[u64; 3]) {
        self.change(provider, |entry| {
            entry.put_back(amounts);
            true
        });
    }
}

impl Claim for Arc<ArcSwapRcu> {
    fn claim(&mut self, consumer: Uuid, lines: &[Line]) -> bool {
        match self.held.entry(consumer) {
            Place::Occupied(_) => false,
            Place::Vacant(place) => {
                let took = self.take_lines(lines);
                if took {
                    place.insert(lines.into());
                }
                took
            }
        }
    }

    fn release(&mut self, consumer: Uuid) -> bool {
        let held = self.held.remove(&consumer);
        held.is_some_and(|(_, lines)| {
            self.give_back(&lines);
            true
        })
    }
}
