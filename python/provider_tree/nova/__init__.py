"""The `ProviderTree` of OpenStack Nova, on the forest of provider-tree.

This module has what Nova's `nova.compute.provider_tree` has, with the same meaning in every respect that
Nova or its tests rely on, and can take its place:

- `python -m provider_tree.nova install` lets every process of this Python environment import it as
  `nova.compute.provider_tree` from now on, and `uninstall` ends that;
- `substitute()` does so in this process, and is called before Nova is imported.

What the forest below answers costs the same however large it is: look-ups by uuid and by name, walks, traits,
sharing providers, removal.

What differs from Nova's module:

- No method takes `lock`. Each change is one commit of the forest below, and what a method returns is of one
  instant. So threads don't wait for each other; but whoever holds `lock` for several calls does not keep
  other threads out between them.
- A `_Provider` names its provider and holds nothing of it. What its attributes return are copies, so a change
  of `provider.traits` shows nowhere, and they can't be set. When the provider has gone they tell what it was
  when the `_Provider` was looked up.
- `roots_by_uuid`, `roots_by_name` and `children` are views of the forest with the methods of a dict. A
  provider that is put there is copied with all below it, unless it was on its own before: a deep copy, or one
  that was just made. A provider stands once in a tree.
- `copy.deepcopy` copies the forest, and shares the inventories, resources and keys in it: nobody can reach
  them to change them.
- A name that can't be hashed is a TypeError, also of a child; nothing was added then.

`calls()` tells how many calls of each kind the forest below has answered in this process.

Nova is not needed to import this module. With it, texts and log lines are Nova's.
"""

import sys
from typing import TYPE_CHECKING, Any

from provider_tree._native import _nova_calls as calls
from provider_tree.nova import finder
from provider_tree.nova.substitution import install, substitute, uninstall

if TYPE_CHECKING:
    from provider_tree.nova.tree import ProviderData, ProviderSubTree, ProviderTree, _Provider

__all__ = [
    "ProviderData",
    "ProviderSubTree",
    "ProviderTree",
    "_Provider",
    "calls",
    "install",
    "substitute",
    "uninstall",
]


def __getattr__(name: str) -> Any:
    """Loads the module with the classes when one is asked for: it imports of Nova what is there, and whoever
    calls `substitute` wants to do so before that. Where Nova uses the module, the classes are the ones that Nova
    has.
    """
    if name in __all__:
        used = sys.modules.get(finder.REPLACED)
        if used is None or getattr(used, "__file__", None) != finder.replacement():
            from provider_tree.nova import tree as used
        return getattr(used, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
