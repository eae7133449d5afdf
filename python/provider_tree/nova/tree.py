"""What Nova has as `nova.compute.provider_tree`, on the forest of provider-tree.

This file is loaded under that name where it is substituted, so that loggers, pickles and patches by path go on
working; see `provider_tree.nova`, which says what differs.
"""

from __future__ import annotations

import collections
import copy
import logging
import threading
from collections.abc import Iterator, MutableMapping
from typing import Any, Final

from provider_tree import _native
from provider_tree._native import _new_uuid

try:
    from oslo_concurrency.lockutils import internal_lock as _internal_lock
except ImportError:
    _LOCKS: dict[str, threading.Semaphore] = collections.defaultdict(threading.Semaphore)

    def _internal_lock(name):
        """Returns the one lock of this name."""
        return _LOCKS[name]


try:
    from oslo_log.log import getLogger as _get_logger
except ImportError:
    _get_logger = logging.getLogger


def _(text):
    """Returns the text in the language of Nova's messages, or as it is without Nova."""
    try:
        from nova.i18n import _ as translated
    except ImportError:
        return text
    return translated(text)


LOG = _get_logger(__name__)
_LOCK_NAME = "provider-tree-lock"
_SHARES = "MISC_SHARES_VIA_AGGREGATE"

# What Nova's tree says of a provider at one instant. The dict and the sets in it are the caller's own.
ProviderData = collections.namedtuple(
    "ProviderData",
    [
        "uuid",
        "name",
        "generation",
        "parent_uuid",
        "inventory",
        "traits",
        "aggregates",
        "resources",
    ],
)


def _inventory_differs(current, new):
    """Returns whether `new` has other classes than `current`, or a field that is new or not so there.

    A field that `new` leaves out does not count.
    """
    if set(current) != set(new):
        return True
    for resource_class, record in current.items():
        new_record = new[resource_class]
        if set(new_record) - set(record):
            return True
        for field, value in record.items():
            if field in new_record and new_record[field] != value:
                return True
    return False


def _has_changed(state, inventory):
    """Returns whether an inventory says anything that is not so in a state of a provider."""
    differs = state.inventory_differs(inventory)
    return _inventory_differs(state.inventory, inventory) if differs is None else differs


def _log_generation(uuid, old, new, operation):
    """Logs that a generation was set."""
    LOG.debug(
        "Updating resource provider %(rp_uuid)s generation "
        "from %(old)s to %(new)s during operation: %(op)s",
        {"rp_uuid": uuid, "old": old, "new": new, "op": operation},
    )


def _log_inventory(update, inventory, generation):
    """Logs what an update has come to; returns whether the inventory had changed."""
    uuid, changed, is_set, before = update
    if is_set:
        _log_generation(uuid, before, generation, "update_inventory")
    if changed:
        LOG.debug(
            "Updating inventory in ProviderTree for provider %s with inventory: %s",
            uuid,
            inventory,
        )
    else:
        LOG.debug("Inventory has not changed in ProviderTree for provider: %s", uuid)
    return changed


