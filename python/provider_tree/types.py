"""What the arguments of the native interface are, for annotations."""

from collections.abc import Mapping
from typing import TypeAlias
from uuid import UUID

from provider_tree._native import Issued, Lease, Receipt

__all__ = ["Amounts", "Consumer", "Inventories", "InventoryFields", "Uuid"]

#: A uuid.
Uuid: TypeAlias = str | UUID

#: Who claims: a uuid, or what says itself which consumer it is of.
Consumer: TypeAlias = str | UUID | Receipt | Lease | Issued

#: Amounts by resource class.
Amounts: TypeAlias = Mapping[str, int]

#: The fields of one inventory, as Placement names them. Each has its usual value if it is left out, but `total`.
InventoryFields: TypeAlias = Mapping[str, int | float]

#: Inventories by resource class: the fields of each, or its total alone.
Inventories: TypeAlias = Mapping[str, InventoryFields | int]
