"""Names of artifacts and tags, and how they become refs."""

from __future__ import annotations

import unicodedata

import pygit2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from linea.errors import NameNotAllowedError
from linea.store import refs

names = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="@~^:"),
    min_size=1,
    max_size=300,
)


def allowed(text: str) -> str | None:
    try:
        return refs.artifact_name(text)
    except NameNotAllowedError:
        return None


@given(names)
@example("a/b")
@example("A")
@example("x.lock")
@example("-rf")
@example("..")
@example("../../etc/passwd")
@example("a..b")
@example("a.")
@example("%41")
@example("+")
@example("con.txt")
@example("fancy iris")
@example("データ")
@example("👩‍🔬 results")
@example("x" * 300)
@example("X" * 300)
@example("ﬀ" * 300)
@example("é" * 180 + ".lock")
@example("{" * 10)
def test_every_allowed_name_comes_back_from_its_ref(text: str) -> None:
    """Encoding a name and decoding it gives the name, and git accepts the ref."""
    name = allowed(text)
    if name is None:
        return
    encoded = refs.encode(name)
    assert refs.decode(encoded) == name
    assert pygit2.reference_is_valid_name(refs.artifact_ref(name))
    assert all(len(component) <= 200 for component in encoded.split("/"))


@given(names, names)
@example("A", "a")
@example("a", "a/b")
@example("x" * 300, "x" * 299)
@example("x" * 60, "x" * 61)
@example("x" * 180, "x" * 181)
def test_refs_of_two_names_never_meet(one: str, other: str) -> None:
    """Two names have refs that differ where case is ignored, and none is the folder of another."""
    a, b = allowed(one), allowed(other)
    if a is None or b is None or a == b:
        return
    x, y = refs.artifact_ref(a), refs.artifact_ref(b)
    assert x.casefold() != y.casefold()
    assert not x.startswith(y + "/") and not y.startswith(x + "/")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("   ", "empty"),
        (" x", "space"),
        ("a@v2", "'@'"),
        ("a~1", "'~'"),
        ("a^", "'^'"),
        ("hash:1", "':'"),
        ("a\x00b", "control"),
        ("a\nb", "control"),
        ("a\x1b[31m", "control"),
        ("a\u202eb", "control"),
        ("\ud800", "control"),
        ("x" * 301, "301 characters"),
        ("𝔘" * 300, "bytes"),
    ],
)
def test_a_name_that_could_mislead_is_refused_with_a_hint(text: str, says: str) -> None:
    """A name that is empty, unprintable, too long or like a revision is refused, with a way out."""
    with pytest.raises(NameNotAllowedError, match=says.replace("^", r"\^")) as caught:
        refs.artifact_name(text)
    assert caught.value.hint


def test_a_name_that_is_no_text_is_refused() -> None:
    """A number can't name an artifact."""
    with pytest.raises(NameNotAllowedError):
        refs.artifact_name(3)  # type: ignore[arg-type]


def test_one_word_typed_in_two_ways_is_one_name() -> None:
    """Composed and decomposed accents give the same name."""
    assert refs.artifact_name(unicodedata.normalize("NFD", "café")) == "café"


@pytest.mark.parametrize("text", ["v2", "V2", "17"])
def test_a_tag_like_a_version_number_is_refused(text: str) -> None:
    """`name@v2` always means version 2."""
    with pytest.raises(NameNotAllowedError):
        refs.tag_name(text)


@pytest.mark.parametrize("encoded", ["A", "%zz", "%C3%A9", "%ff", "a/b", "%61", "", "x%00"])
def test_refs_of_other_programs_are_not_taken_for_names(encoded: str) -> None:
    """What `encode` never gives isn't decoded."""
    with pytest.raises(NameNotAllowedError):
        refs.decode(encoded)


@given(st.text(max_size=40))
@example("../../x")
@example(".git/config")
@example("GIT~1")
@example("a\\b")
@example("\ud800")
@example("columns/0/00001.z")
def test_part_paths_stay_inside_the_tree(path: str) -> None:
    """No component of a part's path in a tree is empty, `.`, `..` or starts with `.git`."""
    try:
        components = refs.part_path(path).split("/")
    except ValueError:
        assert "" in path.split("/")
        return
    for component in components:
        assert component and component.isascii() and component.isprintable()
        assert component[0] != "." and "~" not in component and "\\" not in component


@given(st.sets(st.text(min_size=1, max_size=8).filter(lambda t: "/" not in t), max_size=6))
def test_part_paths_are_told_apart(paths: set[str]) -> None:
    """Different parts have different paths in the tree."""
    assert len({refs.part_path(path) for path in paths}) == len(paths)
