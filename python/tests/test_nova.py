"""What `provider_tree.nova` promises beside answering as Nova's class does, with or without Nova."""

# mypy: ignore-errors
# What Nova does with its tree has no types.

from __future__ import annotations

import copy
import gc
import pathlib
import pickle
import subprocess
import sys
import threading
from unittest import mock

import pytest

import provider_tree.nova
from provider_tree.nova import ProviderTree, substitution, tree as module

ROOT = "00000000-0000-4000-8000-000000000001"
CHILD = "00000000-0000-4000-8000-000000000002"


@pytest.fixture
def tree():
    """A root with a child."""
    tree = ProviderTree()
    tree.new_root("host", ROOT, generation=1)
    tree.new_child("gpu", ROOT, CHILD, generation=1)
    tree.update_inventory(CHILD, {"VGPU": {"total": 8}})
    return tree


def run(code, *arguments):
    """Runs a program in a process of its own; returns what it prints."""
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# The tree


def test_what_is_returned_is_the_callers_own(tree):
    data = tree.data(CHILD)
    data.inventory["VGPU"]["total"] = 1
    data.inventory["VCPU"] = {}
    data.traits.add("CUSTOM_A")
    data.aggregates.add("an aggregate")
    data.resources["VGPU"] = {1}
    assert tree.data(CHILD) == (CHILD, "gpu", 1, ROOT, {"VGPU": {"total": 8}}, set(), set(), {})
    with pytest.raises(AttributeError):
        data.name = "other"


def test_what_is_put_in_is_copied(tree):
    inventory = {"VCPU": {"total": 4}, "odd": {"total": [1]}}
    traits, resources = {"CUSTOM_A"}, {"VCPU": [{"address": "a"}]}
    tree.update_inventory(ROOT, inventory)
    tree.update_traits(ROOT, traits)
    tree.update_resources(ROOT, resources)
    inventory["VCPU"]["total"] = 5
    inventory["odd"]["total"].append(2)
    traits.add("CUSTOM_B")
    resources["VCPU"][0]["address"] = "b"
    data = tree.data(ROOT)
    assert data.inventory == {"VCPU": {"total": 4}, "odd": {"total": [1]}}
    assert (data.traits, data.resources) == ({"CUSTOM_A"}, {"VCPU": [{"address": "a"}]})


def test_a_copy_is_a_tree_of_its_own(tree):
    copied = copy.deepcopy(tree)
    copied.update_inventory(CHILD, {"VGPU": {"total": 1}}, 9)
    copied.new_child("nic", "host")
    tree.remove(CHILD)
    assert copied.data("gpu").generation == 9
    assert copied.get_provider_uuids()[:2] == [ROOT, CHILD]
    assert tree.get_provider_uuids() == [ROOT]


def test_the_lock_is_one_for_all_trees_and_copies(tree):
    others = [ProviderTree(), copy.deepcopy(tree), pickle.loads(pickle.dumps(tree)), tree.subtree(ROOT)]
    assert all(other.lock is tree.lock for other in others)


def test_methods_can_be_replaced_and_do_not_rest_on_each_other(tree):
    tree.update_traits = mock.Mock(side_effect=AssertionError)
    tree.data = mock.Mock(return_value="patched")
    tree.add_traits(ROOT, "CUSTOM_A")
    assert tree.has_traits(ROOT, ["CUSTOM_A"])
    assert tree.data(ROOT) == "patched"
    assert copy.copy(tree).data(ROOT) == "patched"
    with mock.patch.object(ProviderTree, "exists", return_value="patched"):
        assert tree.exists("nobody") == "patched"
    assert tree.exists("nobody") is False

    class Subclass(ProviderTree):
        def __init__(self):
            super().__init__()
            self.extra = ["mine"]

    copied = copy.deepcopy(Subclass())
    assert type(copied) is Subclass and copied.extra == ["mine"]


