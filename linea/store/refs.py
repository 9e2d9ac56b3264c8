"""Artifact and tag names, and the git refs that they are kept under."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

from linea.errors import NameNotAllowedError
from linea.model import ArtifactName

ARTIFACTS = "refs/linea/artifacts/"
DELETED = "refs/linea/deleted/"
TAGS = "refs/linea/tags/"
REBUILT = "refs/linea/rebuilt/"
"""Values that were dropped or damaged and made again, by the version's commit."""
NOTES = "refs/notes/linea"
HIDDEN = "refs/notes/linea-deleted"

MAX_CHARACTERS = 300
MAX_BYTES = 1000
MAX_REF = 1000
"""Characters of a whole ref; libgit2 has room for 1,023."""

_LONG = "capitals and other letters than a to z take three to twelve characters each"
_REVISION_SIGNS = "@~^:"
_BIDI = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
_PLAIN = re.compile(r"[a-z0-9_.\-]")
_COMPONENT = 180
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(?![a-z0-9_-])")
_TAG_REF = re.compile(r"((?:[^/]*\+/)*[^/]*)/(.+)")
_NUMBERLIKE = re.compile(r"v?\d+", re.IGNORECASE)


def artifact_name(text: str) -> ArtifactName:
    """Check that `text` can name an artifact.

    Names are compared in Unicode's composed form (NFC), so that the same word typed on two
    machines is the same name.
    """
    name = ArtifactName(_checked(text, "an artifact"))
    if len(artifact_ref(name)) > MAX_REF:
        raise NameNotAllowedError(
            f"{name[:57] + '…'!r} can't name an artifact: git can't keep a name that takes so much"
            " room",
            hint=f"{_LONG}: use a shorter one",
        )
    return name


def tag_name(text: str) -> str:
    """Check that `text` can name a tag."""
    name = _checked(text, "a tag")
    if name.startswith("{"):
        raise NameNotAllowedError(
            f"{name!r} can't name a tag: name@{name} is a moment", hint="use another word"
        )
    if _NUMBERLIKE.fullmatch(name):
        raise NameNotAllowedError(
            f"{name!r} can't name a tag: it looks like a version number",
            hint=f"use a word, such as {'release-' + name!r}",
        )
    return name


def check_tag(name: str, tag: str) -> None:
    """Check that an artifact can have a tag of this name: together they aren't too long for git."""
    if len(tag_ref(name, tag_name(tag))) > MAX_REF:
        raise NameNotAllowedError(
            f"{name[:57]!r} can't have a tag as long as {tag[:57]!r}",
            hint=f"{_LONG}: use a shorter one",
        )


def encode(name: str) -> str:
    """Give `name` as git ref components that are safe on every file system.

    Lower-case letters, digits, `_`, `-` and `.` stay; the rest is percent-encoded UTF-8 in
    lower-case hex, so that no two names meet on a disk that ignores case. What is longer than a
    file name may be is split; every component but the last then ends in `+`, so that no name is
    the folder of another.
    """
    text = "".join(_encoded(name))
    if len(text) <= _COMPONENT:
        return text
    text = text.replace(".", "%2e").replace("-", "%2d")
    pieces = re.findall(rf"(?:%[0-9a-f]{{2}}|[^%]){{1,{_COMPONENT // 3}}}", text)
    return "+/".join(pieces)


