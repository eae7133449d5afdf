//! The soak: everything that there is, at once, for as long as one likes.
//!
//! Each client keeps books of consumers that only it changes, so that it knows what the forest has
//! to say of them. Expirers end its leases meanwhile, a keeper configures, a builder changes the
//! structure, an archivist holds hundreds of snapshots, and a watcher checks what must hold for all.
//! Threads stop at random, also within calls; what the library calls back panics at random.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use provider_tree::{
    Batch, Claim, Dump, Error, Expect, Fault, Inventories, Inventory, Lease, Metrics, Provider,
    ProviderSpec, ProviderTree, Receipt, ResourceClass, Resources, Result, Trait, Worker,
};
use uuid::Uuid;

use crate::books::assert_no_leaks;
use crate::forest::{check_amid_changes, check_forest, check_walk};
use crate::rig::{Gust, Rng, Storm, Tally};
use crate::ring::{self, Ring};
use crate::stall::stalling;
use crate::tenant::{Line, Sums, Tenant, check_books};
use crate::usage::some_inventories;
use crate::{DISK, GPU, MEMORY, THREADS, VCPU};

const CLIENTS: usize = THREADS - 4;
const HOSTS: u64 = 5;
const ELASTIC: u64 = 3;
const FLAGS: u128 = 3;

/// Providers of the yard that are created one by one, and those that are populated.
const SINGLE: u64 = 16;
const LISTED: u64 = 6;

/// What a host has, and a door, and a room.
const CPUS: u64 = 36;
const MEGABYTES: u64 = 64;

/// Most consumers in a client's books, and most leases.
const BOOKED: usize = 16;

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
const RELEASES: [&str; 4] = ["release", "put back", "forget", "release a lease"];
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
    clock: AtomicU64,
    /// Whether all stop for a while, so that a dump comes to its end.
    paused: AtomicBool,
    expired: Mutex<HashMap<Uuid, Side>>,
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

/// Who has noted that a lease expired. It takes both, once each.
#[derive(PartialEq, Eq, Debug)]
enum Side {
    Owner,
    Expirer,
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

fn wanted(consumer: Uuid, lines: &[Line]) -> Claim {
    lines.iter().fold(Claim::new(consumer), |claim, (provider, class, amount)| {
        claim.take(provider, *class, *amount)
    })
}

fn sum<'l>(lines: impl IntoIterator<Item = &'l Line>) -> Sums {
    let mut sums = Sums::new();
    for (provider, class, amount) in lines {
        *sums.entry((provider.uuid(), *class)).or_default() += amount;
    }
    sums
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
            tree.set_inventories(&made, inventories, Expect::Any).expect("it exists");
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
        tree.update_resources(&diary, page(0), Expect::Any).expect("it exists");
        Site {
            hosts: (0..HOSTS).map(|number| make(None, format!("host-{number}"), whole())).collect(),
            elastic: (0..ELASTIC)
                .map(|number| make(None, format!("elastic-{number}"), whole()))
                .collect(),
            corners: (0..CLIENTS).map(corner).collect(),
            desk: make(Some(&teams[0]), "desk".to_owned(), Inventories::new()),
            diary,
            flags: (0..FLAGS).map(flag).collect(),
            clock: AtomicU64::new(1),
            paused: AtomicBool::new(false),
            expired: Mutex::default(),
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

    /// Notes that a lease expired; fails if the same side has said so before.
    fn note_expiry(&self, consumer: Uuid, side: Side) {
        let mut expired = self.expired.lock().unwrap_or_else(PoisonError::into_inner);
        match expired.remove(&consumer) {
            Some(other) => assert_ne!(other, side, "{consumer} expired twice"),
            None => drop(expired.insert(consumer, side)),
        }
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
        let ended = worker.expire(now).expect("there is room");
        for receipt in &ended {
            self.note_expiry(receipt.consumer, Side::Expirer);
        }
        gust.add("expired", ended.len() as u64);
    }
}

/// A lease, as its owner last knew it.
struct Leased {
    lease: Lease,
    generation: u64,
    deadline: u64,
}

struct Client<'a> {
    site: &'a Site,
    corner: Corner,
    worker: Worker,
    /// Consumers that nobody else changes, at these generations.
    books: Vec<(Uuid, u64)>,
    leases: Vec<Leased>,
    /// The consumer that lives where the inventory is, and the index of that shape.
    resident: (Uuid, u64),
    home: usize,
}

impl<'a> Client<'a> {
    fn new(site: &'a Site, corner: Corner, gust: &mut Gust<'_>) -> Self {
        let mut worker = site.tree.worker().expect("a worker");
        let resident = gust.rng.uuid();
        let settled = worker.claim(&wanted(resident, &[(corner.shapes[0], VCPU, CPUS)]));
        let settled = gust.expect("settle", settled, |_| false).expect("it fits");
        let (books, leases) = (Vec::new(), Vec::new());
        let resident = (resident, settled.generation);
        Client { site, corner, worker, books, leases, resident, home: 0 }
    }