def test_roots_are_live_views(tree):
    roots, by_uuid, by_name = tree.roots, tree.roots_by_uuid, tree.roots_by_name
    assert (len(roots), list(by_uuid), list(by_name)) == (1, [ROOT], ["host"])
    tree.new_root("other", CHILD + "0")
    assert [root.name for root in roots] == ["host", "other"]
    assert (len(by_uuid), len(by_name), "other" in by_name) == (2, 2, True)
    assert by_name["other"].uuid == CHILD + "0"
    with pytest.raises(KeyError):
        by_uuid["nobody"]


def test_a_provider_that_was_on_its_own_is_the_one_in_the_tree(tree):
    provider = copy.deepcopy(tree._find_with_lock(ROOT))
    other = ProviderTree()
    other.roots_by_uuid[provider.uuid] = provider
    other.roots_by_name[provider.name] = provider
    other.update_inventory("gpu", {"VGPU": {"total": 3}})
    assert provider.children[CHILD].inventory == {"VGPU": {"total": 3}}
    assert tree.data("gpu").inventory == {"VGPU": {"total": 8}}
    with pytest.raises(ValueError, match="under the uuid"):
        other.roots_by_uuid["another uuid"] = provider
    with pytest.raises(ValueError, match="no root of this tree"):
        other.roots_by_name["host"] = tree._find_with_lock(ROOT)


def test_a_provider_that_has_gone_tells_what_it_was(tree):
    provider = tree._find_with_lock(CHILD)
    tree.remove(ROOT)
    assert (provider.name, provider.data().inventory) == ("gpu", {"VGPU": {"total": 8}})
    assert (provider.get_provider_uuids(), dict(provider.children)) == ([CHILD], {})
    with pytest.raises(ValueError, match=f"No such provider {CHILD}"):
        provider.update_inventory({}, 2)
    assert not tree.exists(CHILD) and tree.get_provider_uuids() == []


def test_a_chain_of_any_depth_is_walked():
    tree = ProviderTree()
    above = tree.new_root("provider-0", ROOT)
    for depth in range(1, 3000):
        above = tree.new_child(f"provider-{depth}", above)
    assert len(copy.deepcopy(tree).get_provider_uuids()) == 3000
    assert len(pickle.loads(pickle.dumps(tree)).get_provider_uuids()) == 3000
    assert tree.get_provider_uuids_in_tree(above)[0] == ROOT
    assert tree.subtree(ROOT).data("provider-2999").uuid == above
    tree.remove(ROOT)
    assert not tree.exists("provider-2999")


@pytest.mark.parametrize("resource_class", ["DISK_GB", "no class", 7])
def test_a_sharing_provider_is_seen_whatever_its_class_is(tree, resource_class):
    assert not tree.has_sharing_provider(resource_class)
    tree.update_inventory(CHILD, {resource_class: {"total": "not a number", "reserved": -1}})
    tree.add_traits(CHILD, "MISC_SHARES_VIA_AGGREGATE")
    assert tree.has_sharing_provider(resource_class)
    tree.update_inventory(CHILD, {})
    assert not tree.has_sharing_provider(resource_class)


def test_the_forest_below_answers(tree):
    before = provider_tree.nova.calls()
    tree.data(CHILD)
    tree.get_provider_uuids()
    tree.new_child("nic", ROOT)
    tree.add_traits(CHILD, "CUSTOM_A")
    tree.has_sharing_provider("DISK_GB")
    tree.remove("nic")
    tree.populate_from_iterable([{"uuid": CHILD, "name": "root"}])
    copy.deepcopy(tree)
    calls = provider_tree.nova.calls()
    assert all(calls[kind] > before[kind] for kind in calls), calls


# Threads


def together(*calls):
    """Makes each call in a thread of its own; raises what any of them raised."""
    start, failures = threading.Barrier(len(calls)), []

    def made(call):
        start.wait()
        try:
            call()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=made, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@pytest.fixture
