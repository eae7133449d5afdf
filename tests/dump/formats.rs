//! Every plain value in every format: in those that name fields, and in those that do not.

use std::fmt::Debug;

use provider_tree::{
    Allocations, Audit, ByteCounts, CellCounts, Changes, Claim, Configuration, Deadline,
    Difference, Dump, Edit, Expect, Floor, Inventories, Inventory, Memory, Metrics, Overcommit,
    PartialInventories, PartialInventory, ProviderSpec, ProviderTree, Receipt, RecordCounts,
    Request, ResourceClass, Trait, Updated, Usage, UsedAmounts, Why,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, from_value, json, to_value};
use uuid::Uuid;

use crate::{MEMORY, ONE, VCPU, find, forest, id, of};

/// Asserts that the value comes back from every format that can hold all values.
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let same = |format: &str, back: Result<T, String>| {
        assert_eq!(back.as_ref(), Ok(value), "{format}");
    };
    let text = serde_json::to_string(value).unwrap();
    same("JSON", serde_json::from_str(&text).map_err(|error| error.to_string()));
    let text = ron::to_string(value).unwrap();
    same("RON", ron::from_str(&text).map_err(|error| error.to_string()));
    let text = serde_yaml_ng::to_string(value).unwrap();
    same("YAML", serde_yaml_ng::from_str(&text).map_err(|error| error.to_string()));
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    same("CBOR", ciborium::from_reader(&bytes[..]).map_err(|error| error.to_string()));
    let bytes = rmp_serde::to_vec_named(value).unwrap();
    same("MessagePack, named", rmp_serde::from_slice(&bytes).map_err(|error| error.to_string()));
    let bytes = rmp_serde::to_vec(value).unwrap();
    same("MessagePack", rmp_serde::from_slice(&bytes).map_err(|error| error.to_string()));
    let bytes = postcard::to_stdvec(value).unwrap();
    same("postcard", postcard::from_bytes(&bytes).map_err(|error| error.to_string()));
}

/// Asserts that the value, which has fields, comes back, also from TOML, and is not read from what has a
/// field more.
pub(crate) fn has_fields<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    comes_back(value);
    let text = toml::to_string(value).unwrap();
    assert_eq!(toml::from_str::<T>(&text).as_ref(), Ok(value), "TOML");
    let Value::Object(mut fields) = to_value(value).unwrap() else { panic!("{value:?}") };
    fields.insert("misspelt".to_owned(), json!(1));
    let error = from_value::<T>(Value::Object(fields)).unwrap_err().to_string();
    assert!(error.contains("unknown field `misspelt`"), "{error}");
}

/// A forest without the callers' own values, which no format has.
fn plain() -> ProviderTree {
    let tree = forest();
    tree.configure(&find(&tree, "gpu"), Edit::new().set_resources(Default::default()), Expect::Any)
        .unwrap();
    tree
}

#[test]
fn a_dump_and_its_parts_come_back() {
    let mut dump: Dump = plain().snapshot().dump().unwrap();
    has_fields(&dump);
    dump.floors = vec![Floor { place: 7, generation: 3 }, Floor { place: 4_095, generation: 1 }];
    has_fields(&dump);
    dump.floors.iter().for_each(has_fields);
    dump.providers.iter().for_each(has_fields);
    dump.providers.iter().flat_map(|it| it.used.values()).for_each(has_fields::<UsedAmounts>);
    dump.consumers.iter().for_each(has_fields::<Allocations>);
    dump.consumers.iter().flat_map(|it| &it.allocations).for_each(has_fields);
    let leased = Allocations { deadline: Some(Deadline(7)), tag: 9, ..dump.consumers[1].clone() };
    has_fields(&leased);
}

#[test]
fn a_provider_and_what_it_is_to_be_come_back() {
    for name in ["host", "numa-0", "gpu", "storage"] {
        let tree = plain();
        let data: Configuration = tree.configuration(&find(&tree, name)).unwrap();
        has_fields(&data);
        has_fields(&ProviderSpec::from(data));
    }
    has_fields(&ProviderSpec::new(id("host"), "host"));
}

