//! Hosts come, move and go with all they have below them, while their amounts change and tenants
//! claim from host and children as one.

use provider_tree::{Error, Expect, Inventories, Inventory, Provider, ProviderTree};
use uuid::Uuid;

use crate::books::assert_no_leaks;
use crate::forest::{check_amid_changes, check_forest, check_walk, data, distinct};
use crate::rig::{Gust, Rng, Storm};
use crate::tenant::{Line, Tenant, check_books};
use crate::usage::reconfigure;
use crate::{DISK, GPU, MEMORY, THREADS, VCPU};

const HOSTS: u64 = 12;
const GPUS: u64 = 3;

/// The uuid of a host, or with a number from 1 on, of one of its GPUs.
fn uuid(host: u64, gpu: u64) -> Uuid {
    Uuid::from_u64_pair(host + 1, gpu)
}

fn names(host: u64) -> [String; 2] {
    [format!("host-{host}"), format!("{host}-host")]
}

/// The forest and the racks, which always stay.
struct Site {
    tree: ProviderTree,
    racks: Vec<Provider>,
}

fn is_removed(error: &Error) -> bool {
    matches!(error, Error::Removed { .. })
}

/// Refusals when others may have been faster to create the same, or to remove what it belongs to.
fn is_taken_or_removed(error: &Error) -> bool {
    matches!(error, Error::UuidExists { .. } | Error::NameExists { .. } | Error::Removed { .. })
}

impl Site {
    fn new() -> Self {
        let tree = ProviderTree::new();
        let rack = |number| tree.create_root(&format!("rack-{number}"), None).expect("a new name");
        let racks = (0..2).map(rack).collect();
        Site { tree, racks }
    }

    fn build(&self, gust: &mut Gust<'_>) {
        match gust.rng.below(10) {
            0..=4 => self.build_host(gust),
            5..=7 => self.raze_host(gust),
            8 => self.move_host(gust),
            _ => self.rename_host(gust),
        }
    }

    fn build_host(&self, gust: &mut Gust<'_>) {
        let number = gust.rng.below(HOSTS);
        let (name, uuid) = (gust.rng.pick(&names(number)).clone(), uuid(number, 0));
        let created = match gust.rng.percent(80) {
            true => self.tree.create_child(gust.rng.pick(&self.racks), &name, uuid),
            false => self.tree.create_root(&name, uuid),
        };
        let taken =
            |error: &Error| matches!(error, Error::UuidExists { .. } | Error::NameExists { .. });
        let Some(host) = gust.expect("create", created, taken) else { return };
        let inventories = Inventories::new()
            .with(VCPU, Inventory::new(16))
            .with(MEMORY, Inventory::new(64))
            .with(DISK, Inventory::new(64));
        let set = self.tree.configure(&host, inventories, Expect::Any);
        gust.expect("set inventories", set, is_removed);
        for gpu in 1..=gust.rng.below(GPUS + 1) {
            self.build_gpu(gust, &host, number, gpu);
        }
    }

    fn build_gpu(&self, gust: &mut Gust<'_>, host: &Provider, number: u64, gpu: u64) {
        let name = format!("host-{number}-gpu-{gpu}");
        let created = self.tree.create_child(host, &name, uuid(number, gpu));
        if let Some(gpu) = gust.expect("create", created, is_taken_or_removed) {
            let inventories = Inventories::new().with(GPU, Inventory::new(2));
            let set = self.tree.configure(&gpu, inventories, Expect::Any);
            gust.expect("set inventories", set, is_removed);
        }
    }

    fn raze_host(&self, gust: &mut Gust<'_>) {
        let Some(host) = self.find_host(&mut gust.rng) else { return };
        let removed = gust.expect("remove", self.tree.remove(&host), |error| match error {
            Error::InUse { used, .. } => *used > 0,
            Error::Removed { provider } => *provider == host.uuid(),
            _ => false,
        });
        if let Some(count) = removed {
            assert_eq!(data(&self.tree, &host), None);
            gust.add("providers removed", count as u64);
        }
    }

    /// To a rack, below another host, or to the roots.
    fn move_host(&self, gust: &mut Gust<'_>) {
        let Some(host) = self.find_host(&mut gust.rng) else { return };
        let parent = match gust.rng.below(4) {
            0 => None,
            1 => self.find_host(&mut gust.rng),
            _ => Some(*gust.rng.pick(&self.racks)),
        };
        let moved = self.tree.reparent(&host, parent.as_ref());
        gust.expect("move", moved, |error| {
            matches!(error, Error::WouldCycle { .. } | Error::Removed { .. })
        });
    }

