//! Configures providers, populates a part of the yard, and makes calls that panic.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use provider_tree::{
    Edit, Error, Expect, Fault, Inventory, PartialInventories, Provider, ProviderSpec, Resources,
    Trait,
};
use uuid::Uuid;

use super::{LISTED, MEGABYTES, SINGLE, Site, cpus, yard};
use crate::rig::{Gust, Rng};
use crate::usage::some_inventories;
use crate::{DISK, MEMORY};

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
pub(super) fn page(number: u64) -> Resources {
    Resources::new().with(DISK, Touchy(number))
}

fn panicking<T>() -> impl Iterator<Item = T> {
    std::iter::from_fn(|| resume_unwind(Box::new(Injected)))
}

/// The thread that configures.
pub(super) struct Keeper<'a> {
    site: &'a Site,
    traits: Vec<Trait>,
    aggregates: Vec<Uuid>,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(site: &'a Site) -> Self {
        let names = ["CUSTOM_FAST", "CUSTOM_COLD", "CUSTOM_FAR"];
        let traits = names.map(|name| Trait::new(name).expect("a name"));
        let traits = traits.into_iter().chain([Trait::MISC_SHARES_VIA_AGGREGATE]).collect();
        Keeper { site, traits, aggregates: (0..3).map(Uuid::from_u128).collect() }
    }

    pub(super) fn act(&self, gust: &mut Gust<'_>) {
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
        let generation = self.site.tree.configuration(provider).map_or(0, |data| data.generation);
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
            true => ("set inventories", tree.configure(&elastic, inventories, expect)),
            false => (
                "update inventories",
                tree.configure(&elastic, PartialInventories::from(inventories), expect),
            ),
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
            0 => tree.configure(&provider, Edit::new().set_traits(traits), expect).map(|_| ()),
            1 => tree.configure(&provider, Edit::new().set_traits(traits), expect).map(|_| ()),
            2 => tree.configure(&provider, Edit::new().add_traits(traits), expect).map(|_| ()),
            _ => tree.configure(&provider, Edit::new().remove_traits(traits), expect).map(|_| ()),
        };
        gust.expect("traits", set, Self::is_conflict);
    }

    fn set_aggregates(&self, gust: &mut Gust<'_>) {
        let (tree, provider) = (&self.site.tree, self.site.someone(&mut gust.rng));
        let expect = self.expect(&mut gust.rng, &provider);
        let aggregate = [*gust.rng.pick(&self.aggregates)];
        let set = match gust.rng.percent(50) {
            true => tree.configure(&provider, Edit::new().add_aggregates(aggregate), expect),
            false => tree.configure(&provider, Edit::new().remove_aggregates(aggregate), expect),
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
        let before = tree.configuration(diary).expect("it stays");
        let choice = gust.rng.below(3);
        let unwound = catch_unwind(AssertUnwindSafe(|| match choice {
            0 => tree.configure(diary, Edit::new().set_traits(panicking()), Expect::Any).map(drop),
            1 => tree
                .configure(diary, Edit::new().add_aggregates(panicking()), Expect::Any)
                .map(drop),
            _ => {
                FUSE.set(true);
                tree.configure(diary, Edit::new().set_resources(page(0)), Expect::Any).map(drop)
            }
        }));
        match unwound {
            Err(panic) if panic.is::<Injected>() => gust.count("panic"),
            Err(panic) => resume_unwind(panic),
            Ok(outcome) => panic!("the library has not called back: {outcome:?}"),
        }
        assert_eq!(tree.configuration(diary), Ok(before));
    }

    fn write(&self, gust: &mut Gust<'_>) {
        let (tree, diary) = (&self.site.tree, &self.site.diary);
        let before = tree.configuration(diary).expect("it stays").generation;
        let page = page(gust.rng.below(4));
        let written = tree.configure(
            diary,
            Edit::new().set_resources(page.clone()),
            Expect::Generation(before),
        );
        let written = gust.expect("resources", written, |_| false).expect("only the keeper writes");
        assert_eq!(written.generation, before + u64::from(written.changed));
        assert_eq!(tree.configuration(diary).map(|now| now.resources != page), Ok(false));
    }
}
