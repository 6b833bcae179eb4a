"""What holds the house together: imports run one way, commands load what they need, files know no machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT_ROOT = Path(__file__).resolve().parents[1]
SAMPLE = PROJECT_ROOT / "samples" / "pcaps" / "rotation.pcap"
NOT_OURS = {".venv", "dist", "build", "__pycache__"}

LOADED_MODULES = """
import contextlib, io, json, sys
from aoinspect.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    try:
        status = main(sys.argv[1:])
    except SystemExit as stop:
        status = stop.code
print(json.dumps([status, sorted({name.partition(".")[0] for name in sys.modules} | set(sys.modules))]))
"""


def modules_loaded_by(*arguments: str) -> tuple[int, set[str]]:
    """Exit status of `aoinspect ARGUMENTS`, and the modules that a fresh interpreter has loaded for it."""
    run = subprocess.run(
        [sys.executable, "-c", LOADED_MODULES, *arguments],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    status, names = json.loads(run.stdout)
    return int(status), set(names)


def project_files() -> list[Path]:
    """The files that belong to the project; without git, those that are not hidden or made."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode == 0 and listing.stdout:
        paths = [PROJECT_ROOT / name for name in listing.stdout.decode().split("\0") if name]
    else:
        paths = [
            path
            for path in PROJECT_ROOT.rglob("*")
            if not any(
                part in NOT_OURS or (part.startswith(".") and part != ".ci")
                for part in path.relative_to(PROJECT_ROOT).parts
            )
        ]
    return [path for path in paths if path.is_file()]


def test_the_import_contracts_hold() -> None:
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    run = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", run.stdout)


def test_the_page_on_architecture_knows_every_room() -> None:
    page = (PROJECT_ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = page.split("\n## Rooms\n")[1].split("\n## ")[0]
    packages = [initial.parent.name for initial in PROJECT_ROOT.glob("aoinspect/*/__init__.py")]
    assert [name for name in packages if f"`aoinspect/{name}`" not in rooms] == []


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_verify_never_loads_textual(form: str) -> None:
    keys = str(SAMPLE.with_suffix(".toml"))
    status, modules = modules_loaded_by("verify", str(SAMPLE), "--keys", keys, "--format", form)
    assert status == 0
    assert "aoinspect.engine.pipeline" in modules
    assert modules.isdisjoint({"textual", "aoinspect.tui", "scapy", "numpy.ma"})


@pytest.mark.parametrize("argument", ["--version", "--help", "--no-such-option"])
def test_answers_without_a_capture_load_no_heavy_module(argument: str) -> None:
    _, modules = modules_loaded_by(argument)
    assert "aoinspect.cli" in modules
    assert modules.isdisjoint({"numpy", "cryptography", "rich", "dpkt", "textual", "aoinspect.engine"})


def test_no_file_of_the_project_names_a_place_on_somebodys_machine() -> None:
    # Put together here, so that this file does not name one itself.
    places = ("work", "root", r"home/\w+", r"Users/\w+", "tmp/venv")
    absolute = re.compile(r"(?<![\w.~-])/(?:" + "|".join(places) + r")(?![\w-])")
    found = []
    for path in project_files():
        octets = path.read_bytes()
        if b"\0" in octets:
            continue
        for number, line in enumerate(octets.decode("utf-8", "replace").splitlines(), 1):
            if absolute.search(line):
                found.append(f"{path.relative_to(PROJECT_ROOT)}:{number}")
    assert not found
