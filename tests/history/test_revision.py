from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from linea.errors import LineaError, NoSuchArtifactError, NoSuchVersionError
from linea.history.revision import parse_time, resolve

from .histories import START, History


@pytest.fixture
def three(history: History) -> History:
    history.save(1, "model", tags=["best"])
    history.save(2, "model")
    history.save(3, "model")
    history.save("x", "fancy iris")
    return history


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model", "model@v3"),
        (" model ", "model@v3"),
        ("model@latest", "model@v3"),
        ("model@v2", "model@v2"),
        ("model@2", "model@v2"),
        ("model@best", "model@v1"),
        ("model~1", "model@v2"),
        ("model~", "model@v2"),
        ("model^", "model@v2"),
        ("model^^", "model@v1"),
        ("model~2", "model@v1"),
        ("model@v2~1", "model@v1"),
        ("model@{2026-03-01}", "model@v1"),
        ("model@{2026-03-02}", "model@v2"),
        ("model@{2026-03-02T11:59}", "model@v1"),
        ("model@{2026-03-02T12:00+00:00}", "model@v2"),
        ("model@{2 days ago}", "model@v2"),
        ("model@{yesterday}", "model@v3"),
        ("model@{yesterday}~1", "model@v2"),
        ("fancy iris", "fancy iris@v1"),
        ("fancy iris@v1", "fancy iris@v1"),
    ],
)
def test_names(three: History, text: str, expected: str) -> None:
    """Every way to write a revision names the version that one expects."""
    now = START + timedelta(days=3, hours=1)
    assert resolve(three.repository, text, now=now).revision == expected


@pytest.mark.parametrize("version", [2, "2", "v2"])
def test_version_beside_the_name(three: History, version: int | str) -> None:
    """The version may be an argument of its own."""
    assert resolve(three.repository, "model", version).number == 2


@pytest.mark.parametrize(
    ("text", "error", "message", "hint"),
    [
        ("modle", NoSuchArtifactError, "no artifact named 'modle'", "did you mean 'model'?"),
        ("MODEL", NoSuchArtifactError, "no artifact named 'MODEL'", "did you mean 'model'?"),
        ("zebra", NoSuchArtifactError, "no artifact named 'zebra'", "there are fancy iris, model"),
        ("model@v9", NoSuchVersionError, "'model' has no version 9", "the latest is v3"),
        ("model@0", NoSuchVersionError, "versions count from 1", "the first is model@v1"),
        ("model@bets", NoSuchVersionError, "'model' has no tag 'bets'", "did you mean 'best'?"),
        ("model@zz", NoSuchVersionError, "'model' has no tag 'zz'", "its tags are best"),
        ("fancy iris@a", NoSuchVersionError, "has no tag 'a'", "its latest version is v1"),
        ("model~3", NoSuchVersionError, "fewer than 3 versions before it", "linea log model"),
        ("model@{2026-02-01}", NoSuchVersionError, "had no version yet", "2026-03-01"),
        ("model@{99999 years ago}", NoSuchVersionError, "before all time", ""),
        ("model@{soon}", NoSuchVersionError, "'soon' isn't a date", "2026-03-01"),
        ("@v2", NoSuchVersionError, "'@v2' isn't a revision", "write name"),
        ("model@v1@v2", NoSuchVersionError, "isn't a revision", "write name"),
        ("ffffffff", NoSuchVersionError, "ffffffff", ""),
        ("hash:ffff", NoSuchVersionError, "no version's value has a digest", ""),
    ],
)
def test_unknown(
    three: History, text: str, error: type[LineaError], message: str, hint: str
) -> None:
    """What can't be found is an error that says what is near."""
    with pytest.raises(error) as caught:
        resolve(three.repository, text, now=datetime(2026, 4, 1, tzinfo=UTC))
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_version_zero(three: History) -> None:
    """LineaPy's version 0 gets told that versions count from 1."""
    with pytest.raises(NoSuchVersionError, match="versions count from 1"):
        resolve(three.repository, "model", 0)


def test_two_versions(three: History) -> None:
    """A revision that names a version takes no second one."""
    with pytest.raises(NoSuchVersionError, match="names a version already"):
        resolve(three.repository, "model@v1", 2)


def test_commit(three: History) -> None:
    """Four digits of a commit are enough, and steps back count from there."""
    version = three.repository.version("model", 2)
    assert resolve(three.repository, version.commit) == version
    assert resolve(three.repository, version.commit[:10] + "~1").number == 1


def test_a_name_like_a_commit(history: History) -> None:
    """An artifact's name goes before a commit's digits."""
    assert resolve(history.save(1, "beef") and history.repository, "beef").name == "beef"


def test_hash(three: History) -> None:
    """A digest names the newest version of that value; its scheme may be left out."""
    two = three.repository.version("model", 2)
    for text in (f"hash:{two.digest}", two.digest, f"hash:{two.digest.rpartition(':')[2][:12]}"):
        assert resolve(three.repository, text) == two
    again = three.save(2, "model")
    assert resolve(three.repository, f"hash:{two.digest}") == again


def test_ambiguous_hash(three: History) -> None:
    """A digest's beginning that several values share lists them."""
    with pytest.raises(NoSuchVersionError) as caught:
        resolve(three.repository, "hash:xxh3:1:")
    assert "model@v2" in str(caught.value.hint)


def test_removed_versions_dont_count(three: History) -> None:
    """A step back goes to a version that is still there."""
    three.repository.delete("model", 2)
    assert resolve(three.repository, "model~1").number == 1


def test_nothing_saved(history: History) -> None:
    """An empty store says how to begin."""
    with pytest.raises(NoSuchArtifactError) as caught:
        resolve(history.repository, "x")
    assert "nothing is saved yet" in str(caught.value.hint)


def test_relative_time_needs_now(three: History) -> None:
    """Nothing here looks at a clock."""
    with pytest.raises(LineaError, match="what time it is"):
        resolve(three.repository, "model@{2 days ago}")


def test_parse_time() -> None:
    """A day means its end; an hour ago is counted back."""
    now = datetime(2026, 3, 5, 9, 30, tzinfo=UTC)
    assert parse_time("2026-03-01", None) == datetime(2026, 3, 1, 23, 59, 59, 999999)
    assert parse_time("an hour ago", now) == datetime(2026, 3, 5, 8, 30, tzinfo=UTC)
    assert parse_time("yesterday", now).day == 4
    assert parse_time("today", now).day == 5


def test_a_second_revision_may_leave_the_name_out() -> None:
    """`linea diff a@v1 @v2` means a@v2; a whole revision stays as it is."""
    from linea.history.revision import completed

    assert [completed(t, "a") for t in ("@v2", "~1", "b@v2")] == ["a@v2", "a~1", "b@v2"]


def test_what_is_no_text(three: History) -> None:
    """Something else in the place of a revision is told of as that."""
    with pytest.raises(NoSuchVersionError, match="a revision is a text, not a int"):
        resolve(three.repository, cast(str, 3))


def test_the_same_word_typed_otherwise(three: History) -> None:
    """Names and tags are compared in Unicode's composed form."""
    version = three.repository.tip("model")
    three.repository.tag(version, unicodedata.normalize("NFC", "café"))
    assert resolve(three.repository, unicodedata.normalize("NFD", "model@café")) == version


def test_a_tag_named_latest(three: History) -> None:
    """It stands where it was put; without it, `latest` is the newest version."""
    assert resolve(three.repository, "model@latest").number == 3
    three.repository.tag(three.repository.version("model", 2), "latest")
    assert resolve(three.repository, "model@latest").number == 2
