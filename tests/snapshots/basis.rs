//! Checks what a batch rests on, and what not, that is committed only if nothing has changed of what
//! its fork has read.

use provider_tree::{
    Batch, Claim, Deadline, Edit, Error, Expect, Fork, Inventories, Inventory, Now, Provider,
    Result, Trait,
};

use crate::rig::*;

/// Fails unless a batch that rests on what `read` has read of a fork is refused with this after
/// `change`, and would have been committed before.
fn rests_on(
    error: impl Fn(&Estate) -> Error,
    read: impl Fn(&mut Fork, &Estate),
    change: impl Fn(&mut Estate),
) {
    let prepared = || {
        let it = Estate::new();
        let target = host(&it.tree, "target", 8);
        let mut fork = it.tree.snapshot().fork();
        read(&mut fork, &it);
        // Something to commit that the change has nothing to do with.
        fork.claim(&cpus(id(9), &target, 1)).unwrap();
        (it, fork.to_batch_if_unchanged())
    };
    let (mut it, batch) = prepared();
    assert!(!it.worker.commit(&batch).unwrap().is_empty());
    let (mut it, batch) = prepared();
    change(&mut it);
    let expected = error(&it);
    let tree = it.tree.clone();
    assert_eq!(refused(&tree, || it.worker.commit(&batch)), expected);
    assert_eq!(tree.allocations(id(9)), None);
}

/// That the host has changed.
fn host_changed(it: &Estate) -> Error {
    Error::ProviderChanged { provider: it.host.uuid() }
}

fn bare_changed(it: &Estate) -> Error {
    Error::ProviderChanged { provider: it.bare.uuid() }
}

fn asks_usage(fork: &mut Fork, it: &Estate) {
    let _ = fork.usage(&it.host, VCPU).unwrap();
}

fn fits(fork: &mut Fork, it: &Estate) {
    fork.fits(&cpus(id(5), &it.host, 1)).unwrap();
}

fn fits_below(fork: &mut Fork, it: &Estate) {
    fork.fits(&Claim::new(id(5)).take_with_ancestors(&it.gpu, VCPU, 1)).unwrap();
}

#[test]
fn it_rests_on_usages() {
    rests_on(host_changed, asks_usage, |it| it.worker.take(&it.host, &[(VCPU, 1)]).unwrap());
    rests_on(host_changed, asks_usage, |it| claim(&mut it.worker, id(5), &it.host, 1));
    let asks_all = |fork: &mut Fork, it: &Estate| drop(fork.usages(&it.host).unwrap());
    rests_on(host_changed, asks_all, |it| it.worker.put_back(&it.host, &[(VCPU, 1)]).unwrap());
    let gives_back = |fork: &mut Fork, _: &Estate| fork.release(id(2)).unwrap();
    rests_on(host_changed, gives_back, |it| it.worker.take(&it.host, &[(VCPU, 1)]).unwrap());
    // That there is no inventory is an answer, too.
    let lacks = |fork: &mut Fork, it: &Estate| assert!(fork.usage(&it.bare, VCPU).is_err());
    rests_on(bare_changed, lacks, |it| set(&it.tree, &it.bare, of(VCPU, 3)));
    // What was refused was read as well.
    let refused = |fork: &mut Fork, it: &Estate| {
        assert!(fork.fits(&cpus(id(5), &it.host, 99)).is_err());
    };
    rests_on(host_changed, refused, |it| it.worker.take(&it.host, &[(VCPU, 1)]).unwrap());
}

#[test]
fn it_rests_on_configurations() {
    let shrinks = |it: &mut Estate| set(&it.tree, &it.host, of(VCPU, 99).with(MEMORY, one()));
    rests_on(host_changed, asks_usage, shrinks);
    rests_on(host_changed, fits, shrinks);
    let has_steps = |it: &mut Estate| {
        let vcpu = Inventory { step_size: 2, ..Inventory::new(16) };
        set(&it.tree, &it.host, Inventories::new().with(VCPU, vcpu).with(MEMORY, one()));
    };
    rests_on(host_changed, fits, has_steps);
    let rests = |fork: &mut Fork, it: &Estate| {
        let generation = it.tree.configuration(&it.host).unwrap().generation;
        fork.fits(&cpus(id(5), &it.gpu, 1).require_generation(&it.host, generation)).unwrap_err();
    };
    rests_on(host_changed, rests, |it| it.tree.rename(&it.host, "other").unwrap());
    // What is dropped must not be used, and was not.
    let drops = |fork: &mut Fork, it: &Estate| {
        fork.set_inventories(&it.host, of(VCPU, 16)).unwrap();
        fork.set_inventories(&it.host, of(VCPU, 16).with(MEMORY, Inventory::new(64))).unwrap();
    };
    rests_on(host_changed, drops, |it| it.worker.take(&it.host, &[(MEMORY, 1)]).unwrap());
}

