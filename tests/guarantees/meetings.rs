//! Lets whole calls meet on real threads; the real code in every interleaving is for loom.

use provider_tree::{Error, Expect, Provider, ProviderSpec, ProviderTree, Worker};

use crate::rig::*;

#[test]
fn g14_claim_against_claim_release_shrink_and_removal() {
    let tree = ProviderTree::new();
    let mut worker = tree.worker().unwrap();
    for round in 0..150 {
        let host = host(&tree, "host", 8);
        let mine = || tree.worker().unwrap().claim(&cpus(id(1), &host, 5)).map(drop);
        let both = |theirs: &(dyn Fn() -> provider_tree::Result<()> + Sync)| {
            let outcomes = together(2, |seat| if seat == 0 { mine() } else { theirs() });
            (outcomes[0].clone(), outcomes[1].clone())
        };
        // A claim: one of the two.
        let theirs = || tree.worker().unwrap().claim(&cpus(id(2), &host, 5)).map(drop);
        let loses = Err(exceeded(&host, 5, 3));
        let outcomes = both(&theirs);
        let expected = [(Ok(()), loses.clone()), (loses.clone(), Ok(()))];
        assert!(expected.contains(&outcomes), "{round}: {outcomes:?}");
        assert_eq!(used(&tree, &host), 5);
        // A release, of which the claim may see or not see the end.
        let winner = if outcomes.0.is_ok() { id(1) } else { id(2) };
        let _receipt = worker.release(winner).unwrap();
        claim(&mut worker, id(2), &host, 5);
        let outcomes = both(&|| tree.worker().unwrap().release(id(2)).map(drop));
        assert_eq!(outcomes.1, Ok(()));
        assert!(outcomes.0 == Ok(()) || outcomes.0 == loses);
        let made = outcomes.0.is_ok();
        assert_eq!(used(&tree, &host), if made { 5 } else { 0 });
        if made {
            let _receipt = worker.release(id(1)).unwrap();
        }
        // A shrink: before the claim, which does not fit, or after it.
        let outcomes = both(&|| tree.configure(&host, of(VCPU, 4), Expect::Any).map(drop));
        assert!(outcomes.0 == Ok(()) || outcomes.0 == Err(exceeded(&host, 5, 4)), "{outcomes:?}");
        assert_eq!(tree.snapshot().overcommitted().unwrap().len(), usize::from(outcomes.0.is_ok()));
        if outcomes.0.is_ok() {
            let _receipt = worker.release(id(1)).unwrap();
        }
        set(&tree, &host, of(VCPU, 8));
        // A removal: exactly one of the two.
        let outcomes = both(&|| tree.remove(&host).map(drop));
        let (provider, class) = (host.uuid(), VCPU);
        let expected = [
            (Ok(()), Err(Error::InUse { provider, class, used: 5 })),
            (Err(Error::Removed { provider }), Ok(())),
        ];
        assert!(expected.contains(&outcomes), "{round}: {outcomes:?}");
        if outcomes.0.is_ok() {
            let _receipt = worker.release(id(1)).unwrap();
            tree.remove(&host).unwrap();
        }
    }
}

#[test]
fn g14_moves_in_opposite_order_exclude_each_other() {
    let tree = ProviderTree::new();
    let [a, b] = ["a", "b"].map(|name| tree.create_root(name, None).unwrap());
    for _ in 0..300 {
        let outcomes = together(2, |seat| match seat {
            0 => tree.reparent(&a, Some(&b)),
            _ => tree.reparent(&b, Some(&a)),
        });
        let cycle = |provider: Provider, parent: Provider| {
            Err(Error::WouldCycle { provider: provider.uuid(), parent: parent.uuid() })
        };
        let expected = [[Ok(()), cycle(b, a)], [cycle(a, b), Ok(())]];
        assert!(expected.iter().any(|expected| outcomes == *expected), "{outcomes:?}");
        assert_eq!((tree.roots().len(), tree.providers().len()), (1, 2));
        for provider in [a, b] {
            tree.reparent(&provider, None).unwrap();
        }
    }
}

#[test]
fn g14_a_population_is_read_whole_or_not_at_all() {
    let tree = ProviderTree::new();
    let list = |generation| {
        let top = ProviderSpec::new(id(0), "top").with_generation(generation);
        let low = (1..20).map(|number| {
            ProviderSpec::new(id(number), number.to_string())
                .with_parent(id(0))
                .with_generation(generation)
        });
        std::iter::once(top).chain(low).collect::<Vec<_>>()
    };
    let populate = |_: &mut Worker, _, round: u64| {
        tree.populate(&list(round)).unwrap();
        if round.is_multiple_of(3) {
            tree.remove(&tree.find(id(0)).unwrap()).unwrap();
        }
    };
    meanwhile(&tree, 1, populate, |others| {
        for _ in 0..200 {
            assert!([0, 20].contains(&tree.providers().len()));
            let dump = tree.snapshot().dump().unwrap();
            assert!([0, 20].contains(&dump.providers.len()));
            let generations = dump.providers.iter().map(|entry| entry.configuration.generation);
            assert!(generations.clone().min() == generations.max());
            others.go_on(0);
        }
    });
}
