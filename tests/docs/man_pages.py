"""The man pages: made of the parsers, and of what docs/man-sections.toml says beside them.

A page's synopsis, commands and options come from the parser alone. The description, examples, exit statuses and the
like are written by hand; a command that the file does not name has a page all the same, with the parser's description.
In that file `backquotes` stand around what is typed as it is, and a blank line parts paragraphs.
"""

from __future__ import annotations

import argparse
import re
import textwrap
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from aoinspect import __version__
from aoinspect.commands.completion.words import Argument, Command, Option, Value, read_command

PROJECT_ROOT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT_ROOT / "docs" / "man"
SECTIONS = tomllib.loads((PROJECT_ROOT / "docs" / "man-sections.toml").read_text(encoding="utf-8"))


def man_pages(root: argparse.ArgumentParser) -> dict[str, str]:
    """The name of each page's file, and what it has: one page for the program and one for each of its commands."""
    program = read_command(root)
    descriptions: dict[tuple[str, ...], str] = {(program.names[0],): root.description or ""}
    _collect_descriptions(root, (program.names[0],), descriptions)
    pages = {f"{program.names[0]}.1": _program_page(program, descriptions)}
    for command in program.subcommands:
        pages[f"{'-'.join(command.names)}.1"] = _command_page(command, descriptions)
    return pages


def _collect_descriptions(
    parser: argparse.ArgumentParser, names: tuple[str, ...], found: dict[tuple[str, ...], str]
) -> None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                found[(*names, name)] = inner.description or ""
                _collect_descriptions(inner, (*names, name), found)


def _program_page(program: Command, descriptions: dict[tuple[str, ...], str]) -> str:
    written = SECTIONS["aoinspect"]
    told = descriptions[program.names]
    lines = [*_heading(program, told[:1].lower() + told[1:])]
    lines += [".SH SYNOPSIS", *_synopsis(program), ".SH DESCRIPTION", *_paragraphs(written["description"])]
    lines.append(".SH COMMANDS")
    for command in program.subcommands:
        lines += [".TP", rf"\fB{_typed('-'.join(command.names))}\fR(1)", *_text(f"{_sentence(command.told)}")]
    lines += [".SH OPTIONS", *_options(program.options)]
    lines += _hand_written(written)
    lines += _see_also(program, (command.names for command in program.subcommands))
    return _page(lines)


def _command_page(command: Command, descriptions: dict[tuple[str, ...], str]) -> str:
    written = SECTIONS.get(command.names[1], {})
    lines = [*_heading(command, command.told), ".SH SYNOPSIS"]
    for inner in command.subcommands or (command,):
        lines += _synopsis(inner)
    lines += [".SH DESCRIPTION", *_paragraphs(written.get("description", descriptions[command.names]))]
    if command.subcommands:
        lines.append(".SH COMMANDS")
        for inner in command.subcommands:
            lines += [f'.SS "{_typed(" ".join(inner.names[1:]))}"']
            lines += _paragraphs(written.get("subcommand", {}).get(inner.names[-1], descriptions[inner.names]))
            lines += [*_arguments(inner.arguments), *_options(inner.options)]
    else:
        lines += [".SH OPTIONS", *_arguments(command.arguments), *_options(command.options)]
    lines += _hand_written(written)
    lines += _see_also(command, [command.names[:1]])
    return _page(lines)


def _page(lines: Iterable[str]) -> str:
    text = "\n".join(lines)
    # A paragraph right behind a heading is none, and says so in mandoc's eyes.
    text = re.sub(r"^(\.S[HS] .*)\n\.PP$", r"\1", text, flags=re.MULTILINE)
    return '.\\" Made by tests.docs.regenerate of the parsers and docs/man-sections.toml.\n' + text + "\n"


def _heading(command: Command, told: str) -> Iterator[str]:
    name = "-".join(command.names)
    yield f'.TH {name.upper()} 1 {SECTIONS["date"]} "aoinspect {__version__}" "aoinspect"'
    yield ".SH NAME"
    yield from textwrap.wrap(rf"{_typed(name)} \- {_plain(told.rstrip('.'))}", 76, break_on_hyphens=False)