    fn act(&mut self, gust: &mut Gust<'_>) {
        if self.books.len() > BOOKED {
            self.release(gust);
        }
        match gust.rng.below(24) {
            0..=2 => self.claim(gust),
            3..=4 => self.claim_on_a_condition(gust),
            5..=6 => self.claim_along_a_chain(gust),
            7 => self.claim_in_part(gust),
            8 => self.claim_as_a_gang(gust),
            9..=10 => self.race(gust),
            11 => self.relocate(gust),
            12 => self.swap(gust),
            13 => self.evict_and_place(gust),
            14 => self.reshape(gust),
            15 => self.cordon(gust),
            16..=18 => self.lease(gust),
            19..=20 => self.end_or_renew(gust),
            21 if gust.rng.percent(20) => self.site.expire(gust, &mut self.worker),
            _ => self.release(gust),
        }
    }

    /// What a consumer holds now; none if it does not exist.
    fn held(&self, consumer: Uuid) -> Option<(u64, Sums)> {
        let found = self.site.tree.allocations(consumer)?;
        let amounts = found.allocations.iter();
        let sums = amounts.map(|held| ((held.provider, held.class), held.amount)).collect();
        Some((found.generation, sums))
    }

    /// The same with handles. What is held can't go.
    fn lines_of(&self, consumer: Uuid) -> Vec<Line> {
        let (_, sums) = self.held(consumer).expect("in the books");
        let line = |((provider, class), amount): ((Uuid, ResourceClass), u64)| {
            (self.site.tree.find(provider).expect("held, so it exists"), class, amount)
        };
        sums.into_iter().map(line).collect()
    }

    /// Books a new consumer, or makes sure that there is none.
    fn conclude(
        &mut self,
        gust: &mut Gust<'_>,
        what: &'static str,
        (consumer, lines): (Uuid, &[Line]),
        made: Result<Receipt>,
        explained: impl Fn(&Error) -> bool,
    ) {
        let site = self.site;
        match gust.expect(what, made, |error| site.explains(error) || explained(error)) {
            Some(receipt) => {
                let Receipt { consumer: made, generation } = receipt;
                assert_eq!(made, consumer);
                assert_eq!(self.held(consumer), Some((generation, sum(lines))));
                self.books.push((consumer, generation));
            }
            None => assert_eq!(self.held(consumer), None, "a refused {what}"),
        }
    }

    fn claim(&mut self, gust: &mut Gust<'_>) {
        let (consumer, lines) = (gust.rng.uuid(), self.site.some_lines(&mut gust.rng));
        let claim = wanted(consumer, &lines);
        let made = self.worker.claim(&claim);
        if let (Ok(Receipt { generation, .. }), true) = (&made, gust.rng.percent(10)) {
            let again = self.worker.claim(&claim);
            assert_eq!(again, Err(Error::AlreadyHeld { consumer, generation: *generation }));
        }
        self.conclude(gust, "claim", (consumer, &lines), made, |_| false);
    }

    /// A generation that is over never comes back.
    fn claim_on_a_condition(&mut self, gust: &mut Gust<'_>) {
        let (consumer, lines) = (gust.rng.uuid(), self.site.some_lines(&mut gust.rng));
        let provider = self.site.someone(&mut gust.rng);
        let Ok(data) = self.site.tree.data(&provider) else { return };
        let is_over = data.generation > 0 && gust.rng.percent(20);
        let rested_on = data.generation - u64::from(is_over);
        let claim = wanted(consumer, &lines).rest_on(&provider, rested_on);
        let made = self.worker.claim(&claim);
        assert!(made.is_err() || !is_over, "{provider:?} is past generation {rested_on}");
        self.conclude(gust, "claim on a condition", (consumer, &lines), made, |error| {
            matches!(error, Error::GenerationConflict { provider: at, expected, actual }
                if *at == provider.uuid() && *expected == rested_on && *actual > rested_on)
        });
    }

    fn claim_along_a_chain(&mut self, gust: &mut Gust<'_>) {
        let site = self.site;
        let (consumer, amount) = (gust.rng.uuid(), gust.rng.up_to(3));
        let host = *gust.rng.pick(&site.hosts);
        let claim = wanted(consumer, &[(host, VCPU, amount)]).take_chain(&site.desk, VCPU, amount);
        let made = self.worker.claim(&claim);
        let made = gust.expect("claim along a chain", made, |error| site.explains(error));
        if let Some(Receipt { generation, .. }) = made {
            let held = self.held(consumer).expect("just claimed");
            let along =
                |team: Provider| sum(&[host, site.organisation, team].map(|it| (it, VCPU, amount)));
            let chains = site.teams.map(|team| (generation, along(team)));
            assert!(chains.contains(&held), "not one chain: {held:?}");
            self.books.push((consumer, generation));
        }
    }

