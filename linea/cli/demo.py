"""A new folder → a small project with a history, made and looked at before the reader's eyes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path

from linea.cli import render
from linea.errors import LineaError

FULL = ("pandas", "sklearn", "matplotlib")
NOTEBOOK = ("ipykernel", "nbclient", "nbformat")
INSTALL = "pip install pandas scikit-learn matplotlib ipykernel nbclient nbformat"


@dataclass(frozen=True, slots=True)
class Command:
    """A command that is shown and run."""

    words: tuple[str, ...]
    why: str
    accepted: tuple[int, ...] = (0,)
    """Exit statuses that are part of the story: 1 says that things differ or are stale."""
    notebook: bool = False
    """Needs a Jupyter kernel."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change to a file, as the user would make it."""

    file: str
    old: str
    new: str
    why: str


def linea(*words: str) -> tuple[str, ...]:
    return ("linea", *words)


def story(edits: Mapping[str, tuple[str, str]]) -> list[Command | Edit]:
    """The scenes in order; `edits` says what changes in the script of the variant."""
    return [
        Command(linea("init"), "A store for this folder; the first save would make it as well."),
        Command(linea("run", "train.py"), "The script as it is. It saves feature_table and model."),
        Command(
            linea("run", "analysis.ipynb"),
            "The notebook reads both, and saves a report.",
            notebook=True,
        ),
        Edit("train.py", *edits["rows"], "Second thoughts: an outlier goes."),
        Command(linea("run", "train.py"), "Versions 2."),
        Edit("train.py", *edits["column"], "One more feature …"),
        Edit("train.py", *edits["model"], "… and a model that leans less on each of them."),
        Command(linea("run", "train.py"), "Versions 3."),
        Command(linea("ls"), "What is there?"),
        Command(linea("log", "feature_table"), "What happened to the table?"),
        Command(
            linea("show", "feature_table@v1"),
            "What made the first one? Out of the whole script, the lines that it rests on.",
        ),
        Command(linea("blame", "feature_table"), "Since when is each line of that there?"),
        Command(
            linea("diff", "feature_table@v1", "feature_table@v3"),
            "What changed, in code and value?",
            accepted=(0, 1),
        ),
        Command(
            linea("checkout", "model@v1", "--to", "old"),
            "The first model, as files; nothing of yours is ever overwritten.",
        ),
        Command(
            linea("verify", "model@v1"),
            "Does its code still give it? Run again in a fresh process and compared.",
        ),
        Edit("data/wine.csv", *edits["data"], "A measurement is corrected in the data."),
        Command(linea("status"), "What is stale now, and why?", accepted=(0, 1)),
    ]


EDITS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "full": {
        "rows": ('# df = df[df["magnesium"] < 150]', 'df = df[df["magnesium"] < 150]'),
        "column": (
            'logged(df, ["proline"])',
            'logged(df, ["proline"])\ndf["hue_share"] = df["hue"] / df["color_intensity"]',
        ),
        "model": ("LogisticRegression(C=1.0)", "LogisticRegression(C=0.1)"),
        "data": ("1,14.23,1.71,2.43,", "1,14.32,1.71,2.43,"),
    },
    "plain": {
        "rows": (
            'wine = csv.read_csv("data/wine.csv")',
            'wine = csv.read_csv("data/wine.csv")\n'
            'wine = wine.filter(pc.less(wine["magnesium"], 150))',
        ),
        "column": (
            'logged(columns, ["proline"])',
            'logged(columns, ["proline"])\n'
            'columns["hue_share"] = columns["hue"] / columns["color_intensity"]',
        ),
        "model": ("ridge = 1.0", "ridge = 10.0"),
        "data": ("1,14.23,1.71,2.43,", "1,14.32,1.71,2.43,"),
    },
}


