"""Where in the project's own code an exception comes from."""

import os
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from traceback import walk_tb
from types import FrameType
from typing import Final

PLACE_LENGTH: Final = 255
CAUSES: Final = 10  # how far a chain of causes is followed

_OURS: Final = f"{Path(__file__).parent}{os.sep}"
_STANDARD: Final = tuple(
    f"{folder}{os.sep}"
    for folder in (
        Path(os.__file__).parent,
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platstdlib"),
    )
)
_INSTALLED: Final = ("site-packages", "dist-packages")


def place_of(exception: BaseException) -> str:
    """
    The module and function in which ``exception`` was raised, or that called the library that
    raised it: ``shop.mail.send``. Without the line, so that an edit above changes nothing.

    :returns: the innermost of the project's own functions, 255 characters at most: one that is
        not in the standard library, installed, or this package's. Where the project itself is
        installed, one of the same top-level package as the task. Of an exception that has seen
        none, that of its cause; empty where there is none at all.
    """
    for error in _chain(exception):
        frames = [frame for frame, _line in walk_tb(error.__traceback__) if _is_others(frame)]
        own = [frame for frame in frames if not _is_installed(frame.f_code.co_filename)]
        if not own and frames:
            package = _module(frames[0]).partition(".")[0]
            own = [frame for frame in frames if _module(frame).partition(".")[0] == package]
        if own:
            return f"{_module(own[-1])}.{own[-1].f_code.co_qualname}"[:PLACE_LENGTH]
    return ""


def _chain(exception: BaseException) -> Iterator[BaseException]:
    """``exception`` and what led to it, as a traceback shows it."""
    error: BaseException | None = exception
    for _ in range(CAUSES):
        if error is None:
            break
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _is_others(frame: FrameType) -> bool:
    return _is_code_of_others(frame.f_code.co_filename)


@lru_cache(maxsize=4096)
def _is_code_of_others(filename: str) -> bool:
    """Whether it is neither this package's nor the standard library's, nor made at run time."""
    if filename.startswith(("<", _OURS)):
        return False
    return _is_installed(filename) or not filename.startswith(_STANDARD)


@lru_cache(maxsize=4096)
def _is_installed(filename: str) -> bool:
    return any(f"{os.sep}{folder}{os.sep}" in filename for folder in _INSTALLED)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
