//! Dumps: a forest as plain values, and back.
//!
//! Which dumps are refused is in `refused`, and that copies go on alike, in `replicas`. With the feature
//! `serde` also as JSON, in `json`, in every other format, in `formats`, and as the documents of
//! Placement, in `placement`.

#[cfg(feature = "serde")]
mod formats;
#[cfg(feature = "serde")]
mod json;
#[cfg(feature = "serde")]
mod placement;
mod refused;
mod replicas;

use std::sync::{Arc, Barrier};
use std::thread;

use provider_tree::{
    Allocations, Batch, Claim, Deadline, Dump, Edit, Error, Expect, Facts, Floor, Inventories,
    Inventory, Mirror, Now, Provider, ProviderDump, ProviderSpec, ProviderTree, ResourceClass,
    Resources, Result, Trait, Usage, UsedAmounts, View, Worker, coming_from_nova::NovaProviderTree,
};
use shared::dumps::{in_order, without_floors};
use uuid::Uuid;

const VCPU: ResourceClass = ResourceClass::VCPU;
const MEMORY: ResourceClass = ResourceClass::MEMORY_MB;
const DISK: ResourceClass = ResourceClass::DISK_GB;
const PGPU: ResourceClass = ResourceClass::PGPU;

const RACK: Uuid = Uuid::from_u128(7);
const ONE: Uuid = Uuid::from_u128(0x11);
const TWO: Uuid = Uuid::from_u128(0x22);

/// A forest with some of everything:
///
/// ```text
/// host             16 VCPU - 2 at 4.0, 1024 MEMORY_MB in steps of 4; 2 VCPU taken
/// +- numa-1
/// |  +- gpu        1 PGPU
/// +- numa-0
/// storage          shares 5 DISK_GB, of which 10 are used
/// ```
///
/// `ONE`, with tag 7, holds of host, gpu and storage, `TWO` of host alone, at generation 3.
fn forest() -> ProviderTree {
    let tree = ProviderTree::new();
    let storage = tree.create_root("storage", id("storage")).unwrap();
    let host = tree.create_root("host", id("host")).unwrap();
    let numa_0 = tree.create_child(&host, "numa-0", id("numa-0")).unwrap();
    let numa_1 = tree.create_child(&host, "numa-1", id("numa-1")).unwrap();
    let gpu = tree.create_child(&numa_0, "gpu", id("gpu")).unwrap();
    // Now the order of siblings is not the one of creation.
    tree.reparent(&gpu, Some(&numa_1)).unwrap();
    tree.reparent(&numa_0, Some(&host)).unwrap();
    tree.reparent(&storage, None).unwrap();

    let cores = Inventory::new(16).with_reserved(2).with_allocation_ratio(4.0);
    let memory = Inventory::new(1024).with_min_unit(4).with_max_unit(512).with_step_size(4);
    let inventories = Inventories::new().with(VCPU, cores).with(MEMORY, memory);
    tree.configure(&host, inventories, Expect::Mirror(41)).unwrap();
    tree.configure(&gpu, of(PGPU, 1), Expect::Any).unwrap();
    tree.configure(&storage, of(DISK, 100), Expect::Any).unwrap();
    let avx = Trait::new("HW_CPU_X86_AVX2").unwrap();
    tree.configure(&host, Edit::new().set_traits([avx]), Expect::Any).unwrap();
    tree.configure(
        &storage,
        Edit::new().set_traits([Trait::MISC_SHARES_VIA_AGGREGATE]),
        Expect::Any,
    )
    .unwrap();
    tree.configure(&storage, Edit::new().set_aggregates([RACK]), Expect::Any).unwrap();
    tree.configure(&host, Edit::new().set_aggregates([RACK, Uuid::from_u128(8)]), Expect::Any)
        .unwrap();
    let driver = Resources::new().with(PGPU, "driver".to_owned());
    tree.configure(&gpu, Edit::new().set_resources(driver), Expect::Any).unwrap();

    let mut worker = tree.worker().unwrap();
    let two = |amount| Claim::new(TWO).take(&host, MEMORY, amount);
    let _ = worker.claim(&two(4)).unwrap();
    let one = Claim::new(ONE)
        .with_tag(7)
        .take(&storage, DISK, 10)
        .take(&host, VCPU, 3)
        .take(&gpu, PGPU, 1);
    let _ = worker.claim(&one).unwrap();
    let _ = worker.replace(&two(512), Expect::Any).unwrap();
    let _ = worker.replace(&two(8), Expect::Any).unwrap();
    worker.take(&host, &[(VCPU, 2)]).unwrap();
    tree.configure(&storage, of(DISK, 5), Expect::Any).unwrap();
    tree
}

