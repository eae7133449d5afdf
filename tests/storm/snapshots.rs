//! Snapshots, mirrors and forks while everything else goes on.

use std::collections::HashMap;

use provider_tree::{
    Batch, Claim, Deadline, Dump, Error, Expect, Inventories, Inventory, Mirror, Now, Provider,
    ProviderTree, Receipt, Snapshot, Worker,
};
use shared::dumps::{in_order, without_floors};
use uuid::Uuid;

use crate::books::assert_no_leaks;
use crate::rig::{Gust, Rng, Storm};
use crate::tenant::{Line, Tenant, check_books};
use crate::usage::reconfigure;
use crate::{GPU, MEMORY, THREADS, VCPU};

const HOSTS: u64 = 10;
const GPUS: u64 = 3;

/// The uuid of a host, or with a number from 1 on, of one of its GPUs.
fn uuid(host: u64, gpu: u64) -> Uuid {
    Uuid::from_u64_pair(host + 1, gpu)
}

fn names(host: u64) -> [String; 2] {
    [format!("host-{host}"), format!("{host}-host")]
}

/// A forest where hosts with their GPUs come, move, change and go.
struct Yard {
    tree: ProviderTree,
    rack: Provider,
}

impl Yard {
    fn new() -> Self {
        let tree = ProviderTree::new();
        let rack = tree.create_root("rack", None).expect("a new name");
        Yard { tree, rack }
    }

    fn some_host(&self, rng: &mut Rng) -> Option<Provider> {
        self.tree.find(uuid(rng.below(HOSTS), 0))
    }

    fn build(&self, gust: &mut Gust<'_>) {
        let raced = |error: &Error| {
            matches!(
                error,
                Error::UuidExists { .. }
                    | Error::NameExists { .. }
                    | Error::Removed { .. }
                    | Error::InUse { .. }
                    | Error::WouldCycle { .. }
            )
        };
        let number = gust.rng.below(HOSTS);
        let name = gust.rng.pick(&names(number)).clone();
        let act = gust.rng.below(10);
        if act < 4 {
            let parent = gust.rng.percent(60).then_some(&self.rack);
            let created = match parent {
                Some(rack) => self.tree.create_child(rack, &name, uuid(number, 0)),
                None => self.tree.create_root(&name, uuid(number, 0)),
            };
            if let Some(host) = gust.expect("create", created, raced) {
                let has = Inventories::new()
                    .with(VCPU, Inventory::new(16))
                    .with(MEMORY, Inventory::new(64));
                let set = self.tree.configure(&host, has, Expect::Any);
                gust.expect("set inventories", set, raced);
                for gpu in 1..=gust.rng.below(GPUS + 1) {
                    let name = format!("host-{number}-gpu-{gpu}");
                    let created = self.tree.create_child(&host, &name, uuid(number, gpu));
                    if let Some(gpu) = gust.expect("create", created, raced) {
                        let has = Inventories::new().with(GPU, Inventory::new(2));
                        let set = self.tree.configure(&gpu, has, Expect::Any);
                        gust.expect("set inventories", set, raced);
                    }
                }
            }
            return;
        }
        let Some(host) = self.tree.find(uuid(number, 0)) else { return };
        match act {
            4..=6 => drop(gust.expect("remove", self.tree.remove(&host), raced)),
            7 => drop(gust.expect("rename", self.tree.rename(&host, &name), raced)),
            _ => {
                let below = self.some_host(&mut gust.rng).filter(|_| gust.rng.percent(50));
                let parent = below.or(Some(self.rack)).filter(|_| gust.rng.percent(80));
                let moved = self.tree.reparent(&host, parent.as_ref());
                gust.expect("move", moved, raced);
            }
        }
    }

    fn configure(&self, gust: &mut Gust<'_>) {
        if let Some(host) = self.some_host(&mut gust.rng) {
            reconfigure(&self.tree, gust, &host);
        }
    }