    fn claim_in_part(&mut self, gust: &mut Gust<'_>) {
        let site = self.site;
        let (consumer, lines) = (gust.rng.uuid(), site.some_lines(&mut gust.rng));
        let made = self.worker.claim_partly(&wanted(consumer, &lines));
        let all_explained = |refused: &[(usize, Error)]| {
            refused.iter().all(|(at, error)| *at < lines.len() && site.explains(error))
        };
        let made = gust.expect("claim in part", made, |error| match error {
            Error::TooFewFit { fit: 0, at_least: 1, refused } => {
                refused.len() == lines.len() && all_explained(refused)
            }
            _ => false,
        });
        let Some(made) = made else {
            assert_eq!(self.held(consumer), None);
            return;
        };
        assert!(all_explained(&made.refused), "{made:?}");
        let is_had = |at: &usize| made.refused.iter().all(|(refused, _)| refused != at);
        let had = (0..lines.len()).filter(is_had).map(|at| &lines[at]);
        let generation = made.receipt.generation;
        assert_eq!(self.held(consumer), Some((generation, sum(had))));
        self.books.push((consumer, generation));
    }

    fn claim_as_a_gang(&mut self, gust: &mut Gust<'_>) {
        let site = self.site;
        let size = 1 + gust.rng.up_to(4) as usize;
        let at_least = gust.rng.up_to(size as u64) as usize;
        let member = |rng: &mut Rng| (rng.uuid(), site.some_lines(rng));
        let members: Vec<_> = (0..size).map(|_| member(&mut gust.rng)).collect();
        let claims: Vec<_> =
            members.iter().map(|(consumer, lines)| wanted(*consumer, lines)).collect();
        let made = self.worker.claim_gang(&claims, at_least);
        let made = gust.expect("gang", made, |error| match error {
            Error::TooFewFit { fit, at_least: needed, refused } => {
                *needed == at_least
                    && *fit < at_least
                    && fit + refused.len() == size
                    && refused.iter().all(|(_, error)| site.explains(error))
            }
            _ => false,
        });
        let made = made.inspect(|made| {
            assert!(made.iter().filter(|member| member.is_ok()).count() >= at_least, "{made:?}");
        });
        for (at, (consumer, lines)) in members.iter().enumerate() {
            match made.as_ref().map(|made| &made[at]) {
                Some(Ok(receipt)) => {
                    assert_eq!(receipt.consumer, *consumer);
                    assert_eq!(self.held(*consumer), Some((receipt.generation, sum(lines))));
                    self.books.push((*consumer, receipt.generation));
                }
                refused => {
                    let reason = refused.and_then(|refused| refused.as_ref().err());
                    assert!(reason.is_none_or(|error| site.explains(error)), "{reason:?}");
                    assert_eq!(self.held(*consumer), None, "a member that was refused");
                }
            }
        }
    }

    /// Claims what all want, or gives it back: nobody else has it meanwhile.
    fn race(&mut self, gust: &mut Gust<'_>) {
        let site = self.site;
        let (flag, seat) = (gust.rng.pick(&site.flags), gust.seat + 1);
        if flag.owner.load(SeqCst) == seat {
            self.lower(gust, flag);
            return;
        }
        let claim = wanted(flag.consumer, &[(site.hosts[0], VCPU, gust.rng.up_to(2))]);
        let won = gust.expect("claim of one for many", self.worker.claim(&claim), |error| {
            matches!(error, Error::ConsumerExists { .. } | Error::AlreadyHeld { .. })
                || site.explains(error)
        });
        if won.is_some() {
            assert_eq!(flag.owner.swap(seat, SeqCst), 0, "two have {}", flag.consumer);
        }
    }

    fn lower(&mut self, gust: &mut Gust<'_>, flag: &Flag) {
        assert_eq!(flag.owner.swap(0, SeqCst), gust.seat + 1);
        gust.expect("release", self.worker.release(flag.consumer), |_| false);
    }

    /// Takes a random consumer out of the books, after a look whether it is as they say.
    fn someone_booked(&mut self, gust: &mut Gust<'_>) -> Option<(Uuid, u64)> {
        if self.books.is_empty() {
            return None;
        }
        let (consumer, generation) = self.books.swap_remove(gust.rng.index(self.books.len()));
        let found = self.held(consumer).map(|(generation, _)| generation);
        assert_eq!(found, Some(generation), "{consumer} is in the books");
        Some((consumer, generation))
    }

    fn release(&mut self, gust: &mut Gust<'_>) {
        if let Some((consumer, generation)) = self.someone_booked(gust) {
            let released = gust.expect("release", self.worker.release(consumer), |_| false);
            assert_eq!(released, Some(Receipt { consumer, generation }));
            assert_eq!(self.held(consumer), None);
        }
    }

    /// Commits a batch; says whether it was made, with these receipts.
    fn commit(
        &mut self,
        gust: &mut Gust<'_>,
        what: &'static str,
        batch: &Batch,
        receipts: &[(Uuid, u64)],
        explained: impl Fn(&Error) -> bool,
    ) -> bool {
        let receipts: Vec<_> = receipts.iter().map(|&(uuid, of)| (uuid, Some(of))).collect();
        self.commit_new(gust, what, batch, &receipts, explained).is_some()
    }

