"""docs/resign.md names every reason for which a segment is left; its commands are run with those of all pages."""

from __future__ import annotations

from pathlib import Path

from aoinspect.engine.resign.wishes import Left

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "resign.md").read_text(encoding="utf-8")


def test_every_reason_for_leaving_a_segment_is_named() -> None:
    assert [why.word for why in Left if why not in (Left.NONE, Left.UNSIGNED) and f"`{why.word}`" not in PAGE] == []
