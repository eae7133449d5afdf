//! The table: every public call that changes something, or that holds something.

use std::task::{Context, Waker};
use std::time::Duration;

use provider_tree::{
    Batch, Claim, Deadline, Edit, Expect, Lease, Now, PartialInventories, ProviderSpec,
    ProviderTree, Resources, Trait, Worker,
};
use uuid::Uuid;

use crate::cluster::{Cluster, MEMORY, NEW, OLD, VCPU, inventories};

/// Sets everything up, and returns the call itself. It may be refused: others go on meanwhile.
pub(crate) type Prepare = for<'a> fn(&'a Cluster) -> Call<'a>;

type Call<'a> = Box<dyn FnOnce() + 'a>;

const LEASED: Uuid = Uuid::from_u128(105);

/// Prepares a call of a worker.
fn by_worker<'a>(cluster: &'a Cluster, call: impl FnOnce(&mut Worker) + 'a) -> Call<'a> {
    let mut worker = cluster.tree.worker().unwrap();
    Box::new(move || call(&mut worker))
}

fn claim(cluster: &Cluster, consumer: Uuid) -> Claim {
    Claim::new(consumer).take(&cluster.host, VCPU, 2).take(&cluster.other, MEMORY, 3)
}

/// A worker, and a lease that it has made.
fn leased(cluster: &Cluster) -> (Worker, Lease) {
    let mut worker = cluster.tree.worker().unwrap();
    let lease = worker.lease(&claim(cluster, LEASED), Deadline(10)).unwrap();
    (worker, lease)
}

fn by_lease<'a>(cluster: &'a Cluster, call: impl FnOnce(&mut Worker, &Lease) + 'a) -> Call<'a> {
    let (mut worker, lease) = leased(cluster);
    Box::new(move || call(&mut worker, &lease))
}

/// Changes something of each kind.
fn change(cluster: &Cluster) {
    cluster.tree.rename(&cluster.leaf, "another").unwrap();
    cluster.tree.configure(&cluster.host, inventories(2000), Expect::Any).unwrap();
    let mut worker = cluster.tree.worker().unwrap();
    worker.claim(&claim(cluster, NEW)).map(drop).unwrap();
    worker.take(&cluster.other, &[(VCPU, 1)]).unwrap();
}

