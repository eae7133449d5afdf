"""What can go wrong: one class for each reason, with the facts in typed attributes."""

from __future__ import annotations

from typing import Any


class Fault:
    """One thing that is wrong with an entry of a list, with an inventory or with a request.

    `kind` names the reason; what it is about stands in further attributes, which `fields` lists.
    """

    __slots__ = ("kind", "message", "fields")

    def __init__(self, kind: str, message: str, fields: dict[str, Any]) -> None:
        self.kind = kind
        self.message = message
        self.fields = fields

    def __getattr__(self, name: str) -> Any:
        if name in Fault.__slots__:
            raise AttributeError(name)
        try:
            return self.fields[name]
        except KeyError:
            pass
        raise AttributeError(f"a fault of kind {self.kind!r} has no attribute {name!r}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fault):
            return NotImplemented
        return self.kind == other.kind and self.fields == other.fields

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> tuple[str, str, dict[str, Any]]:
        return self.kind, self.message, self.fields

    def __setstate__(self, state: tuple[str, str, dict[str, Any]]) -> None:
        self.kind, self.message, self.fields = state

    def __repr__(self) -> str:
        return f"<Fault {self.kind}: {self.message}>"


class ProviderTreeError(Exception):
    """Why a call was refused. A refused call has changed nothing."""

    def __init__(self, message: str, /, **fields: Any) -> None:
        super().__init__(message)
        self.__dict__.update(fields)


class Conflict(ProviderTreeError):
    """The call was refused for the state that it met: look again, choose anew, and try again.

    It does not say that another thread has changed anything, nor that one ever will: bound the tries. A class that
    is misspelt is a conflict too, `NoInventory`, for the provider may have it later.

    Errors name providers by uuid: `tree.configuration(tree[error.provider]).name` gives the name.
    """


class Removed(Conflict):
    """The provider has been removed."""

    provider: str


class UnknownProvider(ProviderTreeError, LookupError):
    """No provider has this uuid or this name."""

    key: str


class ForeignProvider(ProviderTreeError, ValueError):
    """The handle belongs to another forest."""

    provider: str


class UuidExists(ProviderTreeError):
    """A provider with this uuid exists already."""

    uuid: str


class NameExists(ProviderTreeError):
    """A provider with this name exists already."""

    name: str


class InvalidName(ProviderTreeError, ValueError):
    """The name breaks the rules for names of providers, or for those of classes, traits and groups.

    `name` is the first 60 characters of it, `length` the length of the whole in bytes.
    """

    name: str
    length: int
    reason: str


class HasChildren(ProviderTreeError):
    """The provider has children, and the call works on providers without children alone."""

    provider: str


class WouldCycle(ProviderTreeError):
    """The new parent is the provider itself or one of its descendants."""

    provider: str
    parent: str


class InUse(ProviderTreeError):
    """Some of what the provider has is in use."""

    provider: str
    resource_class: str
    used: int


class GenerationConflict(Conflict):
    """The provider's generation is not the expected one."""

    provider: str
    expected: int
    actual: int


class InvalidInventory(ProviderTreeError, ValueError):
    """An inventory contradicts itself."""

    resource_class: str
    fault: Fault


class NoInventory(Conflict):
    """The provider has no inventory of the class."""

    provider: str
    resource_class: str


class CapacityExceeded(Conflict):
    """Less is free than was asked for. If several amounts don't fit, this names one of them."""

    provider: str
    resource_class: str
    requested: int
    free: int


class Cordoned(Conflict):
    """The provider or one of its ancestors is cordoned, so that the provider gives nothing more."""

    provider: str


class UnitViolation(Conflict):
    """The amount breaks the units of the inventory."""

    provider: str
    resource_class: str
    requested: int
    min_unit: int
    max_unit: int
    step_size: int


class ZeroAmount(ProviderTreeError, ValueError):
    """An amount to be taken or given back is 0."""

    provider: str
    resource_class: str


class SumTooLarge(ProviderTreeError, ValueError):
    """The amounts of one class that one call asks from one provider add up to 2**64 or more."""

    provider: str
    resource_class: str
    sum: int


class NotTaken(ProviderTreeError):
    """The amount given back is greater than what was taken without a consumer."""

    provider: str
    resource_class: str
    requested: int
    taken: int


class EmptyClaim(ProviderTreeError, ValueError):
    """The claim asks for no amount at all."""

    consumer: str


class ConsumerExists(ProviderTreeError):
    """The consumer holds allocations already."""

    consumer: str
    generation: int


class AlreadyHeld(ProviderTreeError):
    """The consumer holds exactly what the claim asks for: perhaps an earlier reply was lost."""

    consumer: str
    generation: int


class NotIssued(ProviderTreeError):
    """The consumer is not one that the forest has issued and that waits to be claimed."""

    consumer: str


class Unnamed(ProviderTreeError, ValueError):
    """The claim names no consumer, and the call needs to know the consumer."""


class TooFewFit(ProviderTreeError):
    """Too few members of a gang, or too few amounts of a claim, fit. Nothing was taken.

    `refused` says of each of the others why it does not fit, by its position.
    """

    fit: int
    at_least: int
    refused: list[tuple[int, ProviderTreeError]]


class LeaseEnded(ProviderTreeError):
    """The lease has ended, by its expiry or otherwise."""

    consumer: str


class ForeignLease(ProviderTreeError, ValueError):
    """The lease belongs to another forest."""

    consumer: str


class NotLeased(ProviderTreeError):
    """The consumer holds its allocations for good: there is no lease to renew or to cancel."""

    consumer: str


class ConsumerConflict(Conflict):
    """The consumer's generation is not the expected one, or the consumer holds nothing.

    `actual` is None if the consumer holds nothing.
    """

    consumer: str
    expected: int
    actual: int | None


class ConsumerNotFound(ProviderTreeError, LookupError):
    """The consumer holds nothing."""

    consumer: str


class SnapshotTooOld(ProviderTreeError):
    """The snapshot can't be read any more: its bound was met."""

    snapshot: int


class ForeignSnapshot(ProviderTreeError, ValueError):
    """The snapshot is one of another forest, or of another time than the call needs."""

    snapshot: int


class InvalidRequest(ProviderTreeError, ValueError):
    """The request for candidates contradicts itself, or asks for nothing."""

    fault: Fault


class NoHolders(ProviderTreeError):
    """The view does not follow consumers: make it with `holders=True`."""


class ForeignRequest(ProviderTreeError, ValueError):
    """The request was prepared for another view."""


class FellBehind(ProviderTreeError):
    """The forest has changed more since the last poll than the feed's bound allows.

    The feed is over: take a snapshot, and begin another feed at that snapshot.
    """

    snapshot: int


class ProviderChanged(Conflict):
    """A fact about the provider that the change rests on has changed since it was read."""

    provider: str


class ConsumerChanged(Conflict):
    """A fact about the consumer that the change rests on has changed since it was read."""

    consumer: str


class InvalidEntries(ProviderTreeError, ValueError):
    """Some entries of a list of providers, or of a dump, can't be accepted. None of them was made."""

    faults: list[Fault]


class TooLarge(ProviderTreeError, ValueError):
    """A documented bound was met."""

    what: str
    limit: int
    #: Whether the bound is one on the tree or the process as a whole.
    full: bool


class NothingFits(ProviderTreeError):
    """Nothing serves the request in a view that was brought up to date during the call."""

    refusals: int


class GaveUp(ProviderTreeError):
    """As many claims as were allowed were refused because other threads had been faster.

    `last` is why the last one was.
    """

    refusals: int
    last: ProviderTreeError


class InUseByAnotherThread(ProviderTreeError, RuntimeError):
    """Another thread is in a call of this very object, which is meant for one thread at a time."""
