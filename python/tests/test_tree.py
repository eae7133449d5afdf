"""The forest: structure, configuration, usage, populations, dumps."""

import copy
import uuid
from typing import Any

import pytest

from provider_tree import Claim, Expect, Provider, ProviderTree, errors


@pytest.fixture
def tree() -> ProviderTree:
    return ProviderTree()


def test_a_forest_is_built_and_walked(tree: ProviderTree) -> None:
    host = tree.create_root("host-1")
    first = tree.create_child(host, "host-1-numa-0")
    second = tree.create_child(host, "host-1-numa-1")
    other = tree.create_root("host-2", uuid.UUID(int=7))
    assert other.uuid == str(uuid.UUID(int=7))
    assert tree.roots() == [host, other]
    assert tree.children(host) == [first, second]
    assert tree.ancestors(second) == [host]
    assert tree.subtree(host) == tree.tree_of(second) == [host, first, second]
    assert tree.providers() == [host, first, second, other]
    assert repr(tree) == "<ProviderTree of 4 providers>"

    tree.reparent(second, other)
    assert tree.children(other) == [second]
    tree.reparent(second, None)
    assert tree.roots() == [host, other, second]
    tree.rename(second, "host-3")
    assert tree.configuration(second).name == "host-3"
    tree.remove_leaf(second)
    assert tree.remove(host) == 2
    assert tree.roots() == [other]


def test_a_provider_is_found_by_uuid_and_by_name(tree: ProviderTree) -> None:
    host = tree.create_root("host-1")
    assert tree.find("host-1") == tree.find(host.uuid) == tree.find(uuid.UUID(host.uuid)) == host
    assert tree["host-1"] == host
    assert "host-1" in tree and host.uuid in tree and "host-2" not in tree
    assert tree.find("host-2") is None
    with pytest.raises(LookupError) as caught:
        tree["host-2"]
    assert isinstance(caught.value, errors.UnknownProvider) and caught.value.key == "host-2"


def test_handles_are_keys(tree: ProviderTree) -> None:
    host = tree.create_root("host-1")
    assert {host: 1}[tree["host-1"]] == 1
    assert host != ProviderTree().create_root("host-1", host.uuid)
    assert host != "host-1"
    assert repr(host) == f"<Provider {host.uuid}>"


def test_a_configuration_says_what_was_configured(tree: ProviderTree) -> None:
    host = tree.create_root("host-1")
    aggregate = uuid.uuid4()
    updated = tree.configure(
        host,
        inventories={"VCPU": 8, "MEMORY_MB": {"total": 1024, "reserved": 24}},
        traits=["HW_CPU_X86_AVX2"],
        aggregates=[aggregate],
        expect=0,
    )
    assert updated and updated.changed and updated.generation == 1
    read = tree.configuration(host)
    assert (read.uuid, read.name, read.generation, read.parent) == (host.uuid, "host-1", 1, None)
    assert read.inventories["VCPU"]["total"] == 8
    assert read.inventories["MEMORY_MB"]["reserved"] == 24
    assert read.traits == {"HW_CPU_X86_AVX2"} and read.has_traits(["HW_CPU_X86_AVX2"])
    assert read.aggregates == {str(aggregate)} and read.in_aggregates([aggregate])
    assert not read.is_sharing

    assert not tree.configure(host, add_traits=["HW_CPU_X86_AVX2"])
    tree.configure(host, update_inventories={"VCPU": {"allocation_ratio": 4.0}}, expect=Expect.KEEP)
    read = tree.configuration(host)
    assert read.inventories["VCPU"]["allocation_ratio"] == 4.0 and read.generation == 1
    assert tree.usage(host, "VCPU").capacity == 32
    tree.configure(host, remove_inventories=["VCPU"], expect=Expect.mirror(70))
    assert set(tree.usages(host)) == {"MEMORY_MB"}
    assert tree.configuration(host).generation == 70


