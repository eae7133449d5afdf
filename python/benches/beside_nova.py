"""What do the calls of Nova's `ProviderTree` cost, with Nova's own class and with this one?

    python benches/beside_nova.py [--brief]

Both in one process, one call after the other, on two shapes of 10,000 leaves: below one root, and each below a
root of its own. Microseconds per call, the least of some rounds, on the clock and of the processor; the leaves
are taken in an order that no cache foresees. Nova has to be installed for its side, and must not be substituted.
"""

from __future__ import annotations

import argparse
import copy
import logging
import uuid

from timing import per_call, shown, table

from provider_tree.nova import tree as ours

#: What a call may take at most, in microseconds, with one root and with many.
FLOORS = {
    "data(leaf uuid)": (4, 4),
    "data(leaf name)": (4, 4),
    "exists(missing)": (0.5, 0.5),
    "update_inventory(leaf), changed": (6, 6),
    "new_child and remove": (10, 10),
    "has_sharing_provider, none": (1, 1),
    "copy.deepcopy": (20_000, 30_000),
    "populate_from_iterable, 3,000 children": (15_000, 15_000),
}


def name_of(number):
    """Returns a uuid whose bits are spread as those of random ones."""
    spread = (number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835
    return str(uuid.UUID(int=spread % (1 << 128)))


class Shape:
    """Builds trees of so many roots with so many children each."""

    def __init__(self, roots, children):
        self.roots = [name_of(number) for number in range(roots)]
        self.leaves = [name_of(roots + number) for number in range(roots * children)]
        self.names = [f"leaf-{number}" for number in range(roots * children)]
        self.children = children
        self.title = f"{roots:,} x {children:,}"

    def build(self, module):
        """Returns a tree, each provider with one class."""
        tree = module.ProviderTree()
        for number, root in enumerate(self.roots):
            tree.new_root(f"root-{number}", root, generation=1)
            tree.update_inventory(root, {"MEMORY_MB": {"total": 1024}})
        above = [tree.roots_by_uuid[root] for root in self.roots]
        for number, leaf in enumerate(self.leaves):
            # Past the look-ups, which take the original for ever.
            parent = above[number // self.children]
            child = module._Provider(self.names[number], leaf, 1, parent.uuid)
            child.update_inventory({"VCPU": {"total": 8}}, None)
            parent.add_child(child)
        return tree

    def calls(self, tree, module):
        """Returns what is timed, by name: each takes a number."""
        leaves, names, count = self.leaves, self.names, len(self.leaves)
        missing = [str(uuid.uuid4()) for _ in range(1000)]
        totals = iter(range(1, 1 << 60))
        listed = [{"uuid": name_of(0), "name": "root", "generation": 1, "parent_provider_uuid": None}]
        listed += [
            {
                "uuid": name_of(number),
                "name": f"child-{number}",
                "generation": 1,
                "parent_provider_uuid": name_of(0),
            }
            for number in range(1, 3001)
        ]

        def spread(number):
            return number * 7919 % count

        def update(number):
            tree.update_inventory(leaves[spread(number)], {"VCPU": {"total": next(totals) % 1024 + 1}})

        def new_and_remove(number):
            tree.remove(tree.new_child("new", self.roots[0]))

        return {
            "data(leaf uuid)": lambda number: tree.data(leaves[spread(number)]),
            "data(leaf name)": lambda number: tree.data(names[spread(number)]),
            "exists(leaf uuid)": lambda number: tree.exists(leaves[spread(number)]),
            "exists(missing)": lambda number: tree.exists(missing[number % 1000]),
            "update_inventory(leaf), changed": update,
            "has_traits(leaf uuid)": lambda number: tree.has_traits(leaves[spread(number)], ["CUSTOM_A"]),
            "new_child and remove": new_and_remove,
            "get_provider_uuids()": lambda number: tree.get_provider_uuids(),
            "has_sharing_provider, none": lambda number: tree.has_sharing_provider("DISK_GB"),
            "copy.deepcopy": lambda number: copy.deepcopy(tree),
            "deepcopy, and an update of the copy": lambda number: copy.deepcopy(tree).update_inventory(
                leaves[0], {"VCPU": {"total": next(totals) % 1024 + 1}}
            ),
            "populate_from_iterable, 3,000 children": lambda number: module.ProviderTree().populate_from_iterable(
                listed
            ),
        }


def originals():
    """Returns Nova's own module, or None."""
    logging.disable(logging.WARNING)
    try:
        import nova.compute.provider_tree as original
    except ImportError:
        return None
    finally:
        logging.disable(logging.NOTSET)
    return None if original.__file__ == ours.__file__ else original


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brief", action="store_true", help="each call a few times, on small trees")
    brief = parser.parse_args().brief
    leaves, seconds, rounds = (50, 0.002, 2) if brief else (10_000, 1.0, 7)
    original = originals()
    if original is None:
        print("Nova is not installed, or its module is substituted: only ours is timed")
    for many, shape in enumerate([Shape(1, leaves), Shape(leaves, 1)]):
        sides = [ours] if original is None else [original, ours]
        made = [shape.calls(shape.build(side), side) for side in sides]
        rows = []
        for name in made[0]:
            times = [per_call(calls[name], seconds, rounds) for calls in made]
            wall, processor = times[-1]
            ratio = f"{times[0][0] / wall:.3g}" if len(times) == 2 else "-"
            floor = shown(FLOORS[name][many]) if name in FLOORS else "-"
            before = shown(times[0][0]) if len(times) == 2 else "-"
            rows.append([name, before, shown(wall), shown(processor), ratio, floor])
        header = [f"{shape.title} leaves", "original", "this", "its processor time", "original / this", "floor"]
        print(table(header, rows), end="\n\n")


if __name__ == "__main__":
    main()
