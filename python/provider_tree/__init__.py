"""A lock-free concurrent tree of resource providers for multithreaded schedulers.

A provider is something that has resources: a host, a GPU, a network card. Providers form trees, and a
`ProviderTree` is a forest of such trees that any number of threads share. Consumers, such as virtual machines
and jobs, claim amounts from any number of providers in one commit, through a `Worker`, one for each thread.

    >>> from provider_tree import CapacityExceeded, Claim, ProviderTree
    >>> tree = ProviderTree()
    >>> host = tree.create_root("host-1")
    >>> tree.configure(host, inventories={"VCPU": 16})
    Updated(changed=True, generation=1)
    >>> with tree.worker() as worker:
    ...     receipt = worker.claim(Claim({host: {"VCPU": 12}}))
    ...     try:
    ...         worker.claim(Claim({host: {"VCPU": 12}}))
    ...     except CapacityExceeded as error:
    ...         print(error.requested, error.free)
    12 4

Every reason for which a call is refused is a class of its own, with what the caller needs for the next decision
in attributes; they stand in `provider_tree.errors`, and are exported here too. Wrong arguments raise TypeError,
ValueError or OverflowError, as everywhere in Python.
"""

from provider_tree._native import (
    Allocations,
    Batch,
    Candidate,
    Claim,
    Column,
    Configuration,
    Eviction,
    Expect,
    Feed,
    Fork,
    Group,
    Issued,
    Lease,
    Partial,
    Placed,
    Prepared,
    Provider,
    ProviderTree,
    Receipt,
    Request,
    Snapshot,
    Updated,
    Usage,
    View,
    Worker,
)
from provider_tree.errors import (
    AlreadyHeld,
    CapacityExceeded,
    Conflict,
    ConsumerChanged,
    ConsumerConflict,
    ConsumerExists,
    ConsumerNotFound,
    Cordoned,
    EmptyClaim,
    Fault,
    FellBehind,
    ForeignLease,
    ForeignProvider,
    ForeignRequest,
    ForeignSnapshot,
    GaveUp,
    GenerationConflict,
    HasChildren,
    InUse,
    InUseByAnotherThread,
    InvalidEntries,
    InvalidInventory,
    InvalidName,
    InvalidRequest,
    LeaseEnded,
    NameExists,
    NoHolders,
    NoInventory,
    NotIssued,
    NotLeased,
    NotTaken,
    NothingFits,
    ProviderChanged,
    ProviderTreeError,
    Removed,
    SnapshotTooOld,
    SumTooLarge,
    TooFewFit,
    TooLarge,
    UnitViolation,
    UnknownProvider,
    Unnamed,
    UuidExists,
    WouldCycle,
    ZeroAmount,
)

__all__ = [
    # The forest, and what it says of a provider
    "ProviderTree",
    "Provider",
    "Configuration",
    "Expect",
    "Updated",
    "Usage",
    # Claims
    "Claim",
    "Worker",
    "Receipt",
    "Partial",
    "Lease",
    "Issued",
    "Allocations",
    "Batch",
    # Whole forests
    "Snapshot",
    "Fork",
    "Feed",
    # Search
    "View",
    "Request",
    "Group",
    "Prepared",
    "Candidate",
    "Placed",
    "Eviction",
    "Column",
    # What can go wrong
    "AlreadyHeld",
    "CapacityExceeded",
    "Conflict",
    "ConsumerChanged",
    "ConsumerConflict",
    "ConsumerExists",
    "ConsumerNotFound",
    "Cordoned",
    "EmptyClaim",
    "Fault",
    "FellBehind",
    "ForeignLease",
    "ForeignProvider",
    "ForeignRequest",
    "ForeignSnapshot",
    "GaveUp",
    "GenerationConflict",
    "HasChildren",
    "InUse",
    "InUseByAnotherThread",
    "InvalidEntries",
    "InvalidInventory",
    "InvalidName",
    "InvalidRequest",
    "LeaseEnded",
    "NameExists",
    "NoHolders",
    "NoInventory",
    "NotIssued",
    "NotLeased",
    "NotTaken",
    "NothingFits",
    "ProviderChanged",
    "ProviderTreeError",
    "Removed",
    "SnapshotTooOld",
    "SumTooLarge",
    "TooFewFit",
    "TooLarge",
    "UnitViolation",
    "UnknownProvider",
    "Unnamed",
    "UuidExists",
    "WouldCycle",
    "ZeroAmount",
]