#[test]
fn inventories_come_back_in_whole_and_in_part() {
    let third = Inventory::new(3).with_allocation_ratio(1.0 / 3.0).with_max_unit(2);
    let inventories = of(VCPU, 16).with(MEMORY, third);
    inventories.iter().for_each(|(_, inventory)| has_fields::<Inventory>(inventory));
    comes_back::<Inventories>(&inventories);
    // One of each field alone: where fields are told apart by their places, none may be missing.
    let whole = PartialInventory::from(third);
    let none = PartialInventory::default();
    let parts = [
        none,
        PartialInventory { total: whole.total, ..none },
        PartialInventory { reserved: whole.reserved, ..none },
        PartialInventory { min_unit: whole.min_unit, ..none },
        PartialInventory { max_unit: whole.max_unit, ..none },
        PartialInventory { step_size: whole.step_size, ..none },
        PartialInventory { allocation_ratio: whole.allocation_ratio, ..none },
        whole,
    ];
    for part in parts {
        has_fields(&part);
        let all = [(VCPU, part), (MEMORY, none)].into_iter();
        comes_back(&all.collect::<PartialInventories>());
    }
}

#[test]
fn changes_come_back() {
    let tree = plain();
    let before = tree.snapshot();
    let mut worker = tree.worker().unwrap();
    let _receipt = worker.release(ONE).unwrap();
    let claim = Claim::new(Uuid::from_u128(0x33)).take(&find(&tree, "host"), MEMORY, 4);
    let _receipt = worker.claim(&claim.with_tag(3)).unwrap();
    tree.create_root("another", id("another")).unwrap();
    let changes: Changes = tree.snapshot().changes_since(&before).unwrap();
    has_fields(&changes);
    changes.providers.iter().for_each(has_fields);
    changes.providers.iter().filter_map(|it| it.after.as_ref()).for_each(has_fields);
    changes.consumers.iter().for_each(has_fields);
}

#[test]
fn answers_and_counts_come_back() {
    let tree = plain();
    let host = find(&tree, "host");
    let mut worker = tree.worker().unwrap();
    let receipt: Receipt = worker.release(ONE).unwrap();
    has_fields(&receipt);
    has_fields::<Usage>(&tree.usage(&host, VCPU).unwrap());
    let small = Inventories::new().with(MEMORY, Inventory::new(1)).with(VCPU, Inventory::new(1));
    has_fields::<Updated>(&tree.configure(&host, small, Expect::Any).unwrap());
    has_fields::<Metrics>(&tree.metrics());
    let audit: Audit = tree.snapshot().audit().unwrap();
    assert!(!audit.overcommitted.is_empty());
    audit.overcommitted.iter().for_each(has_fields::<Overcommit>);
    has_fields(&Difference { provider: id("host"), class: VCPU, used: 3, taken: 2, allocated: 2 });
    has_fields(&audit);
    let memory: Memory = tree.memory();
    has_fields(&memory);
    has_fields::<CellCounts>(&memory.providers);
    memory.records.iter().for_each(has_fields::<RecordCounts>);
    has_fields::<ByteCounts>(&memory.bytes);
    let view = tree.view();
    let request = Request::new().take(VCPU, 1_000).take(MEMORY, 1);
    let why: Why = view.why(&mut view.prepare(&request).unwrap()).unwrap();
    comes_back(&why);
}

#[test]
fn names_come_back() {
    comes_back(&ResourceClass::new("CUSTOM_BAREMETAL").unwrap());
    comes_back(&Trait::new("HW_CPU_X86_AVX2").unwrap());
}

#[test]
fn the_greatest_amounts_come_back() {
    has_fields(&UsedAmounts { used: u64::MAX, taken: i64::MAX as u64 + 1 });
    has_fields(&Inventory::new(u64::MAX).with_min_unit(u64::MAX - 1).with_max_unit(u64::MAX - 1));
}

#[test]
fn an_entry_without_a_generation_is_no_provider() {
    let entry = to_value(ProviderSpec::new(id("host"), "host")).unwrap();
    let error = from_value::<Configuration>(entry).unwrap_err().to_string();
    assert!(error.contains("missing field `generation`"), "{error}");
}
