//! Nova's `update_resources` and `have_resources_changed`.

use std::collections::BTreeSet;

use provider_tree::coming_from_nova::NovaProviderTree;
use provider_tree::{Edit, Expect, ProviderSpec, ResourceClass, Resources, Trait};

use crate::{changed, generation, host, removed, unchanged, unknown};

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
    let (tree, _) = host();
    tree.update_resources("host", namespaces(["ns_0", "ns_1"]), None).unwrap();
    let kept = tree.data("host").unwrap().resources.clone();
    let class = kept.classes().next().unwrap();
    assert_eq!(kept.get::<BTreeSet<Namespace>>(class).unwrap().len(), 2);
}

#[test]
fn an_update_says_whether_they_were_others() {
    let (tree, _) = host();
    let update = |resources| tree.update_resources("host", resources, None);
    assert_eq!(update(namespaces(["a"])), Ok(true));
    assert_eq!(update(namespaces(["a"])), Ok(false));
    assert_eq!(update(namespaces(["b"])), Ok(true));
    assert_eq!(update(Resources::new()), Ok(true));
}

#[test]
fn an_edit_moves_the_generation_if_they_were_others() {
    let (tree, host) = host();
    let edit = |resources| tree.configure(&host, Edit::new().set_resources(resources), Expect::Any);
    assert_eq!(edit(namespaces(["a"])), changed(1));
    assert_eq!(edit(namespaces(["a"])), unchanged(1));
    assert_eq!(edit(namespaces(["b"])), changed(2));
    assert_eq!(edit(Resources::new()), changed(3));
}

#[test]
fn they_have_changed_if_a_value_or_the_set_of_classes_is_another() {
    let (tree, _) = host();
    assert_eq!(tree.have_resources_changed("host", &Resources::new()), Ok(false));
    tree.update_resources("host", namespaces(["a"]), None).unwrap();
    assert_eq!(tree.have_resources_changed("host", &namespaces(["a"])), Ok(false));
    let one_more = namespaces(["a"]).with(ResourceClass::VGPU, 1_u8);
    for other in [namespaces(["a", "b"]), one_more, Resources::new()] {
        assert_eq!(tree.have_resources_changed("host", &other), Ok(true));
    }
}

#[test]
fn a_population_replaces_them() {
    let (tree, host) = host();
    tree.update_resources("host", namespaces(["a"]), None).unwrap();
    let listed = ProviderSpec::new(host.uuid(), "host");
    tree.populate(&[listed.clone().with_resources(namespaces(["b"]))]).unwrap();
    assert_eq!(tree.have_resources_changed("host", &namespaces(["b"])), Ok(false));
    tree.populate(&[listed]).unwrap();
    assert!(tree.data("host").unwrap().resources.is_empty());
}

#[test]
fn resources_of_the_unknown_are_an_error() {
    let (tree, gone, error) = removed();
    let none = Resources::new();
    assert_eq!(tree.have_resources_changed("host", &none), Err(unknown("host")));
    assert_eq!(tree.update_resources("host", none.clone(), None), Err(unknown("host")));
    assert_eq!(tree.configure(&gone, Edit::new().set_resources(none), Expect::Any), Err(error));
}

#[test]
fn other_changes_leave_them_alone() {
    let (tree, host) = host();
    let avx = Trait::new("HW_CPU_X86_AVX2").unwrap();
    tree.configure(&host, Edit::new().set_resources(namespaces(["a"])), Expect::Any).unwrap();
    tree.configure(&host, Edit::new().set_traits([avx]), Expect::Any).unwrap();
    tree.rename(&host, "other").unwrap();
    assert_eq!(tree.have_resources_changed("other", &namespaces(["a"])), Ok(false));
    assert_eq!(generation(&tree, &host), 3);
}
