"""An exception as text that every database can store."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from .models.attempt import MESSAGE_LENGTH, TRACEBACK_LENGTH
from .models.job import LAST_ERROR_LENGTH
from .place import PLACE_LENGTH, place_of


@dataclass(frozen=True, slots=True)
class Failure:
    """
    What an attempt raised. Only text: nothing of it is ever imported again.

    :param exception_class: the dotted path of the class.
    :param message: what ``str()`` made of it, cut to 10,000 characters.
    :param traceback: the formatted traceback, its middle cut out beyond 50,000 characters.
    :param place: as ``place_of()``.
    """

    exception_class: str
    message: str
    traceback: str
    place: str = ""

    @classmethod
    def of(cls, exception: BaseException, hide: Callable[[str], str] | None = None) -> "Failure":
        """
        Describe ``exception``, whatever its own methods do.

        :param hide: takes out of a text what nobody is to see.
        """
        kind = type(exception)
        try:
            message = str(exception)
        except BaseException as error:
            message = f"<str() of it failed: {type(error).__name__}>"
        try:
            text = "".join(traceback.format_exception(exception))
        except BaseException as error:
            text = f"<no traceback: formatting it failed: {type(error).__name__}>"
        try:
            place = place_of(exception)
        except BaseException:
            place = ""
        if hide is not None:  # before they are cut, which could leave a part
            message, text = hide(message), hide(text)
        return cls(
            exception_class=storable(f"{kind.__module__}.{kind.__qualname__}")[:255],
            message=cut(storable(message), MESSAGE_LENGTH),
            traceback=cut(storable(text), TRACEBACK_LENGTH),
            place=storable(place)[:PLACE_LENGTH],
        )

    @property
    def line(self) -> str:
        """Class and message in one line, for ``Job.last_error``."""
        name = self.exception_class.rpartition(".")[2]
        message = first_line(self.message)
        return first_line(f"{name}: {message}" if message else name)


def fingerprint(task_path: str, what: str, place: str) -> str:
    """
    What failed attempts have in common, as 16 hexadecimal digits.

    :param what: the class of the exception, or how the attempt ended where there is none.
    """
    text = "\0".join((task_path, what, place))
    return blake2b(text.encode(errors="backslashreplace"), digest_size=8).hexdigest()


def first_line(text: str) -> str:
    """The first line of ``text`` that says something, cut to what ``last_error`` takes."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    return cut(storable(lines[0]), LAST_ERROR_LENGTH)


def storable(text: str) -> str:
    """``text`` without what a database refuses: NUL characters and lone surrogates."""
    return text.replace("\x00", "\\x00").encode(errors="backslashreplace").decode()


def is_storable(text: str) -> bool:
    """Whether a database takes ``text``; what none takes is in no row either."""
    return text == storable(text)


def cut(text: str, length: int) -> str:
    """``text`` in at most ``length`` characters, its middle left out: the ends say most."""
    if len(text) <= length:
        return text
    mark = f" … {len(text) - length} characters left out … "
    if len(mark) >= length:
        return text[:length]
    head = (length - len(mark)) // 2
    return text[:head] + mark + text[-(length - len(mark) - head) :]