    fn cordon(&self, gust: &mut Gust<'_>) {
        let Some(host) = self.some_host(&mut gust.rng) else { return };
        let cordoned = match gust.rng.percent(30) {
            true => self.tree.cordon(&host),
            false => self.tree.uncordon(&host),
        };
        gust.expect("cordon", cordoned, |error| matches!(error, Error::Removed { .. }));
    }

    fn some_lines(&self, rng: &mut Rng) -> Vec<Line> {
        let Some(host) = self.some_host(rng) else { return Vec::new() };
        let mut lines = vec![(host, VCPU, rng.up_to(4))];
        if rng.percent(50) {
            lines.push((host, MEMORY, rng.up_to(8)));
        }
        let children = self.tree.children(&host).unwrap_or_default();
        lines.extend(children.into_iter().map(|child| (child, GPU, 1)));
        lines
    }

    fn rent(&self, gust: &mut Gust<'_>, tenant: &mut Tenant) {
        let lines = self.some_lines(&mut gust.rng);
        if !lines.is_empty() {
            tenant.act(gust, &lines, is_no_room);
        }
        if gust.rng.percent(20) {
            tenant.leave();
        }
    }

    /// Leases a consumer of the thread's own, and lets it expire or keeps it for a while.
    fn lend(&self, gust: &mut Gust<'_>, worker: &mut Worker, now: &mut u64) {
        *now += 1;
        let consumer = Uuid::from_u64_pair(1 << 40 | gust.seat as u64, gust.rng.below(4));
        let Some(host) = self.some_host(&mut gust.rng) else { return };
        let claim = Claim::new(consumer).take(&host, VCPU, 1);
        let deadline = *now + gust.rng.below(5);
        let leased = worker.lease(&claim, Deadline(deadline));
        if let Some(lease) = gust.expect("lease", leased, is_no_room) {
            match gust.rng.below(3) {
                0 => {
                    let renewed = worker.renew(&lease, Deadline(deadline + 1), Now(*now));
                    gust.expect("renew", renewed, |error| *error == ended(consumer));
                }
                1 => {
                    let confirmed = worker.confirm(&lease, Now(*now));
                    if gust
                        .expect("confirm", confirmed, |error| *error == ended(consumer))
                        .is_some()
                    {
                        gust.expect("release", worker.release(consumer), |_| false);
                    }
                }
                _ => {}
            }
        }
        let expired = worker.expire(Now(*now)).expect("an expiry is never refused");
        gust.add("expired", expired.len() as u64);
    }

    /// Adds the threads that change everything.
    fn disturb<'a>(&'a self, storm: &mut Storm<'a>, tenants: &'a mut [Tenant]) {
        for tenant in tenants {
            storm.thread("tenant", |gust| {
                while gust.blows() {
                    self.rent(gust, tenant);
                }
            });
        }
        let mut threads = |role, act: fn(&Yard, &mut Gust<'_>)| {
            storm.thread(role, move |gust| {
                while gust.blows() {
                    act(self, gust);
                }
            });
        };
        threads("builder", Yard::build);
        threads("configurator", Yard::configure);
        threads("warden", Yard::cordon);
        storm.thread("lender", |gust| {
            let (mut worker, mut now) = (self.tree.worker().expect("a worker"), 0);
            while gust.blows() {
                self.lend(gust, &mut worker, &mut now);
            }
            worker.expire(Now(u64::MAX)).expect("an expiry is never refused");
        });
    }
}

fn ended(consumer: Uuid) -> Error {
    Error::LeaseEnded { consumer }
}

fn is_no_room(error: &Error) -> bool {
    matches!(
        error,
        Error::CapacityExceeded { .. }
            | Error::NoInventory { .. }
            | Error::UnitViolation { .. }
            | Error::Cordoned { .. }
            | Error::Removed { .. }
            | Error::ConsumerExists { .. }
            | Error::AlreadyHeld { .. }
    )
}

