//! The table of halts: every operation, and every step at which a thread that runs it is stopped.

use provider_tree::{Deadline, Now};
use uuid::Uuid;

use crate::step::Step::{self, *};
use crate::tests::cluster::{Cluster, MEMORY, NEW, OLD, VCPU, inventories};
use crate::{Batch, Claim, Expect, ProviderSpec, ProviderTree};

/// Represents an operation that a thread runs.
pub(super) type Operation = fn(&Cluster);

fn take(cluster: &Cluster) {
    cluster.tree.worker().unwrap().take(&cluster.host, &[(VCPU, 2)]).unwrap();
}

fn claim(cluster: &Cluster) {
    let claim = Claim::new(NEW).take(&cluster.host, VCPU, 2).take(&cluster.other, MEMORY, 3);
    cluster.tree.worker().unwrap().claim(&claim).map(drop).unwrap();
}

fn claim_unnamed(cluster: &Cluster) {
    let claim = Claim::unnamed().take(&cluster.host, VCPU, 2).take(&cluster.other, MEMORY, 3);
    cluster.tree.worker().unwrap().claim(&claim).map(drop).unwrap();
}

/// Claims an issued uuid and releases it, and drops another unclaimed.
fn issue(cluster: &Cluster) {
    let issued = cluster.tree.issue().unwrap();
    let mut worker = cluster.tree.worker().unwrap();
    let claim = Claim::new(issued.consumer()).take(&cluster.host, VCPU, 2);
    worker.claim(&claim).map(drop).unwrap();
    worker.release(issued.consumer()).map(drop).unwrap();
    drop(cluster.tree.issue().unwrap());
}

fn release(cluster: &Cluster) {
    cluster.tree.worker().unwrap().release(OLD).map(drop).unwrap();
}

fn set_inventories(cluster: &Cluster) {
    cluster.tree.configure(&cluster.host, inventories(2000), Expect::Any).unwrap();
}

fn create(cluster: &Cluster) {
    cluster.tree.create_child(&cluster.host, "new", Uuid::from_u128(7)).unwrap();
}

fn remove(cluster: &Cluster) {
    cluster.tree.remove(&cluster.leaf).unwrap();
}

fn reparent(cluster: &Cluster) {
    cluster.tree.reparent(&cluster.leaf, Some(&cluster.other)).unwrap();
}

fn rename(cluster: &Cluster) {
    cluster.tree.rename(&cluster.host, "renamed").unwrap();
}

/// Creates a provider, and moves and renames another.
fn populate(cluster: &Cluster) {
    let list = [
        ProviderSpec::new(Uuid::from_u128(13), "listed").with_parent(cluster.host.uuid()),
        ProviderSpec::new(cluster.leaf.uuid(), "listed leaf")
            .with_parent(cluster.other.uuid())
            .with_inventories(inventories(1000)),
    ];
    cluster.tree.populate(&list).unwrap();
}

/// Moves what `OLD` holds to another provider, and gives its place to another consumer.
fn commit(cluster: &Cluster) {
    let batch = Batch::new()
        .replace(Claim::new(OLD).take(&cluster.other, VCPU, 1), Expect::Any)
        .claim(Claim::new(Uuid::from_u128(104)).take(&cluster.host, VCPU, 2))
        .configure(&cluster.host, inventories(2000), Expect::Any);
    cluster.tree.worker().unwrap().commit(&batch).map(drop).unwrap();
}

/// Creates two providers, lets another move below one of them and consumers take from it, and removes one.
fn reshape(cluster: &Cluster) {
    let Cluster { tree, host, leaf, other } = cluster;
    let new = ProviderSpec::new(Uuid::from_u128(14), "reshaped")
        .with_parent(host.uuid())
        .with_inventories(inventories(1000));
    let below = ProviderSpec::new(Uuid::from_u128(13), "listed").with_parent(new.uuid);
    let batch = Batch::new()
        .replace(Claim::new(OLD).take(&new.to_come(), VCPU, 1), Expect::Any)
        .claim(Claim::new(Uuid::from_u128(104)).take(&new.to_come(), VCPU, 2))
        .create(below)
        .reparent(other, Some(&new.to_come()))
        .create(new)
        .configure(other, inventories(2000), Expect::Any)
        .remove(leaf);
    tree.worker().unwrap().commit(&batch).map(drop).unwrap();
}

