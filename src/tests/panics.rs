//! Panics: a thread that unwinds at any step leaves the forest sound and stops nobody.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use crate::step::{Step, with_steps};
use crate::tests::cluster::{Cluster, MEMORY, VCPU, assert_sound, everything_else, inventories};
use crate::tests::halts::{Operation, halts, on_the_way};
use crate::tests::stalls::must_end;
use crate::{Batch, Expect, Provider, ProviderSpec, Usage};

struct Injected;

#[test]
fn a_panic_at_any_step_leaves_the_forest_sound() {
    for (halt, operation, step, count) in halts() {
        let cluster = Cluster::new();
        let mut left = count;
        let tree = cluster.tree.clone();
        let visit = move |reached| {
            on_the_way(&tree, step, reached);
            left -= usize::from(reached == step);
            if left == 0 {
                resume_unwind(Box::new(Injected));
            }
        };
        let unwound = catch_unwind(AssertUnwindSafe(|| with_steps(visit, || operation(&cluster))));
        match unwound {
            Err(panic) if panic.is::<Injected>() => {}
            Err(panic) => resume_unwind(panic),
            // No operation ends before its halt: the last step of all is reached when a worker is
            // dropped, and nothing is left to do then.
            Ok(()) => panic!("{halt} is never reached"),
        }
        everything_else(&cluster);
        everything_else(&cluster);
        assert_sound(&cluster, &halt);
    }
}

/// Several configurations come into force at once, and the thread unwinds while it retires the first
/// of those that they have replaced: all stay in force.
#[test]
fn a_panic_after_the_commit_leaves_every_configuration_in_force() {
    let commit: Operation = |it| {
        let of = |batch: Batch, one| batch.configure(one, inventories(3), Expect::Any);
        let batch = [it.leaf, it.other].iter().fold(Batch::new(), of);
        it.tree.worker().unwrap().commit(&batch).map(drop).unwrap();
    };
    let populate: Operation = |it| {
        let spec = |one: Provider, name| {
            ProviderSpec::new(one.uuid(), name).with_inventories(inventories(3))
        };
        it.tree.populate(&[spec(it.leaf, "leaf"), spec(it.other, "other")]).map(drop).unwrap();
    };
    for (name, operation) in [("commit", commit), ("populate", populate)] {
        let cluster = Arc::new(Cluster::new());
        let _snapshot = cluster.tree.snapshot();
        let mut is_committed = false;
        let visit = move |reached| {
            is_committed |= reached == Step::Decided;
            if is_committed && reached == Step::Preserved {
                resume_unwind(Box::new(Injected));
            }
        };
        let unwound = catch_unwind(AssertUnwindSafe(|| with_steps(visit, || operation(&cluster))));
        assert!(unwound.is_err_and(|panic| panic.is::<Injected>()), "{name}");
        must_end(name, &cluster, |it| {
            for one in [it.leaf, it.other] {
                assert_eq!(*it.tree.configuration(&one).unwrap().inventories, inventories(3));
                let usage = Usage { capacity: 3, used: 0 };
                assert_eq!(it.tree.usages(&one).unwrap(), [(VCPU, usage), (MEMORY, usage)]);
            }
        });
        everything_else(&cluster);
        assert_sound(&cluster, name);
    }
}