    /// Commits a batch that begins lives: without a generation, whichever it is. Returns the receipts.
    fn commit_new(
        &mut self,
        gust: &mut Gust<'_>,
        what: &'static str,
        batch: &Batch,
        receipts: &[(Uuid, Option<u64>)],
        explained: impl Fn(&Error) -> bool,
    ) -> Option<Vec<Receipt>> {
        let made = gust.expect(what, self.worker.commit(batch), explained)?;
        assert_eq!(made.len(), receipts.len());
        for (receipt, (consumer, generation)) in made.iter().zip(receipts) {
            assert_eq!(receipt.consumer, *consumer);
            assert!(generation.is_none_or(|expected| receipt.generation == expected));
        }
        Some(made)
    }

    fn relocate(&mut self, gust: &mut Gust<'_>) {
        let Some((consumer, generation)) = self.someone_booked(gust) else { return };
        let (site, lines) = (self.site, self.site.some_lines(&mut gust.rng));
        let batch = Batch::new().replace(wanted(consumer, &lines), Expect::Generation(generation));
        let next = (consumer, generation + 1);
        let moved = self.commit(gust, "move", &batch, &[next], |error| site.explains(error));
        if moved {
            assert_eq!(self.held(consumer), Some((next.1, sum(&lines))));
        }
        self.books.push(if moved { next } else { (consumer, generation) });
    }

    /// Two change places. What goes to each is given back by the other, so that there is room.
    fn swap(&mut self, gust: &mut Gust<'_>) {
        let Some(one) = self.someone_booked(gust) else { return };
        let other = self.someone_booked(gust);
        let mut after = vec![Some(one), other];
        if let Some(other) = other {
            let lines = [one, other].map(|(consumer, _)| self.lines_of(consumer));
            let batch = Batch::new()
                .replace(wanted(one.0, &lines[1]), Expect::Generation(one.1))
                .replace(wanted(other.0, &lines[0]), Expect::Generation(other.1));
            let next = [one, other].map(|(consumer, generation)| (consumer, generation + 1));
            if self.commit(gust, "swap", &batch, &next, self_made_room) {
                let held = next.map(|(consumer, _)| self.held(consumer));
                assert_eq!(held[0], Some((next[0].1, sum(&lines[1]))));
                assert_eq!(held[1], Some((next[1].1, sum(&lines[0]))));
                after = next.map(Some).to_vec();
            }
        }
        self.books.extend(after.into_iter().flatten());
    }

    fn evict_and_place(&mut self, gust: &mut Gust<'_>) {
        let Some((old, generation)) = self.someone_booked(gust) else { return };
        let (new, lines) = (gust.rng.uuid(), self.lines_of(old));
        let batch =
            Batch::new().release(old, Expect::Generation(generation)).claim(wanted(new, &lines));
        let receipts = [(old, Some(generation)), (new, None)];
        let made = self.commit_new(gust, "evict and place", &batch, &receipts, self_made_room);
        let (stays, goes) = if made.is_some() { (new, old) } else { (old, new) };
        let generation = made.map_or(generation, |made| made[1].generation);
        assert_eq!(self.held(stays), Some((generation, sum(&lines))));
        assert_eq!(self.held(goes), None);
        self.books.push((stays, generation));
    }

    /// The inventory moves from one provider to the other, with what is held of it.
    fn reshape(&mut self, gust: &mut Gust<'_>) {
        let (consumer, generation) = self.resident;
        let shapes = self.corner.shapes;
        let (from, to) = (&shapes[self.home], &shapes[1 - self.home]);
        let batch = Batch::new()
            .set_inventories(from, Inventories::new(), Expect::Any)
            .set_inventories(to, cpus(CPUS), Expect::Any)
            .replace(wanted(consumer, &[(*to, VCPU, CPUS)]), Expect::Generation(generation));
        let next = (consumer, generation + 1);
        assert!(self.commit(gust, "reshape", &batch, &[next], |_| false));
        (self.resident, self.home) = (next, 1 - self.home);
        assert_eq!(self.held(consumer), Some((next.1, sum(&[(*to, VCPU, CPUS)]))));
    }

    /// While door and room are cordoned, and nobody else could end that, nothing more is taken.
    fn cordon(&mut self, gust: &mut Gust<'_>) {
        let (tree, Corner { door, room, .. }) = (&self.site.tree, self.corner);
        let used = || [door, room].map(|it| tree.usage(&it, VCPU).expect("it stays").used);
        assert_eq!(tree.cordon(&door), Ok(true));
        let mut before = used();
        for provider in [door, room] {
            let refused = self.worker.claim(&wanted(gust.rng.uuid(), &[(provider, VCPU, 1)]));
            assert_eq!(refused, Err(Error::Cordoned { provider: provider.uuid() }));
            pause(&mut gust.rng);
            let after = used();
            assert!(after[0] <= before[0] && after[1] <= before[1], "{before:?}, then {after:?}");
            before = after;
        }
        assert_eq!(tree.is_cordoned(&room), Ok(true));
        assert_eq!(tree.uncordon(&door), Ok(true));
        gust.count("cordon");
    }

