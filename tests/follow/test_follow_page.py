"""docs/follow.md shows what is printed, and names what there is."""

from __future__ import annotations

import re

from aoinspect.commands.verify import EVENT_KINDS
from aoinspect.engine.live.standing import FINDINGS_PER_CONNECTION, HOLD_NS
from aoinspect.engine.live.verdict_changes import BURST, REFILL_NS
from tests.follow.test_forms import GOLDEN
from tests.recorded import PROJECT_ROOT

PAGE = (PROJECT_ROOT / "docs" / "follow.md").read_text(encoding="utf-8")


def test_its_lines_are_the_samples() -> None:
    shown = re.findall(r"^(20\S+Z .*)$", PAGE, re.MULTILINE)
    told = (GOLDEN / "rotation-utf-8.txt").read_text(encoding="utf-8").splitlines()
    assert len(shown) == 6
    assert [line for line in told if line in shown] == shown


def test_it_names_every_kind_of_event() -> None:
    assert all(f"`{kind}`" in PAGE for kind in EVENT_KINDS)


def test_its_numbers_are_the_products() -> None:
    assert (BURST, REFILL_NS, HOLD_NS, FINDINGS_PER_CONNECTION) == (20, 1_000_000_000, 5_000_000_000, 64)
    for words in ("twenty times at once", "once a second", "held for five seconds", "Of one connection 64 are told"):
        assert words in " ".join(PAGE.split())
