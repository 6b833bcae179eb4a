"""The completion script for bash, 4 or later. It needs nothing of the package bash-completion.

bash cuts words at `=` and `:`, so that `--format=json` comes as three words and `bird:bird.conf` too; the script puts
up with both.
"""

from __future__ import annotations

import shlex

from aoinspect.commands.completion.words import Command, Value

_SCRIPT = """\
# bash completion for {program}, made from its own parsers by: {program} completion bash
# shellcheck shell=bash disable=SC2207

# What follows the command in $command: subcommands, options, options that take a value, and for each place of an
# argument (the last one repeats) what it is.
_{function}_command() {{
    case $command in
{commands}
    esac
}}

# What the value of option $1 of $command is: "file", "text", or words to choose from.
_{function}_value() {{
    case "$command $1" in
{values}
        *) echo file ;;
    esac
}}

_{function}_offer() {{
    case $1 in
        file) COMPREPLY=() && compopt -o default ;;
        text) COMPREPLY=() ;;
        *) COMPREPLY=($(compgen -W "$1" -- "$2")) ;;
    esac
}}

_{function}() {{
    local command={program} subcommands options valued arguments
    local current=${{COMP_WORDS[COMP_CWORD]}} awaited='' only_arguments='' index word places=0
    _{function}_command
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${{COMP_WORDS[index]}}
        if [[ $word == : ]]; then
            # It belongs to the word before it, and so does the next one.
            ((++index))
        elif [[ $word == = ]]; then
            # The value of --option=value follows; elsewhere it is a piece of a word.
            [[ $awaited ]] || ((++index))
        elif [[ $awaited ]]; then
            awaited=''
        elif [[ $word == -- ]]; then
            only_arguments=yes
        elif [[ ! $only_arguments && $word == -?* ]]; then
            [[ " $valued " == *" $word "* ]] && awaited=$word
        elif [[ " $subcommands " == *" $word "* ]]; then
            command+=" $word"
            places=0
            _{function}_command
        else
            ((++places))
        fi
    done
    [[ $current == [=:] ]] && current=''
    if [[ $awaited ]]; then
        _{function}_offer "$(_{function}_value "$awaited")" "$current"
    elif [[ ! $only_arguments && $current == -* ]]; then
        _{function}_offer "$options" "$current"
    elif [[ $subcommands ]]; then
        _{function}_offer "$subcommands" "$current"
    elif ((${{#arguments[@]}} == 0)); then
        COMPREPLY=()
    else
        ((places < ${{#arguments[@]}})) || places=$((${{#arguments[@]}} - 1))
        _{function}_offer "${{arguments[places]}}" "$current"
    fi
}}

complete -F _{function} {program}
"""


def script(root: Command) -> str:
    """The script that completes `root`."""
    (program,) = root.names
    commands, values = [], []
    for command in root.walk():
        path = " ".join(command.names)
        flags = [flag for option in command.options for flag in option.flags]
        valued = [flag for option in command.options if option.value is not None for flag in option.flags]
        places = [_kind(argument.value) for argument in command.arguments]
        if places and not command.arguments[-1].may_repeat:
            places.append("text")
        commands += [
            f"        {shlex.quote(path)})",
            f"            subcommands={shlex.quote(' '.join(inner.names[-1] for inner in command.subcommands))}",
            f"            options={shlex.quote(' '.join(flags))}",
            f"            valued={shlex.quote(' '.join(valued))}",
            f"            arguments=({' '.join(map(shlex.quote, places))})",
            "            ;;",
        ]
        for option in command.options:
            if option.value is not None and _kind(option.value) != "file":
                pattern = " | ".join(shlex.quote(f"{path} {flag}") for flag in option.flags)
                values.append(f"        {pattern}) echo {shlex.quote(_kind(option.value))} ;;")
    return _SCRIPT.format(
        program=program, function=program.replace("-", "_"), commands="\n".join(commands), values="\n".join(values)
    )


def _kind(value: Value) -> str:
    """The word of the script for what a value is."""
    if value.choices:
        return " ".join(value.choices)
    return "file" if value.is_file else "text"