    fn lease(&mut self, gust: &mut Gust<'_>) {
        let site = self.site;
        if self.leases.len() > BOOKED {
            self.end_or_renew(gust);
        }
        let (consumer, lines) = (gust.rng.uuid(), site.some_lines(&mut gust.rng));
        let deadline = site.now() + gust.rng.up_to(400);
        let leased = self.worker.lease(&wanted(consumer, &lines), deadline);
        match gust.expect("lease", leased, |error| site.explains(error)) {
            Some(lease) => {
                let Receipt { consumer: leased, generation } = lease.receipt();
                assert_eq!(leased, consumer);
                self.leases.push(Leased { lease, generation, deadline });
            }
            None => assert_eq!(self.held(consumer), None, "a refused lease"),
        }
    }

    /// Does something with a random lease. If that says it has ended, it is over for good.
    fn end_or_renew(&mut self, gust: &mut Gust<'_>) {
        if self.leases.is_empty() {
            return;
        }
        let site = self.site;
        let on_the_verge = gust.rng.percent(50);
        let next = (0..self.leases.len()).min_by_key(|at| self.leases[*at].deadline);
        let random = gust.rng.index(self.leases.len());
        let chosen = next.filter(|_| on_the_verge).unwrap_or(random);
        let Leased { lease, generation, deadline } = self.leases.swap_remove(chosen);
        let consumer = lease.consumer();
        // By this client's clock the lease is good still, while others expire it by theirs.
        let now = if on_the_verge { deadline - 1 } else { site.now() };
        if on_the_verge {
            site.clock.fetch_max(deadline, SeqCst);
            (0..gust.rng.below(300)).for_each(|_| std::hint::spin_loop());
        }
        let ended = |error: &Error| *error == Error::LeaseEnded { consumer };
        match gust.rng.below(8) {
            0..=2 => {
                let confirmed = self.worker.confirm(&lease, now);
                let Some(receipt) = gust.expect("confirm", confirmed, ended) else {
                    return self.bury(gust, &lease, deadline);
                };
                assert!(now < deadline, "confirmed at {now}, due at {deadline}");
                assert_eq!(receipt, Receipt { consumer, generation: generation + 1 });
                let forgotten = self.worker.forget(&lease);
                assert_eq!(forgotten, Err(Error::NotLeased { consumer }), "it is confirmed");
                self.books.push((consumer, receipt.generation));
            }
            3..=4 => {
                let later = now + gust.rng.up_to(400);
                let renewed = self.worker.renew(&lease, later, now);
                let Some(receipt) = gust.expect("renew", renewed, ended) else {
                    return self.bury(gust, &lease, deadline);
                };
                assert_eq!(receipt, Receipt { consumer, generation: generation + 1 });
                let (generation, deadline) = (receipt.generation, later);
                self.leases.push(Leased { lease, generation, deadline });
            }
            5 => {
                let lines = site.some_lines(&mut gust.rng);
                let expect = Expect::Generation(generation);
                let replaced = self.worker.replace(&wanted(consumer, &lines), expect);
                let is_gone = matches!(replaced, Err(Error::ConsumerConflict { actual: None, .. }));
                let replaced = gust
                    .expect("replace a lease", replaced, |error| is_gone || site.explains(error));
                if is_gone {
                    return self.bury(gust, &lease, deadline);
                }
                let generation = generation + u64::from(replaced.is_some());
                self.leases.push(Leased { lease, generation, deadline });
            }
            6 => {
                let released = self.worker.release(consumer);
                let gone = |error: &Error| *error == Error::ConsumerNotFound { consumer };
                if gust.expect("release a lease", released, gone).is_none() {
                    self.bury(gust, &lease, deadline);
                }
            }
            _ => self.bury(gust, &lease, u64::MAX),
        }
    }

    /// Forgets a lease, which may have expired; nothing brings it back.
    fn bury(&mut self, gust: &mut Gust<'_>, lease: &Lease, deadline: u64) {
        let consumer = lease.consumer();
        let ended = Error::LeaseEnded { consumer };
        let now = self.site.now();
        // Without a deadline, the owner just has no use for it.
        assert!(deadline == u64::MAX || now >= deadline, "{now} before {deadline}");
        let forgotten = self.worker.forget(lease);
        if gust.expect("forget", forgotten, |error| *error == ended).is_none() {
            self.site.note_expiry(consumer, Side::Owner);
        }
        assert_eq!(self.worker.confirm(lease, 0), Err(ended.clone()));
        assert_eq!(self.worker.renew(lease, u64::MAX - 1, 0), Err(ended));
        assert_eq!(self.held(consumer), None, "the lease has ended");
    }

    /// Gives everything back.
    fn leave(&mut self, gust: &mut Gust<'_>) {
        while !self.books.is_empty() {
            self.release(gust);
        }
        while let Some(leased) = self.leases.pop() {
            self.bury(gust, &leased.lease, u64::MAX);
        }
        let site = self.site;
        for flag in &site.flags {
            if flag.owner.load(SeqCst) == gust.seat + 1 {
                self.lower(gust, flag);
            }
        }
        gust.expect("release", self.worker.release(self.resident.0), |_| false);
    }
}

