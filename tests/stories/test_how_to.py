"""The how-to pages are what happens: asked of the six weeks' project, each on a copy of its own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.stories.conftest import Project
from tests.stories.test_tutorial import assert_shown, blocks, commands

PAGES = sorted((Path(__file__).parents[2] / "docs" / "how-to").glob("*.md"))


def test_there_are_pages() -> None:
    """Each page asks something, so that the tests below can't pass on nothing."""
    assert len(PAGES) >= 7
    for page in PAGES:
        assert any(block.info == "console" for block in blocks(page.read_text(encoding="utf-8"))), (
            page
        )


def test_the_index_names_every_page() -> None:
    """A page that nothing leads to is not found."""
    index = (PAGES[0].parents[1] / "index.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES if f"how-to/{page.name}" not in index] == []


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_says_what_happens(page: Path, churn: Project, tmp_path: Path) -> None:
    """Its files, commands, outputs and exit statuses."""
    folder = tmp_path / "churn"
    shutil.copytree(churn.folder, folder)
    project = Project(folder, settings=churn.settings)
    for block in blocks(page.read_text(encoding="utf-8")):
        if title := re.search(r'title="(.+?)"', block.info):
            project.write(title[1], block.body)
            continue
        assert block.info == "console", block.info
        lines = list(commands(block.body))
        for number, (line, output) in enumerate(lines, 1):
            done = project.run(line)
            assert done.status == (block.status if number == len(lines) else 0), done
            assert_shown(output, done.out, line)
