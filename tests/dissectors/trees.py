"""Looking into a tree of fields, and what must hold for every such tree."""

from __future__ import annotations

from collections.abc import Iterator

from dissectors.base import Field

MALFORMED, CONTINUES = "malformed", "continues in the next segment"


def walk(field: Field) -> Iterator[Field]:
    """The field and everything inside of it, outermost first."""
    yield field
    for child in field.children:
        yield from walk(child)


def named(root: Field, name: str) -> list[str]:
    """The values of all fields with Wireshark's `name`."""
    return [field.value for field in walk(root) if field.name == name]


def labelled(root: Field, label: str) -> Field:
    """The first field with this label."""
    return next(field for field in walk(root) if field.label == label)


def complaints(root: Field) -> list[str]:
    """What the tree says is wrong, left over or missing."""
    return [field.label for field in walk(root) if field.label in (MALFORMED, CONTINUES, "Octets left over")]


def are_bits(parent: Field) -> bool:
    """The children share the parent's octets, bit by bit."""
    return all((child.start, child.end) == (parent.start, parent.end) for child in parent.children)


def assert_octets_are_told_once(root: Field) -> None:
    """Children lie inside their parent, one behind the other, except for the bits of one word; and a field that has
    children leaves none of its octets untold.
    """
    for parent in walk(root):
        if not parent.children or (are_bits(parent) and parent.end > parent.start):
            continue
        at = parent.start
        for child in parent.children:
            assert child.start == at, (parent.label, child)
            assert child.end >= child.start
            at = child.end
        assert at == parent.end, (parent.label, parent.children[-1])
