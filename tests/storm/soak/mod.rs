//! The soak: everything that there is, at once, for as long as one likes.
//!
//! Each client has consumers that only it changes; the sequential model of the histories says what
//! the forest has to say of them. Expirers end its leases meanwhile, a keeper configures, a builder
//! changes the structure, an archivist holds hundreds of snapshots, and a watcher checks what must
//! hold for all. Threads stop at random, also within calls; what the library calls back panics at
//! random.

mod builder;
mod client;
mod keeper;
mod watcher;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use provider_tree::{
    Edit, Error, Expect, Inventories, Inventory, Metrics, Now, Provider, ProviderTree, Trait,
    Worker, coming_from_nova::NovaProviderTree,
};
use uuid::Uuid;

use crate::books::assert_no_leaks;
use crate::forest::check_forest;
use crate::rig::{Gust, Rng, Storm, Tally};
use crate::ring::{self, Ring};
use crate::stall::stalling;
use crate::tenant::{Line, Tenant, check_books};
use crate::{DISK, GPU, MEMORY, THREADS, VCPU};
use builder::Builder;
use client::Client;
use keeper::{Keeper, page};
use watcher::Watcher;

const CLIENTS: usize = THREADS - 4;

/// How many consumers each client has.
const CONSUMERS: usize = 64;

const HOSTS: u64 = 5;
const ELASTIC: u64 = 3;
const FLAGS: u128 = 3;

/// Providers of the yard that are created one by one, and those that are populated.
const SINGLE: u64 = 16;
const LISTED: u64 = 6;

/// What a host has, and a door, and a room.
const CPUS: u64 = 36;
const MEGABYTES: u64 = 64;

/// What a worker counts as claims, releases and confirmations, as clients call it.
const CLAIMS: [&str; 16] = [
    "claim",
    "replace",
    "replace at a generation",
    "take",
    "claim on a condition",
    "claim along a chain",
    "claim in part",
    "gang",
    "claim of one for many",
    "move",
    "swap",
    "evict and place",
    "reshape",
    "settle",
    "lease",
    "replace a lease",
];
const RELEASES: [&str; 4] = ["release", "put back", "cancel", "release a lease"];
const CONFIRMATIONS: [&str; 2] = ["confirm", "renew"];
const OTHERS: [&str; 18] = [
    "expired",
    "cordon",
    "set inventories",
    "update inventories",
    "traits",
    "aggregates",
    "resources",
    "panic",
    "populate",
    "create",
    "remove",
    "remove leaf",
    "reparent",
    "rename",
    "look",
    "forest checked",
    "audit",
    "dump",
];

/// All that is ever counted.
fn everything() -> Vec<&'static str> {
    [&CLAIMS[..], &RELEASES, &CONFIRMATIONS, &OTHERS, &ring::DONE].concat()
}

/// Everything that threads share.
struct Site {
    tree: ProviderTree,
    /// Their inventories stay; they are never cordoned.
    hosts: Vec<Provider>,
    /// Their inventories grow, shrink, come and go.
    elastic: Vec<Provider>,
    corners: Vec<Corner>,
    organisation: Provider,
    teams: [Provider; 2],
    /// Without an inventory, below one of the teams.
    desk: Provider,
    /// Only the keeper changes it.
    diary: Provider,
    flags: Vec<Flag>,
    clock: Arc<AtomicU64>,
    /// Whether all stop for a while, so that a dump comes to its end.
    paused: AtomicBool,
}

/// What belongs to one client. All may claim from door and room; only it cordons and reshapes.
#[derive(Clone, Copy)]
struct Corner {
    door: Provider,
    room: Provider,
    shapes: [Provider; 2],
}

/// A consumer that all clients want.
struct Flag {
    consumer: Uuid,
    /// The seat that has it, from 1 on; 0 while nobody has.
    owner: AtomicUsize,
}

fn cpus(total: u64) -> Inventories {
    Inventories::new().with(VCPU, Inventory::new(total))
}

/// The uuid of a provider in the yard.
fn yard(number: u64) -> Uuid {
    Uuid::from_u64_pair(u64::MAX, number)
}

/// Lets others go first now and then, for a random while.
fn pause(rng: &mut Rng) {
    if rng.percent(10) {
        (0..rng.up_to(6)).for_each(|_| std::thread::yield_now());
    }
}

