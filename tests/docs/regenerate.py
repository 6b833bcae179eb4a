"""Writes anew what is generated: outputs in README and docs/, man pages, completion scripts.

    python -m tests.docs.regenerate            all of it
    python -m tests.docs.regenerate PAGE...    the outputs of these pages

What changed is named. Look at the difference before you commit it: what the tests compare with is what stands there.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from aoinspect.cli import build_parser
from aoinspect.commands.completion import script
from tests.docs.man_pages import FOLDER, man_pages
from tests.docs.pages import AWAITED, PROJECT_ROOT, pages, text_of
from tests.docs.running import run_page

COMPLETIONS = {"bash": "aoinspect.bash", "zsh": "_aoinspect", "fish": "aoinspect.fish"}


def completion_files() -> dict[Path, str]:
    """The completion scripts that packages install, and what is in them."""
    folder = PROJECT_ROOT / "contrib" / "completion"
    return {folder / name: script(build_parser(), shell) for shell, name in COMPLETIONS.items()}


def man_files() -> dict[Path, str]:
    """The man pages, and what is in them."""
    return {FOLDER / name: text for name, text in man_pages(build_parser()).items()}


def page_as_run(page: str, folder: Path) -> str:
    """The page, with what its console blocks print now."""
    lines = text_of(page).splitlines()
    for block, ran in reversed(run_page(page, folder).items()):
        if block.language == "console":
            written = []
            for one in ran:
                first, *rest = one.command.splitlines()
                written += [f"$ {first}", *(f"> {line}" for line in rest), *one.output]
            start = block.line - 1
            lines[start : start + len(block.lines)] = [(" " * block.indent + line).rstrip() for line in written]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Writes what is out of date; 0."""
    wanted: dict[Path, str] = {}
    if not arguments:
        wanted = completion_files() | man_files()
    for page in arguments or [page for page in pages() if page not in AWAITED]:
        with tempfile.TemporaryDirectory() as folder:
            wanted[PROJECT_ROOT / page] = page_as_run(page, Path(folder))
    for path, text in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(PROJECT_ROOT))
    if not arguments:
        for path in sorted(FOLDER.glob("*.1")):
            if path not in wanted:
                path.unlink()
                print(f"{path.relative_to(PROJECT_ROOT)}: removed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
