"""A filter's tree over the rows of a table: one mask, and no step per row.

Rows are taken some hundred thousand at a time, so that what is made on the way stays in the processor's caches. What
depends on flows or keys alone is compared once for all of them.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt

from aoinspect.engine.filtering.columns import Column, Domain
from aoinspect.engine.filtering.context import FilterContext
from aoinspect.engine.filtering.operators import Operator, relate, relate_pairs
from aoinspect.engine.filtering.syntax import And, Comparison, Exists, Membership, Node, Not, Operand, Or, Slice
from aoinspect.engine.locate import Mask
from aoinspect.engine.table import Rows

_ROWS_AT_A_TIME = 1 << 17


def mask_of(node: Node, rows: Rows, context: FilterContext) -> Mask:
    """Which rows the filter selects: shape (n,)."""
    context.refresh()
    count = len(rows.frame)
    selected = np.zeros(count, dtype=np.bool_)
    settled: dict[int, tuple[Domain, Mask]] = {}
    for first in range(0, count, _ROWS_AT_A_TIME):
        chunk = slice(first, min(first + _ROWS_AT_A_TIME, count))
        part = Rows._make(column[chunk] for column in rows)
        selected[chunk] = _Evaluation(part, context, settled).mask(node)
    return selected


class _Evaluation:
    """One stretch of rows. `settled` keeps, for the next one, what does not depend on rows."""

    def __init__(self, rows: Rows, context: FilterContext, settled: dict[int, tuple[Domain, Mask]]) -> None:
        self._rows = rows
        self._context = context
        self._settled = settled
        self._entries: dict[Domain, npt.NDArray[np.intp]] = {}

    def mask(self, node: Node) -> Mask:
        if isinstance(node, Not):
            return ~self.mask(node.inner)
        if isinstance(node, Exists | Comparison | Membership):
            return self._test(node)
        held = self.mask(node.parts[0])
        for part in node.parts[1:]:
            if isinstance(node, And):
                held = held & self.mask(part)
            elif isinstance(node, Or):
                held = held | self.mask(part)
            else:
                held = held ^ self.mask(part)
        return held

    def _test(self, node: Exists | Comparison | Membership) -> Mask:
        known = self._settled.get(id(node))
        if known is None:
            domain, held = self._outcome(node)
            if domain is Domain.ROWS:
                return held
            known = self._settled[id(node)] = (domain, held)
        domain, held = known
        return held[self._entries_of(domain)]

    def _outcome(self, node: Exists | Comparison | Membership) -> tuple[Domain, Mask]:
        """Whether the test holds, for each entry of the field's domain."""
        if isinstance(node, Comparison) and isinstance(node.right, Operand):
            return Domain.ROWS, self._between_fields(node.left, node.operator, node.right)
        operand = node.left if isinstance(node, Comparison) else node.operand
        columns = self._columns(operand)
        domain = columns[0].domain
        if isinstance(node, Exists):
            held = [_there(column, operand) for column in columns]
            return domain, _any(held)
        if isinstance(node, Membership):
            return domain, _any([_present(column, _member(column, operand, node)) for column in columns])
        assert not isinstance(node.right, Operand)
        tested = [operand.field.type.test(column, node.operator, node.right) for column in columns]
        return domain, _quantified(columns, tested, node.operator)

    def _columns(self, operand: Operand) -> tuple[Column, ...]:
        columns = operand.field.read(self._rows, self._context)
        if operand.bits is not None:
            columns = tuple(_with_bits(column, operand.bits) for column in columns)
        if operand.octets is not None:
            columns = tuple(_sliced(column, operand.octets) for column in columns)
        return columns

    def _entries_of(self, domain: Domain) -> npt.NDArray[np.intp]:
        """The domain's entry of each row."""
        entries = self._entries.get(domain)
        if entries is None:
            rows = self._rows
            if domain is Domain.FLOWS:
                entries = rows.connection.astype(np.intp) * 2 + rows.direction
            else:
                # NO_MKT is the highest number of all, and the last entry stands for it.
                entries = np.minimum(rows.mkt.astype(np.intp), len(self._context.key_names()))
            self._entries[domain] = entries
        return entries

    def _between_fields(self, left: Operand, operator: Operator, right: Operand) -> Mask:
        """The comparison holds for any pair of the two fields' values, or for all pairs."""
        pairs = [
            (self._by_row(one), self._by_row(other)) for one in self._columns(left) for other in self._columns(right)
        ]
        columns = [Column(one.values, present=_both(one.present, other.present)) for one, other in pairs]
        tested = [
            relate(one.values, operator, other.values)
            if one.highs is None or other.highs is None
            else relate_pairs((one.highs, one.values), operator, (other.highs, other.values))
            for one, other in pairs
        ]
        return _quantified(tuple(columns), tested, operator)

    def _by_row(self, column: Column) -> Column:
        return column if column.domain is Domain.ROWS else column.spread(self._entries_of(column.domain))


def _with_bits(column: Column, bits: int) -> Column:
    values = cast("npt.NDArray[np.unsignedinteger]", column.values)
    return Column(values & values.dtype.type(bits), column.domain, column.present)


def _sliced(column: Column, octets: Slice) -> Column:
    """The octets of the slice; only where the field has all of them."""
    assert column.lengths is not None
    end = octets.start + octets.length
    is_long_enough = np.asarray(column.lengths >= end, dtype=np.bool_)
    present = is_long_enough if column.present is None else is_long_enough & column.present
    values = column.values[:, octets.start : end]
    lengths = np.full(len(values), octets.length, dtype=np.int64)
    return Column(values, column.domain, present, lengths=lengths)


def _there(column: Column, operand: Operand) -> Mask:
    if operand.bits is not None:
        return _present(column, np.asarray(column.values != 0, dtype=np.bool_))
    return _present(column, np.ones(len(column.values), dtype=np.bool_))


def _present(column: Column, held: Mask) -> Mask:
    return held if column.present is None else held & column.present


def _both(left: Mask | None, right: Mask | None) -> Mask | None:
    if left is None or right is None:
        return right if left is None else left
    return left & right


def _any(masks: list[Mask]) -> Mask:
    return masks[0] if len(masks) == 1 else np.logical_or.reduce(masks)


def _member(column: Column, operand: Operand, node: Membership) -> Mask:
    test = operand.field.type.test
    return _any(
        [
            test(column, Operator.EQUAL, first)
            if first == last
            else test(column, Operator.AT_LEAST, first) & test(column, Operator.AT_MOST, last)
            for first, last in node.members
        ]
    )


def _quantified(columns: tuple[Column, ...], tested: list[Mask], operator: Operator) -> Mask:
    """Whether any of a field's values holds, or all of those that are there (and at least one is)."""
    if not operator.asks_all:
        return _any([_present(column, held) for column, held in zip(columns, tested, strict=True)])
    is_there = _any(
        [_present(column, np.ones(len(held), dtype=np.bool_)) for column, held in zip(columns, tested, strict=True)]
    )
    for column, held in zip(columns, tested, strict=True):
        is_there = is_there & (held if column.present is None else held | ~column.present)
    return is_there
