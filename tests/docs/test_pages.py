"""README and docs/ are true as they stand: commands print what is shown, links lead somewhere, options exist."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from tests.docs.pages import (
    AWAITED,
    DATA,
    NOT_RUN,
    PROJECT_ROOT,
    Block,
    blocks_of,
    commands_in,
    pages,
    prose_of,
    shown_in,
    text_of,
)
from tests.docs.parsing import argument_mistake, invocations, option_mistakes, shell_mistake
from tests.docs.running import Ran, run_page

RUN_PAGES = [page for page in pages() if page not in AWAITED and any(block.is_run for block in blocks_of(page))]
NOT_RUN_BLOCKS = [
    block
    for page in pages()
    for block in blocks_of(page)
    if block.language in ("console", "sh") and (block.not_run or page in AWAITED)
]
OTHER_PAGES = (*PROJECT_ROOT.glob("*.md"), *(PROJECT_ROOT / "samples").rglob("*.md"))
LINKED_PAGES = sorted({path.relative_to(PROJECT_ROOT).as_posix() for path in OTHER_PAGES} | {*pages()})

QUIET_FAILURES = (0, 1, 4)
"""Exit statuses that need not be shown: their output says what is wrong."""


@pytest.mark.parametrize("page", RUN_PAGES)
def test_every_command_prints_what_the_page_shows(page: str, tmp_path: Path) -> None:
    differences = []
    for block, ran in run_page(page, tmp_path).items():
        differences += console_differences(block, ran) if block.language == "console" else shell_failures(block, ran)
    assert not differences, "\n".join([*differences, "python -m tests.docs.regenerate writes the outputs anew"])


def console_differences(block: Block, ran: list[Ran]) -> list[str]:
    """What the commands of a console block print otherwise than it says."""
    differences = []
    shown = shown_in(block)
    for place, (one, did) in enumerate(zip(shown, ran, strict=True)):
        if did.output != one.output:
            differences += [f"{block.place}: $ {one.command}", *did.output, "-- and not", *one.output, did.errors]
        tells_status = [following.command for following in shown[place + 1 : place + 2]] == ["echo $?"]
        if did.status not in QUIET_FAILURES and not tells_status:
            differences.append(f"{block.place}: $ {one.command}\nends with {did.status}: {did.errors}")
    return differences


def shell_failures(block: Block, ran: list[Ran]) -> list[str]:
    return [f"{block.place}: ends with {did.status}: {did.errors}" for did in ran if did.status != 0]


@pytest.mark.parametrize("block", NOT_RUN_BLOCKS, ids=lambda block: block.place)
def test_what_is_not_run_can_be_parsed(block: Block) -> None:
    """And is told: the run of the tests lists it with the reason."""
    if block.page in AWAITED:
        pytest.skip(f"{block.place} is not run: it needs {AWAITED[block.page]}")
    for command in commands_in(block):
        assert shell_mistake(command) == ""
        assert [mistake for words in invocations(command) if (mistake := argument_mistake(words))] == []
    pytest.skip(f"{block.place} is not run: it {block.not_run}")


@pytest.mark.parametrize("page", sorted(AWAITED))
def test_a_page_waits_for_commands_that_are_not_there_yet(page: str) -> None:
    calls = [words for block in blocks_of(page) for command in commands_in(block) for words in invocations(command)]
    assert any(argument_mistake(words) for words in calls), f"{page} need not wait: take it out of AWAITED"


@pytest.mark.parametrize("page", pages())
def test_no_block_is_passed_over(page: str) -> None:
    for block in blocks_of(page):
        if block.language in ("console", "sh"):
            assert block.tag in ("", *NOT_RUN), f"{block.place}: {block.tag!r} is no reason in NOT_RUN"
        elif block.language == "python":
            assert block.tag in ("", "run"), block.place
            ast.parse("\n".join(block.lines))
        elif block.language == "bash":
            assert shell_mistake("\n".join(block.lines)) == "", block.place
        else:
            assert block.language in DATA, f"{block.place}: what is a block of {block.language or 'no language'}?"
            for line in block.lines:
                assert not re.match(r"(\$ |aoinspect )", line), f"{block.place}: a command, and none that is run"
    assert indented_blocks(page) == []


def indented_blocks(page: str) -> list[str]:
    """Blocks made by indentation, which have no language to say what they are."""
    lines = prose_of(page).splitlines()
    return [
        f"{page}:{number + 1}"
        for number, line in enumerate(lines)
        if line.startswith("    ") and (number == 0 or not lines[number - 1].strip())
    ]


@pytest.mark.parametrize("page", [page for page in pages() if page not in AWAITED])
def test_commands_and_options_in_running_text_exist(page: str) -> None:
    mistakes = []
    for code in re.findall(r"`([^`]+)`", prose_of(page)):
        words = " ".join(code.split())
        if words.startswith("aoinspect ") and "'" not in words:
            mistakes += option_mistakes(shlex.split(words)[1:])
    assert mistakes == []


@pytest.mark.parametrize("page", LINKED_PAGES)
def test_links_lead_somewhere(page: str) -> None:
    path = PROJECT_ROOT / page
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.exists(), f"{target} in {page}"
        if anchor and linked.suffix == ".md":
            assert anchor in anchors(linked), f"{target} in {page}"


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_index_lists_every_page_once() -> None:
    folder = PROJECT_ROOT / "docs"
    listed = sorted(re.findall(r"\]\((?!\.\.)([^)#\s]+\.md)\)", text_of("docs/README.md")))
    there = sorted({path.relative_to(folder).as_posix() for path in folder.rglob("*.md")} - {"README.md"})
    missing = [page for page in there if page not in listed]
    assert not missing, f"docs/README.md has no line for {', '.join(missing)}"
    assert listed == there
