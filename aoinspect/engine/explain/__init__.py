"""Why a MAC does not verify: one assumption changed at a time, the MAC computed again, and what then matches.

`table` has the hypotheses H1 to H32; `keys`, `encodings`, `options`, `isns`, `inputs` and `path` try them, `stacks`
states what needs no computation, `sweep` searches within a budget of MACs, and `account` says what came of it.
"""

from aoinspect.engine.explain.account import (
    EXPLAIN_BUDGET,
    PER_CONNECTION,
    VERIFY_BUDGET,
    explain_connection,
    explain_failures,
)
from aoinspect.engine.explain.model import Account, Budget, Confidence, Explanation, Hypothesis
from aoinspect.engine.explain.table import HYPOTHESES, hypotheses_table

__all__ = [
    "EXPLAIN_BUDGET",
    "HYPOTHESES",
    "PER_CONNECTION",
    "VERIFY_BUDGET",
    "Account",
    "Budget",
    "Confidence",
    "Explanation",
    "Hypothesis",
    "explain_connection",
    "explain_failures",
    "hypotheses_table",
]
