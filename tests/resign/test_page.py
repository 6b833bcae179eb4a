"""docs/resign.md: its commands print what it shows, in the order in which they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from aoinspect.engine.resign.wishes import Left

PROJECT_ROOT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT_ROOT / "docs" / "resign.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(console|toml)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def runs() -> list[tuple[str, list[str]]]:
    """Each command, and the lines that it prints."""
    found: list[tuple[str, list[str]]] = []
    for line in (line for kind, text in BLOCKS if kind == "console" for line in text.splitlines()):
        if line.startswith("$ aoinspect "):
            found.append((line.removeprefix("$ "), []))
        else:
            found[-1][1].append(line)
    return found


def test_every_command_prints_what_is_shown(tmp_path: Path) -> None:
    (tmp_path / "samples").symlink_to(PROJECT_ROOT / "samples")
    (key_file,) = (text for kind, text in BLOCKS if kind == "toml")
    (tmp_path / "new.toml").write_text(key_file)
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    paths = os.pathsep.join([str(PROJECT_ROOT), environment.get("PYTHONPATH", "")])
    for command, shown in runs():
        run = subprocess.run(
            [sys.executable, "-m", *command.split()],
            cwd=tmp_path,
            env=environment | {"PYTHONIOENCODING": "utf-8", "PYTHONPATH": paths},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert [line.rstrip() for line in run.stdout.splitlines()] == shown, (command, run.stderr)
    assert (tmp_path / "same.pcap").read_bytes() == (PROJECT_ROOT / "samples/pcaps/v4-sha1.pcap").read_bytes()


def test_every_reason_for_leaving_a_segment_is_named() -> None:
    assert [why.word for why in Left if why not in (Left.NONE, Left.UNSIGNED) and f"`{why.word}`" not in PAGE] == []