class _Provider:
    """Represents a provider of a tree, or of none. Code outside of the tree uses the `ProviderTree`."""

    def __init__(self, name, uuid=None, generation=None, parent_uuid=None):
        """Makes a provider that is in no tree yet."""
        if uuid is None:
            uuid = _new_uuid()
        forest = _native._NovaForest(is_alone=True)
        self._node = forest.add_root(name, uuid, generation, parent_uuid)

    @classmethod
    def _of(cls, node):
        """Returns the provider of a node of a forest."""
        provider = cls.__new__(cls)
        provider._node = node
        return provider

    @classmethod
    def from_dict(cls, pdict):
        """Makes a provider of a dict with 'name' and, if they are known, 'uuid', 'generation' and
        'parent_provider_uuid'.
        """
        return cls(
            pdict["name"],
            uuid=pdict.get("uuid"),
            generation=pdict.get("generation"),
            parent_uuid=pdict.get("parent_provider_uuid"),
        )

    @property
    def uuid(self):
        return self._node.state().uuid

    @property
    def name(self):
        return self._node.state().name

    @property
    def generation(self):
        return self._node.state().generation

    @property
    def parent_uuid(self):
        return self._node.state().parent_uuid

    @property
    def children(self):
        """The children by uuid, with the methods of a dict."""
        return _Children(self)

    @property
    def inventory(self):
        return self._node.state().inventory_copy()

    @property
    def traits(self):
        return self._node.state().traits_copy()

    @property
    def aggregates(self):
        return self._node.state().aggregates_copy()

    @property
    def resources(self):
        return self._node.state().resources_copy()

    def data(self):
        """Returns everything about the provider, at one instant: the caller's own."""
        return self._node.data(ProviderData)

    def get_provider_uuids(self):
        """Returns the uuids of this provider and all below it, parents before children."""
        return self._node.uuids()

    def find(self, search):
        """Returns the provider with this name or uuid among this one and all below it, or None."""
        waiting = [self._node]
        while waiting:
            node = waiting.pop()
            state = node.state()
            if state.name == search or state.uuid == search:
                return _Provider._of(node)
            child = node.child(search)
            if child is not None:
                return _Provider._of(child)
            waiting.extend(reversed(node.children()))
        return None

    def add_child(self, provider):
        """Adds a provider that is in no tree, with all below it, as a child."""
        self.children[provider.uuid] = provider

    def remove_child(self, provider):
        """Removes the child with the uuid of `provider`, if there is one, and all below it."""
        self._remove_child(provider)

    def _remove_child(self, provider):
        """Does what `remove_child` does; returns whether there was such a child."""
        child = self._node.child(provider.uuid)
        return child is not None and child.remove()

    def has_inventory(self):
        """Returns whether the provider has any inventory."""
        return self._node.state().inventory != {}

    def has_inventory_changed(self, new):
        """Returns whether an inventory says anything that is not so for the provider."""
        return _has_changed(self._node.state(), new)

    def update_inventory(self, inventory, generation):
        """Replaces the inventory if it has changed, and sets the generation; returns whether it had."""
        done = self._node.update_inventory(inventory, generation)
        if done is not None:
            return _log_inventory(done, inventory, generation)
        changed = self._update(
            "update_inventory",
            generation,
            lambda state: _has_changed(state, inventory),
            lambda: {"inventory": inventory},
        )
        return _log_inventory((self._node.uuid, changed, False, None), inventory, generation)

    def have_traits_changed(self, new):
        """Returns whether the provider's traits are others than `new`."""
        return set(new) != self._node.state().traits_copy()

    def update_traits(self, new, generation=None):
        """Replaces the traits if they have changed, and sets the generation; returns whether they had."""
        return self._update(
            "update_traits",
            generation,
            lambda state: set(new) != state.traits_copy(),
            lambda: {"traits": set(new)},
        )

    def has_traits(self, traits):
        """Returns whether the provider has all of these traits; true of none."""
        return not bool(set(traits) - self._node.state().traits_copy())

    def have_aggregates_changed(self, new):
        """Returns whether the provider's aggregates are others than `new`."""
        return set(new) != self._node.state().aggregates_copy()

    def update_aggregates(self, new, generation=None):
        """Replaces the aggregates if they have changed, and sets the generation; returns whether they had."""
        return self._update(
            "update_aggregates",
            generation,
            lambda state: set(new) != state.aggregates_copy(),
            lambda: {"aggregates": set(new)},
        )

    def in_aggregates(self, aggregates):
        """Returns whether the provider is a member of all of these aggregates; true of none."""
        return not bool(set(aggregates) - self._node.state().aggregates_copy())

    def have_resources_changed(self, new):
        """Returns whether the provider's resources are others than `new`."""
        return self._node.state().resources != new

    def update_resources(self, resources):
        """Replaces the resources if they have changed; returns whether they had."""
        return self._update(
            "update_resources",
            None,
            lambda state: state.resources != resources,
            lambda: {"resources": resources},
        )

    def _add_to(self, kind, more):
        """Adds to the traits or to the aggregates."""
        self._reset(kind, lambda now: now | set(more))

    def _take_from(self, kind, fewer):
        """Takes from the traits or from the aggregates."""
        self._reset(kind, lambda now: now - set(fewer))

    def _reset(self, kind, change):
        """Makes the traits or the aggregates what `change` makes of them."""
        while True:
            state = self._node.state()
            now = getattr(state, f"{kind}_copy")()
            new = change(now)
            if new == now or self._node.change(state, {kind: new}):
                return

    def _update(self, operation, generation, has_changed, new):
        """Sets the generation, if one is given, and what `new` returns, if it has changed, in one commit.

        As another thread may change the provider meanwhile, this looks again until it has not. A generation
        is set even if the comparison fails.
        """
        while True:
            state = self._node.state()
            old = state.generation
            facts: dict[str, Any] = {}
            if generation is not None and generation != old:
                facts["generation"] = generation
            failure = None
            changed = False
            try:
                changed = has_changed(state)
                if changed:
                    facts.update(new())
            except Exception as error:
                failure = error
            if facts and not self._node.change(state, facts):
                continue
            if "generation" in facts:
                _log_generation(state.uuid, old, generation, operation)
            if failure is not None:
                raise failure
            return changed

    def __deepcopy__(self, memo):
        forest = _native._NovaForest(is_alone=True)
        return type(self)._of(forest.graft(self._node))

    def __reduce__(self):
        forest = _native._NovaForest(is_alone=True)
        node = forest.graft(self._node)
        return _provider_of, (forest, node.state().uuid)

    def __eq__(self, other):
        return isinstance(other, _Provider) and self._node == other._node

    def __hash__(self):
        return hash(self._node)

    def __repr__(self):
        state = self._node.state()
        return f"<_Provider {state.name!r} ({state.uuid!r})>"