fn lease(cluster: &Cluster) {
    let claim = Claim::new(Uuid::from_u128(105)).take(&cluster.host, VCPU, 2);
    let mut worker = cluster.tree.worker().unwrap();
    let lease = worker.lease(&claim, Deadline(10)).unwrap();
    // Other threads may have ended the lease.
    let _ = worker.renew(&lease, Deadline(20), Now(0));
    worker.expire(Now(20)).map(drop).unwrap();
}

fn cordon(cluster: &Cluster) {
    cluster.tree.cordon(&cluster.host).unwrap();
    cluster.tree.uncordon(&cluster.host).unwrap();
}

/// Changes a cell in the time of each of three snapshots, so that the version that the first
/// snapshot needs has to be copied to the cell's history.
fn snapshots(cluster: &Cluster) {
    let Cluster { tree, host, .. } = cluster;
    let mut worker = tree.worker().unwrap();
    let first = tree.snapshot();
    let usage = first.usages(host).unwrap();
    let mut others = Vec::new();
    for _ in 0..3 {
        worker.take(host, &[(VCPU, 1)]).unwrap();
        others.push(tree.snapshot());
    }
    assert_eq!(first.usages(host).unwrap(), usage);
    worker.put_back(host, &[(VCPU, 3)]).unwrap();
    drop(first);
}

/// Names a step, and how often the thread has reached the step when it is stopped.
type Halt = (Step, usize);