impl Site {
    fn new() -> Self {
        let tree = ProviderTree::new();
        let make = |parent: Option<&Provider>, name: String, inventories: Inventories| {
            let made = match parent {
                Some(parent) => tree.create_child(parent, &name, None),
                None => tree.create_root(&name, None),
            };
            let made = made.expect("a new name");
            tree.configure(&made, inventories, Expect::Any).expect("it exists");
            made
        };
        let whole = || cpus(CPUS).with(MEMORY, Inventory::new(MEGABYTES));
        let corner = |number| {
            let door = make(None, format!("door-{number}"), whole());
            Corner {
                door,
                room: make(Some(&door), format!("room-{number}"), whole()),
                shapes: [
                    make(None, format!("shape-{number}"), cpus(CPUS)),
                    make(None, format!("other shape-{number}"), Inventories::new()),
                ],
            }
        };
        let flag = |number| Flag {
            consumer: Uuid::from_u128(u128::MAX - number),
            owner: AtomicUsize::new(0),
        };
        let organisation = make(None, "organisation".to_owned(), cpus(50));
        let team = |name: &str| make(Some(&organisation), name.to_owned(), cpus(30));
        let teams = [team("team"), team("other team")];
        let diary = make(None, "diary".to_owned(), Inventories::new());
        tree.configure(&diary, Edit::new().set_resources(page(0)), Expect::Any).expect("it exists");
        Site {
            hosts: (0..HOSTS).map(|number| make(None, format!("host-{number}"), whole())).collect(),
            elastic: (0..ELASTIC)
                .map(|number| make(None, format!("elastic-{number}"), whole()))
                .collect(),
            corners: (0..CLIENTS).map(corner).collect(),
            desk: make(Some(&teams[0]), "desk".to_owned(), Inventories::new()),
            diary,
            flags: (0..FLAGS).map(flag).collect(),
            clock: Arc::new(AtomicU64::new(1)),
            paused: AtomicBool::new(false),
            organisation,
            teams,
            tree,
        }
    }

    /// Whose capacity never changes, so that it is never exceeded.
    fn steady(&self) -> impl Iterator<Item = &Provider> {
        let corners = self.corners.iter().flat_map(|corner| [&corner.door, &corner.room]);
        self.hosts.iter().chain(corners).chain(&self.teams).chain([&self.organisation])
    }

    /// One of those from which all claim.
    fn someone(&self, rng: &mut Rng) -> Provider {
        match rng.below(10) {
            0..=3 => *rng.pick(&self.hosts),
            4..=5 => *rng.pick(&self.elastic),
            6 => rng.pick(&self.corners).door,
            7 => rng.pick(&self.corners).room,
            _ => self.in_yard(rng).unwrap_or(self.hosts[0]),
        }
    }

    fn in_yard(&self, rng: &mut Rng) -> Option<Provider> {
        self.tree.find(yard(rng.below(SINGLE + LISTED)))
    }

    fn some_lines(&self, rng: &mut Rng) -> Vec<Line> {
        let line = |rng: &mut Rng| {
            let class = *rng.pick(&[VCPU, VCPU, MEMORY]);
            (self.someone(rng), class, rng.up_to(5))
        };
        (0..rng.up_to(4)).map(|_| line(rng)).collect()
    }

    /// Whether a refusal can be true, given what happens to which providers.
    fn explains(&self, error: &Error) -> bool {
        let in_yard = |uuid: &Uuid| uuid.as_u64_pair().0 == u64::MAX;
        let is = |those: &[Provider], uuid: &Uuid| those.iter().any(|it| it.uuid() == *uuid);
        match error {
            Error::CapacityExceeded { requested, free, .. } => requested > free,
            Error::Removed { provider } => in_yard(provider),
            Error::NoInventory { provider, .. } => in_yard(provider) || is(&self.elastic, provider),
            Error::UnitViolation { provider, .. } => is(&self.elastic, provider),
            Error::Cordoned { provider } => {
                let near = |corner: &Corner| is(&[corner.door, corner.room], provider);
                in_yard(provider) || self.corners.iter().any(near)
            }
            _ => false,
        }
    }

    fn now(&self) -> u64 {
        self.clock.load(SeqCst)
    }

    /// Waits while all have to; false when the storm is over.
    fn goes_on(&self, gust: &Gust<'_>) -> bool {
        while self.paused.load(SeqCst) && gust.blows() {
            std::thread::yield_now();
        }
        gust.blows()
    }

    /// Moves the clock on, ends the leases that are due, and notes them.
    fn expire(&self, gust: &mut Gust<'_>, worker: &mut Worker) {
        let now = self.clock.fetch_add(u64::from(gust.rng.percent(20)), SeqCst);
        let ended = worker.expire(Now(now)).expect("there is room");
        gust.add("expired", ended.len() as u64);
    }
}

