//! What a refusal says: what was wrong, in the caller's terms, and no more of the caller's input than
//! one can read.

use provider_tree::{
    Batch, Claim, Deadline, Error, Expect, Fault, Inventories, Inventory, ProviderSpec,
    ProviderTree, ResourceClass, Trait,
};

use crate::rig::*;

/// More than any message needs.
const LONG: usize = 500;

fn sum_too_large(provider: &provider_tree::Provider, sum: u128) -> Error {
    Error::SumTooLarge { provider: provider.uuid(), class: VCPU, sum }
}

#[test]
fn a_sum_says_how_much_it_is() {
    let (tree, host, mut worker) = one_host(8);
    let most = |number| cpus(id(number), &host, u64::MAX);
    let error = refused(&tree, || worker.claim(&most(1).take(&host, VCPU, 1)));
    assert_eq!(error, sum_too_large(&host, 1 << 64));
    let message = error.to_string();
    for part in ["VCPU", &host.uuid().to_string(), "18446744073709551616", "18446744073709551615"] {
        assert!(message.contains(part), "{message}");
    }
    // However many amounts there are, in whichever order.
    let thrice = cpus(id(1), &host, 1).take(&host, VCPU, u64::MAX).take(&host, VCPU, u64::MAX);
    let thrice = thrice.take(&host, MEMORY, 1).take(&host, MEMORY, u64::MAX);
    assert_eq!(refused(&tree, || worker.claim(&thrice)), sum_too_large(&host, (1 << 65) - 1));
    assert_eq!(tree.snapshot().fork().fits(&thrice), Err(sum_too_large(&host, (1 << 65) - 1)));
    let chained = most(1).take_with_ancestors(&host, VCPU, 2);
    assert_eq!(refused(&tree, || worker.claim(&chained)), sum_too_large(&host, (1 << 64) + 1));
    let batch = Batch::new().claim(most(1)).claim(most(2)).claim(most(3));
    let of_all = 3 * u128::from(u64::MAX);
    assert_eq!(refused(&tree, || worker.commit(&batch)), sum_too_large(&host, of_all));
    // As much as fits a number is only too much for the host.
    let error =
        refused(&tree, || worker.claim(&cpus(id(1), &host, u64::MAX - 1).take(&host, VCPU, 1)));
    assert_eq!(error, exceeded(&host, u64::MAX, 8));
}

#[test]
fn a_sum_of_a_claim_in_part_says_so_too() {
    let (_tree, host, mut worker) = one_host(u64::MAX);
    let claim = cpus(id(1), &host, u64::MAX).take(&host, VCPU, 7);
    let partial = worker.claim_partly(&claim).unwrap();
    assert_eq!(partial.refused, [(1, sum_too_large(&host, (1 << 64) + 6))]);
}

#[test]
fn an_amount_of_nothing_says_so() {
    let (tree, host, mut worker) = one_host(8);
    let zero = Error::ZeroAmount { provider: host.uuid(), class: VCPU };
    let none = Claim::new(id(1)).take(&host, VCPU, 0);
    assert_eq!(refused(&tree, || worker.claim(&none)), zero);
    assert_eq!(refused(&tree, || worker.lease(&none, Deadline(5))), zero);
    assert_eq!(refused(&tree, || worker.take(&host, &[(VCPU, 0)])), zero);
    assert_eq!(refused(&tree, || worker.put_back(&host, &[(VCPU, 0)])), zero);
    let message = zero.to_string();
    assert!(message.contains("VCPU") && message.contains(" is 0"), "{message}");
}

#[test]
fn a_conflict_with_nothing_says_so() {
    let (_tree, host, mut worker) = one_host(8);
    let replace = |worker: &mut provider_tree::Worker| {
        worker.replace(&cpus(id(1), &host, 1), Expect::Generation(7)).unwrap_err().to_string()
    };
    let message = replace(&mut worker);
    assert!(message.ends_with("holds nothing, not at generation 7"), "{message}");
    claim(&mut worker, id(1), &host, 1);
    let message = replace(&mut worker);
    assert!(message.ends_with("is at generation 1, not at generation 7"), "{message}");
}