/// Refusals of a batch that takes just what it gives back.
fn self_made_room(error: &Error) -> bool {
    matches!(error, Error::Cordoned { .. } | Error::UnitViolation { .. })
}

/// What an injected panic carries.
struct Injected;

thread_local! {
    /// Whether the next comparison of a `Touchy` panics.
    static FUSE: Cell<bool> = const { Cell::new(false) };
}

/// A resource whose comparison may panic.
struct Touchy(u64);

impl PartialEq for Touchy {
    fn eq(&self, other: &Self) -> bool {
        if FUSE.replace(false) {
            resume_unwind(Box::new(Injected));
        }
        self.0 == other.0
    }
}

/// What the diary says.
fn page(number: u64) -> Resources {
    Resources::new().with(DISK, Touchy(number))
}

fn panicking<T>() -> impl Iterator<Item = T> {
    std::iter::from_fn(|| resume_unwind(Box::new(Injected)))
}

/// The thread that configures.
struct Keeper<'a> {
    site: &'a Site,
    traits: Vec<Trait>,
    aggregates: Vec<Uuid>,
}

impl<'a> Keeper<'a> {
    fn new(site: &'a Site) -> Self {
        let names = ["CUSTOM_FAST", "CUSTOM_COLD", "CUSTOM_FAR"];
        let traits = names.map(|name| Trait::new(name).expect("a name"));
        let traits = traits.into_iter().chain([Trait::MISC_SHARES_VIA_AGGREGATE]).collect();
        Keeper { site, traits, aggregates: (0..3).map(Uuid::from_u128).collect() }
    }

    fn act(&self, gust: &mut Gust<'_>) {
        match gust.rng.below(10) {
            0..=2 => self.set_inventories(gust),
            3..=4 => self.set_traits(gust),
            5 => self.set_aggregates(gust),
            6 => self.populate(gust),
            7 => {
                let team = gust.rng.pick(&self.site.teams);
                let moved = self.site.tree.reparent(&self.site.desk, Some(team));
                gust.expect("reparent", moved, |_| false);
            }
            8 => self.panic(gust),
            _ => self.write(gust),
        }
    }

    /// At any generation, at the current one or at one that is over.
    fn expect(&self, rng: &mut Rng, provider: &Provider) -> Expect {
        let generation = self.site.tree.data(provider).map_or(0, |data| data.generation);
        match rng.below(4) {
            0..=1 => Expect::Any,
            2 => Expect::Generation(generation),
            _ => Expect::Generation(generation.saturating_sub(1)),
        }
    }

    fn is_conflict(error: &Error) -> bool {
        match error {
            Error::GenerationConflict { expected, actual, .. } => expected < actual,
            Error::Removed { provider } => provider.as_u64_pair().0 == u64::MAX,
            _ => false,
        }
    }

    fn set_inventories(&self, gust: &mut Gust<'_>) {
        let (tree, elastic) = (&self.site.tree, *gust.rng.pick(&self.site.elastic));
        let inventories = some_inventories(&mut gust.rng);
        let expect = self.expect(&mut gust.rng, &elastic);
        let (what, set) = match gust.rng.percent(50) {
            true => ("set inventories", tree.set_inventories(&elastic, inventories, expect)),
            false => ("update inventories", tree.update_inventories(&elastic, inventories, expect)),
        };
        gust.expect(what, set, |error| match error {
            Error::InUse { used, .. } => *used > 0,
            error => Self::is_conflict(error),
        });
    }

    fn set_traits(&self, gust: &mut Gust<'_>) {
        let (tree, provider) = (&self.site.tree, self.site.someone(&mut gust.rng));
        let expect = self.expect(&mut gust.rng, &provider);
        let some = |rng: &mut Rng| [*rng.pick(&self.traits), *rng.pick(&self.traits)];
        let traits = some(&mut gust.rng);
        let set = match gust.rng.below(4) {
            0 => tree.set_traits(&provider, traits, expect).map(|_| ()),
            1 => tree.update_traits(&provider, traits, expect).map(|_| ()),
            2 => tree.add_traits(&provider, traits, expect).map(|_| ()),
            _ => tree.remove_traits(&provider, traits, expect).map(|_| ()),
        };
        gust.expect("traits", set, Self::is_conflict);
    }

    fn set_aggregates(&self, gust: &mut Gust<'_>) {
        let (tree, provider) = (&self.site.tree, self.site.someone(&mut gust.rng));
        let expect = self.expect(&mut gust.rng, &provider);
        let aggregate = [*gust.rng.pick(&self.aggregates)];
        let set = match gust.rng.percent(50) {
            true => tree.add_aggregates(&provider, aggregate, expect),
            false => tree.remove_aggregates(&provider, aggregate, expect),
        };
        gust.expect("aggregates", set, Self::is_conflict);
    }