def _no_such_provider(key):
    """Returns the error for a key that finds no provider."""
    return ValueError(_("No such provider %s") % key)


def _provider_of(forest, uuid):
    """Returns the root of a forest that was pickled for the sake of one provider."""
    return _Provider._of(forest.root(uuid))


class _Children(MutableMapping):
    """Represents the children of a provider by their uuids."""

    def __init__(self, parent):
        self._parent = parent

    def __getitem__(self, uuid):
        node = self._parent._node.child(uuid)
        if node is None:
            raise KeyError(uuid)
        return _Provider._of(node)

    def __setitem__(self, uuid, provider):
        _check_key(uuid, provider.uuid)
        parent = self._parent._node
        node = parent.forest.graft_below(provider._node, parent)
        _move(provider, node)

    def __delitem__(self, uuid):
        self[uuid]._node.remove()

    def __iter__(self) -> Iterator[Any]:
        return iter([node.state().uuid for node in self._parent._node.children()])

    def __len__(self):
        return len(self._parent._node.children())

    def __repr__(self):
        return repr(dict(self))


class _RootsByUuid(MutableMapping):
    """Represents the roots of a tree by their uuids."""

    def __init__(self, forest):
        self._forest = forest

    def __getitem__(self, uuid):
        node = self._forest.root(uuid)
        if node is None:
            raise KeyError(uuid)
        return _Provider._of(node)

    def __setitem__(self, uuid, provider):
        _check_key(uuid, provider.uuid)
        node = provider._node
        if node.forest is self._forest and node.is_root:
            return
        _move(provider, self._forest.graft(node))

    def __delitem__(self, uuid):
        self[uuid]._node.remove()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._forest.root_keys())

    def __len__(self):
        return self._forest.root_count()

    def values(self):
        return _Roots(self._forest)

    def __repr__(self):
        return repr(dict(self))


