"""A revision as people write it to the version it names."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from linea.errors import LineaError, NoSuchArtifactError, NoSuchVersionError
from linea.history.reading import Reader
from linea.model import ArtifactName, Version

_REVISION = re.compile(r"(?P<base>[^@~^]+)(?:@(?P<at>\{[^}]*\}|[^@~^]+))?(?P<back>(?:~\d*|\^)*)\Z")
_COMMIT = re.compile(r"[0-9a-f]{4,40}\Z")
_NUMBER = re.compile(r"v?(\d+)\Z")
_AGO = re.compile(r"(\d+|an?)[ .](minute|hour|day|week|month|year)s?[ .]ago\Z")
_DAYS = {
    "minute": 1 / 1440,
    "hour": 1 / 24,
    "day": 1.0,
    "week": 7.0,
    "month": 30.4375,
    "year": 365.25,
}
_REVISIONS = "write name, name@v2, name@tag, name~1, name@{2026-03-01}, a commit or hash:…"


class Revision(NamedTuple):
    """A revision taken apart: `base@at~back`."""

    base: str
    at: str | None
    back: int


def parse(text: str) -> Revision:
    """Take a revision apart."""
    # As names and tags are kept: the same word typed on two machines is the same.
    match = _REVISION.match(unicodedata.normalize("NFC", text.strip()))
    if match is None:
        raise NoSuchVersionError(f"{text!r} isn't a revision", hint=_REVISIONS)
    steps = re.findall(r"~\d*|\^", match["back"])
    back = sum(int(step[1:] or 1) if step[0] == "~" else 1 for step in steps)
    return Revision(match["base"].strip(), match["at"], back)


def resolve(
    repository: Reader,
    text: str,
    version: int | str | None = None,
    *,
    now: datetime | None = None,
) -> Version:
    """Return the version that `text` (and `version`, as in `get("name", 2)`) names."""
    if not isinstance(text, str):
        raise NoSuchVersionError(
            f"a revision is a text, not a {type(text).__name__}", hint=_REVISIONS
        )
    if text.startswith(("hash:", "xxh3:")):
        return _by_digest(repository, text.removeprefix("hash:"))
    revision = parse(text)
    if version is not None:
        if revision.at is not None:
            raise NoSuchVersionError(
                f"{text!r} names a version already", hint=f"leave out version={version!r}"
            )
        revision = revision._replace(at=str(version))
    found = _start(repository, revision, now)
    return _back(repository, found, revision.back) if revision.back else found


def no_such_artifact(repository: Reader, name: str) -> NoSuchArtifactError:
    """Return the error for a name that no artifact has, with the nearest ones."""
    names = repository.names()
    near = suggest(name, names)
    if near:
        hint = f"did you mean {near}?"
    elif names:
        hint = f"there {'is' if len(names) == 1 else 'are'} {shortlist(names)}"
    else:
        hint = 'nothing is saved yet: linea.save(value, "name") in a script, or linea demo'
    return NoSuchArtifactError(f"no artifact named {name!r}", hint=hint)


def suggest(text: str, known: Iterable[str]) -> str:
    """Return the nearest of the known texts, quoted, or nothing."""
    folded = {each.casefold(): each for each in known}
    close = difflib.get_close_matches(text.casefold(), folded, n=3, cutoff=0.6)
    return " or ".join(repr(folded[each]) for each in close)


def shortlist(texts: Sequence[str], limit: int = 5) -> str:
    """Return the first few of some texts, and how many more there are."""
    more = len(texts) - limit
    return ", ".join(texts[:limit]) + (f" and {more} more" if more > 0 else "")


def _start(repository: Reader, revision: Revision, now: datetime | None) -> Version:
    """Return the version that a revision names before it goes back."""
    if revision.base in repository.names():
        name = ArtifactName(revision.base)
        return _at(repository, name, revision.at, now) if revision.at else repository.tip(name)
    if revision.at is None and _COMMIT.match(revision.base):
        return repository.by_commit(revision.base)
    raise no_such_artifact(repository, revision.base)


def _at(repository: Reader, name: ArtifactName, at: str, now: datetime | None) -> Version:
    """Return the version of `name` that `@at` names."""
    if at.startswith("{"):
        return _at_time(repository, name, at[1:-1].strip(), now)
    number = _NUMBER.match(at)
    if number:
        return _numbered(repository, name, int(number[1]))
    tags = repository.tags(name)
    if at in tags:
        return repository.version(name, tags[at])
    if at == "latest":
        return repository.tip(name)
    near = suggest(at, tags)
    if near:
        hint = f"did you mean {near}?"
    elif tags:
        hint = f"its tags are {shortlist(sorted(tags))}"
    else:
        hint = f"it has no tags; its latest version is v{repository.tip(name).number}"
    raise NoSuchVersionError(f"{name!r} has no tag {at!r}", hint=hint)


def _numbered(repository: Reader, name: ArtifactName, number: int) -> Version:
    if number == 0:
        raise NoSuchVersionError(
            "versions count from 1; there is no version 0", hint=f"the first is {name}@v1"
        )
    try:
        return repository.version(name, number)
    except NoSuchVersionError as error:
        latest = repository.tip(name).number
        hint = f"the latest is v{latest}" if number > latest else f"see: linea log {name}"
        raise NoSuchVersionError(f"{name!r} has no version {number}", hint=hint) from error


def _at_time(repository: Reader, name: ArtifactName, text: str, now: datetime | None) -> Version:
    """Return the version that was the latest at a time."""
    moment = parse_time(text, now)
    first = None
    for version in repository.versions(name):
        # A time without a zone is read in the zone in which the version was recorded.
        made = version.created if moment.tzinfo else version.created.replace(tzinfo=None)
        if made <= moment:
            return version
        first = version
    when = f"{first.created:%Y-%m-%d %H:%M}" if first else "never"
    raise NoSuchVersionError(
        f"{name!r} had no version yet at {text}", hint=f"the first is of {when}"
    )


def parse_time(text: str, now: datetime | None) -> datetime:
    """Read a moment: ISO, `yesterday`, `3 days ago`; a day alone means its end."""
    words = text.strip().lower()
    ago = _AGO.match(words)
    if words in ("now", "today", "yesterday") or ago:
        if now is None:
            raise LineaError(f"{text!r} needs to know what time it is", hint="give a date")
        if ago:
            count = int(ago[1]) if ago[1].isdigit() else 1
            try:
                return now - timedelta(days=count * _DAYS[ago[2]])
            except OverflowError:
                raise NoSuchVersionError(f"{text!r} was before all time") from None
        if words == "now":
            return now
        day = now - timedelta(days=words == "yesterday")
        return day.replace(hour=23, minute=59, second=59, microsecond=999999)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise NoSuchVersionError(
            f"{text!r} isn't a date", hint="write 2026-03-01, 2026-03-01T14:30, or 3 days ago"
        ) from None
    if len(text.strip()) > len("2026-03-01"):
        return moment
    return moment.replace(hour=23, minute=59, second=59, microsecond=999999)


def _back(repository: Reader, version: Version, steps: int) -> Version:
    """Return the version that many before this one, hidden ones not counted."""
    older = (each for each in repository.entries(version.name) if each.number < version.number)
    found = next(islice(older, steps - 1, None), None)
    if found is None:
        raise NoSuchVersionError(
            f"{version.revision} has fewer than {steps} version{'s' * (steps > 1)} before it",
            hint=f"see: linea log {version.name}",
        )
    return repository.loaded(found)


def _by_digest(repository: Reader, prefix: str) -> Version:
    """Return the newest version whose value has this digest."""
    found = sorted(
        repository.by_digest(prefix), key=lambda each: (each.created, each.number), reverse=True
    )
    if not found:
        raise NoSuchVersionError(f"no version's value has a digest that starts with {prefix}")
    if len({version.digest for version in found}) > 1:
        known = [f"{version.digest} ({version.revision})" for version in found]
        raise NoSuchVersionError(
            f"{prefix} begins the digests of several values",
            hint="write more of it: " + shortlist(known),
        )
    return found[0]


def completed(text: str, name: str) -> str:
    """Put `name` before a revision that leaves it out: `@v2` and `~1` are of the same artifact."""
    return name + text if text[:1] in ("@", "~") else text
