//! Metrics: each counter moves for its reason, and the forest's are the sum of its workers'.

use std::sync::Mutex;

use provider_tree::{
    Batch, Claim, Deadline, Error, Expect, Inventory, Metrics, Now, Provider, ProviderTree, Worker,
};

use crate::rig::*;

/// What the worker counts while it makes the calls; each may be refused.
fn counted<T>(worker: &mut Worker, call: impl FnOnce(&mut Worker) -> T) -> Metrics {
    let before = worker.metrics();
    call(worker);
    worker.metrics() - before
}

/// Metrics that are zero but for what `set` sets. Nobody else works, so nothing is retried.
fn only(set: impl FnOnce(&mut Metrics)) -> Metrics {
    let mut metrics = Metrics::default();
    set(&mut metrics);
    metrics
}

fn busy_host() -> (ProviderTree, Provider, Worker) {
    let (tree, host, mut worker) = one_host(8);
    claim(&mut worker, id(1), &host, 6);
    (tree, host, worker)
}

#[test]
fn g15_each_way_to_claim_counts_once() {
    let (_tree, host, mut worker) = one_host(100);
    let wanted = |number| cpus(id(number), &host, 1);
    type Call<'a> = &'a dyn Fn(&mut Worker) -> provider_tree::Result<()>;
    let calls: [Call<'_>; 7] = [
        &|worker| worker.claim(&wanted(1)).map(drop),
        &|worker| worker.replace(&wanted(2), Expect::Any).map(drop),
        &|worker| worker.lease(&wanted(3), Deadline(9)).map(drop),
        &|worker| worker.claim_partly(&wanted(4)).map(drop),
        &|worker| worker.claim_gang(&[wanted(5), wanted(6)], 1).map(drop),
        &|worker| worker.commit(&Batch::new().claim(wanted(7)).claim(wanted(8))).map(drop),
        &|worker| worker.take(&host, &[(VCPU, 1), (VCPU, 2)]),
    ];
    for call in calls {
        let metrics = counted(&mut worker, |worker| call(worker).unwrap());
        assert_eq!(metrics, only(|metrics| metrics.claims = 1));
    }
}

#[test]
fn g15_what_is_given_back_confirmed_or_expired_counts() {
    let (tree, host, mut worker) = one_host(100);
    claim(&mut worker, id(1), &host, 1);
    worker.take(&host, &[(VCPU, 1)]).unwrap();
    let mut lease = |number| worker.lease(&cpus(id(number), &host, 1), Deadline(10)).unwrap();
    let [kept, forgotten, _, _] = [2, 3, 4, 5].map(&mut lease);

    let releases = counted(&mut worker, |worker| {
        let _receipt = worker.release(id(1)).unwrap();
        let _receipt = worker.cancel(&forgotten).unwrap();
        worker.put_back(&host, &[(VCPU, 1)]).unwrap();
    });
    assert_eq!(releases, only(|metrics| metrics.releases = 3));
    let confirmations = counted(&mut worker, |worker| {
        let _receipt = worker.renew(&kept, Deadline(20), Now(5)).unwrap();
        let _receipt = worker.confirm(&kept, Now(5)).unwrap();
    });
    assert_eq!(confirmations, only(|metrics| metrics.confirmations = 2));
    let expirations = counted(&mut worker, |worker| worker.expire(Now(10)).unwrap());
    assert_eq!(expirations, only(|metrics| metrics.expirations = 2));
    assert_eq!(tree.metrics(), worker.metrics());
}