    /// The whole listed part of the yard, in another shape; what is not listed goes.
    fn populate(&self, gust: &mut Gust<'_>) {
        let spec = |number: u64| {
            let name = format!("listed-{number}");
            let inventories = cpus(4 + number % 5).with(MEMORY, Inventory::new(MEGABYTES));
            ProviderSpec::new(yard(number), name).with_inventories(inventories)
        };
        let mut list = vec![spec(SINGLE)];
        for number in SINGLE + 1..SINGLE + LISTED {
            if gust.rng.percent(80) {
                let parent = gust.rng.pick(&list).uuid;
                list.push(spec(number).with_parent(parent));
            }
        }
        let populated = self.site.tree.populate(&list);
        let populated = gust.expect("populate", populated, |error| match error {
            Error::InvalidEntries { faults } => {
                faults.iter().all(|fault| matches!(fault, Fault::InUse { used: 1.., .. }))
            }
            _ => false,
        });
        if let Some(populated) = populated {
            assert!(populated.iter().zip(&list).all(|(made, spec)| made.uuid() == spec.uuid));
        }
    }

    /// A call that panics changes nothing.
    fn panic(&self, gust: &mut Gust<'_>) {
        let (tree, diary) = (&self.site.tree, &self.site.diary);
        let before = tree.data(diary).expect("it stays");
        let choice = gust.rng.below(3);
        let unwound = catch_unwind(AssertUnwindSafe(|| match choice {
            0 => tree.set_traits(diary, panicking(), Expect::Any).map(drop),
            1 => tree.add_aggregates(diary, panicking(), Expect::Any).map(drop),
            _ => {
                FUSE.set(true);
                tree.update_resources(diary, page(0), Expect::Any).map(drop)
            }
        }));
        match unwound {
            Err(panic) if panic.is::<Injected>() => gust.count("panic"),
            Err(panic) => resume_unwind(panic),
            Ok(outcome) => panic!("the library has not called back: {outcome:?}"),
        }
        assert_eq!(tree.data(diary), Ok(before));
    }

    fn write(&self, gust: &mut Gust<'_>) {
        let (tree, diary) = (&self.site.tree, &self.site.diary);
        let before = tree.data(diary).expect("it stays").generation;
        let page = page(gust.rng.below(4));
        let written = tree.update_resources(diary, page.clone(), Expect::Generation(before));
        let written = gust.expect("resources", written, |_| false).expect("only the keeper writes");
        assert_eq!(written.generation, before + u64::from(written.changed));
        assert_eq!(tree.have_resources_changed(diary, &page), Ok(false));
    }
}

/// The thread that changes the structure of the yard, as populations do at the same time.
struct Builder<'a> {
    site: &'a Site,
}

impl Builder<'_> {
    fn act(&self, gust: &mut Gust<'_>) {
        let (site, tree) = (self.site, &self.site.tree);
        let choice = gust.rng.below(12);
        if choice < 4 {
            return self.create(gust);
        }
        let Some(provider) = site.in_yard(&mut gust.rng) else { return };
        let is_gone = |error: &Error| matches!(error, Error::Removed { .. });
        let may_not_go =
            |error: &Error| matches!(error, Error::InUse { used: 1.., .. }) || is_gone(error);
        match choice {
            4 => {
                let removed = tree.remove(&provider);
                if gust.expect("remove", removed, may_not_go).is_some() {
                    let gone = Error::Removed { provider: provider.uuid() };
                    assert_eq!(tree.usages(&provider), Err(gone));
                }
            }
            5 => {
                let removed = tree.remove_leaf(&provider);
                gust.expect("remove leaf", removed, |error| {
                    matches!(error, Error::HasChildren { .. }) || may_not_go(error)
                });
            }
            6..=7 => {
                let parent = site.in_yard(&mut gust.rng).filter(|_| gust.rng.percent(80));
                let moved = tree.reparent(&provider, parent.as_ref());
                gust.expect("reparent", moved, |error| {
                    matches!(error, Error::WouldCycle { .. }) || is_gone(error)
                });
            }
            8 if provider.uuid().as_u64_pair().1 < SINGLE => {
                let name = format!("single-{}", gust.rng.below(SINGLE + 4));
                let renamed = tree.rename(&provider, &name);
                gust.expect("rename", renamed, |error| {
                    matches!(error, Error::NameExists { .. }) || is_gone(error)
                });
            }
            9 => drop(gust.expect("cordon", tree.cordon(&provider), is_gone)),
            10 => drop(gust.expect("uncordon", tree.uncordon(&provider), is_gone)),
            _ => self.furnish(gust, &provider),
        }
    }

    fn create(&self, gust: &mut Gust<'_>) {
        let tree = &self.site.tree;
        let uuid = yard(gust.rng.below(SINGLE));
        let name = format!("single-{}", gust.rng.below(SINGLE + 4));
        let parent = self.site.in_yard(&mut gust.rng);
        let created = match &parent {
            Some(parent) => tree.create_child(parent, &name, uuid),
            None => tree.create_root(&name, uuid),
        };
        let created = gust.expect("create", created, |error| match error {
            Error::UuidExists { uuid: taken } => *taken == uuid,
            Error::NameExists { name: taken } => *taken == name,
            Error::Removed { provider } => parent.is_some_and(|it| it.uuid() == *provider),
            _ => false,
        });
        if let Some(created) = created {
            self.furnish(gust, &created);
        }
    }

    /// Gives inventories, smaller ones now and then.
    fn furnish(&self, gust: &mut Gust<'_>, provider: &Provider) {
        let inventories = cpus(gust.rng.up_to(12));
        let inventories = match gust.rng.percent(80) {
            true => inventories.with(MEMORY, Inventory::new(gust.rng.up_to(MEGABYTES))),
            false => inventories,
        };
        let set = self.site.tree.set_inventories(provider, inventories, Expect::Any);
        gust.expect("set inventories", set, |error| {
            matches!(error, Error::InUse { used: 1.., .. } | Error::Removed { .. })
        });
    }
}