/// Lists the halts of each operation.
const HALTS: &[(&str, Operation, &[Halt])] = &[
    ("take", take, &[(HeadRead, 1), (Written, 1), (Exchanged, 1)]),
    (
        "claim",
        claim,
        &[
            (HeadRead, 1),
            (HeadRead, 2),
            (Occupied, 1),
            (Interned, 1),
            (Prepared, 1),
            (Published, 1),
            (Installed, 1),
            (Installed, 2),
            (Installed, 3),
            (Timed, 1),
            (Decided, 1),
            (Stamped, 1),
            (Stamped, 3),
            (Released, 1),
            (Released, 2),
            (Released, 3),
            (Linked, 1),
        ],
    ),
    (
        "claim, unnamed",
        claim_unnamed,
        &[
            (HeadRead, 1),
            (Prepared, 1),
            (Published, 1),
            (Installed, 1),
            (Installed, 3),
            (Decided, 1),
            (Released, 1),
            (Released, 3),
        ],
    ),
    (
        "issue",
        issue,
        &[
            (Written, 1),
            (Exchanged, 1),
            (Published, 1),
            (Installed, 2),
            (Decided, 1),
            (Released, 1),
            (Published, 2),
            (Decided, 2),
            (Freed, 1),
            (Forgotten, 1),
            (Exchanged, 2),
            (Exchanged, 3),
            (Freed, 2),
            (Forgotten, 2),
        ],
    ),
    (
        "release",
        release,
        &[(Published, 1), (Installed, 1), (Decided, 1), (Released, 1), (Freed, 1), (Forgotten, 1)],
    ),
    (
        "set_inventories",
        set_inventories,
        &[
            (ConfigurationPublished, 1),
            (Prepared, 1),
            (Published, 1),
            (Installed, 1),
            (Timed, 1),
            (Decided, 1),
            (Released, 1),
        ],
    ),
    (
        "create",
        create,
        &[
            (Occupied, 1),
            (Interned, 1),
            (Occupied, 2),
            (Interned, 2),
            (ConfigurationPublished, 1),
            (Published, 1),
            (Installed, 1),
            (Installed, 4),
            (Decided, 1),
            (Stamped, 2),
            (Released, 1),
            (Released, 4),
        ],
    ),
    (
        "remove",
        remove,
        &[
            (Published, 1),
            (Installed, 2),
            (Decided, 1),
            (Released, 2),
            (Freed, 1),
            (Forgotten, 1),
            (Freed, 2),
            (Forgotten, 2),
        ],
    ),
    (
        "reparent",
        reparent,
        &[
            (ConfigurationPublished, 1),
            (Published, 1),
            (Installed, 1),
            (Installed, 4),
            (Decided, 1),
            (Released, 3),
        ],
    ),
    (
        "rename",
        rename,
        &[
            (Interned, 1),
            (ConfigurationPublished, 1),
            (Published, 1),
            (Installed, 2),
            (Decided, 1),
            (Released, 2),
            (Freed, 1),
            (Forgotten, 1),
        ],
    ),
    (
        "commit",
        commit,
        &[
            (Interned, 1),
            (ConfigurationPublished, 1),
            (Published, 1),
            (Installed, 2),
            (Decided, 1),
            (Stamped, 2),
            (Released, 1),
            (Released, 3),
        ],
    ),
    (
        "reshape",
        reshape,
        &[
            (Occupied, 1),
            (Interned, 1),
            (Interned, 2),
            (Interned, 3),
            (Interned, 5),
            (ConfigurationPublished, 1),
            (ConfigurationPublished, 2),
            (ConfigurationPublished, 3),
            (Prepared, 1),
            (Published, 1),
            (Installed, 1),
            (Installed, 9),
            (Timed, 1),
            (Decided, 1),
            (Stamped, 3),
            (Released, 1),
            (Released, 9),
            (Freed, 1),
            (Forgotten, 1),
            (Freed, 2),
            (Forgotten, 2),
        ],
    ),
    (
        "lease, renew, expire",
        lease,
        &[
            (Interned, 1),
            (Published, 1),
            (Decided, 1),
            (Released, 2),
            (Written, 1),
            (Exchanged, 1),
            (Published, 2),
            (Released, 4),
            (Freed, 1),
            (Forgotten, 1),
        ],
    ),
    (
        "cordon and uncordon",
        cordon,
        &[
            (Published, 1),
            (Installed, 1),
            (Installed, 3),
            (Decided, 1),
            (Released, 2),
            (Published, 2),
            (Installed, 6),
            (Released, 7),
        ],
    ),
    (
        "snapshots",
        snapshots,
        &[
            (Registered, 1),
            (Exchanged, 1),
            (Registered, 2),
            (Exchanged, 2),
            (Preserved, 1),
            (Exchanged, 3),
            (Ended, 1),
            (Ended, 2),
        ],
    ),
    (
        "populate",
        populate,
        &[
            (Occupied, 1),
            (Interned, 1),
            (Interned, 2),
            (Interned, 3),
            (ConfigurationPublished, 1),
            (ConfigurationPublished, 2),
            (Published, 1),
            (Installed, 1),
            (Installed, 5),
            (Decided, 1),
            (Stamped, 3),
            (Released, 1),
            (Released, 6),
            (Freed, 1),
            (Forgotten, 1),
        ],
    ),
];

/// Does what has to happen before a thread can reach a halt. The new versions of a transaction get
/// another stamp only if a snapshot is taken after they were written.
pub(super) fn on_the_way(tree: &ProviderTree, halt: Step, reached: Step) {
    if (halt, reached) == (Stamped, Prepared) {
        drop(tree.snapshot());
    }
}

/// Returns every halt: its name, the operation, the step, and how often the thread has reached the
/// step when it is stopped.
pub(super) fn halts() -> impl Iterator<Item = (String, Operation, Step, usize)> {
    HALTS.iter().flat_map(|&(name, operation, steps)| {
        steps.iter().map(move |&(step, count)| {
            (format!("{name} at {step:?} {count}"), operation, step, count)
        })
    })
}