    fn rename_host(&self, gust: &mut Gust<'_>) {
        let number = gust.rng.below(HOSTS);
        let Some(host) = self.tree.find(uuid(number, 0)) else { return };
        let name = gust.rng.pick(&names(number)).clone();
        let renamed = self.tree.rename(&host, &name);
        gust.expect("rename", renamed, is_taken_or_removed);
    }

    fn configure(&self, gust: &mut Gust<'_>) {
        if let Some(host) = self.find_host(&mut gust.rng) {
            let below = self.tree.children(&host).unwrap_or_default();
            let itself = below.is_empty() || gust.rng.percent(50);
            let provider = if itself { host } else { *gust.rng.pick(&below) };
            reconfigure(&self.tree, gust, &provider);
        }
    }

    /// A host and its children, all wanted as one.
    fn some_lines(&self, rng: &mut Rng) -> Vec<Line> {
        let Some(host) = self.find_host(rng) else { return Vec::new() };
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
            tenant.act(gust, &lines, |error| {
                matches!(
                    error,
                    Error::CapacityExceeded { .. }
                        | Error::NoInventory { .. }
                        | Error::UnitViolation { .. }
                        | Error::Removed { .. }
                )
            });
        }
        tenant.check_that_what_is_held_stays(gust);
        if gust.rng.percent(30) {
            tenant.leave();
        }
    }

    fn inspect(&self, gust: &mut Gust<'_>) {
        let audit = self.tree.snapshot().audit().unwrap();
        assert!(audit.differences.is_empty(), "{audit:?}");
        gust.add("settled", audit.providers as u64);
        gust.count(if check_walk(&self.tree) { "forest checked" } else { "forest changed" });
        for provider in distinct(self.tree.providers()) {
            check_amid_changes(&self.tree, gust, &provider);
        }
    }

    fn find_host(&self, rng: &mut Rng) -> Option<Provider> {
        self.tree.find(uuid(rng.below(HOSTS), 0))
    }

    /// Hosts, GPUs and names that are found are those that exist.
    fn check_keys(&self) {
        let all = self.tree.providers();
        let gpus = |host| (0..=GPUS).filter_map(move |gpu| self.tree.find(uuid(host, gpu)));
        let found: Vec<Provider> = (0..HOSTS).flat_map(gpus).collect();
        assert!(found.iter().all(|provider| all.contains(provider)));
        assert_eq!(found.len() + self.racks.len(), all.len());
        for name in (0..HOSTS).flat_map(names) {
            let found = self.tree.find(&name);
            assert!(found.is_none_or(|provider| all.contains(&provider)), "{name}");
        }
    }
}

#[test]
fn everything_at_once() {
    let site = Site::new();
    let mut tenants = Tenant::several(&site.tree, THREADS - 4, 2);
    let mut storm = Storm::new("everything_at_once");
    for tenant in &mut tenants {
        storm.thread("tenant", |gust| {
            while gust.blows() {
                site.rent(gust, tenant);
            }
            gust.add("retries", tenant.retries());
        });
    }
    let mut threads = |role, act: fn(&Site, &mut Gust<'_>)| {
        let site = &site;
        storm.thread(role, move |gust| {
            while gust.blows() {
                act(site, gust);
            }
        });
    };
    threads("builder", Site::build);
    threads("builder", Site::build);
    threads("configurator", Site::configure);
    threads("inspector", Site::inspect);
    let tally = storm.run();
    let left = tally.of("create") - tally.of("providers removed") + site.racks.len() as u64;
    assert_eq!(site.tree.providers().len() as u64, left, "created and not removed");
    let required = ["claim", "remove", "move", "removal refused to the holder", "find by name"];
    assert!(required.iter().all(|what| tally.of(what) > 0));
    site.check_keys();
    check_forest(&site.tree);
    check_books(&site.tree, tenants);
    let remove = |root: &Provider| site.tree.remove(root).expect("nothing is held any more");
    assert_eq!(site.tree.roots().iter().map(remove).sum::<usize>() as u64, left);
    assert!(site.tree.providers().is_empty());
    assert_no_leaks(&site.tree);
}
