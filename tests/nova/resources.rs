//! Nova's `update_resources` and `have_resources_changed`.

use std::collections::BTreeSet;

use provider_tree::{Expect, ProviderSpec, ResourceClass, Resources};

use crate::{changed, generation, host, removed, unchanged};

/// What a caller might keep: the forest knows nothing of it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Namespace {
    file: &'static str,
}

fn namespaces<const N: usize>(files: [&'static str; N]) -> Resources {
    let class = ResourceClass::new("CUSTOM_PMEM_NAMESPACE_4GB").unwrap();
    Resources::new().with(class, BTreeSet::from(files.map(|file| Namespace { file })))
}

#[test]
fn resources_are_of_the_callers_own_type() {
    let (tree, host) = host();
    tree.update_resources(&host, namespaces(["ns_0", "ns_1"]), Expect::Any).unwrap();
    let kept = tree.data(&host).unwrap().configuration.resources.clone();
    let class = kept.classes().next().unwrap();
    assert_eq!(kept.get::<BTreeSet<Namespace>>(class).unwrap().len(), 2);
}

#[test]
fn an_update_says_whether_they_were_others() {
    let (tree, host) = host();
    let update = |resources| tree.update_resources(&host, resources, Expect::Any);
    assert_eq!(update(namespaces(["a"])), changed(1));
    assert_eq!(update(namespaces(["a"])), unchanged(1));
    assert_eq!(update(namespaces(["b"])), changed(2));
    assert_eq!(update(Resources::new()), changed(3));
}

#[test]
fn they_have_changed_if_a_value_or_the_set_of_classes_is_another() {
    let (tree, host) = host();
    assert_eq!(tree.have_resources_changed(&host, &Resources::new()), Ok(false));
    tree.update_resources(&host, namespaces(["a"]), Expect::Any).unwrap();
    assert_eq!(tree.have_resources_changed(&host, &namespaces(["a"])), Ok(false));
    let one_more = namespaces(["a"]).with(ResourceClass::VGPU, 1_u8);
    for other in [namespaces(["a", "b"]), one_more, Resources::new()] {
        assert_eq!(tree.have_resources_changed(&host, &other), Ok(true));
    }
}

#[test]
fn a_population_replaces_them() {
    let (tree, host) = host();
    tree.update_resources(&host, namespaces(["a"]), Expect::Any).unwrap();
    let listed = ProviderSpec::new(host.uuid(), "host");
    tree.populate(&[listed.clone().with_resources(namespaces(["b"]))]).unwrap();
    assert_eq!(tree.have_resources_changed(&host, &namespaces(["b"])), Ok(false));
    tree.populate(&[listed]).unwrap();
    assert!(tree.data(&host).unwrap().configuration.resources.is_empty());
}

#[test]
fn resources_of_the_unknown_are_an_error() {
    let (tree, gone, error) = removed();
    let none = Resources::new();
    assert_eq!(tree.have_resources_changed(&gone, &none), Err(error.clone()));
    assert_eq!(tree.update_resources(&gone, none, Expect::Any), Err(error));
}

#[test]
fn other_changes_leave_them_alone() {
    let (tree, host) = host();
    tree.update_resources(&host, namespaces(["a"]), Expect::Any).unwrap();
    tree.set_traits(&host, [], Expect::Any).unwrap();
    tree.rename(&host, "other").unwrap();
    assert_eq!(tree.have_resources_changed(&host, &namespaces(["a"])), Ok(false));
    assert_eq!(generation(&tree, &host), 3);
}
