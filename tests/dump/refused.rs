//! Checks which dumps are refused, and for exactly which reasons.

use std::sync::Arc;

use provider_tree::{
    Allocation, Allocations, Dump, Error, Fault, Floor, Inventories, Inventory, InventoryFault,
    ProviderTree, ResourceClass, UsedAmounts,
};

use crate::{DISK, MEMORY, ONE, PGPU, RACK, TWO, VCPU, consumer, facts, forest, id, provider};

const LARGEST_GENERATION: u64 = i64::MAX as u64 + (1 << 62);

/// Checks that the forest's dump is refused after an edit, for exactly these reasons, and in words
/// that name this.
fn assert_refused(edit: impl FnOnce(&mut Dump), named: impl ToString, mut expected: Vec<Fault>) {
    let mut dump = forest().snapshot().dump().unwrap();
    edit(&mut dump);
    let error = ProviderTree::load(&dump).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&named.to_string()), "{text}");
    let Error::InvalidEntries { mut faults } = error else { panic!("{text}") };
    faults.sort_by_cached_key(|fault| format!("{fault:?}"));
    expected.sort_by_cached_key(|fault| format!("{fault:?}"));
    assert_eq!(faults, expected);
}

fn held(provider: &str, class: ResourceClass, amount: u64) -> Allocation {
    Allocation::new(id(provider), class, amount)
}

fn floor(place: u16, generation: u64) -> Floor {
    Floor { place, generation }
}

#[test]
fn another_version_is_refused() {
    for version in [0, 3] {
        let fault = Fault::DumpVersion { found: version, supported: 2 };
        assert_refused(|dump| dump.version = version, format!("version {version}"), vec![fault]);
    }
}

#[test]
fn a_parent_that_is_not_listed_is_refused() {
    let fault = Fault::Orphan { provider: id("gpu"), parent: id("none") };
    assert_refused(|dump| facts(dump, "gpu").parent = Some(id("none")), id("gpu"), vec![fault]);
}

#[test]
fn a_circle_is_refused() {
    assert_refused(
        |dump| facts(dump, "host").parent = Some(id("numa-1")),
        id("numa-1"),
        ["host", "numa-1"].map(|name| Fault::Cycle { provider: id(name) }).into(),
    );
}

#[test]
fn a_uuid_that_is_listed_again_is_refused() {
    let again = |dump: &mut Dump| {
        let mut copy = provider(dump, "numa-0").clone();
        Arc::make_mut(&mut copy.configuration.facts).name = "copy".into();
        dump.providers.push(copy);
    };
    let fault = Fault::DuplicateUuid { provider: id("numa-0") };
    assert_refused(again, id("numa-0"), vec![fault]);
}

#[test]
fn a_name_that_is_listed_again_is_refused() {
    let fault =
        |provider| Fault::DuplicateName { provider: id(provider), name: "numa-1".to_owned() };
    assert_refused(
        |dump| facts(dump, "numa-0").name = "numa-1".into(),
        id("numa-0"),
        vec![fault("numa-0"), fault("numa-1")],
    );
}

#[test]
fn a_name_that_no_provider_can_have_is_refused() {
    let (name, reason) = (String::new(), "it is empty");
    let fault = Fault::InvalidName { provider: id("gpu"), name, length: 0, reason };
    assert_refused(|dump| facts(dump, "gpu").name = "".into(), id("gpu"), vec![fault]);
}

#[test]
fn a_consumer_that_is_listed_again_is_refused() {
    let again = |dump: &mut Dump| {
        provider(dump, "host").used.get_mut(&VCPU).unwrap().used += 1;
        let allocations = vec![held("host", VCPU, 1)];
        dump.consumers.push(Allocations {
            consumer: TWO,
            generation: 1,
            deadline: None,
            tag: 0,
            allocations,
        });
    };
    assert_refused(again, TWO, vec![Fault::DuplicateConsumer { consumer: TWO }]);
}

#[test]
fn a_consumer_that_holds_nothing_is_refused() {
    let nobody = |dump: &mut Dump| {
        dump.consumers.push(Allocations {
            consumer: RACK,
            generation: 1,
            deadline: None,
            tag: 0,
            allocations: vec![],
        });
    };
    assert_refused(nobody, RACK, vec![Fault::EmptyConsumer { consumer: RACK }]);
}

#[test]
fn an_allocation_of_what_does_not_exist_is_refused() {
    for (name, class) in [("none", VCPU), ("host", PGPU), ("numa-0", VCPU)] {
        let fault = Fault::UnknownInventory { consumer: TWO, provider: id(name), class };
        assert_refused(
            |dump| consumer(dump, TWO).allocations.push(held(name, class, 1)),
            id(name),
            vec![fault],
        );
    }
}

#[test]
fn an_allocation_of_nothing_is_refused() {
    let (provider, class) = (id("host"), VCPU);
    let fault = Fault::InvalidAllocation { consumer: TWO, provider, class, amount: 0 };
    assert_refused(
        |dump| consumer(dump, TWO).allocations.push(held("host", VCPU, 0)),
        TWO,
        vec![fault],
    );
}