/// All that was counted is all that was done, and nothing is left of it.
fn finish(site: &Site, tenants: Vec<Tenant>, tally: &Tally, metrics: &Metrics) {
    let done = |what: &[&str]| what.iter().map(|what| tally.of(what)).sum::<u64>();
    assert_eq!(metrics.claims, done(&CLAIMS));
    assert_eq!(metrics.releases, done(&RELEASES));
    assert_eq!(metrics.confirmations, done(&CONFIRMATIONS));
    assert_eq!(metrics.expirations, tally.of("expired"));
    let all = everything();
    let never: Vec<_> = all.iter().filter(|what| tally.of(what) == 0).collect();
    assert!(never.is_empty(), "never done: {never:?}");

    check_forest(&site.tree);
    assert_eq!(check_books(&site.tree, tenants), tally.of("expired"), "expired for one side only");
    let mut worker = site.tree.worker().expect("a worker");
    assert_eq!(worker.expire(Now(u64::MAX - 1)), Ok(vec![]));
    assert_eq!(site.tree.next_deadline(), None);
    drop(worker);

    assert!(site.tree.snapshot().overcommitted().unwrap().is_empty());
    let dump = site.tree.snapshot().dump().unwrap();
    assert!(dump.consumers.is_empty() && dump.providers.iter().all(|it| it.used.is_empty()));
    for class in [VCPU, MEMORY, DISK, GPU] {
        let shares = dump.providers.iter().any(|it| {
            let is_shared = it.configuration.traits.contains(&Trait::MISC_SHARES_VIA_AGGREGATE);
            is_shared && it.configuration.inventories.get(class).is_some()
        });
        assert_eq!(site.tree.has_sharing_provider(class), shares, "{class}");
    }
    let remove = |root: &Provider| site.tree.remove(root).expect("nothing is held any more");
    assert_eq!(site.tree.roots().iter().map(remove).sum::<usize>(), dump.providers.len());
    assert_no_leaks(&site.tree);
}

/// How much was done of everything, and what was refused for which reason.
fn report(tally: &Tally, metrics: &Metrics, seconds: f64) {
    let line = |what: &str, count: u64| {
        eprintln!("{what:<25} {count:>12} {:>10.0} /s", count as f64 / seconds);
    };
    for what in everything() {
        line(what, tally.of(what));
    }
    line("refused: over capacity", metrics.over_capacity);
    line("refused: unfit", metrics.unfit);
    line("refused: out of service", metrics.out_of_service);
    line("refused: conflicts", metrics.conflicts);
    line("refused: other reasons", metrics.other_refusals);
    line("retries", metrics.retries);
    line("helps", metrics.helps);
}

#[test]
fn all_guarantees_hold() {
    let site = Site::new();
    let site = &site;
    let tenant = |number| Tenant::new(&site.tree, number, CONSUMERS, &site.clock);
    let mut tenants: Vec<_> = (0..CLIENTS).map(tenant).collect();
    let mut storm = Storm::new("all_guarantees_hold");
    let began = Instant::now();
    for (tenant, corner) in tenants.iter_mut().zip(&site.corners) {
        storm.thread("client", |gust| {
            let mut client = Client::new(site, *corner, tenant, gust);
            while site.goes_on(gust) {
                let at = gust.rng.below(40) as u32;
                stalling(at, || client.act(gust));
                pause(&mut gust.rng);
            }
            client.leave(gust);
        });
    }
    storm.thread("keeper", |gust| {
        let keeper = Keeper::new(site);
        while site.goes_on(gust) {
            let at = gust.rng.below(40) as u32;
            stalling(at, || keeper.act(gust));
            pause(&mut gust.rng);
        }
    });
    storm.thread("builder", |gust| {
        let builder = Builder { site };
        while site.goes_on(gust) {
            let at = gust.rng.below(40) as u32;
            stalling(at, || builder.act(gust));
            pause(&mut gust.rng);
        }
    });
    storm.thread("expirer", |gust| {
        let mut worker = site.tree.worker().expect("a worker");
        while site.goes_on(gust) {
            let at = gust.rng.below(40) as u32;
            stalling(at, || site.expire(gust, &mut worker));
            pause(&mut gust.rng);
        }
    });
    storm.thread("archivist", |gust| {
        let mut ring = Ring::new(&site.tree);
        while gust.blows() {
            let at = gust.rng.below(100) as u32;
            stalling(at, || ring.act(gust, |rng| site.someone(rng)));
            pause(&mut gust.rng);
        }
    });
    storm.thread("watcher", |gust| {
        let mut watcher = Watcher { site, generations: HashMap::new() };
        while gust.blows() {
            let at = gust.rng.below(400) as u32;
            stalling(at, || watcher.act(gust));
        }
    });
    let tally = storm.run();
    let metrics = site.tree.metrics();
    report(&tally, &metrics, began.elapsed().as_secs_f64());
    finish(site, tenants, &tally, &metrics);
}
