"""The man pages are those of the parsers, formatters have nothing against them, and a wheel brings them along."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from aoinspect.cli import build_parser
from aoinspect.commands.completion.words import read_command
from tests.docs.man_pages import FOLDER, SECTIONS, man_pages
from tests.docs.pages import PROJECT_ROOT
from tests.docs.parsing import argument_mistake, invocations, shell_mistake
from tests.docs.regenerate import completion_files, man_files

PAGES = sorted(FOLDER.glob("*.1"))
EXAMPLES = [
    example["command"]
    for section in SECTIONS.values()
    if isinstance(section, dict) and not section.get("awaited")
    for example in section.get("example", ())
]


def test_there_is_a_page_for_the_program_and_for_each_command() -> None:
    commands = read_command(build_parser()).subcommands
    assert {path.name for path in PAGES} == {
        "aoinspect.1",
        *(f"aoinspect-{command.names[1]}.1" for command in commands),
    }


@pytest.mark.parametrize("path", sorted([*man_files(), *completion_files()]), ids=lambda path: path.name)
def test_generated_files_are_up_to_date(path: Path) -> None:
    wanted = (man_files() | completion_files())[path]
    assert path.exists(), "run python -m tests.docs.regenerate"
    assert path.read_text(encoding="utf-8") == wanted, "run python -m tests.docs.regenerate"


def test_a_page_has_every_option_of_its_command() -> None:
    pages = man_pages(build_parser())
    for command in read_command(build_parser()).walk():
        text = pages["-".join(command.names[:2]) + ".1"]
        for option in command.options:
            for flag in option.flags:
                assert rf"\fB{flag}\fR".replace("-", r"\-") in text


def test_what_is_written_by_hand_is_about_commands_that_there_are_or_that_are_awaited() -> None:
    commands = {command.names[1] for command in read_command(build_parser()).subcommands} | {"aoinspect", "shared"}
    sections = {name: section for name, section in SECTIONS.items() if isinstance(section, dict)}
    assert sections.keys() - commands == {name for name, section in sections.items() if section.get("awaited")}


@pytest.mark.parametrize("command", EXAMPLES)
def test_an_example_can_be_parsed(command: str) -> None:
    assert shell_mistake(command) == ""
    calls = list(invocations(command))
    assert calls
    assert [mistake for words in calls if (mistake := argument_mistake(words))] == []


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="this machine has no mandoc")
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_mandoc_has_no_complaint(path: Path) -> None:
    run = subprocess.run(["mandoc", "-Tlint", str(path)], capture_output=True, text=True, check=False)
    assert (run.stdout + run.stderr, run.returncode) == ("", 0)


@pytest.mark.skipif(shutil.which("man") is None or shutil.which("groff") is None, reason="this machine has no man")
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_man_has_no_complaint(path: Path) -> None:
    environment = os.environ | {"LC_ALL": "C.UTF-8", "MANWIDTH": "80"}
    run = subprocess.run(
        ["man", "--warnings=all", "-E", "UTF-8", "-l", "-Tutf8", str(path)],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (run.stderr, run.returncode) == ("", 0)
    plain = re.sub(".\b", "", run.stdout)
    assert re.search(r"^SYNOPSIS$", plain, re.MULTILINE)


def test_a_wheel_puts_them_where_man_and_shells_look() -> None:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert shared == {
        "docs/man": "share/man/man1",
        "contrib/completion/aoinspect.bash": "share/bash-completion/completions/aoinspect",
        "contrib/completion/_aoinspect": "share/zsh/site-functions/_aoinspect",
        "contrib/completion/aoinspect.fish": "share/fish/vendor_completions.d/aoinspect.fish",
    }
    assert all((PROJECT_ROOT / source).exists() for source in shared)
    assert {path.suffix for path in FOLDER.iterdir()} == {".1"}