def test_usages_of_a_subtree(tree: ProviderTree) -> None:
    host = tree.create_root("host-1")
    numa = tree.create_child(host, "host-1-numa-0")
    tree.configure(numa, inventories={"VCPU": 4})
    with tree.worker() as worker:
        worker.take(numa, {"VCPU": 3})
    assert tree.subtree_usages(host)[numa]["VCPU"].used == 3
    usage = tree.usage(numa, "VCPU")
    assert (usage.capacity, usage.used, usage.free) == (4, 3, 1)
    assert usage == tree.usages(numa)["VCPU"] and hash(usage) == hash(tree.usages(numa)["VCPU"])


def test_a_cordon_covers_what_is_below(tree: ProviderTree) -> None:
    host = tree.create_root("host-1")
    numa = tree.create_child(host, "host-1-numa-0")
    assert tree.cordon(host) and not tree.cordon(host)
    assert tree.is_cordoned(numa)
    assert tree.uncordon(host) and not tree.is_cordoned(numa)


def row(**fields: Any) -> dict[str, Any]:
    return {"uuid": str(uuid.uuid4()), "name": "host-1", **fields}


def test_rows_of_placement_populate(tree: ProviderTree) -> None:
    host = row(generation=5, links=[{"rel": "self", "href": "/resource_providers/x"}])
    host["parent_provider_uuid"] = None
    host["root_provider_uuid"] = host["uuid"]
    numa = row(
        name="host-1-numa-0",
        parent_provider_uuid=host["uuid"],
        inventories={"VCPU": {"total": 4}},
        traits=["HW_CPU_X86_AVX2"],
        aggregates=[uuid.uuid4()],
    )
    made = tree.populate([numa, host])
    assert [it.uuid for it in made] == [numa["uuid"], host["uuid"]]
    assert tree.configuration(made[1]).generation == 5
    assert tree.configuration(made[0]).parent == host["uuid"]
    assert tree.usage(made[0], "VCPU").capacity == 4


def test_a_field_that_is_misspelt_is_named(tree: ProviderTree) -> None:
    with pytest.raises(ValueError, match="parent_uuid"):
        tree.populate([row(parent_uuid=None)])
    with pytest.raises(ValueError, match="lacks the field \"name\""):
        tree.populate([{"uuid": str(uuid.uuid4())}])
    with pytest.raises(ValueError, match="lacks the field \"uuid\""):
        tree.populate([{"name": "host-1"}])
    with pytest.raises(ValueError, match="totl"):
        tree.populate([row(inventories={"VCPU": {"totl": 4}})])
    with pytest.raises(ValueError, match="no total"):
        tree.populate([row(inventories={"VCPU": {"reserved": 4}})])
    with pytest.raises(TypeError):
        tree.populate([7])  # type: ignore[list-item]
    assert tree.providers() == []


def test_all_or_nothing_of_a_list_comes(tree: ProviderTree) -> None:
    orphan = row(parent_provider_uuid=str(uuid.UUID(int=1)))
    with pytest.raises(errors.InvalidEntries) as caught:
        tree.populate([row(name="host-2"), orphan, row(name="")])
    assert {it.kind for it in caught.value.faults} == {"Orphan", "InvalidName"}
    fault = next(it for it in caught.value.faults if it.kind == "Orphan")
    assert (fault.provider, fault.parent) == (orphan["uuid"], str(uuid.UUID(int=1)))
    assert fault == copy.deepcopy(fault)
    assert tree.providers() == []


def test_what_the_forest_says_of_itself(tree: ProviderTree) -> None:
    host = tree.create_root("host-1")
    tree.configure(host, inventories={"VCPU": 4})
    assert not tree.has_sharing_provider("VCPU")
    tree.configure(host, traits=["MISC_SHARES_VIA_AGGREGATE"])
    assert tree.has_sharing_provider("VCPU")
    with tree.worker() as worker:
        worker.claim(Claim({host: {"VCPU": 1}}))
    assert tree.metrics()["claims"] == 1
    assert "claims" in tree.prometheus()
    assert tree.memory()["providers"]["live"] == 1
    assert tree.next_deadline() is None


def test_a_handle_of_a_removed_provider_means_no_other(tree: ProviderTree) -> None:
    host = tree.create_root("host-1")
    tree.remove(host)
    again = tree.create_root("host-1", host.uuid)
    assert host != again
    with pytest.raises(errors.Removed) as caught:
        tree.configuration(host)
    assert caught.value.provider == host.uuid
    assert isinstance(again, Provider)