def run(folder: Path | None = None) -> int:
    """Make the project in `folder`, which must be new or empty, and show what can be asked."""
    started = time.monotonic()
    place = new_folder(folder)
    variant = "full" if all(map(installed, FULL)) else "plain"
    kernel = all(map(installed, NOTEBOOK))
    put_files(variant, place)
    screen = render.screen()
    screen.line(f"A small project in {place}: 178 Italian wines, a script and a notebook.")
    screen.line("(UCI Wine data, CC BY 4.0; see data/SOURCE.md.)")
    skipped = False
    for scene in story(EDITS[variant]):
        if isinstance(scene, Edit):
            show_edit(screen, scene)
            edit(place, scene)
        elif scene.notebook and not kernel:
            skipped = True
        else:
            show_command(screen, scene)
            perform(place, scene)
    missing = variant == "plain" or skipped
    farewell(screen, place, time.monotonic() - started, missing=missing)
    return 0


def new_folder(folder: Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="linea-demo-")).resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LineaError(f"{folder} isn't empty", hint="name a new folder: linea demo wines")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def installed(module: str) -> bool:
    return find_spec(module) is not None


def put_files(variant: str, place: Path) -> None:
    with as_file(files("linea.cli") / "demo_files") as source:
        for name in ("train.py", "analysis.ipynb"):
            shutil.copyfile(source / variant / name, place / name)
        (place / "data").mkdir()
        for name in ("wine.csv", "SOURCE.md"):
            shutil.copyfile(source / name, place / "data" / name)


def edit(place: Path, scene: Edit) -> None:
    path = place / scene.file
    text = path.read_text(encoding="utf-8")
    assert text.count(scene.old) == 1, f"{scene.file} has no single {scene.old!r}"
    path.write_text(text.replace(scene.old, scene.new), encoding="utf-8")


def show_edit(screen: render.Screen, scene: Edit) -> None:
    screen.line()
    screen.line(screen.style(f"# {scene.why}", "dim"))
    screen.line(screen.style(f"edit {scene.file}", "bold"))
    old, new = scene.old.splitlines(), scene.new.splitlines()
    screen.lines(screen.style(f"- {line}", "red") for line in old if line not in new)
    screen.lines(screen.style(f"+ {line}", "green") for line in new if line not in old)


def show_command(screen: render.Screen, scene: Command) -> None:
    screen.line()
    screen.line(screen.style(f"# {scene.why}", "dim"))
    screen.line(screen.style(f"$ {' '.join(scene.words)}", "bold"))
    sys.stdout.flush()


def perform(place: Path, scene: Command) -> None:
    """Run a command with our own interpreter, so that it works outside of `PATH` too."""
    environment = {key: value for key, value in os.environ.items() if key != "LINEA_DIR"}
    done = subprocess.run(
        command_line(scene.words), cwd=place, env=environment, stderr=sys.stdout, check=False
    )
    if done.returncode not in scene.accepted:
        raise LineaError(
            f"{' '.join(scene.words)} ended with status {done.returncode}",
            hint=f"the project is in {place}; please report what is shown above",
        )


def command_line(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", *words]


def farewell(screen: render.Screen, place: Path, seconds: float, *, missing: bool) -> None:
    screen.line()
    screen.line(f"All of it is in {place}, made in {render.duration(seconds)}. Try next:")
    screen.line()
    tries = (
        (f"cd {place}", ""),
        ("linea log --graph", "what was made from what"),
        ("linea show --code model", "the lines that the model rests on"),
        ("linea run train.py", "make stale results again"),
        ("git --git-dir .linea log --oneline --graph --all", "the store is a git repository"),
    )
    screen.lines(f"  {command}{f'   # {why}' if why else ''}" for command, why in tries)
    if missing:
        screen.line()
        screen.line(
            "This was the small variant, on numpy and pyarrow alone. To see it with pandas,"
        )
        screen.line("scikit-learn and a notebook that runs in Jupyter:")
        screen.line(f"  {INSTALL}")