/// The uuid of the provider with this name.
fn id(name: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Uuid::from_bytes(bytes)
}

fn of(class: ResourceClass, total: u64) -> Inventories {
    Inventories::new().with(class, Inventory::new(total))
}

fn loaded() -> ProviderTree {
    ProviderTree::load(&forest().snapshot().dump().unwrap()).unwrap()
}

fn find(tree: &ProviderTree, name: &str) -> Provider {
    tree.find(name).unwrap()
}

fn provider<'a>(dump: &'a mut Dump, name: &str) -> &'a mut ProviderDump {
    dump.providers.iter_mut().find(|one| &*one.configuration.name == name).unwrap()
}

fn facts<'a>(dump: &'a mut Dump, name: &str) -> &'a mut Facts {
    Arc::make_mut(&mut provider(dump, name).configuration.facts)
}

fn consumer(dump: &mut Dump, uuid: Uuid) -> &mut Allocations {
    dump.consumers.iter_mut().find(|one| one.consumer == uuid).unwrap()
}

fn names(dump: &Dump) -> Vec<&str> {
    dump.providers.iter().map(|one| &*one.configuration.name).collect()
}

// What a dump has.

#[test]
fn a_dump_has_providers_in_the_order_of_a_walk_and_consumers_by_uuid() {
    let dump = forest().snapshot().dump().unwrap();
    assert_eq!(dump.version, Dump::VERSION);
    assert_eq!(names(&dump), ["host", "numa-1", "gpu", "numa-0", "storage"]);
    assert_eq!(dump.consumers.iter().map(|one| one.consumer).collect::<Vec<_>>(), [ONE, TWO]);
}

#[test]
fn a_dump_has_the_configuration_and_the_use_of_each_provider() {
    let tree = forest();
    for one in tree.snapshot().dump().unwrap().providers {
        let handle = tree.find(one.configuration.uuid).unwrap();
        assert_eq!(one.configuration, tree.configuration(&handle).unwrap());
        let used = tree.usages(&handle).unwrap().into_iter().filter(|(_, usage)| usage.used > 0);
        assert!(used.eq(one.used.iter().map(|(class, amounts)| {
            (*class, Usage { used: amounts.used, ..tree.usage(&handle, *class).unwrap() })
        })));
    }
    let cores = provider(&mut tree.snapshot().dump().unwrap(), "host").used[&VCPU];
    assert_eq!(cores, UsedAmounts { used: 5, taken: 2 });
}

#[test]
fn a_dump_has_what_each_consumer_holds() {
    let tree = forest();
    for one in &tree.snapshot().dump().unwrap().consumers {
        assert_eq!(*one, in_order(tree.allocations(one.consumer).unwrap()));
    }
    let generations = tree
        .snapshot()
        .dump()
        .unwrap()
        .consumers
        .iter()
        .map(|one| one.generation)
        .collect::<Vec<_>>();
    assert_eq!(generations, [1, 3]);
    let tags =
        tree.snapshot().dump().unwrap().consumers.iter().map(|one| one.tag).collect::<Vec<_>>();
    assert_eq!(tags, [7, 0]);
}

#[test]
fn an_empty_forest_has_an_empty_dump() {
    let (providers, consumers, floors) = Default::default();
    let dump = Dump { version: Dump::VERSION, providers, consumers, floors };
    assert_eq!(ProviderTree::new().snapshot().dump().unwrap(), dump);
    assert_eq!(ProviderTree::load(&dump).unwrap().snapshot().dump().unwrap(), dump);
}

// What is made of one.

#[test]
fn a_forest_that_is_loaded_has_the_same_dump() {
    let dump = forest().snapshot().dump().unwrap();
    assert_eq!(ProviderTree::load(&dump).unwrap().snapshot().dump().unwrap(), dump);
}

