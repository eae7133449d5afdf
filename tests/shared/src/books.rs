//! What a forest has in memory when nobody uses it: exactly what it holds.

use provider_tree::{Memory, ProviderTree};

/// What a forest without workers and snapshots has in memory and does not hold; empty if nothing.
pub fn find_leaks(tree: &ProviderTree) -> Vec<String> {
    let dump = tree.snapshot().dump().unwrap();
    let memory = tree.memory();
    let providers = dump.providers.len() as u64;
    let consumers = dump.consumers.len() as u64;
    let leases = dump.consumers.iter().filter(|consumer| consumer.deadline.is_some()).count();
    let Memory { records, .. } = &memory;
    let figures = [
        ("live cells of providers", memory.providers.live, providers),
        ("absent cells of providers", memory.providers.absent, 0),
        ("live cells of names", memory.names.live, providers),
        ("absent cells of names", memory.names.absent, 0),
        ("live cells of consumers", memory.consumers.live, consumers),
        ("absent cells of consumers", memory.consumers.absent, 0),
        ("cells with workers", memory.cells_with_workers, 0),
        ("records with workers", records.iter().map(|width| width.with_workers).sum(), 0),
        ("uuids in the index", memory.uuid_entries, providers),
        ("names in the index", memory.name_entries, providers),
        ("consumers in the index", memory.consumer_entries, consumers),
        ("configurations", memory.configurations, providers),
        ("configurations kept", memory.kept_configurations, 0),
        ("versions kept", memory.kept_versions, 0),
        ("leases on the agenda", memory.leases, leases as u64),
        ("snapshots", memory.snapshots, 0),
    ];
    let wrong = figures.iter().filter(|(_, found, held)| found != held);
    wrong.map(|(what, found, held)| format!("{found} {what}, not {held}")).collect()
}

/// Fails if a forest without workers and snapshots has anything in memory that it does not hold.
#[track_caller]
pub fn assert_no_leaks(tree: &ProviderTree) {
    let leaks = find_leaks(tree);
    assert!(leaks.is_empty(), "{leaks:?} in\n{}", tree.memory());
}
