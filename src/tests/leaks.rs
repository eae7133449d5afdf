//! Leaks: no call leaves anything behind, whatever other threads do between any two of its steps,
//! and wherever cells run out.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;

use uuid::Uuid;

use crate::step::{Step, with_steps};
use crate::tests::books::find_leaks;
use crate::tests::cluster::{
    Cluster, MEMORY, NEW, OLD, VCPU, assert_sound, everything_else, inventories,
};
use crate::tests::halts::Operation;
use crate::{
    Batch, Claim, Deadline, Edit, Error, Expect, Inventories, Now, ProviderSpec, Resources, Trait,
};

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Lists calls that other threads may make succeed or fail. The test ignores what they answer.
const CALLS: [(&str, Operation); 21] = [
    ("create", |it| drop(it.tree.create_child(&it.host, "new", id(7)))),
    ("create, uuid exists", |it| drop(it.tree.create_child(&it.host, "new", it.leaf.uuid()))),
    ("create, name exists", |it| drop(it.tree.create_root("leaf", id(7)))),
    ("rename", |it| drop(it.tree.rename(&it.leaf, "new"))),
    ("rename, name exists", |it| drop(it.tree.rename(&it.leaf, "other"))),
    ("remove", |it| drop(it.tree.remove(&it.leaf))),
    ("configure", |it| drop(it.tree.configure(&it.leaf, inventories(9), Expect::Any))),
    ("configure, in use", |it| {
        drop(it.tree.configure(&it.host, Inventories::new(), Expect::Any));
    }),
    ("populate", |it| {
        let listed = ProviderSpec::new(id(13), "listed").with_parent(it.host.uuid());
        let leaf = ProviderSpec::new(it.leaf.uuid(), "new").with_parent(it.other.uuid());
        drop(it.tree.populate(&[listed, leaf]));
    }),
    ("populate, faulty", |it| {
        let listed = ProviderSpec::new(id(7), "new").with_parent(id(99));
        drop(it.tree.populate(&[listed, ProviderSpec::new(id(13), "other")]));
    }),
    ("claim", |it| drop(worker(it).claim(&wanted(it, NEW, 2)))),
    ("claim, too much", |it| drop(worker(it).claim(&wanted(it, NEW, 9_999)))),
    ("claim, unnamed", |it| {
        let unnamed = |amount| Claim::unnamed().take(&it.host, VCPU, amount);
        drop(worker(it).claim(&unnamed(2)));
        drop(worker(it).claim(&unnamed(9_999)));
        drop(worker(it).claim_gang(&[unnamed(2), unnamed(9_999)], 2));
        drop(worker(it).claim_gang(&[unnamed(2), unnamed(9_999)], 1));
    }),
    ("issue", |it| {
        for amount in [9_999, 2] {
            let Ok(issued) = it.tree.issue() else { continue };
            drop(worker(it).claim(&wanted(it, issued.consumer(), amount)));
            drop(worker(it).release(issued.consumer()));
        }
    }),
    ("partly", |it| {
        drop(worker(it).claim_partly(&wanted(it, NEW, 9_999)));
        drop(worker(it).claim_partly(&wanted(it, NEW, 9_999).take(&it.host, MEMORY, 9_999)));
    }),
    ("gang", |it| {
        let members = [wanted(it, NEW, 2), wanted(it, id(103), 9_999), wanted(it, id(104), 2)];
        drop(worker(it).claim_gang(&members, 3));
        drop(worker(it).claim_gang(&members, 1));
    }),
    ("commit", |it| {
        let batch = || Batch::new().claim(wanted(it, NEW, 2)).claim(wanted(it, id(104), 2));
        let with_inventories = batch().configure(&it.leaf, inventories(9), Expect::Any);
        drop(worker(it).commit(&with_inventories.release(OLD, Expect::Generation(9))));
        drop(worker(it).commit(&batch().release(id(103), Expect::Any)));
        drop(worker(it).commit(&batch().release(OLD, Expect::Any).cordon(&it.leaf)));
    }),
    ("reshape", |it| {
        let (batch, _) = reshape(it);
        drop(worker(it).commit(&batch.clone().release(OLD, Expect::Generation(9))));
        drop(worker(it).commit(&batch.clone().remove(&it.other)));
        drop(worker(it).commit(&batch));
    }),
    ("reshape twice", |it| {
        let (batch, spec) = reshape(it);
        drop(worker(it).commit(&batch));
        drop(worker(it).commit(&batch));
        let Some(created) = it.tree.find(spec.uuid) else { return };
        let batch = Batch::new().release(NEW, Expect::Any).reparent(&it.leaf, None);
        drop(worker(it).commit(&batch.clone().remove(&it.leaf).remove(&created)));
        drop(worker(it).commit(&batch.remove(&created)));
    }),
    ("lease", |it| {
        let mut worker = worker(it);
        drop(worker.lease(&wanted(it, NEW, 9_999), Deadline(5)));
        let Ok(lease) = worker.lease(&wanted(it, NEW, 2), Deadline(5)) else { return };
        drop(worker.renew(&lease, Deadline(7), Now(0)));
        drop(worker.renew(&lease, Deadline(9), Now(7)));
        drop(worker.expire(Now(7)));
        drop(worker.cancel(&lease));
    }),
    ("snapshots and forks", |it| {
        let mut worker = worker(it);
        let first = it.tree.snapshot();
        let mut fork = first.fork();
        drop(fork.allocations(id(104)));
        drop(fork.claim(&wanted(it, NEW, 2)));
        for bound in 0..3 {
            drop(worker.take(&it.other, &[(VCPU, 1)]));
            let snapshot = it.tree.snapshot();
            snapshot.keep_at_most(bound);
            drop(it.tree.configure(
                &it.other,
                Edit::new().set_traits([Trait::MISC_SHARES_VIA_AGGREGATE]),
                Expect::Any,
            ));
            drop(worker.put_back(&it.other, &[(VCPU, 1)]));
            drop(worker.commit(&fork.to_batch_if_unchanged()));
        }
        drop(it.tree.remove(&it.leaf));
    }),
];