#[test]
fn g15_each_refusal_counts_by_its_reason() {
    let (tree, host, mut worker) = busy_host();
    let steps = host_in_steps(&tree);
    let [gone, shut] = ["gone", "shut"].map(|name| crate::rig::host(&tree, name, 8));
    tree.remove(&gone).unwrap();
    tree.cordon(&shut).unwrap();
    let lease = worker.lease(&cpus(id(9), &host, 1), Deadline(10)).unwrap();
    let confirmed = worker.lease(&cpus(id(8), &host, 1), Deadline(10)).unwrap();
    let _receipt = worker.confirm(&confirmed, Now(0)).unwrap();

    let refusals = counted(&mut worker, |worker| {
        worker.claim(&cpus(id(2), &host, 9)).unwrap_err();
        worker.claim_gang(&[cpus(id(2), &host, 9)], 1).unwrap_err();
        worker.claim_partly(&cpus(id(2), &host, 9)).unwrap_err();
    });
    assert_eq!(refusals, only(|metrics| metrics.over_capacity = 3));
    let refusals = counted(&mut worker, |worker| {
        worker.claim(&cpus(id(2), &steps, 3)).unwrap_err();
        worker.claim(&Claim::new(id(2)).take(&host, GPU, 1)).unwrap_err();
    });
    assert_eq!(refusals, only(|metrics| metrics.unfit = 2));
    let refusals = counted(&mut worker, |worker| {
        worker.claim(&cpus(id(2), &gone, 1)).unwrap_err();
        worker.claim(&cpus(id(2), &shut, 1)).unwrap_err();
        worker.take(&shut, &[(VCPU, 1)]).unwrap_err();
    });
    assert_eq!(refusals, only(|metrics| metrics.out_of_service = 3));
    let refusals = counted(&mut worker, |worker| {
        worker.claim(&cpus(id(1), &host, 1)).unwrap_err();
        worker.claim(&cpus(id(1), &host, 6)).unwrap_err();
        worker.claim(&cpus(id(2), &host, 1).require_generation(&host, 77)).unwrap_err();
        worker.replace(&cpus(id(1), &host, 1), Expect::Generation(77)).unwrap_err();
        worker.release(id(2)).unwrap_err();
        worker.confirm(&lease, Now(10)).unwrap_err();
        worker.cancel(&confirmed).unwrap_err();
    });
    assert_eq!(refusals, only(|metrics| metrics.conflicts = 7));
    assert_eq!(refusals.refusals(), 7);
    let refusals = counted(&mut worker, |worker| {
        worker.claim(&Claim::new(id(2))).unwrap_err();
        worker.claim(&cpus(id(2), &host, 0)).unwrap_err();
        worker.put_back(&host, &[(VCPU, 1)]).unwrap_err();
        worker.lease(&cpus(id(2), &host, 1), Deadline(u64::MAX)).unwrap_err();
        let twice = Batch::new().release(id(1), Expect::Any).release(id(1), Expect::Any);
        worker.commit(&twice).unwrap_err();
    });
    assert_eq!(refusals, only(|metrics| metrics.other_refusals = 5));
}

fn host_in_steps(tree: &ProviderTree) -> Provider {
    let steps = tree.create_root("steps", None).unwrap();
    let inventory = Inventory::new(8).with_step_size(2);
    set(tree, &steps, provider_tree::Inventories::new().with(VCPU, inventory));
    steps
}

#[test]
fn g08_the_forest_counts_what_its_workers_do_and_did() {
    let (tree, host, worker) = one_host(20);
    drop(worker);
    let workers = Mutex::new(Vec::new());
    let kept = tree.metrics();
    together(4, |seat| {
        // One worker after the other, as slots are used again.
        for number in 0..20 {
            let mut worker = tree.worker().unwrap();
            assert_eq!(worker.metrics(), Metrics::default());
            for round in 0..50 {
                match churn(&mut worker, seat, round, |claim| claim.take(&host, VCPU, 2)) {
                    Ok(()) | Err(Error::CapacityExceeded { .. }) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            assert!(worker.metrics().claims + worker.metrics().refusals() >= 50);
            let mut workers = workers.lock().unwrap();
            // Every other one stays until the end.
            let alive = (number % 2 == 0).then_some(worker);
            let metrics = alive.as_ref().map_or_else(Metrics::default, Worker::metrics);
            workers.push((metrics, alive));
        }
    });
    let workers = workers.into_inner().unwrap();
    assert!(
        workers.iter().all(|(then, worker)| {
            worker.as_ref().is_none_or(|worker| worker.metrics() == *then)
        })
    );
    let all = tree.metrics() - kept;
    // A round is a release, made or refused, and a claim, made or refused.
    assert_eq!(all.claims + all.over_capacity, 4 * 20 * 50);
    assert_eq!(all.releases + all.conflicts, 4 * 20 * 50);
    drop(workers);
    assert_eq!(tree.metrics() - kept, all);
}

#[test]
fn g08_the_sum_over_workers_is_that_of_the_forest() {
    let (tree, [one, two], worker) = two_hosts(40);
    drop(worker);
    let metrics = together(4, |seat| {
        let mut worker = tree.worker().unwrap();
        for round in 0..500 {
            let wanted = |claim: Claim| claim.take(&one, VCPU, 2).take(&two, VCPU, 1 + round % 3);
            match churn(&mut worker, seat, round, wanted) {
                Ok(()) | Err(Error::CapacityExceeded { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        worker.metrics()
    });
    let sum = metrics.into_iter().fold(Metrics::default(), |mut sum, metrics| {
        sum += metrics;
        sum
    });
    assert_eq!(sum, tree.metrics());
    assert_eq!(sum.claims + sum.over_capacity, 4 * 500);
    // Each call that was prepared in vain is counted by how often it was.
    let Metrics { retried_once, retried_to_3, retried_to_7, retried_to_15, retried_more, .. } = sum;
    let calls = [retried_once, retried_to_3, retried_to_7, retried_to_15, retried_more];
    let least: u64 = calls.iter().zip([1, 2, 4, 8, 16]).map(|(calls, times)| calls * times).sum();
    assert!(least <= sum.retries && calls.iter().sum::<u64>() <= sum.calls(), "{sum:?}");
    assert_eq!(calls.iter().any(|calls| *calls > 0), sum.retries > 0, "{sum:?}");
    println!("{sum:?}");
}