#[test]
fn it_rests_on_what_exists() {
    let cordons = |fork: &mut Fork, it: &Estate| assert!(!fork.is_cordoned(&it.bare).unwrap());
    let removes = |it: &mut Estate| done(it.tree.remove(&it.bare));
    rests_on(bare_changed, cordons, removes);
    let asks_all = |fork: &mut Fork, it: &Estate| drop(fork.usages(&it.bare).unwrap());
    rests_on(bare_changed, asks_all, removes);
    rests_on(bare_changed, |fork, it| done(fork.cordon(&it.bare)), removes);

    // One that came later did not exist, whatever was asked of it.
    type Ask = fn(&mut Fork, &Provider) -> Error;
    let asks: [Ask; 5] = [
        |fork, it| fork.usage(it, VCPU).unwrap_err(),
        |fork, it| fork.fits(&cpus(id(5), it, 1)).unwrap_err(),
        |fork, it| fork.fits(&Claim::new(id(5)).take_with_ancestors(it, VCPU, 1)).unwrap_err(),
        |fork, it| fork.cordon(it).unwrap_err(),
        |fork, it| fork.set_inventories(it, of(VCPU, 1)).unwrap_err(),
    ];
    for ask in asks {
        let mut it = Estate::new();
        let mut fork = it.tree.snapshot().fork();
        let new = it.tree.create_child(&it.bare, "new", None).unwrap();
        assert_eq!(ask(&mut fork, &new), removed(&new));
        let batch = fork.to_batch_if_unchanged();
        let changed = Error::ProviderChanged { provider: new.uuid() };
        assert_eq!(refused(&it.tree, || it.worker.commit(&batch)), changed);
        // Nor does it when it is gone again.
        it.tree.remove(&new).unwrap();
        assert_eq!(it.worker.commit(&batch), Ok(Vec::new()));
    }
}

#[test]
fn it_rests_on_cordons() {
    rests_on(host_changed, fits, |it| done(it.tree.cordon(&it.host)));
    let asks = |fork: &mut Fork, it: &Estate| assert!(fork.is_cordoned(&it.inner).unwrap());
    let inner_changed = |it: &Estate| Error::ProviderChanged { provider: it.inner.uuid() };
    rests_on(inner_changed, asks, |it| done(it.tree.uncordon(&it.shut)));
    rests_on(inner_changed, asks, |it| it.tree.reparent(&it.inner, None).unwrap());
    let cordons = |fork: &mut Fork, it: &Estate| assert!(fork.cordon(&it.bare).unwrap());
    rests_on(bare_changed, cordons, |it| done(it.tree.cordon(&it.bare)));
    // Also if it was so already.
    let nothing = |fork: &mut Fork, it: &Estate| assert!(!fork.cordon(&it.shut).unwrap());
    let shut_changed = |it: &Estate| Error::ProviderChanged { provider: it.shut.uuid() };
    rests_on(shut_changed, nothing, |it| done(it.tree.uncordon(&it.shut)));
    let nothing = |fork: &mut Fork, it: &Estate| assert!(!fork.uncordon(&it.host).unwrap());
    rests_on(host_changed, nothing, |it| done(it.tree.cordon(&it.host)));
}

#[test]
fn it_rests_on_what_is_below_its_cordons() {
    let cordons = |fork: &mut Fork, it: &Estate| assert!(fork.cordon(&it.host).unwrap());
    let gpu_changed = |it: &Estate| Error::ProviderChanged { provider: it.gpu.uuid() };
    rests_on(gpu_changed, cordons, |it| it.tree.reparent(&it.gpu, None).unwrap());
    rests_on(host_changed, cordons, |it| it.tree.reparent(&it.host, Some(&it.bare)).unwrap());
    // What was not below it, and was asked then.
    let asks = |fork: &mut Fork, it: &Estate| {
        assert!(fork.cordon(&it.host).unwrap());
        assert!(!fork.is_cordoned(&it.bare).unwrap());
    };
    rests_on(bare_changed, asks, |it| it.tree.reparent(&it.bare, Some(&it.host)).unwrap());
    let uncordons = |fork: &mut Fork, it: &Estate| assert!(fork.uncordon(&it.shut).unwrap());
    let inner_changed = |it: &Estate| Error::ProviderChanged { provider: it.inner.uuid() };
    rests_on(inner_changed, uncordons, |it| done(it.tree.cordon(&it.inner)));
}

