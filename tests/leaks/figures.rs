//! What `Memory` says of a forest that somebody uses.

use provider_tree::{Claim, Expect, ProviderTree};

use crate::books::find_leaks;
use crate::site::{MEMORY, Site, VCPU, cpus, id, of};

#[test]
fn a_worker_has_a_stock_until_it_is_dropped() {
    let site = Site::new();
    let mut worker = site.worker();
    let _receipt = worker.claim(&cpus(id(1), &site.host, 1)).unwrap();
    let memory = site.tree.memory();
    assert!(memory.cells_with_workers > 0 && memory.records[0].with_workers > 0, "{memory}");
    drop(worker);
    let memory = site.tree.memory();
    assert_eq!((memory.cells_with_workers, memory.records[0].with_workers), (0, 0), "{memory}");
}

#[test]
fn a_snapshot_shows_and_what_is_kept_for_it() {
    let site = Site::new();
    let mut worker = site.worker();
    let snapshot = site.tree.snapshot();
    for total in 1..4 {
        drop(site.tree.snapshot());
        site.tree.configure(&site.idle, of(VCPU, total), Expect::Any).unwrap();
    }
    let memory = site.tree.memory();
    assert_eq!((memory.snapshots, memory.kept_configurations), (1, 1), "{memory}");
    for number in 1..4 {
        let _moment = site.tree.snapshot();
        worker.take(&site.host, &[(VCPU, 1)]).unwrap();
        let _moment = site.tree.snapshot();
        worker.put_back(&site.host, &[(VCPU, 1)]).unwrap();
        let _receipt = worker.claim(&Claim::new(id(number)).take(&site.host, MEMORY, 4)).unwrap();
    }
    drop(worker);
    assert!(site.tree.memory().kept_versions > 0, "{}", site.tree.memory());
    drop(snapshot);
    let memory = site.tree.memory();
    let kept = (memory.snapshots, memory.kept_configurations, memory.kept_versions);
    assert_eq!(kept, (0, 0, 0), "{memory}");
    assert!(find_leaks(&site.tree).is_empty());
}

#[test]
fn bytes_grow_with_what_there_is() {
    let tree = ProviderTree::new();
    let before = tree.memory().bytes;
    for number in 0..2_000 {
        tree.create_root(&format!("root {number}"), id(number)).unwrap();
    }
    let after = tree.memory().bytes;
    // Three cells each: a word for each gate, and a record for each version, of 16 words for the
    // structure, of 8 for usage and name.
    assert!(after.cells - before.cells >= 3 * 8 * 2_000, "{before:?} {after:?}");
    assert!(after.records - before.records >= 256 * 1_800, "{before:?} {after:?}");
    assert!(after.indexes - before.indexes >= 2 * 32 * 2_000, "{before:?} {after:?}");
    assert_eq!(after.total(), after.cells + after.records + after.indexes + after.rest);
}

#[test]
fn a_report_is_a_table() {
    let site = Site::new();
    let table = site.tree.memory().to_string();
    let line = |label: &str| table.lines().find(|line| line.starts_with(label)).unwrap().to_owned();
    let figures = |label: &str| -> Vec<u64> {
        line(label).split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    assert_eq!(figures("providers")[..2], [4, 0], "{table}");
    assert_eq!(figures("consumers")[..2], [2, 0], "{table}");
    assert_eq!(figures("index entries"), [4, 4, 2], "{table}");
    assert_eq!(figures("leases"), [1], "{table}");
    let memory = site.tree.memory();
    for record in &memory.records[..2] {
        let figures = figures(&format!("{} words", record.words));
        assert_eq!(figures[1..3], [record.made, record.in_force], "{table}");
    }
}
