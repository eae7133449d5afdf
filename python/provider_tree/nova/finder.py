"""Lets Python load `nova.compute.provider_tree` from the package `provider_tree`.

Stands by itself: `install` copies this file beside a `.pth` file that imports it whenever Python starts, so it
imports neither Nova nor the package before somebody asks for the module.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

REPLACED = "nova.compute.provider_tree"


class Finder:
    """Finds the one module that is replaced."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns where the module is, if it is the one that is replaced."""
        file = replacement() if name == REPLACED else None
        return None if file is None else importlib.util.spec_from_file_location(name, file)


def replacement() -> str | None:
    """Returns the file of the module, or None if the package is not installed any more."""
    package = importlib.util.find_spec("provider_tree")
    if package is None or not package.submodule_search_locations:
        return None
    return os.path.join(package.submodule_search_locations[0], "nova", "tree.py")


def activate() -> None:
    """Puts the finder before all others, once."""
    if all(getattr(finder, "__qualname__", None) != Finder.__qualname__ for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder)