#[test]
fn it_rests_on_what_is_above_its_cordons() {
    let shut_changed = |it: &Estate| Error::ProviderChanged { provider: it.shut.uuid() };
    let cordons = |fork: &mut Fork, it: &Estate| assert!(fork.cordon(&it.inner).unwrap());
    rests_on(shut_changed, cordons, |it| done(it.tree.uncordon(&it.shut)));
    let uncordons = |fork: &mut Fork, it: &Estate| {
        assert!(fork.cordon(&it.gpu).unwrap() && fork.uncordon(&it.gpu).unwrap());
    };
    rests_on(host_changed, uncordons, |it| done(it.tree.cordon(&it.host)));
    // A cordon that was there already rests on nothing else.
    let nothing = |fork: &mut Fork, it: &Estate| assert!(!fork.cordon(&it.shut).unwrap());
    rests_not_on(nothing, |it| done(it.tree.cordon(&it.inner)));
    rests_not_on(nothing, |it| it.tree.reparent(&it.inner, None).unwrap());
}

#[test]
fn it_rests_on_chains() {
    rests_on(host_changed, fits_below, |it| it.worker.take(&it.host, &[(VCPU, 1)]).unwrap());
    let gpu_changed = |it: &Estate| Error::ProviderChanged { provider: it.gpu.uuid() };
    rests_on(gpu_changed, fits_below, |it| it.tree.reparent(&it.gpu, None).unwrap());
    rests_on(host_changed, fits_below, |it| it.tree.reparent(&it.host, Some(&it.bare)).unwrap());
    rests_on(gpu_changed, fits_below, |it| set(&it.tree, &it.gpu, of(GPU, 2).with(VCPU, one())));
}

fn done<T>(result: Result<T>) {
    result.unwrap();
}

fn one() -> Inventory {
    Inventory::new(1)
}

/// Fails unless a batch that rests on what `read` has read of a fork is committed after `change`.
fn rests_not_on(read: impl Fn(&mut Fork, &Estate), change: impl Fn(&mut Estate)) {
    let mut it = Estate::new();
    it.tree.create_child(&it.host, "leaving", pid(200)).unwrap();
    let mut fork = it.tree.snapshot().fork();
    read(&mut fork, &it);
    let batch = fork.to_batch_if_unchanged();
    change(&mut it);
    it.worker.commit(&batch).unwrap();
    assert!(it.tree.snapshot().audit().unwrap().holds());
}

