//! The JSON shape of OpenStack Placement.

use std::sync::Arc;

use provider_tree::{
    Allocations, Configuration, Dump, Edit, Expect, Facts, Inventories, Inventory,
    PartialInventories, PartialInventory, ProviderDump, ProviderSpec, ProviderTree, ResourceClass,
    Trait,
};
use serde_json::{Value, from_str, from_value, json, to_string, to_value};

use crate::{MEMORY, ONE, RACK, TWO, VCPU, find, forest, id, of};

/// What is said about a text that is not one of these.
fn error<T: serde::de::DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
    from_str::<T>(text).unwrap_err().to_string()
}

#[test]
fn classes_and_traits_are_their_names() {
    let class = ResourceClass::new("CUSTOM_BAREMETAL").unwrap();
    assert_eq!(to_value(class).unwrap(), json!("CUSTOM_BAREMETAL"));
    assert_eq!(from_str::<ResourceClass>(r#""CUSTOM_BAREMETAL""#).unwrap(), class);
    let avx = Trait::new("HW_CPU_X86_AVX2").unwrap();
    assert_eq!(to_value(avx).unwrap(), json!("HW_CPU_X86_AVX2"));
    assert_eq!(from_str::<Trait>(r#""HW_CPU_X86_AVX2""#).unwrap(), avx);
}

#[test]
fn a_name_that_no_class_or_trait_can_have_is_refused() {
    assert!(error::<ResourceClass>(r#""two words""#).contains("two words"));
    assert!(error::<Trait>(r#""""#).contains("can't be a name"));
    assert!(error::<Inventories>(r#"{"two words": {"total": 1}}"#).contains("two words"));
}

#[test]
fn an_inventory_is_a_map_of_its_fields() {
    let inventory = Inventory::new(1024)
        .with_reserved(24)
        .with_min_unit(4)
        .with_max_unit(512)
        .with_step_size(4)
        .with_allocation_ratio(1.5);
    let shape = json!({
        "total": 1024,
        "reserved": 24,
        "min_unit": 4,
        "max_unit": 512,
        "step_size": 4,
        "allocation_ratio": 1.5,
    });
    assert_eq!(to_value(inventory).unwrap(), shape);
    assert_eq!(from_value::<Inventory>(shape).unwrap(), inventory);
}

#[test]
fn a_greatest_amount_that_bounds_nothing_is_left_out() {
    let shape = json!({
        "total": 16, "reserved": 0, "min_unit": 1, "step_size": 1, "allocation_ratio": 1.0,
    });
    assert_eq!(to_value(Inventory::new(16)).unwrap(), shape);
    assert_eq!(from_value::<Inventory>(shape).unwrap(), Inventory::new(16));
}

#[test]
fn fields_of_an_inventory_that_are_missing_have_their_usual_values() {
    assert_eq!(from_str::<Inventory>(r#"{"total": 16}"#).unwrap(), Inventory::new(16));
    let reserved = from_str::<Inventory>(r#"{"reserved": 2, "total": 16}"#).unwrap();
    assert_eq!(reserved, Inventory::new(16).with_reserved(2));
}

#[test]
fn an_inventory_without_total_is_refused() {
    assert!(error::<Inventory>(r#"{"reserved": 2}"#).contains("missing field `total`"));
}

#[test]
fn an_unknown_field_of_an_inventory_is_refused() {
    let text = r#"{"total": 16, "max_units": 4}"#;
    assert!(error::<Inventory>(text).contains("unknown field `max_units`"));
    assert!(error::<PartialInventory>(text).contains("unknown field `max_units`"));
}

#[test]
fn inventories_are_a_map_by_class() {
    let inventories = of(VCPU, 16).with(MEMORY, Inventory::new(1024));
    let shape = to_value(&inventories).unwrap();
    assert_eq!(shape["VCPU"], to_value(Inventory::new(16)).unwrap());
    assert_eq!(shape["MEMORY_MB"], to_value(Inventory::new(1024)).unwrap());
    assert_eq!(shape.as_object().unwrap().len(), 2);
    assert_eq!(from_value::<Inventories>(shape).unwrap(), inventories);
}

#[test]
fn inventories_are_in_the_order_of_the_names_of_their_classes() {
    // The process meets them in the other order.
    let classes = ["CUSTOM_Z", "CUSTOM_A"].map(|name| ResourceClass::new(name).unwrap());
    let inventories: Inventories =
        classes.map(|class| (class, Inventory::new(1))).into_iter().collect();
    let text = to_string(&inventories).unwrap();
    assert!(text.find("CUSTOM_A") < text.find("CUSTOM_Z"), "{text}");
}

#[test]
fn a_tag_and_a_deadline_may_be_missing() {
    let mut one = to_value(&forest().snapshot().dump().unwrap().consumers[0]).unwrap();
    assert_eq!((&one["tag"], &one["deadline"]), (&json!(7), &Value::Null));
    let fields = one.as_object_mut().unwrap();
    fields.retain(|name, _| !["tag", "deadline"].contains(&name.as_str()));
    let one: Allocations = from_value(one).unwrap();
    assert_eq!((one.tag, one.deadline), (0, None));
}

#[test]
fn a_class_that_comes_twice_is_refused() {
    let text = r#"{"VCPU": {"total": 1}, "DISK_GB": {"total": 1}, "VCPU": {"total": 1}}"#;
    assert!(error::<Inventories>(text).contains("VCPU comes twice"));
    assert!(error::<PartialInventories>(text).contains("VCPU comes twice"));
    let uuid = id("host");
    let text = format!(
        r#"{{"configuration": {{"uuid": "{uuid}", "name": "host", "generation": 0}},
            "used": {{"VCPU": {{"used": 0}}, "VCPU": {{"used": 0}}}}}}"#
    );
    assert!(error::<ProviderDump>(&text).contains("VCPU comes twice"));
}

#[test]
fn partial_inventories_keep_what_is_not_named() {
    let text = r#"{"VCPU":{"total":16},"MEMORY_MB":{"reserved":24,"max_unit":512}}"#;
    let partial: PartialInventories = from_str(text).unwrap();
    let memory =
        PartialInventory { reserved: Some(24), max_unit: Some(512), ..PartialInventory::default() };
    let named = [(VCPU, PartialInventory::new(16)), (MEMORY, memory)];
    assert_eq!(partial, named.into_iter().collect());
    assert_eq!(to_value(&partial).unwrap(), from_str::<Value>(text).unwrap());
}

#[test]
fn what_a_reporter_leaves_out_stays_as_it_is() {
    let tree = ProviderTree::new();
    let host = tree.create_root("host", None).unwrap();
    let cores = Inventories::new().with(VCPU, Inventory::new(16).with_allocation_ratio(4.0));
    tree.configure(&host, cores, Expect::Any).unwrap();
    let report = |text| from_str::<PartialInventories>(text).unwrap();
    let agrees = report(r#"{"VCPU": {"total": 16}}"#);
    assert!(!tree.configure(&host, agrees, Expect::Any).unwrap().changed);
    let differs = report(r#"{"VCPU": {"total": 16, "allocation_ratio": 2.0}}"#);
    assert!(tree.configure(&host, differs, Expect::Any).unwrap().changed);
}

#[test]
fn a_provider_has_the_fields_of_placement() {
    let tree = forest();
    let names = ["STORAGE_DISK_SSD", "CUSTOM_LAST", "CUSTOM_FIRST"];
    let traits = names.map(|name| Trait::new(name).unwrap());
    let gpu = find(&tree, "gpu");
    tree.configure(&gpu, Edit::new().set_traits(traits), Expect::Mirror(7)).unwrap();
    tree.configure(&gpu, Edit::new().set_aggregates([RACK, ONE]), Expect::Mirror(7)).unwrap();
    let data = tree.configuration(&gpu).unwrap();
    let shape = json!({
        "uuid": id("gpu").to_string(),
        "name": "gpu",
        "parent_provider_uuid": id("numa-1").to_string(),
        "generation": 7,
        "inventories": {"PGPU": {
            "total": 1, "reserved": 0, "min_unit": 1, "step_size": 1, "allocation_ratio": 1.0,
        }},
        "traits": ["CUSTOM_FIRST", "CUSTOM_LAST", "STORAGE_DISK_SSD"],
        "aggregates": [RACK.to_string(), ONE.to_string()],
    });
    assert_eq!(to_value(&data).unwrap(), shape);
    // All but the caller's own values come back.
    let back: Configuration = from_value(shape).unwrap();
    assert!(back.resources.is_empty() && !data.resources.is_empty());
    let resources = data.resources.clone();
    let facts = Facts { resources, ..(*back.facts).clone() };
    assert_eq!(Configuration { facts: Arc::new(facts), ..back }, data);
}

#[test]
fn a_root_has_no_parent() {
    let tree = forest();
    let root = tree.configuration(&find(&tree, "host")).unwrap();
    assert_eq!(to_value(root).unwrap()["parent_provider_uuid"], Value::Null);
}

#[test]
fn an_entry_of_a_population_needs_a_uuid_and_a_name() {
    let uuid = id("host");
    let entry: ProviderSpec = from_value(json!({"uuid": uuid, "name": "host"})).unwrap();
    assert_eq!(entry, ProviderSpec::new(uuid, "host"));
    assert!(error::<ProviderSpec>(r#"{"name": "host"}"#).contains("missing field `uuid`"));
    let whole = entry.with_parent(RACK).with_generation(7).with_inventories(of(VCPU, 8));
    assert_eq!(from_value::<ProviderSpec>(to_value(&whole).unwrap()).unwrap(), whole);
}

#[test]
fn a_dump_has_what_is_used_and_who_holds_it() {
    let shape = to_value(forest().snapshot().dump().unwrap()).unwrap();
    assert_eq!(shape["version"], 2);
    let host = &shape["providers"][0];
    assert_eq!(host["configuration"]["name"], "host");
    let used = json!({"VCPU": {"used": 5, "taken": 2}, "MEMORY_MB": {"used": 8, "taken": 0}});
    assert_eq!(host["used"], used);
    assert_eq!(shape["providers"][3]["used"], json!({}));
    let two = json!({
        "consumer": crate::TWO.to_string(),
        "generation": 3,
        "deadline": null,
        "tag": 0,
        "allocations": [{"provider": id("host"), "class": "MEMORY_MB", "amount": 8}],
    });
    assert_eq!(shape["consumers"][1], two);
}

#[test]
fn a_whole_dump_comes_back_from_its_text() {
    let tree = forest();
    tree.configure(&find(&tree, "gpu"), Edit::new().set_resources(Default::default()), Expect::Any)
        .unwrap();
    // A ratio that has no short decimal form.
    let thirds = Inventory::new(3).with_allocation_ratio(1.0 / 3.0);
    let inventories = Inventories::new().with(VCPU, thirds);
    tree.configure(&find(&tree, "numa-0"), inventories, Expect::Any).unwrap();
    let dump = tree.snapshot().dump().unwrap();
    let text = to_string(&dump).unwrap();
    let back: Dump = from_str(&text).unwrap();
    assert_eq!(back, dump);
    let copy = ProviderTree::load(&back).unwrap();
    assert_eq!(copy.snapshot().dump().unwrap(), dump);
    assert_eq!(to_string(&copy.snapshot().dump().unwrap()).unwrap(), text);
}

#[test]
fn a_dump_has_the_floors_of_its_consumers() {
    let tree = forest();
    let mut worker = tree.worker().unwrap();
    let _receipt = worker.release(TWO).unwrap();
    let shape = to_value(tree.snapshot().dump().unwrap()).unwrap();
    assert_eq!(shape["floors"], json!([{"place": 0x22, "generation": 3}]));
}

#[test]
fn a_dump_of_the_version_before_has_no_floors() {
    let (plain, host) = (ProviderTree::new(), id("host"));
    plain.create_root("host", host).unwrap();
    let mut shape = to_value(plain.snapshot().dump().unwrap()).unwrap();
    assert!(shape.as_object_mut().unwrap().remove("floors").is_some());
    shape["version"] = json!(1);
    let dump: Dump = from_value(shape).unwrap();
    assert_eq!(dump.floors, []);
    let loaded = ProviderTree::load(&dump).unwrap().snapshot().dump().unwrap();
    assert_eq!(loaded, plain.snapshot().dump().unwrap());
}

#[test]
fn what_is_missing_from_a_provider_of_a_dump_is_none() {
    let text = format!(
        r#"{{"version": 1, "consumers": [],
            "providers": [{{"configuration": {{"uuid": "{}", "name": "host", "generation": 7}}}}]}}"#,
        id("host")
    );
    let tree = ProviderTree::load(&from_str(&text).unwrap()).unwrap();
    let host = tree.configuration(&find(&tree, "host")).unwrap();
    assert_eq!(ProviderSpec::from(host), ProviderSpec::new(id("host"), "host").with_generation(7));
}