def decode(encoded: str) -> ArtifactName:
    """Give the name that `encode` made `encoded` from."""
    text = encoded.replace("+/", "")
    try:
        data = re.sub(rb"%([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), text.encode("ascii"))
        name = ArtifactName(_checked(data.decode("utf-8"), "an artifact"))
    except UnicodeError as error:
        raise NameNotAllowedError(f"{encoded!r} is no encoded artifact name") from error
    if encode(name) != encoded:
        raise NameNotAllowedError(f"{encoded!r} is no encoded artifact name")
    return name


def artifact_ref(name: str) -> str:
    """The ref whose commit is the newest version of `name`."""
    return ARTIFACTS + encode(name)


def deleted_ref(name: str) -> str:
    """The ref that keeps the versions of `name` after it was deleted."""
    return DELETED + encode(name)


def tags_prefix(name: str) -> str:
    """What the refs of all tags of `name` begin with."""
    return f"{TAGS}{encode(name)}/"


def tag_ref(name: str, tag: str) -> str:
    """The ref of one tag of `name`."""
    return tags_prefix(name) + encode(tag)


def parse_tag(ref: str) -> tuple[ArtifactName, str]:
    """The artifact and the tag whose ref it is."""
    # Every piece of a long name but the last ends in `+`, so the first `/` after another sign
    # parts the two.
    match = _TAG_REF.fullmatch(ref.removeprefix(TAGS))
    if not match:
        raise NameNotAllowedError(f"{ref!r} is no tag's ref")
    return decode(match[1]), str(decode(match[2]))


def part_path(path: str) -> str:
    """Give the path of a value's part as a path in a git tree.

    What git or a file system could take for something else (`..`, `.git`, `a\\b`) is
    percent-encoded; `/` parts folders.
    """
    components = path.split("/")
    if "" in components:
        raise ValueError(f"not the path of a part: {path!r}")
    return "/".join("".join(_encoded(each, _is_plain_in_path)) for each in components)


def _checked(text: str, what: str) -> str:
    if not isinstance(text, str):
        raise NameNotAllowedError(
            f"{what} is named by a text, not by a {type(text).__name__}",
            hint=f"pass {str(text)!r}",
        )
    name = unicodedata.normalize("NFC", text)
    complaint, hint = _complaint(name)
    if complaint:
        shown = name if len(name) <= 60 else name[:57] + "…"
        raise NameNotAllowedError(f"{shown!r} can't name {what}: {complaint}", hint=hint)
    return name


def _complaint(name: str) -> tuple[str | None, str | None]:
    """What is wrong with `name` (None: nothing), and what to do about it."""
    if not name.strip():
        return "it is empty", "give it a name that says what the result is, such as 'features'"
    if name != name.strip():
        return "it begins or ends with a space", f"use {name.strip()!r}"
    for sign in name:
        if sign in _REVISION_SIGNS:
            return (
                f"{sign!r} has a meaning in revisions such as name@v2 and name~1",
                f"use {''.join('-' if s in _REVISION_SIGNS else s for s in name)!r}",
            )
        if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or sign in _BIDI:
            return f"it holds the control character {sign!r}", "use printable text"
    if len(name) > MAX_CHARACTERS:
        return f"it has {len(name)} characters", f"use at most {MAX_CHARACTERS}"
    if len(name.encode()) > MAX_BYTES:
        return f"it takes {len(name.encode())} bytes in UTF-8", f"use at most {MAX_BYTES}"
    return None, None


def _is_plain(text: str, at: int) -> bool:
    """Whether the character at `at` may stand in a ref as it is."""
    sign = text[at]
    if not _PLAIN.match(sign):
        return False
    if sign == "-":
        return at > 0
    if sign == ".":
        # git refuses a leading dot, `..` and the end `.lock`; Windows drops a trailing dot.
        rest = text[at + 1 :]
        return at > 0 and rest != "" and rest[0] != "." and rest != "lock"
    return not (at == 0 and _DEVICE.match(text))


def _is_plain_in_path(text: str, at: int) -> bool:
    """Whether the character at `at` may stand in a tree's path as it is."""
    sign = text[at]
    if sign == ".":
        return 0 < at < len(text) - 1
    return sign in " _-+=,()" or (sign.isascii() and sign.isalnum())


def _encoded(text: str, is_plain: Callable[[str, int], bool] = _is_plain) -> Iterator[str]:
    for at, sign in enumerate(text):
        if is_plain(text, at):
            yield sign
        else:
            yield from (f"%{byte:02x}" for byte in sign.encode("utf-8", "surrogatepass"))