/// The thread that looks at what must hold for all.
struct Watcher<'a> {
    site: &'a Site,
    /// The generations at which providers were seen last.
    generations: HashMap<Provider, u64>,
}

impl Watcher<'_> {
    fn act(&mut self, gust: &mut Gust<'_>) {
        let tree = &self.site.tree;
        let is_first = self.generations.is_empty();
        self.look(gust);
        gust.count(if check_walk(tree) { "forest checked" } else { "forest changed" });
        for provider in tree.providers() {
            check_amid_changes(tree, gust, &provider);
        }
        if gust.rng.percent(5) {
            let audit = tree.audit();
            assert!(audit.differences.is_empty(), "{audit:?}");
            let is_steady = |uuid: &Uuid| self.site.steady().any(|it| it.uuid() == *uuid);
            assert!(!audit.overcommitted.iter().any(|over| is_steady(&over.provider)), "{audit:?}");
            gust.count("audit");
        }
        if is_first || gust.rng.below(200) == 0 {
            self.site.paused.store(true, SeqCst);
            let dump = tree.dump();
            self.site.paused.store(false, SeqCst);
            self.check_dump(&dump);
            gust.count("dump");
        }
    }

    /// No generation goes down, and nothing is used that a steady provider has not got.
    fn look(&mut self, gust: &mut Gust<'_>) {
        let tree = &self.site.tree;
        for provider in self.site.steady() {
            for (class, usage) in tree.usages(provider).expect("it stays") {
                assert!(usage.used <= usage.capacity, "{provider:?}, {class}: {usage:?}");
            }
        }
        let mut seen = HashMap::new();
        for provider in tree.providers() {
            let Ok(data) = tree.data(&provider) else { continue };
            let before = self.generations.get(&provider).copied().unwrap_or(0);
            assert!(data.generation >= before, "generation {before}, then {data:?}");
            seen.insert(provider, data.generation);
        }
        self.generations = seen;
        gust.count("look");
    }

    /// The books of one instant agree: a forest can be loaded from them, and is the same.
    fn check_dump(&self, dump: &Dump) {
        let copy = ProviderTree::load(dump).expect("the books of one instant agree");
        assert_eq!(copy.dump(), *dump);
        assert!(copy.audit().holds());
        let has_cpus = |shape: &Provider| {
            let found = dump.providers.iter().find(|it| it.data.uuid == shape.uuid());
            let inventories = &found.expect("it stays").data.inventories;
            inventories.get(VCPU).is_some()
        };
        for corner in &self.site.corners {
            let shapes = corner.shapes.each_ref().map(has_cpus);
            assert!(shapes[0] != shapes[1], "a reshape is seen half done: {shapes:?}");
        }
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

    let expired = site.expired.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(expired.is_empty(), "expired for one side only: {expired:?}");
    let mut worker = site.tree.worker().expect("a worker");
    assert_eq!(worker.expire(u64::MAX - 1), Ok(vec![]));
    assert_eq!(site.tree.next_deadline(), None);
    drop(worker);

    check_forest(&site.tree);
    check_books(&site.tree, tenants);
    assert!(site.tree.overcommitted().is_empty());
    let dump = site.tree.dump();
    assert!(dump.consumers.is_empty() && dump.providers.iter().all(|it| it.used.is_empty()));
    for class in [VCPU, MEMORY, DISK, GPU] {
        let shares = dump.providers.iter().any(|it| {
            let is_shared = it.data.traits.contains(&Trait::MISC_SHARES_VIA_AGGREGATE);
            is_shared && it.data.inventories.get(class).is_some()
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
    let mut tenants = Tenant::several(&site.tree, CLIENTS, 3);
    let mut storm = Storm::new("all_guarantees_hold");
    let began = Instant::now();
    for (tenant, corner) in tenants.iter_mut().zip(&site.corners) {
        storm.thread("client", |gust| {
            let mut client = Client::new(site, *corner, gust);
            while site.goes_on(gust) {
                let at = gust.rng.below(40) as u32;
                stalling(at, || client.act(gust));
                if gust.rng.percent(20) {
                    let among = [&site.hosts[..], &site.elastic].concat();
                    let line = |rng: &mut Rng| (*rng.pick(&among), VCPU, rng.up_to(5));
                    let lines: Vec<_> =
                        (0..gust.rng.up_to(3)).map(|_| line(&mut gust.rng)).collect();
                    tenant.act(gust, &lines, |error| site.explains(error));
                    tenant.check_that_what_is_held_stays(gust);
                }
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