#[test]
fn loading_it_again_is_another_forest() {
    let dump = forest().snapshot().dump().unwrap();
    let (one, other) = (ProviderTree::load(&dump).unwrap(), ProviderTree::load(&dump).unwrap());
    let numa = find(&one, "numa-0");
    assert_eq!(
        other.configuration(&numa).map(|now| now.name.clone()),
        Err(Error::ForeignProvider { provider: numa.uuid() })
    );
    one.remove(&numa).unwrap();
    assert_eq!(other.snapshot().dump().unwrap(), dump);
}

#[test]
fn everything_is_found_where_it_was() {
    let (tree, dump) = (loaded(), loaded().snapshot().dump().unwrap());
    for (handle, one) in tree.providers().iter().zip(&forest().snapshot().dump().unwrap().providers)
    {
        assert_eq!(
            &*tree.configuration(handle).map(|now| now.name.clone()).unwrap(),
            &*one.configuration.name
        );
        assert_eq!(tree.find(&one.configuration.name), Some(*handle));
        assert_eq!(tree.find(handle.uuid()), Some(*handle));
    }
    assert_eq!(tree.tree_of(&find(&tree, "gpu")).unwrap().len(), 4);
    assert_eq!(tree.snapshot().consumers().unwrap().len(), dump.consumers.len());
    assert!(tree.has_sharing_provider(DISK) && !tree.has_sharing_provider(VCPU));
}

#[test]
fn the_books_of_a_loaded_forest_agree() {
    let (tree, audit) = (loaded(), loaded().snapshot().audit().unwrap());
    assert!(audit.holds(), "{audit:?}");
    assert_eq!((audit.providers, audit.consumers), (5, 2));
    assert_eq!(audit.overcommitted.len(), 1);
    let disk = tree.usage(&find(&tree, "storage"), DISK);
    assert_eq!(disk, Ok(Usage { capacity: 5, used: 10 }));
}

#[test]
fn claims_are_checked_against_what_is_free() {
    let tree = loaded();
    let mut worker = tree.worker().unwrap();
    // (16 - 2) * 4 less the 3 that are held and the 2 that are taken.
    for (name, class, free) in [("host", VCPU, 51), ("gpu", PGPU, 0), ("storage", DISK, 0)] {
        let handle = find(&tree, name);
        let requested = free + 1;
        let refused = worker.claim(&Claim::new(RACK).take(&handle, class, requested));
        let provider = handle.uuid();
        assert_eq!(refused, Err(Error::CapacityExceeded { provider, class, requested, free }));
    }
    let host = find(&tree, "host");
    assert!(matches!(
        worker.claim(&Claim::new(RACK).take(&host, MEMORY, 6)),
        Err(Error::UnitViolation { step_size: 4, .. })
    ));
    assert!(worker.claim(&Claim::new(RACK).take(&host, VCPU, 51)).is_ok());
    assert!(tree.snapshot().audit().unwrap().holds());
}

#[test]
fn what_is_held_and_taken_can_be_given_back() {
    let tree = loaded();
    let mut worker = tree.worker().unwrap();
    for consumer in [ONE, TWO] {
        let _ = worker.release(consumer).unwrap();
    }
    worker.put_back(&find(&tree, "host"), &[(VCPU, 2)]).unwrap();
    assert!(tree.snapshot().dump().unwrap().providers.iter().all(|one| one.used.is_empty()));
    assert_eq!(tree.remove(&find(&tree, "host")), Ok(4));
    assert!(tree.snapshot().audit().unwrap().holds());
}

#[test]
fn what_is_held_keeps_its_provider_and_its_consumer() {
    let tree = loaded();
    let gpu = find(&tree, "gpu");
    let in_use = Error::InUse { provider: gpu.uuid(), class: PGPU, used: 1 };
    assert_eq!(tree.remove(&gpu), Err(in_use));
    let again = tree.worker().unwrap().claim(&Claim::new(TWO).take(&gpu, PGPU, 1));
    assert_eq!(again, Err(Error::ConsumerExists { consumer: TWO, generation: 3 }));
}

#[test]
fn generations_go_on_from_where_they_were() {
    let tree = loaded();
    let host = find(&tree, "host");
    let new = Trait::new("CUSTOM_NEW").unwrap();
    let set = tree.configure(&host, Edit::new().set_traits([new]), Expect::Generation(43));
    assert_eq!(set.map(|set| set.generation), Ok(44));
    let claim = Claim::new(TWO).take(&host, MEMORY, 16);
    let receipt = tree.worker().unwrap().replace(&claim, Expect::Generation(3)).unwrap();
    assert_eq!(receipt.generation, 4);
}