fn worker(cluster: &Cluster) -> crate::Worker {
    cluster.tree.worker().expect("few at a time")
}

/// A batch that creates two providers, one below the other, moves one below them, configures another, and
/// claims from what it creates; and the upper one of the two.
fn reshape(cluster: &Cluster) -> (Batch, ProviderSpec) {
    let spec = ProviderSpec::new(id(14), "reshaped")
        .with_parent(cluster.host.uuid())
        .with_inventories(inventories(4));
    let below = ProviderSpec::new(id(13), "listed").with_parent(spec.uuid);
    let batch = Batch::new()
        .create(below)
        .create(spec.clone())
        .reparent(&cluster.leaf, Some(&spec.to_come()))
        .configure(&cluster.other, inventories(9), Expect::Any)
        .claim(Claim::new(NEW).take(&spec.to_come(), VCPU, 2));
    (batch, spec)
}

fn wanted(cluster: &Cluster, consumer: Uuid, amount: u64) -> Claim {
    Claim::new(consumer).take(&cluster.host, VCPU, amount)
}

/// Lists what other threads do meanwhile: everything; only take the keys; only remove; only make
/// the call be refused.
const OTHERS: [Operation; 4] = [everything_else, take_keys, remove_all, cordon];

fn cordon(cluster: &Cluster) {
    cluster.tree.cordon(&cluster.host).map(drop).unwrap();
}

fn take_keys(cluster: &Cluster) {
    let Cluster { tree, other, .. } = cluster;
    for (name, uuid) in [("new", 7), ("listed", 13)] {
        let _ = tree.create_child(other, name, id(uuid));
    }
    let mut worker = worker(cluster);
    for consumer in [NEW, id(103), id(104)] {
        let _ = worker.claim(&Claim::new(consumer).take(other, MEMORY, 1));
    }
    drop(tree.snapshot());
}

