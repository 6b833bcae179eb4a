"""The completion script for fish: one `complete` a command, option and argument.

fish is told where each of them applies by a condition. Its own `__fish_seen_subcommand_from` takes a file called `keys`
for the command, so the script walks the command line itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from aoinspect.commands.completion.words import Command, Option, Value

_SCRIPT = """\
# fish completion for {program}, made from its own parsers by: {program} completion fish

# The command so far, and behind it how many arguments it has: "{program} keys lint 1".
function __{program}_place
    set -l command {program}
    set -l places 0
    set -l awaited ''
    for word in (commandline -opc)[2..-1]
        if test -n "$awaited"
            set awaited ''
            continue
        end
        switch "$command $word"
{walk}
            case '* -*'
            case '*'
                set places (math $places + 1)
        end
    end
    echo "$command $places"
end

function __{program}_in
    test (string replace -r ' [0-9]+$' '' -- (__{program}_place)) = "$argv"
end

function __{program}_at
    set -l place (string split -r -m 1 ' ' -- (__{program}_place))
    test "$place[1]" = "$argv[1]"; and test $place[2] -ge $argv[2]; and test $place[2] -le $argv[3]
end

complete -c {program} -f
{completions}
"""

_MANY = 1_000_000


def script(root: Command) -> str:
    """The script that completes `root`."""
    (program,) = root.names
    commands = list(root.walk())
    return _SCRIPT.format(
        program=program,
        walk="\n".join(line for command in commands for line in _steps(command)),
        completions="\n".join(line for command in commands for line in _completions(command, program)),
    )


def _steps(command: Command) -> Iterator[str]:
    """What a word behind this command does to where the command line stands."""
    path = " ".join(command.names)
    for inner in command.subcommands:
        yield f"            case {_quoted(' '.join(inner.names))}"
        yield f"                set command {_quoted(' '.join(inner.names))}"
        yield "                set places 0"
    valued = [flag for option in command.options if option.value is not None for flag in option.flags]
    if valued:
        yield f"            case {' '.join(_quoted(f'{path} {flag}') for flag in valued)}"
        yield "                set awaited yes"


def _completions(command: Command, program: str) -> Iterator[str]:
    path = " ".join(command.names)
    inside = _quoted(f"__{program}_in {path}")
    for inner in command.subcommands:
        yield f"complete -c {program} -n {inside} -a {inner.names[-1]} -d {_quoted(inner.told)}"
    for option in command.options:
        yield f"complete -c {program} -n {inside}{_spelled(option)} -d {_quoted(option.told)}"
    for place, argument in enumerate(command.arguments):
        last = _MANY if argument.may_repeat else place
        condition = _quoted(f"__{program}_at {_double_quoted(path)} {place} {last}")
        if argument.value.choices or argument.value.is_file:
            yield f"complete -c {program} -n {condition}{_offered(argument.value)}"


def _spelled(option: Option) -> str:
    flags = [
        f" -l {flag[2:]}" if flag.startswith("--") else f" -{'s' if len(flag) == 2 else 'o'} {flag[1:]}"
        for flag in option.flags
    ]
    if option.value is None:
        return "".join(flags)
    return "".join(flags) + (_offered(option.value) or " -x")


def _offered(value: Value) -> str:
    if value.choices:
        return f" -x -a {_quoted(' '.join(value.choices))}"
    return " -r -F" if value.is_file else ""


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _double_quoted(text: str) -> str:
    return f'"{text}"'