#[test]
fn no_generation_of_a_consumer_that_has_ended_comes_again() {
    let first = forest();
    let ended = first.worker().unwrap().release(TWO).unwrap().generation;
    assert_eq!(ended, 3);
    let second = ProviderTree::load(&first.snapshot().dump().unwrap()).unwrap();
    let begun = [&first, &second].map(|tree| {
        let claim = Claim::new(TWO).take(&find(tree, "host"), MEMORY, 4);
        tree.worker().unwrap().claim(&claim).unwrap().generation
    });
    assert_eq!(begun, [4, 4]);
}

#[test]
fn floors_are_those_of_the_first_look_at_the_snapshot() {
    let tree = forest();
    let mut worker = tree.worker().unwrap();
    let (early, late) = (tree.snapshot(), tree.snapshot());
    assert_eq!(early.floors(), []);
    let _receipt = worker.release(TWO).unwrap();
    let floors = [Floor { place: 0x22, generation: 3 }];
    // The snapshots have TWO still, which is no lower than what a dump may say.
    assert_eq!(late.dump().unwrap().floors, floors);
    let _receipt = worker.release(ONE).unwrap();
    assert_eq!((late.floors(), late.dump().unwrap().floors), (&floors[..], floors.to_vec()));
    assert_eq!((early.floors(), early.dump().unwrap().floors), (&[][..], vec![]));
    assert_eq!(tree.snapshot().floors().len(), 2);
    for snapshot in [early, late] {
        let dump = snapshot.dump().unwrap();
        assert_eq!(ProviderTree::load(&dump).unwrap().snapshot().dump().unwrap(), dump);
    }
}

#[test]
fn a_batch_that_is_refused_leaves_the_floors() {
    let tree = forest();
    let host = find(&tree, "host");
    // The second consumer is refused, the third, and what goes at last.
    let release = || Batch::new().release(TWO, Expect::Any);
    let refused = [
        release().claim(Claim::new(RACK).take(&host, VCPU, 1_000)),
        release().release(RACK, Expect::Any),
        release().remove(&host),
    ];
    let before = tree.snapshot().dump().unwrap();
    for batch in refused {
        assert!(tree.worker().unwrap().commit(&batch).is_err());
        assert_eq!(tree.snapshot().dump().unwrap(), before);
    }
}

#[test]
fn leases_of_one_deadline_end_in_the_order_of_their_consumers() {
    let first = forest();
    let mut worker = first.worker().unwrap();
    let host = find(&first, "host");
    for (consumer, deadline) in [(9, 5), (3, 6), (4, 5), (8, 5), (2, 6), (7, 9)] {
        let claim = Claim::new(Uuid::from_u128(consumer)).take(&host, VCPU, 1);
        let _lease = worker.lease(&claim, Deadline(deadline)).unwrap();
    }
    let second = ProviderTree::load(&first.snapshot().dump().unwrap()).unwrap();
    for tree in [first, second] {
        let ended = tree.worker().unwrap().expire(Now(6)).unwrap();
        let consumers: Vec<_> = ended.iter().map(|ended| ended.consumer.as_u128()).collect();
        assert_eq!(consumers, [4, 8, 9, 2, 3]);
    }
}

/// The order of classes is that in which a process meets them, and that of their names is the same in all.
#[test]
fn amounts_are_in_the_order_of_the_names_of_their_classes() {
    let tree = ProviderTree::new();
    let classes = ["CUSTOM_OF_A_DUMP_Z", "CUSTOM_OF_A_DUMP_A"];
    let classes = classes.map(|name| ResourceClass::new(name).unwrap());
    let host = tree.create_root("host", None).unwrap();
    let inventories: Inventories =
        classes.map(|class| (class, Inventory::new(1))).into_iter().collect();
    tree.configure(&host, inventories, Expect::Any).unwrap();
    let claim = classes.iter().fold(Claim::new(ONE), |claim, class| claim.take(&host, *class, 1));
    let before = tree.snapshot();
    let _receipt = tree.worker().unwrap().claim(&claim).unwrap();
    let after = tree.snapshot();
    let held = after.dump().unwrap().consumers.remove(0);
    let order = held.allocations.iter().map(|held| held.class).collect::<Vec<_>>();
    assert_eq!(order, [classes[1], classes[0]]);
    let changed = after.changes_since(&before).unwrap().consumers.remove(0);
    assert_eq!(changed.after, Some(held));
}