/// All ways to ask lead to the same; what it says.
pub(crate) fn check_snapshot(snapshot: &Snapshot) -> Dump {
    let audit = snapshot.audit().expect("unbounded");
    assert!(audit.holds(), "{audit:?}");
    let dump = snapshot.dump().expect("unbounded");
    let providers = snapshot.providers().expect("unbounded");
    assert_eq!(snapshot.providers().expect("unbounded"), providers);
    assert_eq!(providers.len(), dump.providers.len());
    assert_eq!((providers.len(), dump.consumers.len()), (audit.providers, audit.consumers));
    for (provider, known) in providers.iter().zip(&dump.providers) {
        let data = &known.configuration;
        assert_eq!(snapshot.configuration(provider).as_ref(), Ok(data));
        assert_eq!(snapshot.find(provider.uuid()), Ok(Some(*provider)));
        assert_eq!(snapshot.find(&data.name), Ok(Some(*provider)));
        let parent = snapshot.parent(provider).expect("it exists");
        assert_eq!(parent.map(|parent| parent.uuid()), data.parent);
        for (class, usage) in snapshot.usages(provider).expect("it exists") {
            assert_eq!(usage.used, known.used.get(&class).map_or(0, |amounts| amounts.used));
            let inventory = data.inventories.get(class).expect("a class that it has");
            assert_eq!(inventory.capacity(), Ok(usage.capacity));
        }
    }
    for known in &dump.consumers {
        let held = snapshot.allocations(known.consumer).expect("unbounded").expect("it holds");
        assert_eq!(in_order(held), *known);
    }
    let copy = ProviderTree::load(&dump).expect("a snapshot adds up");
    assert_eq!(copy.snapshot().dump().unwrap(), dump);
    dump
}

/// Takes snapshots, keeps some of them for a while, and reads them again and again.
fn photograph(tree: &ProviderTree, gust: &mut Gust<'_>) {
    let mut held: Vec<(Snapshot, Option<Dump>)> = Vec::new();
    let mut last = 0;
    while gust.blows() {
        let snapshot = tree.snapshot();
        assert!(snapshot.number() > last);
        last = snapshot.number();
        // Some are read only when they are old.
        let dump = gust.rng.percent(70).then(|| check_snapshot(&snapshot));
        held.push((snapshot, dump));
        gust.count("snapshot");
        for _ in 0..gust.rng.below(3) {
            let at = gust.rng.index(held.len());
            let (snapshot, dump) = &mut held[at];
            let again = check_snapshot(snapshot);
            gust.count("read again");
            assert_eq!(*dump.get_or_insert_with(|| again.clone()), again);
        }
        while held.len() > 20 || !held.is_empty() && gust.rng.percent(45) {
            let at = gust.rng.index(held.len());
            held.swap_remove(at);
        }
    }
    for (snapshot, dump) in held {
        let again = check_snapshot(&snapshot);
        assert_eq!(dump.unwrap_or_else(|| again.clone()), again);
    }
}

#[test]
fn snapshots_are_of_one_instant() {
    let yard = Yard::new();
    let mut tenants = Tenant::several(&yard.tree, THREADS - 5, 3);
    let mut storm = Storm::new("snapshots_are_of_one_instant");
    yard.disturb(&mut storm, &mut tenants);
    for _ in 0..2 {
        storm.thread("photographer", |gust| photograph(&yard.tree, gust));
    }
    let tally = storm.run();
    let required = ["snapshot", "read again", "create", "remove", "move", "claim", "expired"];
    assert!(required.iter().all(|what| tally.of(what) > 0));
    assert_eq!(yard.tree.memory().snapshots, 0);
    check_books(&yard.tree, tenants);
}

