//! What may be sent to other threads, and shared with them; and that everything can be shown.

use std::fmt::Debug;

use provider_tree::{
    Allocation, Allocations, Audit, Batch, ByteCounts, Candidate, Candidates, CellCounts, Changes,
    Claim, Configuration, ConsumerChange, Difference, Dump, Error, Eviction, Expect, Facts, Fault,
    Feed, Fork, Group, Inventories, Inventory, InventoryFault, Issued, Lease, Memory, Metrics,
    Mirror, Overcommit, Partial, PartialInventories, PartialInventory, Placed, Prepared, Provider,
    ProviderChange, ProviderDump, ProviderKey, ProviderSpec, ProviderState, ProviderTree, Receipt,
    RecordCounts, Request, RequestFault, ResourceClass, Resources, Root, Snapshot, SubtreeUsages,
    Touched, TouchedProvider, Trait, Unplaced, Updated, Usage, UsedAmounts, Version, View, Why,
    Worker,
};

/// Compiles only for a type that threads can share, and that shows itself.
fn is_shared<T: Send + Sync + Debug>() {}

/// Compiles only for a type that goes from thread to thread, and shows itself.
fn is_sent<T: Send + Debug>() {}

/// Compiles only for a type that shows itself.
fn is_shown<T: Debug>() {}

macro_rules! all {
    ($check:ident: $($type:ty,)+) => {{ $($check::<$type>();)+ }};
}

#[test]
fn threads_share_and_send_what_they_should() {
    all!(is_shared:
        ProviderTree, Provider, ProviderKey<'_>, ProviderSpec, Configuration, Facts,
        Inventories, Inventory, PartialInventories, PartialInventory, Resources, ResourceClass,
        Trait, Usage, SubtreeUsages, Updated, Version, Expect, Error, Fault, InventoryFault,
        RequestFault, Claim, Batch, Receipt, Partial, Lease, Issued, Allocations, Allocation,
        Metrics, Memory, CellCounts, RecordCounts, ByteCounts, Snapshot, Changes, ProviderChange,
        ProviderState, ConsumerChange, Touched, TouchedProvider, Dump, ProviderDump, UsedAmounts,
        Audit, Difference, Overcommit, Mirror, Feed, Request, Group, Candidate, Root<'_>,
        Placed, Unplaced, Eviction, Why,
    );
    // One thread's own, which may go to another one.
    all!(is_sent: Worker, View, Prepared, Fork,);
    all!(is_shown: Candidates<'_>,);
}
