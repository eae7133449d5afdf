"""Lets Python load `nova.compute.provider_tree` from the package `provider_tree`.

Stands by itself: `install` copies this file beside a `.pth` file that imports it whenever Python starts, so it
imports neither Nova nor the package before somebody asks for the module.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

REPLACED = "nova.compute.provider_tree"


class Finder:
    """Finds the one module that is replaced."""

    #: Tells this finder from others, also from the one that `install` has made a copy of.
    replaces = REPLACED

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns where the module is, if it is the one that is replaced."""
        if name != REPLACED:
            return None
        from importlib.util import spec_from_file_location

        file = replacement()
        return None if file is None else spec_from_file_location(name, file)


def replacement() -> str | None:
    """Returns the file of the module, or None if the package is not installed any more."""
    import os
    from importlib.util import find_spec

    package = find_spec("provider_tree")
    if package is None or not package.submodule_search_locations:
        return None
    return os.path.join(package.submodule_search_locations[0], "nova", "tree.py")


def activate() -> None:
    """Puts the finder before all others, once."""
    if all(getattr(finder, "replaces", None) != REPLACED for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder)
