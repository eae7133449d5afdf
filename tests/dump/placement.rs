//! The documents of Placement's interface, as its reference shows them.

use provider_tree::placement::{
    AggregatesDocument, AllocationsDocument, InventoriesDocument, Owner, TraitsDocument,
    UnknownProvider,
};
use provider_tree::{Edit, Expect, ProviderTree};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, from_value, json, to_value};

use crate::formats::has_fields;
use crate::{VCPU, find, forest, id};

/// Reads a document, and asserts that it comes back whole.
fn whole<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(document: Value) -> T {
    let read: T = from_value(document.clone()).unwrap();
    assert_eq!(to_value(&read).unwrap(), document);
    has_fields(&read);
    read
}

#[test]
fn what_a_provider_has_comes_back_whole() {
    let inventories: InventoriesDocument = whole(json!({
        "inventories": {
            "DISK_GB": {
                "allocation_ratio": 1.0, "max_unit": 35, "min_unit": 1, "reserved": 0,
                "step_size": 1, "total": 35,
            },
            "MEMORY_MB": {
                "allocation_ratio": 1.5, "max_unit": 5825, "min_unit": 1, "reserved": 512,
                "step_size": 1, "total": 5825,
            },
            "VCPU": {
                "allocation_ratio": 16.0, "max_unit": 4, "min_unit": 1, "reserved": 0,
                "step_size": 1, "total": 4,
            },
        },
        "resource_provider_generation": 7,
    }));
    assert_eq!(inventories.inventories.get(VCPU).unwrap().allocation_ratio, 16.0);
    let traits: TraitsDocument = whole(json!({
        "resource_provider_generation": 1,
        "traits": ["CUSTOM_HW_FPGA_CLASS1", "CUSTOM_HW_FPGA_CLASS3"],
    }));
    assert_eq!(traits.traits.len(), 2);
    let aggregates: AggregatesDocument = whole(json!({
        "aggregates": [
            "42896e0d-205d-4fe3-bd1e-100924931787",
            "5e08ea53-c4c6-448e-9334-ac4953de3cfa",
        ],
        "resource_provider_generation": 8,
    }));
    assert_eq!(aggregates.aggregates.len(), 2);
}

#[test]
fn what_a_consumer_holds_comes_back_whole() {
    let one: AllocationsDocument = whole(json!({
        "allocations": {
            "92637880-2d79-43c6-afab-d860886c6391": {
                "generation": 2, "resources": {"DISK_GB": 5},
            },
            "ba8e1ef8-7fa3-41a4-9bb4-d7cb2019899b": {
                "generation": 8, "resources": {"MEMORY_MB": 512, "VCPU": 2},
            },
        },
        "consumer_generation": 1,
        "project_id": "7e67cbf7-7c38-4a32-b85b-0739c690991a",
        "user_id": "067f691e-725a-451a-83e2-5c3d13e1dffc",
        "consumer_type": "INSTANCE",
    }));
    assert_eq!(one.owner.consumer_type.as_deref(), Some("INSTANCE"));
    assert_eq!((one.consumer_generation, one.mappings.as_ref()), (Some(1), None));
    let new: AllocationsDocument = whole(json!({
        "allocations": {
            "4e061c03-611e-4caa-bf26-999dcff4284e": {"resources": {"DISK_GB": 20}},
            "89873422-1373-46e5-b467-f0c5e6acf08f": {
                "resources": {"MEMORY_MB": 1024, "VCPU": 1},
            },
        },
        "mappings": {
            "_COMPUTE": ["89873422-1373-46e5-b467-f0c5e6acf08f"],
            "": ["4e061c03-611e-4caa-bf26-999dcff4284e"],
        },
        "consumer_generation": null,
        "user_id": "66cb2f29-c86d-47c3-8af5-69ae7b778c70",
        "project_id": "42a32c07-3eeb-4401-9373-68a8cdca6784",
        "consumer_type": "INSTANCE",
    }));
    assert_eq!(new.mappings.unwrap()["_COMPUTE"].len(), 1);
    let refused = |document| from_value::<AllocationsDocument>(document).unwrap_err().to_string();
    let twice = serde_json::from_str::<AllocationsDocument>(
        r#"{"allocations": {"4e061c03-611e-4caa-bf26-999dcff4284e":
            {"resources": {"VCPU": 1, "VCPU": 2}}}}"#,
    );
    assert!(twice.unwrap_err().to_string().contains("VCPU comes twice"));
    let twice = |text: &str| {
        let error = serde_json::from_str::<AllocationsDocument>(text).unwrap_err().to_string();
        assert!(error.contains("comes twice"), "{error}");
    };
    let host = id("host");
    let nothing = r#"{"resources": {}}"#;
    twice(&format!(r#"{{"allocations": {{"{host}": {nothing}, "{host}": {nothing}}}}}"#));
    twice(r#"{"allocations": {}, "mappings": {"": [], "": []}}"#);
    let misspelt = refused(json!({"allocations": {}, "consumer_generatoin": 1}));
    assert!(misspelt.contains("unknown field `consumer_generatoin`"), "{misspelt}");
    let inside = json!({"allocations": {id("host").to_string(): {"resource": {}}}});
    assert!(refused(inside).contains("unknown field `resource`"));
}

#[test]
fn a_provider_is_written_and_read_by_its_documents() {
    let tree = forest();
    let data = tree.configuration(&find(&tree, "storage")).unwrap();
    let copy = ProviderTree::new();
    let storage = copy.create_root("storage", data.uuid).unwrap();
    let inventories: InventoriesDocument =
        whole(to_value(InventoriesDocument::from(&data)).unwrap());
    let traits: TraitsDocument = whole(to_value(TraitsDocument::from(&data)).unwrap());
    let aggregates: AggregatesDocument = whole(to_value(AggregatesDocument::from(&data)).unwrap());
    let generation = Expect::Mirror(inventories.resource_provider_generation);
    copy.configure(&storage, inventories.inventories, generation).unwrap();
    copy.configure(&storage, Edit::new().set_traits(traits.traits.iter().copied()), generation)
        .unwrap();
    copy.configure(
        &storage,
        Edit::new().set_aggregates(aggregates.aggregates.iter().copied()),
        generation,
    )
    .unwrap();
    assert_eq!(copy.configuration(&storage).unwrap(), data);
}

#[test]
fn a_consumer_is_written_and_claimed_by_its_document() {
    let tree = forest();
    let owner = Owner { project_id: Some("p".to_owned()), ..Owner::default() };
    let mut worker = tree.worker().unwrap();
    for consumer in tree.snapshot().consumers().unwrap() {
        let held = tree.allocations(consumer).unwrap();
        let document = AllocationsDocument::new(&held, owner.clone());
        let document: AllocationsDocument = whole(to_value(document).unwrap());
        assert_eq!(
            (&document.owner, document.consumer_generation),
            (&owner, Some(held.generation))
        );
        // It says what the consumer holds, all of it.
        let claim = document.claim(&tree, consumer).unwrap().with_tag(held.tag);
        worker.replace(&claim, Expect::Mirror(held.generation)).unwrap();
        assert_eq!(tree.allocations(consumer).unwrap(), held);
        let unknown = document.claim(&ProviderTree::new(), consumer).unwrap_err();
        assert_eq!(unknown, UnknownProvider(*document.allocations.keys().next().unwrap()));
    }
}
