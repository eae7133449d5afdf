//! Calls from a thread that unwinds, and values of the caller's that panic when dropped.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use provider_tree::{Batch, Edit, Expect, ProviderSpec, ProviderTree, Resources};

use crate::books::assert_no_leaks;
use crate::site::{Site, VCPU, check, cpus, id};
use crate::{CALLS, memory};

struct Boom;

/// Panics when dropped, unless its thread does already: one at a time.
#[derive(PartialEq)]
struct Bomb(u64);

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            resume_unwind(Box::new(Boom));
        }
    }
}

/// Makes calls when dropped.
struct Caller<'a>(&'a Site, fn(&Site));

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.1(self.0);
    }
}

fn bomb(number: u64) -> Resources {
    Resources::new().with(VCPU, Bomb(number))
}

/// Fails unless `body` unwinds from a bomb.
#[track_caller]
fn unwinds(body: impl FnOnce()) {
    match catch_unwind(AssertUnwindSafe(body)) {
        Err(panic) if panic.is::<Boom>() => {}
        Err(panic) => resume_unwind(panic),
        Ok(()) => panic!("nothing was dropped"),
    }
}

#[test]
fn of_unwinding_nothing_is_left() {
    check(unwind);
}

pub(crate) fn unwind(site: &Site) {
    call_unwinding(site);
    explode(site);
}

/// Every call, made or refused in a thread that unwinds.
fn call_unwinding(site: &Site) {
    for calls in CALLS {
        unwinds(|| {
            let _caller = Caller(site, calls);
            resume_unwind(Box::new(Boom));
        });
        assert_no_leaks(&site.tree);
    }
}

/// Configurations whose values panic when they go, by calls of every kind.
fn explode(site: &Site) {
    let Site { tree, rack, .. } = site;
    let armed = |number: u128, name: &str| {
        ProviderSpec::new(id(number), name).with_parent(rack.uuid()).with_resources(bomb(1))
    };
    let plain = |number: u128, name: &str| ProviderSpec::new(id(number), name);
    // What is listed is dropped after the call, as are the values of a refused one.
    unwinds(|| drop(tree.populate(&[armed(1, "one"), armed(2, "rack")]).unwrap_err()));
    assert_no_leaks(&site.tree);
    let hold = |number: u128| {
        let provider = tree.create_child(rack, &format!("held {number}"), id(number)).unwrap();
        set_bomb(tree, &provider, 1);
        provider
    };
    let one = hold(1);
    unwinds(|| {
        drop(tree.configure(&one, Edit::new().set_resources(Resources::new()), Expect::Any))
    });
    set_bomb(tree, &one, 1);
    let stale = Expect::Generation(u64::MAX);
    unwinds(|| assert!(tree.configure(&one, Edit::new().set_resources(bomb(2)), stale).is_err()));
    assert_no_leaks(&site.tree);
    unwinds(|| drop(tree.remove(&one)));
    assert_no_leaks(&site.tree);
    // By a population: replaced, and dropped.
    let (one, two) = (hold(1), hold(2));
    tree.reparent(&two, Some(&one)).unwrap();
    unwinds(|| drop(tree.populate(&[plain(1, "one")])));
    assert_no_leaks(&site.tree);
    assert_eq!(tree.remove(&one), Ok(1));
    // By the end of a snapshot.
    let (one, two) = (hold(1), hold(2));
    let snapshot = tree.snapshot();
    tree.remove(&one).unwrap();
    tree.configure(&two, Edit::new().set_resources(Resources::new()), Expect::Any).unwrap();
    unwinds(|| drop(snapshot));
    assert_no_leaks(&site.tree);
    assert_eq!(tree.remove(&two), Ok(1));
}

fn set_bomb(tree: &ProviderTree, provider: &provider_tree::Provider, number: u64) {
    tree.configure(provider, Edit::new().set_resources(bomb(number)), Expect::Any).unwrap();
}

/// Panics when compared.
struct Touchy;

impl PartialEq for Touchy {
    fn eq(&self, _: &Self) -> bool {
        resume_unwind(Box::new(Boom));
    }
}

#[test]
fn of_a_batch_whose_values_panic_when_compared_nothing_is_left() {
    check(|site| {
        let Site { tree, rack, host, .. } = site;
        let touchy = || Edit::new().set_resources(Resources::new().with(VCPU, Touchy));
        let one = tree.create_child(rack, "one", id(1)).unwrap();
        tree.configure(&one, touchy(), Expect::Any).unwrap();
        let batch = Batch::new()
            .configure(host, Edit::new().add_aggregates([id(7)]), Expect::Any)
            .create(ProviderSpec::new(id(2), "two").with_parent(rack.uuid()))
            .configure(&one, touchy(), Expect::Any)
            .claim(cpus(id(3), host, 1));
        unwinds(|| drop(site.worker().commit(&batch)));
        assert_no_leaks(tree);
        unwinds(|| drop(tree.configure(&one, touchy(), Expect::Any)));
        assert_no_leaks(tree);
        tree.remove(&one).unwrap();
    });
}

#[test]
fn of_a_batch_whose_values_panic_when_they_go_nothing_is_left() {
    check(|site| {
        let Site { tree, rack, host, .. } = site;
        let armed = || {
            let one = tree.create_child(rack, "one", id(1)).unwrap();
            set_bomb(tree, &one, 1);
            one
        };
        let batch = |absent: bool| {
            let snapshot = tree.snapshot();
            let fork = snapshot.fork();
            if absent {
                assert_eq!(fork.allocations(id(5)).unwrap(), None);
            }
            fork.to_batch_if_unchanged()
        };
        for absent in [false, true] {
            // The snapshot of the batch needs nothing of what is armed later.
            let basis = batch(absent);
            let one = armed();
            let removal = basis.remove(&one).claim(cpus(id(3), host, 1));
            unwinds(|| drop(site.worker().commit(&removal)));
            drop(removal);
            assert_no_leaks(tree);
            assert_eq!((tree.find("one"), tree.allocations(id(3)).is_some()), (None, true));
            let basis = batch(absent);
            let one = armed();
            let defused = Edit::new().set_resources(Resources::new());
            let change = basis
                .configure(&one, defused, Expect::Any)
                .reparent(&one, None)
                .create(ProviderSpec::new(id(2), "two").with_parent(id(1)))
                .release(id(3), Expect::Any);
            unwinds(|| drop(site.worker().commit(&change)));
            drop(change);
            assert_no_leaks(tree);
            assert_eq!((tree.remove(&one), tree.allocations(id(3))), (Ok(2), None));
        }
    });
}

#[test]
fn of_many_removals_that_unwind_nothing_is_left() {
    let tree = ProviderTree::new();
    let rounds = if cfg!(debug_assertions) { 200 } else { 2_000 };
    let mut before = None;
    for round in 0..rounds {
        let top = tree.create_root("top", id(1_000)).unwrap();
        for number in 0..50 {
            let name = format!("below {number}");
            let below = tree.create_child(&top, &name, id(number.into())).unwrap();
            set_bomb(&tree, &below, number);
        }
        unwinds(|| drop(tree.remove(&top)));
        // By then each of the cells has been used; and after the snapshot of this check there are marks.
        if round == rounds / 4 {
            assert_no_leaks(&tree);
        }
        if round == rounds / 2 {
            before = Some(memory(&tree));
        }
    }
    assert_no_leaks(&tree);
    assert_eq!(Some(memory(&tree)), before);
}