#[test]
fn it_rests_on_no_cell_but_on_what_was_asked_of_it() {
    let takes_chain = |fork: &mut Fork, it: &Estate| {
        fork.claim(&Claim::new(id(5)).take_with_ancestors(&it.gpu, VCPU, 1)).unwrap();
    };
    let cordons = |fork: &mut Fork, it: &Estate| {
        assert!(fork.cordon(&it.host).unwrap());
        assert!(fork.is_cordoned(&it.gpu).unwrap());
    };
    let asks_cordon = |fork: &mut Fork, it: &Estate| {
        assert!(!fork.is_cordoned(&it.host).unwrap());
        assert!(!fork.is_cordoned(&it.gpu).unwrap());
    };
    let rests = |fork: &mut Fork, it: &Estate| {
        let generation = it.tree.configuration(&it.host).unwrap().generation;
        fork.claim(
            &Claim::new(id(5)).take(&it.gpu, GPU, 1).require_generation(&it.host, generation),
        )
        .unwrap();
    };
    let sets = |fork: &mut Fork, it: &Estate| {
        let more = of(VCPU, 32).with(MEMORY, Inventory::new(64));
        fork.set_inventories(&it.host, more).unwrap();
    };
    let reads: [fn(&mut Fork, &Estate); 8] =
        [takes_chain, cordons, asks_cordon, rests, sets, fits, fits_below, asks_usage];
    let leaving = |it: &Estate| it.tree.find("leaving").unwrap();
    for read in reads {
        // Siblings and children come, go, change their names and their places among each other.
        rests_not_on(read, |it| done(it.tree.create_root("new", None)));
        rests_not_on(read, |it| done(it.tree.create_child(&it.host, "new", None)));
        rests_not_on(read, |it| done(it.tree.create_child(&it.gpu, "new", None)));
        rests_not_on(read, |it| done(it.tree.remove(&it.bare)));
        rests_not_on(read, |it| it.tree.rename(&it.bare, "other").unwrap());
        rests_not_on(read, |it| it.tree.rename(&leaving(it), "other").unwrap());
        rests_not_on(read, |it| done(it.tree.cordon(&it.bare)));
        rests_not_on(read, |it| it.tree.reparent(&it.shut, Some(&it.host)).unwrap());
        // Claims of what was not asked for, and what has come back.
        rests_not_on(read, |it| it.worker.take(&it.host, &[(MEMORY, 1)]).unwrap());
        rests_not_on(read, |it| {
            it.worker.take(&it.host, &[(VCPU, 1)]).unwrap();
            it.worker.put_back(&it.host, &[(VCPU, 1)]).unwrap();
        });
    }
    // What takes nothing of the host does not rest on what is used of it.
    for read in [cordons, asks_cordon, rests, sets] {
        rests_not_on(read, |it| claim(&mut it.worker, id(6), &it.host, 1));
    }
    // A name or a trait, where the generation was not asked.
    for read in [takes_chain, cordons, asks_cordon, fits, fits_below, asks_usage] {
        rests_not_on(read, |it| it.tree.rename(&it.host, "other").unwrap());
        rests_not_on(read, |it| it.tree.rename(&it.gpu, "other").unwrap());
        rests_not_on(read, |it| {
            it.tree
                .configure(
                    &it.host,
                    Edit::new().add_traits([Trait::new("CUSTOM_NEW").unwrap()]),
                    Expect::Any,
                )
                .unwrap();
        });
        rests_not_on(read, |it| set(&it.tree, &it.host, of(VCPU, 16).with(MEMORY, one())));
    }
    // Removed below what is cordoned is only refused if it was there to be cordoned.
    for read in [takes_chain, asks_cordon, rests, sets, fits, fits_below, asks_usage] {
        rests_not_on(read, |it| done(it.tree.remove(&leaving(it))));
    }
    // Where a provider is, if no more was asked than what is free there.
    rests_not_on(fits, |it| it.tree.reparent(&it.host, Some(&it.bare)).unwrap());
}

#[test]
fn it_rests_on_consumers() {
    let changed = |number| move |_: &Estate| Error::ConsumerChanged { consumer: id(number) };
    let asks =
        |number| move |fork: &mut Fork, _: &Estate| drop(fork.allocations(id(number)).unwrap());
    rests_on(changed(1), asks(1), |it| drop(it.worker.release(id(1))));
    rests_on(changed(1), asks(1), |it| {
        release(&mut it.worker, id(1));
        let _receipt = it.worker.claim(&cpus(id(1), &it.host, 4).take(&it.gpu, GPU, 1)).unwrap();
    });
    rests_on(changed(1), asks(1), |it| {
        let _receipt = it.worker.replace(&cpus(id(1), &it.host, 1), Expect::Any).unwrap();
    });
    rests_on(changed(2), asks(2), |it| drop(it.worker.renew(&it.lease, Deadline(60), Now(0))));
    // One that held nothing has come to life.
    rests_on(changed(5), asks(5), |it| claim(&mut it.worker, id(5), &it.host, 1));
    let releases = |fork: &mut Fork, _: &Estate| assert!(fork.release(id(5)).is_err());
    rests_on(changed(5), releases, |it| claim(&mut it.worker, id(5), &it.host, 1));
}

#[test]
fn a_consumer_that_came_to_another_cell_has_changed() {
    let mut it = Estate::new();
    let mut fork = it.tree.snapshot().fork();
    assert!(fork.allocations(id(1)).unwrap().is_some());
    fork.cordon(&it.bare).unwrap();
    release(&mut it.worker, id(1));
    for number in 100..140 {
        let _ = it.worker.lease(&cpus(id(number), &it.host, 1), Deadline(99));
    }
    it.worker.put_back(&it.host, &[(VCPU, 1)]).unwrap();
    claim(&mut it.worker, id(1), &it.host, 1);
    let error = refused(&it.tree, || it.worker.commit(&fork.to_batch_if_unchanged()));
    assert_eq!(error, Error::ConsumerChanged { consumer: id(1) });
}