#[test]
fn a_mirror_follows() {
    let yard = Yard::new();
    let mut tenants = Tenant::several(&yard.tree, THREADS - 5, 3);
    let begun = yard.tree.subscribe(&yard.tree.snapshot());
    let mut mirror = Mirror::new(begun.position()).expect("unbounded");
    let mut feed = begun.clone();
    drop(begun);
    let mut storm = Storm::new("a_mirror_follows");
    yard.disturb(&mut storm, &mut tenants);
    storm.thread("subscriber", |gust| {
        while gust.blows() {
            let changes = feed.poll().expect("an unbounded feed");
            mirror.apply(&changes).expect("no gap");
            gust.count("poll");
            gust.add("changes", changes.len() as u64);
            if gust.rng.percent(30) {
                assert_eq!(
                    mirror.dump(),
                    without_floors(feed.position().dump().expect("unbounded"))
                );
                gust.count("compared");
            }
        }
    });
    // One that falls behind now and then, and begins anew.
    storm.thread("bounded subscriber", |gust| {
        while gust.blows() {
            let mut feed = yard.tree.subscribe(&yard.tree.snapshot()).with_bound(2);
            let Ok(mut mirror) = Mirror::new(feed.position()) else { continue };
            loop {
                match feed.poll() {
                    Ok(changes) => mirror.apply(&changes).expect("no gap"),
                    Err(Error::FellBehind { .. } | Error::SnapshotTooOld { .. }) => {
                        gust.count("fell behind");
                        break;
                    }
                    Err(error) => panic!("{error:?}"),
                }
                gust.count("bounded poll");
                if let Ok(dump) = feed.position().dump() {
                    assert_eq!(mirror.dump(), without_floors(dump));
                }
                if !gust.blows() || gust.rng.percent(5) {
                    break;
                }
            }
        }
    });
    let tally = storm.run();
    assert!(["poll", "compared", "changes"].iter().all(|what| tally.of(what) > 0));
    mirror.apply(&feed.poll().expect("an unbounded feed")).expect("no gap");
    assert_eq!(mirror.dump(), without_floors(yard.tree.snapshot().dump().unwrap()));
    assert!(feed.poll().expect("an unbounded feed").is_empty());
    drop(feed);
    assert_eq!(yard.tree.memory().snapshots, 0);
    check_books(&yard.tree, tenants);
}

/// A cluster where what is important takes the place of what is not.
struct Cluster {
    tree: ProviderTree,
    hosts: Vec<Provider>,
}

/// Consumers that may be evicted.
const LOW: u64 = 1;
const HIGH: u64 = 2;

impl Cluster {
    fn new() -> Self {
        let tree = ProviderTree::new();
        let host = |number| {
            let host = tree.create_root(&format!("host-{number}"), None).expect("a new name");
            let has = Inventories::new().with(VCPU, Inventory::new(8));
            tree.configure(&host, has, Expect::Any).expect("it exists");
            host
        };
        let hosts = (0..6).map(host).collect();
        Cluster { tree, hosts }
    }

    /// Claims for, or releases, consumers that others evict.
    fn fill(&self, gust: &mut Gust<'_>, worker: &mut Worker) {
        let consumer = Uuid::from_u64_pair(LOW, gust.rng.below(40));
        let host = gust.rng.pick(&self.hosts);
        let claim = Claim::new(consumer).take(host, VCPU, gust.rng.up_to(3));
        let race =
            |error: &Error| is_no_room(error) || matches!(error, Error::ConsumerNotFound { .. });
        match gust.rng.below(10) {
            0..=5 => drop(gust.expect("claim", worker.claim(&claim), race)),
            6 => drop(gust.expect("replace", worker.replace(&claim, Expect::Any), race)),
            _ => drop(gust.expect("release", worker.release(consumer), race)),
        }
    }