def hasty():
    """Lets threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_no_trait_that_a_thread_adds_is_lost(tree, hasty):
    def adding(thread):
        for number in range(60):
            tree.add_traits(ROOT, f"CUSTOM_{thread}_{number}")
            tree.add_aggregates(ROOT, f"{thread} {number}")

    together(*(lambda thread=thread: adding(thread) for thread in range(4)))
    data = tree.data(ROOT)
    assert (len(data.traits), len(data.aggregates)) == (240, 240)


def test_only_one_of_several_threads_makes_and_removes_a_provider(tree, hasty):
    outcomes = []

    def making(name):
        for number in range(150):
            uuid = f"{ROOT[:-3]}{number + 256:03x}" if number % 2 else number + 1
            start.wait(60)
            try:
                tree.new_child(f"{name} {number}", ROOT, uuid)
                outcomes.append("made")
            except ValueError as error:
                assert str(error).endswith("already exists."), error
            start.wait(60)
            try:
                tree.remove(uuid)
                outcomes.append("removed")
            except ValueError as error:
                assert str(error).startswith("No such provider"), error

    tree.remove(CHILD)
    start = threading.Barrier(2)
    together(lambda: making("one"), lambda: making("other"))
    assert outcomes.count("made") == outcomes.count("removed")
    assert tree.get_provider_uuids() == [ROOT] and tree._forest.key_count() == 1


def test_a_key_whose_own_code_looks_at_the_tree_does_no_harm(tree):
    class Key:
        def __hash__(self):
            seen.append((tree.get_provider_uuids(), tree.data(ROOT).name, copy.deepcopy(tree).exists(CHILD)))
            return 7

    seen = []
    key, name = Key(), Key()
    assert tree.new_child(name, ROOT, key) is key
    assert tree.get_provider_uuids() == [ROOT, CHILD, key]
    tree.remove(key)
    assert tree.get_provider_uuids() == [ROOT, CHILD] and seen


def test_a_change_that_a_collection_of_garbage_makes_is_not_lost(tree):
    def change(phase, info):
        if phase == "start":
            tree.update_aggregates(CHILD, [str(len(changes))])
            changes.append(phase)

    changes = []
    before = gc.get_threshold()
    gc.callbacks.append(change)
    try:
        gc.set_threshold(1)
        # So many at once that no spare ones are left: each new dict may begin a collection.
        kept = [{} for _ in range(200)]
        for number in range(300):
            seen = len(changes)
            tree.update_inventory(CHILD, {"VGPU": {"total": number}, "VCPU": {"total": number}}, number)
            if len(changes) > seen:
                assert tree.data(CHILD).aggregates == {str(len(changes) - 1)} or len(changes) > seen + 1
            assert tree.data(CHILD).inventory["VCPU"] == {"total": number}
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(change)
    assert changes and len(kept) == 200


def test_a_call_that_fails_leaves_no_key_behind(tree):
    for number in range(10):
        with pytest.raises(TypeError):
            tree.new_child(["unhashable"], ROOT, f"uuid {number}")
        assert not tree.exists(f"uuid {number}")
    assert tree._forest.key_count() == 2


def test_two_look_ups_of_a_provider_are_equal(tree):
    one, other = tree._find_with_lock("host"), tree._find_with_lock(ROOT)
    assert one == other and hash(one) == hash(other) and one in tree.roots
    assert one != tree._find_with_lock(CHILD) and one != copy.deepcopy(one)
    assert tree.roots_by_uuid == {ROOT: one}


def test_an_inventory_and_its_generation_come_as_one(tree, hasty):
    done = threading.Event()

    def changing():
        try:
            for number in range(2, 1500):
                # Every other one in the way of values that Python has to compare.
                total = number if number % 2 else float(number)
                record = {"total": total} if number % 4 else {"total": total, "extra": [number]}
                tree.update_inventory(CHILD, {"VGPU": record}, generation=number)
        finally:
            done.set()

    def reading():
        tree.update_inventory(ROOT, {})
        while not done.is_set():
            data = tree.data(CHILD)
            assert data.generation in (1, data.inventory["VGPU"]["total"])

    together(changing, reading, reading)


def test_threads_that_come_and_go_leave_a_sound_tree(tree, hasty):
    def churning(thread):
        for number in range(80):
            name = f"{thread} {number % 3}"
            uuid = tree.new_child(name, ROOT)
            tree.update_inventory(uuid, {"VCPU": {"total": number}})
            assert tree.data(name).uuid == uuid
            tree.remove(uuid)
            assert not tree.exists(name)

    def copying():
        for _ in range(40):
            copied = copy.deepcopy(tree)
            for uuid in copied.get_provider_uuids():
                assert copied.data(copied.data(uuid).name).uuid == uuid
            assert len(pickle.loads(pickle.dumps(copied)).roots) == 1

    def populating():
        for number in range(40):
            rows = [{"uuid": f"{ROOT[:-4]}{row:04x}", "name": f"row {row}"} for row in range(256, 272)]
            tree.populate_from_iterable(rows[: 4 + number % 12])
            for row in rows[: 4 + number % 12]:
                tree.remove(row["uuid"])

    one_root = [lambda thread=thread: churning(thread) for thread in range(3)]
    together(*one_root, populating)
    together(*one_root, copying)
    assert tree.get_provider_uuids() == [ROOT, CHILD]
    assert tree._forest.key_count() == 2


# Substitution


def has_nova():
    """Returns whether Nova is installed."""
    import importlib.util

    return importlib.util.find_spec("nova") is not None


needs_nova = pytest.mark.skipif(not has_nova(), reason="Nova is not installed")


def test_the_module_works_without_nova_and_what_comes_with_it():
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('nova', 'oslo_log', 'oslo_concurrency', 'os_traits'):
            raise ImportError(name)
sys.meta_path.insert(0, Block())
from provider_tree.nova import ProviderTree
tree = ProviderTree()
tree.new_root('host', 'a uuid')
assert tree.lock is ProviderTree().lock
with tree.lock:
    print(tree._find_with_lock('host').uuid)
try:
    tree.data('nobody')
except ValueError as error:
    print(error)
"""
    assert run(code).splitlines() == ["a uuid", "No such provider nobody"]


