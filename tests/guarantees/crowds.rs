//! One large claim among many small ones: it gets its turn, and they go on.

use provider_tree::{Claim, Provider, ProviderTree, Worker};

use crate::rig::*;

/// More than any run has needed, far less than a claim that never gets its turn would make.
const RETRIES: u64 = 100;

fn wide() -> (ProviderTree, Vec<Provider>) {
    let tree = ProviderTree::new();
    let hosts = (0..1_000).map(|number| host(&tree, &format!("host-{number}"), 1_000_000));
    let hosts = hosts.collect();
    (tree, hosts)
}

#[test]
fn g08_a_claim_over_a_thousand_providers_gets_its_turn() {
    let (tree, hosts) = wide();
    let small = |worker: &mut Worker, seat: usize, round: u64| {
        let at = |step: u64| &hosts[(round * 7 + seat as u64 * 251 + step * 13) as usize % 1_000];
        let few =
            |claim: Claim| (0..=round % 3).fold(claim, |claim, step| claim.take(at(step), VCPU, 1));
        churn(worker, seat, round, few).unwrap();
    };
    let retries = meanwhile(&tree, 4, small, |others| {
        let mut worker = tree.worker().unwrap();
        let wanted = |number| {
            hosts.iter().fold(Claim::new(id(number)), |claim, host| claim.take(host, VCPU, 5))
        };
        others.go_on(10);
        let before = others.rounds();
        let mut most = 0;
        for number in 0..20 {
            let retries = worker.metrics().retries;
            let _receipt = worker.claim(&wanted(number)).unwrap();
            most = most.max(worker.metrics().retries - retries);
            others.go_on(1);
        }
        let progress: Vec<_> =
            others.rounds().iter().zip(before).map(|(after, before)| after - before).collect();
        println!("20 large claims: {} retries, at most {most}", worker.metrics().retries);
        println!("small ones meanwhile: {progress:?}");
        assert!(progress.iter().all(|rounds| *rounds >= 20));
        most
    });
    assert!(retries <= RETRIES, "{retries} retries");
    let dump = tree.snapshot().dump().unwrap();
    check_books(&dump);
    check_capacities(&dump);
    assert!(hosts.iter().all(|host| used(&tree, host) >= 100));
}
