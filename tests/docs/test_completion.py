"""Shells complete what the parsers take: the scripts are run by the shells themselves."""

from __future__ import annotations

import os
import pty
import select
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from aoinspect.cli import build_parser, main
from aoinspect.commands.completion import SHELLS, script
from aoinspect.commands.completion.words import read_command
from tests.cli.processes import PATIENCE_SECONDS

COMMANDS = tuple(command.names[-1] for command in read_command(build_parser()).subcommands)
KEYS_COMMANDS = ("import", "export", "lint", "compare", "example", "isn", "traffic-keys")

# Each with the words before the cursor and what is offered; "file" where file names are.
CASES: list[tuple[tuple[str, ...], tuple[str, ...] | str]] = [
    (("ver",), ("verify",)),
    (("verify", "--format", ""), ("text", "json", "jsonl")),
    (("verify", "a.pcap", "--format", "j"), ("json", "jsonl")),
    (("verify", "--pol"), ("--policy",)),
    (("verify", ""), "file"),
    (("verify", "a.pcap", ""), "file"),
    (("verify", "--keys", ""), "file"),
    (("verify", "--local", ""), ()),
    (("verify", "--filter", ""), ()),
    (("check", "keys", ""), "file"),
    (("check", "keys", "--basel"), ("--baseline",)),
    (("show", "a.pcap", ""), ()),
    (("show", "-t", ""), ("a", "r", "e")),
    (("keys", "lint", "--fail-on", ""), ("error", "warning", "note")),
    (("keys", "lint", "--fo"), ("--format",)),
    (("keys", "lint", ""), "file"),
    (("keys", "export", "k.toml", "--to", "ios-"), ("ios-xr", "ios-xe")),
    (("completion", ""), ("bash", "zsh", "fish")),
    (("completion", "bash", ""), ()),
]

needs_fish = pytest.mark.skipif(shutil.which("fish") is None, reason="this machine has no fish")
needs_zsh = pytest.mark.skipif(shutil.which("zsh") is None, reason="this machine has no zsh")


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        (folder / shell).write_text(script(build_parser(), shell), encoding="utf-8")
    return {shell: folder / shell for shell in SHELLS}


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=20).stdout


def offered_by_bash(path: Path, words: tuple[str, ...]) -> tuple[str, ...] | str:
    """What COMPREPLY has; "file" where readline is told to complete files."""
    # compopt works in a running completion only; here it is noted.
    text = f"""
        source {shlex.quote(str(path))}
        compopt() {{ noted="$*"; }}
        COMP_WORDS=({" ".join(map(shlex.quote, ("aoinspect", *words)))})
        COMP_CWORD={len(words)}
        COMPREPLY=(left over)
        _aoinspect
        printf '%s\\n' "$noted" "${{COMPREPLY[@]}}"
    """
    noted, *offered = run("bash", "--norc", "-c", text).splitlines()
    return "file" if noted == "-o default" else tuple(word for word in offered if word)


@pytest.mark.parametrize("words, expected", CASES, ids=lambda value: " ".join(value))
def test_bash_offers(words: tuple[str, ...], expected: tuple[str, ...] | str, scripts: dict[str, Path]) -> None:
    assert offered_by_bash(scripts["bash"], words) == expected


def test_bash_offers_every_command_and_every_option(scripts: dict[str, Path]) -> None:
    assert offered_by_bash(scripts["bash"], ("",)) == COMMANDS
    assert offered_by_bash(scripts["bash"], ("keys", "")) == KEYS_COMMANDS
    for command in read_command(build_parser()).walk():
        flags = tuple(flag for option in command.options for flag in option.flags)
        assert offered_by_bash(scripts["bash"], (*command.names[1:], "-")) == flags


@pytest.mark.parametrize(
    "words, expected",
    [
        # As bash cuts words: --format=j, --format=, bird:a, and bird:a.conf --format t.
        (("verify", "--format", "=", "j"), ("json", "jsonl")),
        (("verify", "--format", "="), ("text", "json", "jsonl")),
        (("verify", "--keys", "bird", ":", "a"), "file"),
        (("verify", "--keys", "bird", ":", "a.conf", "--format", "t"), ("text",)),
        (("verify", "--keys", "=", "k", "--format", "t"), ("text",)),
        (("verify", "--", "--format"), "file"),
    ],
    ids=lambda value: " ".join(value),
)
def test_bash_puts_up_with_how_it_cuts_words(
    words: tuple[str, ...], expected: tuple[str, ...] | str, scripts: dict[str, Path]
) -> None:
    assert offered_by_bash(scripts["bash"], words) == expected


@needs_fish
@pytest.mark.parametrize("words, expected", CASES, ids=lambda value: " ".join(value))
def test_fish_offers(
    words: tuple[str, ...], expected: tuple[str, ...] | str, scripts: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "here.pcap").touch()
    line = " ".join(["aoinspect", *words])
    commands = f"cd {tmp_path}; source {scripts['fish']}; complete -C {shlex.quote(line)}"
    offered = [found.partition("\t")[0] for found in run("fish", "--no-config", "-c", commands).splitlines()]
    assert set(offered) == ({"here.pcap"} if expected == "file" else set(expected))


