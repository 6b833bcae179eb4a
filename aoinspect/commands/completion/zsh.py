"""The completion script for zsh: `_arguments` for each command, with the help of each option.

It serves both ways: sourced below compinit, and as a file `_aoinspect` in a folder of fpath.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from aoinspect.commands.completion.words import Argument, Command, Option, Value

_SCRIPT = """\
#compdef {program}
# zsh completion for {program}, made from its own parsers by: {program} completion zsh

{functions}
if [[ ${{funcstack[1]}} == _{program} ]]; then
    _{program} "$@"
else
    compdef _{program} {program}
fi
"""

_LEAF = """\
{function}() {{
    _arguments -s -S {specifications}
}}
"""

_BRANCH = """\
{function}() {{
    local curcontext=$curcontext state line
    local -A opt_args
    local -a commands=(
        {listed}
    )
    _arguments -C -S {specifications} \\
        '1: :->command' \\
        '*:: :->rest'
    case $state in
        command) _describe -t commands command commands ;;
        rest)
            case $line[1] in
                {cases}
            esac
            ;;
    esac
}}
"""


def script(root: Command) -> str:
    """The script that completes `root`."""
    return _SCRIPT.format(
        program=root.names[0], functions="\n".join(_written(command) for command in reversed(list(root.walk())))
    )


def _written(command: Command) -> str:
    """The function that completes behind this command's name."""
    specifications = [*map(_option, command.options), *_arguments(command.arguments)]
    joined = " \\\n        ".join(["", *specifications]).lstrip(" ")
    if not command.subcommands:
        return _LEAF.format(function=_function(command), specifications=joined)
    return _BRANCH.format(
        function=_function(command),
        specifications=joined,
        listed="\n        ".join(shlex.quote(f"{inner.names[-1]}:{inner.told}") for inner in command.subcommands),
        cases="\n                ".join(f"{inner.names[-1]}) {_function(inner)} ;;" for inner in command.subcommands),
    )


def _function(command: Command) -> str:
    return "_" + "_".join(command.names)


def _option(option: Option) -> str:
    told = f"[{_escaped(option.told, '[]')}]"
    value = "" if option.value is None else f":{_escaped(option.value.metavar, ':')}:{_action(option.value)}"
    if option.may_repeat:
        return " ".join(shlex.quote(f"*{flag}{_glued(flag, value)}{told}{value}") for flag in option.flags)
    if len(option.flags) == 1:
        (flag,) = option.flags
        return shlex.quote(f"{flag}{_glued(flag, value)}{told}{value}")
    others = f"({' '.join(option.flags)})"
    return " ".join(shlex.quote(f"{others}{flag}{_glued(flag, value)}{told}{value}") for flag in option.flags)


def _glued(flag: str, value: str) -> str:
    """What says that the value may stand behind the flag in the same word, with = behind a long one."""
    if not value:
        return ""
    return "=" if flag.startswith("--") else "+"


def _arguments(arguments: tuple[Argument, ...]) -> Iterator[str]:
    for place, argument in enumerate(arguments, 1):
        message = f"{_escaped(argument.value.metavar, ':')}:{_action(argument.value)}"
        if argument.may_repeat:
            yield shlex.quote(f"*:{message}")
        else:
            yield shlex.quote(f"{place}:{'' if argument.is_required else ':'}{message}")


def _action(value: Value) -> str:
    if value.choices:
        return f"({' '.join(value.choices)})"
    return "_files" if value.is_file else " "


def _escaped(text: str, special: str) -> str:
    return "".join(f"\\{character}" if character in special + "\\" else character for character in text)
