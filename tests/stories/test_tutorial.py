"""The tutorial is what happens: its files, commands, cells and outputs, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stories.conftest import Kernel, Project

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(
    r"^```(?P<info>\S.*)\n(?P<body>(?:(?!```).*\n)*)```\n(?=(?P<after>(?:\n.+)?))", re.M
)
STATUS = re.compile(r"\s*Exit status (\d)")
MASKS = {
    r"xxh3:1:[0-9a-f]{32}": "DIGEST",
    r"(?<= )[0-9a-f]{7}(?= )": "COMMIT",
    r"just now|\d+ (second|minute)s? ago": "AGE",
    r"\(\d+(\.\d+)? m?s\)": "(TIME)",
    r" +": " ",
}


@dataclass(frozen=True)
class Block:
    """A fenced block of the page, and the exit status that the text after it tells."""

    info: str
    body: str
    status: int


def blocks(page: str) -> Iterator[Block]:
    for found in BLOCK.finditer(page):
        told = STATUS.match(found["after"])
        yield Block(found["info"], found["body"], int(told[1]) if told else 0)


def commands(body: str) -> Iterator[tuple[str, str]]:
    """Each command line of a console block with the output that the page shows."""
    for part in re.split(r"^\$ ", body, flags=re.M)[1:]:
        line, _, output = part.partition("\n")
        yield line, output


def masked(text: str) -> list[str]:
    for pattern, word in MASKS.items():
        text = re.sub(pattern, word, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def assert_shown(wanted: str, real: str, what: str) -> None:
    """Every line that the page shows is in the real output, in this order."""
    rest = iter(masked(real))
    for line in masked(wanted):
        assert any(line == each for each in rest), f"{what}\nnot there: {line}\nin:\n{real}"


def test_the_page_has_all_kinds_of_blocks() -> None:
    """Files, commands, cells and exit statuses are found on the page, so the test can't pass on nothing."""
    found = list(blocks(TUTORIAL.read_text(encoding="utf-8")))
    assert {b.info.split()[0] for b in found} == {"python", "text", "console"}
    assert sum(b.info == "console" for b in found) > 10
    assert {b.status for b in found} == {0, 1}


@pytest.mark.slow
def test_everything_in_the_tutorial_does_what_it_says(project: Project) -> None:
    """Each file, command and cell of the tutorial gives the output and exit status on the page."""
    kernel: Kernel | None = None
    said = ""
    for block in blocks(TUTORIAL.read_text(encoding="utf-8")):
        if title := re.search(r'title="(.+?)"', block.info):
            project.write(title[1], block.body)
        elif block.info == "python cell":
            kernel = kernel or project.kernel()
            said = kernel.run(block.body.rstrip("\n"))
        elif block.info == "text output":
            assert_shown(block.body, said, "a cell")
        elif block.info == "console":
            lines = list(commands(block.body))
            for number, (line, output) in enumerate(lines, 1):
                done = project.run(line)
                expected = block.status if number == len(lines) else 0
                assert done.status == expected, f"{line}\n{done.out}{done.err}"
                assert_shown(output, done.out, line)
        else:
            raise AssertionError(f"what is a block of {block.info!r}?")