pub(crate) const CALLS: &[(&str, Prepare)] = &[
    ("create a root", |cluster| {
        Box::new(|| drop(cluster.tree.create_root("new", Uuid::from_u128(7))))
    }),
    ("create a child", |cluster| {
        Box::new(|| drop(cluster.tree.create_child(&cluster.host, "new", Uuid::from_u128(7))))
    }),
    ("remove", |cluster| Box::new(|| drop(cluster.tree.remove(&cluster.host)))),
    ("remove a leaf", |cluster| Box::new(|| drop(cluster.tree.remove_leaf(&cluster.leaf)))),
    ("move", |cluster| {
        Box::new(|| drop(cluster.tree.reparent(&cluster.leaf, Some(&cluster.other))))
    }),
    ("rename", |cluster| Box::new(|| drop(cluster.tree.rename(&cluster.host, "renamed")))),
    ("set inventories", |cluster| {
        let inventories = inventories(2000);
        Box::new(|| drop(cluster.tree.configure(&cluster.host, inventories, Expect::Any)))
    }),
    ("update inventories", |cluster| {
        let inventories = PartialInventories::from(inventories(2000));
        Box::new(|| drop(cluster.tree.configure(&cluster.host, inventories, Expect::Any)))
    }),
    ("set traits", |cluster| {
        let traits = [Trait::MISC_SHARES_VIA_AGGREGATE];
        Box::new(move || {
            drop(cluster.tree.configure(&cluster.host, Edit::new().set_traits(traits), Expect::Any))
        })
    }),
    ("set aggregates", |cluster| {
        let aggregates = [Uuid::from_u128(301)];
        Box::new(move || {
            drop(cluster.tree.configure(
                &cluster.host,
                Edit::new().set_aggregates(aggregates),
                Expect::Any,
            ))
        })
    }),
    ("update resources", |cluster| {
        let resources = Resources::new().with(VCPU, 5);
        Box::new(|| {
            drop(cluster.tree.configure(
                &cluster.host,
                Edit::new().set_resources(resources),
                Expect::Any,
            ))
        })
    }),
    ("populate", |cluster| {
        let host = cluster.host.uuid();
        let new = |number: u128| {
            ProviderSpec::new(Uuid::from_u128(13 + number), format!("listed-{number}"))
                .with_parent(host)
                .with_inventories(inventories(1000))
        };
        let leaf = ProviderSpec::new(cluster.leaf.uuid(), "listed leaf")
            .with_parent(cluster.other.uuid())
            .with_inventories(inventories(1000));
        let list: Vec<_> = (0..6).map(new).chain([leaf]).collect();
        Box::new(move || drop(cluster.tree.populate(&list)))
    }),
    ("cordon", |cluster| Box::new(|| drop(cluster.tree.cordon(&cluster.host)))),
    ("uncordon", |cluster| {
        cluster.tree.cordon(&cluster.host).unwrap();
        Box::new(|| drop(cluster.tree.uncordon(&cluster.host)))
    }),
    ("a worker", |cluster| Box::new(|| drop(cluster.tree.worker()))),
    ("claim", |cluster| {
        let claim = claim(cluster, NEW);
        by_worker(cluster, move |worker| drop(worker.claim(&claim)))
    }),
    ("claim, unnamed", |cluster| {
        let claim = Claim::unnamed().take(&cluster.host, VCPU, 2).take(&cluster.other, VCPU, 2);
        by_worker(cluster, move |worker| drop(worker.claim(&claim)))
    }),
    ("issue", |cluster| {
        Box::new(|| {
            let issued = cluster.tree.issue().unwrap();
            let mut worker = cluster.tree.worker().unwrap();
            drop(worker.claim(&claim(cluster, issued.consumer())));
            drop(worker.release(issued.consumer()));
            drop(cluster.tree.issue());
        })
    }),
    ("claim partly", |cluster| {
        let claim = claim(cluster, NEW).take(&cluster.leaf, MEMORY, 5000);
        by_worker(cluster, move |worker| drop(worker.claim_partly(&claim)))
    }),
    ("claim as a gang", |cluster| {
        let member = |number: u128| claim(cluster, Uuid::from_u128(110 + number));
        let members = [member(1), member(2).take(&cluster.leaf, VCPU, 5000), member(3)];
        by_worker(cluster, move |worker| drop(worker.claim_gang(&members, 2)))
    }),
    ("replace", |cluster| {
        let claim = claim(cluster, OLD);
        by_worker(cluster, move |worker| drop(worker.replace(&claim, Expect::Any)))
    }),
    ("release", |cluster| by_worker(cluster, |worker| drop(worker.release(OLD)))),
    ("take", |cluster| by_worker(cluster, |worker| drop(worker.take(&cluster.host, &[(VCPU, 2)])))),
    ("put back", |cluster| {
        by_worker(cluster, |worker| {
            let _ = worker.put_back(&cluster.host, &[(VCPU, 2)]);
        })
    }),
    ("commit a batch", |cluster| {
        let batch = Batch::new()
            .replace(Claim::new(OLD).take(&cluster.other, VCPU, 1), Expect::Any)
            .claim(Claim::new(Uuid::from_u128(104)).take(&cluster.host, VCPU, 2))
            .configure(&cluster.host, inventories(2000), Expect::Any)
            .cordon(&cluster.leaf);
        by_worker(cluster, move |worker| drop(worker.commit(&batch)))
    }),
    ("commit a reshape", |cluster| {
        let new = ProviderSpec::new(Uuid::from_u128(14), "reshaped")
            .with_parent(cluster.host.uuid())
            .with_inventories(inventories(1000));
        let batch = Batch::new()
            .replace(Claim::new(OLD).take(&new.to_come(), VCPU, 1), Expect::Any)
            .reparent(&cluster.other, Some(&new.to_come()))
            .configure(&cluster.other, inventories(2000), Expect::Any)
            .create(new)
            .remove(&cluster.leaf);
        by_worker(cluster, move |worker| drop(worker.commit(&batch)))
    }),
    ("lease", |cluster| {
        let claim = claim(cluster, LEASED);
        by_worker(cluster, move |worker| drop(worker.lease(&claim, Deadline(10))))
    }),
    ("confirm", |cluster| by_lease(cluster, |worker, lease| drop(worker.confirm(lease, Now(5))))),
    ("renew", |cluster| {
        by_lease(cluster, |worker, lease| drop(worker.renew(lease, Deadline(20), Now(5))))
    }),
    ("expire", |cluster| by_lease(cluster, |worker, _| drop(worker.expire(Now(10))))),
    ("cancel", |cluster| by_lease(cluster, |worker, lease| drop(worker.cancel(lease)))),
    ("a snapshot", |cluster| Box::new(|| drop(cluster.tree.snapshot()))),
    ("the end of a snapshot", |cluster| {
        let snapshot = cluster.tree.snapshot();
        change(cluster);
        let _between = cluster.tree.snapshot();
        let traits = Edit::new().set_traits([Trait::MISC_SHARES_VIA_AGGREGATE]);
        cluster.tree.configure(&cluster.host, traits, Expect::Any).unwrap();
        Box::new(move || drop(snapshot))
    }),
    ("changes", |cluster| {
        let before = cluster.tree.snapshot();
        change(cluster);
        let after = cluster.tree.snapshot();
        Box::new(move || drop(after.changes_since(&before)))
    }),
    ("a feed", |cluster| {
        let mut feed = cluster.tree.subscribe(&cluster.tree.snapshot());
        change(cluster);
        Box::new(move || drop(feed.poll()))
    }),
    ("what a feed has touched", |cluster| {
        let mut feed = cluster.tree.subscribe(&cluster.tree.snapshot());
        change(cluster);
        Box::new(move || drop(feed.poll_touched()))
    }),
    ("a wait", |cluster| {
        let mut feed = cluster.tree.subscribe(&cluster.tree.snapshot());
        Box::new(move || {
            let _ = feed.poll_changed(&mut Context::from_waker(Waker::noop()));
            feed.wait(Duration::from_nanos(1));
        })
    }),
    ("a change that wakes", |cluster| {
        let mut feed = cluster.tree.subscribe(&cluster.tree.snapshot());
        let _ = feed.poll_changed(&mut Context::from_waker(Waker::noop()));
        Box::new(move || {
            change(cluster);
            drop(feed);
        })
    }),
    ("a fork", |cluster| {
        let snapshot = cluster.tree.snapshot();
        let claim = claim(cluster, NEW);
        Box::new(move || {
            let mut fork = snapshot.fork();
            let _ = (fork.claim(&claim), fork.release(OLD), fork.cordon(&cluster.host));
            drop(fork.to_batch());
        })
    }),
    ("load", |cluster| {
        let dump = cluster.tree.snapshot().dump().unwrap();
        Box::new(move || drop(ProviderTree::load(&dump)))
    }),
    ("dump", |cluster| Box::new(|| drop(cluster.tree.snapshot().dump().unwrap()))),
];