def _synopsis(command: Command) -> Iterator[str]:
    words = [rf"\fB{_typed(' '.join(command.names))}\fR"]
    if any(option.flags[0] != "-h" for option in command.options):
        words.append(r"[\fIOPTION\fR]...")
    if command.subcommands:
        words += [r"\fICOMMAND\fR", "..."]
    words += [_placed(argument) for argument in command.arguments]
    yield ".PP"
    yield " ".join(words)


def _placed(argument: Argument) -> str:
    shown = _value(argument.value) + ("..." if argument.may_repeat else "")
    return shown if argument.is_required else f"[{shown}]"


def _arguments(arguments: Iterable[Argument]) -> Iterator[str]:
    for argument in arguments:
        yield ".TP"
        yield _placed(argument).strip("[]")
        yield from _text(_sentence(argument.told))


def _options(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        yield ".TP"
        yield ", ".join(_flag(flag, option) for flag in option.flags)
        yield from _text(_sentence(option.told))


def _flag(flag: str, option: Option) -> str:
    shown = rf"\fB{_typed(flag)}\fR"
    return shown if option.value is None else f"{shown} {_value(option.value)}"


def _value(value: Value) -> str:
    if value.choices:
        return "|".join(rf"\fB{_typed(choice)}\fR" for choice in value.choices)
    return rf"\fI{_typed(value.metavar)}\fR"


def _sentence(told: str) -> str:
    """Help in the form of a sentence: a capital and a full stop, unless it begins with what is typed."""
    opening = told[:1].upper() if re.match(r"(?!pcap|bash)[a-z]+\b(?![-.=])", told) else told[:1]
    return f"{opening}{told[1:]}" + ("" if told.endswith((".", "?")) else ".")


def _hand_written(written: dict[str, Any]) -> Iterator[str]:
    shared = SECTIONS["shared"]
    if "example" in written:
        yield ".SH EXAMPLES"
        for example in written["example"]:
            yield ".PP"
            yield from _text(example["told"])
            yield from (".PP", ".in +4", ".nf", ".ft CB")
            yield from (_guarded(_typed(line)) for line in example["command"].splitlines())
            yield from (".ft", ".fi", ".in -4")
    for title, member in (("EXIT STATUS", "exit-status"), ("FILES", "files"), ("ENVIRONMENT", "environment")):
        listed = written.get(member, shared[member])
        if listed:
            yield f'.SH "{title}"'
        for term, told in listed.items():
            yield ".TP"
            yield rf"\fB{_typed(term)}\fR"
            yield from _text(told)
    for title, told in written.get("section", {}).items():
        yield f'.SH "{title}"'
        yield from _paragraphs(told)


def _see_also(command: Command, names: Iterable[tuple[str, ...]]) -> Iterator[str]:
    written = SECTIONS.get(command.names[-1], {}) if len(command.names) > 1 else SECTIONS["aoinspect"]
    pages = ["-".join(name) + "(1)" for name in names] + written.get("see-also", [])
    yield ".SH SEE ALSO"
    shown = []
    for page in pages:
        name, section = page.rstrip(")").split("(")
        shown.append(rf"\fB{_typed(name)}\fR({section})")
    yield ",\n".join(shown)


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        yield ".PP"
        yield from _text(paragraph)


def _text(text: str) -> Iterator[str]:
    """A paragraph, a sentence a line as roff likes it."""
    pieces = re.split(r"`([^`]*)`", " ".join(text.split()))
    marked = "".join(
        rf"\fB{_typed(piece)}\fR" if place % 2 else _plain(piece) for place, piece in enumerate(pieces) if piece
    )
    for sentence in re.split(r"(?<=[.?:;])\s+(?=[A-Z\\])", marked):
        for line in textwrap.wrap(sentence, 76, break_long_words=False, break_on_hyphens=False):
            yield _guarded(line)


def _guarded(line: str) -> str:
    """A line that roff does not take for a request."""
    return rf"\&{line}" if line.startswith((".", "'")) else line


def _plain(text: str) -> str:
    return text.replace("\\", r"\e")


def _typed(text: str) -> str:
    """Text that is typed as it stands: its hyphens, quotes and tildes stay what they are."""
    signs = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
    return "".join(signs.get(character, character) for character in text)
