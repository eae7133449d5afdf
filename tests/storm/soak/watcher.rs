//! Checks what holds at every moment, whatever the others do.

use std::collections::HashMap;
use std::sync::atomic::Ordering::SeqCst;

use provider_tree::{Dump, Provider, ProviderTree};
use uuid::Uuid;

use super::Site;
use crate::VCPU;
use crate::forest::{check_amid_changes, check_walk};
use crate::rig::Gust;

/// The thread that looks at what must hold for all.
pub(super) struct Watcher<'a> {
    pub(super) site: &'a Site,
    /// The generations at which providers were seen last.
    pub(super) generations: HashMap<Provider, u64>,
}

impl Watcher<'_> {
    pub(super) fn act(&mut self, gust: &mut Gust<'_>) {
        let tree = &self.site.tree;
        let is_first = self.generations.is_empty();
        self.look(gust);
        gust.count(if check_walk(tree) { "forest checked" } else { "forest changed" });
        for provider in tree.providers() {
            check_amid_changes(tree, gust, &provider);
        }
        if gust.rng.percent(5) {
            let audit = tree.snapshot().audit().unwrap();
            assert!(audit.differences.is_empty(), "{audit:?}");
            let is_steady = |uuid: &Uuid| self.site.steady().any(|it| it.uuid() == *uuid);
            assert!(!audit.overcommitted.iter().any(|over| is_steady(&over.provider)), "{audit:?}");
            gust.count("audit");
        }
        if is_first || gust.rng.below(200) == 0 {
            self.site.paused.store(true, SeqCst);
            let dump = tree.snapshot().dump().unwrap();
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
            let Ok(data) = tree.configuration(&provider) else { continue };
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
        assert_eq!(copy.snapshot().dump().unwrap(), *dump);
        assert!(copy.snapshot().audit().unwrap().holds());
        let has_cpus = |shape: &Provider| {
            let found = dump.providers.iter().find(|it| it.configuration.uuid == shape.uuid());
            let inventories = &found.expect("it stays").configuration.inventories;
            inventories.get(VCPU).is_some()
        };
        for corner in &self.site.corners {
            let shapes = corner.shapes.each_ref().map(has_cpus);
            assert!(shapes[0] != shapes[1], "a reshape is seen half done: {shapes:?}");
        }
    }
}