class _Roots(collections.abc.ValuesView):
    """Represents the roots of a tree, as they came."""

    def __init__(self, forest):
        self._forest = forest

    def __iter__(self) -> Iterator[_Provider]:
        return iter([_Provider._of(node) for node in self._forest.roots()])

    def __len__(self):
        return self._forest.root_count()

    def __contains__(self, provider):
        return any(provider == root for root in self)

    def __repr__(self):
        return f"{type(self).__name__}({list(self)!r})"


class _RootsByName(MutableMapping):
    """Represents the roots of a tree by their names: of those with the same name, the one that came last."""

    def __init__(self, forest):
        self._forest = forest

    def __getitem__(self, name):
        node = self._forest.root_named(name)
        if node is None:
            raise KeyError(name)
        return _Provider._of(node)

    def __setitem__(self, name, provider):
        node = provider._node
        if node.forest is not self._forest or not node.is_root:
            raise ValueError(f"provider {provider.uuid} is no root of this tree: put it into roots_by_uuid first")
        self._forest.name_root(name, node)

    def __delitem__(self, name):
        self._forest.forget_root_name(name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._forest.root_name_list())

    def __len__(self):
        return len(self._forest.root_name_list())

    def __repr__(self):
        return repr(dict(self))


def _check_key(key, uuid):
    """Raises a ValueError unless a provider is put under its own uuid."""
    if key != uuid:
        raise ValueError(f"provider {uuid} can't be put under the uuid {key}")


def _move(provider, node):
    """Lets a provider that was in no tree name what it is now in one."""
    if provider._node.is_alone:
        provider._node = node