type Change<'a> = &'a dyn Fn(&ProviderTree) -> Result<()>;

/// The cells of a loaded forest say the same as those of a forest that has come to be by changes: what is
/// done to both makes the same of both.
#[test]
fn a_loaded_forest_changes_as_the_first_one_does() {
    let first = ProviderTree::new();
    let spec = |name: &str| ProviderSpec::new(id(name), name);
    let hosts = ["a", "b", "c", "d"].map(spec);
    let children = |host: &ProviderSpec| {
        let (name, uuid) = (host.name.clone(), host.uuid);
        (0..5).map(move |number| spec(&format!("{number} of {name}")).with_parent(uuid))
    };
    let all: Vec<_> = hosts.iter().cloned().chain(hosts.iter().flat_map(children)).collect();
    first.populate(&all).unwrap();
    first.cordon(&find(&first, "b")).unwrap();
    let second = ProviderTree::load(&first.snapshot().dump().unwrap()).unwrap();
    let mut view = second.view();
    let mut feed = second.subscribe(&second.snapshot());
    let mut mirror = Mirror::new(feed.position()).unwrap();

    let child = |number: usize, host: usize| all[4 + 5 * host + number].uuid;
    let changes: [Change<'_>; 10] = [
        // In the middle, at the end, at the beginning.
        &|tree| tree.remove(&tree.find(child(2, 0)).unwrap()).map(drop),
        &|tree| tree.remove(&tree.find(child(4, 0)).unwrap()).map(drop),
        &|tree| tree.remove(&tree.find(child(0, 0)).unwrap()).map(drop),
        &|tree| tree.remove(&find(tree, "c")).map(drop),
        &|tree| tree.reparent(&tree.find(child(1, 1)).unwrap(), Some(&find(tree, "d"))),
        &|tree| tree.reparent(&find(tree, "a"), Some(&tree.find(child(3, 3)).unwrap())),
        &|tree| tree.create_child(&find(tree, "b"), "new", id("new")).map(drop),
        &|tree| tree.rename(&find(tree, "new"), "newer"),
        &|tree| tree.populate(&[spec("d"), spec("e").with_inventories(of(VCPU, 4))]).map(drop),
        &|tree| tree.uncordon(&find(tree, "b")).map(drop),
    ];
    for change in changes {
        change(&first).unwrap();
        change(&second).unwrap();
        let dump = second.snapshot().dump().unwrap();
        assert_eq!(dump, first.snapshot().dump().unwrap());
        mirror.apply(&feed.poll().unwrap()).unwrap();
        assert_eq!(mirror.dump(), without_floors(dump));
        view.refresh();
        let seen =
            |view: &View| (view.trees(), view.providers(), view.free(VCPU).iter().sum::<u64>());
        assert_eq!(seen(&view), seen(&second.view()));
    }
}

#[test]
fn names_and_uuids_of_a_loaded_forest_are_taken() {
    let tree = loaded();
    let uuid = id("gpu");
    assert_eq!(tree.create_root("gpu", None), Err(Error::NameExists { name: "gpu".into() }));
    assert_eq!(tree.create_root("new", uuid), Err(Error::UuidExists { uuid }));
}

/// Only the order of siblings says something.
#[test]
fn parents_may_come_after_their_children_and_consumers_in_any_order() {
    let dump = forest().snapshot().dump().unwrap();
    let mut other = dump.clone();
    other.providers.sort_by_key(|one| match &*one.configuration.name {
        "gpu" => 0,
        "host" | "storage" => 2,
        _ => 1,
    });
    assert_eq!(names(&other), ["gpu", "numa-1", "numa-0", "host", "storage"]);
    other.consumers.reverse();
    consumer(&mut other, ONE).allocations.reverse();
    assert_eq!(ProviderTree::load(&other).unwrap().snapshot().dump().unwrap(), dump);
}

#[test]
fn that_nothing_is_used_of_a_class_may_be_said() {
    let mut dump = forest().snapshot().dump().unwrap();
    let before = dump.clone();
    facts(&mut dump, "numa-0").inventories = of(VCPU, 8).into();
    let without = ProviderTree::load(&dump).unwrap().snapshot().dump().unwrap();
    provider(&mut dump, "numa-0").used.insert(VCPU, UsedAmounts::default());
    assert_eq!(ProviderTree::load(&dump).unwrap().snapshot().dump().unwrap(), without);
    assert_ne!(without, before);
}

