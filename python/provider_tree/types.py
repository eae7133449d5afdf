"""What the arguments of the native interface are, and the dicts that it returns, for annotations."""

from collections.abc import Iterable, Mapping
from typing import Any, NotRequired, Required, TypeAlias, TypedDict
from uuid import UUID

from provider_tree._native import Allocations, Issued, Lease, Placed, Provider, Receipt

__all__ = [
    "AllocationDump",
    "Amounts",
    "Audit",
    "ByteCounts",
    "CellCounts",
    "Changes",
    "ConfigurationDump",
    "Consumer",
    "ConsumerChange",
    "ConsumerDump",
    "Difference",
    "Dump",
    "Floor",
    "Inventories",
    "InventoryDump",
    "InventoryFields",
    "Memory",
    "Overcommitted",
    "ProviderChange",
    "ProviderDump",
    "ProviderRow",
    "ProviderState",
    "RecordCounts",
    "Touched",
    "UsageDump",
    "UsedDump",
    "Uuid",
    "Why",
]

#: A uuid.
Uuid: TypeAlias = str | UUID

#: Who claims: a uuid, or what says itself which consumer it is of.
Consumer: TypeAlias = str | UUID | Receipt | Placed | Allocations | Lease | Issued

#: Amounts by resource class.
Amounts: TypeAlias = Mapping[str, int]

#: The fields of one inventory, as Placement names them. Each has its usual value if it is left out, but `total`.
InventoryFields: TypeAlias = Mapping[str, int | float]

#: Inventories by resource class: the fields of each, or its total alone.
Inventories: TypeAlias = Mapping[str, InventoryFields | int]


class ProviderRow(TypedDict, total=False):
    """A provider to come: what `ProviderTree.populate` takes a list of, and `Batch.create` one."""

    uuid: Required[Uuid]
    name: Required[str]
    #: None for a root, as if it is left out.
    parent_provider_uuid: Uuid | None
    generation: int | None
    inventories: Inventories | None
    traits: Iterable[str] | None
    aggregates: Iterable[Uuid] | None
    #: Passed over, as is `links`: rows of Placement have it.
    root_provider_uuid: Any
    links: Any


class InventoryDump(TypedDict):
    """One inventory."""

    total: int
    reserved: int
    min_unit: int
    #: Left out if it bounds nothing.
    max_unit: NotRequired[int]
    step_size: int
    allocation_ratio: float


class ConfigurationDump(TypedDict):
    """What a provider has and is."""

    uuid: str
    name: str
    #: None for a root.
    parent_provider_uuid: str | None
    generation: int
    #: By resource class.
    inventories: dict[str, InventoryDump]
    traits: list[str]
    aggregates: list[str]


class UsedDump(TypedDict):
    """How much of one class of one provider is used."""

    #: All of it: what consumers hold, and what was taken without one.
    used: int
    #: The part of `used` that `Worker.take` took.
    taken: int


class ProviderDump(TypedDict):
    """One provider of a `Dump`."""

    configuration: ConfigurationDump
    #: Whether the provider itself is cordoned, and not only an ancestor.
    cordoned: bool
    #: By resource class; a class of which nothing is used may be missing.
    used: dict[str, UsedDump]


#: An amount that a consumer holds.
AllocationDump = TypedDict("AllocationDump", {"provider": str, "class": str, "amount": int})


class ConsumerDump(TypedDict):
    """One consumer of a `Dump`, and all that it holds."""

    consumer: str
    generation: int
    #: When its lease ends; None if it holds this for good.
    deadline: int | None
    #: 0 if no claim has set one.
    tag: int
    allocations: list[AllocationDump]


class Floor(TypedDict):
    """Above which generation the next lives begin of the consumers that share a place."""

    place: int
    generation: int


class Dump(TypedDict):
    """What `Snapshot.dump` returns, and `ProviderTree.load` reads."""

    version: int
    #: Parents before children, siblings as they came.
    providers: list[ProviderDump]
    #: In the order of their uuids.
    consumers: list[ConsumerDump]
    #: In the order of their places; may be missing when it is read.
    floors: list[Floor]


class ProviderState(TypedDict):
    """Everything about a provider, and its place among its siblings."""

    dump: ProviderDump
    #: The sibling before it; None of the first child of a parent, and of the first root.
    previous: str | None


class ProviderChange(TypedDict):
    """A provider that differs."""

    provider: str
    #: None if it did not exist.
    before: ProviderState | None
    #: None if it does not exist any more.
    after: ProviderState | None


class ConsumerChange(TypedDict):
    """A consumer that differs."""

    consumer: str
    #: None if it held nothing.
    before: ConsumerDump | None
    #: None if it holds nothing any more.
    after: ConsumerDump | None


#: What `Snapshot.changes_since` and `Feed.poll` return, and what going through a `Feed` yields: the numbers of the
#: older and of the newer snapshot, and what differs, in the order of the uuids.
Changes = TypedDict(
    "Changes",
    {"from": int, "to": int, "providers": list[ProviderChange], "consumers": list[ConsumerChange]},
)

#: What `Feed.poll_touched` returns: providers have their handles, and None if they have gone.
Touched = TypedDict(
    "Touched",
    {"from": int, "to": int, "providers": dict[str, Provider | None], "consumers": list[str]},
)


class UsageDump(TypedDict):
    """How much of a class is used, of how much."""

    capacity: int
    used: int


#: A class of a provider of which more is used than the capacity; `Snapshot.overcommitted` returns a list of these.
Overcommitted = TypedDict("Overcommitted", {"provider": str, "class": str, "usage": UsageDump})

#: A class of a provider whose usage is not what consumers hold and what was taken. There is none, unless the library
#: is wrong.
Difference = TypedDict(
    "Difference", {"provider": str, "class": str, "used": int, "taken": int, "allocated": int}
)


class Audit(TypedDict):
    """What `Snapshot.audit` returns."""

    #: How many providers, and how many consumers, were looked at.
    providers: int
    consumers: int
    differences: list[Difference]
    overcommitted: list[Overcommitted]


class Why(TypedDict):
    """What `View.why` returns. Each root is counted once, under the first condition that it fails."""

    #: All roots.
    roots: int
    root_traits: int
    #: The name of each group that can't be served, None for the unnamed one, and of how many roots.
    groups: list[tuple[str | None, int]]
    traits: int
    #: The resource class that is short, and in how many roots.
    short: list[tuple[str, int]]
    together: int
    fitting: int


class CellCounts(TypedDict):
    """What cells of one kind are for."""

    live: int
    absent: int
    free: int


class RecordCounts(TypedDict):
    """What records of one width, in words of 8 bytes, are for."""

    words: int
    made: int
    in_force: int
    spare: int
    with_workers: int


class ByteCounts(TypedDict):
    """What takes how many bytes."""

    cells: int
    records: int
    indexes: int
    rest: int


class Memory(TypedDict):
    """What `ProviderTree.memory` returns: counts, and bytes."""

    providers: CellCounts
    names: CellCounts
    consumers: CellCounts
    cells_with_workers: int
    records: list[RecordCounts]
    uuid_entries: int
    name_entries: int
    consumer_entries: int
    configurations: int
    kept_configurations: int
    layouts: int
    kept_versions: int
    leases: int
    snapshots: int
    bytes: ByteCounts