    /// Takes a whole host, or most of it, from whoever holds it.
    fn preempt(&self, gust: &mut Gust<'_>, worker: &mut Worker) {
        let consumer = Uuid::from_u64_pair(HIGH, gust.seat as u64);
        let host = *gust.rng.pick(&self.hosts);
        let claim = Claim::new(consumer).take(&host, VCPU, 4 + gust.rng.up_to(3));
        let snapshot = self.tree.snapshot();
        let before = snapshot.usage(&host, VCPU).expect("unbounded");
        let mut fork = snapshot.fork();
        for victim in snapshot.holders(&host).expect("unbounded") {
            if fork.fits(&claim).is_ok() {
                break;
            }
            if victim.as_u64_pair().0 == LOW {
                fork.release(victim).expect("it holds something in the snapshot");
            }
        }
        if fork.claim(&claim).is_err() {
            gust.count("held by others who matter");
            return;
        }
        if gust.rng.percent(30) {
            let moved =
                fork.set_inventories(&host, Inventories::new().with(VCPU, Inventory::new(8)));
            assert_eq!(moved, Ok(()));
        }
        assert_eq!(snapshot.usage(&host, VCPU), Ok(before));
        let strict = gust.rng.percent(50);
        let (what, batch) = match strict {
            true => ("strict commit", fork.to_batch_if_unchanged()),
            false => ("commit", fork.to_batch()),
        };
        drop((fork, snapshot));
        let committed = worker.commit(&batch);
        let receipts = gust.expect(what, committed, |error| match error {
            Error::ProviderChanged { .. } | Error::ConsumerChanged { .. } => strict,
            Error::ConsumerConflict { .. }
            | Error::CapacityExceeded { .. }
            | Error::GenerationConflict { .. }
            | Error::Cordoned { .. } => !strict,
            _ => false,
        });
        let held = self.tree.allocations(consumer);
        let Some(receipts) = receipts else {
            // It has left nothing behind.
            assert_eq!(held, None);
            return;
        };
        let generation = held.expect("just claimed").generation;
        assert!(receipts.contains(&Receipt { consumer, generation }));
        gust.add("evicted", receipts.len() as u64 - 1);
        gust.expect("release", worker.release(consumer), |_| false);
    }

    fn cordon(&self, gust: &mut Gust<'_>, worker: &mut Worker) {
        let host = gust.rng.pick(&self.hosts);
        let batch = match gust.rng.percent(30) {
            true => Batch::new().cordon(host),
            false => Batch::new().uncordon(host),
        };
        gust.expect("cordon", worker.commit(&batch), |_| false);
    }

    /// Nothing is ever exceeded, at any instant, and the books agree.
    fn watch(&self, gust: &mut Gust<'_>) {
        let snapshot = self.tree.snapshot();
        let audit = snapshot.audit().expect("unbounded");
        assert!(audit.holds() && audit.overcommitted.is_empty(), "{audit:?}");
        let mut sums = HashMap::<Uuid, u64>::new();
        for held in snapshot.all_allocations().expect("unbounded") {
            for held in held.allocations {
                *sums.entry(held.provider).or_default() += held.amount;
            }
        }
        for host in &self.hosts {
            let usage = snapshot.usage(host, VCPU).expect("it has that");
            assert_eq!(usage.used, sums.get(&host.uuid()).copied().unwrap_or(0));
        }
        gust.count("watched");
    }
}

#[test]
fn forks_preempt() {
    let cluster = Cluster::new();
    let mut storm = Storm::new("forks_preempt");
    let mut threads = |role, act: fn(&Cluster, &mut Gust<'_>, &mut Worker)| {
        let cluster = &cluster;
        storm.thread(role, move |gust| {
            let mut worker = cluster.tree.worker().expect("a worker");
            while gust.blows() {
                act(cluster, gust, &mut worker);
            }
        });
    };
    for _ in 0..3 {
        threads("filler", Cluster::fill);
        threads("preemptor", Cluster::preempt);
    }
    threads("warden", Cluster::cordon);
    storm.thread("watcher", |gust| {
        while gust.blows() {
            cluster.watch(gust);
        }
    });
    let tally = storm.run();
    let required = ["strict commit", "commit", "evicted", "watched", "claim"];
    assert!(required.iter().all(|what| tally.of(what) > 0));
    let tree = &cluster.tree;
    assert_eq!(tree.memory().snapshots, 0);
    assert!(
        tree.snapshot().consumers().unwrap().iter().all(|consumer| consumer.as_u64_pair().0 == LOW)
    );
    let audit = tree.snapshot().audit().unwrap();
    assert!(audit.holds() && audit.overcommitted.is_empty(), "{audit:?}");
    assert_no_leaks(tree);
}
