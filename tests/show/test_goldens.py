"""What `show` prints of a few recorded frames, to the letter.

With AOINSPECT_WRITE_GOLDENS set, the files are written anew: read the difference before it is kept.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.show.running import PROJECT_ROOT, run_show

GOLDEN = Path(__file__).with_name("golden")

FRAMES = [
    ("data", "tests/captures/v4-sha1-key1", "6", "text"),
    ("data", "tests/captures/v4-sha1-key1", "6", "json"),
    ("data-revealed", "tests/captures/v4-sha1-key1", "6", "text"),
    ("syn", "tests/captures/v4-sha1-key1", "4", "text"),
    ("mismatch", "samples/pcaps/inject", "17", "text"),
    ("mismatch", "samples/pcaps/inject", "17", "json"),
    ("mac-length", "samples/pcaps/inject", "20", "text"),
    ("no-key", "samples/pcaps/inject", "18", "text"),
    ("unsigned", "samples/pcaps/inject", "12", "text"),
    ("two-ao", "samples/pcaps/inject", "31", "text"),
    ("md5", "tests/captures/md5-v4", "6", "text"),
    ("md5-revealed", "tests/captures/md5-v4", "6", "json"),
    ("vxlan", "tests/captures/vxlan", "6", "text"),
    ("ipv6", "samples/pcaps/v6-exopt-ts", "6", "text"),
    ("arp", "tests/captures/ipfrag", "1", "text"),
    ("snap-cut", "samples/pcaps/snap60", "6", "text"),
    ("list", "samples/pcaps/inject", None, "text"),
    ("list", "tests/captures/md5-v4", None, "json"),
]


@pytest.mark.parametrize(("name", "stem", "frame", "form"), FRAMES, ids=lambda value: str(value))
def test_show_prints_what_it_printed(
    monkeypatch: pytest.MonkeyPatch, name: str, stem: str, frame: str | None, form: str
) -> None:
    # Relative names, so that no file holds the place of the project.
    monkeypatch.chdir(PROJECT_ROOT)
    arguments = [f"{stem}.pcap", *([frame] if frame is not None else []), "--keys", f"{stem}.toml", "--format", form]
    outcome = run_show(*arguments, *(["--reveal"] if name.endswith("revealed") else []))
    assert outcome.status == 0, outcome.err
    golden = GOLDEN / f"{name}.{'txt' if form == 'text' else form}"
    if os.environ.get("AOINSPECT_WRITE_GOLDENS"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(outcome.out)
    assert outcome.out == golden.read_text()


def test_every_golden_file_is_held_by_a_test() -> None:
    held = {f"{name}.{'txt' if form == 'text' else form}" for name, _, _, form in FRAMES}
    assert {path.name for path in GOLDEN.iterdir()} == held
