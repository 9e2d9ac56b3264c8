"""What can go wrong, each with a sentence that says what and a hint that says what to do."""

from __future__ import annotations

import os
from types import TracebackType


class LineaError(Exception):
    """Root of every error that linea raises on purpose."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class StoreError(LineaError):
    """The store can't be found, opened, read or written."""


class NoStoreError(StoreError):
    """There is no `.linea` store here or above."""


class DamagedStoreError(StoreError):
    """Bytes in the store are missing or don't match what was recorded of them."""


class NewerStoreError(StoreError):
    """The store was written in a format that this version doesn't know."""


class NameNotAllowedError(LineaError, ValueError):
    """A text that can't name an artifact or a tag."""


class NoSuchArtifactError(LineaError, KeyError):
    """No artifact has this name."""

    __str__ = LineaError.__str__


class NoSuchVersionError(LineaError, KeyError):
    """The artifact has no such version, tag or commit."""

    __str__ = LineaError.__str__


class UnstorableError(LineaError, TypeError):
    """The value can't be stored: a generator, an open handle, a thread and the like."""


class DroppedValueError(LineaError):
    """The value was let go by a gc; what is known of it, and its code, are still there."""


class NotInValueError(LineaError, KeyError):
    """A column or row was asked for that the value doesn't have."""

    __str__ = LineaError.__str__


class UntrustedError(LineaError):
    """Reading the value would run code (unpickle) written by somebody who isn't trusted."""


class WouldOverwriteError(LineaError):
    """A file on disk holds work that is in no version."""


class SliceError(LineaError):
    """There is no slice for this: the name was never bound, or nothing was recorded."""


class ReplayError(LineaError):
    """A slice couldn't be re-run."""


class PipelineError(LineaError):
    """The artifacts can't be made into the pipeline that was asked for."""


_HERE = os.path.dirname(__file__)  # noqa: PTH120 - imported by all, which pathlib isn't
_PYTHON = os.path.dirname(os.__file__)  # noqa: PTH120


class Told:
    """A block whose errors are for the user: they leave it without what linea did inside.

    What stands last in the traceback is then the user's own line, as for a function written in C.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, LineaError):
            error.__traceback__ = None
            drop_own_cause(error)


def drop_own_cause(error: LineaError) -> None:
    """Leave out what made linea raise `error`, unless the user's code had a part in it.

    What the disk, git or damaged bytes had to say is in the message.
    """
    cause = error.__cause__ or error.__context__
    if cause is not None and _is_own(cause):
        error.__cause__ = None
        error.__suppress_context__ = True


def _is_own(error: BaseException) -> bool:
    """Whether an exception came up in linea, from nothing but linea and libraries."""
    trace = error.__traceback__
    if trace is None or not trace.tb_frame.f_code.co_filename.startswith(_HERE):
        return False
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not (name.startswith((_HERE, _PYTHON, "<frozen ")) or "site-packages" in name):
            return False
        trace = trace.tb_next
    return True
