//! Creates, removes, moves and renames providers of the yard.

use provider_tree::{Error, Expect, Inventory, Provider};

use super::{MEGABYTES, SINGLE, Site, cpus, yard};
use crate::MEMORY;
use crate::rig::Gust;

/// The thread that changes the structure of the yard, as populations do at the same time.
pub(super) struct Builder<'a> {
    pub(super) site: &'a Site,
}

impl Builder<'_> {
    pub(super) fn act(&self, gust: &mut Gust<'_>) {
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
        let set = self.site.tree.configure(provider, inventories, Expect::Any);
        gust.expect("set inventories", set, |error| {
            matches!(error, Error::InUse { used: 1.., .. } | Error::Removed { .. })
        });
    }
}