// What a dump has while claims go on.

/// Whether what is used of every class is the sum of what is held and taken.
fn sums_agree(dump: &Dump) -> bool {
    let held = |provider: Uuid, class| -> u64 {
        let all = dump.consumers.iter().flat_map(|one| &one.allocations);
        let of_it = all.filter(|held| (held.provider, held.class) == (provider, class));
        of_it.map(|held| held.amount).sum()
    };
    dump.providers.iter().all(|one| {
        one.configuration.inventories.iter().all(|(class, _)| {
            let used = one.used.get(&class).copied().unwrap_or_default();
            used.used == used.taken + held(one.configuration.uuid, class)
        })
    })
}

/// Two threads claim the same from both hosts, take from the first, and stop for a while: a dump
/// begins with them and ends at the latest when they stop.
#[test]
fn in_a_dump_taken_while_claims_go_on_usage_is_the_sum_of_what_is_held() {
    const ROUNDS: u128 = 300;
    const BURST: u128 = 8;
    let tree = ProviderTree::new();
    let hosts = ["host-1", "host-2"].map(|name| tree.create_root(name, None).unwrap());
    for host in &hosts {
        tree.configure(host, of(VCPU, 1_000), Expect::Any).unwrap();
    }
    let burst = |worker: &mut Worker, thread: u128, round: u128| {
        for n in 0..BURST {
            let consumer = Uuid::from_u128(thread << 64 | n);
            let amount = n as u64 + 1;
            let claim = Claim::new(consumer).take(&hosts[0], VCPU, amount);
            let _ = worker.replace(&claim.take(&hosts[1], VCPU, amount), Expect::Any)?;
            worker.take(&hosts[0], &[(VCPU, 1)])?;
            // Some is held over to the next rounds.
            if (round + n).is_multiple_of(3) {
                let _ = worker.release(consumer)?;
            }
            worker.put_back(&hosts[0], &[(VCPU, 1)])?;
        }
        Ok(())
    };
    let turn = Barrier::new(3);
    let claimer = |thread| {
        let mut worker = tree.worker().unwrap();
        let bursts = (0..ROUNDS).map(|round| {
            turn.wait();
            let outcome = burst(&mut worker, thread, round);
            turn.wait();
            outcome
        });
        // All of them, so that nobody waits for a thread that has failed.
        for outcome in bursts.collect::<Vec<Result<()>>>() {
            outcome.unwrap();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| claimer(1));
        scope.spawn(|| claimer(2));
        let dumps = (0..ROUNDS).map(|_| {
            turn.wait();
            let dump = tree.snapshot().dump().unwrap();
            turn.wait();
            dump
        });
        for dump in dumps.collect::<Vec<_>>() {
            assert!(sums_agree(&dump), "{dump:?}");
            for one in &dump.consumers {
                let [from_one, from_other] = &one.allocations[..] else { panic!("{one:?}") };
                assert_eq!(from_one.amount, from_other.amount, "{one:?}");
            }
            assert_eq!(ProviderTree::load(&dump).unwrap().snapshot().dump().unwrap(), dump);
        }
    });
}

#[test]
fn a_generation_that_was_set_and_has_grown_can_be_loaded() {
    let tree = ProviderTree::new();
    let host = tree.create_root("host", None).unwrap();
    let set = Expect::Mirror(i64::MAX as u64);
    tree.configure(&host, Edit::new().set_traits([]), set).unwrap();
    let new = Trait::new("CUSTOM_NEW").unwrap();
    tree.configure(&host, Edit::new().set_traits([new]), Expect::Any).unwrap();
    let dump = tree.snapshot().dump().unwrap();
    assert_eq!(dump.providers[0].configuration.generation, 1 << 63);
    assert_eq!(ProviderTree::load(&dump).unwrap().snapshot().dump().unwrap(), dump);
}

#[test]
fn no_use_of_what_there_is_not_is_no_fault() {
    let tree = ProviderTree::new();
    tree.create_root("host", None).unwrap();
    let sound = tree.snapshot().dump().unwrap();
    let mut dump = sound.clone();
    dump.providers[0].used.insert(VCPU, UsedAmounts { used: 0, taken: 0 });
    assert_eq!(ProviderTree::load(&dump).unwrap().snapshot().dump().unwrap(), sound);
}
