"""The budget of an explanation that somebody waits for, and may want no longer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from aoinspect.engine.explain import EXPLAIN_BUDGET, Budget


@dataclass
class WatchedBudget(Budget):
    """A budget that tells of every take from it."""

    progress: Callable[[], None] = lambda: None
    """Called before anything is taken; what it raises ends the explanation."""

    @classmethod
    def whole(cls, progress: Callable[[], None]) -> Self:
        """All that `aoinspect explain` spends on a run, for one connection."""
        return cls(EXPLAIN_BUDGET.macs, EXPLAIN_BUDGET.searches, progress)

    def take(self, macs: int) -> bool:
        self.progress()
        return super().take(macs)

    def take_search(self) -> bool:
        self.progress()
        return super().take_search()