#[test]
fn an_allocation_that_is_listed_again_is_refused() {
    let again = |dump: &mut Dump| {
        provider(dump, "host").used.get_mut(&MEMORY).unwrap().used += 4;
        consumer(dump, TWO).allocations.push(held("host", MEMORY, 4));
    };
    let (provider, class) = (id("host"), MEMORY);
    let fault = Fault::InvalidAllocation { consumer: TWO, provider, class, amount: 4 };
    assert_refused(again, TWO, vec![fault]);
}

#[test]
fn usage_that_is_not_the_sum_of_what_is_held_and_taken_is_refused() {
    let differs = |edit: fn(&mut UsedAmounts), used, held| {
        let fault = Fault::UsageDiffers { provider: id("host"), class: VCPU, used, held };
        let edit = |dump: &mut Dump| edit(provider(dump, "host").used.get_mut(&VCPU).unwrap());
        assert_refused(edit, id("host"), vec![fault]);
    };
    differs(|cores| cores.used += 1, 6, 5);
    differs(|cores| cores.used -= 1, 4, 5);
    differs(|cores| cores.taken += 1, 5, 6);
    differs(|cores| cores.taken = u64::MAX, 5, u64::MAX);
}

#[test]
fn usage_that_is_missing_is_refused() {
    let fault = |class, held| Fault::UsageDiffers { provider: id("host"), class, used: 0, held };
    assert_refused(
        |dump| provider(dump, "host").used.clear(),
        id("host"),
        // Nor is anything taken then.
        vec![fault(VCPU, 3), fault(MEMORY, 8)],
    );
}

#[test]
fn usage_without_an_inventory_is_refused() {
    let class = DISK;
    assert_refused(
        |dump| {
            provider(dump, "host").used.insert(DISK, UsedAmounts { used: 1, taken: 1 });
        },
        id("host"),
        vec![Fault::UsedWithoutInventory { provider: id("host"), class, used: 1 }],
    );
}

#[test]
fn a_generation_that_could_not_grow_for_ever_is_refused() {
    let fault = |owner, generation| vec![Fault::GenerationTooLarge { owner, generation }];
    assert_refused(
        |dump| provider(dump, "gpu").configuration.generation = LARGEST_GENERATION + 1,
        id("gpu"),
        fault(id("gpu"), LARGEST_GENERATION + 1),
    );
    assert_refused(|dump| consumer(dump, TWO).generation = u64::MAX, TWO, fault(TWO, u64::MAX));
}

#[test]
fn a_floor_that_there_is_not_is_refused() {
    let fault = Fault::UnknownFloor { place: 4_096 };
    assert_refused(
        |dump| dump.floors = vec![floor(4_095, 1), floor(4_096, 0)],
        "place 4096",
        vec![fault],
    );
}

#[test]
fn a_floor_that_is_listed_again_is_refused() {
    let fault = Fault::DuplicateFloor { place: 7 };
    assert_refused(
        |dump| dump.floors = vec![floor(7, 1), floor(8, 1), floor(7, 1)],
        "place 7",
        vec![fault],
    );
}

#[test]
fn a_floor_that_leaves_no_generations_above_it_is_refused() {
    let (place, generation) = (7, LARGEST_GENERATION + 1);
    assert_refused(
        |dump| dump.floors = vec![floor(place, generation), floor(8, LARGEST_GENERATION)],
        generation,
        vec![Fault::FloorTooHigh { place, generation }],
    );
}

#[test]
fn an_inventory_that_contradicts_itself_is_refused() {
    let (class, fault) = (PGPU, InventoryFault::ReservedAboveTotal { reserved: 2, total: 1 });
    assert_refused(
        |dump| {
            let broken = Inventories::new().with(PGPU, Inventory::new(1).with_reserved(2));
            facts(dump, "gpu").inventories = broken.into();
        },
        id("gpu"),
        vec![Fault::InvalidInventory { provider: id("gpu"), class, fault }],
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let edit = |dump: &mut Dump| {
        dump.version = 0;
        facts(dump, "storage").parent = Some(id("none"));
        facts(dump, "gpu").name = "host".into();
        provider(dump, "host").used.get_mut(&VCPU).unwrap().used = 9;
        consumer(dump, ONE).generation = u64::MAX;
        dump.floors = vec![floor(4_096, 1)];
        dump.consumers.push(Allocations {
            consumer: RACK,
            generation: 1,
            deadline: None,
            tag: 0,
            allocations: vec![],
        });
    };
    let same = |provider| Fault::DuplicateName { provider: id(provider), name: "host".into() };
    let expected = vec![
        Fault::DumpVersion { found: 0, supported: 2 },
        Fault::Orphan { provider: id("storage"), parent: id("none") },
        same("gpu"),
        same("host"),
        Fault::UsageDiffers { provider: id("host"), class: VCPU, used: 9, held: 5 },
        Fault::GenerationTooLarge { owner: ONE, generation: u64::MAX },
        Fault::EmptyConsumer { consumer: RACK },
        Fault::UnknownFloor { place: 4_096 },
    ];
    assert_refused(edit, RACK, expected);
}
