"""What may stand on the command line, read off argparse's parsers: commands, options, and what their values are.

Nothing else looks into argparse for this. argparse says which values are one of a few words; whether another value is
the name of a file follows from its metavar and its type.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NO_FILES = frozenset({"ADDR", "EXPR", "LIST", "LAYER==N,NAME", "NAME"})
"""Metavars of text that is not the name of a file."""


@dataclass(frozen=True, slots=True)
class Value:
    """What an option or an argument takes."""

    metavar: str
    choices: tuple[str, ...] = ()
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """An option, by all its spellings."""

    flags: tuple[str, ...]
    told: str
    """Its help, in one line."""
    value: Value | None = None
    """None: it takes none."""
    may_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Argument:
    """A positional argument."""

    value: Value
    told: str
    is_required: bool
    may_repeat: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A command with all that may follow its name."""

    names: tuple[str, ...]
    """From the program's own name on: `("aoinspect", "keys", "lint")`."""
    told: str
    options: tuple[Option, ...]
    arguments: tuple[Argument, ...]
    subcommands: tuple[Command, ...]

    def walk(self) -> Iterator[Command]:
        """This command and all below it."""
        yield self
        for subcommand in self.subcommands:
            yield from subcommand.walk()


def read_command(parser: argparse.ArgumentParser, names: tuple[str, ...] = (), told: str = "") -> Command:
    """The command that `parser` reads, with its subcommands in the order in which --help lists them."""
    names = names or (parser.prog,)
    options, arguments, subcommands = [], [], []
    for action in parser._actions:
        if action.help == argparse.SUPPRESS:
            continue
        if isinstance(action, argparse._SubParsersAction):
            texts = {listed.dest: listed.help or "" for listed in action._get_subactions()}
            subcommands += [
                read_command(inner, (*names, name), texts.get(name, "")) for name, inner in action.choices.items()
            ]
        elif action.option_strings:
            options.append(_option(action, parser))
        else:
            arguments.append(_argument(action, parser))
    return Command(names, told, tuple(options), tuple(arguments), tuple(subcommands))


def _option(action: argparse.Action, parser: argparse.ArgumentParser) -> Option:
    return Option(
        flags=tuple(action.option_strings),
        told=help_of(action, parser),
        value=None if action.nargs == 0 else _value(action),
        may_repeat=isinstance(action, argparse._AppendAction),
    )


def _argument(action: argparse.Action, parser: argparse.ArgumentParser) -> Argument:
    return Argument(
        value=_value(action),
        told=help_of(action, parser),
        is_required=action.nargs not in ("?", "*"),
        may_repeat=action.nargs in ("+", "*"),
    )


def help_of(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    """The help of an option or argument, as --help prints it, in one line."""
    return " ".join(((action.help or "") % (vars(action) | {"prog": parser.prog})).split())


def _value(action: argparse.Action) -> Value:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if action.choices is not None:
        return Value(metavar, choices=tuple(str(choice) for choice in action.choices))
    is_text = action.type in (None, str, Path)
    return Value(metavar, is_file=metavar.endswith("FILE") or (is_text and metavar not in _NO_FILES))
