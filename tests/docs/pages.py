"""What the pages show: their blocks of code, and how each is held to the truth.

A block says by its language and tag what is done with it:

* `console`: commands behind `$ ` (and `> ` where they go on) are run, and their standard output is compared.
* `sh`: it is run, and has to succeed.
* `console` or `sh` with a tag of NOT_RUN: it is not run, for that reason. Its commands are parsed all the same.
* `python run`: it is run behind the page's earlier blocks of this kind, and has to succeed.
* `bash` and `python`: a file to save; it is parsed.
* the languages of DATA: nothing to run.

All blocks of a page are run in their order by one bash in one scratch folder, which has copies of samples/ and
tests/captures/. A language or tag that is none of these is an error, so that no command is passed over by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]

NOT_RUN = {
    "needs-root": "needs root, and interfaces of the reader's",
    "live-host": "shows what one host knew at one time",
    "own-files": "names files of the reader's",
    "interactive": "takes the terminal, and waits for keys",
    "needs-wireshark": "needs Wireshark, with the profile installed",
}
"""Tags of blocks that are not run, and why."""

DATA = frozenset({"text", "toml", "json", "yaml", "bird", "junos", "cisco", "nokia"})

AWAITED: dict[str, str] = {}
"""Pages with commands that the parsers do not know yet, and which. They are neither run nor parsed until then."""

ENVIRONMENT_MAKERS = ("python3 -m venv ",)
"""What README's two commands begin with: .ci/run runs them, and tests/test_readme.py holds that it does."""

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page."""

    page: str
    """Its path from the project's folder."""
    line: int
    """Where its first line of content stands in the page, from 1."""
    language: str
    tag: str
    """What stands behind the language; empty if nothing does."""
    lines: tuple[str, ...]
    indent: int

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def not_run(self) -> str:
        """Why it is not run though it has commands; empty where it is run."""
        if any(line.startswith(ENVIRONMENT_MAKERS) for line in self.lines):
            return "makes an environment anew: .ci/run runs it"
        return NOT_RUN.get(self.tag, "")

    @property
    def is_run(self) -> bool:
        if self.language == "python":
            return self.tag == "run"
        return self.language in ("console", "sh") and not self.not_run


@dataclass(frozen=True, slots=True)
class Shown:
    """A command of a console block, with what the page says that it prints."""

    command: str
    output: tuple[str, ...]


def pages() -> list[str]:
    """README and all pages of docs/, by their paths from the project's folder."""
    found = [PROJECT_ROOT / "README.md", *(PROJECT_ROOT / "docs").rglob("*.md")]
    return sorted(path.relative_to(PROJECT_ROOT).as_posix() for path in found)


def text_of(page: str) -> str:
    return (PROJECT_ROOT / page).read_text(encoding="utf-8")


def blocks_of(page: str) -> list[Block]:
    """The fenced blocks of a page, in their order. ValueError for a fence that is not closed."""
    return list(_blocks(page, text_of(page).splitlines()))


def _blocks(page: str, lines: list[str]) -> Iterator[Block]:
    start = None
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if fence is None:
            continue
        if start is None:
            start, info, indent = number + 1, fence["info"].split(), len(fence["indent"])
        else:
            content = tuple(inside[indent:] for inside in lines[start:number])
            language, tag = [*info, "", ""][0], " ".join(info[1:])
            yield Block(page, start + 1, language, tag, content, indent)
            start = None
    if start is not None:
        raise ValueError(f"{page}:{start}: the block is not closed")


def prose_of(page: str) -> str:
    """The page without its fenced blocks; their lines are left empty, so that line numbers hold."""
    lines = text_of(page).splitlines()
    for block in blocks_of(page):
        for number in range(block.line - 2, block.line + len(block.lines)):
            lines[number] = ""
    return "\n".join(lines)


def shown_in(block: Block) -> list[Shown]:
    """The commands of a console block. ValueError where output stands before the first."""
    shown: list[Shown] = []
    command: list[str] = []
    output: list[str] = []
    for line in block.lines:
        if line.startswith("$ "):
            if command:
                shown.append(Shown("\n".join(command), tuple(output)))
            command, output = [line[2:]], []
        elif (line == ">" or line.startswith("> ")) and command and not output:
            command.append(line[2:])
        elif not command:
            raise ValueError(f"{block.place}: output stands before the first `$ `")
        else:
            output.append(line)
    if not command:
        raise ValueError(f"{block.place}: a console block has commands behind `$ `")
    return [*shown, Shown("\n".join(command), tuple(output))]


def commands_in(block: Block) -> list[str]:
    """What a block runs: a console block's commands each, another block as a whole."""
    if block.language == "console":
        return [shown.command for shown in shown_in(block)]
    return ["\n".join(block.lines)]