@needs_nova
def test_nova_uses_it_where_it_is_substituted():
    code = """
import sys
import provider_tree.nova
assert not any(name.split('.')[0] == 'nova' for name in sys.modules)
provider_tree.nova.substitute()
provider_tree.nova.substitute()
from nova.compute import provider_tree as used
from nova.scheduler.client import report
assert report.provider_tree is used
tree = used.ProviderTree()
print(used.__name__, used.LOG.logger.name, used.__file__, type(tree).__module__, sep='\\n')
import pickle
assert type(pickle.loads(pickle.dumps(tree))) is used.ProviderTree
"""
    name, logger, file, owner = run(code).splitlines()
    assert {name, logger, owner} == {"nova.compute.provider_tree"}
    assert pathlib.Path(file) == pathlib.Path(module.__file__)


@needs_nova
def test_it_is_not_substituted_when_it_is_too_late():
    code = """
import nova.compute.provider_tree
import provider_tree.nova
try:
    provider_tree.nova.substitute()
except RuntimeError as error:
    print(error)
"""
    assert "is imported already" in run(code)


@needs_nova
def test_it_is_installed_for_every_process_and_uninstalled(tmp_path, monkeypatch):
    monkeypatch.setattr(substitution.sysconfig, "get_path", lambda name: str(tmp_path))
    code = """
import site, sys
site.addsitedir(sys.argv[1])
assert not any(name.split('.')[0] == 'provider_tree' for name in sys.modules)
import nova.compute.provider_tree as used
print(used.__file__)
"""
    assert provider_tree.nova.uninstall() == []
    assert run(code, tmp_path) != module.__file__
    made = provider_tree.nova.install()
    assert sorted(tmp_path.iterdir()) == sorted(made) and len(made) == 2
    assert run(code, tmp_path) == module.__file__
    assert provider_tree.nova.install() == made
    assert sorted(provider_tree.nova.uninstall()) == sorted(made)
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_says_what_it_takes():
    command = [sys.executable, "-m", "provider_tree.nova"]
    done = subprocess.run([*command, "instal"], capture_output=True, text=True)
    assert done.returncode == 2 and "install | uninstall" in done.stderr