OFFERING_ZSH = r"""
    autoload -Uz compinit
    compinit -D -u
    source $SCRIPT
    setopt extendedglob
    # What completion functions add for good is noted; with -A, -D and -O they only ask what would match.
    compadd() {
        local -a offered
        local options=" ${(j: :)@[1,(i)(-|--)]}"
        if [[ $options != *' '-[a-zA-Z]#[ADO]* ]]; then
            builtin compadd -O offered "$@"
            (( $#offered )) && printf '\t%s' $offered >> $OFFERED
        fi
        builtin compadd "$@"
    }
    offer() {
        for LINE in ${(f)"$(<$CASES)"}; do
            BUFFER=${LINE%.} CURSOR=$#BUFFER
            zle offered
            echo >> $OFFERED
        done
        exit
    }
    zle -C offered list-choices _main_complete
    zle -N offer
    bindkey '^T' offer
"""
"""Typed into a zsh, and ^T behind it: what is offered behind each line of $CASES, each of which ends in a full stop."""


def offered_by_zsh(path: Path, cases: Sequence[tuple[str, ...]], folder: Path) -> list[tuple[str, ...]]:
    """What the line editor of a zsh in `folder`, at a terminal of its own, offers behind each of `cases`."""
    files = {"SCRIPT": path, "CASES": folder / ".cases", "OFFERED": folder / ".offered"}
    files["CASES"].write_text("".join(f"{' '.join(['aoinspect', *words])}.\n" for words in cases), encoding="utf-8")
    (folder / ".driver").write_text(OFFERING_ZSH, encoding="utf-8")
    files["OFFERED"].touch()
    own, terminal = pty.openpty()
    variables = os.environ | {name: str(file) for name, file in files.items()} | {"TERM": "dumb", "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(
        ("zsh", "-f", "-i"), stdin=terminal, stdout=terminal, stderr=terminal, env=variables, cwd=folder
    ) as shell:
        os.close(terminal)
        os.write(own, b"source .driver\n\x14")
        shown = bytearray()
        with suppress(OSError):  # What Linux says where nobody has the terminal any more.
            while select.select([own], [], [], PATIENCE_SECONDS)[0] and (octets := os.read(own, 1 << 16)):
                shown += octets
        # One that still waits at its prompt.
        shell.kill()
        os.close(own)
    lines = files["OFFERED"].read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(cases), shown.decode(errors="replace")
    return [tuple(line.split("\t")[1:]) for line in lines]


@needs_zsh
def test_zsh_offers(scripts: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "here.pcap").touch()
    glued = [(("verify", "--format=j"), ("json", "jsonl")), (("verify", "-tj"), ())]
    cases = [*CASES, *glued, (("verify", "--jobs", "2", "--fol"), ("--follow",))]
    offered = offered_by_zsh(scripts["zsh"], [words for words, _ in cases], tmp_path)
    for (words, expected), found in zip(cases, offered, strict=True):
        # Where nothing else can come, zsh offers the options that are left.
        words_found = {word for word in found if words[-1].startswith("-") or not word.startswith("-")}
        assert words_found == ({"here.pcap"} if expected == "file" else set(expected)), words


@needs_zsh
def test_zsh_offers_every_command_and_every_option(scripts: dict[str, Path], tmp_path: Path) -> None:
    commands = list(read_command(build_parser()).walk())
    branches = [command for command in commands if command.subcommands]
    cases = [*((*command.names[1:], "") for command in branches), *((*command.names[1:], "-") for command in commands)]
    offered = [set(found) for found in offered_by_zsh(scripts["zsh"], cases, tmp_path)]
    assert offered[: len(branches)] == [{inner.names[-1] for inner in command.subcommands} for command in branches]
    for command, found in zip(commands, offered[len(branches) :], strict=True):
        assert found == {flag for option in command.options for flag in option.flags}, command.names


def test_each_script_can_be_parsed_by_its_shell(scripts: dict[str, Path]) -> None:
    for shell in SHELLS:
        if shutil.which(shell) is not None:
            run(shell, "-n", str(scripts[shell]))


@needs_zsh
def test_zsh_registers_the_function_when_it_is_sourced(scripts: dict[str, Path]) -> None:
    """Below compinit in a .zshrc, as the guide has it."""
    names = ["_" + "_".join(command.names) for command in read_command(build_parser()).walk()]
    commands = (
        "autoload -Uz compinit",
        "compinit -D -u",
        f"source {scripts['zsh']}",
        "echo $_comps[aoinspect]",
        f"whence -w {' '.join(names)}",
    )
    registered, *functions = run("zsh", "-f", "-c", "; ".join(commands)).splitlines()
    assert registered == "_aoinspect"
    assert functions == [f"{name}: function" for name in names]


def test_every_word_of_the_parsers_is_in_each_script(scripts: dict[str, Path]) -> None:
    for shell, path in scripts.items():
        text = path.read_text(encoding="utf-8")
        for command in read_command(build_parser()).walk():
            for option in command.options:
                for flag in option.flags:
                    assert (flag.lstrip("-") if shell == "fish" else flag) in text
                assert all(choice in text for choice in (option.value.choices if option.value else ()))


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_the_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == script(build_parser(), shell)