/// Names that no provider, class or trait can have, and how they are shown.
fn impossible_names() -> [(String, String); 4] {
    [
        ("a".repeat(1 << 20), format!("\"{}\"... (1048576 bytes)", "a".repeat(60))),
        ("木".repeat(1_000), format!("\"{}\"... (3000 bytes)", "木".repeat(60))),
        ("\u{1b}[2J\n".repeat(1_000), format!("\"{}\"... (5000 bytes)", r"\u{1b}[2J\n".repeat(12))),
        (String::new(), "\"\"".to_owned()),
    ]
}

#[test]
fn a_name_is_repeated_as_far_as_one_can_read() {
    let tree = ProviderTree::new();
    let host = tree.create_root("host", None).unwrap();
    for (name, shown) in impossible_names() {
        let errors = [
            refused(&tree, || tree.create_root(&name, None)),
            refused(&tree, || tree.create_child(&host, &name, None)),
            refused(&tree, || tree.rename(&host, &name)),
            ResourceClass::new(&name).unwrap_err(),
            Trait::new(&name).unwrap_err(),
        ];
        for error in errors {
            let Error::InvalidName { name: beginning, length, .. } = &error else {
                panic!("{error:?}")
            };
            assert!(name.starts_with(&**beginning) && beginning.chars().count() <= 60);
            assert_eq!(*length, name.len());
            let message = error.to_string();
            assert!(message.starts_with(&shown), "{message}");
            assert!(message.len() < LONG && format!("{error:?}").len() < LONG, "{error:?}");
        }
    }
}

#[test]
fn so_is_a_name_of_a_list() {
    let tree = ProviderTree::new();
    for (name, shown) in impossible_names() {
        let list = [1, 2].map(|number| ProviderSpec::new(id(number), name.clone()));
        let error = refused(&tree, || tree.populate(&list));
        let Error::InvalidEntries { faults } = &error else { panic!("{error:?}") };
        let of_one = faults.iter().filter_map(|fault| match fault {
            Fault::InvalidName { length, .. } => Some(*length),
            _ => None,
        });
        assert_eq!(of_one.collect::<Vec<_>>(), [name.len(); 2]);
        assert!(error.to_string().contains(&shown), "{error}");
        assert!(error.to_string().len() < 4 * LONG && format!("{error:?}").len() < 4 * LONG);
    }
}

#[test]
fn a_name_that_exists_is_cut_in_the_message_alone() {
    let tree = ProviderTree::new();
    let name = "\t".repeat(1_024);
    tree.create_root(&name, None).unwrap();
    let error = refused(&tree, || tree.create_root(&name, None));
    assert_eq!(error, Error::NameExists { name: name.clone() });
    assert!(error.to_string().contains("(1024 bytes)") && error.to_string().len() < LONG);
    let list = [ProviderSpec::new(id(1), name.clone())];
    let error = refused(&tree, || tree.populate(&list));
    let fault = Fault::NameExists { provider: id(1), name };
    assert_eq!(error, Error::InvalidEntries { faults: vec![fault] });
    assert!(error.to_string().len() < LONG);
}

#[test]
fn bounds_are_told_in_the_callers_terms() {
    let (tree, host, mut worker) = one_host(8);
    let class = |n: usize| ResourceClass::new(&format!("CUSTOM_MESSAGE_{n}")).unwrap();
    let many = |count| (0..count).map(|n| (class(n), Inventory::new(1))).collect::<Inventories>();
    let error = refused(&tree, || tree.configure(&host, many(10_081), Expect::Any));
    let too_many = Error::TooLarge { what: "classes of one provider", limit: 10_080, full: false };
    assert_eq!(error, too_many);
    assert_eq!(error.to_string(), "too large: classes of one provider (at most 10080)");
    let spec = ProviderSpec::new(id(9), "listed".to_owned()).with_inventories(many(10_081));
    assert_eq!(refused(&tree, || tree.populate(&[spec])), too_many);
    let batch = Batch::new().configure(&host, many(10_081), Expect::Any);
    assert_eq!(refused(&tree, || worker.commit(&batch)), too_many);
    let mut fork = tree.snapshot().fork();
    assert_eq!(fork.set_inventories(&host, many(10_081)), Err(too_many));
    let late = refused(&tree, || worker.lease(&cpus(id(1), &host, 1), Deadline(u64::MAX)));
    assert_eq!(late.to_string(), "too large: deadline (at most 18446744073709551614)");
}
