"""The comparisons of the filter language, their spellings, and which of a field's values have to hold.

A field may have several values in one segment (`tcp.port` has two). As in Wireshark since 3.6, `==` and the orders ask
for any of them and `!=` for all: `tcp.port != 179` is the opposite of `tcp.port == 179` wherever there is a port.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
import numpy.typing as npt

from aoinspect.engine.locate import Mask

Values = npt.NDArray[np.generic]


class Operator(Enum):
    """A comparison; the value is its canonical spelling."""

    EQUAL = "=="
    ALL_EQUAL = "==="
    NOT_EQUAL = "!="
    ANY_NOT_EQUAL = "!=="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="
    CONTAINS = "contains"
    MATCHES = "matches"

    @property
    def asks_all(self) -> bool:
        """Whether all of a field's values must hold, and not any."""
        return self in (Operator.ALL_EQUAL, Operator.NOT_EQUAL)

    @property
    def is_order(self) -> bool:
        return self in ORDERS


SPELLINGS = {operator.value: operator for operator in Operator} | {
    "eq": Operator.EQUAL,
    "any_eq": Operator.EQUAL,
    "all_eq": Operator.ALL_EQUAL,
    "ne": Operator.NOT_EQUAL,
    "all_ne": Operator.NOT_EQUAL,
    "any_ne": Operator.ANY_NOT_EQUAL,
    "lt": Operator.LESS,
    "le": Operator.AT_MOST,
    "gt": Operator.GREATER,
    "ge": Operator.AT_LEAST,
    "~": Operator.MATCHES,
}
"""Every spelling of every comparison; Wireshark has the same."""

EQUALITIES = frozenset({Operator.EQUAL, Operator.ALL_EQUAL, Operator.NOT_EQUAL, Operator.ANY_NOT_EQUAL})
ORDERS = frozenset({Operator.LESS, Operator.AT_MOST, Operator.GREATER, Operator.AT_LEAST})

_RELATIONS: dict[Operator, np.ufunc] = {
    Operator.EQUAL: np.equal,
    Operator.ALL_EQUAL: np.equal,
    Operator.NOT_EQUAL: np.not_equal,
    Operator.ANY_NOT_EQUAL: np.not_equal,
    Operator.LESS: np.less,
    Operator.AT_MOST: np.less_equal,
    Operator.GREATER: np.greater,
    Operator.AT_LEAST: np.greater_equal,
}


def relate(left: Values, relation: Operator, right: Values | int) -> Mask:
    """Whether each of `left` (shape (n,)) stands in an equality or order to `right`, a number or shape (n,)."""
    return np.asarray(_RELATIONS[relation](left, right), dtype=np.bool_)


def relate_pairs(left: tuple[Values, Values], relation: Operator, right: tuple[Values | int, Values | int]) -> Mask:
    """The same for numbers in two parts, the upper one first."""
    is_equal = (left[0] == right[0]) & (left[1] == right[1])
    if relation in (Operator.EQUAL, Operator.ALL_EQUAL):
        return np.asarray(is_equal, dtype=np.bool_)
    if relation in (Operator.NOT_EQUAL, Operator.ANY_NOT_EQUAL):
        return np.asarray(~is_equal, dtype=np.bool_)
    strict = Operator.LESS if relation in (Operator.LESS, Operator.AT_MOST) else Operator.GREATER
    is_beyond = relate(left[0], strict, right[0]) | ((left[0] == right[0]) & relate(left[1], strict, right[1]))
    return is_beyond if relation is strict else np.asarray(is_beyond | is_equal, dtype=np.bool_)