class ProviderTree:
    """Represents all providers of a host, or of several, as trees of roots and children."""

    def __init__(self):
        """Makes a tree without providers."""
        self.lock = _internal_lock(_LOCK_NAME)
        self._forest = _native._NovaForest()

    @property
    def roots_by_uuid(self):
        return _RootsByUuid(self._forest)

    @property
    def roots_by_name(self):
        return _RootsByName(self._forest)

    @property
    def roots(self):
        return _Roots(self._forest)

    def get_provider_uuids(self, name_or_uuid=None):
        """Returns the uuids of a provider and all below it, or of all providers: parents come first."""
        if name_or_uuid is not None:
            return self._find_with_lock(name_or_uuid).get_provider_uuids()
        return self._forest.uuids()

    def get_provider_uuids_in_tree(self, name_or_uuid):
        """Returns the uuids of the whole tree that a provider is in, its root first."""
        return self._find_with_lock(name_or_uuid, return_root=True).get_provider_uuids()

    def populate_from_iterable(self, provider_dicts):
        """Adds or replaces providers, given as dicts as `_Provider.from_dict` takes them.

        A provider that is replaced loses what it has, and the descendants that are not listed. All of it is
        one commit. A ValueError if the parent of any is neither in the tree nor listed.
        """
        if not provider_dicts:
            return
        to_add = {pdict["uuid"]: pdict for pdict in provider_dicts}
        missing = set()
        for pdict in to_add.values():
            parent = pdict.get("parent_provider_uuid")
            is_known = parent is None or parent in to_add or self._forest.has_uuid(parent)
            if not is_known:
                missing.add(parent)
        if missing:
            raise ValueError(_("The following parents were not found: %s") % ", ".join(missing))
        if not self._forest.populate(to_add):
            self._populate_one_by_one(to_add)

    def _populate_one_by_one(self, to_add):
        """Adds or replaces providers in Nova's own steps: what can't be one commit, such as a name that is
        the uuid of another provider. If it fails, the providers before stay.
        """
        while to_add:
            for uuid, pdict in to_add.items():
                parent_uuid = pdict.get("parent_provider_uuid")
                if parent_uuid not in to_add:
                    break
            else:
                raise ValueError(
                    _(
                        "Unexpectedly failed to find parents already in the "
                        "tree for any of the following: %s"
                    )
                    % ",".join(set(to_add))
                )
            try:
                self._remove_with_lock(uuid)
            except ValueError:
                pass
            provider = _Provider.from_dict(pdict)
            if parent_uuid is None:
                self.roots_by_uuid[provider.uuid] = provider
                self.roots_by_name[provider.name] = provider
            else:
                self._find_with_lock(parent_uuid).add_child(provider)
            to_add.pop(uuid)

    def _remove_with_lock(self, name_or_uuid):
        """Removes a provider and all below it."""
        found = self._find_with_lock(name_or_uuid)
        node = found._node
        parent_uuid = node.state().parent_uuid
        if parent_uuid:
            is_done = self._find_with_lock(parent_uuid)._remove_child(found) or not node.is_gone
        else:
            is_done = self._forest.remove_root(node)
        if not is_done:
            # Another thread has removed it since it was found.
            raise _no_such_provider(name_or_uuid)

    def remove(self, name_or_uuid):
        """Removes a provider and all below it. A ValueError if there is none."""
        self._remove_with_lock(name_or_uuid)

    def new_root(self, name, uuid, generation=None):
        """Adds a provider without parent; returns its uuid. A ValueError if there is one with this uuid."""
        made = _new_uuid() if uuid is None else uuid
        node = self._forest.add_root(name, made, generation, None, unless=(uuid,))
        if node is None:
            raise ValueError(_("Provider %s already exists.") % uuid)
        return node.uuid

    def _find_with_lock(self, name_or_uuid, return_root=False):
        """Returns the provider with this name or uuid, or the root of its tree; takes no lock.

        A ValueError if there is none.
        """
        node = self._forest.find(name_or_uuid)
        if node is None:
            raise _no_such_provider(name_or_uuid)
        return _Provider._of(node.root() if return_root else node)

    def data(self, name_or_uuid):
        """Returns everything about a provider, at one instant: the caller's own copy."""
        data = self._forest.data(name_or_uuid, ProviderData)
        if data is None:
            raise _no_such_provider(name_or_uuid)
        return data

    def exists(self, name_or_uuid):
        """Returns whether there is a provider with this name or uuid."""
        return self._forest.has(name_or_uuid)

    def new_child(self, name, parent, uuid=None, generation=None):
        """Adds a provider below another one; returns its uuid, which is made if none is given.

        A ValueError if there is a provider with this uuid, or without one with this name, and if there is
        no such parent.
        """
        key = uuid or name
        if not self._forest.has(key):
            parent_node = self._find_with_lock(parent)._node
            made = _new_uuid() if uuid is None else uuid
            # Looks once more: another thread may have made it since.
            node = self._forest.add_child(
                parent_node, name, made, generation, parent_node.uuid, unless=(key,)
            )
            if node is not None:
                return node.uuid
        raise ValueError(_("Provider %s already exists.") % key)

    def has_inventory(self, name_or_uuid):
        """Returns whether a provider has any inventory."""
        return self._find_with_lock(name_or_uuid).has_inventory()

    def has_inventory_changed(self, name_or_uuid, inventory):
        """Returns whether an inventory says anything that is not so for a provider."""
        return self._find_with_lock(name_or_uuid).has_inventory_changed(inventory)

    def update_inventory(self, name_or_uuid, inventory, generation=None):
        """Replaces a provider's inventory if it has changed, and sets the generation, if one is given.

        Returns whether the inventory had changed.
        """
        done = self._forest.update_inventory(name_or_uuid, inventory, generation)
        if done is not None:
            return _log_inventory(done, inventory, generation)
        return self._find_with_lock(name_or_uuid).update_inventory(inventory, generation)

    def has_sharing_provider(self, resource_class):
        """Returns whether any provider has this class and the trait MISC_SHARES_VIA_AGGREGATE."""
        answer = self._forest.has_sharing_provider(resource_class)
        if answer is not None:
            return answer
        for uuid in self.get_provider_uuids():
            data = self.data(uuid)
            if resource_class in data.inventory and _SHARES in data.traits:
                return True
        return False

    def has_traits(self, name_or_uuid, traits):
        """Returns whether a provider has all of these traits; true of none."""
        return self._find_with_lock(name_or_uuid).has_traits(traits)

    def have_traits_changed(self, name_or_uuid, traits):
        """Returns whether a provider's traits are others than these."""
        return self._find_with_lock(name_or_uuid).have_traits_changed(traits)

    def update_traits(self, name_or_uuid, traits, generation=None):
        """Replaces a provider's traits if they have changed, and sets the generation, if one is given.

        Returns whether the traits had changed.
        """
        return self._find_with_lock(name_or_uuid).update_traits(traits, generation=generation)

    def add_traits(self, name_or_uuid, *traits):
        """Adds traits to a provider. With none, does nothing."""
        if not traits:
            return
        self._find_with_lock(name_or_uuid)._add_to("traits", traits)

    def remove_traits(self, name_or_uuid, *traits):
        """Takes traits from a provider. With none, does nothing."""
        if not traits:
            return
        self._find_with_lock(name_or_uuid)._take_from("traits", traits)

    def in_aggregates(self, name_or_uuid, aggregates):
        """Returns whether a provider is a member of all of these aggregates; true of none."""
        return self._find_with_lock(name_or_uuid).in_aggregates(aggregates)

    def have_aggregates_changed(self, name_or_uuid, aggregates):
        """Returns whether a provider's aggregates are others than these."""
        return self._find_with_lock(name_or_uuid).have_aggregates_changed(aggregates)

    def update_aggregates(self, name_or_uuid, aggregates, generation=None):
        """Replaces a provider's aggregates if they have changed, and sets the generation, if one is given.

        Returns whether the aggregates had changed.
        """
        return self._find_with_lock(name_or_uuid).update_aggregates(
            aggregates, generation=generation
        )

    def add_aggregates(self, name_or_uuid, *aggregates):
        """Makes a provider a member of more aggregates."""
        self._find_with_lock(name_or_uuid)._add_to("aggregates", aggregates)

    def remove_aggregates(self, name_or_uuid, *aggregates):
        """Ends a provider's membership in aggregates."""
        self._find_with_lock(name_or_uuid)._take_from("aggregates", aggregates)

    def update_resources(self, name_or_uuid, resources):
        """Replaces a provider's resources if they have changed; returns whether they had."""
        return self._find_with_lock(name_or_uuid).update_resources(resources)

    def subtree(self, name_or_uuid):
        """Returns a new `ProviderSubTree` with a copy of a root and all below it.

        A ValueError if there is no such provider, or if it has a parent.
        """
        found = self._find_with_lock(name_or_uuid)
        if found.parent_uuid is not None:
            raise ValueError(_("Provider %s is not a root provider") % name_or_uuid)
        root = copy.deepcopy(found)
        subtree = ProviderSubTree(name_or_uuid)
        subtree.roots_by_uuid[root.uuid] = root
        subtree.roots_by_name[root.name] = root
        return subtree

    def __getstate__(self):
        """Returns what `copy.deepcopy` and `pickle` take along: everything but the lock."""
        state = self.__dict__.copy()
        del state["lock"]
        return state

    def __setstate__(self, state):
        """Takes what `__getstate__` has returned, and the one lock of that name."""
        state["lock"] = _internal_lock(_LOCK_NAME)
        self.__dict__.update(state)


class ProviderSubTree(ProviderTree):
    """Represents a copy of one root of a tree and all below it."""

    def __init__(self, scope_rp_uuid: str):
        """Makes a tree without providers, for the root with this uuid."""
        super().__init__()
        self._scope_rp_uuid: Final = scope_rp_uuid

    @property
    def scope_rp_uuid(self) -> str:
        return self._scope_rp_uuid
