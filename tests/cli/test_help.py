from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from linea import __version__
from linea.cli.app import COMMANDS, main
from linea.store.repository import Repository
from tests.history.histories import History

from .conftest import Shell
from .reference import commands, helps, page

REFERENCE = Path(__file__).parents[2] / "docs" / "reference.md"
HEAVY = [
    "click",
    "rich",
    "numpy",
    "pandas",
    "pyarrow",
    "pygit2",
    "dulwich",
    "IPython",
    "sklearn",
    "matplotlib",
    "asyncio",
]


def test_reference_is_what_the_program_says() -> None:
    """docs/reference.md is the program's help: python -m tests.cli.reference > docs/reference.md"""
    assert REFERENCE.read_text(encoding="utf-8") == page()


def test_every_option_is_in_the_reference() -> None:
    """No command, option or argument is missing from the reference, none without a help text."""
    text = REFERENCE.read_text(encoding="utf-8")
    for path, command, _ in commands():
        assert f"### {path}\n" in text
        for parameter in command.params:
            assert getattr(parameter, "help", None) or "--help" in parameter.opts, (path, parameter)
            if parameter.param_type_name == "option":
                assert parameter.opts[0] in text


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example(name: str) -> None:
    """Each command's help begins with the overview's line and has an example."""
    text = helps()[f"linea {name}"]
    assert f"\n  {COMMANDS[name].summary}\n" in text
    assert "Example:" in text
    assert f"linea {name}" in text.partition("Example:")[2]


def test_every_command_has_json() -> None:
    """All commands but those that run a program or print values have `--json`."""
    without = {
        path
        for path, command, _ in commands()
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert without - {"linea hooks", "linea hooks run"} == {
        "linea run",
        "linea cat",
        "linea demo",
        "linea pipeline",
    }


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_overview(shell: Shell, arguments: list[str]) -> None:
    """Without a command, linea says what there is; every command is in it."""
    found = shell(*arguments)
    assert (found.status, found.err) == (0, "")
    assert all(f"  {name} " in found.out for name in COMMANDS)
    assert max(map(len, found.out.splitlines())) <= 90


def test_the_group_says_the_same(shell: Shell) -> None:
    """Help asked for behind a global option is the same overview."""
    assert shell("-C", ".", "--help").out == shell("--help").out


def test_help_of_a_command(shell: Shell) -> None:
    """`linea help log` is `linea log --help`."""
    assert shell("help", "log").out == shell("log", "--help").out
    assert shell("log", "-h").out.startswith("Usage: linea log")


def test_version(shell: Shell) -> None:
    """--version says the version."""
    assert shell("--version").out == f"linea {__version__}\n"


def loaded(folder: Path, *arguments: str) -> set[str]:
    """The heavy modules that a command imports."""
    program = (
        "import sys\nfrom linea.cli.app import main\nmain(sys.argv[1:])\n"
        f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True, text=True, check=True, cwd=folder,
    )  # fmt: skip
    return set(eval(ran.stderr.splitlines()[-1]))


def test_light(shell: Shell) -> None:
    """`linea --help` and `--version` import nothing heavy, not even the command-line library."""
    assert loaded(shell.folder, "--help") == set()
    assert loaded(shell.folder, "--version") == set()


@pytest.mark.parametrize("command", ["log", "ls", "status", "graph", "tag"])
def test_light_commands(shell: Shell, houses: History, command: str) -> None:
    """Questions that need no value load no data library."""
    assert loaded(shell.folder, command) == {"click"}


def test_cpu_of_help() -> None:
    """`linea --help` costs less than 0.15 s of CPU beyond Python itself."""

    def cpu(*program: str) -> float:
        script = (
            "import resource, subprocess, sys\n"
            "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
            "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
            "print(used.ru_utime + used.ru_stime)"
        )
        command = [sys.executable, "-c", script, sys.executable, *program]
        times = [float(subprocess.check_output(command, text=True)) for _ in range(5)]
        return min(times)

    help_ = cpu("-c", "from linea.cli.app import main; main(['--help'])")
    assert help_ - cpu("-c", "pass") < 0.15


# ------------------------------------------------------------------------------- completion


def complete(shell: Shell, *words: str) -> list[str]:
    """What bash is offered for the last word."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("_LINEA_COMPLETE", "bash_complete")
        patch.setenv("COMP_WORDS", " ".join(["linea", *words]))
        patch.setenv("COMP_CWORD", str(len(words)))
        shell._capture.readouterr()
        with pytest.raises(SystemExit):
            main([])
        return [line.split(",")[1] for line in shell._capture.readouterr().out.split()]


def test_complete(shell: Shell, houses: History) -> None:
    """Commands, options, artifacts, versions and tags are completed."""
    assert complete(shell, "lo") == ["log"]
    assert "--graph" in complete(shell, "log", "--")
    assert complete(shell, "log", "") == ["clean", "model"]
    assert complete(shell, "show", "cl") == ["clean"]
    assert complete(shell, "show", "clean@") == ["clean@good", "clean@v3", "clean@v2", "clean@v1"]
    assert complete(shell, "diff", "clean@v1", "clean@g") == ["clean@good"]
    houses.repository.delete("model")
    assert complete(shell, "undo", "") == ["model"]


def test_complete_without_a_store(shell: Shell) -> None:
    """Where there is no store, or no such artifact, nothing is offered and nothing fails."""
    assert complete(shell, "log", "") == []
    Repository.create(shell.folder / ".linea").close()
    assert complete(shell, "show", "nope@") == []


def test_completion_script(shell: Shell) -> None:
    """The shells' scripts come from the program."""
    ran = subprocess.run(
        [sys.executable, "-m", "linea.cli.app", "--show-completion", "bash"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "_LINEA_COMPLETE" in ran.stdout
