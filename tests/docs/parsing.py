"""What can be said of commands that are not run: a shell can parse them, and aoinspect its own arguments."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
from collections.abc import Iterator

from aoinspect.cli import build_parser
from aoinspect.commands.completion.words import Command, read_command

_ENDS = frozenset({"|", "||", "&&", ";", "&", "(", ")", "{", "}", "do", "then", "else", "!", "exec"})


def shell_mistake(text: str) -> str:
    """What bash has against it; empty where it can be parsed."""
    return subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False).stderr


def invocations(text: str) -> Iterator[list[str]]:
    """The arguments of each call of aoinspect in a piece of shell."""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        # What a process substitution holds is a command of its own; a redirection is no argument.
        line = re.sub(r"[<>]\(([^)]*)\)", r"; \1 ;", line)
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.wordchars += "[]{}:,=@%+!^$?*"
        words = list(lexer)
        for place, word in enumerate(words):
            if word.rpartition("/")[2] == "aoinspect" and (place == 0 or words[place - 1] in _ENDS):
                yield list(_arguments(words[place + 1 :]))


def _arguments(words: list[str]) -> Iterator[str]:
    skipped = False
    for place, word in enumerate(words):
        if word in _ENDS:
            return
        if skipped:
            skipped = False
        elif word in (">", ">>", "<", ">&", "&>"):
            skipped = True
        elif not (word.isdecimal() and words[place + 1 : place + 2] in (["\x3e"], ["\x3e&"])):
            yield word


def argument_mistake(arguments: list[str]) -> str:
    """What the parsers have against a command line; empty where they take it. --help and --version are taken."""
    parser = build_parser()
    told: list[str] = []

    def tell(message: str, _file: object = None) -> None:
        told.append(message)

    for inner in _parsers(parser):
        inner._print_message = tell  # type: ignore[assignment, method-assign]
    try:
        parser.parse_args(arguments)
    except SystemExit as end:
        return "".join(told) if end.code else ""
    return ""


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _parsers(inner)


def option_mistakes(words: list[str], root: Command | None = None) -> list[str]:
    """Of a command line in running text, which may be cut short: subcommands and options that there are not."""
    command = read_command(build_parser()) if root is None else root
    mistakes = []
    for word in words:
        inner = [below for below in command.subcommands if below.names[-1] == word]
        if inner:
            (command,) = inner
        elif word.startswith("-") and len(word) > 1:
            flags = {flag for option in command.options for flag in option.flags}
            if word.partition("=")[0] not in flags:
                mistakes.append(f"{' '.join(command.names)} has no {word}")
        elif command.subcommands and re.fullmatch(r"[a-z-]+", word):
            mistakes.append(f"{' '.join(command.names)} has no {word}")
    return mistakes