fn remove_all(cluster: &Cluster) {
    let Cluster { tree, leaf, other, .. } = cluster;
    let mut worker = worker(cluster);
    for consumer in tree.snapshot().consumers().unwrap() {
        let _ = worker.release(consumer);
    }
    for provider in [Some(*leaf), tree.find("new"), tree.find("listed"), Some(*other)] {
        let _ = provider.map(|provider| tree.remove(&provider));
    }
}

/// Fails if a call has left anything behind.
fn assert_clean(cluster: &Cluster, what: &str) {
    assert_sound(cluster, what);
    assert_eq!(find_leaks(&cluster.tree), [""; 0], "{what}");
}

#[test]
fn nothing_is_left_whatever_others_do_between_two_steps() {
    for (name, call) in CALLS {
        for (others, meanwhile) in OTHERS.into_iter().enumerate() {
            let mut at = 1;
            loop {
                let cluster = Arc::new(Cluster::new());
                let reached = Rc::new(Cell::new(0));
                let visit = {
                    let (cluster, reached) = (Arc::clone(&cluster), Rc::clone(&reached));
                    move |_| {
                        reached.set(reached.get() + 1);
                        if reached.get() == at {
                            meanwhile(&cluster);
                        }
                    }
                };
                with_steps(visit, || call(&cluster));
                assert_clean(&cluster, &format!("{name}, others {others} at step {at}"));
                if reached.get() < at {
                    break;
                }
                at += 1;
            }
        }
    }
}

#[test]
fn nothing_is_left_where_cells_run_out() {
    let cluster = Cluster::new();
    let mut worker = cluster.tree.worker().unwrap();
    let filler = |number| Claim::new(id(1 << 90 | number)).take(&cluster.other, MEMORY, 1);
    cluster.tree.configure(&cluster.other, inventories(1 << 20), Expect::Any).unwrap();
    let filled = (0..).take_while(|number| worker.claim(&filler(*number)).is_ok()).count() as u128;
    let full = worker.claim(&filler(filled));
    assert!(matches!(full, Err(Error::TooLarge { .. })), "{full:?}");
    drop(worker);
    let lost = cluster.tree.memory().cells_with_workers;
    for free in 0..5 {
        for (name, call) in CALLS {
            call(&cluster);
            let memory = cluster.tree.memory();
            let absent = [memory.providers, memory.names, memory.consumers].map(|it| it.absent);
            assert_eq!(absent, [0; 3], "{name} with {free} cells");
            assert_eq!(memory.cells_with_workers, lost, "{name} with {free} cells");
        }
        let _receipt =
            cluster.tree.worker().unwrap().release(filler(free).named().unwrap()).unwrap();
    }
}

/// Fills a forest up to its last cells of every kind, except the cells of `free` more providers.
fn fill(cluster: &Cluster, free: usize) {
    let spare: Vec<_> = (0..free).map(|number| create_one(cluster, number).unwrap()).collect();
    let mut number = 100;
    while create_one(cluster, number).is_ok() {
        number += 1;
    }
    for provider in spare {
        cluster.tree.remove(&provider).unwrap();
    }
}

fn create_one(cluster: &Cluster, number: usize) -> crate::Result<crate::Provider> {
    cluster.tree.create_root(&format!("filler {number}"), None)
}

#[test]
fn keys_are_given_up_that_an_earlier_attempt_has_interned() {
    let cluster = Arc::new(Cluster::new());
    fill(&cluster, 2);
    let listed = ProviderSpec::new(id(13), "listed");
    let leaf = ProviderSpec::new(cluster.leaf.uuid(), "new");
    let mut is_over = false;
    let visit = {
        let cluster = Arc::clone(&cluster);
        move |step| {
            if step == Step::ConfigurationPublished && !is_over {
                is_over = true;
                // Another thread gives the key up, and takes its cells and those that are left.
                let created = cluster.tree.create_root("listed", id(13)).unwrap();
                cluster.tree.remove(&created).unwrap();
                assert!((0..9).any(|number| create_one(&cluster, number).is_err()));
            }
        }
    };
    let refused = with_steps(visit, || cluster.tree.populate(&[listed, leaf]));
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    let memory = cluster.tree.memory();
    assert_eq!((memory.providers.absent, memory.names.absent), (0, 0), "{memory}");
    assert_eq!(memory.name_entries, memory.names.live, "{memory}");
}

