//! The forest of this workspace, as its documentation says to use it: a worker for each thread, and
//! handles in the place of look-ups.

use std::hint::black_box;
use std::sync::Arc;

use benches::amounts;
use provider_tree::{Provider, ProviderSpec, ProviderTree, Worker};
use uuid::Uuid;

use crate::peer::{
    Amounts, CLASSES, Claim, Grow, Index, Line, Peer, Read, Snapshot, Take, inventories,
};
use crate::random::{provider_name, provider_uuid};

pub(crate) struct Ours {
    tree: ProviderTree,
    providers: Vec<Provider>,
}

pub(crate) struct Session {
    forest: Arc<Ours>,
    worker: Worker,
}

impl Peer for Ours {
    const NAME: &'static str = "ours";
    const LACKS: &'static str = "A bounded time for each call: one may repeat for as long as others come between. A \
        thread that stops inside the index holds up those that need its shard.";
    const LOCKS: bool = false;
    type Session = Session;

    fn new(providers: usize) -> Self {
        let tree = ProviderTree::new();
        let inventories = inventories();
        let spec = |at| {
            ProviderSpec::new(provider_uuid(at), provider_name(at))
                .with_inventories((*inventories).clone())
        };
        let list: Vec<_> = (0..providers).map(spec).collect();
        let providers = tree.populate(&list).expect("a sound list");
        Ours { tree, providers }
    }

    fn session(self: &Arc<Self>) -> Session {
        let worker = self.tree.worker().expect("few workers");
        Session { forest: self.clone(), worker }
    }
}

impl Read for Session {
    fn usage(&mut self, provider: usize, class: usize) -> Amounts {
        let provider = &self.forest.providers[provider];
        let usage = self.forest.tree.usage(provider, CLASSES[class]).expect("it has the class");
        Amounts { capacity: usage.capacity, used: usage.used }
    }

    fn usages(&mut self, provider: usize) -> [Amounts; 3] {
        let provider = &self.forest.providers[provider];
        let usages = self.forest.tree.usages_of(provider, CLASSES).expect("it exists");
        usages.map(|usage| {
            let usage = usage.expect("it has the class");
            Amounts { capacity: usage.capacity, used: usage.used }
        })
    }

    fn data(&mut self, provider: usize) -> impl Sized {
        self.forest.tree.configuration(&self.forest.providers[provider]).expect("it exists")
    }
}

impl Take for Session {
    fn take(&mut self, provider: usize, taken: &[u64; 3]) -> bool {
        self.worker.take(&self.forest.providers[provider], &amounts(*taken)).is_ok()
    }

    fn put_back(&mut self, provider: usize, taken: &[u64; 3]) {
        let provider = &self.forest.providers[provider];
        self.worker.put_back(provider, &amounts(*taken)).expect("it was taken");
    }
}

impl Session {
    fn claim_lines(&mut self, mut claim: provider_tree::Claim, lines: &[Line]) -> Option<Uuid> {
        for line in lines {
            let provider = &self.forest.providers[line.provider];
            claim.extend([(*provider, CLASSES[line.class], line.amount)]);
        }
        self.worker.claim(&claim).ok().map(|receipt| receipt.consumer)
    }
}

impl Claim for Session {
    fn claim(&mut self, consumer: Uuid, lines: &[Line]) -> bool {
        self.claim_lines(provider_tree::Claim::new(consumer), lines).is_some()
    }

    fn claim_for_new(&mut self, _consumer: Uuid, lines: &[Line]) -> Option<Uuid> {
        self.claim_lines(provider_tree::Claim::unnamed(), lines)
    }

    fn release(&mut self, consumer: Uuid) -> bool {
        self.worker.release(consumer).is_ok()
    }
}

impl Index for Session {
    type Created = Provider;

    fn find_uuid(&mut self, uuid: &Uuid) -> bool {
        black_box(self.forest.tree.find(uuid)).is_some()
    }

    fn find_again(&mut self, uuid: &Uuid) -> bool {
        black_box(self.worker.find(*uuid)).is_some()
    }

    fn find_name(&mut self, name: &str) -> bool {
        black_box(self.forest.tree.find(name)).is_some()
    }

    fn create(&mut self, uuid: Uuid, name: &str) -> Option<Provider> {
        self.forest.tree.create_root(name, uuid).ok()
    }

    fn remove(&mut self, created: Provider) -> bool {
        self.forest.tree.remove_leaf(&created).is_ok()
    }
}

impl Grow for Session {
    fn come_and_go(&mut self, parent: usize, uuid: Uuid, name: &str) -> bool {
        let (tree, parent) = (&self.forest.tree, &self.forest.providers[parent]);
        tree.create_child(parent, name, uuid).is_ok_and(|child| tree.remove_leaf(&child).is_ok())
    }
}

impl Snapshot for Session {
    fn snapshot(&mut self) -> impl Sized {
        self.forest.tree.snapshot()
    }

    fn used(&mut self) -> [u64; 3] {
        let snapshot = self.forest.tree.snapshot();
        let mut used = [0; 3];
        for provider in &self.forest.providers {
            for (class, usage) in snapshot.usages(provider).expect("it exists") {
                let at = CLASSES.iter().position(|&its| its == class);
                used[at.expect("it has no other class")] += usage.used;
            }
        }
        used
    }
}