/// Fails unless a batch that rests on the host and on consumers is committed after `call`.
fn disregards(call: impl FnOnce(&mut Estate)) {
    let mut it = Estate::new();
    let mut fork = it.tree.snapshot().fork();
    asks_usage(&mut fork, &it);
    for number in [1, 5] {
        let _ = fork.allocations(id(number)).unwrap();
    }
    fork.fits(&Claim::new(id(6)).take_with_ancestors(&it.gpu, VCPU, 1)).unwrap();
    fork.release(id(2)).unwrap();
    let batch = fork.to_batch_if_unchanged();
    call(&mut it);
    assert_eq!(it.worker.commit(&batch).unwrap().len(), 1);
    assert_eq!(it.tree.allocations(id(2)), None);
    // Consumers that were only to hold nothing are as if nobody had asked.
    assert_eq!(it.tree.allocations(id(5)), None);
    claim(&mut it.worker, id(5), &it.host, 1);
}

#[test]
fn it_rests_on_nothing_else() {
    disregards(|_| {});
    disregards(|it| done(it.tree.create_root("other", None)));
    disregards(|it| done(it.tree.uncordon(&it.shut)));
    disregards(|it| done(it.tree.remove(&it.bare)));
    disregards(|it| set(&it.tree, &it.bare, of(VCPU, 3)));
    disregards(|it| {
        set(&it.tree, &it.bare, of(VCPU, 3));
        claim(&mut it.worker, id(7), &it.bare, 3);
    });
}

#[test]
fn it_disregards_refused_calls() {
    fn is_refused<T>(result: Result<T>) {
        assert!(result.is_err());
    }
    disregards(|it| is_refused(it.worker.claim(&cpus(id(5), &it.host, 99))));
    disregards(|it| is_refused(it.worker.claim(&cpus(id(1), &it.host, 1))));
    disregards(|it| {
        let both = cpus(id(5), &it.host, 1).take(&it.shut, VCPU, 1);
        is_refused(it.worker.claim(&both));
    });
    disregards(|it| is_refused(it.worker.replace(&cpus(id(1), &it.host, 99), Expect::Any)));
    disregards(|it| is_refused(it.worker.release(id(5))));
    disregards(|it| is_refused(it.worker.take(&it.host, &[(VCPU, 99)])));
    disregards(|it| is_refused(it.worker.put_back(&it.host, &[(VCPU, 99)])));
    disregards(|it| {
        is_refused(it.tree.configure(&it.host, Inventories::new(), Expect::Any));
    });
    disregards(|it| is_refused(it.tree.remove(&it.host)));
    disregards(|it| is_refused(it.tree.rename(&it.host, "gpu")));
    disregards(|it| is_refused(it.tree.reparent(&it.host, Some(&it.gpu))));
    disregards(|it| assert_eq!(it.tree.cordon(&it.shut), Ok(false)));
    disregards(|it| {
        let batch = Batch::new()
            .release(id(1), Expect::Any)
            .cordon(&it.host)
            .configure(&it.gpu, of(GPU, 1), Expect::Any)
            .claim(cpus(id(5), &it.host, 99));
        is_refused(it.worker.commit(&batch));
    });
    // Nor what only looked: a claim that rests on the host without taking of it.
    disregards(|it| {
        set(&it.tree, &it.bare, of(VCPU, 1));
        let generation = it.tree.configuration(&it.host).unwrap().generation;
        let _receipt = it
            .worker
            .claim(&cpus(id(7), &it.bare, 1).require_generation(&it.host, generation))
            .unwrap();
    });
}

#[test]
fn a_basis_of_another_forest_is_foreign() {
    let it = Estate::new();
    let fork = it.tree.snapshot().fork();
    let foreign = Error::ForeignSnapshot { snapshot: fork.snapshot().number() };
    let other = Estate::new().tree;
    let mut worker = other.worker().unwrap();
    let batch = fork.to_batch_if_unchanged();
    assert_eq!(refused(&other, || worker.commit(&batch)), foreign);
}