/// Gives up the uuid 13 on behalf of another thread, which takes the uuid's cells, as soon as a
/// configuration has been published for the uuid.
fn give_up_meanwhile(cluster: &Arc<Cluster>) -> impl FnMut(Step) + 'static {
    let cluster = Arc::clone(cluster);
    let mut is_over = false;
    move |step| {
        if step == Step::ConfigurationPublished && !is_over {
            is_over = true;
            let refused = cluster.tree.create_root("leaf", id(13));
            assert!(matches!(refused, Err(Error::NameExists { .. })), "{refused:?}");
        }
    }
}

fn assert_nothing_is_interned(cluster: &Cluster) {
    let memory = cluster.tree.memory();
    assert_eq!((memory.providers.absent, memory.names.absent), (0, 0), "{memory}");
}

#[test]
fn a_name_is_given_up_though_the_uuid_finds_no_cell_any_more() {
    let cluster = Arc::new(Cluster::new());
    fill(&cluster, 1);
    let create = || cluster.tree.create_root("new", id(13));
    let refused = with_steps(give_up_meanwhile(&cluster), create);
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    assert_nothing_is_interned(&cluster);
}

#[test]
fn all_names_and_parents_are_given_up_though_a_uuid_finds_no_cell_any_more() {
    let cluster = Arc::new(Cluster::new());
    fill(&cluster, 3);
    let specs = [
        ProviderSpec::new(id(13), "a"),
        ProviderSpec::new(id(14), "b"),
        ProviderSpec::new(cluster.leaf.uuid(), "c").with_parent(id(15)),
    ];
    let populate = || cluster.tree.populate(&specs);
    let refused = with_steps(give_up_meanwhile(&cluster), populate);
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    assert_nothing_is_interned(&cluster);
}

#[test]
fn a_rename_of_what_is_gone_says_so_though_there_is_no_room() {
    let cluster = Cluster::new();
    let gone = cluster.leaf;
    fill(&cluster, 0);
    cluster.tree.remove(&gone).unwrap();
    while create_one(&cluster, 0).is_ok() {}
    let foreign = crate::ProviderTree::new().create_root("x", None).unwrap();
    let (provider, name) = (gone.uuid(), "no such name");
    assert_eq!(cluster.tree.rename(&gone, name), Err(Error::Removed { provider }));
    let provider = foreign.uuid();
    assert_eq!(cluster.tree.rename(&foreign, name), Err(Error::ForeignProvider { provider }));
}

struct Boom;

/// Panics when dropped, unless its thread panics already.
#[derive(PartialEq)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            resume_unwind(Box::new(Boom));
        }
    }
}

#[test]
fn a_batch_that_drops_the_callers_values_gives_its_keys_up_first() {
    let cluster = Arc::new(Cluster::new());
    let Cluster { tree, leaf, .. } = &*cluster;
    tree.configure(leaf, Edit::new().set_resources(Resources::new().with(VCPU, Bomb)), Expect::Any)
        .unwrap();
    let mut is_over = false;
    let visit = {
        let cluster = Arc::clone(&cluster);
        move |step| {
            // From now on only the batch holds the values.
            if step == Step::ConfigurationPublished && !is_over {
                is_over = true;
                let Cluster { tree, leaf, .. } = &*cluster;
                tree.configure(leaf, Edit::new().set_resources(Resources::new()), Expect::Any)
                    .unwrap();
            }
        }
    };
    let batch = Batch::new().claim(wanted(&cluster, NEW, 9_999)).configure(
        leaf,
        inventories(9),
        Expect::Any,
    );
    let commit = || drop(worker(&cluster).commit(&batch));
    let unwound = catch_unwind(AssertUnwindSafe(|| with_steps(visit, commit)));
    assert!(unwound.is_err_and(|panic| panic.is::<Boom>()), "the batch has the values");
    assert_clean(&cluster, "batch");
}
